r"""Under a causal mask past K and V never change, so a cache gives the same tokens for a fraction of the FLOPs.

因果掩码下，过去的 K、V 不再变化，所以 KV cache 能以少得多的 FLOPs 得到相同的 token。

A tiny GPT decoded greedily twice: the whole prefix again for every token, and with each layer's K and V kept.
Turn `mask` to "none": the keys of deeper layers change with every token appended.
把 `mask` 改为 "none"：每追加一个 token，深层的 key 都会变。
"""

import time

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, guess, lines, main, one_of, show, timed
from studyapp.evidence.tools import flops

VOCABULARY = 50


class TinyGPT:
    """Pre-norm decoder with 12 d² weights per layer (Q, K, V, O and a 4d MLP) and learned positions."""

    def __init__(self, width: int = 64, layers: int = 2, heads: int = 4, mask: str = "causal") -> None:
        self.heads, self.mask = heads, mask
        self.token, self.place = torch.randn(VOCABULARY, width), torch.randn(1024, width)
        shapes = (width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)
        self.layers = [[torch.randn(s) / s[0] ** 0.5 for s in shapes] for _ in range(layers)]
        self.head = torch.randn(width, VOCABULARY) / width**0.5

    def __call__(self, tokens: Tensor, cache: list[Tensor]) -> Tensor:
        """Logits (batch, V) after tokens (batch, new); `cache` holds (2, batch, heads, past, d_head) for
        each layer, and grows."""
        past = cache[0].shape[3] if cache else 0
        x = self.token[tokens] + self.place[past : past + tokens.shape[1]]                     # (batch, new, width)
        kept = []
        for i, (w_qkv, out, up, down) in enumerate(self.layers):
            qkv = (F.layer_norm(x, x.shape[-1:]) @ w_qkv).unflatten(-1, (3, self.heads, -1))
            q, *kv = qkv.permute(2, 0, 3, 1, 4)                          # each (batch, heads, new, d_head)
            kept.append(torch.cat((cache[i], torch.stack(kv)), 3) if cache else torch.stack(kv))
            scores = q @ kept[i][0].mT / q.shape[-1] ** 0.5              # (batch, heads, new, past + new)
            if self.mask == "causal":
                scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(past + 1), -torch.inf)
            x = x + (scores.softmax(-1) @ kept[i][1]).transpose(1, 2).flatten(2) @ out
            x = x + F.gelu(F.layer_norm(x, x.shape[-1:]) @ up) @ down
        cache[:] = kept
        return x[:, -1] @ self.head


def again(model: TinyGPT, tokens: Tensor) -> Tensor:
    """The same logits from all tokens at once, by torch's attention and without a cache."""
    x = model.token[tokens] + model.place[: tokens.shape[1]]
    for qkv, out, up, down in model.layers:
        q, k, v = (F.layer_norm(x, x.shape[-1:]) @ qkv).unflatten(-1, (3, model.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=model.mask == "causal")          # (batch, heads, tokens, d_head)
        x = x + y.transpose(1, 2).flatten(2) @ out
        x = x + F.gelu(F.layer_norm(x, x.shape[-1:]) @ up) @ down
    return x[:, -1] @ model.head


def decode(model: TinyGPT, tokens: Tensor, new: int, fed: str) -> tuple[Tensor, list[Tensor], list[int]]:
    """Greedy decoding of `new` tokens: all tokens, the logits and the FLOPs of each step. With `fed`
    "newest" a step is given the newest token and the cache, with "all" everything and no cache."""
    cache, logits, counted = [], [], []
    for step in range(new):
        given = tokens[:, -1:] if fed == "newest" and step else tokens
        kept = cache if fed == "newest" else []
        counted.append(flops(lambda t=given, c=list(kept): model(t, c)))
        logits.append(model(given, kept))
        tokens = torch.cat([tokens, logits[-1].argmax(-1, keepdim=True)], 1)
    return tokens, logits, counted


RANGES = {
    "prompt": between(2, 32),
    "new": between(2, 32),
    "width": between(16, 128, multiple_of=4),
    "layers": between(2, 4),
    "contexts": each(between(2, 512), at_least=2, rising=True),
    "mask": one_of("causal", "none"),
    "fed": one_of("newest", "all"),
}
NO_MASK = breaks(mask="none",
                 en="Without the mask old hidden states see the new token, so their keys in deeper layers change.",
                 zh="没有掩码，旧的隐状态会看到新 token，深层的 key 随之改变。")


@NO_MASK
def claim_causal_mask_freezes_past_keys(prompt=8, new=4, width=64, layers=2, mask="causal"):
    """Under a causal mask a later token leaves earlier keys and values of every layer as they were.

    有因果掩码时，后来的 token 不改变任何一层里此前的 K 和 V。"""
    model, tokens = TinyGPT(width, layers, mask=mask), torch.randint(VOCABULARY, (1, prompt + new))
    short, long = [], []
    model(tokens[:, :prompt], short)
    model(tokens, long)
    change = [(b[..., :prompt, :] - a).abs().max() for a, b in zip(short, long, strict=True)]
    show(lines("layer", range(1, layers + 1), {"largest change of past K and V": change}))
    # float32 through 4 layers
    expect("largest change of past K and V", change, equals=0, within=1e-4, at=("layer", range(1, layers + 1)))


@NO_MASK
def claim_cached_and_uncached_tokens_are_identical(prompt=8, new=24, width=64, layers=2, mask="causal"):
    """Greedy decoding with K and V kept, and no queries, gives the logits of running everything again, to
    float rounding.

    只保存 K、V（不存 query）做贪心解码，每一步的 logit 与整段重算只差浮点舍入。"""
    model, start = TinyGPT(width, layers, mask=mask), torch.randint(VOCABULARY, (1, prompt))
    every = decode(model, start, new, "newest")[0]
    slow = [again(model, every[:, : prompt + t]) for t in range(new)]
    cache: list[Tensor] = []
    fed = [every[:, :prompt], *(every[:, t - 1 : t] for t in range(prompt + 1, prompt + new))]
    fast = [model(given, cache) for given in fed]
    gap = [(a - b).abs().max() for a, b in zip(slow, fast, strict=True)]
    show(lines("step", range(1, new + 1), {"largest difference of the logits": gap}))
    # logits of size 1, float32
    expect("largest difference of the logits", gap, equals=0, within=1e-3, at=("step", range(1, new + 1)))


@breaks(fed="all", en="If every step is given all tokens, it costs what it costs without a cache.",
        zh="若每步都喂入全部 token，代价就与没有 cache 一样。")
def claim_cached_flops_match_the_formula(prompt=8, new=24, width=64, layers=2, fed="newest"):
    """With a cache a step at context t costs 24·L·d² + 4·L·d·t + 2·d·V FLOPs: one token, and attention
    linear in t.

    有 cache 时，上下文为 t 的一步花费 24·L·d² + 4·L·d·t + 2·d·V FLOPs：只算一个 token，注意力对 t 线性。"""
    contexts = list(range(prompt + 1, prompt + new))
    counted = decode(TinyGPT(width, layers), torch.randint(VOCABULARY, (1, prompt)), new, fed)[2][1:]
    formula = [24 * layers * width**2 + 4 * layers * width * t + 2 * width * VOCABULARY for t in contexts]
    show(lines("context", contexts, {"counted": counted, "formula": formula}, y_label="FLOPs of a step"))
    expect("FLOPs of a step", counted, equals=formula, at=("context", contexts))


@breaks(fed="newest", en="Given only the newest token, a step is no longer quadratic in t.",
        zh="若只喂入最新的 token，一步就不再是 t 的平方级。")
def claim_uncached_flops_match_the_formula(prompt=8, new=24, width=64, layers=2, fed="all"):
    """Without a cache a step costs 24·L·d²·t + 4·L·d·t² + 2·d·V FLOPs, all t × t scores counted: everything
    again.

    没有 cache 时一步花费 24·L·d²·t + 4·L·d·t² + 2·d·V FLOPs（按完整的 t × t 分数计）：全部重算一遍。"""
    contexts = list(range(prompt, prompt + new))
    counted = decode(TinyGPT(width, layers), torch.randint(VOCABULARY, (1, prompt)), new, fed)[2]
    formula = [24 * layers * width**2 * t + 4 * layers * width * t**2 + 2 * width * VOCABULARY for t in contexts]
    show(lines("context", contexts, {"counted": counted, "formula": formula}, y_label="FLOPs of a step"))
    expect("FLOPs of a step", counted, equals=formula, at=("context", contexts))


@timed
@breaks(contexts=(2, 3), en="Over two or three tokens there is nothing to save.",
        zh="只有两三个 token 时，没有可省的。")
@guess("time without over time with cache, longest context", unit="×",
       en="A small GPT on a CPU, 512 tokens in: how many times as fast is a step with a KV cache?",
       zh="CPU 上的小 GPT，已有 512 个 token：用 KV cache 的一步快到几倍？")
def claim_cached_decoding_is_faster(contexts=(32, 128, 512)):
    """On a CPU an uncached step takes longer with the context; at 512 tokens a cached step is over 4 times
    as fast.

    在 CPU 上，不用 cache 的一步随上下文变慢；512 个 token 时，用 cache 的一步快 4 倍以上。"""
    torch.set_num_threads(1)                                        # a busy machine then slows both alike
    model, times = TinyGPT(128, 4), {"without cache": [], "with cache": []}
    for t in contexts:
        tokens, cache = torch.randint(VOCABULARY, (1, t)), []
        model(tokens[:, :-1], cache)
        times["without cache"].append(min(seconds(model, tokens, []) for _ in range(5)))
        times["with cache"].append(min(seconds(model, tokens[:, -1:], list(cache)) for _ in range(5)))
    show(lines("context", contexts, times, log="xy", y_label="seconds per token"))
    expect("time without over time with cache, longest context",
           times["without cache"][-1] / times["with cache"][-1], at_least=4)


def seconds(model: TinyGPT, tokens: Tensor, cache: list[Tensor]) -> float:
    start = time.perf_counter()
    model(tokens, cache)
    return time.perf_counter() - start


ZH = {
    "layer": "层", "step": "步", "context": "上下文", "counted": "计得", "formula": "公式",
    "largest change of past K and V": "过去的 K、V 的最大变化",
    "largest difference of the logits": "logit 的最大差异",
    "FLOPs of a step": "一步的 FLOPs",
    "without cache": "不用 cache", "with cache": "用 cache", "seconds per token": "每 token 秒数",
    "time without over time with cache, longest context": "不用与用 cache 的耗时之比，最长上下文",
}  # fmt: skip

if __name__ == "__main__":
    main()
