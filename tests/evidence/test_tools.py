"""The counters that demos measure with, against counts by hand."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from studyapp.evidence import on_ranks
from studyapp.evidence.tools import (
    Adam,
    SlowMemory,
    collectives,
    cuda_seconds,
    finite_difference,
    flops,
    flops_by_operator,
    largest_difference,
    named_model,
    operations,
    peak_bytes,
    randn,
    saved_for_backward,
    tensor_bytes,
)


def test_importing_them_imports_no_torch() -> None:
    """The tools can be named where torch is missing."""
    code = "import sys, studyapp.evidence.tools; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_seeded_numbers_are_their_own() -> None:
    """A seed gives the same numbers whatever was drawn before, and draws nothing from the common generator."""
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    a = randn(3, 4, seed=1, dtype=torch.float64)
    torch.rand(7)
    assert torch.equal(a, randn(3, 4, seed=1, dtype=torch.float64))
    assert not torch.equal(a, randn(3, 4, seed=2, dtype=torch.float64))
    torch.manual_seed(0)
    randn(5, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_largest_difference_is_of_one_shape() -> None:
    """It is the largest absolute difference; shapes are never broadcast, and nan is not lost."""
    assert largest_difference(torch.tensor([1.0, -2.0]), torch.tensor([1.5, 2.0])) == 4
    assert largest_difference(torch.tensor([1.0, float("nan")]), torch.ones(2)) != 0
    for a, b in ((torch.ones(2), torch.ones(2, 1)), (torch.ones(0), torch.ones(0))):
        with pytest.raises(ValueError):
            largest_difference(a, b)


def test_finite_differences_are_the_gradient() -> None:
    """Central differences agree with autograd, and x is left as it was."""
    x = torch.randn(2, 3, dtype=torch.float64)
    kept, want = x.clone(), torch.autograd.functional.jacobian(lambda t: t.sin().prod(), x)
    assert torch.allclose(finite_difference(lambda t: t.sin().prod(), x), want, atol=1e-8)
    assert torch.equal(x, kept)


def test_flops_count_a_multiplication_and_an_addition() -> None:
    """(2 × 3) @ (3 × 5) is 2·2·3·5 FLOPs; batches count each; elementwise work counts nothing."""
    a, b = torch.ones(2, 3), torch.ones(3, 5)
    assert flops(torch.mm, a, b) == 60
    assert flops_by_operator(lambda: (a @ b, torch.bmm(torch.ones(7, 2, 3), torch.ones(7, 3, 5)))) == {"mm": 60, "bmm": 420}
    assert flops(torch.exp, a) == 0 and flops_by_operator(torch.exp, a) == {}


def test_bytes_are_those_of_storages() -> None:
    """A storage counts once however many views look at it; expand and slices cost nothing of their own."""
    x = torch.zeros(4, 8)
    assert tensor_bytes(x, x[1:], x.T, x[:1].expand(100, 8)) == 128
    assert tensor_bytes(x, x.half()) == 128 + 64
    assert tensor_bytes() == 0


def test_operations_are_those_that_move_numbers() -> None:
    """Each operator that is no view is kept with the bytes read and written."""
    x = torch.zeros(4, 8)
    with operations() as seen:
        y = (x.T + 1).exp()
    assert [(o.name, o.read, o.written) for o in seen.rows] == [("add", 128, 128), ("exp", 128, 128)]
    assert (seen.moved, seen.count("exp"), seen.count("mul")) == (512, 1, 0)
    assert y.shape == (8, 4)


def test_peak_is_what_is_held_at_once() -> None:
    """What was freed before counts no more; views, what came in and what is written in place count nothing."""
    x = torch.zeros(256)

    def chain(x: torch.Tensor) -> torch.Tensor:
        for _ in range(5):
            x = x + 1
        return x

    def all_kept(x: torch.Tensor) -> list[torch.Tensor]:
        kept = [x]
        for _ in range(5):
            kept.append(kept[-1] + 1)
        return kept

    assert peak_bytes(chain, x) == 2 * 1024
    assert peak_bytes(all_kept, x) == 5 * 1024
    assert peak_bytes(lambda x: x.view(16, 16)[3:].T, x) == 0
    assert peak_bytes(lambda x: x.add_(1), x) == 0
    assert peak_bytes(lambda: torch.zeros(256)[None].expand(99, 256)) == 1024


def test_peak_of_attention_is_its_scores() -> None:
    """Scores and softmax of n × n are held together; the fused form of torch holds neither."""
    q, k, v = torch.randn(3, 1, 1, 256, 8)
    assert peak_bytes(lambda: (q @ k.mT).softmax(-1) @ v) >= 2 * 256 * 256 * 4
    assert peak_bytes(lambda: F.scaled_dot_product_attention(q, k, v)) < 256 * 256 * 4


def test_saved_for_backward_is_counted_until_backward_frees_it() -> None:
    """exp keeps its output and a product its inputs, each storage once; backward, or the end of the graph, frees them."""
    x, w = (torch.randn(256).requires_grad_() for _ in range(2))
    with saved_for_backward(w) as saved:
        y = x.exp()
        assert saved.now == 1024
        z = y * w + y * y
        assert saved.now == 1024
        z.sum().backward()
        assert (saved.now, saved.peak) == (0, 1024)
        kept = (x.sin(), x.cos(), w.tanh())
        assert (saved.now, saved.peak) == (2048, 2048)
        del kept
        assert (saved.now, saved.peak) == (0, 2048)


def test_a_slow_memory_counts_by_name() -> None:
    """Rows read and written are counted in elements; what is on chip is a copy."""
    memory = SlowMemory(Q=torch.zeros(4, 2))
    block = memory.load("Q", slice(0, 2)).add_(1)
    memory.store("O", block)
    memory.store("Q", block, slice(2, 4))
    block.zero_()
    assert (dict(memory.read), dict(memory.written), memory.moved) == ({"Q": 4}, {"O": 4, "Q": 4}, 12)
    assert memory.tensors["Q"].sum() == 4 and memory.tensors["O"].sum() == 4


def _talk(rank: int, ranks: int) -> dict[str, int]:
    import torch.distributed as dist

    x = torch.ones(256)
    with collectives() as counted:
        dist.all_reduce(x)
        dist.all_reduce(tensor=x)
        dist.all_gather([torch.empty(256) for _ in range(ranks)], x)
        dist.broadcast(x.double(), 0)
        dist.reduce_scatter_single(torch.empty(128), x)
        dist.all_gather_single(torch.empty(512), input_tensor=x)
    dist.all_reduce(x)
    return dict(counted)


def test_collectives_are_counted_in_bytes_handed_over() -> None:
    """Each rank's payload is counted by collective, by position or keyword, and outside nothing is."""
    for counted in on_ranks(_talk, 2):
        assert counted == {
            "all_reduce": 2048, "all_gather": 1024, "broadcast": 2048, "reduce_scatter_single": 1024,
            "all_gather_single": 1024,
        }  # fmt: skip


def test_a_named_model_is_its_row() -> None:
    """Facts of named models come from models.yaml alone, as numbers."""
    row = named_model("llama-2-7b")
    assert (row["layers"], row["kv_heads"], row["d_head"], row["attention"]["kind"]) == (32, 32, 128, "mha")
    with pytest.raises(KeyError):
        named_model("llama-7")


def test_adam_takes_torchs_steps() -> None:
    """Twenty steps on two tensors of different size end where torch.optim.Adam's do."""
    start = [torch.randn(3, 4, dtype=torch.float64), torch.randn(5, dtype=torch.float64)]
    ours, theirs = ([t.clone().requires_grad_() for t in start] for _ in range(2))

    def loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a.square() * torch.arange(12).view(3, 4)).sum() + b.exp().sum()

    adam, reference = Adam(ours, lr=0.05), torch.optim.Adam(theirs, lr=0.05)
    for _ in range(20):
        adam.step(loss(*ours))
        reference.zero_grad()
        loss(*theirs).backward()
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_a_card_is_timed_by_events_with_the_l2_overwritten_before_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The median between events counts, after a warm-up; before each run twice the L2 is overwritten, outside the events."""
    happened: list[str] = []
    took = iter([9.0, 9.0, 20.0, 1.0, 2.0, 3.0, 4.0, 100.0])  # milliseconds: three to warm up, then five

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            happened.append("event")

        def elapsed_time(self, end: "Event") -> float:
            return next(took)

    class Elsewhere:
        def zero_(self) -> None:
            happened.append("overwrite")

    def empty(size: int, *, dtype: torch.dtype, device: str) -> Elsewhere:
        assert (size, dtype, device) == (2 * (50 << 20), torch.int8, "cuda")
        return Elsewhere()

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: happened.append("wait"))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda: type("Card", (), {"L2_cache_size": 50 << 20}))
    monkeypatch.setattr(torch, "empty", empty)
    assert cuda_seconds(lambda: happened.append("work"), budget=0.1) == 0.003
    run = ["overwrite", "event", "work", "event"]
    assert happened == run * 3 + ["wait"] + run * 5 + ["wait"]
