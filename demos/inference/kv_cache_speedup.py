r"""A KV cache gives the same tokens for a fraction of the FLOPs, and pays with memory that every step must read.

KV cache 以少得多的 FLOPs 得到相同的 token，代价是一块每步都要读一遍的显存。

A tiny GPT decoded greedily twice: running the whole prefix again for every token, and keeping each layer's K and V.
Shazeer 2019 (arXiv:1911.02150), §2.4 and §3. Turn `prompt`, `new`, `width`, `batches`.
"""

import time

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import expect, lines, main, show, table, timed

VOCABULARY = 50


class TinyGPT:
    """Pre-norm decoder: 12 d² weights a layer (Q, K, V, O and a 4d MLP), positions by table, logits of the last."""

    def __init__(self, width=64, layers=2, heads=4, longest=1024, causal=True):
        self.heads, self.causal = heads, causal
        self.token, self.place = torch.randn(VOCABULARY, width), torch.randn(longest, width)
        shapes = [(width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)]
        self.layers = [[torch.randn(s) / s[0] ** 0.5 for s in shapes] for _ in range(layers)]
        self.head = torch.randn(width, VOCABULARY) / width**0.5

    def __call__(self, tokens: Tensor, cache: list | None = None) -> Tensor:
        """Logits (B, V) after `tokens` (B, T); a cache holds one (K, V) a layer for all that came before, and grows."""
        past = cache[0][0].shape[2] if cache else 0
        x = self.token[tokens] + self.place[past:past + tokens.shape[1]]                      # (B, T, d)
        kept = []
        for qkv, out, up, down in self.layers:
            y, kv = self.attend(F.layer_norm(x, x.shape[-1:]) @ qkv, cache[len(kept)] if cache else None)
            kept.append(kv)
            x = x + y @ out
            x = x + F.gelu(F.layer_norm(x, x.shape[-1:]) @ up) @ down
        if cache is not None:
            cache[:] = kept
        self.last_keys = kept[-1][0]                                                          # of the deepest layer
        return x[:, -1] @ self.head

    def attend(self, qkv: Tensor, past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in qkv.chunk(3, -1))  # (B, h, T, d_h)
        if past:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)                     # (B, h, past + T, d_h)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5                                 # (B, h, T, past + T)
        if self.causal:
            seen = torch.ones(scores.shape[-2:], dtype=torch.bool).tril(k.shape[2] - q.shape[2])
            scores = scores.masked_fill(~seen, -torch.inf)
        return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2), (k, v)


def generate(model, tokens: Tensor, new: int, cached: bool) -> tuple[Tensor, Tensor, list]:
    """Greedy decoding: tokens (B, p + new), the logits of each step, the cache."""
    cache, logits = ([] if cached else None), []
    for step in range(new):
        logits.append(model(tokens[:, -1:] if cached and step else tokens, cache))
        tokens = torch.cat([tokens, logits[-1].argmax(-1, keepdim=True)], 1)
    return tokens, torch.stack(logits), cache or []


def flops_of_steps(model: TinyGPT, tokens: Tensor, new: int, cached: bool) -> list[int]:
    """FLOPs of each step of decoding, counted in the matmuls that ran."""
    steps = []

    def counted(*args):
        with FlopCounterMode(display=False) as counter:
            logits = model(*args)
        steps.append(counter.get_total_flops())
        return logits

    generate(counted, tokens, new, cached)
    return steps


class Reads(TorchDispatchMode):
    """Bytes of the right-hand operands of matmuls: weights where that is a matrix (mm), else K and V (bmm)."""

    weights = cache = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.mm.default:
            self.weights += args[1].nbytes
        elif function is torch.ops.aten.bmm.default:
            self.cache += args[1].nbytes
        return function(*args, **(kwargs or {}))


def prompt_of(length: int, batch: int = 1) -> Tensor:
    return torch.randint(VOCABULARY, (batch, length))


def claim_cached_and_uncached_tokens_are_identical(prompt=8, new=24, width=64, layers=2):
    """Greedy decoding with a KV cache yields the same tokens, and logits equal to float rounding at every step.

    用 KV cache 做贪心解码，得到的 token 完全相同，每一步的 logit 只差浮点舍入。"""
    model, start = TinyGPT(width, layers), prompt_of(prompt)
    plain, slow, _ = generate(model, start, new, cached=False)
    kept, fast, _ = generate(model, start, new, cached=True)
    gaps = (slow - fast).abs().amax((1, 2))
    show(table({"step": range(1, new + 1), "without cache": plain[0, prompt:], "with cache": kept[0, prompt:],
                "largest logit difference": gaps}))
    expect("tokens that differ", (plain != kept).sum(), equals=0)
    expect("largest logit difference", gaps, equals=0, within=1e-4, at=("step", range(1, new + 1)))


def claim_causal_mask_freezes_past_keys(prompt=8, more=4, width=64, layers=2):
    """Under a causal mask a later token leaves earlier keys as they were; without the mask deep layers' keys change.

    有因果掩码时，后来的 token 不改变此前任何位置的 K；去掉掩码，深层的 K 就会变。"""
    tokens, moved = prompt_of(prompt + more), {}
    for causal in (True, False):
        model = TinyGPT(width, layers, causal=causal)
        model(tokens[:, :prompt])
        before = model.last_keys
        model(tokens)
        moved[causal] = (model.last_keys[:, :, :prompt] - before).abs().max()
    show(table({"mask": ["causal", "none"], "largest change of a past key": [moved[True], moved[False]]}))
    expect("change of past keys, causal", moved[True], equals=0, within=1e-4)
    expect("change of past keys, no mask", moved[False], at_least=0.1)


def claim_cached_flops_match_the_formula(prompt=8, new=24, width=64, layers=2):
    """With a cache a step at context t costs 24·L·d² + 4·L·d·t + 2·d·V FLOPs: one token, attention linear in t.

    有 cache 时，上下文为 t 的一步花费 24·L·d² + 4·L·d·t + 2·d·V FLOPs：
    只算一个 token，注意力对 t 线性。"""
    counted = flops_of_steps(TinyGPT(width, layers), prompt_of(prompt), new, cached=True)
    contexts = range(prompt + 1, prompt + new)
    formula = [24 * layers * width**2 + 4 * layers * width * t + 2 * width * VOCABULARY for t in contexts]
    show(lines("context", contexts, {"counted": counted[1:], "formula": formula}, title="FLOPs a generated token"))
    expect("FLOPs of a cached step", counted[1:], equals=formula, at=("context", contexts))


def claim_uncached_flops_match_the_formula(prompt=8, new=24, width=64, layers=2):
    """Without a cache it costs 24·L·d²·t + 4·L·d·t² + 2·d·V: every token again, attention quadratic in t.

    没有 cache 时一步花费 24·L·d²·t + 4·L·d·t² + 2·d·V：
    所有 token 重算一遍，注意力对 t 是平方级。"""
    model, start = TinyGPT(width, layers), prompt_of(prompt)
    counted = flops_of_steps(model, start, new, cached=False)
    cached = flops_of_steps(model, start, new, cached=True)
    contexts = range(prompt, prompt + new)
    formula = [24 * layers * width**2 * t + 4 * layers * width * t**2 + 2 * width * VOCABULARY for t in contexts]
    show(lines("context", contexts, {"without cache": counted, "with cache": cached}, log="y", title="FLOPs a token"),
         table({"": ["without cache", "with cache", "ratio"],
                "FLOPs in all": [sum(counted), sum(cached), f"{sum(counted) / sum(cached):.1f}"]}))
    expect("FLOPs of an uncached step", counted, equals=formula, at=("context", contexts))
    expect("FLOPs of the first step (prefill) with a cache", cached[0], equals=counted[0])
    expect("FLOPs without over with cache", sum(counted) / sum(cached), at_least=new / 2)


def claim_cache_bytes_match_the_count(prompt=8, new=24, width=64, layers=2, batch=1):
    """The cache holds 2·L·d numbers (4 bytes each in fp32) for every token fed in; the last token generated was never fed.

    每喂入一个 token，cache 占 2·L·d 个数（fp32 各 4 字节）；最后生成的 token 从未喂入。"""
    _, _, cache = generate(TinyGPT(width, layers), prompt_of(prompt, batch), new, cached=True)
    occupied = sum(t.untyped_storage().nbytes() for kv in cache for t in kv)
    fed = prompt + new - 1
    show(table({"tokens fed": [fed], "bytes occupied": [occupied], "2·L·d·4 a token": [2 * layers * width * 4]}))
    expect("bytes of the cache", occupied, equals=batch * fed * 2 * layers * width * 4)


def claim_cache_reads_grow_linearly(contexts=(32, 64, 128, 256, 512), width=64, layers=2):
    """Every step reads all of K and V, 2·L·d·t numbers at context t: traffic that grows with every token.

    每一步都要读完整的 K 和 V：上下文为 t 时共 2·L·d·t 个数，访存随每个 token 增长。"""
    model, reads = TinyGPT(width, layers), []
    for t in contexts:
        cache = []
        tokens = prompt_of(t)
        model(tokens[:, :-1], cache)
        with Reads() as meter:
            model(tokens[:, -1:], cache)
        reads.append(meter.cache)
    show(lines("context", contexts, {"bytes of K and V read a step": reads}, log="xy"))
    expect("bytes of K and V read in one step", reads, equals=[2 * layers * width * t * 4 for t in contexts],
           at=("context", contexts))


def claim_batching_shares_weights_not_cache(batches=(1, 4, 16, 64), context=64, width=64, layers=2):
    """A larger batch reads the weights once for all its sequences, but each sequence's cache is its own.

    加大 batch，权重读一遍可供所有序列使用；而每条序列的 cache 各读各的。"""
    model, weights, caches = TinyGPT(width, layers), [], []
    for batch in batches:
        cache = []
        tokens = prompt_of(context, batch)
        model(tokens[:, :-1], cache)
        with Reads() as meter:
            model(tokens[:, -1:], cache)
        weights.append(meter.weights / batch)
        caches.append(meter.cache / batch)
    show(lines("batch", batches, {"weights": weights, "K and V": caches}, log="xy", title="bytes read a token"))
    matrix = 4 * (12 * layers * width**2 + width * VOCABULARY)
    expect("weight bytes a token", weights, equals=[matrix / b for b in batches], at=("batch", batches))
    expect("cache bytes a token", caches, equals=2 * layers * width * context * 4, at=("batch", batches))


def claim_cache_outgrows_the_l2(model_layers=32, model_heads=32, head_width=128, lengths=(16, 64, 256, 1024, 4096),
                                l2_mib=50):
    """At Llama-2-7B's shape in fp16, 2048 tokens need 1 GiB of cache, 20 times an H100's 50 MB of L2.

    按 Llama-2-7B 的形状、fp16，2048 个 token 需要 1 GiB cache，是 H100 的 50 MB L2 的 20 倍。"""
    def mib(t):
        cache = torch.empty(model_layers, 2, model_heads, t, head_width, dtype=torch.float16, device="meta")
        return cache.nbytes / 2**20

    sizes = [mib(t) for t in lengths]
    show(lines("context", lengths, {"cache, MiB": sizes, "L2, MiB": [l2_mib] * len(lengths)}, log="xy"))
    expect("cache of 2048 tokens, MiB", mib(2048), equals=1024)
    expect("cache of 2048 tokens over L2", mib(2048) / l2_mib, at_least=20)


@timed
def claim_cached_decoding_is_faster(contexts=(32, 64, 128, 256, 512), timed_width=128, timed_layers=4):
    """The time of an uncached step grows with the context; a cached step at context 512 is several times faster.

    不用 cache 的一步耗时随上下文增长；上下文为 512 时，用 cache 的一步快数倍。"""
    torch.set_num_threads(1)                            # a busy machine then slows both alike
    model, slow, fast = TinyGPT(timed_width, timed_layers), [], []
    for t in contexts:
        tokens, cache = prompt_of(t), []
        model(tokens[:, :-1], cache)
        slow.append(min(seconds(lambda tokens=tokens: model(tokens)) for _ in range(3)))
        one = tokens[:, -1:]
        fast.append(min(seconds(lambda one=one, cache=cache: model(one, list(cache))) for _ in range(3)))
    milli = [[1e3 * s for s in times] for times in (slow, fast)]
    show(lines("context", contexts, {"without cache": milli[0], "with cache": milli[1]}, log="xy", title="ms a token"))
    expect("time without over time with cache, longest context", slow[-1] / fast[-1], at_least=2)
    expect("growth of the uncached step over the contexts", slow[-1] / slow[0], at_least=2)


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
