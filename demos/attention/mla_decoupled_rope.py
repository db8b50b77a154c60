r"""RoPE between W_UQ and W_UK depends on the offset and blocks absorption; a small rotated part beside them restores it.

RoPE 夹在 W_UQ 与 W_UK 之间就取决于位置差，使吸收失效；在旁边另设一小段旋转的部分，吸收便又成立。

DeepSeek-AI 2024 (DeepSeek-V2), §2.1.3: decoupled queries q^R and one key k^R that all heads share. Random matrices in the
widths of one head (d_h), the latents (d_q, d_c) and the decoupled part (d_r). Turn `offsets`, `base`, `heads`.
"""

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import bars, expect, heatmap, lines, main, show, table

F64 = torch.float64


def rope(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Turn pair i of row n of x (n, …, d) by positions[n] · base^(−2i/d)."""
    angle = positions[:, None] * base ** (-torch.arange(0, x.shape[-1], 2, dtype=F64) / x.shape[-1])
    turn = torch.polar(torch.ones_like(angle), angle).view(len(x), *[1] * (x.dim() - 2), -1)
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turn).flatten(-2)


def rotation(offset: int, d: int, base: float) -> Tensor:
    """R_offset, the same as a matrix (d, d): R_mᵀ R_n = R_(n−m)."""
    return rope(torch.eye(d, dtype=F64), torch.full((d,), offset), base).T


def drawn(*shape: int) -> Tensor:
    """Independent numbers of variance 1; a matrix (…, out, in) of them is divided by the root of `in` where it is used."""
    return torch.randn(*shape, dtype=F64)


def flops(work) -> int:
    """Floating-point operations that torch's own counter finds."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def gap(a: Tensor, b: Tensor) -> Tensor:
    """|a − b| over |b|."""
    return (a - b).norm() / b.norm()


def claim_rope_blocks_premerging(d_h=16, d_c=32, d_q=48, base=10000.0, offsets=(0, 1, 2, 4, 8, 16, 64, 256)):
    """With RoPE on the keys the matrix between the two latents is W_UQᵀ R W_UK, another one for each offset n − m; even
    the best single matrix misses them.

    若对 key 做 RoPE，两个隐向量之间的矩阵就是 W_UQᵀ R W_UK，每个位置差 n − m 各不相同；哪怕最优的单个矩阵也无法代替。"""
    w_uq, w_uk = drawn(d_h, d_q), drawn(d_h, d_c)
    between = torch.stack([w_uq.T @ rotation(r, d_h, base) @ w_uk for r in offsets]).flatten(1)
    apart = (between[:, None] - between).norm(dim=-1) / between.norm(dim=1)
    unturned, best = (w_uq.T @ w_uk).flatten().expand_as(between), between.mean(0).expand_as(between)
    show(heatmap(apart, x=offsets, y=offsets, x_label="offset", y_label="offset", title="relative difference of merged matrices"),
         table({"one matrix for all offsets": ["W_UQᵀ W_UK", "the best in least squares"],
                "relative error": [gap(unturned, between), gap(best, between)]}))
    others = apart[~torch.eye(len(offsets), dtype=torch.bool)]
    expect("smallest difference between two offsets", others.min(), at_least=0.1)
    expect("relative error of the best single matrix", gap(best, between), at_least=0.1)


def claim_rotated_keys_must_be_recomputed(v2_d_h=128, v2_d_c=512, v2_d_r=64, base=10000.0, contexts=(64, 256, 1024)):
    """Then a decode step decompresses and rotates every cached key again, or absorbs again for every offset: with
    DeepSeek-V2's head and 1024 tokens over 100 times the score FLOPs of the decoupled form, which absorbs once.

    于是每个解码步都要把缓存的 key 全部重新解压并旋转，或者对每个位置差重新吸收一次：按 DeepSeek-V2 的头尺寸、1024 个 token，
    分数的 FLOPs 是解耦形式的 100 倍以上，后者只需吸收一次。"""
    q, q_r, w_uk = drawn(1, v2_d_h), drawn(1, v2_d_r), drawn(v2_d_h, v2_d_c) / v2_d_c**0.5
    costs, gaps = [], []
    for t in contexts:
        c, k_r, at = drawn(t, v2_d_c), drawn(t, v2_d_r), torch.arange(t)                      # the query stands at 0
        ways = (lambda c=c, at=at: rope(c @ w_uk.T, at, base) @ q.T,
                lambda c=c, at=at: ((rope(q.expand(len(c), -1), -at, base) @ w_uk)[:, None] @ c[..., None])[:, 0],
                lambda c=c, k_r=k_r: c @ (q @ w_uk).T + k_r @ q_r.T)
        costs.append([flops(way) for way in ways])
        gaps.append(gap(ways[1](), ways[0]()))
    keys, offsets, once = zip(*costs, strict=True)
    show(lines("cached tokens", contexts, {"decompress and rotate every key": keys, "absorb for every offset": offsets,
                                           "decoupled, absorbed once": once}, log="xy", y_label="score FLOPs, one head"))
    expect("scores of the two ways with RoPE on the keys", gaps, at_most=1e-12, at=("tokens", contexts))
    expect("FLOPs over the decoupled form's", [keys[-1] / once[-1], offsets[-1] / once[-1]], at_least=100)


def claim_rotating_the_latent_needs_wide_keys(d_h=16, d_c=32, base=10000.0, tokens=64, shift=100):
    """Rotating the latent itself is possible, its scores depend on the offset only; but no keys of width d_h give them:
    over the offsets they span d_c dimensions, and the rotated latent is not the value any more.

    直接旋转隐向量并非不可，得分同样只取决于位置差；但宽 d_h 的 key 给不出这样的得分：遍历各位置差要张成 d_c 维，而且旋转后的
    隐向量不再是 value。"""
    q, c, w_uk = drawn(tokens, d_h), drawn(tokens, d_c), drawn(d_h, d_c) / d_c**0.5
    here = torch.arange(tokens)
    scores, moved = (rope(q @ w_uk, at, base) @ rope(c, at, base).T for at in (here, here + shift))
    stacks = [torch.cat(m) for m in zip(*((rotation(r, d_h, base) @ w_uk, w_uk @ rotation(r, d_c, base)) for r in here), strict=True)]
    sizes = [torch.linalg.svdvals(s) for s in stacks]
    ranks = [torch.linalg.matrix_rank(s) for s in stacks]
    p = (scores / d_h**0.5).softmax(-1)
    values = gap(p @ rope(c, here, base), p @ c)
    show(lines("singular value", range(1, d_c + 1), {"RoPE on the keys, R W_UK": (sizes[0] / sizes[0][0]).clamp_min(1e-17),
                                                     "RoPE on the latent, W_UK R": sizes[1] / sizes[1][0]}, log="y"),
         table({"rotating": ["keys", "latent"], "width that a key needs": ranks}),
         table({"rotating the latent": ["scores, all positions shifted", "rotated latents as values"],
                "relative difference": [gap(moved, scores), values]}))
    expect("scores after a shift of all positions", gap(moved, scores), at_most=1e-12)
    expect("width that a key needs", ranks, equals=[min(d_h, d_c), d_c], at=("rotating", ("keys", "latent")))
    expect("rotated latents as values against the latents", values, at_least=0.1)


def claim_decoupled_form_can_be_absorbed(heads=8, d_h=16, d_c=32, d_r=8, base=10000.0, tokens=64, queries=4):
    """With position in a part of its own, [W_UKᵀq^C; q^R]·[c; k^R] are the scores of the decompressed form to rounding,
    and a token's cache grows by d_r only, because one rotated key serves all heads.

    位置信息独占一段后，[W_UKᵀq^C; q^R]·[c; k^R] 与解压形式的得分只差舍入；每个 token 的 cache 只多 d_r 个数，因为旋转的 key
    由所有头共用。"""
    w_uk, c, q_c = drawn(heads, d_h, d_c) / d_c**0.5, drawn(tokens, d_c), drawn(queries, heads, d_h)
    k_r = rope(drawn(tokens, d_r), torch.arange(tokens), base)
    q_r = rope(drawn(queries, heads, d_r), torch.arange(tokens - queries, tokens), base)
    keys = torch.cat((torch.einsum("tc,hdc->thd", c, w_uk), k_r[:, None].expand(-1, heads, -1)), -1)
    explicit = torch.einsum("shd,thd->hst", torch.cat((q_c, q_r), -1), keys)
    looking = torch.cat((torch.einsum("shd,hdc->shc", q_c, w_uk), q_r), -1)
    absorbed = torch.einsum("shc,tc->hst", looking, torch.cat((c, k_r), -1))
    kept = {"latent alone": c.numel(), "with one k^R for all heads": c.numel() + k_r.numel(),
            "with a k^R for each head": c.numel() + heads * k_r.numel(), "rotated keys of all heads": c.numel() + heads * tokens * d_h}
    show(bars(list(kept), [n / tokens for n in kept.values()], y_label="cached numbers a token"),
         table({"": ["absorbed scores against explicit"], "relative difference": [gap(absorbed, explicit)]}))
    expect("absorbed scores against explicit", gap(absorbed, explicit), at_most=1e-12)
    expect("cached numbers a token", kept["with one k^R for all heads"] / tokens, equals=d_c + d_r)


def claim_rope_part_depends_on_offset_only(d_r=8, base=10000.0, positions=16, shift=100):
    """The decoupled part of a score depends on the offset n − m only: it is constant along each diagonal, and moving
    all positions changes nothing.

    得分中解耦的部分只取决于位置差 n − m：沿每条对角线不变，所有位置一起平移也毫无影响。"""
    at, q, k = torch.arange(positions), drawn(positions, d_r), drawn(positions, d_r)
    here, moved = (rope(q, p, base) @ rope(k, p, base).T for p in (at, at + shift))
    same = [x[:1].expand(positions, d_r) for x in (q, k)]                                     # one q and one k everywhere
    grid = rope(same[0], at, base) @ rope(same[1], at, base).T
    show(heatmap(grid, x_label="position of the key", y_label="position of the query", title="q^R·k^R of one q and one k"),
         table({"": ["all positions shifted", "RoPE left out"], "relative change": [gap(moved, here), gap(q @ k.T, here)]}))
    expect("change when all positions shift", gap(moved, here), at_most=1e-12)
    expect("change along a diagonal", (grid[1:, 1:] - grid[:-1, :-1]).abs().max() / grid.abs().max(), at_most=1e-12)
    expect("change when RoPE is left out", gap(q @ k.T, here), at_least=0.1)


def claim_order_lives_in_the_decoupled_part(d_h=16, d_c=32, d_r=8, base=10000.0, tokens=64):
    """The content part sees no order: shuffle the cached tokens and a query's output stays; with the decoupled part it
    changes.

    内容部分看不到顺序：打乱缓存的 token，query 的输出不变；加上解耦部分，输出就变了。"""
    c, k_r, q_c, q_r, order = drawn(tokens, d_c), drawn(tokens, d_r), drawn(d_h), drawn(d_r), torch.randperm(tokens)
    look = q_c @ (drawn(d_h, d_c) / d_c**0.5)                                                 # W_UKᵀ q^C

    def output(c: Tensor, k_r: Tensor, decoupled: bool) -> Tensor:
        scores = c @ look + decoupled * (rope(k_r, torch.arange(tokens) - tokens, base) @ q_r)
        return (scores / (d_h + d_r) ** 0.5).softmax(0) @ c

    change = [gap(output(c[order], k_r[order], part), output(c, k_r, part)) for part in (False, True)]
    show(table({"scores from": ["content alone", "content and decoupled part"], "change of the output when shuffled": change}))
    expect("change of the output, content alone", change[0], at_most=1e-12)
    expect("change of the output, with the decoupled part", change[1], at_least=1e-3)


def claim_scale_uses_dh_plus_dr(v2_d_h=128, rope_widths=(16, 32, 64, 128), base=10000.0, samples=2048):
    """A score sums d_h + d_r products, so it is divided by √(d_h + d_r), √192 in DeepSeek-V2; by √d_h its variance
    would be 1.5.

    得分是 d_h + d_r 个乘积之和，所以除以 √(d_h + d_r)，在 DeepSeek-V2 中是 √192；若除以 √d_h，方差会是 1.5。"""
    raw = []
    for d_r in rope_widths:
        at = torch.randint(0, 4096, (2, samples))
        turned = (rope(drawn(samples, d_r), at[0], base) * rope(drawn(samples, d_r), at[1], base)).sum(1)
        raw.append(((drawn(samples, v2_d_h) * drawn(samples, v2_d_h)).sum(1) + turned).var())
    right = [v / (v2_d_h + d) for v, d in zip(raw, rope_widths, strict=True)]
    narrow = [v / v2_d_h for v in raw]
    show(lines("d_r", rope_widths, {"by √(d_h + d_r)": right, "by √d_h": narrow}, y_label="variance of a score"))
    noise = 6 * ((2 + 6 / v2_d_h) / samples) ** 0.5
    expect("variance, by √(d_h + d_r)", right, equals=1, within=noise, at=("d_r", rope_widths))
    wide = [1 + d / v2_d_h for d in rope_widths]
    expect("variance, by √d_h", narrow, equals=wide, within=[noise * w for w in wide], at=("d_r", rope_widths))


if __name__ == "__main__":
    main()
