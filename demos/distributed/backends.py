r"""A backend is the library that moves the bytes: gloo does it on CPUs, "fake" moves none.

backend 是真正搬运字节的库：gloo 在 CPU 上搬，"fake" 一个字节也不搬。

Turn `backend` to "fake": every call returns, and no number has moved.
把 `backend` 改为 "fake"：每个调用都返回，但没有一个数被传送。
"""

import torch
import torch.distributed as dist

from studyapp.evidence import between, breaks, expect, main, on_ranks, one_of, show, table


def run_all(rank: int, ranks: int, group=None) -> dict[str, list[float]]:
    """What this rank holds after each operation; it goes in with rank + 1, or with ranks + 1 … for a list."""
    one, many = torch.tensor([rank + 1.0]), torch.arange(ranks) + 10.0 * rank
    held, parts = {}, list(many.split(1))
    for name, act in {
        "broadcast": lambda x: dist.broadcast(x, 0, group),
        "all_reduce": lambda x: dist.all_reduce(x, group=group),
    }.items():
        x = one.clone()
        act(x)
        held[name] = x.tolist()
    part, whole, rows = torch.zeros(1), torch.zeros(ranks), [torch.zeros(1) for _ in range(ranks)]
    dist.all_gather_single(whole, one, group)
    held["all_gather"] = whole.tolist()
    dist.reduce_scatter_single(part, many, group=group)
    held["reduce_scatter"] = part.tolist()
    swapped = torch.zeros(ranks)
    dist.all_to_all_single(swapped, many, group=group)
    held["all_to_all"] = swapped.tolist()
    dist.scatter(part, parts if rank == 0 else None, 0, group)
    held["scatter"] = part.tolist()
    dist.gather(one, rows if rank == 0 else None, 0, group)
    held["gather"] = torch.cat(rows).tolist() if rank == 0 else []
    return held


def shapes() -> list[int]:
    """Lengths of the tensors that all_gather and all_to_all make of 3 numbers a rank; torch takes them from the group."""
    from torch.distributed import _functional_collectives as functional

    world = dist.get_world_size()
    gathered = functional.all_gather_single(torch.ones(3), 0, dist.group.WORLD)
    swapped = functional.all_to_all_single(torch.ones(3 * world), None, None, dist.group.WORLD)
    return [len(gathered), len(swapped)]


def alone(rank: int, ranks: int) -> tuple[dict[str, list[float]], list[int]]:
    """What a real group of one rank holds, and its shapes."""
    return run_all(rank, ranks), shapes()


def on_fake(rank: int, ranks: int, world: int) -> tuple[dict[str, list[float]], list[int]]:
    """The same on one rank of a world that is not there."""
    import torch.testing._internal.distributed.fake_pg  # noqa: F401  registers the backend

    dist.destroy_process_group()
    dist.init_process_group("fake", store=dist.HashStore(), rank=0, world_size=world)
    return run_all(0, world), shapes()


def closed_form(rank: int, ranks: int) -> dict[str, list[float]]:
    """What each operation is defined to leave on a rank."""
    return {
        "broadcast": [1.0],
        "all_reduce": [ranks * (ranks + 1) / 2],
        "all_gather": [r + 1.0 for r in range(ranks)],
        "reduce_scatter": [sum(rank + 10.0 * r for r in range(ranks))],
        "all_to_all": [rank + 10.0 * r for r in range(ranks)],
        "scatter": [float(rank)],
        "gather": [r + 1.0 for r in range(ranks)] if rank == 0 else [],
    }


RANGES = {
    "ranks": between(2, 5),
    "world": between(2, 4096),
    "backend": one_of("gloo", "fake"),
}


@breaks(backend="fake", en="A fake group returns at once and leaves what it finds.", zh="fake 进程组立即返回，什么都不改。")
def claim_gloo_runs_the_collectives_on_cpus(ranks=4, backend="gloo"):
    """gloo runs broadcast, all-reduce, all-gather, reduce-scatter, all-to-all, scatter and gather on CPU tensors, each with
    its defined result.

    gloo 能在 CPU 张量上执行 broadcast、all-reduce、all-gather、reduce-scatter、all-to-all、scatter 和 gather，结果均符合定义。"""
    results = on_ranks(run_all, ranks) if backend == "gloo" else [on_ranks(on_fake, 1, ranks)[0][0]]
    wrong = [[held[name] != closed_form(r, ranks)[name] for r, held in enumerate(results)] for name in results[0]]
    show(table({"operation": results[0], "rank 0 holds": [results[0][name] for name in results[0]],
                "ranks with another result": [sum(row) for row in wrong]}))
    expect("ranks with another result than the defined one", [sum(row) for row in wrong], equals=0)


@breaks(backend="gloo", en="A real group has the ranks that joined it: here one, so its all_gather holds one number.",
        zh="真实进程组只有已加入的 rank：这里是一个，所以 all_gather 只得到一个数。")
def claim_a_fake_group_has_shapes_and_no_numbers(world=1024, backend="fake"):
    """A fake group lets one process run as rank 0 of 1,024: the tensors have the right shapes, and no sum is taken.

    fake 进程组让一个进程充当 1,024 个 rank 中的 rank 0：张量形状都对，但没有求和。"""
    held, made = on_ranks(on_fake, 1, world)[0] if backend == "fake" else on_ranks(alone, 1)[0]
    show(table({"operation": ["all_gather", "all_to_all"], "numbers held": made}))
    expect("numbers after all_gather and all_to_all of 3 a rank", made, equals=3 * world)
    expect("all_reduce of rank 0's 1", held["all_reduce"][0], equals=1)


ZH = {
    "operation": "操作",
    "broadcast": "broadcast",
    "scatter": "scatter",
    "gather": "gather",
    "rank 0 holds": "rank 0 持有",
    "ranks with another result": "结果不同的 rank",
    "ranks with another result than the defined one": "结果与定义不同的 rank",
    "numbers held": "持有的数的个数",
    "all_gather": "all_gather",
    "all_to_all": "all_to_all",
    "numbers after all_gather and all_to_all of 3 a rank": "每个 rank 3 个数，all_gather 与 all_to_all 之后的个数",
    "all_reduce of rank 0's 1": "rank 0 的 1 经 all_reduce 之后",
}

if __name__ == "__main__":
    main()
