r"""A reward model's loss sees only differences within a prompt, so anything that depends on the prompt alone
is free.

奖励模型的损失只看同一 prompt 内的差值，所以任何只依赖 prompt 的量都是任意的。

Ouyang et al. 2022, §3.5, eq. 1. Turn `added` to "per response": then the loss changes. Turn
`centred` to "batch": the free part stays in. 把 `added` 改为 "per response"：损失就变了；把 `centred` 改为
"batch"：任意的部分仍留在分数里。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    exercise,
    expect,
    heatmap,
    lines,
    main,
    one_of,
    show,
    table,
)
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


@exercise(
    claims=("matches_a_loop", "each_score_is_pushed_by_its_losing_probability"),
    wrong=("worst_first", "counts_a_pair_twice_and_itself", "neighbours_only", "sums_the_pairs"),
)
def ranking_loss(scores: Tensor) -> Tensor:
    """The reward model's loss of each prompt, (prompts,): the mean over all pairs of its k responses
    of −log σ(score of the better − score of the worse). scores are (prompts, k), best response first.

    每个 prompt 的奖励模型损失，(prompts,)：对其 k 个回答的所有对，取 −log σ(较好者得分 − 较差者得分) 的平均。
    scores 为 (prompts, k)，按由好到差排列。"""
    better, worse = torch.triu_indices(scores.shape[1], scores.shape[1], 1)      # (pairs,) each
    return -F.logsigmoid(scores[:, better] - scores[:, worse]).mean(1)


RANGES = {
    "prompts": between(2, 32), "k": between(2, 9), "order": one_of("best first", "worst first"),
    "added": one_of("per prompt", "per response", "one constant"),
    "centred": one_of("prompt", "batch"), "labels": one_of("as drawn", "majority"),
    "flips": between(0.0, 0.4), "gap": between(0.5, 3.0),
}
WORST = breaks(order="worst first", en="With chosen and rejected exchanged each pair’s loss changes by exactly the gap.",
               zh="chosen 与 rejected 对调，每对损失恰好改变一个间隔。")


@WORST
def claim_matches_a_loop(prompts=3, k=4, order="best first"):
    """A ranking of k responses gives k(k−1)/2 pairs, and the loss is the mean of ln(1 + e^−gap) over
    them.

    k 个回答的排序给出 k(k−1)/2 对，损失是各对 ln(1 + e^−间隔) 的平均。"""
    scores = torch.randn(prompts, k, dtype=F64)
    found = ranking_loss(scores if order == "best first" else scores.flip(1))
    by_hand = []
    for row in scores.tolist():
        terms = [math.log1p(math.exp(row[j] - row[i])) for i in range(k) for j in range(i + 1, k)]
        by_hand.append(sum(terms) / (k * (k - 1) / 2))
    show(table(["prompt", "loss", "by hand"], [[i, found[i].item(), by_hand[i]] for i in range(prompts)]))
    expect("loss less the loop's", found - torch.tensor(by_hand, dtype=F64), equals=0, within=1e-12)


@WORST
def claim_each_score_is_pushed_by_its_losing_probability(prompts=2, k=4, order="best first"):
    """A pair pushes its two scores apart with σ(−gap), the probability the model gives to the wrong
    order; over the responses of a prompt the pushes sum to 0.

    每一对以 σ(−间隔)，即模型给错误次序的概率，把两个分数推开；同一 prompt 内各推力之和为 0。"""
    scores = torch.randn(prompts, k, dtype=F64)
    slope = finite_difference(lambda s: ranking_loss(s if order == "best first" else s.flip(1)).sum(), scores)
    losing = torch.sigmoid(scores[:, None, :] - scores[:, :, None])    # [i, j]: that j beats i
    above = torch.ones(k, k, dtype=F64).triu(1)
    push = ((losing * above).sum(2) - (losing * above).sum(1)) / (k * (k - 1) / 2)
    m = torch.linspace(-6, 6, 49)
    show(lines("gap", m, {"loss": F.softplus(-m), "σ(−gap)": torch.sigmoid(-m)}))
    expect("finite differences less −push", slope + push, equals=0, within=1e-7)
    expect("sum of the slopes of a prompt", slope.sum(1), equals=0, within=1e-7)


@breaks(added="per response", en="What differs between responses of one prompt is what the loss is about.",
        zh="同一 prompt 内不同回答之间的差别，正是损失所衡量的。")
def claim_any_function_of_the_prompt_is_free(prompts=6, k=4, added="per prompt"):
    """Add any f(x) to all scores of a prompt and the loss stays, yet the best of all responses is
    another: scores of different prompts cannot be compared.

    给同一 prompt 的所有分数加上任意 f(x)，损失不变，但「全体最高分」换了人：不同 prompt 的分数不可比。"""
    scores = torch.randn(prompts, k, dtype=F64).sort(1, descending=True).values
    worst_first = scores.argsort(0).argsort(0)[:, :1]                  # rank of each prompt's best score
    f = {"per prompt": 3.0 * (prompts - worst_first).to(F64), "one constant": torch.full((prompts, 1), 3.0, dtype=F64),
         "per response": 3.0 * torch.randn(prompts, k, dtype=F64)}[added]
    moved = scores + f
    show(heatmap(torch.cat((scores, moved), 1), x_label="response: before | after", y_label="prompt"))
    expect("loss with f(x) less the loss without", ranking_loss(moved) - ranking_loss(scores), equals=0, within=1e-12)
    expect("prompts with the highest score of all, before and after, are two",
           int(moved.amax(1).argmax() != scores.amax(1).argmax()), equals=1)


@breaks(centred="batch", en="A mean over the whole batch leaves f(x) in every score.",
        zh="对整个 batch 求均值，f(x) 仍留在每个分数里。")
def claim_centring_by_prompt_removes_it(prompts=6, k=4, centred="prompt"):
    """Less the mean of their prompt, scores are the same for every f(x); less the mean of the batch
    they are not.

    减去各自 prompt 的均值，分数与 f(x) 无关；减去整个 batch 的均值则不然。"""
    scores, f = torch.randn(prompts, k, dtype=F64), 3.0 * torch.randn(prompts, 1, dtype=F64)
    dim = 1 if centred == "prompt" else (0, 1)
    before, after = (s - s.mean(dim, keepdim=True) for s in (scores, scores + f))
    show(table(["prompt", "f(x)", "best score, centred, without f", "with f"],
               [[i, f[i].item(), before[i].max().item(), after[i].max().item()] for i in range(prompts)]))
    expect("centred scores with f(x) less those without", after - before, equals=0, within=1e-12)


def fitted(share: float) -> float:
    """The gap of least loss when the first response wins this share of the labels, by bisection."""
    low, high = -40.0, 40.0
    for _ in range(100):
        gap = (low + high) / 2
        pair = torch.tensor([[gap, 0.0]], dtype=F64, requires_grad=True)
        (slope,) = torch.autograd.grad((share * ranking_loss(pair) + (1 - share) * ranking_loss(pair.flip(1))).sum(), pair)
        low, high = (gap, high) if slope[0, 0] < 0 else (low, gap)
    return gap


@breaks(labels="majority", en="Given the majority’s label every time, no finite gap is enough.",
        zh="若每次都给多数一方的标签，多大的间隔都不够。")
def claim_the_fitted_gap_is_the_log_odds_of_the_labels(gap=2.0, flips=0.2, labels="as drawn"):
    """The fitted gap is the log-odds of the label shares: a fifth of the labels flipped at random
    shrink a true gap of 2 to 0.99.

    拟合出的间隔等于标签比例的对数几率：随机翻转五分之一的标签，真实间隔 2 缩为 0.99。"""
    clean = 1 / (1 + math.exp(-gap))
    share = clean * (1 - flips) + (1 - clean) * flips
    rates = [0.0, 0.1, 0.2, 0.3, 0.4]
    shares = [clean * (1 - e) + (1 - clean) * e for e in rates]
    show(lines("share of flipped labels", rates, {"fitted gap": [fitted(s) for s in shares]}))
    found = fitted(share if labels == "as drawn" else 1.0)
    expect("fitted gap less log(q / (1 − q))", found - math.log(share / (1 - share)), equals=0, within=1e-6)


def drill_loss(rng) -> Drill:
    """The loss of a ranking of three."""
    a, b, c = rng.choice([(2.0, 1.0, 1.0), (1.0, 0.0, -1.0), (0.5, 0.5, -0.5), (2.0, 0.0, -1.0)])
    loss = ranking_loss(torch.tensor([[a, b, c]], dtype=F64)).item()
    gaps = [a - b, a - c, b - c]
    return Drill(
        en=f"Three responses, ranked from best to worst, score {a:g}, {b:g} and {c:g}. "
           "What is the reward model’s loss (mean over the pairs)?",
        zh=f"三个回答由好到差，得分为 {a:g}、{b:g}、{c:g}。奖励模型的损失（对各对取平均）是多少？",
        answer=loss, within=0.01,
        steps=[(f"3·2/2 = 3 pairs, gaps {', '.join(f'{g:g}' for g in gaps)}",
                f"3·2/2 = 3 对，间隔 {', '.join(f'{g:g}' for g in gaps)}"),
               ("ln(1 + e^−gap): " + ", ".join(f"{math.log1p(math.exp(-g)):.3f}" for g in gaps),
                "ln(1 + e^−间隔)：" + ", ".join(f"{math.log1p(math.exp(-g)):.3f}" for g in gaps)),
               (f"mean: {loss:.3f}", f"平均：{loss:.3f}")],
        proved_by="matches_a_loop",
    )


def drill_pairs(rng) -> Drill:
    """Pairs from rankings."""
    k, prompts = rng.choice([(4, 100), (5, 100), (7, 10), (9, 10), (9, 100), (6, 10)])
    pairs = len(torch.triu_indices(k, k, 1)[0]) * prompts
    return Drill(
        en=f"Labellers rank {k} responses for each of {prompts} prompts, without ties. How many comparison pairs is that?",
        zh=f"标注员对 {prompts} 个 prompt 各排序 {k} 个回答，无并列。共得到多少个比较对？",
        answer=pairs, within=0.5,
        steps=[(f"{k}·{k - 1}/2 = {pairs // prompts} per prompt", f"每个 prompt：{k}·{k - 1}/2 = {pairs // prompts}"),
               (f"times {prompts}: {pairs}", f"乘以 {prompts}：{pairs}")],
        proved_by="matches_a_loop",
    )


ZH = {
    "prompt": "prompt", "loss": "损失", "by hand": "手算", "loss less the loop's": "损失与循环结果之差",
    "gap": "间隔", "σ(−gap)": "σ(−间隔)",
    "finite differences less −push": "差分与负推力之差", "sum of the slopes of a prompt": "同一 prompt 各斜率之和",
    "response: before | after": "回答：之前 | 之后", "loss with f(x) less the loss without": "加 f(x) 后与之前的损失之差",
    "prompts with the highest score of all, before and after, are two": "全体最高分所在的 prompt 前后不同",
    "best score, centred, without f": "中心化后的最高分（无 f）", "with f": "有 f",
    "centred scores with f(x) less those without": "有无 f(x) 时中心化分数之差",
    "share of flipped labels": "翻转标签的占比", "fitted gap": "拟合的间隔",
    "fitted gap less log(q / (1 − q))": "拟合间隔与 log(q / (1 − q)) 之差",
}

if __name__ == "__main__":
    main()
