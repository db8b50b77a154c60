r"""Three ways in torch, one step of Adam: DDP keeps all on each rank, ZeroRedundancyOptimizer shards the moments, fully_shard everything.

torch 的三种做法，同样的 Adam：DDP 每个 rank 全存，ZeroRedundancyOptimizer 只切动量，fully_shard 全切。

torch 2.13; collectives are counted where torch dispatches them. Turn `reshard` to "never": fully_shard gathers once
and moves as little as DDP. 把 `reshard` 改为 "never"：fully_shard 只收集一次，通信量与 DDP 相同。
"""

import warnings

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from studyapp.evidence import Drill, bars, between, breaks, expect, main, on_ranks, one_of, show
from studyapp.evidence.tools import Adam, randn

LR, WAYS = 0.01, ("DDP", "DDP + ZeroRedundancyOptimizer", "fully_shard")
#: What a rank sends in a ring, of a tensor of P numbers, over P(N−1)/N; a broadcast is passed on by all ranks but the last.
SENDS = {"allreduce_": 2, "_allgather_base_": 1, "_reduce_scatter_base_": 1, "broadcast_": 1}


class Collectives(TorchDispatchMode):
    """The collectives that run inside: name, numbers in the whole tensor, and its bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, int, int]] = []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        name = op.overloadpacket.__name__
        if name in SENDS:
            tensors = args[1] if name == "_reduce_scatter_base_" else args[0]      # the whole one of input and output
            for t in [tensors] if isinstance(tensors, Tensor) else tensors:
                self.log.append((name, t.numel(), t.nbytes))
        return op(*args, **(kwargs or {}))


def weights(sizes: str) -> list[Tensor]:
    """Four matrices of one size, or the first ten times as large, as an embedding is."""
    shapes = [(16, 16 if sizes == "equal" else 160)] + [(16, 16)] * 3
    return [randn(*shape, seed=k) / shape[1] ** 0.5 for k, shape in enumerate(shapes)]


class Layers(nn.Module):
    """tanh layers of given weights; with float32 parameters."""

    def __init__(self, sizes: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(*w.shape[::-1], bias=False) for w in weights(sizes))
        for layer, w in zip(self.layers, weights(sizes), strict=True):
            layer.weight.data.copy_(w)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x


def local(t: Tensor) -> Tensor:
    """What this rank holds of a tensor: the shard of a DTensor, else all of it."""
    return t.to_local() if hasattr(t, "to_local") else t


def train(rank: int, ranks: int, way: str, sizes: str, steps: int, reshard: str, gradients: str) -> tuple:
    """Some steps on a rank's rows: the parameters at the end, the collectives of the last step, the numbers held."""
    warnings.simplefilter("ignore")
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.optim import ZeroRedundancyOptimizer
    from torch.nn.parallel import DistributedDataParallel

    model = Layers(sizes)
    if way == "fully_shard":
        for layer in model.layers:                                   # a group each; the root has no parameter left
            fully_shard(layer, reshard_after_forward=reshard == "after forward")
        fully_shard(model)
        model.set_requires_gradient_sync(gradients == "averaged")
    else:
        model = DistributedDataParallel(model)
        model.require_backward_grad_sync = gradients == "averaged"
    if way == WAYS[1]:
        adam = ZeroRedundancyOptimizer(model.parameters(), optimizer_class=torch.optim.Adam, lr=LR)
    else:
        adam = torch.optim.Adam(model.parameters(), lr=LR)
    x, target = randn(ranks, 4, weights(sizes)[0].shape[1], seed=8)[rank], randn(ranks, 4, 16, seed=9)[rank]
    for _ in range(steps):
        adam.zero_grad()
        with Collectives() as seen:
            (model(x) - target).square().mean().backward()
            if gradients == "averaged":
                adam.step()
    inner = adam.optim if way == WAYS[1] else adam
    held = [sum(local(p).numel() for p in model.parameters()),
            sum(local(p.grad).numel() for p in model.parameters() if p.grad is not None),
            sum(local(v).numel() for state in inner.state.values() for v in state.values() if v.dim())]
    ends = [p.full_tensor() if hasattr(p, "full_tensor") else p for p in model.parameters()]
    return torch.cat([p.detach().flatten() for p in ends]).tolist(), seen.log, held


def all_ways(rank: int, ranks: int, *args) -> list[tuple]:
    """Each way on the same ranks."""
    return [train(rank, ranks, way, *args) for way in WAYS]


def run(ranks: int, sizes="equal", steps=3, reshard="after forward", gradients="averaged") -> list[list[tuple]]:
    """`all_ways` of every rank; what the ranks need is imported before they are forked."""
    import torch.distributed.fsdp
    import torch.distributed.optim

    torch.optim.Adam([nn.Parameter(torch.zeros(1))])
    return on_ranks(all_ways, ranks, sizes, steps, reshard, gradients)


RANGES = {
    "ranks": one_of(2, 4), "sizes": one_of("equal", "unequal"), "steps": between(2, 4),
    "reshard": one_of("after forward", "never"), "gradients": one_of("averaged", "own"),
}  # fmt: skip


@breaks(gradients="own", en="Without the reduction nothing is exchanged, and no step can be the whole batch's.",
        zh="不做归约就什么也没交换，任何一步都不会是整个 batch 的更新。")
@breaks(sizes="unequal", en="ZeroRedundancyOptimizer hands out whole tensors: where they are unequal, so are the ranks' shares.",
        zh="ZeroRedundancyOptimizer 按整个张量分配：张量大小不等，各 rank 的份额也就不等。")
def claim_one_step_three_ways_to_hold_it(ranks=2, steps=2, sizes="equal", gradients="averaged"):
    """All three end with the parameters of Adam in one process. Each rank of DDP holds everything; ZeroRedundancyOptimizer on equal
    tensors shards Adam's moments alone; fully_shard shards parameters, gradients and moments.

    三者的参数最后都等于单进程的 Adam。DDP 每个 rank 全存；张量等大时 ZeroRedundancyOptimizer 只切 Adam 的动量；
    fully_shard 把参数、梯度、动量全切。"""
    results = run(ranks, sizes, steps, gradients=gradients)[0]
    alone = [nn.Parameter(w) for w in weights(sizes)]
    adam = Adam(alone, LR)
    x, target = randn(ranks, 4, alone[0].shape[1], seed=8).flatten(0, 1), randn(ranks, 4, 16, seed=9).flatten(0, 1)
    for _ in range(steps):
        y = x
        for w in alone:
            y = torch.tanh(y @ w.T)
        adam.step((y - target).square().mean())
    gaps = (torch.tensor([end for end, _, _ in results]) - torch.cat([w.detach().flatten() for w in alone])).abs().amax(1)
    whole, n, kinds = sum(w.numel() for w in alone), ranks, ("parameters", "gradients", "moments")
    shares = [[held[k] / whole for k in range(3)] for _, _, held in results]
    show(bars(WAYS, {kind: [s[k] for s in shares] for k, kind in enumerate(kinds)}, y_label="numbers per parameter, rank 0"))
    # float32: a gradient of 1e-3 rounds by 1e-9; Adam divides by its size where it is small: 1e-2 of a step of lr, at most
    expect("parameters less those of one process", gaps, equals=0, within=LR / 100, at=("way", WAYS))
    for way, got, wanted in zip(WAYS, shares, ([1, 1, 2], [1, 1, 2 / n], [1 / n, 1 / n, 2 / n]), strict=True):
        expect(f"numbers per parameter on rank 0, {way}", got, equals=wanted, within=1e-9, at=("kind", kinds))


@breaks(reshard="never", en="Kept after forward, the parameters are not gathered again: 2, as in DDP.",
        zh="前向后不释放参数，就不再收集：2，与 DDP 相同。")
def claim_only_ddp_moves_two(ranks=2, reshard="after forward"):
    """In rings DDP moves 2(N−1)/N numbers per parameter and step. DDP with ZeroRedundancyOptimizer moves 3(N−1)/N, an all-reduce
    and broadcasts, and fully_shard 3(N−1)/N, two gathers and a reduce-scatter.

    按 ring 计，DDP 每步每参数搬运 2(N−1)/N 个数；DDP 加 ZeroRedundancyOptimizer 为 3(N−1)/N（all-reduce 加 broadcast），
    fully_shard 为 3(N−1)/N（两次 all-gather 加一次 reduce-scatter）。"""
    whole = sum(w.numel() for w in weights("equal"))
    logs = [log for _, log, _ in run(ranks, reshard=reshard)[0]]
    names = ("allreduce_", "broadcast_", "_allgather_base_", "_reduce_scatter_base_")
    words = ("all-reduce", "broadcast", "all-gather", "reduce-scatter")
    moved = {word: [sum(SENDS[n] * size for n, size, _ in log if n == name) / whole for log in logs]
             for name, word in zip(names, words, strict=True)}
    show(bars(WAYS, moved, y_label="numbers sent over P(N−1)/N"))
    expect("numbers sent over P(N−1)/N", [sum(column) for column in zip(*moved.values(), strict=True)], equals=[2, 3, 3],
           within=1e-9, at=("way", WAYS))


def drill_held(rng) -> Drill:
    """fp32 bytes per rank for one of the three ways."""
    millions, ranks, way = rng.choice([100, 250, 500, 1000]), rng.choice([2, 4, 8]), rng.choice(WAYS)
    held = [4 * (1 / ranks if way == WAYS[2] else 1)] * 2 + [8 * (1 if way == WAYS[0] else 1 / ranks)]
    value = millions * sum(held) / 1000
    return Drill(
        en=f"A float32 model of {millions}M parameters in tensors of one size trains with Adam on {ranks} ranks by {way}. How many GB "
           "(1e9 bytes) of parameters, gradients and moments does a rank hold?",
        zh=f"float32 模型共 {millions}M 参数，各张量等大，{ranks} 个 rank 用 {way} 加 Adam 训练。"
           "每个 rank 持有的参数、梯度、动量共多少 GB（1e9 字节）？",
        answer=value,
        steps=[(f"bytes per parameter: {held[0]:g} + {held[1]:g} + {held[2]:g}", f"每参数字节：{held[0]:g} + {held[1]:g} + {held[2]:g}"),
               (f"{millions / 1000:g} · {sum(held):g} = {value:g} GB",) * 2],
        proved_by="one_step_three_ways_to_hold_it",
    )


ZH = {
    "way": "做法", "DDP": "DDP", "DDP + ZeroRedundancyOptimizer": "DDP + ZeroRedundancyOptimizer", "fully_shard": "fully_shard",
    "parameters less those of one process": "参数减单进程的参数",
    "parameters": "参数", "gradients": "梯度", "moments": "动量", "numbers per parameter, rank 0": "每参数的数，rank 0",
    "numbers per parameter on rank 0, {}": "rank 0 上每参数的数，{}", "kind": "种类", "all-reduce": "all-reduce",
    "broadcast": "broadcast", "all-gather": "all-gather", "reduce-scatter": "reduce-scatter",
    "numbers sent over P(N−1)/N": "发送的数与 P(N−1)/N 之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
