r"""Fewer key/value heads pay where a step reads a large cache for few query tokens: in decoding, hardly in prefill.

减少 KV 头的收益出现在「为少量 query token 读大量 cache」之处：解码受益，prefill 几乎不受益。

Shazeer 2019, §2.4 and §3; Ainslie et al. 2023, §2.2. Everything is counted on torch's meta device, in shapes without
memory: FLOPs by torch's counter (a multiply-add is 2, no mask), bytes in 16 bit. `balance` is 989 TFLOP/s of an H100 over
its 3.35 TB/s. Turn `kv_heads`, `cached` (batch × context), `memory_gb`.
"""

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import expect, lines, main, show, table


class Layer(nn.Module):
    """The matrices of a decoder layer: h query heads, n key/value heads, a gated MLP, no biases."""

    def __init__(self, width: int, heads: int, kv_heads: int, hidden: int) -> None:
        super().__init__()
        self.n, self.d = kv_heads, width // heads
        self.q, self.o = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, 2 * kv_heads * self.d, bias=False)
        self.gate, self.up = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def cache(self, x: Tensor) -> Tensor:
        """Keys and values of x (s, width): (2, n, s, d)."""
        return self.kv(x).unflatten(-1, (2, self.n, self.d)).permute(1, 2, 0, 3).contiguous()

    def core(self, q: Tensor, cache: Tensor) -> Tensor:
        """Attention of q (m, width) over the cache; the queries of a group stand as rows of one matmul."""
        k, v = cache
        rows = q.unflatten(-1, (self.n, -1, self.d)).permute(1, 2, 0, 3).flatten(1, 2)        # (n, h/n·m, d)
        out = (rows @ k.transpose(1, 2) * self.d**-0.5).softmax(-1) @ v
        return out.view(self.n, -1, len(q), self.d).permute(2, 0, 1, 3).flatten(1)            # (m, width)

    def forward(self, x: Tensor) -> Tensor:
        """A prefill of x (s, width), without norms and residuals: they do no matmul."""
        x = self.o(self.core(self.q(x), self.cache(x)))
        return self.down(nn.functional.silu(self.gate(x)) * self.up(x))


def on_meta(width: int, heads: int, kv_heads: int, hidden: int) -> Layer:
    """A layer in 16 bit that has shapes and no memory."""
    with torch.device("meta"):
        return Layer(width, heads, kv_heads, hidden).half()


def states(tokens: int, width: int) -> Tensor:
    """Hidden states (tokens, width) in 16 bit, without memory."""
    return torch.empty(tokens, width, dtype=torch.half, device="meta")


def flops(work, *args: Tensor) -> int:
    """Floating-point operations that torch's own counter finds."""
    with FlopCounterMode(display=False) as counter:
        work(*args)
    return counter.get_total_flops()


def held(layer: Layer) -> tuple[int, int]:
    """Bytes of a layer's weights, and of the cache of one token."""
    width = layer.q.in_features
    return sum(p.nbytes for p in layer.parameters()), layer.cache(states(1, width)).nbytes


def claim_block_saves_less_than_a_sixth(heads=8, kv_heads=(8, 4, 2, 1), width=384, hidden=1024,
                                        lengths=(64, 256, 1024, 4096)):
    """Of a layer whose MLP does 16D² FLOPs a token, fewer KV heads save less than a sixth of a prefill, and the less
    the longer the text; of the four projections alone MQA saves nearly half.

    若 MLP 每 token 做 16D² FLOPs，减少 KV 头省下的 prefill 计算不到一层的六分之一，文本越长省得越少；只看四个投影，
    MQA 省去近一半。"""
    layers, x = {n: on_meta(width, heads, n, hidden) for n in kv_heads}, states(1, width)
    full = [flops(on_meta(width, heads, heads, hidden), states(s, width)) for s in lengths]
    saved = {n: [1 - flops(layer, states(s, width)) / f for s, f in zip(lengths, full, strict=True)]
             for n, layer in layers.items()}
    projections = [sum(flops(part, x) for part in (a.q, a.kv, a.o)) for a in layers.values()]
    of_mha = [p / (8 * width**2) for p in projections]
    show(lines("tokens", lengths, {f"n = {n}": share for n, share in saved.items()}, log="x",
               y_label="share of the layer's FLOPs saved"))
    show(table({"kv heads n": kv_heads, "projection FLOPs a token": projections,
                "of MHA's 8D²": of_mha}))
    for n, share in saved.items():
        expect(f"share of the layer saved, n = {n}", share, at_most=1 / 6, at=("tokens", lengths))
        expect(f"rise of that share with the length, n = {n}", torch.tensor(share).diff(), at_most=0)
    expect("projection FLOPs over MHA's", of_mha, equals=[(1 + n / heads) / 2 for n in kv_heads], at=("n", kv_heads))


def claim_prefill_reuses_each_key(heads=8, kv_heads=(8, 4, 2, 1), width=384, hidden=1024, context=1024,
                                  queries=(1, 4, 16, 64, 256, 1024), balance=295.0):
    """m query tokens in one step do m·h/n FLOPs for each cache byte: one decoded token stays far below the balance
    point of a GPU under MHA, a prefill of a thousand is past it with any n.

    一步含 m 个 query token 时，每字节 cache 做 m·h/n 次 FLOP：MHA 下逐个解码远低于 GPU 的平衡点，一千个 token 的
    prefill 则无论 n 取多少都已越过。"""
    found = {}
    for n in kv_heads:
        layer = on_meta(width, heads, n, hidden)
        cache = layer.cache(states(context, width))
        found[n] = [flops(layer.core, states(m, width), cache) / cache.nbytes for m in queries]
    show(lines("query tokens m", queries, {f"n = {n}": f for n, f in found.items()} | {
        "H100, bf16": [balance] * len(queries)}, log="xy", y_label="FLOPs for each cache byte"))
    for n, got in found.items():
        expect(f"FLOPs a byte, n = {n}", got, equals=[m * heads / n for m in queries], at=("m", queries))
    expect(f"one token over the balance point, n = {kv_heads[0]}", found[kv_heads[0]][0] / balance, at_most=0.1)
    expect("longest prefill over the balance point", [f[-1] / balance for f in found.values()], at_least=1,
           at=("n", kv_heads))


def claim_gain_comes_when_cache_outweighs_weights(heads_70b=64, kv_heads_70b=8, width_70b=8192, hidden_70b=28672,
                                                  cached=(1024, 16384, 131072, 1048576, 8388608)):
    """A decode step reads weights and cache: GQA gains little while batch × context is small, and nears h/n only
    when the cache outweighs the weights.

    解码一步要读权重和 cache：batch × 上下文小时 GQA 收益很小；只有 cache 超过权重，收益才接近 h/n。"""
    (w_mha, t_mha), (w_gqa, t_gqa) = (held(on_meta(width_70b, heads_70b, n, hidden_70b)) for n in (heads_70b, kv_heads_70b))
    gain = torch.tensor([(w_mha + t_mha * c) / (w_gqa + t_gqa * c) for c in cached])
    limit = heads_70b / kv_heads_70b
    show(table({"batch × context": cached, "weights, GB": [w_gqa / 1e9] * len(cached),
                "cache, MHA, GB": [t_mha * c / 1e9 for c in cached], "cache, GQA, GB": [t_gqa * c / 1e9 for c in cached],
                "MHA over GQA": gain}, title="bytes that one layer reads in a step, 16 bit"))
    show(lines("batch × context", cached, {"bytes, MHA over GQA": gain, "h/n": [limit] * len(cached)}, log="x"))
    expect("bytes of a step, MHA over GQA", gain, at_most=limit, at=("batch × context", cached))
    expect("rise from one batch × context to the next", gain.diff(), at_least=0, at=("batch × context", cached[1:]))
    expect("gain at the smallest batch × context", gain[0], at_most=1.3)
    expect("gain at the largest, over h/n", gain[-1] / limit, at_least=0.9)


def claim_full_memory_serves_h_over_n_more(heads_70b=64, kv_heads_70b=8, width_70b=8192, hidden_70b=28672, layers=80,
                                           memory_gb=640.0, contexts=(1024, 4096, 16384, 32768)):
    """With the memory full, a step reads all of it and yields one token for each sequence: h/n times as many sequences
    fit, so each byte read yields at least h/n times as many tokens.

    显存装满时，一步把它全部读一遍，并为每条序列产出一个 token：能放下的序列是 h/n 倍，于是每读一个字节产出的 token
    至少也是 h/n 倍。"""
    fits = {}
    for n in (heads_70b, kv_heads_70b):
        weights, token = held(on_meta(width_70b, heads_70b, n, hidden_70b))
        fits[n] = [(memory_gb * 1e9 - layers * weights) / (layers * token * c) for c in contexts]
    mha, gqa = fits.values()
    more = [b / a for a, b in zip(mha, gqa, strict=True)]
    show(lines("context", contexts, {"MHA": mha, "GQA": gqa}, log="xy", y_label="sequences that fit"))
    show(table({"context": contexts, "sequences, MHA": [int(a) for a in mha], "sequences, GQA": [int(b) for b in gqa],
                "tokens for each byte read, GQA over MHA": more}))
    expect("sequences that fit, GQA over MHA", more, at_least=heads_70b / kv_heads_70b, at=("context", contexts))


if __name__ == "__main__":
    main()
