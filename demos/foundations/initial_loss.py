r"""Before training a classifier costs ln V, and half the variance of its logits more.

训练之前，分类器的损失是 ln V，再加 logits 方差的一半。

Turn `expected` to "ln V": with logits as of a tied head of GPT-2's size it is 0.15 nats too low.
把 `expected` 改为 "ln V"：对 GPT-2 大小、共享词嵌入的输出头，低了 0.15 nats。
"""

import math

import torch

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("scattered_logits_cost_half_their_variance",), wrong=("knows_nothing", "whole_variance"))
def expected_start(classes: int, deviation: float) -> float:
    """The loss, in nats, to expect from logits that are independent N(0, deviation²) over many
    classes and say nothing about the label: a number.

    logits 相互独立、服从 N(0, deviation²)、类别很多、与标签无关时，应预期的损失（nats），一个数。"""
    return math.log(classes) + deviation**2 / 2


EXPECTED = {"ln V + σ²/2": expected_start, "ln V": lambda classes, deviation: math.log(classes)}

RANGES = {
    "classes": between(20000, 200000), "deviations": each(between(0.0, 1.0), at_least=2, at_most=5, rising=True),
    "expected": one_of("ln V + σ²/2", "ln V"), "tokens": between(10000, 100000), "bias": one_of("log shares", "zero"),
}  # fmt: skip

PLAIN = breaks(expected="ln V", en="ln V is the loss of equal logits only.", zh="ln V 只是 logits 全等时的损失。")


@PLAIN
def claim_scattered_logits_cost_half_their_variance(classes=50257, deviations=(0.0, 0.554, 1.0), expected="ln V + σ²/2"):
    """Random logits of variance σ² over V classes cost ln V + σ²/2 on average: 10.98 nats for V = 50,257
    and σ² = 0.307, where equal logits cost 10.82.

    V 个类别上方差为 σ² 的随机 logits，平均损失是 ln V + σ²/2：V = 50,257、σ² = 0.307 时为 10.98 nats，logits 全等时为 10.82。"""
    z = torch.randn(8, classes)
    got = [((s * z).logsumexp(1).mean() - (s * z).mean()).item() for s in deviations]  # mean over all labels
    want = [EXPECTED[expected](classes, s) for s in deviations]
    show(lines("σ", deviations, {"loss": got, "ln V + σ²/2": [expected_start(classes, s) for s in deviations]}))
    # The mean of V terms exp(z) scatters by sqrt((e^σ² − 1)/V) ≤ 0.0093, over √8 rows; five of these
    expect("mean loss less the expected one", [a - b for a, b in zip(got, want, strict=True)], equals=0, within=0.02,
           at=("σ", deviations))


@breaks(bias="zero", en="With bias 0 the loss starts at ln V, though the shares were known.",
        zh="偏置为 0 时损失从 ln V 开始，尽管各类比例早已知道。")
def claim_a_bias_of_log_shares_starts_at_their_entropy(tokens=20000, bias="log shares"):
    """If the output bias starts at the log of each token's share, the loss starts at the entropy of the
    shares: 3 nats below ln V for shares that fall as 1/rank over 20,000 tokens.

    若输出偏置初始化为各 token 比例的对数，损失就从这些比例的熵开始：20,000 个 token、比例按 1/名次 下降时，比 ln V 低约 3 nats。"""
    shares = 1 / torch.arange(1, tokens + 1, dtype=torch.float64)
    shares = shares / shares.sum()
    z = shares.log() if bias == "log shares" else torch.zeros_like(shares)
    start = z.logsumexp(0) - (shares * z).sum()                          # the mean loss of labels with these shares
    entropy = torch.distributions.Categorical(shares).entropy()
    show(bars(["bias 0", "bias = log share"], {"first loss": [math.log(tokens), entropy]}, y_label="nats"))
    expect("first loss less the entropy of the shares", start - entropy, equals=0, within=1e-9)
    expect("ln V less the first loss", math.log(tokens) - start, at_least=2.5)


def drill_start(rng) -> Drill:
    """The first loss of a language model from its initialisation."""
    width, spread, square = rng.choice([(2500, 0.02, 1.0), (10000, 0.01, 1.0), (5000, 0.02, 2.0), (4000, 0.01, 0.4)])
    classes, ln = rng.choice([(50000, 10.82), (32000, 10.37), (128000, 11.76)])
    got = expected_start(classes, spread * width**0.5)
    return Drill(
        en=f"Weights N(0, {spread:g}²) in the output layer, states of width {width:,} and unit mean square, a vocabulary of "
           f"{classes:,} (ln V ≈ {ln}). Which loss, in nats per token, do you expect before training?",
        zh=f"输出层权重取 N(0, {spread:g}²)，状态宽 {width:,}、均方为 1，词表大小 {classes:,}（ln V ≈ {ln}）。训练前，每个 token "
           "的损失应为多少 nats？",
        answer=got, within=0.02,
        steps=[(f"variance of a logit: {spread:g}² · {width} = {square:g}", f"logit 的方差：{spread:g}² · {width} = {square:g}"),
               (f"{ln} + {square:g}/2 = {got:.2f}",) * 2],
        proved_by="scattered_logits_cost_half_their_variance",
    )


ZH = {
    "σ": "σ", "loss": "损失", "ln V + σ²/2": "ln V + σ²/2", "bias 0": "偏置 0", "bias = log share": "偏置 = 比例的对数",
    "first loss": "初始损失", "nats": "nats", "first loss less the entropy of the shares": "初始损失减比例的熵",
    "ln V less the first loss": "ln V 减初始损失",
    "mean loss less the expected one": "平均损失减预期值",
}  # fmt: skip

if __name__ == "__main__":
    main()
