r"""h heads of width D/h are h attention patterns at once, for the parameters and matrix products of
one.

h 个宽 D/h 的头同时给出 h 种注意力分布，而参数与矩阵乘法的计算量与一个头相同。

Vaswani et al. 2017, §3.2.2. Turn `patterns` to "shared": heads that share their weights are one
head again. Turn `formula` to "4D²": heads of another size than D/h have other weights.
把 `patterns` 改为 "shared"：各头共用权重，就又只是一个头。把 `formula` 改为 "4D²"：头的维度不是 D/h 时，权重数就不对。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import flops

F64 = torch.float64


@exercise(claims=("it_is_torchs_multihead_attention", "the_layer_is_a_sum_of_h_patterns"),
          wrong=("scales_by_the_width", "takes_every_h_th_column", "merges_without_transpose"))
def multi_head(x: Tensor, w: Tensor, heads: int) -> Tensor:
    """Multi-head self-attention without mask: x (n, D) to (n, D); w is W_Q, W_K, W_V, W_O, each
    (D, D), and head i owns columns i·D/h to (i + 1)·D/h − 1 of the first three.

    不加掩码的多头自注意力：x (n, D) 变为 (n, D)；w 是 W_Q、W_K、W_V、W_O，都是 (D, D)，第 i 个头占前三者的第
    i·D/h 到 (i + 1)·D/h − 1 列。"""
    q, k, v = ((x @ m).unflatten(-1, (heads, -1)).transpose(0, 1) for m in w[:3])    # (h, n, d)
    p = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)                   # (h, n, n)
    return (p @ v).transpose(0, 1).flatten(1) @ w[3]


def patterns_of(x: Tensor, w: Tensor, heads: int) -> Tensor:
    """The weights of every head, (h, n, n)."""
    q, k = ((x @ m).unflatten(-1, (heads, -1)).transpose(0, 1) for m in w[:2])
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)


def with_weights(p: Tensor, x: Tensor, w: Tensor) -> Tensor:
    """The layer on x with its attention weights held at p (h, n, n)."""
    v = (x @ w[2]).unflatten(-1, (len(p), -1)).transpose(0, 1)
    return (p @ v).transpose(0, 1).flatten(1) @ w[3]


RANGES = {
    "tokens": between(5, 8),
    "width": one_of(16, 32),
    "head_counts": each(one_of(1, 2, 4, 8, 16), at_least=2, at_most=5, rising=True),
    "patterns": one_of("own", "shared"),
    "size": one_of("D/h", "D"),
    "head_sizes": each(between(2, 256), rising=True),
    "formula": one_of("4·D·h·d_head", "4D²"),
}


def claim_it_is_torchs_multihead_attention(tokens=6, width=16, head_counts=(1, 2, 4, 8)):
    """With the same four matrices the layer is nn.MultiheadAttention, whatever the number of
    heads.

    用同样的四个矩阵，无论多少个头，这一层就是 nn.MultiheadAttention。"""
    x, w, gaps = torch.randn(tokens, width, dtype=F64), torch.randn(4, width, width, dtype=F64) / width**0.5, []
    for h in head_counts:
        torchs = nn.MultiheadAttention(width, h, bias=False, dtype=F64)
        with torch.no_grad():
            torchs.in_proj_weight.copy_(torch.cat([m.T for m in w[:3]]))
            torchs.out_proj.weight.copy_(w[3].T)
            gaps.append((multi_head(x, w, h) - torchs(x, x, x)[0]).abs().max())
    show(lines("heads", head_counts, {"largest difference": [max(g.item(), 1e-17) for g in gaps]},
               log="y"))
    # float64 keeps 1e-16 of outputs of size 1
    expect("largest difference", gaps, equals=0, within=1e-12, at=("heads", head_counts))


@breaks(patterns="shared", en="Heads with the same weights add up to one head.",
        zh="权重相同的头相加，仍只是一个头。")
def claim_the_layer_is_a_sum_of_h_patterns(head_counts=(1, 2, 4, 8, 16), width=16, tokens=6,
                                           patterns="own"):
    """With the attention weights held, the layer is a sum of h terms pattern ⊗ map: its rearranged
    Jacobian has rank h; one head is one such term, however wide.

    固定注意力权重时，这一层是 h 项「分布 ⊗ 映射」之和：重排后的 Jacobian 秩为 h；一个头无论多宽都只有一项。"""
    x, w = torch.randn(tokens, width, dtype=F64), torch.randn(4, width, width, dtype=F64) / width**0.5
    spectra, ranks, shown = {}, [], max(head_counts) + 2
    for h in head_counts:
        p = patterns_of(x, w, h)
        p = p if patterns == "own" else p[:1].expand(h, -1, -1)
        jacobian = torch.autograd.functional.jacobian(lambda x, p=p: with_weights(p, x, w), x)
        # Token pairs against feature pairs:
        paired = jacobian.transpose(1, 2).reshape(tokens**2, width**2)
        values = torch.linalg.svdvals(paired)
        spectra[f"h = {h}"] = (values / values[0])[:shown].clamp(min=1e-16)
        ranks.append(torch.linalg.matrix_rank(paired))
        expect(f"layer with its own weights held, less the layer, h = {h}",
               (with_weights(patterns_of(x, w, h), x, w) - multi_head(x, w, h)).abs().max(),
               equals=0, within=1e-12)
    show(lines("singular value", range(1, shown + 1), spectra, log="y", y_label="relative size"))
    most = tokens * (tokens - 1) + 1                                    # rows of a pattern sum to 1
    expect("rank", ranks, equals=[min(h, most) for h in head_counts], at=("heads", head_counts))


@breaks(size="D", en="Heads that are each as wide as the model cost h times as much.",
        zh="每个头都与模型同宽，代价就是 h 倍。")
def claim_parameters_and_matmul_flops_do_not_depend_on_heads(
    head_counts=(1, 2, 4, 8, 16), width=16, tokens=6, size="D/h"
):
    """At a fixed width D any number of heads has 4D² weights and 8nD² + 4n²D matmul FLOPs; what
    grows with h is the hn² attention weights that softmax goes through.

    宽度 D 固定时，无论多少个头，权重都是 4D² 个，matmul 都是 8nD² + 4n²D 次 FLOP；随 h 增长的是 softmax 要处理的
    hn² 个注意力权重。"""
    x = torch.randn(tokens, width)
    wide = {h: width if size == "D/h" else h * width for h in head_counts}           # all heads together
    matrices = {h: [*torch.randn(3, width, d), torch.randn(d, width)] for h, d in wide.items()}
    held = [sum(m.numel() for m in w) for w in matrices.values()]
    work = [flops(multi_head, x, w, h) for h, w in matrices.items()]
    elements = [patterns_of(x, w, h).numel() for h, w in matrices.items()]
    modules = [nn.MultiheadAttention(width, h, bias=False) for h in head_counts]
    show(lines("heads", head_counts, {"matmul FLOPs": work, "attention weights": elements},
               log="xy"),
         table({"heads": head_counts, "parameters": held, "matmul FLOPs": work,
                "attention weights": elements}))
    expect("parameters", held, equals=4 * width**2, at=("heads", head_counts))
    expect("parameters of nn.MultiheadAttention", [sum(p.numel() for p in m.parameters()) for m in modules],
           equals=held, at=("heads", head_counts))
    expect("matmul FLOPs", work, equals=8 * tokens * width**2 + 4 * tokens**2 * width,
           at=("heads", head_counts))
    expect("attention weights", elements, equals=[h * tokens**2 for h in head_counts],
           at=("heads", head_counts))


@breaks(formula="4D²", en="4D² is right only for heads that together are as wide as the model, 16 of 16.",
        zh="只有各头合起来与模型同宽（16 个宽 16 的头），4D² 才对。")
def claim_a_free_head_size_changes_the_weights(head_sizes=(8, 16, 32), formula="4·D·h·d_head"):
    """With a head size of its own a layer has 4·D·h·d_head weights, which is 4D² only where h·d_head = D;
    W_O returns to D.

    头的维度另选时，一层有 4·D·h·d_head 个权重，只有 h·d_head = D 时才是 4D²；由 W_O 回到宽度 D。"""
    width, heads, weights, returned = 256, 16, [], []
    for d in head_sizes:
        *qkv, w_o = [nn.Linear(width, heads * d, bias=False, device="meta") for _ in range(3)] + [
            nn.Linear(heads * d, width, bias=False, device="meta")]
        weights.append(sum(p.weight.numel() for p in (*qkv, w_o)))
        returned.append(w_o(qkv[2](torch.empty(1, width, device="meta"))).shape[-1])
    wanted = {"4·D·h·d_head": [4 * width * heads * d for d in head_sizes],
              "4D²": [4 * width**2] * len(head_sizes)}
    show(lines("d_head", head_sizes, {"weights": weights, "4D²": wanted["4D²"]}))
    expect("weights", weights, equals=wanted[formula], at=("d_head", head_sizes))
    expect("width after W_O", returned, equals=width, at=("d_head", head_sizes))


def drill_layer_weights(rng) -> Drill:
    """Weights of one attention layer from a configuration."""
    width, heads, d_head = rng.choice([(1024, 16, 64), (2048, 16, 128), (2048, 32, 128), (4096, 32, 128), (1024, 16, 128)])
    weights = sum(nn.Linear(*shape, bias=False, device="meta").weight.numel()
                  for shape in ((width, heads * d_head),) * 3 + ((heads * d_head, width),))
    return Drill(
        en=f"d_model = {width}, {heads} query heads and as many KV heads of width {d_head}, no biases. How many "
           "million weights has one attention layer (millions of 10⁶)?",
        zh=f"d_model = {width}，{heads} 个 query 头、同样多的 KV 头，每头宽 {d_head}，无偏置。一层注意力有多少百万个权重"
           "（百万 = 10⁶）？",
        answer=weights / 1e6, unit="M",
        steps=[(f"h · d_head = {heads} · {d_head} = {heads * d_head}",
                f"h · d_head = {heads} · {d_head} = {heads * d_head}"),
               (f"four matrices of {width} × {heads * d_head}: {weights:,}",
                f"四个 {width} × {heads * d_head} 的矩阵：{weights:,}")],
        proved_by="a_free_head_size_changes_the_weights",
    )


ZH = {
    "heads": "头数", "largest difference": "最大差异", "singular value": "奇异值序号", "relative size": "相对大小",
    "layer with its own weights held, less the layer, h = {}": "固定自身权重的层与原层之差，h = {}", "rank": "秩",
    "matmul FLOPs": "matmul 的 FLOPs", "attention weights": "注意力权重数", "parameters": "参数",
    "parameters of nn.MultiheadAttention": "nn.MultiheadAttention 的参数",
    "weights": "权重数",
    "width after W_O": "W_O 之后的宽度",
}

if __name__ == "__main__":
    main()
