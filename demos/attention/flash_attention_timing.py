r"""Fused attention never stores the n × n matrix: the same result, less memory, and on a GPU less time.

融合的注意力从不存下 n × n 矩阵：结果相同、内存更少，在 GPU 上也更快。

FlashAttention (Dao et al. 2022; Dao 2023), through torch.nn.functional.scaled_dot_product_attention (SDPA) with one
backend forced. "flash" is what SDPA runs for FLASH_ATTENTION: on CUDA FlashAttention-2, unless another was activated
(torch.nn.attention.current_flash_attention_impl). On a CPU bytes and agreement can be shown; its time says nothing about
HBM. On a CUDA card the claims gpu_… measure time, TFLOP/s and peak memory. Buffers are not rotated and L2 is not flushed:
below n = 2048 the inputs may stay in L2, which flatters every kind. A nan is a kind that could not run, or memory that ran out.
Turn `gpu_lengths` down to 512 and 1024: launches hide the gain. The first use of the profiler takes about a second.
把 `gpu_lengths` 降到 512、1024：收益会被启动开销掩盖。
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from studyapp.evidence import between, each, expect, lines, main, needs, one_of, progress, show, table, timed

BACKENDS = {"math": SDPBackend.MATH, "flash": SDPBackend.FLASH_ATTENTION,
            "efficient": SDPBackend.EFFICIENT_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
NAN = float("nan")
RANGES = {
    "n": between(64, 1024),
    "heads": between(1, 4),
    "head_dim": one_of(32, 64, 96),
    "lengths": one_of((512, 1024, 2048), (1024, 2048)),
    "timing_n": one_of(2048, 4096),
    "gpu_n": between(256, 4096),
    "batch": between(1, 4),
    "gpu_heads": between(8, 32),
    "gpu_head_dim": one_of(64, 128),
    "gpu_lengths": each(one_of(512, 1024, 2048, 4096, 8192, 16384), at_least=2, rising=True),
}
Work = Callable[[], object]
Rows = dict[str, dict[str, list[float]]]                  # kind: seconds, flops (per second), bytes


def attention(kind: str, q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
    """softmax(q kᵀ/√d) v for (batch, heads, n, d): three plain operations ("naive") or SDPA with one backend forced."""
    if kind != "naive":
        with sdpa_kernel(BACKENDS[kind]):
            return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5                       # (batch, heads, n, n)
    if causal:
        n = q.shape[-2]
        scores = scores.masked_fill(torch.ones(n, n, dtype=torch.bool, device=q.device).triu(1), -torch.inf)
    return scores.softmax(-1) @ v


def inputs(batch: int, heads: int, n: int, d: int, device: str = "cpu", dtype: torch.dtype = torch.float32,
           grad: bool = False) -> list[Tensor]:
    """q, k, v of shape (batch, heads, n, d)."""
    return [torch.randn(batch, heads, n, d, device=device, dtype=dtype, requires_grad=grad) for _ in range(3)]


def cpu_peak_bytes(work: Work) -> int:
    """Most bytes alive at once among those that `work` allocates, from the profiler's allocation events."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        kept = work()                                                            # kept, so that the result counts
    events = sorted((e.start_ns(), e.nbytes()) for e in seen.profiler.kineto_results.events() if e.name() == "[memory]")
    del kept
    alive = peak = 0
    for _, change in events:                                                     # a free has negative bytes
        alive += change
        peak = max(peak, alive)
    return peak


def cpu_peaks(kinds: Sequence[str], lengths: Sequence[int], heads: int, head_dim: int) -> dict[str, list[int]]:
    """Peak bytes of each kind at each length, the inputs not counted."""
    peaks: dict[str, list[int]] = {kind: [] for kind in kinds}
    for n in lengths:
        qkv = inputs(1, heads, n, head_dim)
        for kind in kinds:
            peaks[kind].append(cpu_peak_bytes(lambda kind=kind, qkv=qkv: attention(kind, *qkv)))
    return peaks


def cuda_peak_bytes(work: Work) -> int:
    """Most bytes alive at once on the card beyond those alive before `work`."""
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def cpu_seconds(work: Work, repeats: int = 5) -> float:
    """Median wall time after a warm-up."""
    work()
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def cuda_seconds(work: Work, repeats: int = 10, warm_up: int = 3) -> float:
    """Median of the times between CUDA events, after a warm-up: a kernel launch returns before the kernel ends."""
    for _ in range(warm_up):
        work()
    pairs = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    for start, end in pairs:
        start.record()
        work()
        end.record()
    torch.cuda.synchronize()
    return statistics.median(start.elapsed_time(end) for start, end in pairs) / 1000


def attention_flops(batch: int, heads: int, n: int, d: int, causal: bool = False, backward: bool = False) -> float:
    """Two matmuls of 2n²d forward; backward counts 2.5 times the forward (five matmuls); a causal mask halves both."""
    forward = 4 * batch * heads * n * n * d * (0.5 if causal else 1)
    return forward * 3.5 if backward else forward


def matmul_rate(seconds: Callable[[Work], float], size: int, device: str, dtype: torch.dtype) -> float:
    """FLOP/s of one large square matmul: the yardstick of this machine."""
    a, b = torch.randn(2, size, size, device=device, dtype=dtype)
    return 2 * size**3 / seconds(lambda: a @ b)


def sweep(kinds: Sequence[str], lengths: Sequence[int], *, batch: int, heads: int, head_dim: int, causal: bool,
          backward: bool, device: str, dtype: torch.dtype, seconds: Callable[[Work], float],
          peak_bytes: Callable[[Work], int]) -> Rows:
    """Time, FLOP/s and peak memory of each kind at each length; nan where a kind cannot run or memory runs out."""
    rows: Rows = {k: {"seconds": [], "flops": [], "bytes": []} for k in kinds}
    qkv: list[Tensor] = []
    for n, kind in progress([(n, kind) for n in lengths for kind in kinds]):
        if kind == kinds[0]:                                                     # the same inputs for every kind
            qkv = inputs(batch, heads, n, head_dim, device, dtype, grad=backward)
            upward = torch.randn_like(qkv[0]) if backward else None              # the gradient that reaches the output

        def work(kind: str = kind, qkv: list[Tensor] = qkv, upward: Tensor | None = upward) -> object:
            out = attention(kind, *qkv, causal=causal)
            return out if upward is None else torch.autograd.grad(out, qkv, upward)

        try:
            peak, took = float(peak_bytes(work)), seconds(work)
        except RuntimeError:                                                     # out of memory, or no such kernel here
            peak = took = NAN
            if device == "cuda":
                torch.cuda.empty_cache()
        rows[kind]["seconds"].append(took)
        rows[kind]["flops"].append(attention_flops(batch, heads, n, head_dim, causal, backward) / took)
        rows[kind]["bytes"].append(peak)
    return rows


def growth(values: Sequence[float], lengths: Sequence[int], start: int) -> tuple[list[float], list[int]]:
    """Factor per doubling of n from `start` on, and at which n; unmeasured values are left out."""
    pairs = [(a, b, n) for a, b, m, n in zip(values, values[1:], lengths, lengths[1:], strict=False)
             if a == a and b == b and n == 2 * m and m >= start]
    return [b / a for a, b, _ in pairs], [n for _, _, n in pairs]


def show_sweep(rows: Rows, lengths: Sequence[int], rate: float, title: str) -> None:
    """The sweep as a table and as two curves."""
    body = [(n, kind, r["seconds"][i] * 1e3, r["flops"][i] / 1e12, 100 * r["flops"][i] / rate, r["bytes"][i] / 2**20)
            for i, n in enumerate(lengths) for kind, r in rows.items()]
    ms = {kind: [x * 1e3 for x in r["seconds"]] for kind, r in rows.items()}
    mib = {kind: [x / 2**20 for x in r["bytes"]] for kind, r in rows.items()}
    show(table(("n", "kind", "ms", "TFLOP/s", "% of matmul rate", "peak MiB"), body, title=title),
         lines("n", lengths, ms, log="xy", y_label="ms", title=title),
         lines("n", lengths, mib, log="xy", y_label="peak MiB", title=title))


def claim_backends_agree(n=512, heads=2, head_dim=64):
    """Naive attention, SDPA's math path and its fused kernel give the same output to rounding error, causal or not.

    朴素实现、SDPA 的 math 路径与融合 kernel 的输出只差舍入误差，有无因果掩码都一样。"""
    q, k, v = inputs(1, heads, n, head_dim)
    names, gaps = [], []
    for causal in (False, True):
        exact = attention("naive", q.double(), k.double(), v.double(), causal)
        for kind in ("naive", "math", "flash"):
            names.append(f"{kind}{', causal' if causal else ''}")
            gaps.append((attention(kind, q, k, v, causal) - exact).abs().max())
    show(table({"kind": names, "max error against float64": gaps}))
    expect("max error against float64", gaps, at_most=1e-5, at=("kind", names))
    expect("error of the fused kernel over that of naive attention", [gaps[2] / gaps[0], gaps[5] / gaps[3]], at_most=5,
           at=("mask", ["none", "causal"]))


def claim_math_memory_is_quadratic(lengths=(512, 1024, 2048), heads=2, head_dim=64):
    """Unfused attention holds at least two n × n matrices a head at once, so doubling n takes four times the memory.

    未融合的注意力每个 head 至少同时存有两个 n × n 矩阵，n 翻倍，内存变为四倍。"""
    peaks = cpu_peaks(("naive", "math"), lengths, heads, head_dim)
    matrix = [heads * n * n * 4 for n in lengths]
    show(table({"n": lengths, "one n × n, bytes": matrix, **{f"{k}, peak bytes": p for k, p in peaks.items()}}))
    for kind, peak in peaks.items():
        expect(f"matrices alive at the peak, {kind}", [p / m for p, m in zip(peak, matrix, strict=True)], at_least=2,
               at=("n", lengths))
        factors, at = growth(peak, lengths, 0)
        expect(f"memory growth per doubling of n, {kind}", factors, equals=4, within=0.5, at=("n", at))


def claim_flash_avoids_the_n_by_n_matrix(lengths=(512, 1024, 2048), heads=2, head_dim=64):
    """Beyond its output and one number a row the fused kernel needs under 1 MiB of workspace (one thread) at any n.

    除输出和每行一个数之外，融合 kernel（单线程）的工作区不到 1 MiB，与 n 无关。"""
    peaks = cpu_peaks(("naive", "flash"), lengths, heads, head_dim)
    matrix = [heads * n * n * 4 for n in lengths]
    result = [heads * n * (head_dim + 1) * 4 for n in lengths]                   # the output and the log-sum-exp
    work = [p - o for p, o in zip(peaks["flash"], result, strict=True)]
    show(table({"n": lengths, "one n × n, bytes": matrix, "naive, peak bytes": peaks["naive"],
                "fused, peak bytes": peaks["flash"], "of it workspace": work}))
    expect("the fused kernel's workspace, bytes", work, at_most=2**20, at=("n", lengths))
    expect("fused peak as a share of one n × n matrix, longest", peaks["flash"][-1] / matrix[-1], at_most=0.25)


def claim_flash_saves_no_probabilities_for_backward(lengths=(512, 1024, 2048), heads=2, head_dim=64):
    """For backward naive attention keeps n × n probabilities; the fused kernel keeps q, k, v, o and n numbers a head.

    为了反向传播，朴素注意力要保存 n × n 的概率矩阵；融合 kernel 只保存 q、k、v、o，外加每个 head n 个数。"""
    saved: dict[str, list[int]] = {"naive": [], "flash": []}
    for kind, n in [(kind, n) for n in lengths for kind in saved]:
        storages: dict[int, int] = {}

        def keep(t: Tensor, storages: dict[int, int] = storages) -> Tensor:
            storages[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            out = attention(kind, *inputs(1, heads, n, head_dim, grad=True))
        del out
        saved[kind].append(sum(storages.values()))
    linear = [4 * heads * n * (4 * head_dim + 1) for n in lengths]               # q, k, v, o and the log-sum-exp
    matrix = [heads * n * n * 4 for n in lengths]
    show(table({"n": lengths, "n × n, bytes": matrix, "naive saves": saved["naive"], "fused saves": saved["flash"]}))
    expect("bytes the fused kernel saves", saved["flash"], equals=linear, within=1024, at=("n", lengths))
    expect("bytes naive attention saves", saved["naive"], at_least=matrix, at=("n", lengths))


@timed
def claim_cpu_fused_kernel_is_faster(timing_n=2048, heads=2, head_dim=64):
    """On a CPU too the fused kernel beats naive attention at n = 2048, though a CPU has no HBM or SRAM tiles.

    在 CPU 上，n = 2048 时融合 kernel 也快于朴素实现，尽管 CPU 并没有 HBM 和 SRAM 分块。"""
    qkv = inputs(1, heads, timing_n, head_dim)
    with torch.no_grad():
        took = {kind: cpu_seconds(lambda kind=kind: attention(kind, *qkv)) for kind in ("naive", "math", "flash")}
    show(table({"kind": list(took), "ms": [s * 1e3 for s in took.values()]}, title=f"n = {timing_n}, median of 5"))
    expect("time of naive attention over the fused kernel's", took["naive"] / took["flash"], at_least=1.2)


def gpu_sweep(lengths: Sequence[int], batch: int, heads: int, head_dim: int, *, causal: bool,
              backward: bool) -> tuple[Rows, float]:
    """Every kind in bfloat16 on the card, and the card's measured matmul rate."""
    rate = matmul_rate(cuda_seconds, 8192, "cuda", torch.bfloat16)
    rows = sweep(("naive", *BACKENDS), lengths, batch=batch, heads=heads, head_dim=head_dim, causal=causal,
                 backward=backward, device="cuda", dtype=torch.bfloat16, seconds=cuda_seconds,
                 peak_bytes=cuda_peak_bytes)
    passes = ("forward and backward" if backward else "forward") + (", causal" if causal else "")
    show_sweep(rows, lengths, rate, f"{passes}, bf16; one large matmul runs at {rate / 1e12:.0f} TFLOP/s")
    return rows, rate


def judge(rows: Rows, lengths: Sequence[int], start: int = 2048) -> None:
    """Linear memory for flash, quadratic for naive, and flash faster, at lengths from `start` on."""
    for kind, factor, slack in (("flash", 2, 0.3), ("naive", 4, 0.6)):
        factors, at = growth(rows[kind]["bytes"], lengths, start)
        expect(f"{kind}: growth of peak memory per doubling of n", factors, equals=factor, within=slack, at=("n", at))
    both = [(n, a / b) for n, a, b in zip(lengths, rows["naive"]["seconds"], rows["flash"]["seconds"], strict=True)
            if a == a and b == b and n >= start]
    expect("time of naive over flash", [r for _, r in both], at_least=1.5, at=("n", [n for n, _ in both]))


@needs("cuda")
def claim_gpu_backends_agree(gpu_n=2048, batch=2, gpu_heads=16, gpu_head_dim=128):
    """In bf16 every backend is about as far from exact attention as the others: rounding, not approximation.

    bf16 下各 backend 与精确结果的差距相当：那是舍入，不是近似。"""
    q, k, v = inputs(batch, gpu_heads, gpu_n, gpu_head_dim, "cuda", torch.bfloat16)
    exact = attention("naive", q.float(), k.float(), v.float(), True)
    gaps = {}
    for kind in ("naive", *BACKENDS):
        try:
            gaps[kind] = (attention(kind, q, k, v, True).float() - exact).abs().max().item()
        except RuntimeError:
            gaps[kind] = NAN
    show(table({"kind": list(gaps), "max error against float32": list(gaps.values())}))
    ran = {kind: gap for kind, gap in gaps.items() if gap == gap}
    expect("max error against float32", list(ran.values()), at_most=0.05, at=("kind", list(ran)))
    expect("flash ran on this card", "flash" in ran, equals=True)


@needs("cuda")
@timed
def claim_gpu_flash_memory_is_linear_and_faster(gpu_lengths=(512, 1024, 2048, 4096, 8192, 16384), batch=2, gpu_heads=16,
                                                gpu_head_dim=128):
    """Forward on a GPU: flash's memory grows with n, naive attention's with n², and flash is faster from n = 2048 on.

    GPU 前向：flash 的显存随 n 增长，朴素实现随 n² 增长；从 n = 2048 起 flash 更快。"""
    rows, rate = gpu_sweep(gpu_lengths, batch, gpu_heads, gpu_head_dim, causal=False, backward=False)
    judge(rows, gpu_lengths)
    best = max(f for f in rows["flash"]["flops"] if f == f)
    expect("flash's best share of the card's matmul rate", best / rate, at_least=0.2)


@needs("cuda")
@timed
def claim_gpu_backward_keeps_the_gain(gpu_lengths=(512, 1024, 2048, 4096, 8192, 16384), batch=2, gpu_heads=16,
                                      gpu_head_dim=128):
    """Forward and backward on a GPU: flash recomputes the scores and is still faster, with memory linear in n.

    GPU 前向加反向：flash 虽要重算分数，仍然更快，显存随 n 线性增长。"""
    rows, _ = gpu_sweep(gpu_lengths, batch, gpu_heads, gpu_head_dim, causal=False, backward=True)
    judge(rows, gpu_lengths)


@needs("cuda")
@timed
def claim_gpu_causal_mask_halves_flash_only(gpu_lengths=(512, 1024, 2048, 4096, 8192, 16384), batch=2, gpu_heads=16,
                                            gpu_head_dim=128):
    """Under a causal mask flash skips the blocks above the diagonal and nears half the time; naive saves nothing.

    有因果掩码时，flash 跳过对角线以上的块，用时接近一半；朴素实现一点也省不下。"""
    full, _ = gpu_sweep(gpu_lengths, batch, gpu_heads, gpu_head_dim, causal=False, backward=False)
    causal, _ = gpu_sweep(gpu_lengths, batch, gpu_heads, gpu_head_dim, causal=True, backward=False)
    longest = max(i for i, pair in enumerate(zip(full["naive"]["seconds"], causal["naive"]["seconds"], strict=True))
                  if not any(map(math.isnan, pair)))
    ratio = {k: causal[k]["seconds"][longest] / full[k]["seconds"][longest] for k in ("flash", "naive")}
    expect("flash: causal time over full time", ratio["flash"], at_most=0.75)
    expect("naive: causal time over full time", ratio["naive"], at_least=0.95)


ZH = {
    "kind": "种类",
    "naive": "朴素",
    "naive, causal": "朴素，因果",
    "math, causal": "math，因果",
    "flash, causal": "flash，因果",
    "max error against float64": "与 float64 的最大误差",
    "max error against float32": "与 float32 的最大误差",
    "error of the fused kernel over that of naive attention": "融合 kernel 与朴素实现的误差之比",
    "mask": "掩码",
    "none": "无",
    "causal": "因果",
    "one n × n, bytes": "一个 n × n，字节",
    "n × n, bytes": "n × n，字节",
    "naive, peak bytes": "朴素，峰值字节",
    "math, peak bytes": "math，峰值字节",
    "fused, peak bytes": "融合，峰值字节",
    "of it workspace": "其中工作区",
    "matrices alive at the peak, {}": "峰值处并存的矩阵数，{}",
    "memory growth per doubling of n, {}": "n 翻倍时内存的倍数，{}",
    "the fused kernel's workspace, bytes": "融合 kernel 的工作区，字节",
    "fused peak as a share of one n × n matrix, longest": "融合峰值与一个 n × n 矩阵之比，最长处",
    "naive saves": "朴素保存",
    "fused saves": "融合保存",
    "bytes the fused kernel saves": "融合 kernel 保存的字节数",
    "bytes naive attention saves": "朴素实现保存的字节数",
    "ms": "毫秒",
    "n = {}, median of 5": "n = {}，5 次的中位数",
    "time of naive attention over the fused kernel's": "朴素实现与融合 kernel 用时之比",
    "% of matmul rate": "占矩阵乘速率的 %",
    "peak MiB": "峰值 MiB",
    "forward, bf16; one large matmul runs at {} TFLOP/s": "前向，bf16；一次大矩阵乘为 {} TFLOP/s",
    "forward, causal, bf16; one large matmul runs at {} TFLOP/s": "前向，因果，bf16；一次大矩阵乘为 {} TFLOP/s",
    "forward and backward, bf16; one large matmul runs at {} TFLOP/s": "前向加反向，bf16；一次大矩阵乘为 {} TFLOP/s",
    "{}: growth of peak memory per doubling of n": "{}：n 翻倍时峰值显存的倍数",
    "time of naive over flash": "朴素与 flash 用时之比",
    "flash ran on this card": "flash 在此卡上运行",
    "flash's best share of the card's matmul rate": "flash 最高达到矩阵乘速率的比例",
    "flash: causal time over full time": "flash：因果与完整的用时之比",
    "naive: causal time over full time": "朴素：因果与完整的用时之比",
}

if __name__ == "__main__":
    main()
