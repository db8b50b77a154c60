r"""A window makes attention linear only if the keys outside it are skipped; the layers carry news further.

滑动窗口只有真正跳过窗口外的 key，才把注意力降为线性；更远的信息靠逐层接力。

Window w here: a query sees itself and the w − 1 tokens before it. Longformer (Beltagy et al. 2020, §3.1); Mistral 7B
(Jiang et al. 2023, §2: W = 4096, 32 layers). `banded` fetches keys one query at a time, which is clear and slow; kernels
skip whole blocks instead. Turn `window`, `w` and `depths`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import bars, expect, heatmap, lines, main, show, table

F64 = torch.float64


def visible(n: int, w: int) -> Tensor:
    """(n, n): may query i (row) see key j (column)? Only i − w < j ≤ i."""
    ahead = torch.arange(n) - torch.arange(n)[:, None]  # j − i
    return (ahead <= 0) & (ahead > -w)


def masked(q: Tensor, k: Tensor, v: Tensor, w: int) -> Tensor:
    """All n × n scores, then a mask; q, k, v are (n, d)."""
    scores = q @ k.T * q.shape[-1] ** -0.5
    return scores.masked_fill(~visible(len(q), w), -torch.inf).softmax(-1) @ v


def banded(q: Tensor, k: Tensor, v: Tensor, w: int) -> Tensor:
    """Only the w keys of each query are fetched: n × w scores."""
    near_k, near_v = (F.pad(x, (0, 0, w - 1, 0)).unfold(0, w, 1) for x in (k, v))  # (n, d, w)
    scores = (q[:, None] @ near_k)[:, 0] * q.shape[-1] ** -0.5  # (n, w), the query's own key last
    padding = torch.arange(len(q))[:, None] + torch.arange(w) < w - 1  # before the first token
    weights = scores.masked_fill(padding, -torch.inf).softmax(-1)
    return (near_v @ weights[:, :, None])[:, :, 0]


def forward(x: Tensor, layers: Tensor, w: int) -> Tensor:
    """Masked attention with a residual connection, layer after layer; x (n, d), layers (L, 3, d, d)."""
    for w_q, w_k, w_v in layers:
        x = x + masked(x @ w_q, x @ w_k, x @ w_v, w)
    return x


def flops(work) -> int:
    """Floating-point operations that torch's own counter finds."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def claim_a_mask_alone_saves_no_flops(n=512, window=32, d=32):
    """A window mask on the full score matrix saves no FLOPs; fetching only w keys a query divides them by n/w.

    只在完整分数矩阵上加窗口掩码，FLOPs 一点不减；每个 query 只取 w 个 key，FLOPs 才除以 n/w。"""
    q, k, v = torch.randn(3, n, d)
    dense = flops(lambda: (q @ k.T * d**-0.5).softmax(-1) @ v)
    with_mask = flops(lambda: masked(q, k, v, window))
    skipping = flops(lambda: banded(q, k, v, window))
    show(
        bars(("full", "full + window mask", "window keys only"), (dense, with_mask, skipping), y_label="FLOPs"),
        table({"form": ("full", "full + window mask", "window keys only"), "FLOPs": (dense, with_mask, skipping)}),
    )
    expect("FLOPs with the mask over FLOPs without", with_mask / dense, equals=1)
    expect("full FLOPs over FLOPs that skip", dense / skipping, equals=n / window, within=1e-9)


def claim_banded_equals_masked(n=512, windows=(1, 7, 32, 512), d=32):
    """Skipping gives the output of the mask to rounding error; w = 1 returns v, and w ≥ n is plain causal attention.

    跳过窗口外的 key 与加掩码的结果只差舍入；w = 1 时输出就是 v，w ≥ n 时就是普通因果注意力。"""
    q, k, v = torch.randn(3, n, d, dtype=F64)
    outputs = [banded(q, k, v, w) for w in windows]
    torchs = [F.scaled_dot_product_attention(q[None], k[None], v[None], visible(n, w))[0] for w in windows]
    causal = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
    gaps = [(a - b).abs().max() for a, b in zip(outputs, torchs, strict=True)]
    show(
        table(
            {
                "window": windows,
                "from SDPA + mask": gaps,
                "from causal": [(a - causal).abs().max() for a in outputs],
                "from v": [(a - v).abs().max() for a in outputs],
            },
            title="largest difference of the banded output",
        )
    )
    expect("difference from SDPA with the mask", gaps, at_most=1e-12, at=("window", windows))
    expect("window 1 against v", (banded(q, k, v, 1) - v).abs().max(), at_most=1e-12)
    expect("window n against causal attention", (banded(q, k, v, n) - causal).abs().max(), at_most=1e-12)


def claim_banded_flops_are_linear_in_length(lengths=(128, 256, 512, 1024), window=32, d=32):
    """Doubling the length doubles the FLOPs of a window, 4·n·w·d, and quadruples those of full attention.

    长度翻倍，窗口注意力的 FLOPs（4·n·w·d）翻倍，完整注意力的变为四倍。"""
    inputs = [torch.randn(n, d) for n in lengths]
    near = [flops(lambda x=x: banded(x, x, x, window)) for x in inputs]
    full = [flops(lambda x=x: masked(x, x, x, len(x))) for x in inputs]
    show(lines("length n", lengths, {"full": full, f"window {window}": near}, log="xy", y_label="FLOPs"))
    per_token = [f / n for f, n in zip(near, lengths, strict=True)]
    per_pair = [f / n**2 for f, n in zip(full, lengths, strict=True)]
    expect("FLOPs a token, window", per_token, equals=4 * window * d, at=("length", lengths))
    expect("FLOPs a token and key, full", per_pair, equals=4 * d, at=("length", lengths))


def claim_receptive_field_grows_by_w_minus_1_per_layer(w=8, depths=(1, 2, 3, 4), width=16):
    """After L layers a late position sees exactly L(w − 1) + 1 tokens: every layer adds w − 1, and none adds more.

    L 层之后，靠后的位置恰好能看到 L(w − 1) + 1 个 token：每层增加 w − 1 个，不会更多。"""
    n = max(depths) * w + 2
    reach, moved, slopes = [], [], []
    for depth in depths:
        layers = torch.randn(depth, 3, width, width, dtype=F64) / width**0.5
        x = torch.randn(n, width, dtype=F64, requires_grad=True)
        out = forward(x, layers, w)[-1]
        slope = torch.autograd.grad(out.norm(), x)[0].norm(dim=1)  # (n,) how much each input token matters
        slopes.append(slope.flip(0))
        reach.append((slope > 0).sum())
        other = x.detach().clone()
        other[: n - (depth * (w - 1) + 1)] += 10  # every token outside the field
        moved.append((forward(other, layers, w)[-1] - out).abs().max())
    field = [depth * (w - 1) + 1 for depth in depths]
    show(
        table(
            {
                "layers L": depths,
                "tokens with a gradient": reach,
                "L(w − 1) + 1": field,
                "output moves with the others": moved,
            }
        ),
        heatmap(
            torch.stack(slopes).clamp_min(1e-12).log10(),
            y=depths,
            y_label="layers",
            x_label="tokens back",
            title="log10 of the gradient to each input token",
        ),
    )
    expect("tokens with a gradient", reach, equals=field, at=("layers", depths))
    expect("change of the output when the others move", moved, at_most=1e-12, at=("layers", depths))


def claim_reach_is_not_influence(w=8, depths=(1, 2, 3, 4)):
    """If each layer averages its window evenly, the farthest token has w^−L of the influence: one path of w^L.

    若每层在窗口内均匀平均，最远的 token 只占影响的 w^−L：w^L 条路径中只有一条。"""
    n = max(depths) * (w - 1) + 1
    average = visible(n, w).to(F64) / w  # rows near the start sum to less; the last row never reaches past the start
    back = torch.arange(n - 1, -1, -1, dtype=F64)
    shares, farthest, middle = {}, [], []
    for depth in depths:
        share = torch.linalg.matrix_power(average, depth)[-1]  # (n,) influence of every token on the last
        shares[f"L = {depth}"] = share.flip(0)
        farthest.append(share[n - 1 - depth * (w - 1)] * w**depth)
        middle.append(share @ back / (depth * (w - 1)))
    show(
        lines("tokens back", range(n), shares, title=f"influence on the top output, window {w}", y_label="share"),
        table({"layers": depths, "farthest share · w^L": farthest, "mean distance / reach": middle}),
    )
    expect("share of the farthest token, times w^L", farthest, equals=1, within=1e-9, at=("layers", depths))
    expect("mean distance over reach", middle, equals=0.5, within=1e-9, at=("layers", depths))


if __name__ == "__main__":
    main()
