r"""All-or-nothing scoring turns a smooth gain per token into a jump, as far as errors are independent.

全对才得分的指标，会把每个 token 的平滑进步变成突变，前提是各处错误相互独立。

Schaeffer et al. 2023. Errors that come together (a Gaussian copula: one hidden factor for each question) blunt the
jump. Turn `rho` to 0.9: the score is no longer p to the length. 把 `rho` 改为 0.9：得分不再是 p 的 L 次方。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show

QUESTIONS = 20_000


@exercise(claims=("independent_errors_give_p_to_the_length", "token_errors_stay_linear"),
          wrong=("any_token_will_do", "rounds_the_share", "looks_at_the_last"))
def exact_match(right: Tensor) -> Tensor:
    """The share of questions answered in full, a scalar; right is (questions, tokens), True where a token is right.

    全部答对的题目所占比例，标量；right 为 (questions, tokens)，token 正确处为 True。"""
    return right.all(1).double().mean()


def answers(p: float, tokens: int, rho: float) -> Tensor:
    """Which tokens of each answer are right, (QUESTIONS, tokens): each with probability p; the normal numbers behind two
    tokens of a question correlate by rho (the errors themselves by less)."""
    factor, own = torch.randn(QUESTIONS, 1), torch.randn(QUESTIONS, tokens)
    threshold = math.sqrt(2) * torch.erfinv(torch.tensor(2 * p - 1)).item()      # P(N(0, 1) < threshold) = p
    return math.sqrt(rho) * factor + math.sqrt(1 - rho) * own < threshold


def by_integral(p: float, tokens: int, rho: float) -> float:
    """Exact match under the copula: E over the factor z of Φ((t − √ρ z)/√(1 − ρ))^tokens."""
    threshold = math.sqrt(2) * torch.erfinv(torch.tensor(2 * p - 1, dtype=torch.float64))
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    given = torch.special.ndtr((threshold - math.sqrt(rho) * z) / math.sqrt(max(1 - rho, 1e-12)))
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return (given**tokens * density).sum().item() * 16 / 4000


RANGES = {
    "tokens": between(2, 40), "accuracies": each(between(0.5, 0.999), at_least=2, rising=True), "rho": one_of(0.0, 0.9),
    "metric": one_of("tokens wrong", "exact match"), "rhos": each(between(0.0, 0.99), at_least=2, rising=True),
    "errors": one_of("as set", "independent"),
}  # fmt: skip
NOISE = 6 * 0.5 / QUESTIONS**0.5                                                # six standard errors of a share


@breaks(rho=0.9, en="Where errors come together, a question is mostly all right or all wrong.",
        zh="错误成群出现时，一道题多半要么全对，要么全错。")
def claim_independent_errors_give_p_to_the_length(tokens=20, accuracies=(0.6, 0.7, 0.8, 0.9, 0.95, 0.99), rho=0.0):
    """With independent errors an answer of 20 tokens is right with p²⁰: 1 % at p = 0.8, 12 % at 0.9, 82 % at 0.99; half takes
    p = 0.966.

    错误相互独立时，20 个 token 的答案全对的概率是 p²⁰：p = 0.8 时 1%，0.9 时 12%，0.99 时 82%；要过半需 p = 0.966。"""
    got = [exact_match(answers(p, tokens, rho)).item() for p in accuracies]
    known = [p**tokens for p in accuracies]
    show(lines("accuracy per token", accuracies, {"exact match": got, "p to the length": known, "per token": accuracies}))
    expect("exact match less p to the length", [a - b for a, b in zip(got, known, strict=True)], equals=0, within=NOISE,
           at=("accuracy", accuracies))
    expect("p²⁰ at 0.5^(1/20)", round(0.5 ** (1 / 20), 4), equals=0.9659)


@breaks(metric="exact match", en="The product of twenty tokens bends; their sum does not.", zh="二十个 token 的乘积是弯的，求和不是。")
def claim_token_errors_stay_linear(tokens=20, accuracies=(0.6, 0.7, 0.8, 0.9, 0.95, 0.99), metric="tokens wrong"):
    """Scored by the number of wrong tokens the same answers improve on a straight line, tokens · (1 − p), whether errors come
    together or not.

    改按错误 token 数计分，同样的答案沿直线 token 数 ·(1 − p) 改善，不管错误是否成群。"""
    wrong = {}
    for rho in (0.0, 0.9):
        right = [answers(p, tokens, rho) for p in accuracies]
        wrong[rho] = [(~r).sum(1).double().mean().item() if metric == "tokens wrong" else tokens * (1 - exact_match(r).item())
                      for r in right]
    known = [tokens * (1 - p) for p in accuracies]
    show(lines("accuracy per token", accuracies, {"independent": wrong[0.0], "together": wrong[0.9], "20 (1 − p)": known},
               y_label="wrong tokens"))
    for rho, name in ((0.0, "independent"), (0.9, "together")):
        # the sum of `tokens` tied errors spreads by at most tokens/2 for each question
        expect(f"wrong tokens less tokens · (1 − p), {name}", [a - b for a, b in zip(wrong[rho], known, strict=True)], equals=0,
               within=NOISE * tokens, at=("accuracy", accuracies))


@breaks(errors="independent", en="Independent errors give the same 0.9²⁰ whatever the factor.", zh="若错误独立，不管因子多大都是 0.9²⁰。")
def claim_errors_that_come_together_blunt_the_jump(rhos=(0.0, 0.5, 0.9), errors="as set"):
    """At 90 % per token, 20 tokens are all right in 12 % of cases with independent errors, 48 % if hidden factors correlate
    by 0.5, 76 % by 0.9: independence makes it sharp.

    每 token 正确率 90% 时，20 个 token 的答案在错误独立时有 12% 全对，隐变量相关系数 0.5 时 48%，0.9 时 76%：陡峭来自独立假设。"""
    got = [exact_match(answers(0.9, 20, 0.0 if errors == "independent" else rho)).item() for rho in rhos]
    known = [by_integral(0.9, 20, rho) for rho in rhos]
    show(lines("correlation of the hidden factors", rhos, {"exact match": got, "by the integral": known, "per token": [0.9] * len(rhos)}))
    expect("exact match less the integral", [a - b for a, b in zip(got, known, strict=True)], equals=0, within=NOISE,
           at=("correlation", rhos))
    expect("the integral at 0, 0.5 and 0.9", [round(by_integral(0.9, 20, r), 3) for r in (0.0, 0.5, 0.9)],
           equals=[0.122, 0.484, 0.763], within=0.002)


def drill_exact_match(rng) -> Drill:
    """Exact match from the accuracy per token."""
    percent, tokens = rng.choice([(80, 5), (90, 10), (90, 20), (95, 10), (99, 20), (98, 10)])
    answer = 100 * (percent / 100) ** tokens
    return Drill(
        en=f"A model has {percent} % of the tokens right, errors independent. How often is an answer of {tokens} tokens right in full?",
        zh=f"模型每个 token 的正确率为 {percent}%，错误相互独立。{tokens} 个 token 的答案全对的比例是多少？",
        answer=answer, unit="%", within=2,
        steps=[(f"{percent / 100:g}^{tokens}",) * 2, (f"= {answer:.1f} %",) * 2],
        proved_by="independent_errors_give_p_to_the_length",
    )


ZH = {
    "accuracy per token": "每 token 正确率", "exact match": "全对率", "p to the length": "p 的 L 次方", "per token": "每 token",
    "exact match less p to the length": "全对率减 p 的 L 次方", "accuracy": "正确率", "p²⁰ at 0.5^(1/20)": "过半所需的 p：0.5^(1/20)",
    "independent": "独立", "together": "成群", "20 (1 − p)": "20 (1 − p)", "wrong tokens": "错误 token 数",
    "wrong tokens less tokens · (1 − p), {}": "错误 token 数减 token 数 ·(1 − p)，{}",
    "wrong tokens less tokens · (1 − p), independent": "错误 token 数减 token 数 ·(1 − p)，独立",
    "wrong tokens less tokens · (1 − p), together": "错误 token 数减 token 数 ·(1 − p)，成群",
    "correlation of the hidden factors": "隐变量的相关系数", "by the integral": "积分值", "exact match less the integral": "全对率减积分值",
    "correlation": "相关系数", "the integral at 0, 0.5 and 0.9": "0、0.5、0.9 处的积分值",
}  # fmt: skip

if __name__ == "__main__":
    main()
