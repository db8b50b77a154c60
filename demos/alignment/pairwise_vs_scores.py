r"""Comparing beats scoring where annotators use the scale differently and see different items; otherwise the
scores carry as much.

标注员尺度各异、看到的条目又不同时，比较优于打分；否则打分的信息一样多。

Toy: items of true quality, annotators with a scale and an offset of their own; Bradley–Terry on their
choices beside two means of their scores. Turn `overlap` to "all": every annotator sees every item, and
the lead is gone. 把 `overlap` 改为 "all"：每人都看全部条目，优势就没了。
"""

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, heatmap, main, one_of, show, table

F64 = torch.float64


def bradley_terry(wins: Tensor, ridge: float = 0.05) -> Tensor:
    """Strengths (repeats, items) that make the wins most likely, P(i beats j) = σ(s_i − s_j), by
    Newton's method; wins (repeats, items, items) counts how often i was chosen over j."""
    games, s = wins + wins.mT, wins.new_zeros(wins.shape[:2])
    eye = torch.eye(wins.shape[1], dtype=wins.dtype)
    for _ in range(25):
        p = torch.sigmoid(s[:, :, None] - s[:, None, :])
        slope = (wins - games * p).sum(2) - ridge * s
        weight = games * p * (1 - p)
        bend = torch.diag_embed(weight.sum(2)) - weight + ridge * eye
        s = s + torch.linalg.solve(bend, slope).clamp(-2, 2)
    return s


def annotate(repeats: int, items: int, raters: int, seen: int, noise: float) -> tuple[Tensor, Tensor, Tensor]:
    """True quality (repeats, items); each rater's score = offset + scale·(quality + noise), and which
    items each saw, (repeats, raters, items)."""
    truth = torch.randn(repeats, items, dtype=F64)
    shape = (repeats, raters, items)
    scale = (0.4 * torch.randn(repeats, raters, 1, dtype=F64)).exp()
    scores = 1.5 * torch.randn(repeats, raters, 1, dtype=F64) + scale * (
        truth[:, None] + noise * torch.randn(shape, dtype=F64))
    return truth, scores, torch.rand(shape).argsort(-1) < seen


def tau(a: Tensor, b: Tensor) -> Tensor:
    """Kendall's τ of each repeat: pairs in the same order less pairs in the other, over all pairs."""
    i, j = torch.triu_indices(a.shape[1], a.shape[1], 1)
    return ((a[:, i] - a[:, j]).sign() * (b[:, i] - b[:, j]).sign()).mean(1)


def rankings(truth: Tensor, scores: Tensor, saw: Tensor) -> dict[str, float]:
    """Median τ with the truth: of the mean score, of the mean of scores standardised by rater, and of
    Bradley–Terry on the choices that the scores imply."""
    count = saw.sum(2, keepdim=True)
    centred = (scores - (scores * saw).sum(2, keepdim=True) / count) * saw
    z = centred / ((centred**2).sum(2, keepdim=True) / (count - 1)).sqrt().clamp(min=1e-9)
    both = saw[:, :, :, None] & saw[:, :, None, :]
    wins = ((scores[:, :, :, None] > scores[:, :, None, :]) & both).sum(1).to(F64)
    times = saw.sum(1).clamp(min=1)
    made = {"mean score": (scores * saw).sum(1) / times, "standardised": z.sum(1) / times, "Bradley–Terry": bradley_terry(wins)}
    return {name: tau(value, truth).median().item() for name, value in made.items()}


RANGES = {
    "items": between(15, 24), "raters": between(10, 16), "overlap": one_of("some", "all"),
    "repeats": between(8, 24), "noise": one_of("none", "real"), "measured": one_of("choices", "scores"),
    "per_rater": one_of("six", "two"),
}
LEVELS = {"none": 0.0, "real": 0.75}
SEEN = {"six": 6, "two": 2}
ALL = breaks(overlap="all", en="If every annotator sees every item, offsets and scales are the same for all items.",
             zh="每个标注员都看全部条目时，偏移与尺度对所有条目都相同，平均后不影响排序。")


@ALL
def claim_comparisons_beat_raw_scores_on_different_items(items=20, raters=12, repeats=16, overlap="some"):
    """Without noise, six of twenty items each, Bradley–Terry beats the mean score by at least 0.2 of
    Kendall’s τ; where all see all items, the two tie.

    无噪声、二十个条目每人看六个时，Bradley–Terry 比平均分高出至少 0.2 的 Kendall τ；人人看全部条目时，两者打平。"""
    seen = 6 if overlap == "some" else items
    found = rankings(*annotate(repeats, items, raters, seen, 0.0))
    show(bars(list(found), {"Kendall τ with the true order": list(found.values())}))
    expect("τ of Bradley–Terry less τ of the mean score", found["Bradley–Terry"] - found["mean score"], at_least=0.2)
    everyone = rankings(*annotate(repeats, items, raters, items, 0.0))
    expect("the same where all see all items", everyone["Bradley–Terry"] - everyone["mean score"], equals=0, within=0.02)


@breaks(per_rater="two", en="Of two items, standardised, only the order is left, not how far apart they are.",
        zh="只有两个条目时，标准化后只剩次序，看不出相差多少。")
def claim_standardising_each_rater_recovers_most_of_it(items=20, raters=12, repeats=16, per_rater="six"):
    """Scores standardised annotator by annotator recover more than half of that lead: most of it was
    offset and scale.

    把每个标注员的分数先标准化，就能补回这一优势的一半以上：它主要来自偏移与尺度。"""
    seen = SEEN[per_rater]
    found = rankings(*annotate(repeats, items, raters * 6 // seen, seen, 0.0))
    lead = found["Bradley–Terry"] - found["mean score"]
    show(bars(list(found), {"Kendall τ with the true order": list(found.values())}))
    expect("share of the lead that standardising recovers", (found["standardised"] - found["mean score"]) / lead, at_least=0.5)
    expect("τ of the standardised mean", found["standardised"], at_least=0.75)


@breaks(noise="none", en="Without noise the choices are the truth itself, and Bradley–Terry keeps a lead.",
        zh="没有噪声时，选择就是真相本身，Bradley–Terry 仍领先。")
def claim_with_real_noise_the_lead_over_standardised_scores_is_gone(items=20, raters=12, repeats=24, noise="real"):
    """With so much noise that two annotators agree on about 73 % of pairs, Bradley–Terry and
    standardised scores order the items equally well, to 0.05 of τ.

    噪声大到两个标注员只在约 73 % 的对上一致时，Bradley–Terry 与标准化分数排序同样好，τ 相差不到 0.05。"""
    truth, scores, saw = annotate(repeats * 4, items, raters, 6, LEVELS[noise])
    found = rankings(truth, scores, saw)
    i, j = torch.triu_indices(items, items, 1)
    first, second = ((scores[:, r, i] > scores[:, r, j]) for r in (0, 1))
    agree = (first == second).double().mean()
    show(table(["ranking", "Kendall τ with the true order"], [list(row) for row in found.items()]))
    expect("share of pairs two annotators agree on", agree, equals=0.73, within=0.05)
    expect("τ of Bradley–Terry less τ of standardised scores", found["Bradley–Terry"] - found["standardised"],
           equals=0, within=0.05)


@breaks(measured="scores", en="Scores carry each annotator’s offset and scale.", zh="分数带着每个标注员自己的偏移与尺度。")
def claim_a_choice_drops_offset_and_scale(items=20, raters=12, measured="choices"):
    """Take away the noise and an annotator’s choices follow from the true quality alone; the scores of
    one item spread by offset and scale.

    去掉噪声，标注员的选择只由真实质量决定；同一条目的分数则因偏移与尺度而分散。"""
    truth, scores, _ = annotate(1, items, raters, items, 0.0)
    choices = (scores[0, :, :, None] > scores[0, :, None, :]).double()  # (raters, items, items)
    show(heatmap(scores[0], x_label="item", y_label="annotator", title="scores"))
    spread = choices.std(0).max() if measured == "choices" else scores[0].std(0).max()
    expect(f"largest spread of the {measured} over the annotators", spread, equals=0, within=1e-12)
    expect("choices in the true order", (choices[0] == (truth[0, :, None] > truth[0])).double().mean(), equals=1)


ZH = {
    "mean score": "平均分", "standardised": "标准化", "Kendall τ with the true order": "与真实次序的 Kendall τ",
    "τ of Bradley–Terry less τ of the mean score": "Bradley–Terry 与平均分的 τ 之差",
    "the same where all see all items": "人人看全部条目时的同一差值",
    "share of the lead that standardising recovers": "标准化补回的优势占比", "τ of the standardised mean": "标准化平均分的 τ",
    "ranking": "排序方法", "share of pairs two annotators agree on": "两个标注员一致的对的占比",
    "τ of Bradley–Terry less τ of standardised scores": "Bradley–Terry 与标准化分数的 τ 之差",
    "item": "条目", "annotator": "标注员", "scores": "分数",
    "largest spread of the choices over the annotators": "选择在标注员间的最大离散",
    "largest spread of the scores over the annotators": "分数在标注员间的最大离散",
    "choices in the true order": "与真实次序一致的选择占比",
}

if __name__ == "__main__":
    main()
