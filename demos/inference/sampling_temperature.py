r"""Dividing the logits by T raises the odds of any two tokens to the power 1/T; it never reorders them.

logits 除以 T，等于把任意两个 token 的概率之比取 1/T 次方；次序从不改变。

Hinton et al. 2015, §2. Turn `divided` to "probabilities": the temperature cancels when they are made to sum
to one again, and nothing changes.
把 `divided` 改为 "probabilities"：重新归一化时温度被约掉，什么也不变。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)


@exercise(claims=("odds_are_raised_to_the_power", "entropy_rises_by_the_variance"),
          wrong=("multiplies", "divides_afterwards", "mixes_with_the_uniform"))
def at_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Probabilities at a temperature; logits and probabilities are (…, vocabulary).

    某温度下的概率；logits 与概率均为 (…, vocabulary)。"""
    return (logits / temperature).softmax(-1)


def afterwards(logits: Tensor, temperature: float) -> Tensor:
    """The wrong way: divide the probabilities, and make them sum to one again."""
    p = logits.softmax(-1) / temperature                             # (…, vocabulary)
    return p / p.sum(-1, keepdim=True)


WAYS = {"logits": at_temperature, "probabilities": afterwards}

RANGES = {
    "vocabulary": between(2, 1000),
    "temperatures": each(between(0.25, 8.0), at_least=2, rising=True),
    "cold": between(0.001, 0.02),
    "hot": between(50.0, 1000.0),
    "divided": one_of("logits", "probabilities"),
}
AFTERWARDS = breaks(
    divided="probabilities",
    en="Divided after the softmax, the temperature cancels and changes nothing.",
    zh="在 softmax 之后再除，温度在归一化时约掉，什么也不变。",
)


@AFTERWARDS
def claim_odds_are_raised_to_the_power(vocabulary=12, temperatures=(0.5, 0.7, 1.0, 1.5, 2.0), divided="logits"):
    """At temperature T the odds of any two tokens are those of T = 1 to the power 1/T: likely tokens stay likely.

    温度为 T 时，任意两个 token 的概率之比是 T = 1 时的 1/T 次方：次序不变。"""
    z = torch.randn(vocabulary, dtype=torch.float64).sort(descending=True)[0]
    at = torch.stack([WAYS[divided](z, t) for t in temperatures])    # (temperatures, vocabulary)
    show(lines("token, most likely first", range(vocabulary), {f"T = {t:g}": p for t, p in zip(temperatures, at, strict=True)}))
    odds = z.softmax(-1)[:1] / z.softmax(-1)                         # of the first token against each
    for t, p in zip(temperatures, at, strict=True):
        # float64: a relative rounding of 1e-16 in each probability, and in the power
        expect(f"odds at T = {t:g} over the power of those at 1", p[:1] / p / odds ** (1 / t), equals=1, within=1e-10)


@AFTERWARDS
def claim_entropy_rises_by_the_variance(vocabulary=12, temperatures=(0.25, 0.5, 1.0, 2.0, 4.0, 8.0), divided="logits"):
    """Entropy rises with the temperature: its slope is the variance of the logits over T³.

    熵随温度上升：斜率等于 logits 的方差除以 T³。"""
    z = torch.randn(vocabulary, dtype=torch.float64)
    t = torch.tensor(temperatures, dtype=torch.float64, requires_grad=True)
    p = torch.stack([WAYS[divided](z, one) for one in t])            # (temperatures, vocabulary)
    entropy = -(p * p.log()).sum(1)
    (slope,) = torch.autograd.grad(entropy.sum(), t)                 # each by its own temperature
    variance = (p * (z - (p @ z)[:, None]) ** 2).sum(1)
    show(lines("temperature", temperatures, {"entropy": entropy, "entropy of a uniform draw": [math.log(vocabulary)] * len(t)},
               log="x", y_label="nats"))
    # where almost all weight lies on one token, terms near 1 cancel down to 1e-7: rounding of 1e-16 / 1e-7, and room
    expect("slope of the entropy over Var(z) / T³", slope * t**3 / variance, equals=1, within=1e-5, at=("temperature", temperatures))


@AFTERWARDS
def claim_cold_is_greedy_hot_is_uniform(vocabulary=12, cold=0.01, hot=100.0, divided="logits"):
    """As T falls to 0 sampling becomes greedy; as T grows without bound it becomes uniform.

    T 趋于 0 时采样变为贪心；T 趋于无穷时变为均匀抽取。"""
    z = torch.linspace(0, 4, vocabulary, dtype=torch.float64).flip(0)     # the first token leads by 4 / (n − 1)
    frozen, melted = WAYS[divided](z, cold), WAYS[divided](z, hot)
    show(lines("token, most likely first", range(vocabulary), {f"T = {cold:g}": frozen, "T = 1": z.softmax(-1), f"T = {hot:g}": melted}))
    lead = 4 / (vocabulary - 1) / cold
    bound = 1 / sum(math.exp(-lead * i) for i in range(vocabulary))       # the geometric sum, by hand
    expect("chance of the most likely token when cold", frozen[0], equals=bound, within=1e-12)
    expect("share of a token over a uniform one, when hot, as a logarithm", (melted * vocabulary).log(), equals=0, within=4 / hot)


def drill_odds(rng) -> Drill:
    """Odds at temperature 1 become a probability at another."""
    odds, t = rng.choice([(4, 0.5), (9, 0.5), (3, 0.5), (4, 2.0), (9, 2.0), (16, 2.0)])
    p = at_temperature(torch.tensor([float(odds), 1.0]).log(), t)[0].item()
    return Drill(
        en=f"Two tokens are left; at temperature 1 the first is {odds} times as likely as the second. How likely is it at "
           f"temperature {t:g}?",
        zh=f"只剩两个 token；温度为 1 时第一个的概率是第二个的 {odds} 倍。温度为 {t:g} 时，第一个的概率是多少？",
        answer=p,
        within=0.005,
        steps=[(f"the odds become {odds}^(1/{t:g}) = {odds ** (1 / t):g}", f"概率之比变为 {odds}^(1/{t:g}) = {odds ** (1 / t):g}"),
               (f"p = odds / (1 + odds) = {p:.3f}", f"p = 比值 / (1 + 比值) = {p:.3f}")],
        proved_by="odds_are_raised_to_the_power",
    )


ZH = {
    "token, most likely first": "token，按概率从大到小",
    "odds at T = {} over the power of those at 1": "T = {} 时的概率之比，与 T = 1 时之比的幂相除",
    "temperature": "温度",
    "entropy": "熵",
    "entropy of a uniform draw": "均匀抽取的熵",
    "nats": "纳特",
    "slope of the entropy over Var(z) / T³": "熵的斜率与 Var(z) / T³ 之比",
    "chance of the most likely token when cold": "低温时最可能 token 的概率",
    "share of a token over a uniform one, when hot, as a logarithm": "高温时 token 份额与均匀份额之比的对数",
}

if __name__ == "__main__":
    main()
