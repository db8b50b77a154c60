r"""Dividing by √d_k keeps attention's softmax out of saturation.

除以 √d_k 使注意力的 softmax 不落入饱和区。

Vaswani et al. 2017, §3.2.1. Turn `widths` and `keys`.
"""

import torch
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table


def scores(d: int, queries: int, keys: int) -> Tensor:
    """q·k for unit-variance queries and keys, (queries, keys)."""
    return torch.randn(queries, d) @ torch.randn(keys, d).T


def jacobian_norm(p: Tensor) -> Tensor:
    """Frobenius norm of softmax's Jacobian diag(p) − ppᵀ for each row of p."""
    return (torch.diag_embed(p) - p[:, :, None] * p[:, None, :]).flatten(1).norm(dim=1)


def claim_dot_product_variance_is_dk(widths=(16, 64, 256, 1024), samples=4096):
    """Var(q·k) is d_k for independent unit-variance components, not 1.

    各分量独立且方差为 1 时，q·k 的方差是 d_k，而不是 1。"""
    raw = torch.stack([(torch.randn(samples, d) * torch.randn(samples, d)).sum(1).var() for d in widths])
    show(lines("d_k", widths, {"Var(q·k)": raw, "d_k": widths}, log="xy"))
    noise = ((2 + 6 / min(widths)) / samples) ** 0.5
    expect("Var(q·k) / d_k", raw / torch.tensor(widths), equals=1, within=6 * noise, at=("d_k", widths))


def claim_division_restores_unit_variance(widths=(16, 64, 256, 1024), samples=4096):
    """Divided by √d_k the scores have variance 1 at every width; divided by d_k they vanish as 1/d_k.

    除以 √d_k 后分数的方差在任何宽度下都是 1；若除以 d_k，方差按 1/d_k 消失。"""
    drawn = [(torch.randn(samples, d) * torch.randn(samples, d)).sum(1) for d in widths]
    root = [(s / d**0.5).var() for s, d in zip(drawn, widths, strict=True)]
    whole = [(s / d).var() for s, d in zip(drawn, widths, strict=True)]
    show(table({"d_k": widths, "variance, by √d_k": root, "variance, by d_k": whole}))
    noise = ((2 + 6 / min(widths)) / samples) ** 0.5
    expect("variance after division by √d_k", root, equals=1, within=6 * noise, at=("d_k", widths))
    expect("variance after division by d_k, times d_k", [w * d for w, d in zip(whole, widths, strict=True)], equals=1,
           within=6 * noise, at=("d_k", widths))


def claim_unscaled_softmax_saturates(widths=(16, 64, 256, 1024), queries=256, keys=64):
    """Unscaled, one key takes nearly all the weight at d_k = 1024; scaled, the largest weight stays near a tenth.

    不缩放时，d_k = 1024 下几乎全部权重落在一个 key 上；缩放后最大权重保持在十分之一左右。"""
    drawn = [scores(d, queries, keys) for d in widths]
    raw = [s.softmax(1).amax(1).median() for s in drawn]
    scaled = [(s / d**0.5).softmax(1).amax(1).median() for s, d in zip(drawn, widths, strict=True)]
    show(lines("d_k", widths, {"unscaled": raw, "scaled": scaled}, log="x", y_label="median largest weight"))
    expect("largest weight unscaled, widest", raw[-1], at_least=0.99)
    expect("largest weight scaled", scaled, at_most=0.2, at=("d_k", widths))


def claim_saturated_softmax_has_no_gradient(widths=(16, 64, 256, 1024), queries=256, keys=64):
    """The softmax Jacobian diag(p) − ppᵀ is zero for a one-hot p: unscaled scores lose their gradient.

    p 为 one-hot 时 softmax 的 Jacobian diag(p) − ppᵀ 为零：不缩放的分数失去梯度。"""
    drawn = [scores(d, queries, keys) for d in widths]
    raw = [jacobian_norm(s.softmax(1)).median() for s in drawn]
    scaled = [jacobian_norm((s / d**0.5).softmax(1)).median() for s, d in zip(drawn, widths, strict=True)]
    show(lines("d_k", widths, {"unscaled": raw, "scaled": scaled}, log="xy", y_label="median norm of the Jacobian"))
    expect("unscaled Jacobian over scaled, widest", raw[-1] / scaled[-1], at_most=0.1)
    expect("Jacobian norm of a one-hot p", jacobian_norm(torch.eye(keys)), equals=0)


def claim_scale_can_be_folded_into_wq(d=64, width=256, tokens=32):
    """A W_Q divided by √d_k gives the same scores without any division.

    把 W_Q 预先除以 √d_k，不做除法也得到同样的分数。"""
    x, w_q, w_k = torch.randn(tokens, width), torch.randn(width, d) / 16, torch.randn(width, d) / 16
    divided = (x @ w_q) @ (x @ w_k).T / d**0.5
    folded = (x @ (w_q * d**-0.5)) @ (x @ w_k).T
    gap = (divided.softmax(1) - folded.softmax(1)).abs().max()
    show(table({"d_k": [d], "max difference of the weights": [gap]}))
    expect("difference of the attention weights", gap, at_most=1e-5)


if __name__ == "__main__":
    main()
