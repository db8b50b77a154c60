r"""A repetition penalty must lower every logit it touches: divide the positive ones, multiply the negative ones.

重复惩罚必须使它碰到的 logit 都变小：正的除，负的乘。

Keskar et al. 2019 (CTRL) divides all. Turn `negative` to "divided": a seen token with a negative logit
becomes more likely.
把 `negative` 改为 "divided"：logit 为负的、已出现的 token 反而更可能。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)


@exercise(claims=("seen_tokens_become_less_likely",), wrong=("divides_all", "subtracts", "touches_all"))
def repetition_penalty(logits: Tensor, seen: Tensor, theta: float) -> Tensor:
    """Penalise tokens that occurred: logits and the result are (vocabulary,), seen holds token ids, theta ≥ 1.

    惩罚已出现的 token：logits 与结果均为 (vocabulary,)，seen 为 token 编号，theta ≥ 1。"""
    out = logits.clone()
    out[seen] = torch.where(logits[seen] > 0, logits[seen] / theta, logits[seen] * theta)
    return out


def divided(logits: Tensor, seen: Tensor, theta: float) -> Tensor:
    """The wrong way: every seen token's logit is divided."""
    out = logits.clone()
    out[seen] = logits[seen] / theta
    return out


def subtracted(logits: Tensor, seen: Tensor, presence: float, frequency: float) -> Tensor:
    """Presence and frequency penalty: subtract a constant from the logit of each token that occurred, and another
    constant for each of its occurrences."""
    times = seen.bincount(minlength=len(logits))                     # (vocabulary,)
    return logits - presence * (times > 0) - frequency * times


WAYS = {"multiplied": repetition_penalty, "divided": divided}

RANGES = {
    "vocabulary": between(6, 100),
    "theta": between(1.05, 2.0),
    "level": between(-2.0, -0.5),
    "shift": between(1.0, 20.0),
    "negative": one_of("multiplied", "divided"),
    "penalty": one_of("presence", "frequency", "repetition"),
}


@breaks(negative="divided", en="A negative logit divided by 1.3 moves towards zero: the token that should be avoided gains.",
        zh="负的 logit 除以 1.3 会向零靠近：本该避开的 token 反而更可能。")
def claim_seen_tokens_become_less_likely(vocabulary=12, theta=1.3, level=-1.0, negative="multiplied"):
    """Each penalised logit falls, by the factor θ where it is negative and to 1/θ of it where it is positive; the
    others stay.

    被惩罚的 logit 都变小：负的变为 θ 倍，正的变为 1/θ；其余不变。"""
    logits = torch.randn(vocabulary, dtype=torch.float64) + level
    logits[0], logits[1] = 2.0, -2.0                                 # one of each sign at least
    seen = torch.arange(0, vocabulary // 2)
    out = WAYS[negative](logits, seen, theta)
    by_hand = [(x / theta if x > 0 else x * theta) if i in seen.tolist() else x for i, x in enumerate(logits.tolist())]
    show(bars([f"token {i}" for i in range(vocabulary)], {"before": logits, "after": out}, y_label="logit"))
    expect("change of a seen token's logit", (out - logits)[seen], at_most=-1e-9)
    expect("logit against the rule", out, equals=by_hand, within=1e-12)


@breaks(penalty="repetition", en="Multiplied and divided, the logits mean something only from where zero lies.",
        zh="乘除之后，结果取决于 logit 的零点在哪里。")
def claim_only_subtraction_ignores_the_zero(vocabulary=12, theta=1.3, shift=5.0, penalty="presence"):
    """Adding a constant to all logits changes no probability, and none after a presence or frequency penalty either; a
    repetition penalty gives another distribution.

    给所有 logit 加一个常数，概率不变，用 presence 或 frequency 惩罚后也不变；用重复惩罚，分布就变了。"""
    logits = torch.randn(vocabulary, dtype=torch.float64)
    seen = torch.arange(0, vocabulary // 2).repeat_interleave(torch.arange(1, vocabulary // 2 + 1))     # once, twice, …
    shifts = [0.0, shift / 2, shift]

    def seen_share(way: str, added: float) -> Tensor:
        z = logits + added
        out = {"repetition": repetition_penalty(z, seen, theta), "presence": subtracted(z, seen, theta, 0.0),
               "frequency": subtracted(z, seen, 0.0, theta / 10)}[way]
        return out.softmax(0)[: vocabulary // 2].sum()

    shares = {way: [seen_share(way, s) for s in shifts] for way in ("presence", "frequency", "repetition")}
    show(lines("constant added to all logits", shifts, shares, y_label="probability of seen tokens"))
    # float64: a relative rounding of 1e-16 in each of up to 100 terms
    for way in ("frequency", penalty):
        expect(f"probability of seen tokens, {way} penalty, against no constant", [s / shares[way][0] for s in shares[way]],
               equals=1, within=1e-9, at=("constant", shifts))


def drill_penalised(rng) -> Drill:
    """One logit after a repetition penalty."""
    logit, theta = rng.choice([(3.0, 1.2), (-3.0, 1.2), (6.0, 1.5), (-2.0, 1.5), (-4.0, 1.25), (5.0, 1.25)])
    out = repetition_penalty(torch.tensor([logit]), torch.tensor([0]), theta)[0].item()
    rule = ("positive, so divided", "为正，所以除") if logit > 0 else ("negative, so multiplied", "为负，所以乘")
    return Drill(
        en=f"A token already generated has the logit {logit:g}; the repetition penalty is {theta:g}. Its logit afterwards?",
        zh=f"某个已生成的 token 的 logit 是 {logit:g}，重复惩罚为 {theta:g}。之后它的 logit 是多少？",
        answer=out,
        within=0.01,
        steps=[(f"{logit:g} is {rule[0]}: {out:g}", f"{logit:g} {rule[1]}：{out:g}")],
        proved_by="seen_tokens_become_less_likely",
    )


ZH = {
    "before": "之前",
    "after": "之后",
    "logit": "logit",
    "change of a seen token's logit": "已出现 token 的 logit 变化",
    "logit against the rule": "logit 与规则对照",
    "constant added to all logits": "给所有 logit 加的常数",
    "constant": "常数",
    "presence": "presence 惩罚",
    "frequency": "frequency 惩罚",
    "repetition": "重复惩罚",
    "probability of seen tokens": "已出现 token 的概率",
    "probability of seen tokens, {} penalty, against no constant": "{} 惩罚下已出现 token 的概率，与不加常数时之比",
}

if __name__ == "__main__":
    main()
