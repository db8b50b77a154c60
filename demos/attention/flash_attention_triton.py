r"""FlashAttention in about thirty lines of Triton: each program keeps one block of queries and loops
over the keys; per row stay a maximum, a sum and an output, rescaled when the maximum rises.

约三十行 Triton 写成的 FlashAttention：每个 program 负责一块 query，沿 key 循环；
每行只留最大值、求和与输出，最大值变大时重新缩放后两者。

Dao 2023, §3.1; Milakov & Gimelshein 2018. Compiled on a CUDA card; on a processor Triton's
interpreter runs it: that checks values and says nothing of speed. Turn `rescaled` to "neither":
terms taken against an older, smaller maximum stay as large as they were.
把 `rescaled` 改为 "neither"：相对旧的、较小的最大值算出的项没有缩小，结果就错了。
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from studyapp.evidence import (
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    needs,
    one_of,
    progress,
    show,
    slow,
    timed,
)
from studyapp.evidence.kernels import DEVICE, jit, tl
from studyapp.evidence.tools import cuda_seconds


@exercise(claims=("equals_sdpa",),
          wrong=("forgets_the_sum", "forgets_the_output", "counts_keys_beyond_the_end",
                 "subtracts_the_blocks_own_maximum", "divides_by_the_last_sum"))
def over_keys(q, k, v, tokens, first, scale, D: tl.constexpr, ROWS: tl.constexpr,
              COLUMNS: tl.constexpr, CAUSAL: tl.constexpr, RESCALED: tl.constexpr):
    """The output (ROWS, D) of a block of queries. q (ROWS, D) is loaded and begins at row `first`;
    k and v point to (tokens, D) in memory. Scores q·k times `scale` are logits in base 2. Load keys
    COLUMNS at a time; those from `tokens` on do not exist, nor, where CAUSAL, those after a row.

    一块 query 的输出 (ROWS, D)。q (ROWS, D) 已载入，首行序号为 first；k、v 指向内存中的 (tokens, D)。
    q·k 乘以 scale 即以 2 为底的 logit。每次载入 COLUMNS 个 key；序号不小于 tokens 的不存在，
    CAUSAL 时各行之后的也不可见。"""
    rows, width = first + tl.arange(0, ROWS), tl.arange(0, D)
    largest = tl.full([ROWS], float("-inf"), tl.float32)              # per row: the maximum so far,
    total = tl.zeros([ROWS], tl.float32)                              # the sum of 2^(s − maximum),
    out = tl.zeros([ROWS, D], tl.float32)                             # and that sum weighted by V
    for start in range(0, min(tokens, first + ROWS) if CAUSAL else tokens, COLUMNS):
        keys = start + tl.arange(0, COLUMNS)
        here = keys[:, None] * D + width                              # (COLUMNS, D)
        kb = tl.load(k + here, mask=keys[:, None] < tokens, other=0.0)
        s = tl.dot(q, tl.trans(kb), input_precision="ieee") * scale   # (ROWS, COLUMNS)
        seen = keys[None, :] < tokens
        if CAUSAL:
            seen = seen & (keys[None, :] <= rows[:, None])
        s = tl.where(seen, s, float("-inf"))
        larger = tl.maximum(largest, tl.max(s, 1))
        p = tl.exp2(s - larger[:, None])
        shrink = tl.exp2(largest - larger)
        total = total * tl.where(RESCALED != "neither", shrink, 1.0) + tl.sum(p, 1)
        out *= tl.where(RESCALED == "both", shrink, 1.0)[:, None]
        vb = tl.load(v + here, mask=keys[:, None] < tokens, other=0.0)
        out = tl.dot(p.to(vb.dtype), vb, out, input_precision="ieee")
        largest = larger
    return out / total[:, None]


LOOP = jit(over_keys)
SHARED = torch.cuda.get_device_properties().shared_memory_per_block_optin if DEVICE == "cuda" else 0
STAGES = 3 if SHARED >= 160 << 10 else 2                              # tiles of K and V in flight


@jit
def kernel(q, k, v, o, tokens, scale, D: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
           CAUSAL: tl.constexpr, RESCALED: tl.constexpr):
    """One block of queries of one head: program (block, batch · heads)."""
    first, head = tl.program_id(0) * ROWS, tl.program_id(1).to(tl.int64) * tokens * D
    rows = first + tl.arange(0, ROWS)
    here = head + rows[:, None] * D + tl.arange(0, D)                 # (ROWS, D)
    qb = tl.load(q + here, mask=rows[:, None] < tokens, other=0.0)
    out = LOOP(qb, k + head, v + head, tokens, first, scale, D, ROWS, COLUMNS, CAUSAL, RESCALED)
    tl.store(o + here, out.to(o.dtype.element_ty), mask=rows[:, None] < tokens)


def attention(q: Tensor, k: Tensor, v: Tensor, causal: bool, rows: int, columns: int,
              rescaled: str = "both") -> Tensor:
    """softmax(QKᵀ/√d)V by the kernel; all are (batch, heads, tokens, d_head), d_head a power of 2."""
    batch, heads, tokens, d = q.shape
    out = torch.full_like(q, torch.nan)                               # every number must be written
    kernel[-(-tokens // rows), batch * heads](
        q, k, v, out, tokens, 1.4426950408889634 * d**-0.5, D=d, ROWS=rows, COLUMNS=columns,
        CAUSAL=causal, RESCALED=rescaled, num_warps=8 if rows > 64 else 4, num_stages=STAGES)
    return out


BACKENDS = {"SDPA, FLASH": SDPBackend.FLASH_ATTENTION, "SDPA, cuDNN": SDPBackend.CUDNN_ATTENTION,
            "SDPA, efficient": SDPBackend.EFFICIENT_ATTENTION}


def run(way: str, q: Tensor, k: Tensor, v: Tensor, causal: bool, rows: int, columns: int) -> Tensor:
    """The kernel above, or SDPA with one backend forced."""
    if way == "by hand":
        return attention(q, k, v, causal, rows, columns)
    with sdpa_kernel(BACKENDS[way]):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)


RANGES = {
    "rows": one_of(16, 32, 64, 128),
    "columns": one_of(16, 32, 64),
    "lengths": each(between(1, 200)),
    "masks": each(one_of("full", "causal")),
    "rescaled": one_of("both", "sum", "neither"),
    "gpu_lengths": one_of((1024, 4096), (2048, 8192), (2048, 4096, 8192, 16384)),
}
NEITHER = breaks(
    rescaled="neither", en="What was added under an older maximum stays too large, up to overflow.",
    zh="按旧的最大值累加的项没有缩小，偏大，甚至溢出。")
SUM_ONLY = breaks(
    rescaled="sum", en="With the sum alone rescaled, the output is divided by too little.",
    zh="只缩放求和而不缩放输出，除数就偏小。")


def randn(*shape: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """q, k, v."""
    return [torch.randn(shape, device=DEVICE, dtype=dtype) for _ in range(3)]


@NEITHER
@SUM_ONLY
@needs("triton")
def claim_equals_sdpa(lengths=(48, 83), masks=("full", "causal"), rows=32, columns=32,
                      rescaled="both"):
    """The kernel gives what PyTorch's attention gives, to rounding, causal or not, also where no
    tile divides the length.

    kernel 的输出与 PyTorch 的注意力相同，只差舍入：有无因果掩码都一样，长度不能被分块整除时也一样。"""
    gaps = {mask: [] for mask in masks}
    for mask, tokens in [(mask, tokens) for mask in gaps for tokens in lengths]:
        q, k, v = randn(1, 1, tokens, 32)                             # the maximum rises with n
        wanted = F.scaled_dot_product_attention(
            q.double(), k.double(), v.double(), is_causal=mask == "causal"
        )
        got = attention(q, k, v, mask == "causal", rows, columns, rescaled)
        gaps[mask].append((got - wanted).abs().max())
    show(bars(lengths, gaps, y_label="largest difference"))
    for mask, gap in gaps.items():
        # float32: outputs of up to 5 from up to 200 terms, summed in another order
        expect(f"the kernel less float64, {mask}", gap, equals=0, within=2e-5,
               at=("tokens", lengths))


@needs("cuda", "triton")
def claim_bf16_errors_are_rounding(gpu_lengths=(1024, 4096), rows=64, columns=64):
    """In bf16, causal, the kernel and every backend of SDPA are equally near to float32: all of
    them only round.

    bf16、因果掩码下，这个 kernel 与 SDPA 的各 backend 离 float32 同样近：误差都只是舍入。"""
    gaps: dict[str, list[float]] = {"by hand": [], **{name: [] for name in BACKENDS}}
    lengths, room = [n + odd for n in gpu_lengths for odd in (0, 1)], []
    for tokens in lengths:
        q, k, v = randn(1, 8, tokens, 128, dtype=torch.bfloat16)
        with sdpa_kernel(SDPBackend.MATH):
            exact = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True)
        for way, gap in gaps.items():
            gap.append((run(way, q, k, v, True, rows, columns) - exact).abs().max().item())
        room.append(2 * 2**-8 * v.abs().max().item())     # P and the output, each rounded by 2⁻⁸
    show(bars(lengths, gaps, y_label="largest error"))
    for way, gap in gaps.items():
        expect(f"largest error against float32, {way}", gap, at_most=room, at=("tokens", lengths))
    expect("error by hand over SDPA's FLASH", [a / b for a, b in zip(
        gaps["by hand"], gaps["SDPA, FLASH"], strict=True)], at_most=2, at=("tokens", lengths))


@breaks(rows=16, columns=16, en="Tiles of 16 rows use each key 16 times: L2 cannot feed them fast enough.",
        zh="16 行的分块，每个 key 只用 16 次：L2 的带宽供不上。")
@needs("cuda", "triton")
@timed
@slow(60)
def claim_near_the_librarys_speed(gpu_lengths=(2048, 4096, 8192, 16384), rows=64, columns=64):
    """From 4096 tokens on, the kernel reaches at least half the rate of PyTorch's FlashAttention,
    and under a causal mask takes at most three quarters of the time.

    从 4096 个 token 起，这个 kernel 至少达到 PyTorch 的 FlashAttention 一半的速率；加因果掩码后，用时不超过四分之三。"""
    way = ("by hand", *BACKENDS)
    times: dict[tuple[str, bool], list[float]] = {(n, c): [] for c in (False, True) for n in way}
    for tokens, (name, causal) in progress([(n, key) for n in gpu_lengths for key in times]):
        q, k, v = randn(2, 16, tokens, 128, dtype=torch.bfloat16)
        times[name, causal].append(cuda_seconds(
            lambda n=name, q=q, k=k, v=v, c=causal: run(n, q, k, v, c, rows, columns)))
    for masked in (False, True):
        work = [4 * 2 * 16 * n * n * 128 * (0.5 if masked else 1) / 1e12 for n in gpu_lengths]
        show(
            lines(
                "tokens",
                gpu_lengths,
                {
                    name: [w / t for w, t in zip(work, times[name, masked], strict=True)]
                    for name in way
                },
                log="x",
                y_label="TFLOP/s",
                title="causal" if masked else "full",
            )
        )
    own, theirs = times["by hand", False], times["SDPA, FLASH", False]
    long = [i for i, n in enumerate(gpu_lengths) if n >= 4096]
    expect("rate over that of SDPA's FLASH", [theirs[i] / own[i] for i in long], at_least=0.5,
           at=("tokens", [gpu_lengths[i] for i in long]))
    expect("causal time over full time", times["by hand", True][-1] / own[-1], at_most=0.75)


ZH = {
    "largest difference": "最大差异",
    "the kernel less float64, {}": "kernel 与 float64 之差，{}",
    "by hand": "手写",
    "largest error": "最大误差",
    "largest error against float32, {}": "与 float32 的最大误差，{}",
    "error by hand over SDPA's FLASH": "手写与 SDPA 的 FLASH 误差之比",
    "SDPA, FLASH": "SDPA 的 FLASH",
    "SDPA, cuDNN": "SDPA 的 cuDNN",
    "SDPA, efficient": "SDPA 的 efficient",
    "rate over that of SDPA's FLASH": "速率与 SDPA 的 FLASH 之比",
    "causal time over full time": "因果与完整的用时之比",
    "causal": "因果",
    "full": "完整",
}

if __name__ == "__main__":
    main()
