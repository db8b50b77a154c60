r"""A cheap search makes a shortlist of K, a dear reranker orders it: what K the final hit wants.

便宜的检索列出 K 个候选，昂贵的重排器再排序：K 取多大最好。

Both scores are simulated: the wanted item gets a signal, every item Gaussian noise. Turn `signal` to 20, a perfect reranker: more is
always better. 两种得分都是模拟的：目标项有一个信号，每项都有高斯噪声。把 `signal` 调到 20（完美的重排器）：K 越大越好。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("the_shortlist_caps_it", "a_noisy_reranker_wants_a_short_list"), wrong=("reranks_everything", "keeps_the_first",
        "forgets_the_index"))
def two_stage(coarse: Tensor, fine: Tensor, k: int) -> Tensor:
    """The item with the best fine score among the k with the best coarse scores; coarse and fine (queries, items), returns (queries,).

    在粗排前 k 项里取精排得分最高的一项；coarse 与 fine 的形状都是 (queries, items)，返回 (queries,)。"""
    shortlist = coarse.topk(k, dim=1).indices                                   # (queries, k)
    best = fine.gather(1, shortlist).argmax(1, keepdim=True)                    # place within the shortlist
    return shortlist.gather(1, best).squeeze(1)


def scores(queries: int, items: int, coarse_signal: float, signal: float) -> tuple[Tensor, Tensor]:
    """Coarse and fine scores; item 0 is the wanted one."""
    coarse, fine = torch.randn(2, queries, items)
    coarse[:, 0] += coarse_signal
    fine[:, 0] += signal
    return coarse, fine


RANGES = {"queries": between(350, 600), "items": between(800, 1200), "coarse_signal": between(2.4, 2.6), "signal": between(3.4, 20.0),
          "scored": one_of("shortlist", "everything")}


@breaks(scored="everything", en="A reranker over all items is not bound by the first stage.", zh="对所有项精排，就不受第一阶段限制。")
def claim_the_shortlist_caps_it(queries=400, items=1000, coarse_signal=2.5, scored="shortlist"):
    """At no K does recall@1 after reranking exceed recall@K before it: what the first stage missed is lost.

    无论 K 多大，重排后的 recall@1 都不超过重排前的 recall@K：第一阶段漏掉的找不回来。"""
    coarse, fine = scores(queries, items, coarse_signal, 3.5)
    ks = [5, 10, 50, 100, 300, items]
    place = (coarse > coarse[:, :1]).sum(1)                                     # how many stand before the wanted item
    before = torch.stack([(place < k).double().mean() for k in ks])
    after = torch.stack([(two_stage(coarse, fine, k if scored == "shortlist" else items) == 0).double().mean() for k in ks])
    show(lines("K", ks, {"recall@K before": before, "recall@1 after": after}, log="x"))
    expect("recall@1 after less recall@K before", after - before, at_most=0, at=("K", ks))
    expect("recall@1 after, for all K", after.min(), at_least=0.2)


@breaks(signal=20.0, en="A perfect reranker never prefers a wrong item, so the longest list is the best.",
        zh="完美的重排器从不偏爱错误的项，列表越长越好。")
def claim_a_noisy_reranker_wants_a_short_list(queries=400, items=1000, coarse_signal=2.5, signal=3.5):
    """With a noisy reranker recall@1 rises with K, peaks between 10 and 300 of 1,000 items, and falls by over five points to the end.

    重排器有噪声时，recall@1 随 K 先升，在 1,000 项中的 10 到 300 之间到顶，再到末尾下降五个百分点以上。"""
    coarse, fine = scores(queries, items, coarse_signal, signal)
    ks = [5, 10, 50, 100, 300, items]
    after = torch.stack([(two_stage(coarse, fine, k) == 0).double().mean() for k in ks])
    alone = (fine.argmax(1) == 0).double().mean()
    show(lines("K", ks, {"recall@1 after": after}, log="x"))
    expect("peak less recall@1 over all items", after.max() - after[-1], at_least=0.05)
    expect("peak less recall@1 at K = 5", after.max() - after[0], at_least=0.05)
    expect("recall@1 over all items less that of the reranker alone", after[-1] - alone, equals=0, within=1e-12)


@breaks(signal=20.0, en="A perfect reranker is right at every depth, so that its accuracy carries over.",
        zh="完美的重排器在任何深度都对，准确率可以照搬。")
def claim_accuracy_does_not_carry_over(queries=400, items=1000, coarse_signal=2.5, signal=3.5):
    """A reranker's accuracy measured on lists of 10, times recall@K, overstates recall@1 at K = 1,000 by over 0.2.

    用 10 项列表上测得的重排准确率乘 recall@K，会把 K = 1,000 时的 recall@1 高估 0.2 以上。"""
    coarse, fine = scores(queries, items, coarse_signal, signal)
    place = (coarse > coarse[:, :1]).sum(1)
    in_ten = place < 10
    accuracy = (two_stage(coarse, fine, 10)[in_ten] == 0).double().mean()
    ks = [10, 50, 100, 300, items]
    promised = torch.stack([accuracy * (place < k).double().mean() for k in ks])
    measured = torch.stack([(two_stage(coarse, fine, k) == 0).double().mean() for k in ks])
    show(lines("K", ks, {"accuracy on ten times recall@K": promised, "measured": measured}, log="x"))
    expect("promise less measurement at K = 10", promised[0] - measured[0], equals=0, within=1e-9)
    expect("promise less measurement over all items", promised[-1] - measured[-1], at_least=0.2)


def drill_end_to_end(rng) -> Drill:
    """Recall times accuracy at the same depth."""
    recall, accuracy = rng.choice([(0.9, 0.8), (0.8, 0.9), (0.95, 0.6), (0.7, 0.9)])
    return Drill(
        en=f"recall@50 of the first stage is {recall:g}. In lists of 50 that hold the wanted item "
           f"the reranker puts it first with {accuracy:g}. recall@1 of the whole?",
        zh=f"第一阶段的 recall@50 为 {recall:g}；含有目标项的 50 项列表里，重排器把它排第一的概率为 {accuracy:g}。整体的 recall@1 是多少？",
        answer=recall * accuracy, within=0.005,
        steps=[("accuracy given that it is in the list, at the same depth", "准确率以目标在列表中为条件，且深度相同"),
               (f"{recall:g} · {accuracy:g} = {recall * accuracy:g}", f"{recall:g} · {accuracy:g} = {recall * accuracy:g}")],
        proved_by="accuracy_does_not_carry_over")


ZH = {
    "recall@K before": "重排前 recall@K", "recall@1 after": "重排后 recall@1",
    "recall@1 after less recall@K before": "重排后 recall@1 减重排前 recall@K",
    "recall@1 after, for all K": "各 K 重排后 recall@1 的最小值", "peak less recall@1 over all items": "峰值减全部精排的 recall@1",
    "peak less recall@1 at K = 5": "峰值减 K = 5 时的 recall@1",
    "recall@1 over all items less that of the reranker alone": "K 取全部时的 recall@1 减只用重排器的",
    "accuracy on ten times recall@K": "10 项上的准确率乘 recall@K", "measured": "测得",
    "promise less measurement at K = 10": "K = 10 时推算减实测", "promise less measurement over all items": "K 取全部时推算减实测",
    "everything": "全部", "shortlist": "候选列表",
}

if __name__ == "__main__":
    main()
