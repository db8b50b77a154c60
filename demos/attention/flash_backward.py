r"""FlashAttention's backward rebuilds P from Q, K and one number per row: more FLOPs, linear
memory.

FlashAttention 的反向用 Q、K 与每行一个数重建 P：FLOPs 变多，显存变为线性。

Dao et al. 2022, Appendix B.2; Dao 2023, §3.1.2 and §4.1. Turn `kept` to "maximum": exp(S − m) is
not P, and every gradient is wrong. Turn `way` to "written out": the N × N probabilities are kept.
把 `kept` 改为 "maximum"：exp(S − m) 不是 P，梯度全错；把 `way` 改为 "written out"：要保存 N × N 的概率。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import flops


@exercise(claims=("gradients_are_those_of_autograd", "five_products_for_the_forwards_two"),
          wrong=("forgets_the_row_sum", "rebuilds_without_the_scale", "leaves_the_scale_out_of_dq"))
def backward(
    q: Tensor, k: Tensor, v: Tensor, o: Tensor, lse: Tensor, do: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """dQ, dK, dV of O = softmax(QKᵀ/√d)V, from the inputs, the output and the log-sum-exp of each
    row of scores; lse is (tokens, 1), all others (tokens, d).

    由输入、输出与每行分数的 log-sum-exp，求 O = softmax(QKᵀ/√d)V 的 dQ、dK、dV；lse 为 (tokens, 1)，其余为 (tokens, d)。"""
    root = q.shape[1] ** 0.5
    p = torch.exp(q @ k.T / root - lse)                         # (tokens, tokens): P again
    dv = p.T @ do                                               # (tokens, d)
    dp = do @ v.T                                               # (tokens, tokens)
    ds = p * (dp - (do * o).sum(1, keepdim=True)) / root        # P∘dP and dO∘O have one row sum
    return ds @ k, ds.T @ q, dv


def written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention as three operations; autograd keeps P."""
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v


def fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """PyTorch's tiled kernel for a CPU."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION):
        return F.scaled_dot_product_attention(q, k, v)


WAYS = {"fused": fused, "written out": written_out}
RANGES = {
    "tokens": between(2, 256),
    "d_head": between(2, 128),
    "heads": between(1, 8),
    "lengths": each(between(16, 1024), at_least=2, rising=True),
    "kept": one_of("log-sum-exp", "maximum"),
    "way": one_of("fused", "written out"),
    "again": one_of("recompute", "keep P"),
}


@breaks(kept="maximum",
        en="The maximum alone does not normalise: exp(S − m) is P times the row's sum.",
        zh="只有最大值无法归一化：exp(S − m) 是 P 乘以该行之和。")
def claim_gradients_are_those_of_autograd(tokens=64, d_head=32, kept="log-sum-exp"):
    """From Q, K, V, O and one log-sum-exp per row come the gradients that autograd finds, to
    rounding.

    由 Q、K、V、O 与每行一个 log-sum-exp，就能得到与 autograd 相同的梯度，只差舍入。"""
    q, k, v, do = torch.randn(4, tokens, d_head, dtype=torch.float64)
    qkv = [x.requires_grad_() for x in (q, k, v)]
    wanted = torch.autograd.grad(F.scaled_dot_product_attention(*(x[None] for x in qkv))[0], qkv,
                                 do)
    with torch.no_grad():
        s = q @ k.T / d_head**0.5
        one = s.logsumexp(1, keepdim=True) if kept == "log-sum-exp" else s.amax(1, keepdim=True)
        found = backward(q, k, v, s.softmax(1) @ v, one, do)
    gaps = [(a - b).abs().max() for a, b in zip(found, wanted, strict=True)]
    show(lines("row", range(tokens), {"dQ by autograd": wanted[0][:, 0],
                                      "dQ rebuilt": found[0][:, 0]}, y_label="gradient"))
    # float64: sums of `tokens` terms of size up to about 5·d
    expect("difference of the gradients", gaps, equals=0, within=1e-14 * tokens * d_head,
           at=("of", ["Q", "K", "V"]))


@breaks(again="keep P",
        en="With P kept there are four products: twice the forward, not two and a half times.",
        zh="保存 P 则只有四个矩阵乘：是前向的 2 倍，而不是 2.5 倍。")
def claim_five_products_for_the_forwards_two(tokens=64, d_head=32, again="recompute"):
    """Recomputing the scores makes backward five products for the forward's two: 2.5 times its
    FLOPs, 3.5 times in all; torch's count for its fused kernels says the same.

    重算分数使反向变为五个矩阵乘，前向是两个：FLOPs 为 2.5 倍，合计 3.5 倍；torch 对其融合 kernel 的计数与此相同。"""
    from torch.utils.flop_counter import sdpa_backward_flop_count, sdpa_flop_count

    x = torch.empty(tokens, d_head, device="meta")
    forward = flops(written_out, x, x, x)
    work = flops(backward, x, x, x, x, x[:, :1], x)
    if again == "keep P":
        work -= flops(lambda: x @ x.T)
    s = (1, 1, tokens, d_head)
    torchs = sdpa_backward_flop_count(s, s, s, s) / sdpa_flop_count(s, s, s)
    share = [1, work / forward, 1 + work / forward]
    show(bars(["forward", "backward", "both"], {"FLOPs over forward": share}))
    expect("backward over forward", work / forward, equals=2.5)
    expect("backward over forward by torch's formulas", torchs, equals=2.5)


@breaks(way="written out", en="Written out, autograd keeps the N × N probabilities.",
        zh="写成三步，autograd 要保存 N × N 的概率。")
def claim_saved_memory_is_linear(lengths=(128, 256, 512), heads=2, d_head=64, way="fused"):
    """For backward the fused kernel keeps Q, K, V, O and one number per row: 4d + 1 numbers per
    token and head.

    为反向，融合 kernel 只保存 Q、K、V、O 与每行一个数：每 token 每头 4d + 1 个数。"""
    kept: dict[str, list[float]] = {name: [] for name in WAYS}
    for n in lengths:
        for name, attend in WAYS.items():
            storages: dict[int, int] = {}

            def keep(t: Tensor, storages: dict[int, int] = storages) -> Tensor:
                storages[t.untyped_storage().data_ptr()] = t.numel() if t.is_floating_point() else 0
                return t

            with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
                out = attend(*(torch.randn(1, heads, n, d_head,
                                           requires_grad=True) for _ in range(3)))
            del out
            kept[name].append(sum(storages.values()) / heads / n)
    show(lines("N", lengths, kept, log="xy", y_label="numbers kept per token and head"))
    expect("numbers kept per token and head", kept[way], equals=4 * d_head + 1, at=("N", lengths))


ZH = {
    "dQ by autograd": "autograd 的 dQ",
    "dQ rebuilt": "重建的 dQ",
    "gradient": "梯度",
    "row": "行",
    "of": "对",
    "difference of the gradients": "梯度之差",
    "forward": "前向",
    "backward": "反向",
    "both": "合计",
    "FLOPs over forward": "与前向 FLOPs 之比",
    "backward over forward": "反向与前向之比",
    "backward over forward by torch's formulas": "按 torch 的公式，反向与前向之比",
    "fused": "融合",
    "written out": "写成三步",
    "numbers kept per token and head": "每 token 每头保存的数",
}

if __name__ == "__main__":
    main()
