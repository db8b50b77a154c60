r"""Broadcasting repeats by a stride of 0: free until an operation writes the result, and silent where shapes match by accident.

广播靠步长 0 来重复：在写出结果之前不花内存；形状碰巧能对上时，它悄悄发生。

torch broadcasting semantics. Turn `targets` to "(batch,)": then the loss is the one that was meant.
把 `targets` 改为 "(batch,)"：这才是本来想要的损失。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import peak_bytes, tensor_bytes

F64 = torch.float64


@exercise(claims=("shapes_follow_from_the_right",), wrong=("aligns_left", "takes_the_larger"))
def broadcast_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of x + y for x of shape a and y of shape b; None where they do not broadcast.

    x 的形状为 a、y 的形状为 b 时 x + y 的形状；不能广播时返回 None。"""
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b)      # missing dimensions come in front
    if any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=True)):
        return None
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))             # 1 gives way, to 0 as well


RANGES = {
    "batch": between(2, 64), "targets": one_of("(batch, 1)", "(batch,)"), "points": each(between(16, 128), at_least=2, rising=True),
    "width": between(16, 64), "way": one_of("broadcast", "products"), "repeats": between(2, 64),
    "repeated": one_of("expand", "repeat"), "aligned": one_of("right", "left"),
}  # fmt: skip
PAIRS = [((3,), (2, 3)), ((3, 1), (3,)), ((4, 1, 5), (6, 5)), ((2, 3), (3,)), ((1,), (7,)), ((8, 1), (1, 9)), ((5, 2), (5, 1)),
         ((), (2, 2)), ((2, 1, 3), (4, 1))]


@breaks(aligned="left", en="Aligned from the left, (3,) and (2, 3) do not fit, and (4, 1, 5) meets (6, 5) elsewhere.",
        zh="从左对齐时，(3,) 与 (2, 3) 对不上，(4, 1, 5) 与 (6, 5) 也对错了位。")
def claim_shapes_follow_from_the_right(aligned="right"):
    """Shapes are aligned from the right, missing dimensions count as 1, and each 1 is repeated: as torch's own addition does.

    形状从右对齐，缺的维当作 1，每个 1 都被重复：与 torch 的加法一致。"""
    rows = []
    for a, b in PAIRS:
        exact = tuple((torch.zeros(a) + torch.zeros(b)).shape)
        if aligned == "left":
            a, b = a + (1,) * (len(b) - len(a)), b + (1,) * (len(a) - len(b))
        rows.append([str(a), str(b), str(exact), broadcast_shape(a, b) == exact])
    show(table(["x", "y", "x + y", "as said"], rows))
    expect("pairs of shapes as said", sum(row[-1] for row in rows), equals=len(PAIRS))


@breaks(targets="(batch,)", en="Of one shape, each prediction meets its own target alone.", zh="形状相同时，每个预测只与自己的目标相比。")
def claim_a_loss_of_batch_against_batch_by_1_learns_the_mean(batch=16, targets="(batch, 1)"):
    """Predictions (batch,) against targets (batch, 1) make batch² errors: each prediction is drawn to the mean target.

    预测 (batch,) 与目标 (batch, 1) 相减得 batch² 个误差：每个预测都被拉向目标的均值。"""
    p, t = torch.randn(batch, dtype=F64).requires_grad_(), torch.randn(batch, dtype=F64)
    loss = ((p - (t[:, None] if targets == "(batch, 1)" else t)) ** 2).mean()
    (slope,) = torch.autograd.grad(loss, p)
    to_mean, to_own = 2 * (p - t.mean()) / batch, 2 * (p - t) / batch
    show(bars(range(batch), {"gradient": slope, "towards the mean": to_mean, "towards its own target": to_own}))
    expect("loss less mean (p − t̄)² less Var(t)", loss - ((p - t.mean()) ** 2).mean() - t.var(correction=0), equals=0, within=1e-12)
    expect("gradient less 2 (p − t̄) / batch", slope - to_mean, equals=0, within=1e-12)


@breaks(way="products", en="|x|² + |y|² − 2 x·y needs n² numbers at a time and none of n² · width.",
        zh="|x|² + |y|² − 2 x·y 每次只需 n² 个数，不需要 n² · width 个。")
def claim_pairwise_differences_hold_every_coordinate(points=(32, 64, 128), width=32, way="broadcast"):
    """(n, 1, width) − (1, n, width) writes n² · width numbers before the sum over coordinates shrinks them to n².

    (n, 1, width) − (1, n, width) 先写出 n² · width 个数，对坐标求和之后才缩为 n² 个。"""
    def broadcast(x: Tensor) -> Tensor:
        return ((x[:, None] - x[None]) ** 2).sum(-1)

    def products(x: Tensor) -> Tensor:
        square = (x**2).sum(-1)
        return square[:, None] + square[None] - 2 * (x @ x.T)

    held = [peak_bytes({"broadcast": broadcast, "products": products}[way], torch.randn(n, width)) for n in points]
    show(lines("points", points, {"peak bytes": held, "n² · width · 4": [n * n * width * 4 for n in points]}))
    for n, peak in zip(points, held, strict=True):
        expect(f"peak bytes over n² · width · 4 at n = {n}", peak / (n * n * width * 4), at_least=1)


@breaks(repeated="repeat", en="repeat copies at once.", zh="repeat 立即拷贝。")
def claim_expand_repeats_by_a_stride_of_zero(batch=4, repeats=8, repeated="expand"):
    """unsqueeze and expand repeat a tensor without a byte of new storage: the repeated dimension has stride 0.

    unsqueeze 与 expand 重复一个张量，不需要一个字节的新存储：被重复的维步长为 0。"""
    x = torch.randn(batch)
    y = x.unsqueeze(0).expand(repeats, -1) if repeated == "expand" else x.unsqueeze(0).repeat(repeats, 1)
    expect("new bytes", tensor_bytes(x, y) - x.nbytes, equals=0)
    expect("stride of the repeated dimension", y.stride(0), equals=0)


def drill_pairwise(rng) -> Drill:
    """Memory of broadcast pairwise differences."""
    n, width = rng.choice([(1024, 256), (2048, 128), (4096, 64), (1024, 1024), (8192, 64), (2048, 512)])
    return Drill(
        en=f"x has shape ({n}, {width}) in fp32. How many GiB does x[:, None] − x[None] take?",
        zh=f"x 的形状为 ({n}, {width})，fp32。x[:, None] − x[None] 占多少 GiB？",
        answer=n * n * width * 4 / 2**30,
        steps=[(f"it has shape ({n}, {n}, {width})", f"其形状为 ({n}, {n}, {width})"),
               (f"{n}² · {width} · 4 / 2^30 = {n * n * width * 4 / 2**30:g} GiB",) * 2],
        proved_by="pairwise_differences_hold_every_coordinate",
    )


ZH = {
    "x + y": "x + y", "as said": "与所说一致", "pairs of shapes as said": "与所说一致的形状对数", "gradient": "梯度",
    "towards the mean": "拉向均值", "towards its own target": "拉向各自的目标",
    "loss less mean (p − t̄)² less Var(t)": "损失减去 (p − t̄)² 的均值与 Var(t)",
    "gradient less 2 (p − t̄) / batch": "梯度与 2 (p − t̄) / batch 之差", "n² · width · 4": "n² · 宽度 · 4",
    "points": "点数", "peak bytes": "峰值字节数",
    "peak bytes over n² · width · 4 at n = {}": "n = {} 时峰值字节数与 n² · width · 4 之比",
    "new bytes": "新增的字节数", "stride of the repeated dimension": "被重复的维的步长",
}  # fmt: skip

if __name__ == "__main__":
    main()
