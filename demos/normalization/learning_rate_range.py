r"""With norms one learning rate serves a deep net whatever its initial scale; without them none may.

有归一化，同一个学习率对深层网络的各种初始尺度都可用；没有它，可能一个也不可用。

Santurkar et al. 2018; Xu et al. 2019. Guess first how far the rate may go. Turn `norm` to "constants": the
forward pass is normalised, but the backward pass takes the RMS for a constant. Nothing explodes, and little
is learnt. 先猜学习率能开多大。把 `norm` 改为 "constants"：前向照样归一化，反向却把 RMS 当作常数。不会爆炸，但也
几乎学不到东西。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, expect, heatmap, lines, main, one_of, show


def rms_norm(h: Tensor, norm: str) -> Tensor:
    """RMSNorm without gain over the last axis, as it is, with its RMS held fixed in backward, or not at all."""
    if norm == "none":
        return h
    rms = (h.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return h / (rms.detach() if norm == "constants" else rms)


def forward(x: Tensor, ws: list[Tensor], norm: str) -> Tensor:
    """A pre-norm residual stack, h + W₂ relu(W₁ norm(h)), for every run at once, with a last norm;
    x (rows, width), each of ws (runs, 2, width, width)."""
    h = x.expand(len(ws[0]), *x.shape)                                     # (runs, rows, width)
    for w in ws:
        h = h + (rms_norm(h, norm) @ w[:, 0]).relu() @ w[:, 1]
    return rms_norm(h, norm)


def train(rates: Tensor, gains: Tensor, norm: str, blocks: int, width: int, steps: int) -> Tensor:
    """Losses (gains, rates) after so many SGD steps, from He weights times a gain, on rows whose target has RMS
    1: predicting 0 costs 1. A loss that overflowed is infinite."""
    x, turn = torch.randn(2 * width, width), torch.randn(width, width)
    target = rms_norm(x @ turn, "right")
    rate = rates.repeat(len(gains))[:, None, None, None]
    scale = gains.repeat_interleave(len(rates))[:, None, None, None] * (2 / width) ** 0.5
    ws = [(torch.randn(2, width, width) * scale).requires_grad_() for _ in range(blocks)]
    for _ in range(steps):
        loss = (forward(x, ws, norm) - target).square().mean((1, 2))      # (runs,)
        slopes = torch.autograd.grad(loss.sum(), ws)
        ws = [(w - rate * slope).detach().requires_grad_() for w, slope in zip(ws, slopes, strict=True)]
    with torch.no_grad():
        last = (forward(x, ws, norm) - target).square().mean((1, 2))
    return last.nan_to_num(torch.inf, torch.inf).view(len(gains), len(rates))


RANGES = {
    "blocks": between(10, 13),
    "width": between(14, 18),
    "steps": between(12, 14),
    "norm": one_of("right", "constants", "none"),
}
RATES, GAINS = torch.tensor([10.0**e for e in range(-4, 4)]), torch.tensor([0.25, 1.0])
CONSTANTS = breaks(
    norm="constants", en="With the RMS held fixed in backward, large rates turn the weights at random.",
    zh="反向把 RMS 当作常数，学习率一大，权重就被打乱。",
)


@breaks(norm="none", en="Without norms the stream grows with every block, and at He scale no rate works.",
        zh="没有归一化，残差流逐层变大；He 尺度下没有一个学习率可用。")
@CONSTANTS
def claim_norm_widens_the_range_of_rates(blocks=12, width=16, steps=12, norm="right"):
    """In a net of 12 residual blocks RMSNorm lets learning rates of 1 and 10 serve a quarter of
    He scale and He scale alike; without it none of the rates from 1e-4 to 1e3 learns at He scale.

    12 个残差块的网络里，有 RMSNorm 时，学习率 1 和 10 对 He 尺度及其四分之一都可用；没有它，He 尺度下从
    1e-4 到 1e3 没有一个能学。"""
    with_norm, without = (train(RATES, GAINS, way, blocks, width, steps) for way in (norm, "none"))
    capped = {f"{name}, {g:g} He": loss[i].clamp(max=100) for i, g in enumerate(GAINS)
              for name, loss in (("norm", with_norm), ("none", without))}
    show(lines("learning rate", RATES, capped, log="xy", y_label="loss, at most 100"))
    show(heatmap(torch.stack([(loss < 1).sum(1) for loss in (with_norm, without)]), x=[f"{g:g} He" for g in GAINS],
                 y=["norm", "none"], title="rates that learn"))
    serves = (with_norm < 1).all(0).int()                                  # one rate for both scales
    expect("rates of 1 and 10 that learn at both scales with the norm", int(serves[4:6].sum()), equals=2)
    expect("rates that learn without it at He scale", int((without[-1] < 1).sum()), equals=0)


@CONSTANTS
def claim_the_gain_is_in_the_backward_pass(blocks=12, width=16, steps=12, norm="right"):
    """Normalising forward alone, with the RMS a constant in backward, is not enough: at He scale the best loss
    of the rates from 1e-2 to 1e3 stays over one and a half times that of the norm with its gradient.

    只在前向归一化、反向把 RMS 当作常数，是不够的：He 尺度下，学习率从 1e-2 到 1e3，最好的损失仍是 RMS 参与求导时的一倍半以上。"""
    gains = GAINS[1:]
    right, held = (train(RATES[2:], gains, way, blocks, width, steps) for way in (norm, "constants"))
    show(lines("learning rate", RATES[2:], {"RMS differentiated": right[-1], "RMS a constant": held[-1]}, log="x",
               y_label="loss"))
    expect("best loss with the RMS a constant, over that with its gradient",
           held.amin(1) / right.amin(1), at_least=1.5, at=("scale", gains))


ZH = {
    "norm, {} He": "归一化，{} He",
    "none, {} He": "无归一化，{} He",
    "{} He": "{} He",
    "norm": "归一化",
    "none": "无归一化",
    "loss, at most 100": "损失（上限 100）",
    "rates that learn": "能学习的学习率个数",
    "rates of 1 and 10 that learn at both scales with the norm": "有归一化时，学习率 1 与 10 中对两种尺度都能学的个数",
    "scale": "尺度",
    "rates that learn without it at He scale": "He 尺度下无归一化时能学习的学习率个数",
    "RMS differentiated": "RMS 参与求导",
    "RMS a constant": "RMS 当作常数",
    "best loss with the RMS a constant, over that with its gradient": "RMS 当作常数的最好损失与参与求导之比",
}

if __name__ == "__main__":
    main()
