r"""A checker's 0 or 1 is a reward: what it can teach depends on the base policy and on its errors.

检查器给出的 0 或 1 就是奖励：能学到什么，取决于基座策略和检查器的错误。

Yue et al. 2025 on pass@k. Exact policy gradients, toys throughout. Turn `shared` to False: each prompt
has a choice of its own, and pass@k no longer falls.
把 `shared` 改为 False：每道题各有自己的选择，pass@k 不再下降。
"""

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, lines, main, one_of, show

F64 = torch.float64


def climb(z: Tensor, reward: Tensor, rate: float, steps: int) -> list[Tensor]:
    """Exact policy gradient ascent on the mean reward; z are logits (prompts or 1, choices), reward
    (prompts, choices). Gives the policies, (steps + 1) of (prompts or 1, choices)."""
    policies = [z.softmax(1)]
    for _ in range(steps):
        p = policies[-1].expand(reward.shape)                              # (prompts, choices)
        g = p * (reward - (p * reward).sum(1, keepdim=True))               # ∂ E[reward] / ∂ logits
        z = z + rate * (g.mean(0, keepdim=True) if len(z) == 1 else g)
        policies.append(z.softmax(1))
    return policies


RANGES = {
    "errors": one_of("at random", "one answer", "none"),
    "accepts": between(0.0, 0.4), "rejects": between(0.0, 0.4),
}  # fmt: skip


@breaks(shared=False, en="With a choice for each prompt nothing is traded, and pass@16 rises as well.",
        zh="每道题各自选择，没有取舍，pass@16 也会上升。")
def claim_pass_at_1_rises_while_pass_at_16_falls(shared=True):
    """A toy with four ways of solving, one for all prompts at once: training on the 0/1 reward puts
    all on the way that solves most prompts; pass@1 rises, pass@16 falls.

    玩具：四种解法，所有题共用一个选择。按 0/1 奖励训练，概率全部集中到能解最多题的解法：pass@1 上升，pass@16 下降。"""
    solved_by = torch.tensor([0] * 8 + [1] * 5 + [2] * 4 + [3] * 3)        # 20 prompts, one way each
    reward = torch.nn.functional.one_hot(solved_by, 4).to(F64)             # (prompts, ways)
    policies = climb(torch.zeros(1 if shared else 20, 4, dtype=F64), reward, 20.0, 60)
    pass_rate = [(p.expand(reward.shape) * reward).sum(1) for p in policies]   # (prompts,) each
    curves = {k: torch.stack([(1 - (1 - p) ** k).mean() for p in pass_rate]) for k in (1, 4, 16)}
    show(lines("step", range(61), {f"pass@{k}": c for k, c in curves.items()}))
    expect("pass@1, last less first", curves[1][-1] - curves[1][0], at_least=0.1)
    expect("pass@16, first less last", curves[16][0] - curves[16][-1], at_least=0.3)


@breaks(errors="one answer", en="Errors on one wrong answer are a loophole, and that answer takes over.",
        zh="错误集中在某一个错误答案上就是漏洞，该答案最终取而代之。")
def claim_random_errors_only_shrink_the_signal(accepts=0.2, rejects=0.1, errors="at random"):
    """A checker that accepts wrong answers at a rate a and rejects right ones at a rate b, by chance,
    scales the gradient by 1 − a − b and leaves the best answer the best.

    检查器以概率 a 误收错误答案、以概率 b 误拒正确答案（随机），只把梯度乘以 1 − a − b，最优答案不变。"""
    truth = torch.zeros(1, 6, dtype=F64)
    truth[0, 0] = 1                                                        # one right answer of six
    z = torch.randn(1, 6, dtype=F64)
    noisy = truth * (1 - rejects) + (1 - truth) * accepts                  # expected verdicts
    if errors == "one answer":
        noisy = truth * 0.9
        noisy[0, 1] = 1.0                                                  # always accepted
    elif errors == "none":
        noisy, accepts, rejects = truth, 0.0, 0.0
    steps = {name: climb(z, r, 1.0, 1)[1].log() - z.log_softmax(1)
             for name, r in (("exact", truth), ("noisy", noisy))}
    centred = {name: s - s.mean() for name, s in steps.items()}            # logits' step
    ends = climb(z, noisy, 20.0, 400)[-1][0]
    show(bars([f"answer {i}" for i in range(6)], {"trained on the checker": ends, "truth": truth[0]},
              y_label="probability"))
    expect("step on the checker less (1 − a − b) times the exact step",
           centred["noisy"] - (1 - accepts - rejects) * centred["exact"], equals=0, within=1e-12)
    expect("probability of the right answer in the end", ends[0], at_least=0.9)
    loophole = truth * 0.9
    loophole[0, 1] = 1.0                                                   # always accepted
    expect("probability of a wrong answer that is always accepted",
           climb(z, loophole, 20.0, 400)[-1][0, 1], at_least=0.9)


ZH = {
    "pass@{}": "pass@{}", "step": "步", "pass@1, last less first": "pass@1，末步减初始", "pass@16, first less last": "pass@16，初始减末步",
    "answer {}": "答案 {}", "trained on the checker": "按检查器训练", "truth": "真实", "probability": "概率",
    "step on the checker less (1 − a − b) times the exact step": "按检查器的一步与 (1 − a − b) 倍精确一步之差",
    "probability of the right answer in the end": "最终正确答案的概率",
    "probability of a wrong answer that is always accepted": "总被误收的错误答案的概率",
}

if __name__ == "__main__":
    main()
