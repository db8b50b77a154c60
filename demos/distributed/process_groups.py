r"""A rank is a number in one group and one launch: workers before it, not node times workers.

rank 只是一次启动、一个进程组里的编号：等于排在前面的进程数，而不是节点号乘每节点进程数。

torchrun's own assignment and torch's own sampler. Turn `rule` to "node · own workers + local": two
processes get the same rank. 把 `rule` 改为 "node · own workers + local"：会有两个进程同号。
"""

import threading
from itertools import chain
from types import SimpleNamespace

import torch
import torch.distributed as dist

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    heatmap,
    main,
    on_ranks,
    one_of,
    show,
    table,
)


@exercise(claims=("a_rank_counts_the_workers_before_it",), wrong=("node_times_own_workers", "counts_from_the_end"))
def global_rank(node: int, local: int, workers: tuple) -> int:
    """The rank of process `local` of node `node`, where node i runs workers[i] processes.

    节点 `node` 上第 `local` 个进程的 rank；节点 i 运行 workers[i] 个进程。"""
    return sum(workers[:node]) + local                  # ranks 0 … are filled node by node


@exercise(claims=("a_sampler_repeats_samples_to_come_out_even",), wrong=("leaves_the_tail_out", "cuts_into_blocks"))
def shard(samples: int, rank: int, ranks: int) -> list[int]:
    """The samples, by number and in order, that torch's DistributedSampler gives to a rank without shuffling: every
    rank the same count, rank r every ranks-th from r on, and from the start again where they run out.

    不打乱时，torch 的 DistributedSampler 分给某个 rank 的样本号（按次序）：各 rank 数目相同；rank r 从 r 起每隔 ranks 取
    一个，不够时从头再取。"""
    each_gets = -(-samples // ranks)                    # rounded up: all make the same number of steps
    return [i % samples for i in range(rank, ranks * each_gets, ranks)]


def by_torchrun(workers: tuple) -> list[list[int]]:
    """The ranks that torchrun's agents agree on through a store, by node: one agent a node, as in a launch."""
    from torch.distributed.elastic.agent.server.api import SimpleElasticAgent

    store, found = dist.HashStore(), [[] for _ in workers]

    def agent(node: int) -> None:
        spec = SimpleNamespace(role="trainer", local_world_size=workers[node])
        assigned = SimpleElasticAgent._assign_worker_ranks(None, store, node, len(workers), spec)
        found[node] = [worker.global_rank for worker in assigned]

    agents = [threading.Thread(target=agent, args=(node,)) for node in range(len(workers))]
    for one in agents:
        one.start()
    for one in agents:
        one.join(10)
    return found


def in_groups(rank: int, ranks: int, size: int) -> tuple[int, int, float]:
    """Group, rank in it, and the sum of all ranks' numbers over it; groups of `size` consecutive ranks."""
    groups = [dist.new_group(list(range(first, min(first + size, ranks)))) for first in range(0, ranks, size)]
    mine = groups[rank // size]                         # every rank made every group, its own or not
    x = torch.tensor(float(rank))
    dist.all_reduce(x, group=mine)
    return rank // size, dist.get_rank(mine), x.item()


RANGES = {
    "workers": each(between(1, 8), at_most=5),
    "samples": between(1, 200),
    "ranks": between(1, 16),
    "epochs": between(2, 6),
    "processes": between(1, 5),
    "size": between(1, 5),
    "rule": one_of("workers before", "node · own workers + local"),
    "padding": one_of("wrap", "none"),
    "over": one_of("group", "world"),
}


@breaks(rule="node · own workers + local", en="Where nodes differ, node · own workers + local names two processes alike.",
        zh="节点的进程数不同时，节点号 · 本节点进程数 + 局部编号会让两个进程同号。")
def claim_a_rank_counts_the_workers_before_it(workers=(3, 1, 2), rule="workers before"):
    """torchrun gives a process the number of workers on the nodes before it, plus its local rank; node times workers
    holds for equal nodes only.

    torchrun 给进程的 rank 是前面各节点的进程总数加局部编号；「节点号乘每节点进程数」只在各节点相同时成立。"""
    agreed = by_torchrun(workers)
    ours = [[global_rank(n, i, workers) if rule == "workers before" else n * count + i for i in range(count)]
            for n, count in enumerate(workers)]
    show(table({"node": range(len(workers)), "workers": workers, "by torchrun": agreed, "by the rule": ours}))
    expect("rank by the rule", [*chain(*ours)], equals=[*chain(*agreed)])


@breaks(padding="none", en="Without padding no sample comes twice, and some ranks have one step less.",
        zh="不补齐就没有重复样本，但有的 rank 会少一步。")
def claim_a_sampler_repeats_samples_to_come_out_even(samples=10, ranks=4, padding="wrap"):
    """DistributedSampler gives all ranks ⌈L/N⌉ samples: N·⌈L/N⌉ − L of the draws are repeats, in evaluation too.

    DistributedSampler 给每个 rank ⌈L/N⌉ 个样本：其中 N·⌈L/N⌉ − L 次是重复，评测时也一样。"""
    from torch.utils.data.distributed import DistributedSampler

    torchs = [list(DistributedSampler(range(samples), ranks, r, shuffle=False)) for r in range(ranks)]
    ours = [shard(samples, r, ranks) if padding == "wrap" else list(range(r, samples, ranks)) for r in range(ranks)]
    show(table({"rank": range(ranks), "samples": ours}))
    expect("ranks whose samples differ from torch's", sum(a != b for a, b in zip(ours, torchs, strict=True)), equals=0)
    expect("samples drawn beyond the data", len([*chain(*ours)]) - samples, equals=-samples % ranks)


@breaks(set_epoch=False, en="Without set_epoch the shuffle is seeded alike in every epoch.",
        zh="不调用 set_epoch，每个 epoch 的打乱种子都相同。")
def claim_set_epoch_changes_the_order(samples=50, ranks=4, epochs=3, set_epoch=True):
    """DistributedSampler shuffles by seed plus epoch: without set_epoch every epoch has the same order.

    DistributedSampler 按「种子 + epoch」打乱：不调用 set_epoch，每个 epoch 的次序都一样。"""
    from torch.utils.data.distributed import DistributedSampler

    samples = max(samples, 20 * ranks)                  # two shuffles of 20 agree once in 10¹⁸
    sampler, orders = DistributedSampler(range(samples), ranks, 0, shuffle=True), []
    untold = {tuple(sampler) for _ in range(epochs)}    # nobody calls set_epoch
    for epoch in range(epochs):
        if set_epoch:
            sampler.set_epoch(epoch)
        orders.append(list(sampler))
    show(table({"epoch": range(epochs), "first samples of rank 0": [o[:6] for o in orders]}))
    expect("different orders", len({tuple(o) for o in orders}), equals=epochs)
    expect("different orders without set_epoch", len(untold), equals=1)


@breaks(over="world", en="The sum over the world is one number for all groups.", zh="对整个世界求和，各组得到同一个数。")
def claim_a_group_has_ranks_of_its_own(processes=4, size=2, over="group"):
    """A collective of a process group runs over its members alone, and a rank has another number in each group.

    进程组的集合通信只在组内成员之间进行；同一个进程在每个组里各有一个编号。"""
    results = on_ranks(in_groups, processes, size if over == "group" else processes)
    first = [r // size * size for r in range(processes)]
    sums = [sum(range(f, min(f + size, processes))) for f in first]
    show(heatmap([[r[2] for r in results]], x=range(processes), x_label="rank", y_label="", title="sum over its group"))
    if over == "group":
        expect("rank in its group", [r[1] for r in results], equals=[r - f for r, f in enumerate(first)])
    expect("sum over its group", [r[2] for r in results], equals=sums)


def drill_global_rank(rng) -> Drill:
    """The rank of a process on unequal nodes."""
    workers = tuple(rng.choice([2, 4, 6, 8]) for _ in range(4))
    node = rng.randrange(1, 4)
    local = rng.randrange(workers[node])
    before = sum(workers[:node])
    return Drill(
        en=f"Four nodes run {', '.join(map(str, workers))} processes. Which global rank has LOCAL_RANK {local} on node "
           f"{node} (nodes counted from 0)?",
        zh=f"四个节点分别运行 {'、'.join(map(str, workers))} 个进程。节点 {node}（从 0 数起）上 LOCAL_RANK {local} 的全局 rank 是多少？",
        answer=global_rank(node, local, workers), within=0,
        steps=[(f"workers on the nodes before: {' + '.join(map(str, workers[:node]))} = {before}",
                f"前面各节点的进程数：{' + '.join(map(str, workers[:node]))} = {before}"),
               (f"{before} + {local} = {before + local}", f"{before} + {local} = {before + local}")],
        proved_by="a_rank_counts_the_workers_before_it",
    )


ZH = {
    "node": "节点",
    "workers": "进程数",
    "by torchrun": "torchrun 给的",
    "by the rule": "按规则",
    "rank by the rule": "按规则得到的 rank",
    "rank": "rank",
    "samples": "样本",
    "ranks whose samples differ from torch's": "样本与 torch 不同的 rank",
    "samples drawn beyond the data": "超出数据量的样本数",
    "epoch": "epoch",
    "first samples of rank 0": "rank 0 的前几个样本",
    "different orders": "不同的次序数",
    "different orders without set_epoch": "不调用 set_epoch 时不同的次序数",
    "sum over its group": "所在组的和",
    "rank in its group": "组内编号",
}

if __name__ == "__main__":
    main()
