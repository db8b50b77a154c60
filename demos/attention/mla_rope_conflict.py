r"""RoPE on MLA's keys puts another matrix between query and latent for every offset, so W_UK cannot be absorbed.

对 MLA 的 key 做 RoPE，query 与隐向量之间的矩阵就随位置差而变，W_UK 便无法吸收。

DeepSeek-AI 2024 (DeepSeek-V2), §2.1.3. One head, float64, random matrices.
Turn `rotated` to "nothing" in the first claim: one matrix serves all offsets, and the layer sees no order.
把第一条的 `rotated` 改为 "nothing"：一个矩阵就够了，但这一层也看不到顺序。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, heatmap, lines, main, one_of, show
from studyapp.evidence.tools import flops

F64 = torch.float64


def rotation(offset: int, d: int) -> Tensor:
    """R_offset, (d, d), block-diagonal: pair i turns by offset · 10000^(−2i/d), so that R_mᵀ R_n = R_(n−m)."""
    angle = offset * 10000.0 ** (-torch.arange(0, d, 2, dtype=F64) / d)
    blocks = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), -1).view(-1, 2, 2)
    return torch.block_diag(*blocks)


def between_latents(w_uq: Tensor, w_uk: Tensor, offset: int, rotated: str) -> Tensor:
    """The matrix (d_q, d_c) in the score a_mᵀ (…) c_n: what absorption would have to form once and for all."""
    return w_uq.T @ rotation(offset, len(w_uk)) @ w_uk if rotated == "keys" else w_uq.T @ w_uk


def relative(a: Tensor, b: Tensor) -> Tensor:
    """|a − b| over |b|."""
    return (a - b).norm() / b.norm()


RANGES = {
    "d_head": between(8, 32, multiple_of=2),
    "latent": between(48, 64, multiple_of=2),
    "q_latent": between(32, 128),
    "offsets": each(between(0, 4096), at_least=2, rising=True),
    "contexts": each(between(1, 2048), rising=True),
    "tokens": between(64, 128),
    "shift": between(1, 1000),
    "rotated": one_of("keys", "nothing", "latent"),
}


@breaks(rotated="nothing", en="Without RoPE the bracket is W_UQᵀW_UK for every offset: absorption works.",
        zh="不做 RoPE 时，括号里对任何位置差都是 W_UQᵀW_UK：可以吸收。")
def claim_rope_blocks_premerging(d_head=16, latent=64, q_latent=48, offsets=(0, 1, 2, 4, 8, 16, 64, 256),
                                 rotated="keys"):
    """With RoPE on the keys the matrix between the latents is W_UQᵀR_(n−m)W_UK: the best single one misses
    them by over a tenth.

    对 key 做 RoPE 后，两个隐向量之间的矩阵是 W_UQᵀR_(n−m)W_UK：最优的单个矩阵误差也超过十分之一。"""
    w_uq, w_uk, a, c = (
        torch.randn(s, dtype=F64)
        for s in ((d_head, q_latent), (d_head, latent), (q_latent,), (latent,))
    )
    # (offsets, d_q · d_c)
    needed = torch.stack([between_latents(w_uq, w_uk, r, rotated) for r in offsets]).flatten(1)
    apart = (needed[:, None] - needed).norm(dim=-1) / needed.norm(dim=1)
    show(heatmap(apart, x=offsets, y=offsets, x_label="offset", y_label="offset",
                 title="relative difference of the matrices"))
    # score by complex numbers
    pairs = torch.view_as_complex(torch.stack(((w_uq @ a), (w_uk @ c))).view(2, -1, 2))
    theta = 10000.0 ** (-torch.arange(0, d_head, 2, dtype=F64) / d_head)
    by_hand = [(pairs[0].conj() * pairs[1] * torch.exp(1j * r * theta)).real.sum() for r in offsets]
    expect("score by the matrix less the score by complex numbers",
           needed.view(len(offsets), q_latent, -1) @ c @ a, equals=by_hand,
           # float64, sums of 64 · 128 terms
           within=1e-9, at=("offset", offsets))
    expect("error of the best single matrix", relative(needed.mean(0).expand_as(needed), needed), at_least=0.1)


@breaks(contexts=(1, 2, 4), en="Over a handful of tokens decompressing costs little.",
        zh="只有几个 token 时，解压花不了多少。")
def claim_rotated_keys_must_be_recomputed(contexts=(64, 256, 1024)):
    """Then each decode step decompresses and rotates every cached key: with DeepSeek-V2's head and 1024
    tokens over 100 times the score FLOPs of the decoupled form.

    于是每个解码步都要把缓存的 key 全部解压并旋转：按 DeepSeek-V2 的头尺寸、1024 个 token，分数的 FLOPs 是解
    耦形式的 100 倍以上。"""
    d_head, latent, d_rope, costs = 128, 512, 64, []
    for t in contexts:
        c, w_uk, q, q_r = (
            torch.empty(s, device="meta")
            for s in ((t, latent), (latent, d_head), (d_head, 1), (d_rope, 1))
        )
        # rotating adds no matrix product
        every = flops(lambda c=c, w=w_uk, q=q: c @ w @ q)
        once = flops(lambda c=c, w=w_uk, q=q, r=q_r, t=t: (c @ (w @ q), torch.empty(t, d_rope, device="meta") @ r))
        costs.append((every, once))
    every, once = zip(*costs, strict=True)
    show(lines("cached tokens", contexts,
               {"decompress and rotate every key": every,
                "decoupled, absorbed once": once}, log="xy", y_label="score FLOPs, one head"))
    expect("score FLOPs over the decoupled form's, longest", every[-1] / once[-1], at_least=100)


@breaks(rotated="keys", en="Rotated after W_UK, keys of width d_head suffice, but they must be recomputed.",
        zh="若在 W_UK 之后旋转，宽 d_head 的 key 就够了，但必须重算。")
def claim_rotating_the_latent_needs_wide_keys(d_head=16, latent=64, tokens=64, shift=100, rotated="latent"):
    """Rotating the latent itself gives relative scores too, but its keys span d_c dimensions instead of
    d_head, and the rotated latent is no longer the value.

    直接旋转隐向量，得分同样只取决于位置差；但 key 要张成 d_c 维而不是 d_head 维，而且旋转后的隐向量不再是
    value。"""
    q, c, w_uk = (torch.randn(s, dtype=F64) for s in ((d_head,), (tokens, latent), (d_head, latent)))
    far = range(0, 64 * tokens, 64)                                  # far apart, so that slow pairs turn as well
    turned = [w_uk @ rotation(r, latent) if rotated == "latent" else rotation(r, d_head) @ w_uk for r in far]
    sizes = torch.linalg.svdvals(torch.cat(turned))
    moved = [torch.stack([q @ w_uk @ rotation(n - m, latent) @ c[n - s] for n,
                          m in ((s + 3, s + 1), (s + 40, s))]) for s in (0, shift)]
    values = torch.stack([rotation(n, latent) @ c[n] for n in range(tokens)])
    show(lines("singular value", range(1, len(sizes) + 1),
               {"keys over all offsets": (sizes / sizes[0]).clamp_min(1e-17)}, log="y"))
    expect("change of the scores when all positions move", relative(moved[1], moved[0]), equals=0, within=1e-12)
    expect("width that a key needs", (sizes > 1e-9 * sizes[0]).sum(), equals=latent)
    expect("rotated latents against the latents", relative(values, c), at_least=0.1)


ZH = {
    "offset": "位置差",
    "relative difference of the matrices": "各矩阵之间的相对差异",
    "score by the matrix less the score by complex numbers": "由矩阵与由复数算出的得分之差",
    "error of the best single matrix": "最优单个矩阵的误差",
    "cached tokens": "已缓存的 token 数",
    "decompress and rotate every key": "解压并旋转每个 key",
    "decoupled, absorbed once": "解耦，只吸收一次",
    "score FLOPs, one head": "一个头的分数 FLOPs",
    "score FLOPs over the decoupled form's, longest": "分数 FLOPs 与解耦形式之比，最长时",
    "singular value": "奇异值序号",
    "keys over all offsets": "遍历位置差的 key",
    "change of the scores when all positions move": "所有位置平移后得分的变化",
    "width that a key needs": "key 需要的宽度",
    "rotated latents against the latents": "旋转后的隐向量与原隐向量之差",
}

if __name__ == "__main__":
    main()
