r"""On a GPU fused attention takes less time and memory than attention written out; how near it comes
to the card's matmul rate depends on the kernel.

在 GPU 上，融合的注意力比未融合的更快、更省显存；能接近这张卡的矩阵乘速率到什么程度，取决于 kernel。

Dao et al. 2022; Dao 2023, §4. PyTorch's SDPA with one backend forced; "flash" is the implementation
behind FLASH_ATTENTION, named in the pictures. bf16, medians between CUDA events, L2 overwritten
before each run. Turn `way` to "written out": memory grows fourfold, and nothing is gained.
把 `way` 改为 "written out"：n 翻倍显存就变为四倍，也没有任何加速。
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, current_flash_attention_impl, sdpa_kernel

from studyapp.evidence import (
    breaks,
    expect,
    lines,
    main,
    needs,
    one_of,
    progress,
    show,
    slow,
    table,
    timed,
)
from studyapp.evidence.tools import cuda_seconds

BACKENDS = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION,
            "efficient": SDPBackend.EFFICIENT_ATTENTION}
WAYS = ("written out", *BACKENDS)
FLASH = f"flash ({current_flash_attention_impl() or 'FlashAttention-2'})"   # FA3, FA4: if activated
NAN = float("nan")
Row = tuple[float, float, str]                # seconds, peak bytes, why it could not be measured


def attention(way: str, q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
    """softmax(QKᵀ/√d)V of (batch, heads, n, d_head): separate operations, or SDPA's backend."""
    if way != "written out":
        with sdpa_kernel(BACKENDS[way]):
            return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    scores = q @ k.mT * q.shape[-1] ** -0.5                                  # (batch, heads, n, n)
    if causal:
        n = q.shape[-2]
        scores = scores.masked_fill(torch.ones(n, n, dtype=torch.bool, device=q.device).triu(1),
                                    -torch.inf)
    return scores.softmax(-1) @ v


def supported(way: str, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> bool:
    """Whether PyTorch has such a kernel for these inputs on this card."""
    ask = {"flash": torch.backends.cuda.can_use_flash_attention,
           "cudnn": torch.backends.cuda.can_use_cudnn_attention,
           "efficient": torch.backends.cuda.can_use_efficient_attention}
    return way not in ask or ask[way](
        torch.backends.cuda.SDPAParams(q, k, v, None, 0.0, causal, False))


def measure(way: str, n: int, causal: bool = False, backward: bool = False) -> Row:
    """Seconds, peak bytes beyond the inputs, and what prevented it: batch 2, 16 heads of 128."""
    q, k, v = (torch.randn(2, 16, n, 128, device="cuda", dtype=torch.bfloat16,
                           requires_grad=backward) for _ in range(3))
    up = torch.randn_like(q)

    def work() -> object:
        out = attention(way, q, k, v, causal)
        return torch.autograd.grad(out, (q, k, v), up) if backward else out

    if not supported(way, q, k, v, causal):
        return NAN, NAN, "no such kernel"
    try:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        peak = torch.cuda.max_memory_allocated() - before
        return cuda_seconds(work), peak, ""
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return NAN, NAN, "out of memory"


def sweep(lengths: tuple[int, ...], backward: bool) -> dict[str, dict[int, Row]]:
    """Every way at every length, drawn beside the rate of one large matmul on this card."""
    a, b = torch.randn(2, 8192, 8192, device="cuda", dtype=torch.bfloat16)
    rate = 2 * 8192**3 / cuda_seconds(lambda: a @ b)
    rows: dict[str, dict[int, Row]] = {way: {} for way in WAYS}
    for n, way in progress([(n, way) for n in lengths for way in WAYS]):
        rows[way][n] = measure(way, n, backward=backward)
    flops = {n: 4 * 2 * 16 * n * n * 128 * (3.5 if backward else 1) for n in lengths}
    speed = {FLASH if way == "flash" else way:
             [flops[n] / took / 1e12 for n, (took, *_) in row.items()] for way, row in rows.items()}
    memory = {way: [peak / 2**20 for _, peak, _ in row.values()] for way, row in rows.items()}
    show(lines("n", lengths, speed | {"one large matmul": [rate / 1e12] * len(lengths)}, log="x",
               y_label="TFLOP/s"),
         lines("n", lengths, memory, log="xy", y_label="peak MiB"),
         table(("n", "way", "ms", "% of matmul rate", "peak MiB", "why not"),
               [(n, way, took * 1e3, 100 * flops[n] / took / rate, peak / 2**20, why)
                for n in lengths for way in WAYS for took, peak, why in [rows[way][n]]]))
    return rows


RANGES = {
    "lengths": one_of((2048, 4096), (4096, 8192), (1024, 2048, 4096, 8192),
                      (1024, 2048, 4096, 8192, 16384)),
    "way": one_of("flash", "cudnn", "efficient", "written out"),
}
WRITTEN_OUT = breaks(
    way="written out", en="Written out, memory grows with n², and it gains nothing on itself.",
    zh="未融合时显存随 n² 增长，自然也没有加速。")


def judge(rows: dict[str, dict[int, Row]], way: str) -> None:
    """Memory linear in n, and less time than written out, from 2048 tokens on."""
    ran = [n for n, (took, *_) in rows[way].items() if took == took and n >= 2048]
    doubled = [n for n in ran if n // 2 in ran]
    expect("peak memory at n over that at n/2", [rows[way][n][1] / rows[way][n // 2][1] for n in doubled],
           equals=2, within=0.3, at=("n", doubled))
    both = [n for n in ran if rows["written out"][n][0] == rows["written out"][n][0]]
    expect("time written out over fused", [rows["written out"][n][0] / rows[way][n][0] for n in both],
           at_least=1.5, at=("n", both))


@WRITTEN_OUT
@needs("cuda")
@timed
@slow(60)
def claim_gpu_fused_is_faster_with_linear_memory(lengths=(1024, 2048, 4096, 8192, 16384), way="flash"):
    """Forward, from 2048 tokens on: fused attention is at least 1.5 times as fast as written out,
    and its memory grows with n.

    前向，从 2048 个 token 起：融合的注意力至少快到未融合的 1.5 倍，显存随 n 线性增长。"""
    judge(sweep(lengths, backward=False), way)


@WRITTEN_OUT
@needs("cuda")
@timed
@slow(60)
def claim_gpu_backward_keeps_the_gain(lengths=(1024, 2048, 4096, 8192), way="flash"):
    """With backward the fused kernels recompute the scores and are still at least 1.5 times as fast,
    with memory linear in n.

    加上反向，融合的 kernel 虽要重算分数，仍至少快到 1.5 倍，显存随 n 线性增长。"""
    judge(sweep(lengths, backward=True), way)


@breaks(way="written out", en="Written out, a mask is one more pass: nothing is skipped.",
        zh="未融合时，掩码只是多一遍读写：什么也没有跳过。")
@needs("cuda")
@timed
def claim_gpu_causal_mask_halves_the_fused(lengths=(4096, 8192), way="flash"):
    """A causal mask takes fused attention to at most three quarters of the time, and written out
    it saves nothing.

    因果掩码使融合注意力的用时降到四分之三以下；未融合的则一点不省。"""
    n, share = max(lengths), {}
    for one in WAYS:
        full, causal = measure(one, n)[0], measure(one, n, causal=True)[0]
        share[one] = causal / full
    show(table({"way": list(share), "causal time over full time": list(share.values())}))
    expect("causal time over full time", share[way], at_most=0.75)
    expect("the same, written out", share["written out"], at_least=0.95)


ZH = {
    "flash (FlashAttention-2)": "flash（FlashAttention-2）",
    "flash": "flash",
    "cudnn": "cuDNN",
    "efficient": "efficient（省内存实现）",
    "way": "方式",
    "written out": "未融合",
    "one large matmul": "一次大矩阵乘",
    "peak MiB": "峰值 MiB",
    "% of matmul rate": "占矩阵乘速率的 %",
    "why not": "未测原因",
    "no such kernel": "没有这样的 kernel",
    "out of memory": "显存不足",
    "peak memory at n over that at n/2": "n 与 n/2 处峰值显存之比",
    "time written out over fused": "未融合与融合用时之比",
    "causal time over full time": "因果与完整的用时之比",
    "the same, written out": "同上，未融合",
}

if __name__ == "__main__":
    main()
