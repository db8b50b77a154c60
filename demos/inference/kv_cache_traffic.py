r"""A decode step reads the whole KV cache of every sequence, and the weights once for all of them.

解码一步要读每条序列的整个 KV cache，而权重只读一遍，供所有序列共用。

Bytes of what the matrix products read, counted by torch's dispatcher, one layer, float32. Shazeer 2019.
Turn `sharing` to "one prefix": cache reads shared by the batch, as kernels for a common prefix do.
把 `sharing` 改为 "one prefix"：整个 batch 共读一份前缀 cache。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import named_model, operations


def step(x: Tensor, weights: list[Tensor], cache: Tensor) -> Tensor:
    """One new token of each sequence through a layer: x (batch, width), cache (2, batch, heads, t, d_head),
    or (2, heads, t, d_head) where all sequences have the same."""
    w_q, w_o, up, down = weights
    # (batch, heads, d_head)
    q = (x @ w_q).unflatten(-1, (cache.shape[-3], -1))
    if cache.dim() == 4:
        # (heads, batch, d_head): rows
        q = q.transpose(0, 1)
        y = ((q @ cache[0].mT).softmax(-1) @ cache[1]).transpose(0, 1)
    else:
        y = ((q[:, :, None] @ cache[0].mT).softmax(-1) @ cache[1])[:, :, 0]
    return (y.flatten(1) @ w_o @ up).relu() @ down


def reads(batch: int, context: int, width: int, sharing: str = "none", heads: int = 4) -> tuple[int, int]:
    """Bytes of weights and of the cache that one step reads."""
    shapes = (width, width), (width, width), (width, 4 * width), (4 * width, width)
    weights, x = [torch.randn(s) for s in shapes], torch.randn(batch, width)
    own = () if sharing == "one prefix" else (batch,)
    cache = torch.randn(2, *own, heads, context, width // heads)
    with operations() as ran:
        step(x, weights, cache)
    found = {name: [row.read for row in ran.rows if row.name == name] for name in ("mm", "bmm")}
    inputs = {"mm": batch * 4 * (width + width + width + 4 * width), "bmm": batch * 4 * (width + heads * context)}
    # what is read besides activations
    return tuple(sum(found[name]) - inputs[name] for name in ("mm", "bmm"))


RANGES = {
    "contexts": each(between(2, 2048), at_least=2, rising=True),
    "batches": each(between(2, 64), at_least=2, rising=True),
    "context": between(2, 512),
    "width": between(4, 128, multiple_of=4),
    "sharing": one_of("none", "one prefix"),
    "held": one_of("all", "last 64"),
    "tokens": between(64, 1000000),
}


@breaks(held="last 64", en="A window layer holds its last 64 tokens: its reads stop growing.",
        zh="窗口层只留最后 64 个 token：读取量不再增长。")
def claim_cache_reads_grow_linearly(contexts=(32, 64, 128, 256, 512), width=64, held="all"):
    """Every step reads all of K and V, 2·d·t numbers per layer at context t: traffic that grows with every
    token.

    每一步都要读完整的 K 和 V：上下文为 t 时每层 2·d·t 个数，访存随每个 token 增长。"""
    got = [reads(1, t if held == "all" else min(t, 64), width)[1] for t in contexts]
    show(lines("context", contexts, {"bytes of K and V read": got}))
    expect("bytes of K and V read", got, equals=[2 * width * t * 4 for t in contexts], at=("context", contexts))


@breaks(sharing="one prefix",
        en="Where all sequences have the same prefix, a kernel may read its cache once for all of them.",
        zh="若所有序列前缀相同，kernel 可以只读一遍这段 cache。")
def claim_batching_shares_weights_not_cache(batches=(2, 4, 16, 64), context=64, width=64, sharing="none"):
    """Per sequence, a larger batch divides the bytes of weights that are read by the batch, and leaves
    those of the cache as they are.

    按每条序列算，batch 越大，读取的权重字节按 batch 平摊，cache 的字节则不变。"""
    weights, cache = zip(*([r / b for r in reads(b, context, width, sharing)] for b in batches), strict=True)
    show(lines("batch", batches, {"weights": weights, "K and V": cache}, log="xy",
               y_label="bytes read per sequence"))
    expect("weight bytes per sequence", weights, equals=[10 * width**2 * 4 / b for b in batches],
           at=("batch", batches))
    expect("cache bytes per sequence", cache, equals=2 * width * context * 4, at=("batch", batches))


@breaks(tokens=64, en="The cache of 64 tokens, 32 MiB, would fit.", zh="64 个 token 的 cache 是 32 MiB，放得下。")
def claim_cache_outgrows_the_l2(tokens=2048):
    """Llama-2-7B's cache of 2048 tokens in 16 bit is 1 GiB, over 20 times the 50 MB of L2 in an H100: it
    lies in ordinary GPU memory.

    Llama-2-7B 在 16 bit 下 2048 个 token 的 cache 是 1 GiB，是 H100 的 50 MB L2 的 20 倍以上：它放在普通显
    存里。"""
    row, lengths = named_model("llama-2-7b"), (16, 64, 256, 1024, 4096)
    token = torch.empty(row["layers"], 2, row["kv_heads"], row["d_head"], dtype=torch.half, device="meta").nbytes
    show(lines("context", lengths,
               {"cache, MB (computed)": [token * t / 1e6 for t in lengths],
                "L2 of an H100, MB": [50] * len(lengths)}, log="xy"))
    expect("GiB of 2048 tokens", token * 2048 / 2**30, equals=1)
    expect(f"cache of {tokens} tokens over 50 MB", token * tokens / 50e6, at_least=20 if tokens >= 2048 else 1)


ZH = {
    "context": "上下文",
    "bytes of K and V read": "读取的 K、V 字节数",
    "batch": "batch",
    "weights": "权重",
    "K and V": "K 与 V",
    "bytes read per sequence": "每条序列读取的字节数",
    "weight bytes per sequence": "每条序列的权重字节数",
    "cache bytes per sequence": "每条序列的 cache 字节数",
    "cache, MB (computed)": "cache，MB（计算值）",
    "L2 of an H100, MB": "H100 的 L2，MB",
    "GiB of 2048 tokens": "2048 个 token 的 GiB",
    "cache of {} tokens over 50 MB": "{} 个 token 的 cache 与 50 MB 之比",
}

if __name__ == "__main__":
    main()
