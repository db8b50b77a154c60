r"""gather reads by a one-hot matrix, scatter_add writes by its transpose: adjoints, and inverses only for permutations.

gather 按 one-hot 矩阵读，scatter_add 按它的转置写：二者互为伴随，只有索引是排列时才互逆。

torch.gather, torch.Tensor.scatter_add_. Turn `index` to "subset" or "repeated": what is not read, or written twice, is lost.
把 `index` 改为 "subset" 或 "repeated"：没读到的、写了两次的，就丢了。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, heatmap, main, one_of, show, table
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


@exercise(claims=("gather_and_scatter_add_are_transposes", "scatter_follows_its_loop"),
          wrong=("repeats_the_index", "marks_the_last_only", "scatters_along_rows"))
def one_hot(index: Tensor, size: int) -> Tensor:
    """Zeros with a one at each index: index is (rows, k) of integers below size, the result (rows, k, size), in float64 and
    without a loop.

    每个索引处为 1、其余为 0：index 为 (rows, k) 的整数，都小于 size，结果为 (rows, k, size)，float64，不用循环。"""
    zeros = torch.zeros(*index.shape, size, dtype=F64)
    return zeros.scatter_(-1, index.unsqueeze(-1), 1.0)              # along the last axis, one write for each index


def drawn(rows: int, size: int, index: str) -> Tensor:
    """Indices below size for each row: a permutation, all but one of it, or some drawn twice."""
    order = torch.rand(rows, size).argsort(1)
    if index == "subset":
        return order[:, :-1]
    if index == "repeated":
        order[:, 1] = order[:, 0]
    return order


RANGES = {
    "rows": between(1, 16), "size": between(3, 16), "k": between(1, 16), "index": one_of("permutation", "subset", "repeated"),
    "dim": one_of(0, 1), "way": one_of("add", "overwrite"), "width": between(2, 16), "tokens": between(4, 32),
}  # fmt: skip


@breaks(dim=0, en="Along dimension 0 the column stays and the row is looked up.", zh="沿第 0 维时，列不变，按索引查的是行。")
def claim_scatter_follows_its_loop(size=6, dim=1):
    """zeros.scatter_(1, index, v) writes v at [i, index[i, j]]: the first argument is the dimension, the value comes last, and
    True is stored as 1.

    zeros.scatter_(1, index, v) 在 [i, index[i, j]] 处写 v：第一个参数是维度，值在最后，True 存为 1。"""
    index = torch.rand(size, size).argsort(1)[:, :2]                                 # two different columns in each row
    found = torch.zeros(size, size).scatter_(dim, index, True)
    by_hand = torch.zeros(size, size)
    for i in range(size):
        for j in range(2):
            by_hand[i, index[i, j]] = 1.0
    show(heatmap(found, x_label="column", y_label="row"))
    expect("result less the loop's", found - by_hand, equals=0)
    expect("ones from the one-hot matrix less the result's", one_hot(index, size).sum(1) - found, equals=0)


@breaks(way="overwrite", en="Overwriting keeps one of the values that meet, where the transpose adds them.",
        zh="覆盖只留下相遇的值之一，而转置要把它们相加。")
def claim_gather_and_scatter_add_are_transposes(rows=4, size=8, k=12, way="add"):
    """With S the one-hot matrix of a row's indices, gather is S·x and scatter_add is Sᵀ·y, repeated indices included; scatter
    keeps one of the values that meet.

    记 S 为一行索引的 one-hot 矩阵，则 gather 是 S·x，scatter_add 是 Sᵀ·y，索引有重复时也成立；scatter 只留下相遇值中的一个。"""
    index = torch.randint(size, (rows, k))
    index[:, k // 2 :] = index[:, :1]                                                # some for certain twice
    x, y = torch.randn(rows, size, dtype=F64), torch.randn(rows, k, dtype=F64)
    s = one_hot(index, size)                                                         # (rows, k, size)
    written = torch.zeros_like(x)
    written = written.scatter_add_(1, index, y) if way == "add" else written.scatter_(1, index, y)
    expect("gather less S·x", x.gather(1, index) - (s @ x[..., None])[..., 0], equals=0, within=1e-12)
    expect("scatter less Sᵀ·y", written - (s.mT @ y[..., None])[..., 0], equals=0, within=1e-12)
    left = torch.zeros_like(x).scatter_(1, index, y).gather(1, index)                # (rows, k): what stands where y was written
    same_place = index[:, :, None] == index[:, None]                                 # (rows, k, k)
    expect("values left that were written there", (same_place & (left[:, :, None] == y[:, None])).any(2).double(), equals=1)


@breaks(index="subset", en="What was not gathered is zero after scattering.", zh="没有被 gather 到的，scatter 之后是 0。")
@breaks(index="repeated", en="Of two values written to one place one is lost.", zh="写到同一位置的两个值，丢了一个。")
def claim_they_invert_each_other_only_for_permutations(rows=4, size=8, index="permutation"):
    """scatter undoes gather, and gather undoes scatter, where each row's indices are a permutation.

    每行的索引是一个排列时，scatter 能还原 gather，gather 也能还原 scatter。"""
    lost = {}
    for kind in ("permutation", "subset", "repeated"):
        i = drawn(rows, size, kind)
        x, y = torch.randn(rows, size) + 10, torch.randn(i.shape) + 10
        back = torch.zeros_like(x).scatter_(1, i, x.gather(1, i))
        again = torch.zeros_like(x).scatter_(1, i, y).gather(1, i)
        lost[kind] = [int((back != x).sum()), int((again != y).sum())]
    show(table(["index", "lost by scatter(gather(x))", "lost by gather(scatter(y))"], [[k, *v] for k, v in lost.items()]))
    expect("numbers lost", lost[index], equals=0, at=("order", ("scatter(gather(x))", "gather(scatter(y))")))


@breaks(way="overwrite", en="Overwritten, a token that occurs twice would learn from one of its places only.",
        zh="若是覆盖，出现两次的 token 就只从其中一处学习。")
def claim_the_gradient_of_a_look_up_is_scatter_add(tokens=12, size=6, width=4, way="add"):
    """The gradient of an embedding look-up adds up over all places of a token: it is the scatter_add of the output's gradient.

    嵌入查表的梯度在一个 token 的所有出现处累加：它就是输出梯度的 scatter_add。"""
    ids, weights = torch.randint(size, (tokens,)), torch.randn(tokens, width, dtype=F64)
    ids[-1] = ids[0]
    table_ = torch.randn(size, width, dtype=F64)
    place = ids[:, None].expand(-1, width)
    zeros = torch.zeros(size, width, dtype=F64)
    found = zeros.scatter_add_(0, place, weights) if way == "add" else zeros.scatter_(0, place, weights)
    slope = finite_difference(lambda e: (F.embedding(ids, e) * weights).sum(), table_)
    show(heatmap(found, x_label="width", y_label="token id"))
    # central differences of a linear function: rounding of the sum, 1e-15 · 50 / 1e-6
    expect("scatter_add less the measured gradient", found - slope, equals=0, within=1e-7)


def drill_twice(rng) -> Drill:
    """What scatter_add makes of repeated indices."""
    values = [rng.randint(1, 9) for _ in range(4)]
    index = rng.choice([[0, 2, 2, 1], [1, 1, 0, 1], [2, 0, 2, 2], [0, 0, 1, 0]])
    asked = max(set(index), key=index.count)
    total = int(torch.zeros(3, dtype=F64).scatter_add_(0, torch.tensor(index), torch.tensor(values, dtype=F64))[asked])
    parts = [v for v, i in zip(values, index, strict=True) if i == asked]
    return Drill(
        en=f"What is element {asked} of torch.zeros(3).scatter_add_(0, index, src) with index {index} and src {values}?",
        zh=f"index 为 {index}，src 为 {values}，torch.zeros(3).scatter_add_(0, index, src) 的第 {asked} 个元素（从 0 数）是多少？",
        answer=total, within=0.01,
        steps=[(f"index {asked} is met by {parts}", f"索引 {asked} 对应 {parts}"), (f"they add up to {total}", f"相加得 {total}")],
        proved_by="gather_and_scatter_add_are_transposes",
    )


ZH = {
    "column": "列", "row": "行", "result less the loop's": "结果与循环之差",
    "ones from the one-hot matrix less the result's": "one-hot 矩阵之和与结果之差",
    "gather less S·x": "gather 与 S·x 之差", "scatter less Sᵀ·y": "scatter 与 Sᵀ·y 之差",
    "values left that were written there": "留下的是写到此处的值之一（1 为是）", "index": "索引",
    "permutation": "排列", "subset": "子集", "repeated": "有重复",
    "lost by scatter(gather(x))": "scatter(gather(x)) 丢失", "lost by gather(scatter(y))": "gather(scatter(y)) 丢失",
    "scatter(gather(x))": "scatter(gather(x))", "gather(scatter(y))": "gather(scatter(y))",
    "numbers lost": "丢失的数", "order": "次序", "token id": "token id", "width": "宽度",
    "scatter_add less the measured gradient": "scatter_add 与实测梯度之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
