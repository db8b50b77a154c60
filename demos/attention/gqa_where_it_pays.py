r"""Fewer KV heads pay where the cache outweighs the weights: in long decoding and large batches.

只有 cache 超过权重，减少 KV 头才划算：长上下文、大 batch 的解码。

Shazeer 2019; Ainslie et al. 2023. Computed in shapes without memory (torch's meta device): 16 bit, 1 GB = 1e9 bytes.
Turn `cached` (batch × context) to 16,384 at most: the weights outweigh the cache, and little is gained.
把 `cached`（batch × 上下文）限制在 16,384 以内：权重远多于 cache，收益很小。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, show
from studyapp.evidence.tools import named_model


class Layer(nn.Module):
    """The matrices of a decoder layer in 16 bit without memory: h query heads, n KV heads, a gated MLP, no
    biases."""

    def __init__(self, width: int, heads: int, kv_heads: int, d_ff: int, d_head: int = 0) -> None:
        super().__init__()
        self.kv_heads, self.width, d_head = kv_heads, width, d_head or width // heads
        shapes = {"q": (width, heads * d_head), "kv": (width, 2 * kv_heads * d_head), "o": (heads * d_head, width),
                  "gate": (width, d_ff), "up": (width, d_ff), "down": (d_ff, width)}
        for name, (inputs, outputs) in shapes.items():
            setattr(self, name, nn.Linear(inputs, outputs, False, device="meta", dtype=torch.half))

    def cache(self, tokens: int) -> Tensor:
        """Keys and values of so many tokens: (2, kv_heads, tokens, d_head)."""
        x = torch.empty(tokens, self.width, dtype=torch.half, device="meta")
        return self.kv(x).unflatten(-1, (2, self.kv_heads, -1)).permute(1, 2, 0, 3).contiguous()

    def bytes(self) -> tuple[int, int]:
        """Bytes of the weights, and of the cache of one token."""
        return sum(p.nbytes for p in self.parameters()), self.cache(1).nbytes


def llama2_70b(kv_heads: int = 0) -> tuple[Layer, int]:
    """A layer of Llama 2 70B, with so many KV heads instead of its own where given, and the number of its
    layers."""
    row = named_model("llama-2-70b")
    return Layer(row["width"], row["heads"], kv_heads or row["kv_heads"], row["ffn"]["d_ff"]), row["layers"]


RANGES = {
    "cached": each(between(1, 1000000000), at_least=2, rising=True),
    "grouped": between(1, 64, divides=64),
    "memory_gb": between(200, 10000),
    "contexts": each(between(1, 1048576), rising=True),
}


@breaks(cached=(1024, 16384),
        en="Weights of 1.7 GB outweigh a cache of 67 MB: the bytes of a step fall by a quarter, not to an eighth.",
        zh="权重 1.7 GB 远多于 67 MB 的 cache：一步读取的字节只少了约四分之一，而不是降为八分之一。")
def claim_gain_comes_when_cache_outweighs_weights(cached=(1024, 16384, 131072, 1048576, 8388608)):
    """A decode step reads weights and cache: in a layer of Llama 2 70B GQA saves the full h/n only where
    the cache outweighs the weights, batch × context in the millions.

    解码一步要读权重和 cache：在 Llama 2 70B 的一层里，cache 远超权重（batch × 上下文达到百万级），GQA 才省
    到 h/n。"""
    (w_mha, t_mha), (w_gqa, t_gqa) = (llama2_70b(n)[0].bytes() for n in (64, 8))
    gain = [(w_mha + t_mha * c) / (w_gqa + t_gqa * c) for c in cached]
    show(lines("batch × context", cached, {"bytes, MHA over GQA": gain, "h/n": [8] * len(cached)}, log="x"))
    d, f = 8192, 28672                                               # by hand, n KV heads of width 128
    by_hand = {n: [2 * (2 * d**2 + 2 * d * 128 * n + 3 * d * f) + 512 * n * c for c in cached] for n in (64, 8)}
    expect("bytes of a step, MHA over GQA", gain,
           equals=[m / g for m, g in zip(by_hand[64], by_hand[8], strict=True)],
           within=1e-9, at=("batch × context", cached))
    expect("gain at the largest batch × context, over h/n", gain[-1] / 8, at_least=0.9)


@breaks(grouped=64, en="With 64 KV heads it is MHA itself.", zh="若有 64 个 KV 头，就是 MHA 本身。")
def claim_full_memory_serves_h_over_n_more(memory_gb=640, contexts=(1024, 4096, 16384, 32768), grouped=8):
    """On 640 GB, Llama 2 70B leaves room for 374 sequences of 4096 tokens with 8 KV heads, against 45 with
    64: over h/n as many.

    640 GB 显存上，8 个 KV 头的 Llama 2 70B 能放下 374 条 4096 token 的序列，64 个 KV 头只能放 45 条：超过
    h/n 倍。"""

    def room(n: int, gigabytes: float, context: int) -> float:
        layer, layers = llama2_70b(n)
        weights, token = layer.bytes()
        return (gigabytes * 1e9 - layers * weights) / (layers * token * context)

    fits = {n: [room(n, memory_gb, c) for c in contexts] for n in (64, grouped)}
    show(lines("context", contexts, {f"{n} KV heads": f for n, f in fits.items()}, log="xy",
               y_label="sequences that fit"))
    expect("sequences that fit, GQA over MHA", [g / m for m, g in zip(fits[64], fits[grouped], strict=True)],
           at_least=8, at=("context", contexts))
    expect("whole sequences of 4096 on 640 GB, 8 and 64 KV heads",
           [int(room(n, 640, 4096)) for n in (8, 64)], equals=[374, 45])


def drill_cache_per_token(rng) -> Drill:
    """KV cache per token of a configuration."""
    layers, n, d_head = rng.choice(((32, 8, 128), (80, 8, 128), (48, 4, 128), (64, 8, 128), (24, 2, 256),
                                    (36, 8, 64)))
    width = 8 * n * d_head
    one = Layer(width, 8 * n, n, width, d_head).cache(1).nbytes
    return Drill(
        en=f"layers {layers}, width {width}, query heads {8 * n}, KV heads {n}, d_head {d_head}, bf16. How many KiB (1024 bytes) "
           f"of KV cache does one token take in the whole model?",
        zh=f"层数 {layers}，宽度 {width}，query 头 {8 * n} 个，KV 头 {n} 个，d_head {d_head}，bf16。整个模型每个 token 的 KV cache "
           f"是多少 KiB（1024 字节）？",
        answer=layers * one / 1024,
        unit="KiB",
        steps=[(f"one layer: 2 · {n} · {d_head} · 2 bytes = {one} bytes",
                f"一层：2 · {n} · {d_head} · 2 字节 = {one} 字节"),
               (f"{layers} layers: {layers * one / 1024:g} KiB; width and query heads do not enter",
                f"{layers} 层：{layers * one / 1024:g} KiB；宽度与 query 头数不出现")],
        proved_by="full_memory_serves_h_over_n_more",
    )


def drill_sequences_that_fit(rng) -> Drill:
    """How many sequences fit beside the weights."""
    memory, weights, context = rng.choice(((80, 16, 8192), (80, 16, 32768), (160, 64, 8192), (24, 8, 4096)))
    token = 32 * Layer(4096, 32, 8, 14336).cache(1).nbytes
    return Drill(
        en=f"A model of 32 layers has 8 KV heads of width 128 and weights of {weights} GB (1e9 bytes) on {memory} GB. How many whole "
           f"sequences of {context} tokens fit into the rest with a bf16 KV cache, nothing else counted?",
        zh=f"某模型 32 层、8 个宽 128 的 KV 头，权重 {weights} GB（1e9 字节），显存 {memory} GB。剩余显存全部用作 bf16 的 KV cache，能放下"
           f"多少条完整的 {context} token 序列？",
        answer=int((memory - weights) * 1e9 // (token * context)),
        steps=[(f"per token: 2 · 32 · 8 · 128 · 2 bytes = {token} bytes",
                f"每 token：2 · 32 · 8 · 128 · 2 字节 = {token} 字节"),
               (f"per sequence: {token * context / 1e9:.2f} GB", f"每条序列：{token * context / 1e9:.2f} GB"),
               (f"{memory - weights} / {token * context / 1e9:.2f}, rounded down",
                f"{memory - weights} / {token * context / 1e9:.2f}，向下取整")],
        proved_by="full_memory_serves_h_over_n_more",
    )


ZH = {
    "batch × context": "batch × 上下文",
    "bytes, MHA over GQA": "字节数，MHA 与 GQA 之比",
    "bytes of a step, MHA over GQA": "一步读取的字节，MHA 与 GQA 之比",
    "gain at the largest batch × context, over h/n": "batch × 上下文最大时的收益，与 h/n 之比",
    "{} KV heads": "{} 个 KV 头",
    "sequences that fit": "能放下的序列数",
    "sequences that fit, GQA over MHA": "能放下的序列数，GQA 与 MHA 之比",
    "context": "上下文",
    "whole sequences of 4096 on 640 GB, 8 and 64 KV heads": "640 GB 能放下的 4096 token 序列数，8 与 64 个 KV 头",
    "tokens": "token 数",
}

if __name__ == "__main__":
    main()
