r"""Vectors with a common direction look alike whatever they mean; centring takes that away.

带有公共方向的向量，不论含义都彼此相像；减去均值即可消除。

Anisotropy: Ethayarajh 2019 found it in every layer of BERT and GPT-2. Turn `centred` to "yes".
即各向异性，Ethayarajh 2019 在 BERT、GPT-2 的每一层都观察到。把 `centred` 改为 "yes"。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("unrelated_vectors_look_alike", "centring_gives_the_contrast_back"),
          wrong=("keeps_the_lengths", "centres_each_vector"))
def cosines(x: Tensor, centred: bool) -> Tensor:
    """Pairwise cosines (n, n) of the rows of x (n, d); `centred` subtracts the mean of the rows first.

    x (n, d) 各行两两的余弦 (n, n)；`centred` 为真时先减去各行的均值。"""
    x = x - x.mean(0) if centred else x                                  # one mean for all rows
    unit = x / x.norm(dim=1, keepdim=True)
    return unit @ unit.T


RANGES = {
    "texts": between(50, 400),
    "width": between(256, 1024),
    "ratios": each(between(0.0, 9.0), at_least=2, rising=True),
    "ratio": between(1.0, 9.0),
    "centred": one_of("no", "yes"),
}


def drawn(texts: int, width: int, ratio: float, topic: float) -> tuple[Tensor, Tensor]:
    """Unit noise, a direction common to all, `ratio` times as strong, and one of two topics, `topic` times
    as strong (in squares): (n, d), and the topic of each."""
    common, first, second = torch.linalg.qr(torch.randn(width, 3, dtype=torch.float64))[0].T
    which = torch.arange(texts) % 2
    signal = torch.where(which[:, None] == 0, first, second)
    noise = torch.randn(texts, width, dtype=torch.float64) / width**0.5  # length about 1
    return ratio**0.5 * common + topic**0.5 * signal + noise, which


def off_diagonal(c: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cosine of two different texts on one topic, and on different ones."""
    same, other = which[:, None] == which, ~torch.eye(len(c), dtype=torch.bool)
    return c[same & other].mean(), c[~same].mean()


@breaks(centred="yes", en="Centred, the common part is gone: unrelated vectors average −1/(n − 1).",
        zh="减去均值后公共部分就没了：无关向量的平均余弦是 −1/(n − 1)。")
def claim_unrelated_vectors_look_alike(texts=200, width=512, ratios=(0.0, 0.25, 1.0, 4.0, 9.0), centred="no"):
    """Random vectors plus a common direction r times as strong, in squares, have a mean cosine of r/(1 + r): 0.8 for
    r = 4, though they share nothing else.

    随机向量加上平方强度为 r 倍的公共方向，平均余弦为 r/(1 + r)：r = 4 时为 0.8，而它们除此之外毫无共同之处。"""
    means = []
    for ratio in ratios:
        x, _ = drawn(texts, width, ratio, 0.0)
        c = cosines(x, centred == "yes")
        means.append((c.sum() - texts) / (texts * (texts - 1)))
    law = [r / (1 + r) for r in ratios]
    show(lines("common part over noise, squared", ratios, {"mean cosine": means, "r/(1 + r)": law}))
    # A mean over pairs that share their 50 or more vectors: each cosine has a spread of 2/√d ≤ 0.125.
    expect("mean cosine of unrelated vectors", means, equals=law, within=2 / width**0.5 * (8 / texts) ** 0.5,
           at=("ratio", ratios))


@breaks(centred="no", en="As they are, all cosines crowd near 1, and topics differ in the second decimal.",
        zh="原样比较时，所有余弦都挤在 1 附近，话题之差只在小数点后第二位。")
def claim_centring_gives_the_contrast_back(texts=200, width=512, ratio=9.0, centred="yes"):
    """Two topics that a strong common direction sets 0.05 to 0.2 apart in cosine lie over 0.5 apart once the
    mean is subtracted.

    强公共方向使两个话题的余弦只差 0.05 到 0.2；减去均值后相差超过 0.5。"""
    x, which = drawn(texts, width, ratio, 1.0)
    raw_same, raw_other = off_diagonal(cosines(x, False), which)
    same, other = off_diagonal(cosines(x, centred == "yes"), which)
    show(lines("0: as they are, 1: as set", (0, 1), {"same topic": (raw_same, same), "another topic": (raw_other, other)},
               y_label="cosine"))
    # In expectation q/(q + r + 1), with q = 1 the strength of the topic.
    expect("contrast as they are", raw_same - raw_other, equals=1 / (ratio + 2), within=0.05)
    expect("contrast after centring", same - other, at_least=0.5)


def drill_cosine(rng) -> Drill:
    """The cosine that a common direction gives to strangers."""
    r = rng.choice((1, 3, 4, 9, 19))
    return Drill(
        en=f"Sentence vectors are a common vector plus independent noise. The common vector's squared length is {r} times the "
           "noise's. What cosine do two unrelated sentences have, on average?",
        zh=f"句向量等于一个公共向量加独立噪声，公共向量长度的平方是噪声的 {r} 倍。两个无关句子的余弦平均是多少？",
        answer=r / (1 + r), within=0.006,
        steps=[(f"dot product: {r}, each squared length: {r} + 1 = {r + 1}", f"点积：{r}；各自长度的平方：{r} + 1 = {r + 1}"),
               (f"{r}/{r + 1} = {r / (1 + r):.3f}", f"{r}/{r + 1} = {r / (1 + r):.3f}")],
        proved_by="unrelated_vectors_look_alike")


ZH = {
    "common part over noise, squared": "公共部分与噪声的平方比", "mean cosine": "平均余弦", "r/(1 + r)": "r/(1 + r)",
    "mean cosine of unrelated vectors": "无关向量的平均余弦", "ratio": "比值", "0: as they are, 1: as set": "0：原样，1：按设定",
    "same topic": "同一话题", "another topic": "不同话题", "cosine": "余弦", "contrast as they are": "原样的差距",
    "contrast after centring": "减去均值后的差距",
}

if __name__ == "__main__":
    main()
