r"""All-reduce is a reduce-scatter and then an all-gather; the backward of a collective is a collective.

all-reduce 就是先 reduce-scatter 再 all-gather；集合通信的反向也是集合通信。

Real gloo ranks against one process that holds all of them. Turn `way` to "all-gather only": nothing was
added. 把 `way` 改为 "all-gather only"：什么都没有相加。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    exercise,
    expect,
    heatmap,
    main,
    on_ranks,
    one_of,
    show,
    table,
)


@exercise(
    claims=("all_reduce_is_reduce_scatter_then_all_gather",),
    wrong=("only_gathers", "averages", "drops_the_tail"),
)
def all_reduce(x: Tensor, ranks: int) -> Tensor:
    """The sum of x (n,) over the ranks, of any n, by dist.reduce_scatter_single(part, whole) and
    dist.all_gather_single(whole, part) alone; whole is `ranks` times as long as part.

    x (n,) 在各 rank 上的和，n 任意；只用 dist.reduce_scatter_single(part, whole) 与
    dist.all_gather_single(whole, part)，whole 的长度是 part 的 `ranks` 倍。"""
    whole = F.pad(x, (0, -len(x) % ranks))              # (ranks · m,): every rank gets m of them
    part = torch.empty(len(whole) // ranks)             # (m,)
    dist.reduce_scatter_single(part, whole)             # sums: rank r owns chunk r of the total
    dist.all_gather_single(whole, part)            # concatenates: no sum any more
    return whole[: len(x)]


def sums(rank: int, ranks: int, numbers: int, way: str, seed: int) -> int:
    """Numbers that differ from torch's all_reduce."""
    x = torch.randint(-9, 9, (numbers,), generator=torch.Generator().manual_seed(seed + rank)).float()
    mine = x.clone() if way == "all-gather only" else all_reduce(x, ranks)
    dist.all_reduce(x)                                                  # integers: exact in any order
    return int((mine != x).sum())


def exchange(rank: int, ranks: int, collective: str) -> tuple[list[int], list[int], list[int]]:
    """What a rank sends to each rank, what it has after one exchange, and after a second one."""
    sent = torch.tensor([10 * rank + to for to in range(ranks)])
    once, twice = torch.empty_like(sent), torch.empty_like(sent)
    if collective == "all-gather":
        dist.all_gather_single(once, sent[:1].contiguous())
        dist.all_gather_single(twice, once[:1].contiguous())
    else:
        dist.all_to_all_single(once, sent)
        dist.all_to_all_single(twice, once)
    return sent.tolist(), once.tolist(), twice.tolist()


FORWARD = {                       # of x (ranks, ranks, m), where x[r, c] is chunk c of rank r: y[r] per rank
    "all-gather": lambda x: x[:, 0].flatten().expand(len(x), -1),
    "reduce-scatter": lambda x: x.sum(0),
    "all-to-all": lambda x: x.transpose(0, 1).flatten(1),
    "all-reduce": lambda x: x.sum(0).flatten().expand(len(x), -1),
}


def backward(rank: int, ranks: int, gradients: dict, backward_of: str) -> list[list[float]]:
    """By collectives alone: the gradient of this rank's input, where `gradients` has that of each output."""
    g = {name: torch.tensor(rows[rank], dtype=torch.float64) for name, rows in gradients.items()}
    part, whole = torch.empty_like(g["reduce-scatter"]), torch.empty_like(g["all-gather"])
    swapped = torch.empty_like(g["all-to-all"])
    dist.reduce_scatter_single(part, g["all-gather"])
    if backward_of == "own slice":                                      # the wrong way
        part = g["all-gather"].chunk(ranks)[rank]
    dist.all_gather_single(whole, g["reduce-scatter"])
    dist.all_to_all_single(swapped, g["all-to-all"])
    dist.all_reduce(g["all-reduce"])
    return [part.tolist(), whole.tolist(), swapped.tolist(), g["all-reduce"].tolist()]


RANGES = {
    "ranks": between(1, 5),
    "numbers": between(1, 1000),
    "chunk": between(1, 16),
    "way": one_of("reduce-scatter, all-gather", "all-gather only"),
    "collective": one_of("all-to-all", "all-gather"),
    "backward_of": one_of("every rank's loss", "own slice"),
}


@breaks(way="all-gather only", en="An all-gather only collects: without the reduce-scatter nothing is summed.",
        zh="all-gather 只收集；没有 reduce-scatter，就没有任何求和。")
def claim_all_reduce_is_reduce_scatter_then_all_gather(
    ranks=3, numbers=10, way="reduce-scatter, all-gather"
):
    """A reduce-scatter followed by an all-gather leaves on every rank what all-reduce leaves there.

    先 reduce-scatter 再 all-gather，每个 rank 得到的与 all-reduce 相同。"""
    seed = int(torch.randint(1000, ()))                 # the ranks draw from it
    wrong = on_ranks(sums, ranks, numbers, way, seed)
    show(table({"rank": range(ranks), "wrong numbers": wrong}))
    expect("wrong numbers on each rank", wrong, equals=0)


@breaks(collective="all-gather", en="An all-gather gives everybody the same chunk of each rank.",
        zh="all-gather 给每个 rank 的都是各 rank 的同一块。")
def claim_all_to_all_is_a_transpose(ranks=4, collective="all-to-all"):
    """All-to-all sends chunk c of rank r to rank c, which files it as chunk r: a transpose, and a second one
    undoes it.

    all-to-all 把 rank r 的第 c 块发给 rank c，存为它的第 r 块：这是转置，再做一次就还原。"""
    sent, once, twice = (torch.tensor(t) for t in zip(*on_ranks(exchange, ranks, collective), strict=True))
    show(heatmap(sent, x_label="chunk", y_label="rank", title="before: 10 · rank + chunk"),
         heatmap(once, x_label="chunk", y_label="rank", title="after"))
    expect("chunks that are not the transpose", int((once != sent.T).sum()), equals=0)
    expect("chunks that a second one does not bring back", int((twice != sent).sum()), equals=0)


@breaks(backward_of="own slice", en="The gathered tensor enters every rank's loss, and each sends its gradient back.",
        zh="收集到的张量进入每个 rank 的损失，每个 rank 都会传回梯度。")
def claim_backward_of_all_gather_is_reduce_scatter(ranks=3, chunk=2, backward_of="every rank's loss"):
    """Where every rank has a loss of its own: all-gather and reduce-scatter are each other's backward, all-to-all and
    all-reduce their own.

    当每个 rank 各有自己的损失时：all-gather 与 reduce-scatter 互为反向，all-to-all 和 all-reduce 的反向是自身。"""
    seed = int(torch.randint(1000, ()))                 # the ranks draw from it
    x = torch.randn(ranks, ranks, chunk, dtype=torch.float64, requires_grad=True)      # every rank's input
    exact, gradients = [], {}
    for name, forward in FORWARD.items():
        y = forward(x)                                                  # every rank's output, in one process
        g = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        (grad,) = torch.autograd.grad((y * g).sum(), x)
        exact.append(grad[:, 0] if name == "all-gather" else grad.flatten(1))
        gradients[name] = g.tolist()
    got = zip(*on_ranks(backward, ranks, gradients, backward_of), strict=True)
    gaps = [(torch.tensor(rows, dtype=torch.float64) - e).abs().max() for rows, e in zip(got, exact, strict=True)]
    show(table({"forward": FORWARD, "backward": ["reduce-scatter", "all-gather", "all-to-all", "all-reduce"],
                "largest difference from autograd": gaps}))
    # float64, sums of up to 5 normal numbers in another order
    expect("difference from autograd over all ranks at once", gaps, equals=0, within=1e-14)


def drill_after_reduce_scatter(rng) -> Drill:
    """What a rank owns after reduce-scatter."""
    n = rng.choice([3, 4, 5, 8])
    k = rng.randrange(n)
    total = n * (n - 1) // 2 + n * k
    return Drill(
        en=f"Rank r of {n} holds the tensor [r, r+1, …, r+{n - 1}]. What number is left on rank {k} after "
           f"reduce-scatter (sum)?",
        zh=f"共 {n} 个 rank，rank r 持有张量 [r, r+1, …, r+{n - 1}]。做 reduce-scatter（求和）后，rank {k} 上剩下的数是多少？",
        answer=total, within=0,
        steps=[(f"rank {k} owns entry {k}: the sum of r + {k} over r = 0 … {n - 1}",
                f"rank {k} 拥有第 {k} 个元素：对 r = 0 … {n - 1} 求 r + {k} 之和"),
               (f"{n}·{n - 1}/2 + {n}·{k} = {total}", f"{n}·{n - 1}/2 + {n}·{k} = {total}")],
        proved_by="all_reduce_is_reduce_scatter_then_all_gather",
    )


ZH = {
    "rank": "rank",
    "wrong numbers": "错误的数",
    "wrong numbers on each rank": "每个 rank 上错误的数",
    "chunk": "块",
    "before: 10 · rank + chunk": "之前：10 · rank + 块号",
    "after": "之后",
    "chunks that are not the transpose": "与转置不符的块",
    "chunks that a second one does not bring back": "再做一次后没有还原的块",
    "forward": "前向",
    "backward": "反向",
    "largest difference from autograd": "与 autograd 的最大差异",
    "difference from autograd over all ranks at once": "与（所有 rank 放在一个进程里的）autograd 之差",
}

if __name__ == "__main__":
    main()
