r"""On-policy distillation: the student writes, the teacher grades every token, the reverse KL trains.

on-policy 蒸馏：学生自己写，教师给每个 token 打分，用反向 KL 训练。

Agarwal et al. 2023; Lu and Thinking Machines Lab 2025. Exact sums and toys. Turn `data` to
"teacher": the student meets only the teacher's prefixes, and mixes its two styles.
把 `data` 改为 "teacher"：学生只见到教师的前缀，于是把两种风格混在一起。
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
    table,
)

F64 = torch.float64


@exercise(
    claims=("the_sampled_advantage_has_the_gradient_of_the_kl",),
    wrong=("turns_the_sign", "rewards_likely_tokens", "lets_the_gradient_through"),
)
def advantage(student: Tensor, teacher: Tensor) -> Tensor:
    """Advantage of each token that the student sampled, from log-probabilities of that token under
    student and teacher; a constant for the gradient. All are (answers, tokens).

    学生采样的每个 token 的优势，由该 token 在学生与教师下的对数概率求得；对梯度而言是常数。形状均为 (answers, tokens)。"""
    return (teacher - student).detach()


def prefixes(tokens: int, slip: float) -> tuple[Tensor, ...]:
    """A teacher with two styles, all a or all b, that slips now and then. For prefixes of length t
    with a written k times, t < tokens, k ≤ t: k, t, their number, how often the teacher writes one
    of them, each (kinds,), and its log-probabilities of b and of a after one, (kinds, 2)."""
    k, t = torch.tensor([(k, t) for t in range(tokens) for k in range(t + 1)], dtype=F64).T
    ways = torch.tensor([math.comb(t, k) for t in range(tokens) for k in range(t + 1)], dtype=F64)
    of_a, of_b = ((1 - slip) ** n * slip ** (t - n) / 2 for n in (k, t - k))
    in_a = of_a / (of_a + of_b)                                            # posterior of style a
    p = in_a * (1 - slip) + (1 - in_a) * slip
    return k, t, ways, ways * (of_a + of_b), torch.stack((1 - p, p), 1).log()


def distil(data: str, loss: str, tokens: int, slip: float) -> list[float]:
    """A student of one number, P(a), trained on all prefixes, each as often as student or teacher
    writes it; P(a) before every step."""
    z, curve = torch.tensor(0.5, dtype=F64), []
    k, t, ways, teacher, q = prefixes(tokens, slip)
    for _ in range(50):
        z = z.detach().requires_grad_()
        own, p = torch.stack((logsigmoid(-z), logsigmoid(z))), z.sigmoid().detach()
        curve.append(p.item())
        chance = ways * p**k * (1 - p) ** (t - k) if data == "own" else teacher
        kl = own.exp() * (own - q) if loss == "reverse" else q.exp() * (q - own)   # (kinds, 2)
        (g,) = torch.autograd.grad((chance * kl.sum(1)).sum() / tokens, z)
        z = z - 2.0 * g
    return curve


RANGES = {
    "vocabulary": between(2, 64), "sampled_from": one_of("student", "teacher"),
    "data": one_of("own", "teacher"), "loss": one_of("reverse", "forward"), "tokens": between(5, 8),
    "slip": between(0.005, 0.02), "signal": one_of("every token", "outcome"),
}  # fmt: skip


@breaks(sampled_from="teacher", en="Weighted as the teacher writes, the same advantage is another gradient.",
        zh="若 token 来自教师，同样的优势给出的是另一个梯度。")
def claim_the_sampled_advantage_has_the_gradient_of_the_kl(vocabulary=16, sampled_from="student"):
    """On tokens the student samples, the policy gradient with advantage log teacher − log student
    averages to minus the gradient of KL(student‖teacher).

    在学生采样的 token 上，以 log 教师 − log 学生 为优势的策略梯度，均值等于 −∇KL(学生‖教师)。"""
    z = torch.randn(vocabulary, dtype=F64, requires_grad=True)
    p, q = z.log_softmax(0), torch.randn(vocabulary, dtype=F64).log_softmax(0)
    how_often = (p if sampled_from == "student" else q).detach().exp()     # (vocabulary,)
    gain = (how_often * advantage(p[:, None], q[:, None])[:, 0] * p).sum()
    (sampled,) = torch.autograd.grad(gain, z, retain_graph=True)
    (exact,) = torch.autograd.grad((p.exp() * (p - q)).sum(), z)
    show(lines("token", range(vocabulary), {"mean policy gradient": sampled, "−∇KL": -exact}))
    expect("mean policy gradient plus ∇KL", sampled + exact, equals=0, within=1e-12)


@breaks(data="teacher", en="On the teacher’s prefixes a student without memory writes a and b half and half.",
        zh="在教师的前缀上，没有记忆的学生只能 a、b 各半。")
@breaks(loss="forward", en="The forward KL on its own prefixes still spreads over what the teacher might write.",
        zh="在自己的前缀上用前向 KL，仍会铺开到教师可能写的一切。")
def claim_own_prefixes_make_a_small_student_consistent(tokens=6, slip=0.02, data="own",
                                                       loss="reverse"):
    """A toy teacher writes all a or all b. A student too small to remember which settles on one
    style with the reverse KL on its own prefixes; on the teacher’s it mixes both.

    玩具教师只写全 a 或全 b。学生太小，记不住写的是哪种：在自己的前缀上用反向 KL，它固定于一种风格；在教师的前缀上则两者混杂。"""
    curves = {f"{d} prefixes, {k} KL": distil(d, k, tokens, slip)
              for d in ("own", "teacher") for k in ("reverse", "forward")}
    pure = {name: c[-1] ** tokens + (1 - c[-1]) ** tokens for name, c in curves.items()}
    show(lines("step", range(50), curves, y_label="P(a)"),
         table({"trained on": list(pure), "answers of one style": list(pure.values())}))
    expect("share of answers in one style", pure[f"{data} prefixes, {loss} KL"], at_least=0.5)
    expect("the same on the teacher’s prefixes, over that of tossing coins",
           [pure[f"teacher prefixes, {k} KL"] * 2 ** (tokens - 1) for k in ("reverse", "forward")],
           equals=1, within=0.05)


@breaks(signal="outcome", en="A reward for the whole answer is 0 until all eight tokens happen to be right.",
        zh="奖励只看整个回答，在八个 token 碰巧全对之前一直是 0。")
def claim_a_grade_for_every_token_needs_no_lucky_answer(signal="every token"):
    """A toy of eight tokens of which one in 65,000 answers is right at first: graded token by token
    the student answers right half the time after 40 steps of 64 samples.

    玩具：八个 token，起初六万五千个回答才对一个；逐 token 打分，每步 64 个样本，40 步后学生有一半答对。"""
    z, right = torch.zeros(8, 4, dtype=F64), torch.randint(0, 4, (8,))
    teacher = torch.full((8, 4), 0.01, dtype=F64).scatter(1, right[:, None], 0.97).log()
    curve = []
    for _ in range(41):
        z = z.requires_grad_()
        p, at = z.log_softmax(1), torch.arange(8)
        curve.append(p.detach()[at, right].sum().exp())
        drawn = p.detach().exp().multinomial(64, replacement=True).T       # (answers, tokens)
        log_p = p[at, drawn]
        if signal == "every token":
            a = advantage(log_p, teacher[at, drawn])
        else:
            hit = (drawn == right).all(1, keepdim=True).double()
            a = (hit - hit.mean()).expand(64, 8)
        (g,) = torch.autograd.grad((a * log_p).sum(1).mean(), z)
        z = (z + g).detach()
    show(lines("step", range(41), {signal: curve}, y_label="P(right answer)"))
    expect("P(right answer) after 40 steps", curve[-1], at_least=0.5)


def drill_advantage(rng) -> Drill:
    """The advantage of one token."""
    p, q = rng.choice([(0.5, 0.25), (0.1, 0.4), (0.8, 0.2), (0.2, 0.5), (0.9, 0.3), (0.3, 0.6)])
    value = advantage(torch.tensor([[p]]).log(), torch.tensor([[q]]).log())[0, 0].item()
    return Drill(
        en=f"On-policy distillation with the reverse KL: the student sampled a token to which it gave {p:g} and the "
           f"teacher gives {q:g}. What is the token’s advantage (natural logarithm)?",
        zh=f"反向 KL 的 on-policy 蒸馏：学生采样到一个 token，自己给的概率是 {p:g}，教师给 {q:g}。该 token 的优势是多少（自然对数）？",
        answer=value, within=0.01,
        steps=[(f"log teacher − log student = ln({q:g}/{p:g})", f"log 教师 − log 学生 = ln({q:g}/{p:g})"),
               (f"= {value:.2f}", f"= {value:.2f}")],
        proved_by="the_sampled_advantage_has_the_gradient_of_the_kl",
    )


ZH = {
    "token": "token", "mean policy gradient": "策略梯度的均值", "mean policy gradient plus ∇KL": "策略梯度的均值加 ∇KL",
    "own": "自己的", "teacher": "教师的", "reverse": "反向", "forward": "前向", "step": "步",
    "{} prefixes, {} KL": "{}前缀，{} KL", "trained on": "训练方式", "answers of one style": "风格一致的回答",
    "share of answers in one style": "风格一致的回答比例",
    "the same on the teacher’s prefixes, over that of tossing coins": "在教师前缀上的同一比例，与抛硬币之比",
    "every token": "逐 token", "outcome": "只看结果", "P(right answer)": "P(答对)",
    "P(right answer) after 40 steps": "40 步后的 P(答对)",
}

if __name__ == "__main__":
    main()
