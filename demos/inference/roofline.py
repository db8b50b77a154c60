r"""The roofline: work takes as long as its arithmetic or as its traffic, whichever is longer.

roofline 模型：一段计算的用时，等于算术与访存两者中较长的一个。

Williams et al. 2009. FLOPs per byte decide which: the knee is the card's peak over its bandwidth. On a
CUDA card a linear layer is timed against the model, peak and bandwidth measured there, L2 overwritten
before each run. Turn `roof` to "arithmetic": one row would cost a hundredth of what it does.
把 `roof` 改为 "arithmetic"：按模型，一行的用时只有实测的百分之一。
"""

import torch
import torch.nn.functional as F

from studyapp.evidence import (
    Drill,
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
    timed,
)
from studyapp.evidence.tools import cuda_seconds, flops, tensor_bytes


@exercise(claims=("overlapped_work_meets_the_lower_roof",),
          wrong=("takes_the_higher_roof", "adds_the_two_times", "forgets_the_peak"))
def rate(intensity: float, peak: float, bandwidth: float) -> float:
    """The most FLOP/s of work with this many FLOPs per byte, where arithmetic and loads overlap; peak in
    FLOP/s, bandwidth in bytes per second.

    每字节 intensity 次 FLOP 的计算，在算术与读取重叠时最高的 FLOP/s；peak 单位 FLOP/s，bandwidth 单位字节/s。"""
    return min(peak, intensity * bandwidth)


def work(layer: str, rows: int, width: int = 1024, heads: int = 32, kv_heads: int = 8) -> tuple[int, int]:
    """FLOPs, and the least bytes in bf16 (each tensor once): a linear layer on `rows` tokens, or the
    attention of a decode step of `rows` sequences, each over `width` cached tokens of its own."""
    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(shape, dtype=torch.bfloat16, device="meta")

    if layer == "linear":
        x, w = empty(rows, width), empty(width, width)
        return flops(F.linear, x, w), tensor_bytes(x, w) + F.linear(x, w).nbytes
    q, k = empty(rows * kv_heads, heads // kv_heads, 128), empty(rows * kv_heads, width, 128)
    return flops(lambda: q @ k.mT @ k), 2 * k.nbytes + 2 * q.nbytes            # K and V, q and the output


ROOFS = {"both": rate, "arithmetic": lambda intensity, peak, bandwidth: peak,
         "traffic": lambda intensity, peak, bandwidth: intensity * bandwidth}
RANGES = {
    "intensities": each(between(0.1, 10000.0), at_least=2, rising=True),
    "peak": between(1.0, 1000.0),
    "overlap": one_of("double buffering", "none"),
    "rows": each(between(1, 4096), at_least=2, rising=True),
    "layer": one_of("linear", "attention"),
    "roof": one_of("both", "arithmetic", "traffic"),
}


@breaks(overlap="none", en="Loads that wait for the arithmetic add their time: half the rate at the knee.",
        zh="读取要等算术做完，两段时间就相加：拐点处只剩一半的速率。")
def claim_overlapped_work_meets_the_lower_roof(
    intensities=(1.0, 10.0, 100.0, 300.0, 1000.0, 10000.0), peak=300.0, overlap="double buffering"
):
    """With the next tile loading while this one is computed, work runs at the lower of its peak and
    intensity times bandwidth.

    计算当前分块时载入下一块，速率就等于峰值与「强度 × 带宽」中较低的一个。"""
    tiles, got = 1000, []
    for intensity in intensities:                                       # one byte a tile, bandwidth 1
        load, compute = 1.0, intensity / peak
        loaded = done = before = 0.0
        for _ in range(tiles):                                          # two buffers: free once computed
            loaded = max(loaded, before if overlap == "double buffering" else done) + load
            before, done = done, max(loaded, done) + compute
        got.append(tiles * intensity / done)
    model = [rate(intensity, peak, 1.0) for intensity in intensities]
    show(lines("FLOPs per byte", intensities, {"tiles, one by one": got, "roofline": model}, log="xy",
               y_label="FLOP/s"))
    # the first load and the last product overlap with nothing: one tile of a thousand
    expect("rate over the roofline", [g / m for g, m in zip(got, model, strict=True)], equals=1,
           within=2 / tiles, at=("FLOPs per byte", intensities))


@breaks(layer="attention", en="Each sequence brings keys of its own: the batch shares nothing.",
        zh="每条序列读的是自己的 key：batch 之间没有可共用的。")
def claim_rows_share_the_weights(rows=(1, 4, 16, 64), layer="linear"):
    """A linear layer in bf16 does about one FLOP per byte for each row, as long as rows are few
    beside its width.

    bf16 的线性层，每多一行，每字节就多约一次 FLOP，只要行数远小于宽度。"""
    got = [f / b for f, b in (work(layer, n) for n in rows)]
    show(lines("rows", rows, {"FLOPs per byte": got, "rows": list(rows)}, log="xy", y_label="FLOPs per byte"))
    # activations are read and written too: 1 + 2 · rows / 1024
    expect("FLOPs per byte and row", [g / n for g, n in zip(got, rows, strict=True)],
           equals=[1 / (1 + 2 * n / 1024) for n in rows], within=1e-9, at=("rows", rows))


@breaks(layer="linear", en="A linear layer reads its weights once for the whole batch.",
        zh="线性层的权重整个 batch 只读一遍。")
def claim_batch_does_not_help_attention(rows=(1, 4, 16, 64), layer="attention"):
    """Attention of a decode step stays at about h/n FLOPs per byte in bf16, 4 for 32 query and 8 KV heads,
    whatever the batch.

    解码一步的注意力，bf16 下始终约为每字节 h/n 次 FLOP（32 个 query 头、8 个 KV 头时为 4），与 batch 无关。"""
    got = [f / b for f, b in (work(layer, n) for n in rows)]
    show(lines("batch", rows, {"FLOPs per byte": got}, log="x"))
    # q and the output beside K and V: 4 rows for 1024 keys, 0.4 %
    expect("FLOPs per byte", got, equals=4, within=0.04, at=("batch", rows))


@breaks(roof="arithmetic", en="By arithmetic alone a single row would be over before its weights arrive.",
        zh="只看算术，单行早在权重读完之前就算完了。")
@breaks(roof="traffic", en="By traffic alone thousands of rows would cost what one does.",
        zh="只看访存，几千行与一行用时相同。")
@needs("cuda")
@timed
def claim_gpu_linear_layer_follows_the_roofline(rows=(1, 8, 64, 128, 256, 512, 1024, 4096), roof="both"):
    """On a card an 8192 × 8192 linear layer takes between 0.6 and 2 times what the roofline says: flat in
    the rows up to the knee, linear beyond.

    在实际的卡上，8192 × 8192 的线性层用时是 roofline 所给的 0.6 到 2 倍：拐点之前与行数无关，之后与行数成正比。"""
    a, w = torch.randn(2, 8192, 8192, device="cuda", dtype=torch.bfloat16)
    peak = 2 * 8192**3 / cuda_seconds(lambda: a @ w)
    big = torch.empty(1 << 30, dtype=torch.int8, device="cuda")
    bandwidth = 2 * 2**30 / cuda_seconds(big.clone)
    took, model = [], []
    for n in progress(rows):
        x = torch.randn(n, 8192, device="cuda", dtype=torch.bfloat16)
        took.append(cuda_seconds(lambda x=x: F.linear(x, w)))
        count, size = work("linear", n, 8192)
        model.append(count / ROOFS[roof](count / size, peak, bandwidth))
    title = f"{peak / 1e12:.0f} TFLOP/s, {bandwidth / 1e12:.2f} TB/s: knee at {peak / bandwidth:.0f} FLOP/byte"
    show(lines("rows", rows, {"measured": [t * 1e3 for t in took], "roofline": [t * 1e3 for t in model]},
               log="xy", y_label="ms", title=title),
         lines("rows", rows, {"measured": [2 * n * 8192**2 / t / 1e12 for n, t in zip(rows, took, strict=True)]},
               log="xy", y_label="TFLOP/s"))
    expect("measured over the roofline", [t / m for t, m in zip(took, model, strict=True)], equals=1.3,
           within=0.7, at=("rows", rows))


def drill_knee(rng) -> Drill:
    """The rows at which a linear layer stops being bound by bandwidth."""
    peak, tb, size = rng.choice([(990, 3.3, 2), (990, 4.95, 2), (2250, 9, 2), (990, 3.3, 1), (160, 1, 2)])
    rows = peak / tb * size / 2
    return Drill(
        en=f"A card does {peak} TFLOP/s in bf16 and reads {tb} TB/s. Weights are stored in {8 * size} bits and "
           f"multiplied in bf16. From about how many rows on is a linear layer bound by arithmetic? "
           f"Count the weights' bytes only.",
        zh=f"一张卡 bf16 下 {peak} TFLOP/s，读 {tb} TB/s。权重以 {8 * size} bit 存放，用 bf16 相乘。"
           f"大约从多少行起，线性层受限于算术？只计权重的字节。",
        answer=rows, within=0.02 * rows,
        steps=[(f"FLOPs per byte at the knee: {peak} / {tb} = {peak / tb:g}",
                f"拐点处每字节的 FLOP 数：{peak} / {tb} = {peak / tb:g}"),
               (f"each row does 2 FLOPs per weight of {size} bytes: {2 / size:g} per byte, so {rows:g} rows",
                f"每行对每个 {size} 字节的权重做 2 次 FLOP：每字节 {2 / size:g} 次，所以是 {rows:g} 行")],
        proved_by="rows_share_the_weights",
    )


def drill_floor_of_a_token(rng) -> Drill:
    """The least time of a decode step at batch 1, from the weights alone."""
    billions, bits, tb = rng.choice([(7, 16, 1), (70, 8, 3.5), (8, 16, 4), (32, 4, 2), (70, 16, 7)])
    ms = billions * bits / 8 / tb
    return Drill(
        en=f"A dense model of {billions} billion weights in {bits} bits, on a card that reads {tb} TB/s. What is "
           f"the least time per token at batch 1, in ms? Leave the KV cache out.",
        zh=f"{billions}B 个权重的 dense 模型，以 {bits} bit 存放，卡的带宽 {tb} TB/s。batch 为 1 时，每 token 至少多少毫秒？"
           f"不计 KV cache。",
        answer=ms, unit="ms", within=0.02 * ms,
        steps=[(f"weights: {billions}e9 · {bits}/8 bytes = {billions * bits / 8:g} GB",
                f"权重：{billions}e9 · {bits}/8 字节 = {billions * bits / 8:g} GB"),
               (f"each token reads all of them: {billions * bits / 8:g} / {tb} = {ms:g} ms",
                f"每个 token 都要全部读一遍：{billions * bits / 8:g} / {tb} = {ms:g} ms")],
        proved_by="gpu_linear_layer_follows_the_roofline",
    )


ZH = {
    "FLOPs per byte": "每字节的 FLOP 数",
    "tiles, one by one": "逐块推演",
    "rate over the roofline": "速率与 roofline 之比",
    "rows": "行数",
    "FLOPs per byte and row": "每字节、每行的 FLOP 数",
    "measured": "实测",
    "{} TFLOP/s, {} TB/s: knee at {} FLOP/byte": "{} TFLOP/s，{} TB/s：拐点在每字节 {} 次 FLOP",
    "measured over the roofline": "实测与 roofline 之比",
}

if __name__ == "__main__":
    main()
