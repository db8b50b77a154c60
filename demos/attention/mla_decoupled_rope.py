r"""MLA gives position a part of its own: a small rotated key for all heads, beside the unrotated latent.

MLA 让位置独占一段：在不旋转的隐向量旁边，另设一个由所有头共用的、带旋转的小 key。

DeepSeek-AI 2024 (DeepSeek-V2), §2.1.3, equations 14–19. Float64, random vectors.
Turn `rotary_key` to "per head": the cache grows with the heads. Turn `position` to "none": a layer sees no order.
把 `rotary_key` 改为 "per head"：cache 随头数增长；把 `position` 改为 "none"：这一层看不到顺序。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


def rope(x: Tensor, positions: Tensor) -> Tensor:
    """Turn pair i of row n of x (n, …, d) by positions[n] · 10000^(−2i/d)."""
    # (n, d/2)
    angle = positions[:, None] * 10000.0 ** (-torch.arange(0, x.shape[-1], 2, dtype=F64) / x.shape[-1])
    cos, sin = (f(angle).view(len(x), *[1] * (x.dim() - 2), -1) for f in (torch.cos, torch.sin))
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def outputs(q: Tensor, q_r: Tensor, c: Tensor, k_r: Tensor, w_uk: Tensor, scale: float) -> Tensor:
    """The last query over the cache, absorbed: q (heads, d_head), q_r (heads, d_rope), c (t, d_c), k_r (t,
    1 or heads, d_rope), both rotary parts turned already; weighted sums of latents (heads, d_c)."""
    # (heads, t)
    content = torch.einsum("hd,hdc,tc->ht", q, w_uk, c)
    # (heads, t)
    position = torch.einsum("hr,thr->ht", q_r, k_r.expand(-1, len(q), -1))
    return ((content + position) * scale).softmax(-1) @ c


def drawn(heads: int, d_head: int, latent: int, d_rope: int, tokens: int, keys: int = 1) -> tuple[Tensor, ...]:
    shapes = (heads, d_head), (1, heads, d_rope), (tokens, latent), (tokens, keys, d_rope), (heads, d_head, latent)
    q, q_r, c, k_r, w_uk = (torch.randn(shape, dtype=F64) for shape in shapes)
    at = torch.arange(tokens)
    return q, rope(q_r, at[-1:])[0], c, rope(k_r, at), w_uk / latent**0.5


RANGES = {
    "heads": between(2, 16),
    "d_head": between(2, 128),
    "latent": between(4, 128),
    "d_rope": between(4, 64, multiple_of=2),
    "tokens": between(8, 128),
    "shift": between(1, 10000),
    "rotary_widths": each(between(16, 256, multiple_of=2)),
    "samples": between(1024, 8192),
    "rotary_key": one_of("shared", "per head"),
    "rotated": one_of("q and k", "q"),
    "position": one_of("decoupled part", "none"),
    "divided_by": one_of("√(d_head + d_rope)", "√d_head"),
}


@breaks(rotary_key="per head",
        en="A rotary key for each head leaves the scores right and makes the cache grow with the heads.",
        zh="每个头各存一个旋转 key，得分仍对，cache 却随头数增长。")
def claim_decoupled_form_can_be_absorbed(heads=8, d_head=16, latent=32, d_rope=8, tokens=64, rotary_key="shared"):
    """With the score [W_UKᵀq; q_r]·[c; k_r] attention over the cache equals torch's over decompressed keys,
    and a token leaves d_c + d_r numbers.

    得分取 [W_UKᵀq; q_r]·[c; k_r] 时，在 cache 上做的注意力与 torch 在解压后的 key 上的结果相同，每个 token
    留下 d_c + d_r 个数。"""
    q, q_r, c, k_r, w_uk = drawn(heads, d_head, latent, d_rope, tokens, heads if rotary_key == "per head" else 1)
    got = outputs(q, q_r, c, k_r, w_uk, (d_head + d_rope) ** -0.5)
    # (heads, t, d_head + d_rope)
    keys = torch.cat((torch.einsum("tc,hdc->htd", c, w_uk), k_r.expand(-1, heads, -1).transpose(0, 1)), -1)
    wanted = F.scaled_dot_product_attention(torch.cat((q, q_r), -1)[:, None], keys, c.expand(heads, -1, -1))[:, 0]
    kept = (c.numel() + k_r.numel()) / tokens
    names = {"latent alone": latent, "with the rotary key": kept,
             "rotated keys of all heads": latent + heads * d_head}
    show(bars(list(names), {"cached numbers per token": list(names.values())}))
    # float64
    expect("absorbed less explicit", (got - wanted).abs().max(), equals=0, within=1e-11)
    expect("cached numbers per token", kept, equals=latent + d_rope)


@breaks(rotated="q", en="If only the query is turned, the score depends on its position itself.",
        zh="若只旋转 query，得分就取决于它的绝对位置。")
def claim_rope_part_depends_on_offset_only(d_rope=8, tokens=16, shift=100, rotated="q and k"):
    """The decoupled part of a score depends on the offset n − m only: by hand, Σ |q_i||k_i| cos of the
    turned angle.

    得分中解耦的部分只取决于位置差 n − m：手算即 Σ |q_i||k_i| 乘转过角度的余弦。"""
    q, k = torch.randn(2, d_rope, dtype=F64)
    at = torch.arange(tokens)

    def grid(positions: Tensor) -> Tensor:
        turned = rope(k.expand(tokens, -1), positions) if rotated == "q and k" else k.expand(tokens, -1)
        # (query, key)
        return rope(q.expand(tokens, -1), positions) @ turned.T

    pairs = torch.view_as_complex(torch.stack((q, k)).view(2, -1, 2))
    theta = 10000.0 ** (-torch.arange(0, d_rope, 2, dtype=F64) / d_rope)
    by_hand = (
        (pairs[0].conj() * pairs[1])[None, None]
        * torch.exp(1j * (at - at[:, None])[..., None] * theta)
    ).real.sum(-1)
    show(heatmap(grid(at), x_label="position of the key", y_label="position of the query",
                 title="q_r·k_r of one q and one k"))
    # float64 angles up to 100
    expect("score less the sum by hand", grid(at) - by_hand, equals=0, within=1e-10)
    # … and up to 10,000
    expect("change when all positions move", grid(at + shift) - grid(at), equals=0, within=1e-9)


@breaks(position="none", en="Without the decoupled part, shuffled tokens give the same output.",
        zh="没有解耦部分，打乱 token 输出不变。")
def claim_order_lives_in_the_decoupled_part(heads=8, d_head=16, latent=32, d_rope=8, tokens=64,
                                            position="decoupled part"):
    """Within a layer only the decoupled part sees the order of cached tokens: content scores alone give the
    same output for any order.

    一层之内，只有解耦部分看得到缓存 token 的顺序：只用内容得分，任何顺序的输出都相同。"""
    q, q_r, c, k_r, w_uk = drawn(heads, d_head, latent, d_rope, tokens)
    # the keys before turning
    order, back = torch.randperm(tokens), rope(k_r, -torch.arange(tokens))
    scale = (d_head + d_rope) ** -0.5

    def change(part: float) -> Tensor:
        shuffled = rope(back[order], torch.arange(tokens))
        a, b = (outputs(q, q_r * part, c[o], k, w_uk, scale) for o, k in ((slice(None), k_r), (order, shuffled)))
        return (a - b).norm() / a.norm()

    part = {"decoupled part": 1.0, "none": 0.0}[position]
    show(bars(["content alone", f"with {position}"],
              {"change of the output when shuffled": [change(0.0), change(part)]}))
    expect("change of the output, content alone", change(0.0), equals=0, within=1e-12)
    expect("change with the decoupled part, over that without", change(part) / max(change(0.0), 1e-17),
           at_least=1e6)


@breaks(divided_by="√d_head", en="Divided by √128 alone, the variance is 1 + d_rope/128: 1.5 for 64.",
        zh="若只除以 √128，方差就是 1 + d_rope/128：64 维时为 1.5。")
def claim_scale_uses_dh_plus_dr(d_head=128, rotary_widths=(16, 64, 128), samples=2048,
                                divided_by="√(d_head + d_rope)"):
    """A score sums d_head + d_rope products, so it is divided by √(d_head + d_rope), √192 in DeepSeek-V2:
    variance 1.

    得分是 d_head + d_rope 个乘积之和，所以除以 √(d_head + d_rope)，DeepSeek-V2 中是 √192：方差为 1。"""
    variances = []
    for d in rotary_widths:
        at = torch.randint(0, 4096, (2, samples))
        turned = (
            rope(torch.randn(samples, d, dtype=F64), at[0])
            * rope(torch.randn(samples, d, dtype=F64), at[1])
        ).sum(1)
        raw = (torch.randn(samples, d_head) * torch.randn(samples, d_head)).sum(1) + turned
        variances.append((raw / (d_head + d * (divided_by != "√d_head")) ** 0.5).var())
    show(lines("d_rope", rotary_widths, {"variance of a score": variances}))
    # one sigma of a variance of sums of products
    noise = ((2 + 6 / min(d_head + min(rotary_widths), 1000)) / samples) ** 0.5
    expect("variance of a score", variances, equals=1, within=6 * noise, at=("d_rope", rotary_widths))


ZH = {
    "cached numbers per token": "每 token 缓存的个数",
    "latent alone": "只有隐向量",
    "with the rotary key": "加旋转 key",
    "rotated keys of all heads": "所有头旋转后的 key",
    "absorbed less explicit": "吸收形式与显式形式之差",
    "position of the key": "key 的位置",
    "position of the query": "query 的位置",
    "q_r·k_r of one q and one k": "同一个 q 与同一个 k 的 q_r·k_r",
    "score less the sum by hand": "得分与手算之和的差",
    "change when all positions move": "所有位置平移后的变化",
    "content alone": "只有内容得分",
    "with decoupled part": "加解耦部分",
    "with none": "不加位置部分",
    "change of the output when shuffled": "打乱后输出的变化",
    "change of the output, content alone": "输出的变化，只有内容得分",
    "change with the decoupled part, over that without": "加解耦部分时的变化与不加时之比",
    "variance of a score": "得分的方差",
}

if __name__ == "__main__":
    main()
