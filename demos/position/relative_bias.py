r"""A bias on the score that depends on the distance alone makes attention relative.

给得分加一个只取决于距离的偏置，注意力就成了相对的。

Shaw et al. 2018, §3.2 (clipped distances); T5's buckets and ALiBi's slopes stand in t5_buckets and
alibi. Turn `code` to "table": with position vectors on the input a moved passage gets other scores.
把 `code` 改为 "table"：若把位置向量加到输入上，同一段话换个地方，得分就变。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    between,
    breaks,
    exercise,
    expect,
    heatmap,
    lines,
    main,
    one_of,
    show,
)  # fmt: skip

F64 = torch.float64


@exercise(
    claims=("bias_is_constant_along_diagonals",),
    wrong=("by_key_position", "turned_round", "not_clipped_behind"),
)
def bias_matrix(numbers: Tensor, n: int) -> Tensor:
    """The bias of every query i (row) and key j (column), (n, n): `numbers` (2·clip + 1,) holds one
    for each distance i − j from −clip to clip, and farther ones take the last on their side.

    每个 query i（行）与 key j（列）的偏置，(n, n)：`numbers` 为 (2·clip + 1,)，依次是距
    离 i − j 从 −clip 到 clip 的偏置；更远的取各自一侧的最后一个。"""
    clip = len(numbers) // 2
    distance = torch.arange(n)[:, None] - torch.arange(n)                                   # (n, n)
    return numbers[distance.clamp(-clip, clip) + clip]


def by_key(numbers: Tensor, n: int) -> Tensor:
    """The wrong way: one number for each key position."""
    return numbers[torch.arange(n) % len(numbers)].expand(n, n)


RANGES = {
    "tokens": between(3, 64), "width": between(2, 128), "clip": between(1, 32),
    "shift": between(1, 1000),
    "by": one_of("distance", "key"), "code": one_of("bias", "table"),
    "sides": one_of("alike", "different"), "scheme": one_of("bias", "Shaw"),
}  # fmt: skip


@breaks(by="key", en="A bias by key position is constant along columns, not diagonals.",
        zh="按 key 位置的偏置沿列不变，而不是沿对角线不变。")
def claim_bias_is_constant_along_diagonals(tokens=24, clip=8, by="distance"):
    """A distance bias is a Toeplitz matrix: the entry for (i, j) is that for (i + 1, j + 1), so
    only i − j counts.

    距离偏置是 Toeplitz 矩阵：(i, j) 处的值等于 (i + 1, j + 1) 处的值，起作用的只有 i − j。"""
    numbers = torch.randn(2 * clip + 1, dtype=F64)
    bias = {"distance": bias_matrix, "key": by_key}[by](numbers, tokens)
    by_loop = [[numbers[max(-clip, min(clip, i - j)) + clip].item() for j in range(tokens)]
               for i in range(tokens)]
    show(heatmap(bias, x_label="key j", y_label="query i", title="one number for each distance"))
    expect("bias less the loop over i and j", bias - torch.tensor(by_loop, dtype=F64), equals=0)
    expect("change along the diagonals", bias[1:, 1:] - bias[:-1, :-1], equals=0)


@breaks(code="table",
        en="Added to the input, positions mix with the contents, and the scores change.",
        zh="位置加到输入上就与内容混合，得分随之改变。")
def claim_moved_content_keeps_its_scores(tokens=24, width=32, shift=40, clip=8, code="bias"):
    """Move a passage within the text: with a distance bias its inner scores stay; with position
    vectors added to the input they change.

    把一段内容在文本中整体平移：用距离偏置，段内得分不变；用加到输入上的位置向量，得分就变了。"""
    x = torch.randn(tokens, width, dtype=F64)
    w_q, w_k = torch.randn(2, width, width, dtype=F64) / width**0.5
    numbers = torch.randn(2 * clip + 1, dtype=F64)
    rows = torch.randn(tokens + shift, width, dtype=F64)                           # a learned table

    def scores(start: int, code: str) -> Tensor:
        y = x + rows[start : start + tokens] if code == "table" else x
        whole = bias_matrix(numbers, start + tokens)[start:, start:]             # of the whole text
        return y @ w_q @ (y @ w_k).T / width**0.5 + (whole if code == "bias" else 0)

    change = {c: (scores(shift, c) - scores(0, c)).abs().amax(1) for c in ("bias", "table")}
    show(lines("query", range(tokens), change, y_label="change of its scores"))
    expect(f"change of the scores, {code}", change[code], equals=0, within=1e-14)
    expect("change with an added table over the rounding allowed", change["table"].max() / 1e-14,
           at_least=1e6)


@breaks(sides="different",
        en="With numbers of their own for keys ahead (as in T5's encoder) direction is seen.",
        zh="前方的 key 另有一组数（如 T5 encoder），就分得清方向。")
def claim_a_symmetric_bias_cannot_tell_left_from_right(tokens=24, width=32, clip=8, sides="alike"):
    """Without a mask a bias on |i − j| lets the reversed text give the reversed output: left and
    right look alike. Other numbers for keys ahead end that.

    没有掩码时，若偏置只看 |i − j|，把文本倒过来，输出也只是倒过来：左右分不清。前方的 key 另用一组数就行。"""
    x = torch.randn(tokens, width, dtype=F64)
    w_q, w_k, w_v = torch.randn(3, width, width, dtype=F64) / width**0.5
    numbers = torch.randn(2 * clip + 1, dtype=F64)
    biases = {"alike": bias_matrix(numbers, tokens) + bias_matrix(numbers, tokens).T,   # by |i − j|
              "different": bias_matrix(numbers, tokens)}

    def output(y: Tensor, bias: Tensor) -> Tensor:
        return (y @ w_q @ (y @ w_k).T / width**0.5 + bias).softmax(-1) @ (y @ w_v)

    gap = {name: (output(x.flip(0), b) - output(x, b).flip(0)).abs().amax(1)
           for name, b in biases.items()}
    show(lines("token", range(tokens), gap, y_label="reversed text less reversed output"))
    expect(f"gap, {sides}", gap[sides], equals=0, within=1e-12)
    expect("gap with other numbers ahead over the rounding allowed", gap["different"].max() / 1e-12,
           at_least=1e4)


@breaks(scheme="Shaw", en="Shaw's vectors are added to the values as well, and show in the output.",
        zh="Shaw 的向量也加在 value 上，输出里看得见。")
def claim_a_score_bias_leaves_the_values_alone(tokens=24, width=32, clip=8, scheme="bias"):
    """A score bias only reweighs: where all values are equal the output shows no position. Shaw's
    vectors, 2·(2·clip + 1)·d of them in numbers, also enter the values.

    得分偏置只改变权重：若所有 value 相同，输出就看不出位置。Shaw 的向量还进入 value，共 2·(2·clip + 1)·d 个数。"""
    q, k = torch.randn(2, tokens, width, dtype=F64)
    value = torch.randn(width, dtype=F64)                                      # the same everywhere
    vectors = torch.randn(2, 2 * clip + 1, width, dtype=F64)                  # for keys, for values
    at = bias_matrix(torch.arange(2 * clip + 1), tokens)                        # which one, (n, n)
    later = torch.full((tokens, tokens), -torch.inf, dtype=F64).triu(1)
    plain = q @ k.T / width**0.5 + later
    weights = {"bias": (plain + bias_matrix(vectors[0, :, 0], tokens)).softmax(-1),
               "Shaw": (plain + torch.einsum("id,ijd->ij", q,
                                             vectors[0][at]) / width**0.5).softmax(-1)}
    out = {name: w @ value.expand(tokens, width) for name, w in weights.items()}
    out["Shaw"] = out["Shaw"] + torch.einsum("ij,ijd->id", weights["Shaw"], vectors[1][at])
    trace = {name: (y - value).abs().amax(1) for name, y in out.items()}
    show(lines("token", range(tokens), trace, y_label="output less the common value"))
    expect(f"trace of position in the output, {scheme}", trace[scheme], equals=0, within=1e-13)
    expect("trace of Shaw's vectors over the rounding allowed", trace["Shaw"].min() / 1e-13,
           at_least=1e6)
    expect("numbers in Shaw's vectors", vectors.numel(), equals=2 * (2 * clip + 1) * width)


ZH = {
    "one number for each distance": "每个距离一个数", "bias less the loop over i and j": "偏置与按 i、j 循环之差",
    "change along the diagonals": "沿对角线的变化", "bias": "偏置", "table": "位置表",
    "change of its scores": "得分的变化",
    "change of the scores, {}": "得分的变化，{}",
    "change with an added table over the rounding allowed": "位置表引起的变化与容许的舍入之比",
    "alike": "两侧相同", "different": "两侧不同", "gap, {}": "差距，{}",
    "reversed text less reversed output": "倒序文本的输出与输出倒序之差",
    "gap with other numbers ahead over the rounding allowed": "两侧不同时的差距与容许的舍入之比",
    "output less the common value": "输出与共同 value 之差",
    "trace of position in the output, {}": "输出里的位置痕迹，{}",
    "trace of Shaw's vectors over the rounding allowed": "Shaw 向量的痕迹与容许的舍入之比",
    "numbers in Shaw's vectors": "Shaw 向量里的数",
}

if __name__ == "__main__":
    main()
