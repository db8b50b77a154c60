"""What demos count with: FLOPs, bytes, live memory, traffic, collectives; finite differences and seeded numbers.

The idea of a demo stays in the demo; these only measure it. torch is imported when something is measured.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studyapp.paths import questions_dir

if TYPE_CHECKING:
    from torch import Tensor


def randn(*shape: int, seed: int, dtype: Any = None) -> "Tensor":
    """Normal numbers from a generator of their own: the same ones whatever was drawn before."""
    import torch

    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def largest_difference(a: "Tensor", b: "Tensor") -> float:
    """max |a − b|, in float64; nan where either holds one.

    Raises:
        ValueError: where the shapes differ (nothing is broadcast) or there is nothing to compare.
    """
    if a.shape != b.shape or not a.numel():
        raise ValueError(f"{tuple(a.shape)} and {tuple(b.shape)} cannot be compared number by number")
    return float((a.detach().double() - b.detach().double()).abs().max())


def finite_difference(f: Callable[["Tensor"], "Tensor"], x: "Tensor", step: float = 1e-6) -> "Tensor":
    """∂f/∂x of a scalar f by central differences, in float64; shaped as x. The error is about step² + 1e-16 / step."""
    import torch

    at = x.detach().double().clone()
    slope = torch.empty_like(at)
    for place in range(at.numel()):
        kept = at.view(-1)[place].item()
        ends = []
        for moved in (kept + step, kept - step):
            at.view(-1)[place] = moved
            ends.append(float(f(at)))
        at.view(-1)[place] = kept
        slope.view(-1)[place] = (ends[0] - ends[1]) / (2 * step)
    return slope


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1) with the defaults of torch.optim.Adam, which loads torch's compiler: seconds in
    every process that runs a claim.

    Args:
        parameters: tensors that require a gradient; changed in place.
        lr: the step size.
    """

    def __init__(self, parameters: Iterable["Tensor"], lr: float) -> None:
        import torch

        self.parameters, self.lr, self.steps = list(parameters), lr, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def step(self, loss: "Tensor") -> None:
        """One step down the gradient of a scalar loss."""
        import torch

        self.steps += 1
        gradients = torch.autograd.grad(loss, self.parameters)
        with torch.no_grad():
            for p, g, mean, square in zip(self.parameters, gradients, self.means, self.squares, strict=True):
                mean.lerp_(g, 0.1)
                square.mul_(0.999).addcmul_(g, g, value=0.001)
                spread = (square / (1 - 0.999**self.steps)).sqrt_().add_(1e-8)
                p.addcdiv_(mean, spread, value=-self.lr / (1 - 0.9**self.steps))


def flops_by_operator(work: Callable[..., Any], *args: Any) -> dict[str, int]:
    """FLOPs of the matrix products in `work(*args)` by operator ("mm", "bmm", …), a multiplication and an addition each
    counted; the convention of torch.utils.flop_counter, which leaves elementwise operators out."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work(*args)
    return {str(op).rpartition(".")[2]: count for op, count in counter.get_flop_counts().get("Global", {}).items()}


def flops(work: Callable[..., Any], *args: Any) -> int:
    """FLOPs of all matrix products in `work(*args)`."""
    return sum(flops_by_operator(work, *args).values())


def tensor_bytes(*tensors: "Tensor") -> int:
    """Bytes of the storages behind tensors, each storage once: views and `expand` cost nothing."""
    return sum({t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}.values())


@dataclass
class Operation:
    """One operator that ran and was no view: its name, the bytes of the tensors it read and of those it wrote."""

    name: str
    read: int
    written: int


@dataclass
class Operations:
    """The operators that ran, in order."""

    rows: list[Operation] = field(default_factory=list)

    @property
    def moved(self) -> int:
        """Bytes read and written by all of them: the traffic of kernels that keep nothing between them."""
        return sum(row.read + row.written for row in self.rows)

    def count(self, name: str) -> int:
        """How often an operator ran."""
        return sum(row.name == name for row in self.rows)


@contextlib.contextmanager
def operations() -> Iterator[Operations]:
    """Keep every operator that runs inside and is no view, with what it read and wrote."""
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    seen = Operations()

    def size(tree: Any) -> int:
        return sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))

    class Mode(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = op(*args, **(kwargs or {}))
            if not op.is_view:
                seen.rows.append(Operation(op.overloadpacket.__name__, size((args, kwargs)), size(out)))
            return out

    with Mode():
        yield seen


def peak_bytes(work: Callable[..., Any], *args: Any) -> int:
    """The most bytes of tensors that `work(*args)` made and held at once, each storage once.

    What came from outside is not counted, nor what an operator uses inside itself.
    """
    import weakref

    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    outside = {leaf.untyped_storage()._cdata for leaf in tree_leaves(args) if isinstance(leaf, Tensor)}
    live: dict[int, int] = {}
    peak = 0

    class Mode(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal peak
            given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
            outside.update(given - live.keys())
            out = op(*args, **(kwargs or {}))
            for leaf in tree_leaves(out):
                storage = leaf.untyped_storage() if isinstance(leaf, Tensor) else None
                if storage is not None and storage._cdata not in live and storage._cdata not in outside:
                    live[storage._cdata] = storage.nbytes()
                    weakref.finalize(storage, live.pop, storage._cdata, None)
            peak = max(peak, sum(live.values()))
            return out

    with Mode():
        work(*args)
    return peak


@dataclass
class Saved:
    """Bytes that autograd holds for backward passes to come: at this moment, and the most there were."""

    now: int = 0
    peak: int = 0


@contextlib.contextmanager
def saved_for_backward(*outside: "Tensor") -> Iterator[Saved]:
    """Count the bytes that autograd keeps for backward inside, each storage once, until backward or the graph's end frees them.

    Storages of `outside` (parameters, inputs that live anyway) are not counted. What torch.utils.checkpoint without
    reentrance keeps while it recomputes is not seen: it has hooks of its own.
    """
    import weakref

    from torch.autograd.graph import saved_tensors_hooks

    saved = Saved()
    free = {t.untyped_storage()._cdata for t in outside}
    holders: Counter[int] = Counter()

    class Held:
        def __init__(self, tensor: "Tensor") -> None:
            self.tensor = tensor.detach()  # an output that its own node keeps would hold the node, and never be freed

    def release(storage: int, size: int) -> None:
        holders[storage] -= 1
        if not holders[storage]:
            saved.now -= size

    def pack(tensor: "Tensor") -> Held:
        held, storage, size = Held(tensor), tensor.untyped_storage()._cdata, tensor.untyped_storage().nbytes()
        if storage not in free:
            holders[storage] += 1
            if holders[storage] == 1:
                saved.now += size
                saved.peak = max(saved.peak, saved.now)
            weakref.finalize(held, release, storage, size)
        return held

    with saved_tensors_hooks(pack, lambda held: held.tensor):
        yield saved


def cuda_seconds(work: Callable[[], Any], budget: float = 0.1) -> float:
    """The median time of `work()` on the card between CUDA events, in seconds, the L2 cache overwritten before each run.

    A launch returns before its kernel ends, so a host's clock around it measures nothing. It runs three times to warm up, and
    then for about `budget` seconds, at least five and at most 100 times.
    """
    import statistics

    import torch

    l2 = torch.cuda.get_device_properties().L2_cache_size
    elsewhere = torch.empty(max(2 * l2, 1 << 26), dtype=torch.int8, device="cuda")

    def milliseconds(runs: int) -> list[float]:
        events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(runs)]
        for start, end in events:
            elsewhere.zero_()
            start.record()
            work()
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) for start, end in events]

    took = milliseconds(3)
    return statistics.median(milliseconds(int(min(100, max(5, budget * 1000 / took[-1]))))) / 1000


class SlowMemory:
    """Tensors in a memory whose every read and write is counted, in elements and by name: HBM beside a chip."""

    def __init__(self, **tensors: "Tensor") -> None:
        self.tensors = tensors
        self.read: Counter[str] = Counter()
        self.written: Counter[str] = Counter()

    def load(self, name: str, rows: slice = slice(None)) -> "Tensor":
        """A copy on chip of some rows."""
        block = self.tensors[name][rows].clone()
        self.read[name] += block.numel()
        return block

    def store(self, name: str, value: "Tensor", rows: slice = slice(None)) -> None:
        """Write rows back; a new tensor where the name is new, and then all of it."""
        if name in self.tensors:
            self.tensors[name][rows] = value
        else:
            self.tensors[name] = value.clone()
        self.written[name] += value.numel()

    @property
    def moved(self) -> int:
        """Elements moved in both directions."""
        return self.read.total() + self.written.total()


@contextlib.contextmanager
def collectives() -> Iterator[Counter[str]]:
    """Bytes that this rank hands to each collective of torch.distributed inside: {"all_reduce": 4096, …}.

    It is the payload, the size of the tensor that goes in, not what a ring sends over the wire: that depends on the algorithm.
    """
    import torch.distributed as dist
    from torch import Tensor
    from torch.utils._pytree import tree_leaves

    inputs = {
        "all_reduce": ("tensor", 0), "broadcast": ("tensor", 0), "reduce": ("tensor", 0), "send": ("tensor", 0),
        "all_gather": ("tensor", 1), "all_gather_into_tensor": ("input_tensor", 1), "gather": ("tensor", 0),
        "reduce_scatter": ("input_list", 1), "reduce_scatter_tensor": ("input", 1),
        "all_gather_single": ("input_tensor", 1), "reduce_scatter_single": ("input", 1),
        "all_to_all": ("input_tensor_list", 1), "all_to_all_single": ("input", 1),
    }  # fmt: skip
    counted: Counter[str] = Counter()
    own = {name: getattr(dist, name) for name in inputs}

    def counting(name: str) -> Callable[..., Any]:
        keyword, place = inputs[name]

        def call(*args: Any, **kwargs: Any) -> Any:
            given = kwargs[keyword] if keyword in kwargs else args[place]
            counted[name] += sum(t.numel() * t.element_size() for t in tree_leaves(given) if isinstance(t, Tensor))
            return own[name](*args, **kwargs)

        return call

    try:
        for name in inputs:
            setattr(dist, name, counting(name))
        yield counted
    finally:
        for name, function in own.items():
            setattr(dist, name, function)


def named_model(name: str) -> Mapping[str, Any]:
    """The row of a named model in questions/models.yaml: `named_model("llama-2-7b")["layers"]`.

    Raises:
        KeyError: where there is no such model.
    """
    return _models(questions_dir() / "models.yaml")[name]


@cache
def _models(path: Path) -> dict[str, dict[str, Any]]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows: dict[str, dict[str, Any]] = yaml.load(path.read_text("utf-8"), loader)
    return rows
