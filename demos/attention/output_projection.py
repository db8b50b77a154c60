r"""W_O gives each head a block of its own and adds the results: every head can write anywhere.

W_O 给每个头一块自己的矩阵，再把结果相加：每个头都能写到任何坐标。

Vaswani et al. 2017, §3.2.2. Turn `w_o` to "none": a head reaches its own D/h coordinates only. Turn
it to "scalars": one weight per head is not what W_O is.
把 `w_o` 改为 "none"：一个头只写得到自己的 D/h 个坐标。改为 "scalars"：W_O 并不是每个头一个权重。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import bars, between, breaks, exercise, expect, heatmap, main, one_of, show, table

F64 = torch.float64


@exercise(claims=("output_is_a_sum_over_head_blocks",),
          wrong=("averages_the_heads", "cuts_columns", "forgets_to_add"))
def project(per_head: Tensor, w_o: Tensor) -> Tensor:
    """The output (n, D) of heads (h, n, d) by W_O (h·d, D), written as a sum over the heads' own
    blocks, without concatenating.

    由各头的 (h, n, d) 与 W_O (h·d, D) 求输出 (n, D)：写成对每个头自己那一块求和，不做拼接。"""
    blocks = w_o.unflatten(0, (len(per_head), -1))                       # (h, d, D)
    return (per_head @ blocks).sum(0)


def heads_of(x: Tensor, w: Tensor, heads: int) -> Tensor:
    """What each head reads, (h, n, d), from x (n, D) and W_Q, W_K, W_V."""
    q, k, v = ((x @ m).unflatten(-1, (heads, -1)).transpose(0, 1) for m in w[:3])
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v


def concatenated(per_head: Tensor) -> Tensor:
    """The heads side by side, (n, h·d)."""
    return per_head.transpose(0, 1).flatten(1)


RANGES = {
    "heads": one_of(2, 4, 8),
    "width": one_of(16, 32),
    "tokens": between(4, 32),
    "w_o": one_of("full", "none", "scalars", "block diagonal"),
    "positions": between(128, 256),
    "between_them": one_of("invertible", "singular"),
    "rows_of_a_head": one_of("adjacent", "every h-th"),
}


def drawn(tokens: int, width: int) -> tuple[Tensor, Tensor]:
    """x (n, D) and four matrices that keep unit variance."""
    return torch.randn(tokens, width, dtype=F64), torch.randn(4, width, width, dtype=F64) / width**0.5


@breaks(rows_of_a_head="every h-th", en="A head's block is D/h adjacent rows of W_O, as its columns are in W_V.",
        zh="一个头的块是 W_O 中相邻的 D/h 行，正如它在 W_V 中占相邻的列。")
def claim_output_is_a_sum_over_head_blocks(heads=4, width=16, tokens=6, rows_of_a_head="adjacent"):
    """nn.MultiheadAttention's output is Σ headᵢ·W_Oⁱ, each head with its own (D/h, D) block; to
    prune a head is to leave its term out.

    nn.MultiheadAttention 的输出等于 Σ headᵢ·W_Oⁱ，每个头有自己的 (D/h, D) 块；剪掉一个头就是去掉那一项。"""
    x, w = drawn(tokens, width)
    torchs = nn.MultiheadAttention(width, heads, bias=False, dtype=F64)
    with torch.no_grad():
        torchs.in_proj_weight.copy_(torch.cat([m.T for m in w[:3]]))
        torchs.out_proj.weight.copy_(w[3].T)
        whole = torchs(x, x, x, need_weights=False)[0]
        per_head = heads_of(x, w, heads)
        kept = torch.arange(width) >= width // heads               # columns and rows without head 0
        smaller = concatenated(heads_of(x, torch.stack([m[:, kept] for m in w[:3]]),
                                        heads - 1)) @ w[3][kept]
        pruned = project(per_head[1:], w[3][width // heads :])
    rows = torch.arange(width).view(heads, -1)                           # (h, D/h)
    rows = rows if rows_of_a_head == "adjacent" else rows.view(-1, heads).T
    terms = per_head @ w[3][rows]                                        # (h, n, D)
    show(bars([f"head {i}" for i in range(heads)], {"size of its term": terms.norm(dim=(1, 2))}))
    # float64 keeps 1e-16 of outputs of size 1
    expect("sum over heads less nn.MultiheadAttention", project(per_head, w[3][rows.flatten()]) - whole,
           equals=0, within=1e-12)
    expect("without head 0, less a layer that has no head 0", pruned - smaller, equals=0,
           within=1e-12)


@breaks(w_o="none", en="Concatenated only, head i fills its own slice.", zh="只做拼接，第 i 个头只填自己那一段。")
@breaks(w_o="block diagonal", en="A matrix within each head stays within its slice.",
        zh="每个头内部的矩阵，仍出不了自己那一段。")
def claim_without_wo_a_head_writes_its_own_slice(heads=4, width=16, tokens=6, w_o="full"):
    """Concatenation alone lets a head reach its own D/h of the D coordinates; through W_O each head
    reaches all of them, so heads can add to the same one.

    只做拼接，一个头只能写到 D 个坐标中自己的 D/h 个；经过 W_O 每个头都能写到全部坐标，多个头才能加到同一个坐标上。"""
    x, w = drawn(tokens, width)
    per_head, d = heads_of(x, w, heads), width // heads
    own = torch.block_diag(*torch.ones(heads, d, d, dtype=F64))          # 1 within a head's slice
    identity = torch.eye(width, dtype=F64)
    matrix = {"full": w[3], "none": identity, "scalars": identity, "block diagonal": w[3] * own}
    reached = {}
    for name in ("none", w_o):
        blocks = matrix[name].unflatten(0, (heads, -1))                  # (h, d, D)
        reached[name] = (per_head @ blocks).abs().mean(1) > 1e-12        # (h, D)
    for name, moved in reached.items():
        show(heatmap(moved.float(), x_label="output coordinate", y_label="head",
                     title=f"written to, W_O {name}"))
    expect("coordinates that a head writes to, concatenation alone", reached["none"].sum(1),
           equals=d)
    expect("coordinates that a head writes to through W_O", reached[w_o].sum(1), equals=width)


@breaks(w_o="scalars", en="One number per head can only stretch its slice.", zh="每头一个数，只能拉伸它自己那一段。")
@breaks(w_o="block diagonal", en="Most of what W_O does leaves the slice.", zh="W_O 的作用大多超出了这一段。")
def claim_one_scalar_per_head_is_not_enough(heads=4, width=16, positions=128, w_o="full"):
    """Fitted to a random layer's output, one scalar per head in place of W_O leaves over 70% of it,
    a matrix inside each head over half; blocks that reach all coordinates leave nothing.

    用一层随机注意力的输出来拟合：以每头一个标量代替 W_O，有 70% 以上拟合不到；每个头内部用一个矩阵，一半以上拟合不到；
    能写到全部坐标的块则毫无剩余。"""
    x, w = drawn(positions, width)
    per_head, d = heads_of(x, w, heads), width // heads
    target = project(per_head, w[3])
    parts, goals = per_head, target.unflatten(1, (heads, d)).transpose(0, 1)         # (h, n, d)
    scalar = (parts * goals).sum((1, 2)) / parts.square().sum((1, 2))                # (h,)
    inner = parts @ torch.linalg.lstsq(parts, goals).solution
    both = concatenated(parts)
    fits = {"none": both, "scalars": concatenated(parts * scalar[:, None, None]),
            "block diagonal": concatenated(inner),
            "full": both @ torch.linalg.lstsq(both, target).solution}
    left = {name: (fit - target).norm() / target.norm() for name, fit in fits.items()}
    show(bars(list(left), {"share left over": list(left.values())}),
         table({"in place of W_O": list(left), "numbers": (0, heads, heads * d**2, width**2)}))
    expect("left over with one scalar per head", left["scalars"], at_least=0.7)
    expect("left over with a matrix in each head", left["block diagonal"], at_least=0.5)
    expect(f"left over with W_O {w_o}", left[w_o], equals=0, within=1e-9)


@breaks(between_them="singular", en="What a singular matrix loses no other can bring back.",
        zh="奇异矩阵丢掉的东西，再乘什么也找不回来。")
def claim_values_and_output_act_as_one_map(heads=4, width=16, tokens=6, between_them="invertible"):
    """Per head only the product W_V·W_O counts, of rank at most D/h: an invertible matrix between
    the two, and its inverse, change nothing.

    对每个头，起作用的只有乘积 W_V·W_O，秩不超过 D/h：在二者之间插入可逆矩阵及其逆，什么都不变。"""
    x, w = drawn(tokens, width)
    changed, d, ranks = w.clone(), width // heads, []
    for h in range(heads):
        own = slice(h * d, (h + 1) * d)
        a = torch.linalg.qr(torch.randn(d, d, dtype=F64)).Q * (1 + torch.arange(d))
        if between_them == "singular":
            a[:, 0] = 0
        changed[2][:, own], changed[3][own] = w[2][:, own] @ a, torch.linalg.pinv(a) @ w[3][own]
        ranks.append(torch.linalg.matrix_rank(w[2][:, own] @ w[3][own]))
    before, after = (project(heads_of(x, m, heads), m[3]) for m in (w, changed))
    show(table({"head": range(heads), "rank of W_V·W_O": ranks},
               title=f"matrices of {width} × {width}"))
    expect("rank of W_V·W_O", ranks, equals=d, at=("head", range(heads)))
    expect("change of W_V", (changed[2] - w[2]).abs().max(), at_least=0.01)
    expect("change of the output", (after - before).abs().max(), equals=0, within=1e-9)


ZH = {
    "head {}": "头 {}", "size of its term": "该项的大小",
    "sum over heads less nn.MultiheadAttention": "对头求和与 nn.MultiheadAttention 之差",
    "without head 0, less a layer that has no head 0": "去掉头 0 与本来就没有头 0 的层之差",
    "output coordinate": "输出坐标", "written to, W_O {}": "写到的坐标，W_O：{}", "full": "完整", "none": "无",
    "scalars": "每头一个标量", "block diagonal": "分块对角",
    "coordinates that a head writes to, concatenation alone": "只做拼接时一个头写到的坐标数",
    "coordinates that a head writes to through W_O": "经过 W_O 一个头写到的坐标数", "share left over": "剩余比例",
    "in place of W_O": "代替 W_O 的", "numbers": "参数个数",
    "left over with one scalar per head": "每头一个标量时的剩余",
    "left over with a matrix in each head": "每头一个矩阵时的剩余",
    "left over with W_O {}": "W_O 为{}时的剩余", "rank of W_V·W_O": "W_V·W_O 的秩",
    "matrices of {} × {}": "{} × {} 的矩阵",
    "change of W_V": "W_V 的变化", "change of the output": "输出的变化",
}

if __name__ == "__main__":
    main()
