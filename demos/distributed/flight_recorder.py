r"""In a hang the rank to look at is the one that did not enter: the others only wait for it.

训练卡死时，要查的是没有进入集合通信的那个 rank：其他 rank 只是在等它。

torch's own flight recorder, on real gloo ranks, dumped while they hang. Turn `blame` to "who waits": the
innocent are named. 把 `blame` 改为 "who waits"：怪到了无辜的 rank 头上。
"""

import json
import os

import torch
import torch.distributed as dist

from studyapp.evidence import between, breaks, exercise, expect, main, on_ranks, one_of, show, table


@exercise(
    claims=("the_rank_that_did_not_enter_is_behind", "another_call_at_the_same_number_is_a_mismatch"),
    wrong=("names_who_waits", "looks_at_the_counters_only", "looks_at_the_calls_only"),
)
def suspects(dumps: list) -> list[int]:
    """The ranks to look at. dumps[r] is what rank r recorded, one (number, operation, shape) for each collective it entered
    in this group, in order, numbers from 1. A rank that entered fewer than another is suspect; where all entered equally
    many, it is those whose last call is not the call of most ranks; [] where nothing is amiss.

    应当检查的 rank。dumps[r] 是 rank r 的记录：它在本组进入的每个集合通信为一条 (编号, 操作, 形状)，按次序，编号从 1 起。进入次数比别人少的
    rank 可疑；若次数都相同，则是最后一次调用与多数 rank 不同的那些；没有异常则返回 []。"""
    entered = [len(dump) for dump in dumps]
    if min(entered) < max(entered):                     # the others wait in a call it has not made
        return [r for r, count in enumerate(entered) if count < max(entered)]
    calls = [dump[-1][1:] if dump else () for dump in dumps]
    usual = max(calls, key=calls.count)                 # the call of most ranks
    return [r for r, call in enumerate(calls) if call != usual]


def who_waits(dumps: list) -> list[int]:
    """The wrong way: the ranks that sit in a collective, whose time-outs fill the log."""
    return [r for r, dump in enumerate(dumps) if len(dump) == max(map(len, dumps))]


def hang(rank: int, ranks: int, steps: int, culprit: int, fault: str) -> list[tuple]:
    """All take part in `steps` all-reduces; at the next one the culprit is late, or calls something else. What the recorder
    holds of the group while they wait; then they are let go."""
    os.environ["TORCH_FR_BUFFER_SIZE"] = "2000"         # entries of the ring buffer; 0 switches it off
    x, store = torch.ones(4), dist.distributed_c10d._get_default_store()
    for _ in range(steps):
        dist.all_reduce(x)
    pending = None
    if rank != culprit:
        pending = dist.all_reduce(x, async_op=True)     # enters and waits, as a blocking call would
    elif fault == "another call":
        pending = dist.all_reduce(x.new_ones(4, 1), async_op=True)      # as many bytes: gloo does not notice
    dump = json.loads(torch._C._distributed_c10d._dump_fr_trace_json())["entries"]
    store.set(f"{rank} dumped", "")
    store.wait([f"{r} dumped" for r in range(ranks)])   # nobody goes on before all have dumped
    (pending or dist.all_reduce(x, async_op=True)).wait()
    return [(e["collective_seq_id"], e["profiling_name"], e["input_sizes"][0]) for e in dump]


RANGES = {
    "ranks": between(3, 5),
    "steps": between(1, 20),
    "culprit": between(0, 2),
    "blame": one_of("who did not enter", "who waits"),
    "look_at": one_of("numbers and calls", "numbers"),
}


@breaks(blame="who waits", en="The ranks that time out are those that waited; the culprit's log is silent.",
        zh="报超时的是在等待的 rank；真正出问题的那个，日志里悄无声息。")
def claim_the_rank_that_did_not_enter_is_behind(ranks=4, steps=3, culprit=2, blame="who did not enter"):
    """While a job hangs, every rank but one has entered collective k+1, and the one whose recorder ends at k is the one to
    look at.

    任务卡死时，除一个 rank 外都已进入第 k+1 个集合通信；记录停在第 k 个的那个，就是该查的 rank。"""
    dumps = on_ranks(hang, ranks, steps, culprit, "late")
    show(table({"rank": range(ranks), "last number": [dump[-1][0] for dump in dumps],
                "last call": [dump[-1][1] for dump in dumps]}))
    named = suspects(dumps) if blame == "who did not enter" else who_waits(dumps)
    expect("rank named", named or "none", equals=[culprit])
    expect("collectives it is behind", max(map(len, dumps)) - len(dumps[culprit]), equals=1)


@breaks(look_at="numbers", en="All ranks are at the same number: counters alone see nothing.",
        zh="所有 rank 编号相同：只看计数什么也看不出。")
def claim_another_call_at_the_same_number_is_a_mismatch(ranks=4, steps=3, culprit=1, look_at="numbers and calls"):
    """Where all ranks stand at the same number, shapes and operations are compared: the rank with another call is out of
    step.

    若所有 rank 的编号相同，就比较操作和形状：调用与众不同的那个 rank 失步了。"""
    dumps = on_ranks(hang, ranks, steps, culprit, "another call")
    show(table({"rank": range(ranks), "last number": [dump[-1][0] for dump in dumps],
                "shape": [str(dump[-1][2]) for dump in dumps]}))
    if look_at == "numbers":
        dumps = [[(number, "", []) for number, _, _ in dump] for dump in dumps]
    expect("rank named", suspects(dumps) or "none", equals=[culprit])


@breaks(blame="who waits", en="A rank without an entry is missing, not waiting.", zh="没有记录的 rank 是缺席，不是等待。")
def claim_healthy_ranks_name_nobody(ranks=3, steps=4, blame="who did not enter"):
    """Where every rank entered the same collectives with the same shapes, nobody is named: the job is slow, not hung.

    若每个 rank 都以相同形状进入了相同的集合通信，就没有可疑的 rank：任务只是慢，并没有卡死。"""
    dumps = on_ranks(hang, ranks, steps, -1, "none")
    show(table({"rank": range(ranks), "collectives entered": [len(dump) for dump in dumps]}))
    named = suspects(dumps) if blame == "who did not enter" else who_waits(dumps)
    expect("ranks named", len(named), equals=0)
    expect("collectives entered", [len(dump) for dump in dumps], equals=steps + 1)


ZH = {
    "rank": "rank",
    "last number": "最后编号",
    "last call": "最后的调用",
    "gloo:all_reduce": "gloo:all_reduce",
    "rank named": "指认的 rank",
    "ranks named": "指认的 rank 数",
    "collectives it is behind": "落后的集合通信数",
    "shape": "形状",
    "collectives entered": "进入的集合通信数",
}

if __name__ == "__main__":
    main()
