r"""fully_shard moves a group at a time: gathered before its forward, freed, gathered again before its backward, reduced once.

fully_shard 以组为单位搬运：前向之前收集，用完释放，反向之前再收集一次，梯度归约一次。

torch 2.13, collectives counted where they are dispatched. Turn `wrap` to "root only": one gather holds the whole model.
把 `wrap` 改为 "root only"：一次收集就是整个模型。
"""

import warnings

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from studyapp.evidence import Drill, bars, between, breaks, expect, main, on_ranks, one_of, show, table
from studyapp.evidence.tools import randn

KINDS = {"_allgather_base_": "all-gather", "_reduce_scatter_base_": "reduce-scatter", "allreduce_": "all-reduce"}


class Collectives(TorchDispatchMode):
    """The collectives that run inside: kind, and bytes of the whole tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, int]] = []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        kind = KINDS.get(op.overloadpacket.__name__)
        if kind:
            whole = args[1] if kind == "reduce-scatter" else args[0]
            self.log.append((kind, sum(t.nbytes for t in ([whole] if isinstance(whole, Tensor) else whole))))
        return op(*args, **(kwargs or {}))


class Model(nn.Module):
    """Linear blocks, and a head that the root owns itself (or not)."""

    def __init__(self, blocks: int, width: int, head: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(blocks))
        self.head = nn.Linear(width, width, bias=False) if head else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = torch.tanh(block(x))
        return self.head(x)


def step(rank: int, ranks: int, blocks: int, width: int, head: bool, micro_batches: int = 1, wrap: str = "each block",
         reshard: str = "default", reduce: str = "each time", dtypes: tuple = (), mesh: tuple = ()) -> tuple:
    """Forward and backward of a step under fully_shard: the collectives, the parameters that the rank holds, whether each mesh
    dimension shards."""
    warnings.simplefilter("ignore")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    torch.manual_seed(0)
    model = Model(blocks, width, head)
    given = {"reshard_after_forward": {"default": None, "never": False}[reshard]}
    if dtypes:
        given["mp_policy"] = MixedPrecisionPolicy(param_dtype=dtypes[0], reduce_dtype=dtypes[1])
    if mesh:                                                         # (replicas, shards): the outer dimension is replicated
        given["mesh"] = init_device_mesh("cpu", mesh, mesh_dim_names=("replicate", "shard"))
    for block in model.blocks if wrap == "each block" else ():       # bottom up: a group of each block, then of the rest
        fully_shard(block, **given)
    fully_shard(model, **given)
    with Collectives() as seen:
        for k in range(micro_batches):
            last = k == micro_batches - 1
            model.set_requires_gradient_sync(reduce == "each time" or last)
            model.set_reshard_after_backward(reshard == "default" or last)
            model(randn(2, width, seed=rank)).square().mean().backward()
    placements = [place.is_shard() for place in model.blocks[0].weight.placements]
    return seen.log, sum(p.to_local().numel() for p in model.parameters()), placements


def run(ranks: int, *steps: dict) -> list[tuple]:
    """`step` with each of these keywords on rank 0 of so many; what the ranks need is imported before they are forked."""
    import torch._dynamo  # what fully_shard loads, once instead of in every rank
    import torch.distributed.fsdp  # noqa: F401

    return on_ranks(one_after_another, ranks, steps)[0]


def one_after_another(rank: int, ranks: int, steps: tuple[dict, ...]) -> list[tuple]:
    """Several steps on the same ranks."""
    return [step(rank, ranks, **given) for given in steps]


def counts(log: list[tuple[str, int]]) -> list[int]:
    """How many all-gathers and reduce-scatters."""
    return [sum(kind == name for kind, _ in log) for name in ("all-gather", "reduce-scatter")]


RANGES = {
    "ranks": between(2, 4), "blocks": between(2, 5), "width": between(12, 48, multiple_of=12), "micro_batches": between(2, 5),
    "wrap": one_of("each block", "root only"), "reshard": one_of("default", "never"), "reduce_dtype": one_of("float32", "bfloat16"),
    "layout": one_of("2 replicas of 2 shards", "4 shards"),
}  # fmt: skip


@breaks(wrap="root only", en="Wrapped at the root alone, all parameters are one group, gathered whole before the first layer runs.",
        zh="只包根模块，全部参数就是一组，第一层运行之前就整个收集好。")
@breaks(reshard="never", en="Never resharded, each group is gathered once: U.", zh="从不重新切分，每组只收集一次：U 次。")
def claim_groups_are_gathered_twice(ranks=2, blocks=3, width=12, wrap="each block", reshard="default"):
    """A step has 2U all-gathers and U reduce-scatters for U groups, less one gather where the root owns parameters: by default
    the root's stay. Nothing resharded after forward, it is U gathers. No gather is larger than a group.

    U 组每步 2U 次 all-gather、U 次 reduce-scatter；若根模块自有参数则少一次收集：默认根的参数留着。前向后都不重新切分，就只收集 U 次。
    每次收集不超过一组。"""
    common = {"blocks": blocks, "width": width, "wrap": wrap, "reshard": reshard}
    bare = {**common, "head": False}
    logs = [log for log, _, _ in run(ranks, bare, {**common, "head": True}, {**bare, "reshard": "never"})]
    largest = max(size for log in logs[:2] for kind, size in log if kind == "all-gather")
    show(table({"root": ["no parameters", "owns the head", "no parameters, nothing resharded"],
                "groups": [blocks, blocks + 1, blocks],
                "all-gathers": [counts(log)[0] for log in logs], "reduce-scatters": [counts(log)[1] for log in logs]}))
    expect("collectives, root without parameters", counts(logs[0]), equals=[2 * blocks, blocks])
    expect("collectives, root with a head", counts(logs[1]), equals=[2 * (blocks + 1) - 1, blocks + 1])
    expect("collectives, nothing resharded", counts(logs[2]), equals=[blocks, blocks])
    expect("largest gather over a group's bytes", largest / (4 * width**2), equals=1)


@breaks(reshard="never", en="Kept from one micro-batch to the next, the parameters are gathered U times in all.",
        zh="参数从一个微批次留到下一个，总共只收集 U 次。")
def claim_accumulation_repeats_every_collective(ranks=2, blocks=3, width=12, micro_batches=4, reshard="default"):
    """With k micro-batches U groups (a root without parameters) make 2kU gathers and kU reduce-scatters; reducing at the last one
    only leaves U of these.

    k 个微批次时 U 组（根无自有参数）收集 2kU 次、归约 kU 次；只在最后一次归约，则归约只剩 U 次。"""
    k, u = micro_batches, blocks
    common = {"blocks": u, "width": width, "head": False, "micro_batches": k, "reshard": reshard}
    each_time, at_the_end = (counts(log) for log, _, _ in run(ranks, {**common, "reduce": "each time"},
                                                             {**common, "reduce": "at the end"}))
    show(bars(["each time", "at the end"], {"all-gathers": [each_time[0], at_the_end[0]],
                                            "reduce-scatters": [each_time[1], at_the_end[1]]}))
    expect("collectives, reduced each time", each_time, equals=[2 * k * u, k * u])
    expect("collectives, reduced at the end", at_the_end, equals=[2 * k * u, u])


@breaks(reduce_dtype="bfloat16", en="With gradients reduced in bf16 as well it is 6.", zh="梯度也用 bf16 归约，就是 6。")
def claim_fp32_reduction_makes_it_eight_bytes(ranks=2, blocks=3, width=12, reduce_dtype="float32"):
    """With bf16 parameters and fp32 reduction the collectives of a step carry 2 + 2 + 4 = 8 bytes per parameter, as many as an fp32
    all-reduce moves in its two halves.

    参数用 bf16、归约用 fp32 时，一步的集合通信每参数共 2 + 2 + 4 = 8 字节，与 fp32 all-reduce 的两半一样多。"""
    log, _, _ = run(ranks, {"blocks": blocks, "width": width, "head": False,
                            "dtypes": (torch.bfloat16, getattr(torch, reduce_dtype))})[0]
    whole = blocks * width**2
    per = {name: sum(size for kind, size in log if kind == name) / whole for name in ("all-gather", "reduce-scatter")}
    show(bars(list(per), {"bytes per parameter": per.values()}))
    expect("bytes per parameter in gathers and reductions", list(per.values()), equals=[4, 4])


@breaks(layout="4 shards", en="Sharded over all four ranks there is no all-reduce, and a rank holds a quarter.",
        zh="在四个 rank 上全切，就没有 all-reduce，每个 rank 持有四分之一。")
def claim_hsdp_shards_inside_and_replicates_outside(blocks=3, width=12, layout="2 replicas of 2 shards"):
    """On a mesh of 2 replicas times 2 shards, replicas first (HSDP), a rank holds half of the parameters; after the reduce-scatter
    the gradients' shards, half of the numbers, are all-reduced across replicas.

    在 2 副本 × 2 分片、副本在前的 mesh 上（HSDP），每个 rank 持有一半参数；
    reduce-scatter 之后，梯度的分片（一半的数）再跨副本做 all-reduce。"""
    mesh = (2, 2) if layout == "2 replicas of 2 shards" else ()
    log, held, sharded = run(4, {"blocks": blocks, "width": width, "head": False, "mesh": mesh})[0]
    whole = blocks * width**2
    got = {name: sum(size for kind, size in log if kind == name) / (4 * whole) for name in KINDS.values()}
    show(bars(list(got), {"numbers per parameter": got.values()}))
    expect("share of the parameters on a rank", held / whole, equals=1 / 2)
    expect("mesh dimension that shards, counted from 0", sharded.index(True), equals=1)
    expect("numbers per parameter, gathered and reduced among shards", [got["all-gather"], got["reduce-scatter"]], equals=[2, 1])
    expect("numbers per parameter, reduced across replicas", got["all-reduce"], equals=1 / 2)


def drill_collectives(rng) -> Drill:
    """Collectives of one optimizer step under fully_shard."""
    blocks, k, head = rng.choice([12, 24, 32, 48, 80]), rng.choice([1, 2, 4]), rng.choice([True, False])
    groups = blocks + head
    gathers = k * (2 * groups - head)
    return Drill(
        en=f"fully_shard wraps {blocks} blocks and then the root, which {'owns embedding and head' if head else 'owns no parameter'}; "
           f"defaults, {k} micro-batch(es) per optimizer step. How many all-gathers and reduce-scatters together?",
        zh=f"fully_shard 先包 {blocks} 个 block，再包根模块（{'自有 embedding 与输出头' if head else '没有自有参数'}）；默认设置，"
           f"每个优化器步 {k} 个微批次。all-gather 与 reduce-scatter 一共多少次？",
        answer=gathers + k * groups, within=0,
        steps=[(f"groups U = {groups}; gathers {k} · (2U{' − 1' if head else ''}) = {gathers}",
                f"组数 U = {groups}；收集 {k} · (2U{' − 1' if head else ''}) = {gathers}"),
               (f"plus reduce-scatters {k} · U = {k * groups}: {gathers + k * groups}",
                f"加 reduce-scatter {k} · U = {k * groups}：{gathers + k * groups}")],
        proved_by="accumulation_repeats_every_collective",
    )


ZH = {
    "root": "根模块", "no parameters": "无自有参数", "owns the head": "自有输出头",
    "no parameters, nothing resharded": "无自有参数，都不重新切分", "collectives, nothing resharded": "集合通信次数，都不重新切分",
    "groups": "组数", "all-gathers": "all-gather 次数",
    "reduce-scatters": "reduce-scatter 次数", "collectives, root without parameters": "集合通信次数，根无自有参数",
    "collectives, root with a head": "集合通信次数，根自有输出头", "largest gather over a group's bytes": "最大一次收集与一组字节之比",
    "each time": "每次归约", "at the end": "最后归约", "collectives, reduced each time": "集合通信次数，每次归约",
    "collectives, reduced at the end": "集合通信次数，最后归约", "all-gather": "all-gather", "reduce-scatter": "reduce-scatter",
    "all-reduce": "all-reduce", "bytes per parameter": "每参数字节数",
    "bytes per parameter in gathers and reductions": "收集与归约的每参数字节数", "numbers per parameter": "每参数的数",
    "mesh dimension that shards, counted from 0": "切分的 mesh 维（从 0 数）",
    "share of the parameters on a rank": "每个 rank 持有的参数比例",
    "numbers per parameter, gathered and reduced among shards": "分片之间收集与归约的每参数的数",
    "numbers per parameter, reduced across replicas": "跨副本归约的每参数的数",
}  # fmt: skip

if __name__ == "__main__":
    main()
