r"""Fused attention never stores the n × n matrix: its memory grows with n, that of attention written
out with n².

融合的注意力从不存下 n × n 矩阵：其内存随 n 增长，未融合的随 n² 增长。

Dao et al. 2022, §3.1. Measured on a processor, with torch.nn.functional.scaled_dot_product_attention
forced to one backend; "math" is its path without fusion. Turn `way` to "written out": two n × n
matrices per head are alive at once.
把 `way` 改为 "written out"：每个 head 同时存有两个 n × n 矩阵。
"""

import time

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from studyapp.evidence import bars, between, breaks, each, expect, lines, main, one_of, show, timed


def written_out(q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
    """softmax(QKᵀ/√d)V as separate operations; all are (batch, heads, n, d_head)."""
    scores = q @ k.mT * q.shape[-1] ** -0.5                                  # (batch, heads, n, n)
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -torch.inf)
    return scores.softmax(-1) @ v


def attention(way: str, q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
    """Written out, or SDPA with one backend forced."""
    if way == "written out":
        return written_out(q, k, v, causal)
    with sdpa_kernel(SDPBackend.MATH if way == "math" else SDPBackend.FLASH_ATTENTION):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)


def peak(way: str, n: int, heads: int, d_head: int) -> int:
    """The most bytes that this way allocated and held at once, inside its operators too; the inputs
    do not count."""
    q, k, v = torch.randn(3, 1, heads, n, d_head)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        kept = attention(way, q, k, v)                                     # so that the result counts
    events = seen.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    del kept
    alive = [0]
    for _, change in changes:                                              # a free has negative bytes
        alive.append(alive[-1] + change)
    return max(alive)


RANGES = {
    "n": between(64, 512),
    "lengths": each(one_of(256, 512, 1024, 2048), at_least=2, rising=True),
    "tokens": one_of(2048, 4096),
    "heads": between(1, 4),
    "d_head": one_of(32, 64, 96),
    "way": one_of("written out", "math", "fused"),
    "scale": one_of("1/√d", "1"),
}


@breaks(scale="1", en="Another scale is another function: SDPA divides the scores by √d.",
        zh="缩放不同就是另一个函数：SDPA 把分数除以 √d。")
def claim_backends_agree(n=512, heads=2, d_head=64, scale="1/√d"):
    """Written out, SDPA's math path and its fused kernel give the same output to rounding error,
    causal or not.

    未融合的写法、SDPA 的 math 路径与融合 kernel 的输出只差舍入误差，有无因果掩码都一样。"""
    q, k, v = torch.randn(3, 1, heads, n, d_head)
    gaps: dict[str, list[float]] = {"written out": [], "math": [], "fused": []}
    for causal in (False, True):
        exact = written_out(q.double() * (1 if scale == "1/√d" else d_head**0.5), k.double(),
                            v.double(), causal)
        for way, gap in gaps.items():
            gap.append((attention(way, q, k, v, causal) - exact).abs().max())
    show(bars(["full", "causal"], gaps, y_label="largest error"))
    for way, gap in gaps.items():
        # float32: outputs of size 1 to 5 from up to 512 terms
        expect(f"largest error against float64, {way}", gap, equals=0, within=1e-5)


@breaks(way="fused", en="The fused kernel holds no n × n matrix.", zh="融合 kernel 不存 n × n 矩阵。")
def claim_unfused_memory_is_quadratic(lengths=(256, 512, 1024), heads=1, d_head=64,
                                      way="written out"):
    """Unfused attention holds two to three n × n matrices per head at its peak, so doubling n takes
    about four times the memory.

    未融合的注意力在峰值处每个 head 同时存有两到三个 n × n 矩阵，n 翻倍，内存约为四倍。"""
    peaks = [peak(way, n, heads, d_head) for n in lengths]
    matrix = [heads * n * n * 4 for n in lengths]
    show(lines("n", lengths, {"bytes at the peak": peaks, "one n × n matrix per head": matrix},
               log="xy", y_label="bytes"))
    expect("n × n matrices alive at the peak", [p / m for p, m in zip(peaks, matrix, strict=True)],
           equals=2.5, within=0.5, at=("n", lengths))


@breaks(way="written out", en="Written out, the workspace is n × n.", zh="未融合时，工作区就是 n × n。")
@breaks(way="math", en="SDPA's math path writes the n × n matrix out as well.",
        zh="SDPA 的 math 路径同样写出 n × n 矩阵。")
def claim_fused_kernel_needs_a_bounded_workspace(
    lengths=(256, 512, 1024), heads=1, d_head=64, way="fused"
):
    """Beyond its output and one number per row the fused kernel needs under 1 MiB on one thread,
    whatever n is.

    除输出与每行一个数之外，融合 kernel 单线程所需不到 1 MiB，与 n 无关。"""
    result = [heads * n * (d_head + 1) * 4 for n in lengths]            # output and log-sum-exp
    rest = [peak(way, n, heads, d_head) - r for n, r in zip(lengths, result, strict=True)]
    show(lines("n", lengths, {"workspace": rest, "output and one number per row": result}, log="xy",
               y_label="bytes"))
    expect("workspace, bytes", rest, at_most=2**20, at=("n", lengths))
    expect("workspace, bytes", rest, at_least=0, at=("n", lengths))


@breaks(way="math", en="The math path is not fused: it is no faster than the same operations.",
        zh="math 路径没有融合：不比同样的几步操作快。")
@timed
def claim_fused_kernel_is_faster_on_a_cpu_too(tokens=2048, way="fused"):
    """On a CPU too the fused kernel beats attention written out, though a CPU has no HBM.

    在 CPU 上融合 kernel 也快于未融合的写法，尽管 CPU 没有 HBM。"""
    q, k, v = torch.randn(3, 1, 1, tokens, 64)
    took: dict[str, list[float]] = {"written out": [], way: []}
    for one in [*took] * 3:
        start = time.perf_counter()
        attention(one, q, k, v)
        took[one].append(time.perf_counter() - start)
    best = {one: min(times) for one, times in took.items()}
    show(bars(list(best), {"ms": [t * 1e3 for t in best.values()]}, title=f"n = {tokens}, best of 3"))
    expect("time written out over this way's", best["written out"] / best[way], at_least=1.2)


ZH = {
    "written out": "未融合",
    "fused": "融合",
    "math": "math",
    "full": "完整",
    "causal": "因果",
    "largest error": "最大误差",
    "largest error against float64, {}": "与 float64 的最大误差，{}",
    "bytes": "字节",
    "bytes at the peak": "峰值字节数",
    "one n × n matrix per head": "每个 head 一个 n × n 矩阵",
    "n × n matrices alive at the peak": "峰值处并存的 n × n 矩阵数",
    "workspace": "工作区",
    "output and one number per row": "输出与每行一个数",
    "workspace, bytes": "工作区，字节",
    "n = {}, best of 3": "n = {}，3 次中最快",
    "time written out over this way's": "未融合与此方式用时之比",
}

if __name__ == "__main__":
    main()
