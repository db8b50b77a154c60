r"""A rank is a number with digits: pp, dp, cp, tp, the last one turning fastest; experts reuse the same ranks.

rank 就是一个多位数：各位依次是 pp、dp、cp、tp，末位变得最快；专家并行复用同一批 rank。

torch's DeviceMesh is row-major; Megatron and torchtitan put tp last. Turn `fastest` to "pp": tensor-parallel
groups leave their node. 把 `fastest` 改为 "pp"：张量并行组就会跨出节点。
"""

from collections import Counter
from itertools import chain
from math import prod

import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

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

AXES = ("pp", "dp", "cp", "tp")


@exercise(
    claims=("coordinates_are_those_of_torchs_mesh", "tensor_parallel_groups_stay_in_a_node"),
    wrong=("first_axis_turns_fastest", "forgets_the_slower_axes"),
)
def coordinates(rank: int, sizes: tuple) -> tuple:
    """Where a rank stands in a grid of these sizes, one number per axis; the last axis turns fastest.

    某个 rank 在这样大小的网格里的位置，每维一个数；最后一维变得最快。"""
    digits = []
    for size in reversed(sizes):                        # the fastest digit first
        digits.append(rank % size)
        rank //= size                                   # what is left counts whole rows of it
    return tuple(reversed(digits))


def groups(sizes: tuple, axis: int) -> list[list[int]]:
    """The groups of an axis: ranks that agree in every other coordinate."""
    found: dict[tuple, list[int]] = {}
    for rank in range(prod(sizes)):
        at = coordinates(rank, sizes)
        found.setdefault(at[:axis] + at[axis + 1 :], []).append(rank)
    return list(found.values())


def torchs_mesh(_: int, __: int, sizes: tuple, some: list) -> list[tuple]:
    """What init_device_mesh tells some ranks of a fake world."""
    import torch.testing._internal.distributed.fake_pg  # noqa: F401  registers the backend

    told = []
    for rank in some:
        dist.destroy_process_group()                    # the one before
        dist.init_process_group("fake", store=dist.HashStore(), rank=rank, world_size=prod(sizes))
        told.append(tuple(init_device_mesh("cpu", sizes, mesh_dim_names=AXES).get_coordinate()))
    return told


RANGES = {
    "pp": between(1, 16),
    "dp": between(1, 32),
    "cp": between(1, 4),
    "tp": between(1, 8),
    "node": between(8, 72, multiple_of="tp"),
    "ep": between(1, 64),
    "fastest": one_of("tp", "pp"),
    "count": one_of("folded", "product"),
}


@breaks(fastest="pp", en="With pp turning fastest, neighbouring ranks are stages of a pipeline.",
        zh="若 pp 变得最快，相邻的 rank 就成了流水线的各个阶段。")
def claim_coordinates_are_those_of_torchs_mesh(pp=4, dp=2, cp=1, tp=2, fastest="tp"):
    """In a mesh (pp, dp, cp, tp) a rank's coordinates are its digits in these bases, tp the last: rank 13 of (4, 2, 1, 2)
    is stage 3, replica 0, tp 1.

    在 (pp, dp, cp, tp) 的 mesh 里，rank 的坐标就是按这些进制写出的各位数字，tp 是末位：(4, 2, 1, 2) 里的 rank 13 是第 3 阶段、
    第 0 个副本、tp 1。"""
    sizes = (pp, dp, cp, tp)
    some = [*range(0, prod(sizes), -(-prod(sizes) // 8)), prod(sizes) - 1]
    told = on_ranks(torchs_mesh, 1, sizes, some)[0]
    ours = [coordinates(r, sizes) if fastest == "tp" else coordinates(r, sizes[::-1])[::-1] for r in some]
    show(table({"rank": some, "torch": told, "digits": ours}))
    expect("coordinates of the ranks", [*chain(*ours)], equals=[*chain(*told)])


@breaks(fastest="pp", en="With tp turning slowest, the ranks of a tensor-parallel group lie furthest apart.",
        zh="若 tp 变得最慢，张量并行组内的 rank 相距最远。")
def claim_tensor_parallel_groups_stay_in_a_node(pp=4, dp=4, cp=1, tp=4, node=8, fastest="tp"):
    """Where tp divides the GPUs of a node and turns fastest, its groups are consecutive ranks: no tensor-parallel group
    crosses a node, and those of pp lie dp·cp·tp apart.

    tp 整除每节点的 GPU 数、且变得最快时，它的组由相邻 rank 组成：没有一个张量并行组跨节点；pp 组内相隔 dp·cp·tp。"""
    sizes, names = (pp, dp, cp, tp), AXES
    if fastest == "pp":
        sizes, names = sizes[::-1], AXES[::-1]
    crossing, strides = {}, {}
    for name in AXES:
        axis = names.index(name)
        found = groups(sizes, axis)
        crossing[name] = sum(len({rank // node for rank in group}) > 1 for group in found) / len(found)
        strides[name] = found[0][1] - found[0][0] if sizes[axis] > 1 else prod(sizes[axis + 1 :])
    first = [names.index("tp"), names.index("pp")]
    show(heatmap([[coordinates(r, sizes)[i] for r in range(min(32, prod(sizes)))] for i in first], y=["tp", "pp"],
                 x_label="rank", title=f"coordinates; a node holds {node} ranks"),
         table({"axis": AXES, "distance of neighbours in a group": strides.values(),
                "share of groups that cross a node": crossing.values()}))
    expect("share of tensor-parallel groups that cross a node", crossing["tp"], equals=0)
    expect("ranks between neighbouring stages", strides["pp"], equals=dp * cp * tp)


@breaks(count="product", en="As a factor of its own, EP would ask for ep times the GPUs.",
        zh="若把 EP 当作单独的因子，就要 ep 倍的 GPU。")
def claim_experts_fold_into_the_same_ranks(pp=16, dp=32, cp=1, tp=2, ep=64, count="folded"):
    """1,024 ranks as TP 2, PP 16, DP 32 hold EP 64 besides: in each stage every 64th of the experts lies on one rank, so
    EP is no factor of the world size.

    1,024 个 rank 按 TP 2、PP 16、DP 32 排布，同时还容纳 EP 64：每个阶段里，64 份专家各在一个 rank 上，所以 EP 不是世界大小的因子。"""
    stage = dp * cp * tp                                # ranks of one pipeline stage
    while stage % ep:                                   # EP must divide them
        ep -= 1
    world = pp * stage if count == "folded" else pp * stage * ep
    dense, experts, moved = Counter(), Counter(), 0
    for rank in range(pp * stage):
        p, _, _, t = coordinates(rank, (pp, dp, cp, tp))
        dense[p, t] += 1
        of_experts, _, e = coordinates(rank, (pp, stage // ep, ep))
        experts[of_experts, e] += 1
        moved += of_experts != p
    show(table({"part": ["attention shard", "expert shard"], "shards": [len(dense), len(experts)],
                "copies of each": [max(dense.values()), max(experts.values())],
                "GPUs": [sum(dense.values()), sum(experts.values())]}))
    expect("GPUs that hold all of it", sum(experts.values()), equals=world)
    expect("ranks whose stage differs between the two groupings", moved, equals=0)
    expect("copies of each expert shard", list(experts.values()), equals=stage // ep)
    expect("copies of each attention shard", list(dense.values()), equals=dp * cp)


def drill_coordinate(rng) -> Drill:
    """One coordinate of a rank."""
    sizes = (rng.choice([2, 4]), rng.choice([2, 4]), 1, rng.choice([2, 4]))
    rank, axis = rng.randrange(prod(sizes)), rng.choice([0, 1, 3])
    pp, dp, _, tp = sizes
    at, stride = coordinates(rank, sizes), prod(sizes[axis + 1 :])
    return Drill(
        en=f"Ranks are laid out as (pp {pp}, dp {dp}, tp {tp}), tp turning fastest. What is the {AXES[axis]} coordinate "
           f"of rank {rank}?",
        zh=f"rank 按 (pp {pp}, dp {dp}, tp {tp}) 排布，tp 变得最快。rank {rank} 的 {AXES[axis]} 坐标是多少？",
        answer=at[axis], within=0,
        steps=[(f"neighbours along {AXES[axis]} are {stride} ranks apart",
                f"沿 {AXES[axis]} 相邻的 rank 相隔 {stride}"),
               (f"⌊{rank} / {stride}⌋ mod {sizes[axis]} = {at[axis]}",
                f"⌊{rank} / {stride}⌋ mod {sizes[axis]} = {at[axis]}")],
        proved_by="coordinates_are_those_of_torchs_mesh",
    )


def drill_data_parallel_degree(rng) -> Drill:
    """The data-parallel degree that is left."""
    tp, pp, cp, ep = rng.choice([1, 2, 4, 8]), rng.choice([4, 8, 16]), rng.choice([1, 2]), rng.choice([8, 16])
    dp = rng.choice([8, 16, 32])
    world = tp * pp * cp * dp
    return Drill(
        en=f"{world:,} GPUs train an MoE with TP {tp}, PP {pp}, CP {cp} and EP {ep} (experts folded into the same ranks). "
           f"What is the data-parallel degree of the dense layers?",
        zh=f"{world:,} 张 GPU 训练一个 MoE：TP {tp}、PP {pp}、CP {cp}、EP {ep}（专家并行折叠进同一批 rank）。稠密层的数据并行度是多少？",
        answer=dp, within=0,
        steps=[("EP is no factor: it divides DP · CP · TP of a stage", "EP 不是因子：它划分的是一个阶段的 DP · CP · TP"),
               (f"{world:,} / ({tp} · {pp} · {cp}) = {dp}", f"{world:,} / ({tp} · {pp} · {cp}) = {dp}")],
        proved_by="experts_fold_into_the_same_ranks",
    )


ZH = {
    "rank": "rank",
    "torch": "torch",
    "digits": "各位数字",
    "coordinates of the ranks": "各 rank 的坐标",
    "coordinates; a node holds {} ranks": "坐标；每个节点 {} 个 rank",
    "axis": "维",
    "pp": "pp",
    "dp": "dp",
    "cp": "cp",
    "tp": "tp",
    "distance of neighbours in a group": "组内相邻 rank 的间隔",
    "share of groups that cross a node": "跨节点的组所占比例",
    "share of tensor-parallel groups that cross a node": "跨节点的张量并行组所占比例",
    "ranks between neighbouring stages": "相邻阶段相隔的 rank 数",
    "part": "部分",
    "attention shard": "注意力分片",
    "expert shard": "专家分片",
    "shards": "分片数",
    "copies of each": "每片的份数",
    "GPUs": "GPU 数",
    "ranks whose stage differs between the two groupings": "两种分组中阶段不同的 rank",
    "GPUs that hold all of it": "容纳全部所需的 GPU 数",
    "copies of each expert shard": "每个专家分片的份数",
    "copies of each attention shard": "每个注意力分片的份数",
}

if __name__ == "__main__":
    main()
