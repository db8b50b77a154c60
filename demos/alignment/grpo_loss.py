r"""GRPO's loss: clipped ratios times one advantage per answer, averaged over tokens, one way or another.

GRPO 的损失：裁剪后的概率比乘以每个回答的优势，再对 token 求平均；怎样平均大有讲究。

Shao et al. 2024, §4.1.1; Liu et al. 2025 (Dr. GRPO), §3.1. Turn `mean` to "constant": each token
counts alike, and wrong answers stop growing.
把 `mean` 改为 "constant"：每个 token 分量相同，错误的回答不再越来越长。
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

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
    table,
)

F64 = torch.float64


@exercise(
    claims=("matches_a_loop_over_tokens",),
    wrong=("takes_the_maximum", "clips_alone", "counts_padding", "averages_all_tokens",
           "forgets_the_sign"),
)
def grpo_loss(new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, low: float,
              high: float) -> Tensor:
    """GRPO without KL term, to be minimised: the smaller of ρA and clip(ρ, 1 − low, 1 + high)·A, its
    mean over the tokens of an answer, then over answers. ρ = exp(new − old); new, old and mask (1:
    a token, 0: padding) are (answers, tokens), advantages (answers,).

    不含 KL 项的 GRPO 损失（求最小）：取 ρA 与 clip(ρ, 1 − low, 1 + high)·A 中较小者，先对一个回答的 token
    求平均，再对回答求平均。ρ = exp(new − old)；new、old、mask（1 为 token，0 为 padding）为
    (answers, tokens)，advantages 为 (answers,)。"""
    ratio, a = (new - old).exp(), advantages[:, None]                      # (answers, tokens)
    gain = torch.minimum(ratio * a, ratio.clamp(1 - low, 1 + high) * a)
    return -((gain * mask).sum(1) / mask.sum(1)).mean()


def loss_by(mean: str, new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """Averaged per answer (GRPO), over all tokens (DAPO), or over answers × width (Dr. GRPO): the
    gain scales with A, so another mean is another weight on each answer's advantage."""
    length = mask.sum(1)                                                   # (answers,)
    weight = {"answer": 1, "tokens": length / length.mean(), "constant": length / mask.shape[1]}
    return grpo_loss(new, old, advantages * weight[mean], mask, 0.2, 0.2)


RANGES = {
    "mean": one_of("answer", "tokens", "constant"), "lengths": each(between(1, 512), at_least=2),
    "answers": between(2, 64), "tokens": between(1, 64), "low": between(0.05, 0.5),
    "high": between(0.05, 0.5), "drift": between(0.2, 1.0),
}  # fmt: skip
CONSTANT = breaks(mean="constant", en="Divided by one constant, every token weighs the same.",
                  zh="除以同一个常数，每个 token 的分量都相同。")

OVER_ALL = breaks(mean="tokens", en="Over all tokens of the batch a token weighs the same in every answer.",
                  zh="对整批 token 求平均，任何回答里的 token 分量都相同。")


def claim_matches_a_loop_over_tokens(answers=8, tokens=16, low=0.2, high=0.28, drift=0.4):
    """The loss equals a loop over tokens with the four cases of the clip, and its gradient is zero
    exactly where A > 0 and ρ > 1 + high, or A < 0 and ρ < 1 − low.

    损失等于逐 token 的循环（裁剪分四种情形）；梯度恰在 A > 0 且 ρ > 1 + high、或 A < 0 且 ρ < 1 − low 处为零。"""
    old = torch.randn(answers, tokens, dtype=F64) - 2
    new = (old + drift * torch.randn(answers, tokens, dtype=F64)).requires_grad_()
    advantages = torch.randn(answers, dtype=F64)
    mask = (torch.arange(tokens) < torch.randint(1, tokens + 1, (answers, 1))).double()
    by_hand, stopped = 0.0, torch.zeros(answers, tokens, dtype=torch.bool)
    for i, a in enumerate(advantages.tolist()):
        length = int(mask[i].sum())
        for t in range(length):
            ratio = float((new[i, t] - old[i, t]).detach().exp())
            stopped[i, t] = ratio > 1 + high if a > 0 else ratio < 1 - low
            kept = (1 + high if a > 0 else 1 - low) if stopped[i, t] else ratio
            by_hand -= kept * a / length / answers
    loss = grpo_loss(new, old, advantages, mask, low, high)
    (gradient,) = torch.autograd.grad(loss, new)
    live = -(new - old).exp() * advantages[:, None] * mask / mask.sum(1, keepdim=True) / answers
    show(table({"tokens": [int(mask.sum())], "clipped": [int(stopped.sum())], "loss": [loss.item()]}))
    expect("loss less the loop", loss - by_hand, equals=0, within=1e-12)
    expect("gradient less −ρA / (answers × length), 0 where clipped",
           gradient - live.detach() * ~stopped, equals=0, within=1e-12)


@CONSTANT
@OVER_ALL
def claim_a_token_weighs_one_over_its_length(lengths=(10, 100), mean="answer"):
    """Averaged per answer, a token of an answer of 100 tokens gets a tenth of the push of one in an
    answer of 10; over all tokens or by a constant it gets the same.

    按回答求平均，100 个 token 的回答里每个 token 受到的推动是 10 个 token 的回答的十分之一；对全部 token
    平均或除以常数，则相同。"""
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).double()
    pushes = {}
    for name in ("answer", "tokens", "constant"):
        new = torch.zeros(mask.shape, dtype=F64, requires_grad=True)       # on-policy: ρ = 1
        loss = loss_by(name, new, new.detach(), torch.ones(len(lengths), dtype=F64), mask)
        pushes[name] = -torch.autograd.grad(loss, new)[0][:, 0]            # (answers,): first token
    show(lines("tokens in the answer", lengths, pushes, log="xy", y_label="push per token"))
    expect("push of a token times the length of its answer, over the first",
           pushes[mean] * torch.tensor(lengths) / (pushes[mean][0] * lengths[0]), equals=1,
           within=1e-12, at=("tokens in the answer", lengths))
    for name in ("tokens", "constant"):
        expect(f"push of a token over that in the first answer, by {name}",
               pushes[name] / pushes[name][0], equals=1, within=1e-12,
               at=("tokens in the answer", lengths))


@CONSTANT
@OVER_ALL
def claim_wrong_answers_grow_longer(mean="answer"):
    """A toy whose reward does not depend on length: averaged per answer, 40 steps lengthen wrong
    answers to more than double; divided by a constant they keep their length within a quarter.

    一个奖励与长度无关的玩具：按回答求平均，40 步后错误回答的长度翻倍以上；除以常数，长度变化在四分之一以内。"""
    curves = {}
    for name in dict.fromkeys((mean, "constant")):
        stop = torch.full((2,), -2.0, requires_grad=True)                  # logits: wrong, right
        means = []
        for _ in range(41):
            chance = stop.detach().sigmoid()
            means.append(1 / chance)
            right = (torch.rand(128, 8) < 0.3).long()                      # (prompts, group)
            lengths = torch.empty(128, 8).exponential_() / -torch.log1p(-chance)[right]
            lengths = lengths.ceil().clamp(1, 64).flatten()
            mask = (torch.arange(64) < lengths[:, None]).float()
            last = torch.arange(64) == lengths[:, None] - 1
            z = stop[right.flatten()][:, None]
            new = torch.where(last, logsigmoid(z), logsigmoid(-z))         # stop here, or go on
            a = right.float() - right.float().mean(1, keepdim=True)
            loss = loss_by(name, new, new.detach(), a.flatten(), mask)
            (g,) = torch.autograd.grad(loss, stop)
            rate = 64 / 8 if name == "constant" else 1                     # 8: the mean length
            stop = (stop - rate * g).detach().requires_grad_()
        curves[name] = torch.stack(means)                                  # (steps, 2)
    show(lines("step", range(41), {f"{which} answers, mean by {name}": c[:, i]
                                   for name, c in curves.items()
                                   for i, which in enumerate(("wrong", "right"))},
               y_label="mean length"))
    wrong = curves[mean][:, 0]
    expect("length of wrong answers, last over first", wrong[-1] / wrong[0], at_least=2)
    other = curves["constant"][:, 0]
    expect("the same divided by a constant", other[-1] / other[0], equals=1, within=0.25)


def drill_push(rng) -> Drill:
    """How much less a token of a longer answer counts."""
    short, times = rng.choice([(50, 4), (100, 8), (200, 5), (250, 10), (400, 20)])
    return Drill(
        en=f"Two wrong answers of a group have {short} and {short * times} tokens and the same advantage. GRPO "
           "averages over each answer’s tokens first. The push on one token of the long answer over that in the short one?",
        zh=f"同组两个错误回答分别有 {short} 与 {short * times} 个 token，优势相同。GRPO 先在每个回答内对 token "
           "求平均。长回答里一个 token 受到的推动与短回答里的之比是多少？",
        answer=1 / times,
        steps=[(f"short: A/{short}; long: A/{short * times}", f"短：A/{short}；长：A/{short * times}"),
               (f"ratio {short}/{short * times} = {1 / times:g}", f"之比 {short}/{short * times} = {1 / times:g}")],
        proved_by="a_token_weighs_one_over_its_length",
    )


ZH = {
    "tokens": "全部 token", "answer": "按回答", "constant": "常数", "clipped": "被裁剪", "loss": "损失",
    "loss less the loop": "损失与循环之差",
    "gradient less −ρA / (answers × length), 0 where clipped": "梯度与 −ρA /（回答数 × 长度）（被裁剪处为 0）之差",
    "tokens in the answer": "回答的 token 数",
    "push per token": "每个 token 受到的推动",
    "push of a token times the length of its answer, over the first": "token 的推动乘以其回答长度，与第一个之比",
    "push of a token over that in the first answer, by {}": "token 受到的推动与第一个回答中的之比，{}",
    "step": "步", "mean length": "平均长度",
    "wrong answers, mean by {}": "错误回答，{}平均", "right answers, mean by {}": "正确回答，{}平均",
    "length of wrong answers, last over first": "错误回答的长度，末步与初始之比",
    "the same divided by a constant": "除以常数时的同一比值",
}

if __name__ == "__main__":
    main()
