r"""A recorded graph replays operators without Python: it repeats the branch that was taken, whatever the new values say.

录下的计算图不经 Python 就能重放算子：无论新数值如何，它重复的都是录制时走过的分支。

A recorder of twelve lines stands for what torch.compile and CUDA graphs have in common; neither is run here. Turn `branch` to
"if": a value is read on the host, and the replay is wrong. 用十几行的录制器代表 torch.compile 与 CUDA graph 的共同点；
这里并没有运行它们。把 `branch` 改为 "if"：主机读取了数值，重放就错了。
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from studyapp.evidence import bars, between, breaks, exercise, expect, main, one_of, show, table
from studyapp.evidence.tools import operations


def record(work, x: Tensor) -> list[tuple]:
    """Run work(x) once and list its operators: (operator, arguments, keyword arguments). Arguments that x or an operator gave
    are listed as ("slot", n): 0 for x, n for the n-th operator's result; all others stay as they are."""
    slots, alive, tape = {id(x): 0}, [x], []

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, op, types, args=(), kwargs=None):
            out = op(*args, **(kwargs or {}))
            known = tree_map(lambda a: ("slot", slots[id(a)]) if id(a) in slots else a, list(args))
            tape.append((op, known, kwargs or {}))
            alive.append(out)                                        # kept, so that no id comes twice
            if isinstance(out, Tensor):
                slots[id(out)] = len(tape)
            return out

    with Mode():
        work(x)
    return tape


@exercise(claims=("a_replay_repeats_the_branch_that_was_recorded",), wrong=("returns_the_first_result", "stops_one_early"))
def replay(tape: list[tuple], x: Tensor) -> Tensor:
    """The result of the last operator when a recorded tape is run on x. Each entry is (operator, arguments, keywords); an argument
    ("slot", 0) is x and ("slot", n) the result of the n-th entry, counted from 1.

    在 x 上重放录下的 tape，返回最后一个算子的结果。每项为（算子，参数，关键字参数）；参数 ("slot", 0) 是 x，("slot", n) 是第 n 项
    （从 1 数）的结果。"""
    results = [x]
    for op, args, kwargs in tape:
        given = [results[a[1]] if isinstance(a, tuple) and a and a[0] == "slot" else a for a in args]
        results.append(op(*given, **kwargs))                         # no Python of the recorded function runs
    return results[-1]


def with_if(x: Tensor) -> Tensor:
    """Python decides: the host must wait for the sum."""
    y = x.sin()
    return y * 2 if x.sum() > 0 else y - 1


def with_where(x: Tensor) -> Tensor:
    """The device decides: both are computed and one is taken."""
    y = x.sin()
    return torch.where(x.sum() > 0, y * 2, y - 1)


BRANCHES = {"if": with_if, "where": with_where}

RANGES = {"size": between(2, 64), "branch": one_of("where", "if"), "way": one_of("fused", "one by one")}
READ = breaks(branch="if", en="A branch in Python reads the value on the host, and the tape holds one side of it alone.",
              zh="Python 里的分支要在主机上读取数值，录下的只有其中一边。")


@READ
def claim_a_replay_repeats_the_branch_that_was_recorded(size=8, branch="where"):
    """A tape recorded on a positive sum equals the function on negative ones too where torch.where decides, and not where Python
    does.

    在和为正的输入上录制：由 torch.where 决定时，和为负的输入也对；由 Python 的 if 决定时就不对。"""
    work, x = BRANCHES[branch], torch.rand(size) + 0.1
    tape = record(work, x)
    inputs = {"positive sum": torch.rand(size) + 0.1, "negative sum": -torch.rand(size) - 0.1}
    gaps = {name: float((replay(tape, new) - work(new)).abs().max()) for name, new in inputs.items()}
    show(table(["input", "largest difference of the replay"], [[name, gap] for name, gap in gaps.items()]))
    expect("replay less the function", list(gaps.values()), equals=0, at=("input", list(gaps)))
    new = inputs["negative sum"]
    again = 1.0 * replay(record(with_if, x), new)                    # a number too if the tape ends at the value read
    expect("replay of the if, negative sum, less the branch of positive sums", again - new.sin() * 2, equals=0)


@READ
def claim_a_branch_on_a_tensor_reads_it_on_the_host(size=8, branch="where"):
    """`if x.sum() > 0` reads one number on the host, where a graph must end and the device is waited for; torch.where reads none.

    `if x.sum() > 0` 要在主机上读一个数，计算图到此必须断开，主机还要等设备；torch.where 一个也不读。"""
    reads = {name: sum("_local_scalar_dense" in str(op) for op, _, _ in record(work, torch.rand(size)))
             for name, work in BRANCHES.items()}
    show(bars(list(reads), {"values read on the host": list(reads.values())}))
    expect("values read on the host", reads[branch], equals=0)
    expect("values read on the host by the if", reads["if"], equals=1)


@breaks(way="one by one", en="One by one, sigmoid writes what the product reads again.", zh="逐个执行时，sigmoid 写出的，乘法又读一遍。")
def claim_fusion_saves_the_trips_to_memory(size=64, way="fused"):
    """SiLU as one operator moves its input and its output, two tensors; as sigmoid and a product it moves five.

    SiLU 作为一个算子只搬运输入与输出两个张量；拆成 sigmoid 与乘法要搬运五个。"""
    x = torch.randn(size, size)
    moved = {}
    for name, work in {"fused": F.silu, "one by one": lambda x: x * x.sigmoid()}.items():
        with operations() as seen:
            work(x)
        moved[name] = seen.moved / x.nbytes
    show(bars(list(moved), {"tensors moved": list(moved.values())}))
    expect("tensors moved", moved[way], equals=2)
    expect("tensors moved one by one", moved["one by one"], equals=5)


ZH = {
    "positive sum": "和为正", "negative sum": "和为负", "input": "输入", "largest difference of the replay": "重放的最大差异",
    "replay less the function": "重放与函数之差", "values read on the host": "主机读取的数值个数", "if": "if", "where": "where",
    "fused": "融合", "one by one": "逐个", "tensors moved": "搬运的张量数",
    "values read on the host by the if": "if 在主机上读取的数值个数", "tensors moved one by one": "逐个执行搬运的张量数",
    "replay of the if, negative sum, less the branch of positive sums": "和为负时，if 的重放与“和为正”那一支之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
