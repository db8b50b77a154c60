r"""Moving W_UK to the query and W_UV past the sum lets MLA attend over latents as over one shared key.

把 W_UK 移到 query 一侧、W_UV 移到加权求和之后，MLA 就能把隐向量当作一个共享的 key 来做注意力。

DeepSeek-AI 2024 (DeepSeek-V2), §2.1.2 and Appendix C; float64, random matrices, no RoPE (mla_decoupled_rope has it).
Turn `norm` to "each head's key": a norm after W_UK is not linear, so nothing can be moved.
把 `norm` 改为 "each head's key"：W_UK 之后的归一化不是线性的，就移不动了。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


@exercise(
    claims=("absorbed_equals_explicit",),
    wrong=("forgets_the_rotary_scores", "scales_by_d_head", "returns_the_latents", "uses_w_uv_for_keys"),
)
def absorbed(q: Tensor, q_r: Tensor, c: Tensor, k_r: Tensor, w_uk: Tensor, w_uv: Tensor) -> Tensor:
    """One decode step of MLA over cached latents, forming no key or value: q (heads, d_head) and q_r
    (heads, d_rope) belong to the newest token, c (t, d_c) and k_r (t, d_rope) are the cache, w_uk and w_uv
    (heads, d_head, d_c). A head's key is [w_uk c; k_r], its value w_uv c, the scale 1/√(d_head + d_rope).
    The output is (heads, d_head).

    MLA 在缓存的隐向量上解码一步，不展开任何 key、value：q (heads, d_head) 与 q_r (heads, d_rope) 属于最新的
    token，c (t, d_c) 与 k_r (t, d_rope) 是 cache，w_uk 与 w_uv 为 (heads, d_head, d_c)。每个头的 key 是
    [w_uk c; k_r]，value 是 w_uv c，缩放因子为 1/√(d_head + d_rope)。输出为 (heads, d_head)。"""
    # (heads, d_c + d_rope): W_UKᵀ q beside q_r
    looking = torch.cat((torch.einsum("hd,hdc->hc", q, w_uk), q_r), -1)
    # (heads, t): one key for all heads
    scores = looking @ torch.cat((c, k_r), -1).T
    weights = (scores / (q.shape[1] + q_r.shape[1]) ** 0.5).softmax(-1)              # (heads, t)
    # (heads, d_head): W_UV after the sum
    return torch.einsum("hc,hdc->hd", weights @ c, w_uv)


def explicit(q: Tensor, q_r: Tensor, c: Tensor, k_r: Tensor, w_uk: Tensor, w_uv: Tensor,
             norm: str = "latent") -> Tensor:
    """The same for all tokens of a prompt by torch's causal attention over decompressed keys and values:
    (t, heads, d_head)."""
    k, v = (torch.einsum("tc,hdc->htd", c, w) for w in (w_uk, w_uv))                 # (heads, t, d_head)
    k = F.rms_norm(k, k.shape[-1:]) if norm == "each head's key" else k
    k, q = torch.cat((k, k_r.expand(len(k), -1, -1)), -1), torch.cat((q, q_r), -1).transpose(0, 1)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1)


def drawn(heads: int, d_head: int, latent: int, d_rope: int, tokens: int) -> tuple[Tensor, ...]:
    """q, q_r of every token, the cache c, k_r, and W_UK, W_UV; latents have gone through their RMSNorm."""
    shapes = (
        (tokens, heads, d_head),
        (tokens, heads, d_rope),
        (tokens, latent),
        (tokens, d_rope),
        (2, heads, d_head, latent),
    )
    q, q_r, c, k_r, w = (torch.randn(shape, dtype=F64) for shape in shapes)
    return q, q_r, F.rms_norm(c, (latent,)), k_r, *(w / latent**0.5)


RANGES = {
    "heads": between(1, 16),
    "d_head": between(1, 32),
    "latent": between(2, 128),
    "d_rope": between(2, 32, multiple_of=2),
    "q_latent": between(2, 128),
    "tokens": between(2, 64),
    "norm": one_of("latent", "each head's key"),
    "values": one_of("linear", "SiLU"),
    "trained": one_of("two factors", "one free matrix"),
}


@breaks(norm="each head's key",
        en="Normalised after W_UK, as QK-norm would do, a key is no linear map of the latent.",
        zh="若像 QK-norm 那样在 W_UK 之后归一化，key 就不再是隐向量的线性映射。")
def claim_absorbed_equals_explicit(heads=4, d_head=8, latent=32, d_rope=4, tokens=32, norm="latent"):
    """Decoding token by token over cached latents gives, to rounding, what causal attention over
    decompressed keys and values gives.

    在缓存的隐向量上逐 token 解码，与先解压出 K、V 再做因果注意力的结果只差舍入。"""
    q, q_r, c, k_r, w_uk, w_uv = drawn(heads, d_head, latent, d_rope, tokens)
    steps = [absorbed(q[t], q_r[t], c[: t + 1], k_r[: t + 1], w_uk, w_uv) for t in range(tokens)]
    gap = (torch.stack(steps) - explicit(q, q_r, c, k_r, w_uk, w_uv, norm)).abs().amax((1, 2))
    show(lines("token", range(tokens), {"largest difference": gap}))
    # float64, sums of up to 160 terms
    expect("absorbed less explicit", gap, equals=0, within=1e-11, at=("token", range(tokens)))


@breaks(values="SiLU", en="A non-linearity on the values does not pass through the weighted sum.",
        zh="value 上的非线性不能与加权求和交换次序。")
def claim_values_absorb_into_wo(heads=4, d_head=8, latent=32, tokens=32, values="linear"):
    """Attention weights are plain numbers, so W_UV may act after the weighted sum of latents, and W_O W_UV
    may be one matrix.

    注意力权重只是数，所以 W_UV 可以等隐向量加权求和之后再乘，W_O W_UV 也可以并成一个矩阵。"""
    bend = {"linear": lambda x: x, "SiLU": F.silu}[values]
    c, w_uv, w_o = (
        torch.randn(tokens, latent, dtype=F64),
        torch.randn(heads, d_head, latent, dtype=F64),
        torch.randn(heads, 16, d_head, dtype=F64),
    )
    p = torch.randn(heads, tokens, dtype=F64).softmax(-1)
    first = torch.einsum("ht,thd,hwd->w", p, bend(torch.einsum("tc,hdc->thd", c, w_uv)), w_o)
    merged = torch.einsum("hwc,hc->w", w_o @ w_uv, p @ c)
    show(lines("output", range(16), {"values first": first, "after the sum, one matrix": merged}))
    expect("difference over the size of the output", (merged - first).norm() / first.norm(), equals=0, within=1e-11)


@breaks(trained="one free matrix",
        en="A free matrix of that shape has full rank: it would be another, larger model.",
        zh="同样形状的自由矩阵是满秩的：那是另一个更大的模型。")
def claim_merged_matrix_has_rank_at_most_head_dim(d_head=8, latent=32, q_latent=48, trained="two factors"):
    """The merged W_UQᵀW_UK of a head has at most rank d_head: the two trained factors are not one free
    matrix.

    一个头合并后的 W_UQᵀW_UK 秩不超过 d_head：两个训练出来的因子不等于一个自由矩阵。"""
    w_uq, w_uk, free = (
        torch.randn(s, dtype=F64)
        for s in ((d_head, q_latent), (d_head, latent), (q_latent, latent))
    )
    merged = w_uq.T @ w_uk if trained == "two factors" else free
    sizes = torch.linalg.svdvals(merged)
    show(lines("singular value", range(1, len(sizes) + 1),
               {"relative to the largest": (sizes / sizes[0]).clamp_min(1e-17)}, log="y"),
         heatmap(merged[:16, :16], title="a corner of W_UQᵀ W_UK"))
    expect("rank", torch.linalg.matrix_rank(merged), at_most=d_head)
    expect("rank of the two factors", torch.linalg.matrix_rank(w_uq.T @ w_uk), equals=min(d_head, latent, q_latent))


ZH = {
    "largest difference": "最大差异",
    "absorbed less explicit": "吸收形式与显式形式之差",
    "output": "输出分量",
    "values first": "先算 value",
    "after the sum, one matrix": "求和之后再乘合并矩阵",
    "difference over the size of the output": "差异与输出模长之比",
    "singular value": "奇异值序号",
    "relative to the largest": "与最大值之比",
    "a corner of W_UQᵀ W_UK": "W_UQᵀ W_UK 的一角",
    "rank": "秩",
    "rank of the two factors": "两个因子之积的秩",
}

if __name__ == "__main__":
    main()
