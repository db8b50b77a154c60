r"""A padding mask takes padded keys out before the softmax; what is put there, and where, decides whether it works.

padding mask 在 softmax 之前把补齐的 key 去掉；填什么、填在哪里，决定它是否有效。

BERT's code adds −10000 to the scores of padded keys; PyTorch fills in −inf. Turn `pads` and `sizes`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, expect, heatmap, lines, main, show, table

INF = float("inf")


def weights(q: Tensor, k: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """softmax(q kᵀ/√d + bias); `bias` broadcasts to (..., queries, keys)."""
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias).softmax(-1)


def bias_of(keep: Tensor, fill: float) -> Tensor:
    """0 where a key is kept and `fill` where it is padding: (..., n) to (..., 1, n), the same for every query."""
    return torch.zeros(keep.shape).masked_fill(~keep, fill)[..., None, :]


def padded(real: int, pads: int, d: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """q, k, v (n, d) of `real` tokens and then `pads` copies of one padding token, and which of the n are real."""
    tokens, padding, w = torch.randn(real, d), torch.randn(1, d), torch.randn(3, d, d) / d**0.5
    x = torch.cat((tokens, padding.expand(pads, -1)))
    return x @ w[0], x @ w[1], x @ w[2], torch.arange(real + pads) < real


def turned(x: Tensor, positions: Tensor) -> Tensor:
    """RoPE: pair i of the row at position m turns by m·10000^(−2i/d)."""
    angle = positions[:, None] * 10000 ** (-torch.arange(0, x.shape[1], 2) / x.shape[1])
    pairs = torch.view_as_complex(x.unflatten(1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(1)


def claim_masked_keys_get_weight_zero(real=5, pads=3, d=16):
    """With −inf on the padded keys their weights are exactly 0, and those of the real keys add up to 1, for every query, also
    for the padded ones: the mask acts on keys alone.

    补齐的 key 填 −inf，权重恰好为 0，真实 key 的权重和为 1；对每个 query 都如此，补齐位置的 query 也不例外：掩码只作用于
    key。"""
    q, k, v, keep = padded(real, pads, d)
    p = weights(q, k, bias_of(keep, -INF))
    show(heatmap(p, x_label="key", y_label="query", title=f"weights, the last {pads} tokens are padding"))
    expect("weight on padded keys", p[:, ~keep], equals=0)
    expect("sum over real keys", p[:, keep].sum(1), equals=1, within=1e-6, at=("query", range(real + pads)))
    expect("size of the padded queries' outputs", (p @ v)[~keep].norm(dim=1), at_least=1e-3)


def claim_masked_output_equals_unpadded(real=5, lengths=(1, 2, 4, 8, 16, 32), d=16):
    """At the real tokens the masked output is that of the sequence without padding, to rounding error, however much padding is
    added; without the mask padding changes it, and the more there is, the more of the weight it takes.

    在真实 token 处，加掩码的输出与不补齐时只差舍入误差，补多少都一样；不加掩码，输出会被补齐改变，补得越多，被占去的权重越多。"""
    q, k, v, keep = padded(real, max(lengths), d)
    alone = weights(q[:real], k[:real]) @ v[:real]
    with_mask, without, taken = [], [], []
    for pads in lengths:
        n = real + pads
        masked = weights(q[:n], k[:n], bias_of(keep[:n], -INF)) @ v[:n]
        with_mask.append((masked[:real] - alone).abs().max())
        p = weights(q[:n], k[:n])[:real]
        without.append((p @ v[:n] - alone).norm() / alone.norm())
        taken.append(p[:, real:].sum(1).mean())
    show(lines("padding tokens", lengths, {"relative error without mask": without, "weight on padding": taken}, log="x"),
         table({"padding tokens": lengths, "max difference, masked": with_mask, "relative error, no mask": without}))
    expect("max difference with the mask", with_mask, at_most=1e-5, at=("padding tokens", lengths))
    expect("relative error without the mask", without, at_least=1e-3, at=("padding tokens", lengths))
    expect("weight on padding less that at the next shorter one", torch.stack(taken).diff(), at_least=0, at=("padding", lengths[1:]))


def claim_a_tiny_or_multiplied_mask_does_nothing(real=5, pads=3, d=16):
    """Adding −1e-9 instead of −1e9 leaves all the weight on padding; multiplying scores by the 0/1 mask gives padded keys the
    score 0, not none; masking queries instead of keys changes no real query.

    误加 −1e-9 而不是 −1e9，补齐位置的权重丝毫未减；把分数乘以 0/1 掩码，补齐的 key 得到的是分数 0，而不是被去掉；掩码加在
    query 而不是 key 上，真实 query 毫无变化。"""
    q, k, _, keep = padded(real, pads, d)
    scores = q @ k.T / d**0.5
    ways = {"no mask": scores, "add −1e-9": scores + bias_of(keep, -1e-9), "scores × mask": scores * keep,
            "queries masked": scores + bias_of(keep, -1e9).T, "add −1e9": scores + bias_of(keep, -1e9),
            "add −inf": scores + bias_of(keep, -INF)}
    left = torch.stack([s.softmax(-1)[keep][:, ~keep].sum(1).mean() for s in ways.values()])
    show(bars(list(ways), {"weight on padding": left}, y_label="mean over real queries"))
    found = dict(zip(ways, left, strict=True))
    expect("weight on padding, −1e-9 less no mask", found["add −1e-9"] - found["no mask"], equals=0, within=1e-6)
    expect("weight on padding, queries masked less no mask", found["queries masked"] - found["no mask"], equals=0, within=1e-6)
    expect("weight on padding, scores times mask", found["scores × mask"], at_least=0.01)
    expect("weight on padding, −1e9 or −inf", left[-2:], equals=0)


def claim_zeroing_after_softmax_is_not_the_same(real=5, pads=3, d=16):
    """Zeroing the padded weights after the softmax leaves rows that add up to less than 1, so the output shrinks by the weight
    that padding had taken; divided by what is left it is right again.

    在 softmax 之后才把补齐位置的权重清零，每行之和小于 1，输出按被补齐占去的份额缩小；除以剩下的和，才又正确。"""
    q, k, v, keep = padded(real, pads, d)
    right = (weights(q, k, bias_of(keep, -INF)) @ v)[keep]
    zeroed = weights(q, k)[keep] * keep  # (real, n)
    left = zeroed.sum(1)
    out = zeroed @ v
    show(table({"query": range(real), "row sum after zeroing": left, "|output|": out.norm(dim=1), "|right|": right.norm(dim=1)}))
    expect("row sum after zeroing", left, at_most=0.99999, at=("query", range(real)))
    expect("output over the right one", out.norm(dim=1) / right.norm(dim=1) - left, equals=0, within=1e-5)
    expect("difference after dividing by the row sum", (out / left[:, None] - right).abs().max(), at_most=1e-5)


def claim_minus_ten_thousand_underflows_to_zero(real=5, pads=3, d=16, sizes=(1.0, 100.0, 1000.0, 100000.0)):
    """−10000 gives padded keys a weight of exactly 0 in float32 as long as the scores stay well below it; where scores reach
    that size it fails, and −inf does not.

    只要分数远小于 10000，float32 下加 −10000 就使补齐的 key 权重恰为 0；分数大到这个量级它就失效，−inf 则不会。"""
    q, k, _, keep = padded(real, pads, d)
    q[0], k[real:] = k[-1], 3 * k[real:]  # one query that likes the padding best
    q = q / (q @ k.T / d**0.5).abs().max()
    found = {fill: torch.stack([weights(q * s, k, bias_of(keep, fill))[keep][:, ~keep].sum(1).max() for s in sizes])
             for fill in (-1e4, -INF)}
    show(table({"largest |score|": sizes, "weight on padding, −10000": found[-1e4], "weight on padding, −inf": found[-INF]}))
    small = [i for i, s in enumerate(sizes) if s <= 1e3]
    expect("weight on padding with −10000, scores to 1000", found[-1e4][small], equals=0, at=("score", [sizes[i] for i in small]))
    expect("weight on padding with −10000, largest scores", found[-1e4][-1], at_least=0.01)
    expect("weight on padding with −inf", found[-INF], equals=0, at=("score", sizes))


def claim_fully_masked_row_is_nan_with_inf(real=5, d=16):
    """Where every key is masked, −inf gives NaN, −10000 brings the unmasked softmax back, and −1e9 in float32 the uniform
    average, for it swallows the scores; PyTorch's scaled_dot_product_attention returns 0, nn.MultiheadAttention with its weights NaN.

    所有 key 都被遮住时，−inf 得到 NaN，−10000 又变回不加掩码的 softmax，float32 下 −1e9 把分数吞没，得到均匀平均；PyTorch
    的 scaled_dot_product_attention 返回 0，要返回权重的 nn.MultiheadAttention 给出 NaN。"""
    q, k, v, _ = padded(real, 0, d)
    nobody = torch.zeros(real, dtype=torch.bool)
    ways = {"none": weights(q, k), **{f"{fill:g}": weights(q, k, bias_of(nobody, fill)) for fill in (-INF, -1e4, -1e9)}}
    none, by_inf, by_ten, by_nine = ways.values()
    sdpa = F.scaled_dot_product_attention(q, k, v, attn_mask=nobody.expand(real, real))
    mha = nn.MultiheadAttention(d, 1)(q, q, q, key_padding_mask=~nobody)[0]
    outputs = {**{name: p @ v for name, p in ways.items()}, "SDPA, all False": sdpa, "nn.MultiheadAttention": mha}
    firsts = [*(p[0, 0] for p in ways.values()), "", ""]
    show(table({"mask": list(outputs), "first weight of query 0": firsts, "first output": [o[0, 0] for o in outputs.values()],
                "finite rows": [o.isfinite().all(1).sum() for o in outputs.values()]}))
    expect("NaN weights with −inf", by_inf.isnan().sum(), equals=real**2)
    expect("weights with −10000 less those without mask", by_ten - none, equals=0, within=2e-3)
    expect("weights with −1e9", by_nine, equals=1 / real, within=1e-6)
    expect("output of scaled_dot_product_attention", sdpa, equals=0)
    expect("NaN rows of nn.MultiheadAttention", mha.isnan().all(1).sum(), equals=real)


def claim_a_nan_row_spreads(real=5, pads=3, d=16):
    """Under left padding and a causal mask a padded query has no key left. With −inf its NaN reaches real tokens in the next
    layer, as 0 × NaN, and every weight's gradient, even if its own output is left out of the loss; with −1e9 neither happens.

    左侧补齐加因果掩码时，补齐位置的 query 一个 key 也看不到。填 −inf，它的 NaN 会以 0 × NaN 的形式在下一层传给真实 token，也会
    传进每个权重的梯度，哪怕损失里没算它的输出；填 −1e9 则都不会。"""
    n = real + pads
    x, w, keep = torch.randn(n, d), torch.randn(3, d, d) / d**0.5, torch.arange(n) >= pads
    seen = torch.ones(n, n).tril().bool() & keep
    rows = []
    for name, fill in (("−inf", -INF), ("−1e9", -1e9)):
        bias = torch.zeros(n, n).masked_fill(~seen, fill)
        w_own = w.clone().requires_grad_()
        first = weights(x @ w_own[0], x @ w_own[1], bias) @ (x @ w_own[2])
        second = weights(first @ w[0], first @ w[1], bias) @ (first @ w[2])
        first[keep].square().sum().backward()  # the loss leaves padding out
        rows.append((name, first[keep].isnan().any(1).sum(), second[keep].isnan().any(1).sum(), w_own.grad.isnan().float().mean()))
    show(table(("fill", "real rows NaN, layer 1", "real rows NaN, layer 2", "share of NaN in the gradients"), rows))
    expect("NaN rows among real tokens, first layer", [r[1] for r in rows], equals=0)
    expect("NaN rows among real tokens, second layer, −inf", rows[0][2], equals=real)
    expect("share of NaN gradients of W_Q, W_K, W_V, −inf", rows[0][3], equals=1)
    expect("NaN with −1e9, layer 2 and gradients", [rows[1][2], rows[1][3]], equals=0)


def claim_minus_1e9_does_not_fit_fp16(fill=-1e9):
    """In float16, whose largest number is 65504, −1e9 is −inf and masked_fill refuses it; bfloat16 has room for it. The
    smallest number of each type fits it, but two masks of it added up are −inf in all three.

    float16 最大只到 65504，−1e9 在其中就是 −inf，masked_fill 则直接拒绝；bfloat16 装得下。填各类型自己的最小值装得下，但两个这样的
    掩码相加，在三种类型里都成了 −inf。"""
    rows = []
    for kind in (torch.float16, torch.bfloat16, torch.float32):
        smallest = torch.tensor(torch.finfo(kind).min, dtype=kind)
        try:
            torch.zeros(1, dtype=kind).masked_fill(torch.tensor([True]), fill)
            taken = "taken"
        except RuntimeError:
            taken = "refused"
        numbers = (torch.tensor(fill).to(kind).float(), taken, smallest.float(), (smallest + smallest).float())
        rows.append((str(kind).removeprefix("torch."), *numbers))
    show(table(("type", f"{fill:g} becomes", "masked_fill", "smallest number", "twice the smallest"), rows))
    expect("−1e9 in float16", rows[0][1], equals=-INF)
    expect("masked_fill with it", [r[2] for r in rows], equals=["refused", "taken", "taken"], at=("type", [r[0] for r in rows]))
    expect("−1e9 in bfloat16, relative", rows[1][1] / fill, equals=1, within=2**-8)
    expect("two smallest numbers added", [r[4] for r in rows], equals=-INF, at=("type", [r[0] for r in rows]))


def claim_boolean_conventions_are_opposite(real=5, pads=3, d=16, heads=2):
    """True takes part in scaled_dot_product_attention's attn_mask and is ignored in nn.MultiheadAttention's key_padding_mask:
    the one wants the inverse of the other, and given the same mask MultiheadAttention looks at the padding alone.

    True 在 scaled_dot_product_attention 的 attn_mask 里表示参与，在 nn.MultiheadAttention 的 key_padding_mask 里表示忽略：
    二者互为取反；若传同一个掩码，MultiheadAttention 就只看补齐位置。"""
    x, keep = torch.randn(1, real + pads, d), (torch.arange(real + pads) < real)[None]  # (1, n)
    torchs = nn.MultiheadAttention(d, heads, batch_first=True)
    with torch.no_grad():
        q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in F.linear(x, torchs.in_proj_weight).chunk(3, -1))
        sdpa = F.scaled_dot_product_attention(q, k, v, attn_mask=keep[:, None, None])  # True = takes part
        sdpa = torchs.out_proj(sdpa.transpose(1, 2).flatten(2))
        right, p_right = torchs(x, x, x, key_padding_mask=~keep)  # True = ignored
        wrong, p_wrong = torchs(x, x, x, key_padding_mask=keep)
    show(table(("key_padding_mask", "weight on padding", "difference from SDPA with keep"), [
        ("~keep", p_right[..., ~keep[0]].sum(-1).mean(), (right - sdpa).abs().max()),
        ("keep", p_wrong[..., ~keep[0]].sum(-1).mean(), (wrong - sdpa).abs().max())]))
    expect("MultiheadAttention with ~keep against SDPA with keep", (right - sdpa).abs().max(), at_most=1e-5)
    expect("weight on padding, same mask to both", p_wrong[..., ~keep[0]].sum(-1), equals=1, within=1e-5)


def claim_left_padding_needs_a_mask_and_its_own_positions(real=5, pads=3, d=16):
    """In a causal model padding on the right cannot reach real tokens even without a mask. On the left it needs one, and absolute
    positions that count real tokens alone; under RoPE the shift is harmless. But on the left the last index is a real token.

    在因果模型里，右侧补齐即使不加掩码也影响不到真实 token。左侧补齐则需要掩码，绝对位置也要只数真实 token；用 RoPE 时平移无害。
    不过左侧补齐时，最后一个下标就是真实 token。"""
    n, tokens, padding = real + pads, torch.randn(real, d), torch.randn(pads, d)
    w, learned = torch.randn(3, d, d) / d**0.5, torch.randn(n, d)  # learned absolute positions

    def run(x: Tensor, keep: Tensor, positions: Tensor, rope: bool, mask: bool) -> Tensor:
        seen = torch.ones(len(x), len(x)).tril().bool() & (keep | torch.tensor(not mask))
        bias = torch.zeros(seen.shape).masked_fill(~seen, -1e9)
        h = x if rope else x + learned[positions]
        q, k = ((turned(h @ m, positions) if rope else h @ m) for m in w[:2])
        return weights(q, k, bias) @ (h @ w[2])

    kept, right, left = torch.arange(real), torch.arange(n) < real, torch.arange(n) >= pads
    on_right, on_left = torch.cat((tokens, padding)), torch.cat((padding, tokens))
    plain, own = torch.arange(n), (left.cumsum(0) - 1).clamp(min=0)
    settings = (("right, no mask", on_right, right, plain, False, False), ("left, no mask", on_left, left, own, False, False),
                ("left, mask, positions from the first pad", on_left, left, plain, False, True),
                ("left, mask, own positions", on_left, left, own, False, True),
                ("left, mask, RoPE from the first pad", on_left, left, plain, True, True))
    rows = []
    for name, x, keep, positions, rope, mask in settings:
        alone = run(tokens, kept >= 0, kept, rope, True)
        out = run(x, keep, positions, rope, mask)
        rows.append((name, (out[keep] - alone).abs().max(), (out[-1] - alone[-1]).abs().max()))
    show(table(("padding", "max error at real tokens", "error of the last index as next-token state"), rows))
    error = {name: e for name, e, _ in rows}
    expect("error, right without mask; left with mask and own positions; left with RoPE", [rows[i][1] for i in (0, 3, 4)], at_most=1e-4)
    expect("error, left without mask; left with shifted absolute positions", [rows[i][1] for i in (1, 2)], at_least=0.01)
    expect("error of the last index, padding on the right", rows[0][2], at_least=0.01)
    expect("error of the last index, padding on the left, own positions", error["left, mask, own positions"], at_most=1e-4)


def claim_ignore_index_drops_pad_from_the_loss(real=5, pads=3, vocabulary=11):
    """The attention mask leaves the loss alone: padded positions still have logits. With ignore_index the loss is the mean over
    real tokens, and padded logits get no gradient; counted in, the model is trained to predict padding.

    注意力掩码管不到损失：补齐位置仍有 logits。用 ignore_index，损失就是真实 token 的平均，补齐位置的 logits 没有梯度；算进去，
    就是在训练模型预测补齐符。"""
    logits = torch.randn(real + pads, vocabulary, requires_grad=True)
    labels = torch.randint(1, vocabulary, (real + pads,))
    labels[real:] = 0  # the id of the padding token
    by_hand = -logits.detach().log_softmax(1)[torch.arange(real), labels[:real]].mean()
    ignored = F.cross_entropy(logits, labels.masked_fill(torch.arange(real + pads) >= real, -100))  # −100: ignore_index's default
    counted = F.cross_entropy(logits, labels)
    (by_ignored,), (by_counted,) = torch.autograd.grad(ignored, logits), torch.autograd.grad(counted, logits)
    show(table({"loss": ("mean over real tokens, by hand", "ignore_index", "padding counted"), "value": (by_hand, ignored, counted),
                "|gradient of padded logits|": ("", by_ignored[real:].norm(), by_counted[real:].norm())}))
    expect("loss with ignore_index less the mean over real tokens", ignored - by_hand, equals=0, within=1e-5)
    expect("gradient of padded logits, ignore_index", by_ignored[real:], equals=0)
    expect("|gradient of padded logits|, padding counted", by_counted[real:].norm(), at_least=0.01)


if __name__ == "__main__":
    main()
