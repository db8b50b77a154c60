r"""RL needs a first success: a base that has it starts by itself, another needs a cold start by SFT.

RL 需要第一次成功：基座本来就偶尔成功，可以直接开始；否则先用 SFT 冷启动。

DeepSeek-AI 2025 (R1), §2.2 and §2.3. A toy of eight tokens, one right answer. Turn `start` to "weak
base": nothing is ever rewarded, and nothing is learnt.
把 `start` 改为 "weak base"：从未得到奖励，什么也学不到。
"""

import itertools

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, expect, lines, main, one_of, show

F64, TOKENS, CHOICES = torch.float64, 8, 4


def pass_rate(z: Tensor, right: Tensor) -> Tensor:
    """Probability that all tokens are right; z are logits (tokens, choices), right (tokens,)."""
    return z.log_softmax(1)[torch.arange(len(z)), right].sum().exp()


def cold_start(z: Tensor, right: Tensor, demonstrations: int) -> Tensor:
    """SFT on a few demonstrations: that many steps of cross-entropy on the right answer."""
    for _ in range(demonstrations):
        z = z + 0.3 * (torch.nn.functional.one_hot(right, CHOICES) - z.softmax(1))
    return z


def grpo(z: Tensor, right: Tensor, steps: int) -> list[float]:
    """64 answers a step, reward 1 if all tokens are right; the pass rate before every step."""
    curve, at = [], torch.arange(TOKENS)
    for _ in range(steps):
        z = z.detach().requires_grad_()
        curve.append(pass_rate(z, right).item())
        drawn = z.detach().softmax(1).multinomial(64, replacement=True).T  # (answers, tokens)
        reward = (drawn == right).all(1).to(F64)
        deviation = reward.std(correction=0)
        advantage = (reward - reward.mean()) / deviation.where(deviation > 0, 1.0)
        log_p = z.log_softmax(1)[at, drawn].sum(1)                         # (answers,)
        (g,) = torch.autograd.grad((advantage * log_p).mean(), z)
        z = z + g
    return curve


RANGES = {
    "start": one_of("cold start", "strong base", "weak base"), "demonstrations": between(6, 12),
    "weights": one_of("right answers", "all answers"), "tokens": between(2, 4),
}  # fmt: skip


@breaks(start="weak base", en="Where one answer in 65,000 is right no group holds a success, and RL stands still.",
        zh="六万五千个回答才对一个时，没有一组含有成功，RL 原地不动。")
def claim_rl_needs_a_first_success(start="cold start", demonstrations=8):
    """From one right answer in 65,000 RL learns nothing in 80 steps; after a few demonstrations, or
    from a base that is right one time in sixty, it passes 0.9.

    起点六万五千次才对一次，RL 80 步学不到东西；先给几条示范，或基座本来六十次对一次，则超过 0.9。"""
    right = torch.randint(0, CHOICES, (TOKENS,))
    weak = torch.zeros(TOKENS, CHOICES, dtype=F64)
    starts = {"weak base": weak, "cold start": cold_start(weak, right, demonstrations),
              "strong base": 1.5 * torch.nn.functional.one_hot(right, CHOICES).to(F64)}
    curves = {name: grpo(z, right, 80) for name, z in starts.items()}
    show(lines("step", range(80), {name: [c + 1e-6 for c in curve] for name, curve in curves.items()},
               log="y", y_label="pass rate"))
    expect("pass rate after 80 steps", curves[start][-1], at_least=0.9)
    expect("pass rate of the weak base before", curves["weak base"][0], at_most=2e-5)


@breaks(weights="all answers", en="Trained on all its own answers a model goes nowhere: the mean gradient is zero.",
        zh="在自己的全部回答上训练等于原地不动：平均梯度为零。")
def claim_sft_on_own_right_answers_follows_the_log_pass_rate(tokens=3, weights="right answers"):
    """SFT on one’s own right answers has the gradient of the log pass rate: REINFORCE with reward 0/1
    and no baseline, over the pass rate.

    在自己答对的样本上做 SFT，梯度就是 log 通过率的梯度：即奖励 0/1、无基线的 REINFORCE，再除以通过率。"""
    z = torch.randn(tokens, CHOICES, dtype=F64, requires_grad=True)
    answers = torch.tensor(list(itertools.product(range(CHOICES), repeat=tokens)))
    log_p = z.log_softmax(1)[torch.arange(tokens), answers].sum(1)         # (answers,)
    right = torch.rand(len(answers)) < 0.25
    right[0] = True                                                        # several may be right
    passed = log_p.exp()[right].sum()
    kept = right.to(F64) if weights == "right answers" else torch.ones(len(answers), dtype=F64)
    share = (log_p.exp() * kept / (log_p.exp() * kept).sum()).detach()     # of the training set
    (sft,) = torch.autograd.grad((share * log_p).sum(), z, retain_graph=True)
    (exact,) = torch.autograd.grad(passed.log(), z)
    show(lines("logit", range(z.numel()), {"SFT on what was kept": sft.flatten(),
                                           "∇ log pass rate": exact.flatten()}))
    expect("SFT gradient less that of the log pass rate", sft - exact, equals=0, within=1e-12)


def drill_first_success(rng) -> Drill:
    """How likely a group holds a success."""
    p, group = rng.choice([(0.01, 64), (0.05, 16), (0.1, 8), (0.02, 32), (0.001, 64)])
    value = 1 - (1 - p) ** group
    return Drill(
        en=f"A base solves a problem with probability {p:g}. How likely is it that a group of {group} samples holds at "
           "least one success?",
        zh=f"基座解出一道题的概率为 {p:g}。一组 {group} 个样本中至少成功一次的概率是多少？",
        answer=value, within=0.01,
        steps=[(f"none: (1 − {p:g})^{group} = {1 - value:.3f}", f"一次都没有：(1 − {p:g})^{group} = {1 - value:.3f}"),
               (f"1 − {1 - value:.3f} = {value:.3f}", f"1 − {1 - value:.3f} = {value:.3f}")],
        proved_by="rl_needs_a_first_success",
    )


ZH = {
    "weak base": "弱基座", "cold start": "冷启动", "strong base": "强基座", "step": "步", "pass rate": "通过率",
    "pass rate after 80 steps": "80 步后的通过率", "pass rate of the weak base before": "弱基座起初的通过率",
    "logit": "logit", "SFT on what was kept": "在保留样本上 SFT", "∇ log pass rate": "∇ log 通过率",
    "SFT gradient less that of the log pass rate": "SFT 的梯度与 log 通过率的梯度之差",
}

if __name__ == "__main__":
    main()
