r"""Throughput grows more slowly than concurrency: a step costs a fixed part and a part per sequence.

吞吐的增长慢于并发：一步的用时由固定部分与每条序列的部分组成。

A decode step of a batch B takes t(B) = a + b·B; a holds what all share (weights, launches), b what each
brings (its KV cache, its arithmetic, its part of scheduling and collectives). Turn `ffn` to "dense":
its weights are all read from the first token on, while a MoE's share read grows with the batch.
把 `ffn` 改为 "dense"：从第一个 token 起就要读全部权重；而 MoE 读取的份额随 batch 增长。
"""

import torch
import torch.nn.functional as F

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    expect,
    lines,
    main,
    needs,
    one_of,
    progress,
    show,
    timed,
)
from studyapp.evidence.tools import cuda_seconds


def fit(batches: tuple[int, int], speeds: tuple[float, float]) -> tuple[float, float]:
    """a and b of t(B) = a + b·B in seconds, through two measured speeds in tokens per second and
    sequence: each sequence gets one token a step, so t = 1 / speed."""
    (small, large), (slow, fast) = batches, (1 / speed for speed in speeds)
    b = (fast - slow) / (large - small)
    return slow - b * small, b


RANGES = {
    "batches": one_of((128, 256), (256, 512)),
    "fixed_ms": between(20.0, 80.0),
    "each_ms": between(0.2, 0.6),
    "digits": one_of("whole", "exact"),
    "tokens": each(between(1, 512), at_least=2, rising=True),
    "ffn": one_of("moe", "dense"),
    "rows": each(between(1, 64), at_least=2, rising=True),
    "part": one_of("ffn", "attention"),
}


@breaks(digits="exact", en="With exact speeds two points give the line back, and the ceiling with it.",
        zh="速度若是精确值，两点就能还原直线，也就还原了上限。")
def claim_rounded_speeds_leave_the_ceiling_open(
    batches=(128, 256), fixed_ms=40.0, each_ms=0.4, digits="whole"
):
    """Two speeds rounded to whole tokens per second leave the ceiling 1/b open by a factor of 1.3 or
    more.

    两个速度若只精确到整数 token/s，吞吐上限 1/b 的不确定度就在 1.3 倍以上。"""
    speeds = [1000 / (fixed_ms + each_ms * n) for n in batches]
    off = 0.5 if digits == "whole" else 0.0
    ends = [1 / fit(batches, (speeds[0] + up * off, speeds[1] - up * off))[1] for up in (1, -1)]
    curve = [2**i for i in range(13)]
    show(lines("concurrency", curve, {
        "true": [1000 * n / (fixed_ms + each_ms * n) for n in curve],
        **{f"ceiling {end:.0f}": [n / (a + b * n) for n in curve] for up, end in zip((1, -1), ends, strict=True)
           for a, b in [fit(batches, (speeds[0] + up * off, speeds[1] - up * off))]}},
        log="x", y_label="tokens per second"))
    expect("highest over lowest ceiling", max(ends) / min(ends), at_least=1.3)


@breaks(ffn="dense", en="A dense layer reads all its weights for one token as for many.",
        zh="dense 层无论一个还是许多 token，都要读全部权重。")
def claim_a_batch_touches_nearly_all_experts(tokens=(1, 8, 32, 128), ffn="moe"):
    """With even routing a step of B tokens reads 1 − (1 − k/E)^B of the experts: of 256, eight per
    token, 98 % at B = 128.

    路由均匀时，B 个 token 的一步要读 1 − (1 − k/E)^B 的专家：256 个专家、每 token 选 8 个，B = 128 时达 98 %。"""
    experts, top_k, trials, got = 256, 8, 50, []
    for count in tokens:
        chosen = torch.rand(trials, count, experts).topk(top_k, -1).indices          # (trials, B, k)
        touched = torch.zeros(trials, experts).scatter_(1, chosen.flatten(1), 1.0)
        got.append(touched.mean().item() if ffn == "moe" else 1.0)
    model = [1 - (1 - top_k / experts) ** count for count in tokens]
    show(lines("tokens in the step", tokens, {"drawn": got, "1 − (1 − k/E)^B": model}, log="x",
               y_label="share of the experts read"))
    # a share of 256 · 50 draws has a deviation of at most 0.5 / sqrt(12800)
    expect("share of the experts read", got, equals=model, within=0.022, at=("tokens", tokens))


@breaks(part="attention", en="Attention reads a cache per sequence: its time grows with the batch.",
        zh="注意力每条序列各读自己的 cache：用时随 batch 增长。")
@needs("cuda")
@timed
def claim_gpu_sixty_four_rows_cost_what_one_does(rows=(1, 8, 64), part="ffn"):
    """On a card a SwiGLU block takes at most 1.4 times as long for up to 64 rows as for one: latency
    stays, throughput grows with the batch.

    在实际的卡上，SwiGLU 处理至多 64 行的用时不超过 1 行的 1.4 倍：延迟几乎不变，吞吐随 batch 增长。"""
    up, gate, down = (torch.randn(14336, 4096, device="cuda", dtype=torch.bfloat16) / 64 for _ in range(3))
    cache = torch.randn(2, 64, 8, 4096, 128, device="cuda", dtype=torch.bfloat16)

    def seconds(n: int) -> float:
        x = torch.randn(n, 4096, device="cuda", dtype=torch.bfloat16)
        if part == "ffn":
            return cuda_seconds(lambda: (F.silu(x @ gate.T) * (x @ up.T)) @ down)
        q, (k, v) = x.view(n, 32, 1, 128), cache[:, :n]
        return cuda_seconds(lambda: F.scaled_dot_product_attention(q, k, v, enable_gqa=True))

    more = (256, 1024, 4096, 8192) if part == "ffn" else ()
    took = [seconds(n) for n in progress([*rows, *more])]
    show(lines("rows", [*rows, *more], {"ms": [t * 1e3 for t in took]}, log="xy", y_label="ms"),
         lines("rows", [*rows, *more], {"rows per second": [n / t for n, t in zip(
             [*rows, *more], took, strict=True)]}, log="xy", y_label="rows per second"))
    expect("time over that of the fewest rows", [t / took[0] for t in took[1 : len(rows)]], at_most=1.4,
           at=("rows", rows[1:]))


def drill_aggregate(rng) -> Drill:
    """From speeds per stream at two concurrencies to what doubling bought."""
    streams, first, second = rng.choice([(128, 11, 7), (64, 20, 14), (100, 30, 18), (32, 40, 32)])
    gain = 2 * second / first
    return Drill(
        en=f"A server gives {streams} streams {first} tokens/s each, and {2 * streams} streams {second} tokens/s "
           f"each. By what factor does the aggregate throughput grow?",
        zh=f"一个服务在 {streams} 路并发时每路 {first} token/s，{2 * streams} 路时每路 {second} token/s。总吞吐是原来的几倍？",
        answer=gain, within=0.02 * gain,
        steps=[(f"aggregate: {streams} · {first} = {streams * first}, {2 * streams} · {second} = "
                f"{2 * streams * second} tokens/s",
                f"总吞吐：{streams} · {first} = {streams * first}，{2 * streams} · {second} = {2 * streams * second} token/s"),
               (f"{2 * streams * second} / {streams * first} = {gain:.3g}",
                f"{2 * streams * second} / {streams * first} = {gain:.3g}")],
        proved_by="rounded_speeds_leave_the_ceiling_open",
    )


ZH = {
    "concurrency": "并发",
    "true": "真实",
    "ceiling {}": "上限 {}",
    "tokens per second": "每秒 token 数",
    "highest over lowest ceiling": "最高与最低上限之比",
    "tokens in the step": "一步的 token 数",
    "drawn": "抽样",
    "share of the experts read": "读取的专家份额",
    "rows": "行数",
    "ms": "毫秒",
    "rows per second": "每秒行数",
    "time over that of the fewest rows": "与最少行数用时之比",
}

if __name__ == "__main__":
    main()
