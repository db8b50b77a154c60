r"""Muon orthogonalises whole matrices: shards give another update, so ranks own whole matrices, packed to equal loads.

Muon 对整个矩阵做正交化：按分片更新结果不同，所以每个 rank 拥有若干完整的矩阵，并按负载装箱。

Jordan 2024, and Liu et al. 2025, §2.3. Turn `owner` to "row shards": each rank orthogonalises its rows alone, and the weights differ.
把 `owner` 改为 "row shards"：每个 rank 只对自己的行做正交化，权重就不同了。
"""

from collections import Counter
from itertools import product

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    heatmap,
    lines,
    main,
    on_ranks,
    one_of,
    show,
)
from studyapp.evidence.tools import randn

QUINTIC, STEPS, LR, MU = (3.4445, -4.7750, 2.0315), 5, 0.02, 0.95


@exercise(claims=("five_steps_bring_singular_values_near_one", "shards_are_orthogonalised_differently"),
          wrong=("stops_after_one_step", "multiplies_entries", "takes_the_sign"))
def orthogonalise(g: Tensor) -> Tensor:
    """Newton–Schulz as in Muon: STEPS times X = aX + (bA + cA²)X with A = XXᵀ and (a, b, c) = QUINTIC, begun with X = g over its
    Frobenius norm. g and the result are (rows, columns), rows ≤ columns.

    Muon 的 Newton–Schulz 迭代：从 X = g 除以自身 Frobenius 范数开始，做 STEPS 次 X = aX + (bA + cA²)X，其中 A = XXᵀ，
    (a, b, c) = QUINTIC。g 与结果都是 (rows, columns)，rows ≤ columns。"""
    a, b, c = QUINTIC
    x = g / g.norm()                                                 # all singular values at most 1
    for _ in range(STEPS):
        square = x @ x.T                                             # (rows, rows)
        x = a * x + (b * square + c * square @ square) @ x
    return x


@exercise(claims=("largest_first_packs_within_four_thirds",), wrong=("in_turn", "fills_one_rank", "smallest_first"))
def assign(sizes: list, ranks: int) -> list:
    """The rank of each matrix: largest first, each to the rank with the least numbers so far (of equals, the first). sizes: numbers in each
    matrix; returned: a rank for each, in the order of sizes.

    每个矩阵归哪个 rank：从大到小，依次给当前数量最少的 rank（相同则取编号小的）。sizes：各矩阵的元素数；返回与 sizes 同序的 rank 列表。"""
    loads, owner = [0] * ranks, [0] * len(sizes)
    for k in sorted(range(len(sizes)), key=lambda k: -sizes[k]):     # largest first
        owner[k] = loads.index(min(loads))                           # the least loaded rank
        loads[owner[k]] += sizes[k]
    return owner


def polynomial_steps(s: Tensor) -> Tensor:
    """What the iteration does to singular values."""
    for _ in range(STEPS):
        s = QUINTIC[0] * s + QUINTIC[1] * s**3 + QUINTIC[2] * s**5
    return s


def heaviest(sizes: list, owner: list, ranks: int) -> int:
    """Numbers on the fullest rank."""
    return max(sum(size for size, r in zip(sizes, owner, strict=True) if r == rank) for rank in range(ranks))


def shapes(blocks: int, width: int) -> list[tuple[int, int]]:
    """Four square matrices and two of FFN shape per block; rows ≤ columns."""
    return blocks * ([(width, width)] * 4 + [(width, 4 * width)] * 2)


def gradients(blocks: int, width: int, rank: int, step: int) -> list[Tensor]:
    """What one rank's backward pass might give, seeded."""
    return [randn(*shape, seed=1000 * step + 10 * k + rank, dtype=torch.float64) for k, shape in enumerate(shapes(blocks, width))]


def train(rank: int, ranks: int, blocks: int, width: int, steps: int, owner: str) -> tuple:
    """Muon with momentum on matrices that ranks own, or on row shards: weights at the end, momentum numbers on this rank."""
    weights = [torch.zeros(*shape, dtype=torch.float64) for shape in shapes(blocks, width)]
    mine = assign([w.numel() for w in weights], ranks)
    momenta = {}
    for step in range(steps):
        for k, g in enumerate(gradients(blocks, width, rank, step)):
            dist.all_reduce(g)
            rows = slice(None) if owner == "whole matrices" else slice(rank * len(g) // ranks, (rank + 1) * len(g) // ranks)
            if owner == "whole matrices" and mine[k] != rank:
                continue                                             # another rank's matrix: no momentum, no update here
            momenta[k] = MU * momenta.get(k, 0) + g[rows] / ranks
            weights[k][rows] -= LR * orthogonalise(momenta[k])
        for k, w in enumerate(weights):
            if owner == "whole matrices":
                dist.broadcast(w, mine[k])                           # updated parameters to everybody
            else:
                dist.all_gather_single(w, w[rank * len(w) // ranks : (rank + 1) * len(w) // ranks].clone())
    return torch.cat([w.flatten() for w in weights]).tolist(), sum(m.numel() for m in momenta.values())


class Collectives(TorchDispatchMode):
    """Counts the collectives that run inside, also those that a DTensor's operator makes."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter = Counter()

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        if any(kind.__name__ == "DTensor" for kind in types):
            return NotImplemented                                    # first the DTensor, which runs what it needs
        self.counts[op.overloadpacket.__name__] += op.namespace == "_c10d_functional"
        return op(*args, **(kwargs or {}))


def sharded_rows(rank: int, ranks: int, rows: int, columns: int, held: str) -> tuple:
    """A matrix that lies in row shards, orthogonalised: this rank's rows, and the collectives that ran, by kind."""
    g = randn(rows, columns, seed=6, dtype=torch.float64).chunk(ranks)[rank]
    if held == "local rows":
        return orthogonalise(g).tolist(), {}
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Shard

    whole = DTensor.from_local(g, init_device_mesh("cpu", (ranks,)), [Shard(0)])
    with Collectives() as seen:
        x = orthogonalise(whole)
    return x.to_local().tolist(), seen.counts


def run_sharded(ranks: int, rows: int, columns: int, held: str) -> list:
    """`sharded_rows` of every rank; what a DTensor needs is imported before they are forked."""
    if held == "DTensor":
        import torch._dynamo  # which a DTensor's first operator loads
        import torch.distributed.tensor  # noqa: F401
    return on_ranks(sharded_rows, ranks, rows, columns, held)


RANGES = {
    "held": one_of("DTensor", "local rows"), "rows": between(8, 32, multiple_of=8), "columns": between(32, 64), "parts": one_of(2, 4),
    "owner": one_of("whole matrices", "row shards"),
    "ranks": one_of(2, 4), "blocks": between(1, 2), "width": between(8, 16, multiple_of=8), "steps": between(1, 3),
    "update": one_of("Muon", "sign"), "sizes": each(between(1, 40), at_least=5, at_most=8), "rule": one_of("largest first", "in turn"),
    "polynomial": one_of("quintic", "none"),
}  # fmt: skip


@breaks(polynomial="none", en="Scaled by its norm alone the matrix keeps the spread of its singular values.",
        zh="只除以范数，矩阵奇异值的差距原样保留。")
def claim_five_steps_bring_singular_values_near_one(rows=16, columns=48, polynomial="quintic"):
    """Five Newton–Schulz steps keep the singular vectors and bring all singular values between 0.5 and 1.5: near U·Vᵀ, not exactly
    it.

    五步 Newton–Schulz 不改变奇异向量，把全部奇异值带到 0.5 与 1.5 之间：接近 U·Vᵀ，但并不精确相等。"""
    g = randn(rows, columns, seed=5, dtype=torch.float64)
    u, s, v = torch.linalg.svd(g, full_matrices=False)
    inside = u.T @ (orthogonalise(g) if polynomial == "quintic" else g / g.norm()) @ v.T
    show(lines("singular value", range(1, rows + 1), {"before, over the largest": s / s[0], "after": inside.diagonal()}))
    # float64: a dozen products of numbers of order 1
    expect("off the diagonal in the gradient's singular vectors", inside - inside.diagonal().diag(), equals=0, within=1e-9)
    expect("singular values, the smallest", inside.diagonal().min(), at_least=0.5)
    expect("singular values, the largest", inside.diagonal().max(), at_most=1.5)


@breaks(update="sign", en="An elementwise update, the sign of each number, is the same cut or whole.",
        zh="逐元素的更新（每个数取符号）切不切都一样。")
def claim_shards_are_orthogonalised_differently(rows=16, columns=32, parts=2, update="Muon"):
    """Orthogonalised in row shards a random matrix moves over 10% of the update's norm away from the whole's: the rows of different
    shards stay correlated.

    随机矩阵按行分片分别正交化，与整体正交化之差超过更新范数的 10%：不同分片的行之间仍然相关。"""
    g = randn(rows, columns, seed=6, dtype=torch.float64)
    f = orthogonalise if update == "Muon" else torch.sign
    whole, cut = f(g), torch.cat([f(part) for part in g.chunk(parts)])
    show(heatmap(cut @ cut.T, title="rows with rows, orthogonalised in shards"))
    expect("difference over the whole update's norm", (cut - whole).norm() / whole.norm(), at_least=0.1)
    between_shards = (cut @ cut.T)[: rows // parts, rows // parts :]
    expect("largest product of rows of different shards, over the whole's", between_shards.abs().max()
           / (whole @ whole.T)[: rows // parts, rows // parts :].abs().max(), at_least=1.2)


@breaks(held="local rows", en="Taken out of the DTensor, each rank's rows are orthogonalised apart.",
        zh="从 DTensor 里取出本地的行，各 rank 就各自正交化了。")
def claim_a_dtensor_gathers_in_every_iteration(ranks=2, rows=16, columns=32, held="DTensor"):
    """On a DTensor in row shards the same iteration gives the whole matrix's update, for an all-reduce and three all-gathers per
    iteration.

    矩阵若是按行切分的 DTensor，同样的迭代得到整个矩阵的更新；代价是一次 all-reduce，以及每次迭代三次 all-gather。"""
    runs = run_sharded(ranks, rows, columns, held)
    u, s, v = torch.linalg.svd(randn(rows, columns, seed=6, dtype=torch.float64), full_matrices=False)
    after = polynomial_steps(s / s.norm())
    gathers, reductions = (runs[0][1].get(name, 0) for name in ("all_gather_into_tensor", "all_reduce"))
    show(bars(["all-gathers", "all-reduces"], {"collectives of one matrix": [gathers, reductions]}))
    whole = torch.tensor([row for mine, _ in runs for row in mine], dtype=torch.float64)
    expect("largest difference from the whole matrix's update", (whole - (u * after) @ v).abs().max(), equals=0, within=1e-9)
    expect("all-gathers per iteration", gathers / STEPS, equals=3)
    expect("all-reduces", reductions, equals=1)


@breaks(owner="row shards", en="Each rank orthogonalises its own rows: the weights are not those of one process.",
        zh="每个 rank 只对自己的行做正交化：权重与单进程不同。")
def claim_whole_matrix_owners_equal_one_process(ranks=2, blocks=1, width=8, steps=2, owner="whole matrices"):
    """Where each rank owns whole matrices, updates them and sends them to all, the weights are those of Muon in one process, and
    the momenta of all ranks together are one copy.

    每个 rank 拥有若干完整矩阵，更新后发给所有人，权重与单进程的 Muon 相同；各 rank 的动量合起来正好一份。"""
    runs = on_ranks(train, ranks, blocks, width, steps, owner)
    weights = [torch.zeros(*shape, dtype=torch.float64) for shape in shapes(blocks, width)]
    momenta = [torch.zeros_like(w) for w in weights]
    for step in range(steps):
        each_rank = [gradients(blocks, width, rank, step) for rank in range(ranks)]
        for w, m, *g in zip(weights, momenta, *each_rank, strict=True):
            m.mul_(MU).add_(torch.stack(g).mean(0))
            u, s, v = torch.linalg.svd(m, full_matrices=False)       # the polynomial on singular values: the other way to the same
            w.sub_(LR * (u * polynomial_steps(s / s.norm())) @ v)
    gap = (torch.tensor(runs[0][0], dtype=torch.float64) - torch.cat([w.flatten() for w in weights])).abs().max()
    numbers = sum(w.numel() for w in weights)
    show(bars([f"rank {r}" for r in range(ranks)], {"momentum numbers": [held for _, held in runs]}))
    expect("largest difference from one process", gap, equals=0, within=1e-9)     # float64, a few products of order 1
    expect("momenta of all ranks over the parameters", sum(held for _, held in runs) / numbers, equals=1)


@breaks(rule="in turn", en="Dealt out in turn, one rank may get more than its share.", zh="轮流发放，某个 rank 可能超出应得的份额。")
def claim_largest_first_packs_within_four_thirds(sizes=(4, 4, 7, 6, 5), ranks=2, rule="largest first"):
    """Largest first to the least loaded rank leaves the fullest rank within 4/3 of the best packing; every rank's bucket is
    padded to the fullest.

    从大到小、每次给最空的 rank，最满的 rank 不超过最优装箱的 4/3；每个 rank 的桶都要补齐到最满的那个。"""
    sizes = list(sizes)
    owner = assign(sizes, ranks) if rule == "largest first" else [k % ranks for k in range(len(sizes))]
    best = min(heaviest(sizes, way, ranks) for way in product(range(ranks), repeat=len(sizes)))
    loads = [sum(s for s, r in zip(sizes, owner, strict=True) if r == rank) for rank in range(ranks)]
    show(bars([f"rank {r}" for r in range(ranks)], {"numbers owned": loads, "padding": [max(loads) - load for load in loads]}))
    # Graham 1969: 4/3 − 1/(3·ranks)
    expect("fullest rank over the best packing's", max(loads) / best, at_most=4 / 3 - 1 / (3 * ranks))
    expect("numbers owned by all ranks", sum(loads), equals=sum(sizes))


def drill_padding(rng) -> Drill:
    """Padding of buckets when ranks own whole matrices."""
    sizes = rng.choice([(16, 16, 4, 4, 4, 4), (16, 16, 16, 4, 4, 4, 4), (64, 16, 16, 16), (12, 8, 8, 4, 4), (16, 12, 12, 8, 8)])
    ranks = rng.choice([2, 3])
    full, total = heaviest(list(sizes), assign(list(sizes), ranks), ranks), sum(sizes)
    value = 100 * (ranks * full - total) / total
    return Drill(
        en=f"Matrices of {', '.join(map(str, sizes))} million numbers go whole to {ranks} ranks, largest first, each to the least loaded; "
           "all buckets are padded to the fullest. How many per cent of padding, over the numbers that there are?",
        zh=f"大小为 {'、'.join(map(str, sizes))} 百万个数的矩阵，整个地分给 {ranks} 个 rank：从大到小，每次给最空的；"
           "所有桶补齐到最满的。补齐占真实数量的百分之几？",
        answer=value, within=max(0.5, 0.01 * value),
        steps=[(f"fullest rank: {full} million", f"最满的 rank：{full} 百万"),
               (f"({ranks} · {full} − {total}) / {total} = {value:.1f}%",) * 2],
        proved_by="largest_first_packs_within_four_thirds",
    )


ZH = {
    "singular value": "奇异值", "before, over the largest": "之前，与最大的之比", "after": "之后",
    "off the diagonal in the gradient's singular vectors": "在梯度的奇异向量下的非对角元",
    "singular values, the smallest": "最小奇异值", "singular values, the largest": "最大奇异值",
    "rows with rows, orthogonalised in shards": "分片正交化后，行与行的内积",
    "difference over the whole update's norm": "差与整体更新范数之比",
    "largest product of rows of different shards, over the whole's": "不同分片的行的最大内积，与整体之比",
    "all-gathers": "all-gather 次数", "all-reduces": "all-reduce 次数", "collectives of one matrix": "一个矩阵的集合通信次数",
    "largest difference from the whole matrix's update": "与整个矩阵的更新的最大差",
    "all-gathers per iteration": "每次迭代的 all-gather 次数",
    "rank {}": "rank {}", "momentum numbers": "动量的数", "largest difference from one process": "与单进程的最大差",
    "momenta of all ranks over the parameters": "各 rank 动量之和与参数之比", "numbers owned": "拥有的数", "padding": "补齐",
    "fullest rank over the best packing's": "最满的 rank 与最优装箱之比", "numbers owned by all ranks": "各 rank 拥有的数之和",
}  # fmt: skip

if __name__ == "__main__":
    main()
