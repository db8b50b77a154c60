r"""MMR picks passages one by one: relevant to the question, and unlike those already picked.

MMR 逐条挑选段落：既要与问题相关，又要与已选的不同。

Carbonell & Goldstein 1998. Turn `weight` to 1: the plain ranking, full of near-copies. Turn it to 0: diverse junk.
把 `weight` 调到 1：就是普通排序，挤满近似重复；调到 0：各不相同的无关段落。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("every_pick_is_the_best_left", "near_copies_make_room"), wrong=("subtracts_the_mean", "forgets_the_weight",
        "picks_twice"))
def mmr(relevance: Tensor, similarity: Tensor, k: int, weight: float) -> list[int]:
    """k passages by maximal marginal relevance: each next one has the largest weight · relevance − (1 − weight) · (largest similarity to
    one picked before, 0 for the first). relevance (passages,), similarity (passages, passages).

    按最大边际相关性选 k 段：每次取 weight · 相关度 − (1 − weight) ·（与已选段落的最大相似度，首段为 0）最大的一段。
    relevance (passages,)，similarity (passages, passages)。"""
    picked: list[int] = []
    for _ in range(k):
        nearest = similarity[picked].amax(0) if picked else torch.zeros_like(relevance)
        gain = weight * relevance - (1 - weight) * nearest                      # (passages,)
        gain[picked] = -torch.inf
        picked.append(int(gain.argmax()))
    return picked


def mmr_mean(relevance: Tensor, similarity: Tensor, k: int, weight: float) -> list[int]:
    """The wrong way: the mean similarity to those picked forgives a copy of one of them."""
    picked: list[int] = []
    for _ in range(k):
        nearest = similarity[picked].mean(0) if picked else torch.zeros_like(relevance)
        gain = weight * relevance - (1 - weight) * nearest
        gain[picked] = -torch.inf
        picked.append(int(gain.argmax()))
    return picked


def passages(facts: int, copies: int, junk: int, width: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """Relevance, similarity and the fact in each passage (−1: none): near-copies of facts at cosine about 0.9, and unrelated ones."""
    about = torch.linalg.qr(torch.randn(width, facts)).Q.T                      # orthonormal facts
    texts = torch.cat([0.9**0.5 * about.repeat_interleave(copies, 0) + (0.1 / width) ** 0.5 * torch.randn(facts * copies, width),
                       torch.randn(junk, width) / width**0.5])
    texts = texts / texts.norm(dim=1, keepdim=True)
    question = (0.7 + 0.6 * torch.rand(facts)) @ about                          # facts are wanted to different degrees
    question = question / question.norm()
    fact = torch.cat([torch.arange(facts).repeat_interleave(copies), torch.full((junk,), -1)])
    return texts @ question, texts @ texts.T, fact


def covered(fact: Tensor, picked: list[int]) -> int:
    """How many different facts were picked."""
    return len({int(fact[i]) for i in picked} - {-1})


RULES = {"largest": mmr, "mean": mmr_mean}
RANGES = {"facts": between(4, 5), "copies": between(1, 5), "junk": between(20, 40), "weight": between(0.0, 1.0), "rule": one_of("largest",
    "mean"),
          "questions": between(10, 25)}


@breaks(rule="mean", en="A mean over those picked is not the largest similarity.", zh="与已选段落的平均相似度，不是最大相似度。")
def claim_every_pick_is_the_best_left(facts=4, copies=4, junk=30, questions=10, rule="largest"):
    """Each passage that MMR picks has the best value of its formula among all that were left, as a loop over the candidates says.

    MMR 每次选出的段落，在剩下的候选中公式值最大；逐个循环核对。"""
    shortfall = []
    for question in range(questions):
        relevance, similarity, _ = passages(facts, copies, junk)
        weight = (0.3, 0.5, 0.7)[question % 3]
        picked = RULES[rule](relevance, similarity, 6, weight)
        for n, choice in enumerate(picked):
            values = {}
            for i in range(len(relevance)):
                if i not in picked[:n]:
                    copied = max((float(similarity[i, j]) for j in picked[:n]), default=0.0)
                    values[i] = weight * float(relevance[i]) - (1 - weight) * copied
            shortfall.append(max(values.values()) - values.get(choice, -1.0))
    show(lines("pick", list(range(1, 7)), {"largest shortfall": [max(shortfall[n::6]) for n in range(6)]}))
    expect("best value left less that of the pick", shortfall, at_most=1e-6)    # float32 against the same in float64


@breaks(weight=1.0, en="Relevance alone picks the copies of the fact that is wanted most.", zh="只看相关度，选到的都是最相关事实的重复。")
@breaks(weight=0.0, en="Diversity alone picks passages about nothing.", zh="只看差异，选到的是无关段落。")
@breaks(copies=1, en="Without near-copies the plain ranking covers as much.", zh="没有近似重复，普通排序覆盖得一样多。")
def claim_near_copies_make_room(facts=4, copies=4, junk=30, questions=20, weight=0.6):
    """With four near-copies of each of four facts, four passages by MMR cover at least one fact more than the four most relevant.

    四个事实各有四份近似重复时，MMR 选出的四段，比最相关的四段至少多覆盖一个事实。"""
    cases = [passages(facts, copies, junk) for _ in range(questions)]
    weights = [0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0]

    def mean(w):
        return sum(covered(fact, mmr(relevance, similarity, 4, w)) for relevance, similarity, fact in cases) / questions

    plain = sum(covered(fact, relevance.topk(4).indices.tolist()) for relevance, _, fact in cases) / questions
    show(lines("weight of relevance", weights, {"facts covered by MMR": [mean(w) for w in weights],
        "by relevance": [plain] * len(weights)}))
    expect("facts covered more than by relevance", mean(weight) - plain, at_least=1)
    other = sum(mmr(relevance, similarity, 4, 1.0) != relevance.topk(4).indices.tolist() for relevance, similarity, _ in cases)
    expect("questions where MMR at weight 1 is not the plain ranking", other, equals=0)


def drill_mmr(rng) -> Drill:
    """One MMR value."""
    weight, relevance, nearest = rng.choice([(0.5, 0.8, 0.9), (0.7, 0.6, 0.2), (0.6, 0.9, 0.95), (0.5, 0.7, 0.1)])
    value = weight * relevance - (1 - weight) * nearest
    return Drill(
        en=f"MMR with λ = {weight:g}: a passage has relevance {relevance:g}, "
           f"its largest similarity to a passage already picked is {nearest:g}. Its value?",
        zh=f"MMR，λ = {weight:g}：某段落相关度为 {relevance:g}，与已选段落的最大相似度为 {nearest:g}。它的值是多少？",
        answer=value, within=0.005,
        steps=[(f"{weight:g} · {relevance:g} − {1 - weight:g} · {nearest:g}", f"{weight:g} · {relevance:g} − {1 - weight:g} · {nearest:g}"),
               (f"= {value:.3f}", f"= {value:.3f}")],
        proved_by="every_pick_is_the_best_left")


ZH = {
    "pick": "第几次选取", "largest shortfall": "最大差额", "best value left less that of the pick": "剩余最大值减所选的值",
    "weight of relevance": "相关度的权重", "facts covered by MMR": "MMR 覆盖的事实", "by relevance": "只按相关度",
    "facts covered more than by relevance": "比只按相关度多覆盖的事实",
    "questions where MMR at weight 1 is not the plain ranking": "权重为 1 的 MMR 与普通排序不同的问题数",
    "largest": "最大", "mean": "平均",
}

if __name__ == "__main__":
    main()
