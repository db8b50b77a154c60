r"""Serving a dense model on N GPUs: a pipeline reads all weights for every group, tensor parallelism a share.

多卡推理一个 dense 模型：流水线为每一组请求都读一遍全部权重，张量并行每卡只读一份的 1/N。

Computed, not measured: Llama-3.1-70B in 16 bits on H100s (3.35 TB/s, 989 TFLOP/s); KV cache and launches
left out. Turn `microseconds` to 250: over slow links tensor parallelism has nothing left to give.
计算值，并非实测：Llama-3.1-70B、16 位、H100（3.35 TB/s，989 TFLOP/s），不计 KV cache 与 kernel 启动。
把 `microseconds` 改为 250：链路慢，张量并行就没有收益。
"""

from studyapp.evidence import Drill, breaks, expect, lines, main, one_of, show
from studyapp.evidence.tools import named_model

HBM, PEAK = 3.35e12, 989e12                         # bytes/s and FLOP/s of an H100


def weights_used(name: str = "llama-3.1-70b") -> int:
    """Weights that a token is multiplied with: attention, SwiGLU and head; the embedding is looked up."""
    m = named_model(name)
    d, kv = m["width"], m["kv_heads"] * m["d_head"]
    return m["layers"] * (2 * d * d + 2 * d * kv + 3 * d * m["ffn"]["d_ff"]) + d * m["vocabulary"]


def work(weights: float, rows: int) -> float:
    """Seconds of one GPU to multiply rows with 16-bit weights: the longer of reading and computing."""
    return max(2 * weights / HBM, 2 * weights * rows / PEAK)


def round_seconds(split: str, requests: int, gpus: int, wait: float, layers: int = 80) -> float:
    """Seconds until each request has one token more. A pipeline runs them in one group per stage, and a
    stage serves all groups in turn; tensor parallelism runs all at once and waits twice per layer."""
    weights = weights_used()
    if split == "pipeline":
        groups = min(gpus, requests)
        return gpus * work(weights / gpus, -(-requests // groups))           # stages or groups: the larger is gpus
    return work(weights / gpus, requests) + (2 * layers * wait if gpus > 1 else 0)


RANGES = {
    "microseconds": one_of(5, 10, 20, 250),
    "requests": one_of(8, 64, 256, 4096),
}


@breaks(microseconds=250, en="160 waits of 250 µs per token take as long as reading all weights on one GPU.",
        zh="每个 token 等 160 次、每次 250 µs，与单卡读完全部权重一样久。")
def claim_tensor_parallelism_cuts_one_requests_latency(microseconds=10):
    """Llama-3.1-70B at batch 1: 41.5 ms per token over a pipeline of any length; on 8 GPUs tensor
    parallelism needs under a quarter, if an all-reduce takes 10 µs.

    Llama-3.1-70B、batch 1：流水线无论多长，每 token 都是 41.5 ms；8 卡张量并行、all-reduce 每次 10 µs 时，不到它的四分之一。"""
    gpus = (1, 2, 4, 8)
    piped = [1000 * round_seconds("pipeline", 1, n, 0) for n in gpus]
    tensor = [1000 * round_seconds("tensor", 1, n, microseconds * 1e-6) for n in gpus]
    show(lines("GPUs", gpus, {"pipeline, ms per token": piped, "tensor parallel, ms per token": tensor}))
    expect("pipeline, ms per token", piped, equals=41.5, within=0.1, at=("GPUs", gpus))
    waiting = tensor[-1] - 1000 * work(weights_used() / 8, 1)
    expect("of it waiting for two all-reduces per layer, ms", waiting, within=1e-9,
           equals=2 * named_model("llama-3.1-70b")["layers"] * microseconds / 1000)
    expect("pipeline over tensor parallel, 8 GPUs", piped[-1] / tensor[-1], at_least=4)


@breaks(requests=4096, en="With 512 requests per group each stage computes as long as it reads: nothing is wasted any more.",
        zh="每组 512 个请求时，每级的计算已经长于读权重，就不再浪费。")
def claim_groups_read_the_weights_again(requests=256):
    """While reading weights dominates, up to some 295 requests, 8 GPUs as a pipeline take 8 times as long as
    with tensor parallelism, its waits left out: each stage reads its weights once per group.

    只要以读权重为主（约 295 个请求以内），8 卡流水线的用时就是张量并行（不计等待）的 8 倍：每级为每一组都读一遍权重。"""
    counts = (8, 64, 256, 1024, 4096)
    piped = [round_seconds("pipeline", r, 8, 0) for r in counts]
    tensor = [round_seconds("tensor", r, 8, 0) for r in counts]
    show(lines("requests", counts, {"pipeline, ms per round": [1000 * t for t in piped],
                                    "tensor parallel, ms per round": [1000 * t for t in tensor]}, log="x"))
    expect("pipeline over tensor parallel", round_seconds("pipeline", requests, 8, 0) / round_seconds("tensor", requests, 8, 0),
           equals=8, within=1e-9)
    many = range(290, 300)                                                  # around 989 over 3.35
    ratio = [round_seconds("pipeline", r, 8, 0) / round_seconds("tensor", r, 8, 0) for r in many]
    expect("requests up to which it is 8", max(r for r, x in zip(many, ratio, strict=True) if x > 8 - 1e-9), equals=295)


def drill_latency(rng) -> Drill:
    """Latency of one request under tensor parallelism."""
    gb, n, layers, wait = rng.choice([(140, 4, 80, 10), (140, 8, 80, 10), (16, 4, 32, 5), (64, 8, 64, 10), (28, 2, 40, 20)])
    value = gb / n / 3.35 + 2 * layers * wait / 1000
    return Drill(
        en=f"A dense model of {gb} GB of weights and {layers} layers decodes at batch 1 with tensor parallelism over {n} GPUs of "
           f"3.35 TB/s. Each all-reduce takes {wait} µs, two per layer. How many ms does a token take?",
        zh=f"dense 模型，权重 {gb} GB、{layers} 层，batch 1 解码，张量并行 {n} 张 3.35 TB/s 的卡。每层两次 all-reduce，每次 {wait} µs。"
           "一个 token 要多少 ms？",
        answer=value, unit="ms",
        steps=[(f"reading: {gb}/{n} GB at 3.35 TB/s = {gb / n / 3.35:.2f} ms", f"读权重：{gb}/{n} GB ÷ 3.35 TB/s = {gb / n / 3.35:.2f} ms"),
               (f"waiting: 2 · {layers} · {wait} µs = {2 * layers * wait / 1000:g} ms",
                f"等待：2 · {layers} · {wait} µs = {2 * layers * wait / 1000:g} ms"),
               (f"together {value:.2f} ms; a pipeline takes {gb / 3.35:.1f}", f"合计 {value:.2f} ms；流水线要 {gb / 3.35:.1f}")],
        proved_by="tensor_parallelism_cuts_one_requests_latency",
    )


ZH = {
    "GPUs": "GPU 数",
    "pipeline, ms per token": "流水线，每 token 毫秒",
    "tensor parallel, ms per token": "张量并行，每 token 毫秒",
    "pipeline over tensor parallel, 8 GPUs": "流水线 / 张量并行，8 卡",
    "of it waiting for two all-reduces per layer, ms": "其中每层等两次 all-reduce，毫秒",
    "requests": "请求数",
    "pipeline, ms per round": "流水线，每轮毫秒",
    "tensor parallel, ms per round": "张量并行，每轮毫秒",
    "pipeline over tensor parallel": "流水线 / 张量并行",
    "requests up to which it is 8": "到多少个请求为止是 8 倍",
}

if __name__ == "__main__":
    main()
