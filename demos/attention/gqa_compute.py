r"""Fewer KV heads save little arithmetic: less than a sixth of a layer; a prefill is past the ridge anyway.

减少 KV 头省不了多少计算：不到一层的六分之一，而且 prefill 本来就已越过拐点。

Computed in shapes without memory (torch's meta device): a multiply-add is 2 FLOPs, no mask, 16 bit, ideal reuse from HBM.
Turn `d_ff_over_width` to 1: beside a small MLP the projections weigh more, and MQA saves a quarter.
把 `d_ff_over_width` 改为 1：MLP 小了，投影的份额就大，MQA 能省四分之一。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import flops


class Layer(nn.Module):
    """The matrices of a decoder layer in 16 bit without memory: h query heads, n KV heads, a gated MLP, no
    biases."""

    def __init__(self, width: int, heads: int, kv_heads: int, d_ff: int, d_head: int = 0) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.d_head, self.width = heads, kv_heads, d_head or width // heads, width
        shapes = {
            "q": (width, heads * self.d_head),
            "kv": (width, 2 * kv_heads * self.d_head),
            "o": (heads * self.d_head, width),
            "gate": (width, d_ff),
            "up": (width, d_ff),
            "down": (d_ff, width),
        }
        for name, (inputs, outputs) in shapes.items():
            setattr(self, name, nn.Linear(inputs, outputs, False, device="meta", dtype=torch.half))

    def cache(self, tokens: int) -> Tensor:
        """Keys and values of so many tokens: (2, kv_heads, tokens, d_head)."""
        return self.kv(self.states(tokens)).unflatten(-1, (2, self.kv_heads, -1)).permute(1, 2, 0, 3).contiguous()

    def states(self, tokens: int) -> Tensor:
        """Hidden states (tokens, width)."""
        return torch.empty(tokens, self.width, dtype=torch.half, device="meta")

    def attend(self, x: Tensor, cache: Tensor) -> Tensor:
        """Attention of x (m, width) over a cache: a group's queries are the rows of one product."""
        # (n, h/n · m, d_head)
        rows = x.unflatten(-1, (self.kv_heads, -1, self.d_head)).permute(1, 2, 0, 3).flatten(1, 2)
        out = (rows @ cache[0].mT).softmax(-1) @ cache[1]
        # (m, h · d_head)
        return out.view(self.heads, -1, self.d_head).transpose(0, 1).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """A prefill of x, without norms and residuals: they do no matmul."""
        x = self.o(self.attend(self.q(x), self.cache(len(x))))
        return self.down(F.silu(self.gate(x)) * self.up(x))


RANGES = {
    "heads": between(2, 32),
    "kv_heads": each(between(1, "heads", divides="heads")),
    "width": between(2, 1024, multiple_of="heads"),
    "d_ff_over_width": between(1.0, 8.0),
    "lengths": each(between(1, 16384), at_least=2, rising=True),
    "context": between(1, 8192),
    "queries": each(between(1, 8192), at_least=2, rising=True),
    "reread": one_of("never", "for each query"),
}


@breaks(d_ff_over_width=1.0,
        en="With an MLP of 6sD² FLOPs the projections are half of a layer, and MQA saves a quarter of it.",
        zh="若 MLP 只有 6sD² FLOPs，投影约占一层的一半，MQA 就省下约四分之一。")
def claim_block_saves_less_than_a_sixth(heads=8, kv_heads=(4, 2, 1), width=384, d_ff_over_width=2.667,
                                        lengths=(64, 256, 1024, 4096)):
    """Where the MLP does 16D² FLOPs per token, fewer KV heads save less than a sixth of a prefill, and the
    less the longer.

    若 MLP 每 token 做 16D² FLOPs，减少 KV 头省下的 prefill 计算不到一层的六分之一，文本越长省得越少。"""
    d_ff = round(d_ff_over_width * width)
    cost = {n: [flops(layer, layer.states(s)) for s in lengths] for n in (heads, *kv_heads)
            for layer in [Layer(width, heads, n, d_ff)]}
    saved = {n: 1 - torch.tensor(cost[n]) / torch.tensor(cost[heads]) for n in kv_heads}
    show(lines("tokens", lengths, {f"n = {n}": share for n, share in saved.items()}, log="x",
               y_label="share of the layer's FLOPs saved"))
    for n, share in saved.items():
        by_hand = [4 * (1 - n / heads) / (8 + 6 * d_ff / width + 4 * s / width) for s in lengths]
        # float32
        expect(f"share of the layer saved, n = {n}", share, equals=by_hand, within=1e-6, at=("tokens", lengths))
        expect(f"the same against a sixth, n = {n}", share, at_most=1 / 6, at=("tokens", lengths))


@breaks(reread="for each query",
        en="If every query token reads the cache again, a prefill is as memory-bound as decoding.",
        zh="若每个 query token 都重读一遍 cache，prefill 就与解码一样受限于访存。")
def claim_prefill_reuses_each_key(heads=8, kv_heads=(8, 4, 2, 1), width=384, context=1024,
                                  queries=(1, 4, 16, 64, 256, 1024), reread="never"):
    """m query tokens in one step do m·h/n attention FLOPs per cache byte, so a prefill of a thousand is
    past an H100's 295 with any n.

    一步含 m 个 query token 时，每字节 cache 做 m·h/n 次注意力 FLOP；一千个 token 的 prefill 无论 n 取多少都
    已越过 H100 的 295。"""
    found = {}
    for n in kv_heads:
        layer = Layer(width, heads, n, width)
        cache = layer.cache(context)
        reads = {m: cache.nbytes * (m if reread != "never" else 1) for m in (*queries, 1024)}
        found[n] = {m: flops(layer.attend, layer.states(m), cache) / read for m, read in reads.items()}
    curves = {f"n = {n}": [f[m] for m in queries] for n, f in found.items()}
    show(lines("query tokens m", queries, curves | {"H100, bf16": [295.0] * len(queries)}, log="xy",
               y_label="FLOPs per cache byte"))
    for n, f in found.items():
        expect(f"FLOPs per byte, n = {n}", list(f.values()), equals=[m * heads / n for m in f], within=1e-9,
               at=("m", list(f)))
    expect("a prefill of 1024 over 295", [f[1024] / 295 for f in found.values()], at_least=1, at=("n", list(found)))


ZH = {
    "tokens": "token 数",
    "share of the layer's FLOPs saved": "省下的 FLOPs 占一层的比例",
    "share of the layer saved, n = {}": "省下的计算占一层的比例，n = {}",
    "the same against a sixth, n = {}": "该比例与六分之一相比，n = {}",
    "query tokens m": "query token 数 m",
    "FLOPs per cache byte": "cache 每字节 FLOPs",
    "FLOPs per byte, n = {}": "每字节 FLOPs，n = {}",
    "a prefill of 1024 over 295": "1024 个 token 的 prefill 与 295 之比",
}

if __name__ == "__main__":
    main()
