r"""The same weights give two policies: rollout engine and trainer add in another order, and round.

同一份权重给出两个策略：rollout 引擎与训练器的求和次序不同，舍入也就不同。

Qi et al. 2025; Zheng et al. 2025 (GSPO), §5.3. Toys of two and three layers, their 16-bit
arithmetic emulated.
Turn `replay` to True: the trainer takes the rollout's experts, and the jumps of an MoE are gone.
把 `replay` 改为 True：训练器沿用 rollout 选中的专家，MoE 的跳变随之消失。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, lines, main, one_of, show

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def product(x: Tensor, w: Tensor, low: str, parts: int) -> Tensor:
    """x @ w with the sum over the width cut into parts; every partial sum is rounded to `low`."""
    total = torch.zeros(x.shape[0], w.shape[1])
    for x_part, w_part in zip(x.chunk(parts, 1), w.chunk(parts, 0), strict=True):
        total = (total + x_part @ w_part).to(DTYPES[low]).float()          # (tokens, out)
    return total


def dense(x: Tensor, weights: list[Tensor], low: str, parts: int) -> Tensor:
    """Log-probabilities of a residual network, (tokens, vocabulary)."""
    for w in weights[:-1]:
        x = x + F.gelu(product(F.rms_norm(x, x.shape[1:]), w, low, parts))
    return product(F.rms_norm(x, x.shape[1:]), weights[-1], low, parts).log_softmax(1)


def mixture(x: Tensor, first: Tensor, router: Tensor, experts: Tensor, head: Tensor, parts: int,
            chosen: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A dense layer, then an MoE layer that sends each token to its best expert or to `chosen`, in
    bfloat16; log-probabilities and the choice."""
    low = "bfloat16"
    x = x + F.gelu(product(F.rms_norm(x, x.shape[1:]), first, low, parts))
    normed = F.rms_norm(x, x.shape[1:])
    chosen = product(normed, router, low, parts).argmax(1) if chosen is None else chosen
    out = torch.stack([product(normed, w, low, parts) for w in experts])   # (experts, tokens, width)
    x = x + F.gelu(out[chosen, torch.arange(len(x))])
    return product(F.rms_norm(x, x.shape[1:]), head, low, parts).log_softmax(1), chosen


def gap(trainer: Tensor, rollout: Tensor) -> Tensor:
    """|log π_train − log π_rollout| of one token drawn from each row of the rollout's policy."""
    token = rollout.exp().multinomial(1)                                   # (tokens, 1)
    return (trainer - rollout).gather(1, token).abs()[:, 0]


RANGES = {
    "low": one_of("bfloat16", "float16", "float32"), "parts": between(1, 8), "tokens": between(512, 4096),
    "width": between(64, 128, multiple_of=8), "vocabulary": between(16, 512),
    "experts": between(8, 16),
}  # fmt: skip


@breaks(parts=1, en="Added in the same order both engines round alike, and the gap is exactly 0.",
        zh="求和次序相同，两边的舍入也相同，差距恰为 0。")
@breaks(low="float16", en="Ten bits of mantissa instead of seven: an eighth of the gap is left.",
        zh="尾数从 7 位变为 10 位，差距只剩约八分之一。")
@breaks(low="float32", en="In 32 bit next to nothing is left of the gap.",
        zh="32 位下差距几乎消失。")
def claim_another_order_of_addition_is_another_policy(tokens=1024, width=128, vocabulary=256,
                                                      parts=4, low="bfloat16"):
    """With the same weights and inputs in bfloat16, sums in another order change the log-probability
    of a sampled token, by about eight times as much as in float16.

    权重与输入都相同，bfloat16 下换一种求和次序，采样 token 的对数概率就会改变，幅度约为 float16 的八倍。"""
    x = torch.randn(tokens, width)
    weights = [torch.randn(width, n) / width**0.5 for n in (width, width, width, vocabulary)]
    gaps = {}
    for name in dict.fromkeys((low, "float16")):
        torch.manual_seed(0)                                               # the same draws in each
        gaps[name] = gap(dense(x, weights, name, 1), dense(x, weights, name, parts))
    ranks = torch.linspace(0, tokens - 1, 50).long()
    show(lines("share of tokens", ranks / tokens, {n: g.sort().values[ranks] + 1e-9
                                                   for n, g in gaps.items()},
               log="y", y_label="gap of the log-probability"))
    # Three bits of mantissa are a factor of 8 in every rounding; the networks differ by chance.
    expect("mean gap over that in float16", gaps[low].mean() / gaps["float16"].mean().clamp(1e-9),
           equals=8, within=3)


@breaks(replay=True, en="With the rollout’s experts replayed the trainer has the smooth gap only.",
        zh="回放 rollout 选中的专家后，训练器只剩平滑的小差距。")
def claim_a_flipped_expert_makes_a_jump(width=64, vocabulary=256, experts=8, replay=False):
    """In an MoE the same rounding flips the expert of some tokens, and there the log-probability
    jumps by more than ten times the gap elsewhere; replaying the choice removes the jump.

    在 MoE 里，同样的舍入会使部分 token 换了专家，那里对数概率的跳变是其他 token 差距的十倍以上；回放选择则消除跳变。"""
    tokens = 4096
    x, (first, *up) = torch.randn(tokens, width), torch.randn(experts + 1, width, width) / width**0.5
    router, head = (torch.randn(width, n) / width**0.5 for n in (experts, vocabulary))
    model = x, first, router, torch.stack(up), head
    rollout, sampled = mixture(*model, 4)
    trainer, chosen = mixture(*model, 1)
    flipped = chosen != sampled
    if replay:
        trainer, _ = mixture(*model, 1, sampled)
    gaps = gap(trainer, rollout)
    means = gaps[flipped].mean(), gaps[~flipped].mean()
    show(bars(["another expert", "the same expert"], means, log="y",
              title=f"{int(flipped.sum())} of {tokens} tokens took another expert",
              y_label="gap of the log-probability"))
    expect("gap of tokens with another expert over the rest", means[0] / means[1], at_least=10)


ZH = {
    "share of tokens": "token 的比例", "gap of the log-probability": "对数概率的差距",
    "mean gap over that in float16": "平均差距与 float16 之比",
    "another expert": "换了专家", "the same expert": "同一专家",
    "{} of {} tokens took another expert": "{} / {} 个 token 换了专家",
    "gap of tokens with another expert over the rest": "换了专家的 token 的差距与其余之比",
}

if __name__ == "__main__":
    main()
