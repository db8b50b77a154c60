r"""A bias on the attention scores that depends on the distance alone: T5's learned buckets and ALiBi's fixed slopes.

给注意力得分加一个只取决于距离的偏置：T5 学出来的分桶偏置，与 ALiBi 固定的斜率。

Shaw et al. 2018 (arXiv:1803.02155, §3.2); Raffel et al. 2019 (T5, arXiv:1910.10683); Press et al. 2021 (ALiBi,
arXiv:2108.12409, §3). Distance is i − j, from query i back to key j. Turn `heads`, also to 12, and `max_distance`.
"""

import math

import torch
from torch import Tensor, nn

from studyapp.evidence import bars, expect, heatmap, lines, main, show, table

F64 = torch.float64


def distances(n: int) -> Tensor:
    """i − j for every query i and key j, (n, n)."""
    return torch.arange(n)[:, None] - torch.arange(n)


def buckets(distance: Tensor, count: int = 32, max_distance: int = 128, causal: bool = True) -> Tensor:
    """T5's bucket of each distance: near ones alone, far ones on a log scale; two halves where keys may come later."""
    if not causal:  # the second half of the buckets is for keys after the query
        half = count // 2
        return half * (distance < 0) + buckets(distance.abs(), half, max_distance)
    exact, near = count // 2, distance.clamp(min=0)
    steps = (near.clamp(min=1) / exact).log() / math.log(max_distance / exact) * (count - exact)
    return torch.where(near < exact, near, (exact + steps.long()).clamp(max=count - 1))


def slopes(heads: int) -> Tensor:
    """ALiBi's: 2^(−8/heads), 2^(−16/heads), … for a power of two, and otherwise those of the power of two below, filled
    up with every other slope of the power of two above."""
    power = 2 ** int(math.log2(heads))
    own = 2.0 ** (-8 * torch.arange(1, power + 1, dtype=F64) / power)
    return own if power == heads else torch.cat((own, slopes(2 * power)[0::2][: heads - power]))


def alibi(n: int, heads: int) -> Tensor:
    """−slope · distance for keys up to the query, (heads, n, n)."""
    return -slopes(heads)[:, None, None] * distances(n).clamp(min=0)


def weights(scores: Tensor) -> Tensor:
    """Causal softmax of (…, n, n)."""
    later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(later, -math.inf).softmax(-1)


def claim_bias_is_constant_along_diagonals(length=24, heads=8):
    """Both biases are Toeplitz: the entry for query i and key j is that for i + 1 and j + 1, so only the distance counts.

    两种偏置都是 Toeplitz 矩阵：(i, j) 处的值等于 (i + 1, j + 1) 处的值，起作用的只有距离。"""
    learned = torch.randn(32, heads, dtype=F64)  # T5: a number for each bucket and head
    biases = {"T5": learned[buckets(distances(length))].permute(2, 0, 1), "ALiBi": alibi(length, heads)}
    for name, bias in biases.items():
        show(heatmap(bias[0].tril(), x_label="key j", y_label="query i", title=f"{name}, head 0 (later keys are masked)"))
        expect(f"{name}: change along the diagonals", bias[:, 1:, 1:] - bias[:, :-1, :-1], equals=0)


def claim_moved_content_keeps_its_scores(d=32, length=24, shift=40):
    """Move a passage within the text: with a distance bias the scores inside it stay, with position vectors added to
    the input they change.

    把一段内容在文本中整体平移：用距离偏置，段内得分不变；用加到输入上的位置向量，得分就变了。"""
    x, (w_q, w_k) = torch.randn(length, d, dtype=F64), torch.randn(2, d, d, dtype=F64) / d**0.5
    bias, rows = torch.randn(32, dtype=F64), torch.randn(length + shift, d, dtype=F64)  # T5's numbers; a learned table

    def scores(start: int, code: str) -> Tensor:
        place = torch.arange(start, start + length)
        y = x + rows[place] if code == "table" else x
        extra = bias[buckets(place[:, None] - place)] if code == "bias" else 0
        return (y @ w_q) @ (y @ w_k).T / d**0.5 + extra

    change = {code: (scores(shift, code) - scores(0, code)).abs().max() for code in ("bias", "table")}
    show(table(("position code", f"largest change of a score, moved by {shift}"), list(change.items())))
    expect("change with a distance bias", change["bias"], equals=0)
    expect("change with an added table", change["table"], at_least=0.1)


def claim_t5_buckets_widen_and_end(count=32, max_distance=128):
    """T5's near distances have a bucket each, far ones share wider and wider ones, and the last takes all the rest: with
    32 buckets up to 128 it starts at distance 113 one way, and at 91 both ways.

    T5 的近距离各占一桶，远距离合用越来越宽的桶，最后一桶收下其余一切：32 个桶、上限 128 时，单向从距离 113 开始，双向从 91 开始。"""
    reach = torch.arange(4 * max_distance)
    one, two = buckets(reach, count, max_distance), buckets(reach, count, max_distance, causal=False)
    starts = torch.stack([(one == b).nonzero()[0, 0] for b in range(count)])
    show(lines("distance back", reach[: max_distance + 32], {"causal": one[: max_distance + 32],
                                                             "both directions": two[: max_distance + 32]}, y_label="bucket"))
    show(table({"causal bucket": range(count // 2, count), "first distance": starts[count // 2 :]}))
    ends = {"causal": (one == count - 1), "both directions": (two == count // 2 - 1)}
    for (name, last), near in zip(ends.items(), (count // 2, count // 4), strict=True):
        far = max_distance / near  # the last log step begins at near · far^((near − 1)/near)
        expect(f"first distance in the last bucket, {name}", int(last.nonzero()[0, 0]),
               equals=math.ceil(near * far ** ((near - 1) / near)))
        expect(f"distances from max_distance on in the last bucket, {name}", last[max_distance:], equals=True)
    expect("buckets of the near distances", one[: count // 2], equals=reach[: count // 2])
    width = starts[count // 2 :].diff()
    expect("width of the last far bucket but one over that of the first", width[-1] / width[0], at_least=2)
    ahead = buckets(-reach[1:], count, max_distance, causal=False)
    expect("bucket of a key ahead less that of one as far behind", ahead - two[1:], equals=count // 2)


def claim_alibi_slopes_are_geometric(counts=(8, 16, 12)):
    """For a power of two ALiBi's slopes fall geometrically from 2^(−8/heads) to 1/256; 12 heads take the slopes of 8 and
    every other one of the first 8 of 16.

    头数为 2 的幂时，ALiBi 的斜率从 2^(−8/头数) 按等比降到 1/256；12 个头则取 8 个头的斜率，再从 16 个头的前 8 个里隔一个取一个。"""
    for n in counts:
        show(bars(range(1, n + 1), slopes(n), log="y", y_label="slope", title=f"{n} heads"))
    for n in counts:
        power = 2 ** int(math.log2(n))
        own, extra = slopes(n)[:power], slopes(n)[power:]
        expect(f"{n} heads: ratio of neighbours", own[1:] / own[:-1], equals=2 ** (-8 / power), within=1e-12)
        expect(f"{n} heads: steepest and gentlest of the power of two", own[[0, -1]], equals=[2 ** (-8 / power), 1 / 256],
               within=1e-12)
        if len(extra):
            expect(f"{n} heads: further slopes over those of {power}", extra / own[: len(extra)], equals=2 ** (4 / power),
                   within=1e-12)


def claim_alibi_weights_decay_geometrically(heads=8, context=2048):
    """For equal contents ALiBi's weights fall by e^(−slope) a token, so a head looks back about 3/slope tokens: 95% of
    the weight lies on 6 keys in the steepest of 8 heads and on 766 in the gentlest.

    内容相同时，ALiBi 的权重每远一个 token 就乘以 e^(−斜率)，一个头大约回看 3/斜率 个 token：8 个头中，最陡的头 95% 的权重落在
    6 个 key 上，最缓的落在 766 个上。"""
    spread = (-slopes(heads)[:, None] * torch.arange(context)).softmax(-1)  # one query, keys by distance
    keys = (spread.cumsum(-1) < 0.95).sum(-1) + 1
    shown = torch.arange(0, context, max(context // 64, 1))
    show(lines("distance", shown, {f"slope {s:.3g}": spread[h].cumsum(-1)[shown] for h, s in enumerate(slopes(heads))},
               y_label="weight up to here"),
         table({"slope": slopes(heads), "keys that hold 95% of the weight": keys}))
    near = spread[:, : min(context, 1000)]  # beyond, float64 ends in the steepest head
    off = (near[:, 1:] / near[:, :-1] - (-slopes(heads)).exp()[:, None]).abs().amax(1)
    expect("ratio of neighbouring weights less e^(−slope)", off, equals=0, within=1e-9, at=("slope", slopes(heads)))
    needed = -(0.05 + 0.95 * (-slopes(heads) * context).exp()).log() / slopes(heads)  # the geometric series, cut at context
    expect("keys that hold 95%", keys, equals=needed.ceil(), at=("slope", slopes(heads)))


def claim_a_matching_far_key_still_fades(heads=8, head_start=8.0, context=2048):
    """A key whose content score is 8 above all others holds half the weight up to distance 14 in the steepest of 8 heads
    and up to 628 in the gentlest; without the bias it holds 59% anywhere among 2048 keys.

    若一个 key 的内容得分比其余 key 都高 8，则在 8 个头中最陡的头里，它到距离 14 为止还占一半权重，在最缓的头里到 628 为止；没有
    偏置时，它在 2048 个 key 中无论多远都占 59%。"""
    distance = torch.arange(context, dtype=F64)
    held = {}
    for name, m in [*((f"slope {m:.3g}", m) for m in slopes(heads)), ("no bias", torch.zeros((), dtype=F64))]:
        rest = (-m * distance).exp()
        held[name] = (head_start - m * distance).exp() / (rest.sum() - rest + (head_start - m * distance).exp())
    reach = torch.stack([(w >= 0.5).sum() - 1 for w in held.values()])
    shown = torch.arange(0, context, max(context // 64, 1))
    kept = list(held)[:: max(heads // 4, 1)]
    show(lines("distance of the matching key", shown, {name: held[name][shown] for name in kept}, y_label="its weight"),
         table({"head": list(held), "furthest distance with half the weight": reach}))
    sides = {"at its reach": [], "one step beyond": []}  # the same by softmax, key by key
    for m, r in zip(slopes(heads), reach.tolist()[:-1], strict=True):
        for side, place in zip(sides, (r, r + 1), strict=True):
            if 0 <= place < context:
                sides[side].append((m, (-m * distance + head_start * (distance == place)).softmax(0)[place]))
    for (side, found), bound in zip(sides.items(), ({"at_least": 0.5}, {"at_most": 0.5}), strict=True):
        expect(f"its weight {side}", [w for _, w in found], at=("slope", [m for m, _ in found]), **bound)
    lead = math.exp(head_start)
    expect("its weight without the bias", held["no bias"], equals=lead / (lead + context - 1), within=1e-9)


def claim_bias_by_key_position_alone_is_enough(heads=8, length=24, d=32):
    """Adding slope·j, the same for every query, gives the weights of −slope·(i − j): a constant along a row does not
    change softmax.

    给每个 key 加上 斜率·j（对所有 query 都一样），权重与加 −斜率·(i − j) 相同：整行加同一个常数，softmax 不变。"""
    q, k = torch.randn(2, heads, length, d, dtype=F64)
    scores = q @ k.mT / d**0.5
    by_distance, by_key = alibi(length, heads), slopes(heads)[:, None, None] * torch.arange(length)
    gap = (weights(scores + by_distance) - weights(scores + by_key)).abs().max()
    show(table({"bias": ("−slope·(i − j)", "slope·j"), "numbers stored": (by_distance.numel(), by_key.numel()),
                "largest difference of the weights": (0.0, gap)}))
    expect("difference of the weights", gap, equals=0, within=1e-12)


def claim_a_symmetric_bias_cannot_tell_left_from_right(length=24, d=32):
    """Without a mask a bias on |i − j| lets the reversed text give the reversed output, so direction is invisible; T5's
    two halves of buckets end that.

    没有掩码时，若偏置只看 |i − j|，把文本倒过来，输出也只是倒过来，模型分不清方向；T5 的两半桶解决了这一点。"""
    x, (w_q, w_k, w_v) = torch.randn(length, d, dtype=F64), torch.randn(3, d, d, dtype=F64) / d**0.5
    learned = torch.randn(32, dtype=F64)
    biases = {"−|i − j|/2": -0.5 * distances(length).abs(), "T5, both directions": learned[buckets(distances(length), causal=False)]}
    gap = {}
    for name, bias in biases.items():
        forward, backward = (((y @ w_q) @ (y @ w_k).T / d**0.5 + bias).softmax(-1) @ (y @ w_v) for y in (x, x.flip(0)))
        gap[name] = (backward - forward.flip(0)).abs().max()
    show(table(("bias", "reversed text less reversed output"), list(gap.items())))
    expect("gap under the symmetric bias", gap["−|i − j|/2"], equals=0, within=1e-12)
    expect("gap under T5's buckets", gap["T5, both directions"], at_least=0.01)


def claim_a_score_bias_leaves_the_values_alone(length=24, d=32, clip=8, heads=8):
    """A score bias only reweighs: where all values are equal the output shows no position. Shaw's vectors, added to
    keys and values, do show it, and cost 2·(2·clip + 1)·d parameters; T5's bias costs 32 a head, ALiBi's none.

    得分偏置只改变权重：若所有 value 相同，输出就看不出位置。Shaw 的向量加在 key 和 value 上，便看得出来，要 2·(2·clip + 1)·d 个
    参数；T5 的偏置每个头 32 个，ALiBi 一个也没有。"""
    shaw = nn.ParameterDict({n: nn.Parameter(torch.randn(2 * clip + 1, d, dtype=F64)) for n in ("key", "value")})
    t5, constant = nn.Embedding(32, heads, dtype=F64), torch.randn(d, dtype=F64)  # every value is this vector
    q, k = torch.randn(2, length, d, dtype=F64)
    scores, clipped = q @ k.T / d**0.5, (-distances(length)).clamp(-clip, clip) + clip  # (n, n)
    shaw_weights = weights(scores + torch.einsum("id,ijd->ij", q, shaw["key"][clipped]) / d**0.5)
    outputs = {
        "ALiBi": weights(scores + alibi(length, heads)[0]) @ constant.expand(length, d),
        "T5": weights(scores + t5(buckets(distances(length)))[..., 0]) @ constant.expand(length, d),
        "Shaw": shaw_weights @ constant.expand(length, d) + torch.einsum("ij,ijd->id", shaw_weights, shaw["value"][clipped]),
    }
    seen = {name: (out - constant).abs().max() for name, out in outputs.items()}
    slopes = alibi(length, heads)
    cost = {
        "ALiBi": slopes.numel() if slopes.requires_grad else 0,
        "T5": sum(p.numel() for p in t5.parameters()),
        "Shaw": sum(p.numel() for p in shaw.parameters()),
    }
    show(table({"scheme": list(seen), "output less the common value": list(seen.values()),
                f"parameters ({heads} heads of {d})": [cost[name] for name in seen]}))
    expect("trace of position in the output", [seen["ALiBi"], seen["T5"]], equals=0, within=1e-12, at=("scheme", ["ALiBi", "T5"]))
    expect("trace of position in the output, Shaw", seen["Shaw"], at_least=0.1)
    expect("parameters of Shaw's vectors", cost["Shaw"], equals=2 * (2 * clip + 1) * d)
    expect("parameters of ALiBi", cost["ALiBi"], equals=0)
    expect("parameters of T5's bias", cost["T5"], equals=32 * heads)


if __name__ == "__main__":
    main()
