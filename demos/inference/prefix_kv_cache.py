r"""A prefix cache reuses keys and values of a shared beginning: exact, because in a causal model nothing later changes them.

prefix cache 复用共同开头的 key 与 value：结果完全一致，因为因果模型里后面的内容不会改变它们。

Kwon et al. 2023 (PagedAttention), §4.4; Zheng et al. 2023 (RadixAttention). Turn `reused_at` to "another place":
the same passage behind a longer beginning is reused, and the output is wrong, without any error.
把 `reused_at` 改为 "another place"：把同一段文字的缓存用到更长的开头之后，输出就错了，而且不会报错。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import randn

Cache = list[tuple[Tensor, Tensor]]


def rotate(x: Tensor, first: int) -> Tensor:
    """RoPE on x (heads, tokens, d_head), whose first token stands at position `first`."""
    half = x.shape[-1] // 2
    angle = (first + torch.arange(x.shape[1]))[:, None] * 100.0 ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()), -1)


def model(tokens: Tensor, cache: Cache | None = None, layers: int = 2, width: int = 32, heads: int = 4) -> tuple[Tensor, Cache]:
    """A causal decoder over `tokens` that follow what `cache` holds; gives their outputs (tokens, width) and the
    keys and values of all, one pair a layer, (heads, seen, d_head). In float64."""
    seen = cache[0][0].shape[1] if cache else 0
    x, new = randn(64, width, seed=1, dtype=torch.float64)[tokens], []
    for layer in range(layers):
        w = randn(4, width, width, seed=10 + layer, dtype=torch.float64) / width**0.5
        q, k, v = ((x @ w[i]).unflatten(-1, (heads, -1)).transpose(0, 1) for i in range(3))
        q, k = rotate(q, seen), rotate(k, seen)
        if cache:
            k, v = torch.cat((cache[layer][0], k), 1), torch.cat((cache[layer][1], v), 1)
        new.append((k, v))
        mask = torch.ones(len(tokens), seen + len(tokens)).tril(seen).bool()
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + F.silu(out.transpose(0, 1).flatten(1) @ w[3])
    return x, new


@exercise(claims=("only_whole_blocks_with_the_same_past_hit", "a_shared_prompt_is_kept_once"),
          wrong=("compares_blocks_alone", "counts_the_partial_block", "goes_on_after_a_miss"))
def hits(tokens: list[int], known: set[tuple[int, ...]], block: int) -> int:
    """How many tokens at the beginning can be reused: whole blocks of `block` tokens, from the first on, each
    known together with everything before it. `known` holds prefixes as tuples, their lengths multiples of block.

    开头有多少 token 可以复用：从头起、每块 `block` 个 token 的整块，且连同它之前的全部内容都已缓存。`known` 里是前缀
    元组，长度都是 block 的倍数。"""
    reused = 0
    while reused + block <= len(tokens) and tuple(tokens[: reused + block]) in known:
        reused += block
    return reused


RANGES = {
    "prefix": between(2, 48),
    "suffix": between(1, 16),
    "before": between(1, 16),
    "requests": each(between(1, 256), at_least=2, rising=True),
    "prompt": between(16, 1200),
    "own": between(1, 500),
    "block": between(4, 64),
    "reused_at": one_of("the beginning", "another place"),
    "shared": one_of("yes", "no"),
    "matched": one_of("whole past", "block alone"),
}


@breaks(reused_at="another place",
        en="Keys and values of a passage hold what stood before it and where it stood; elsewhere they are those of another text.",
        zh="一段文字的 key 与 value 里含有它之前的内容和它的位置；换个地方，就成了另一段文本的。")
def claim_reuse_of_a_beginning_is_exact(prefix=24, suffix=6, before=8, reused_at="the beginning"):
    """Computing only the new tokens on top of the cached beginning gives the outputs of computing everything.

    在缓存的开头之上只计算新 token，与全部重算的输出相同。"""
    passage = torch.randint(64, (prefix,))
    question, other = torch.randint(64, (suffix,)), torch.randint(64, (before,))
    cache = model(passage)[1]
    if reused_at == "another place":
        whole = model(torch.cat((other, passage, question)))[0][-suffix:]
        ahead = model(other)[1]
        cache = [(torch.cat((a, k), 1), torch.cat((b, v), 1)) for (a, b), (k, v) in zip(ahead, cache, strict=True)]
    else:
        whole = model(torch.cat((passage, question)))[0][-suffix:]
    gap = (model(question, cache)[0] - whole).abs().amax(1)
    show(lines("token of the question", range(suffix), {"largest difference from computing everything": gap}))
    # float64: sums of up to 80 terms of size 1, in another order, over two layers
    expect("difference of the outputs", gap, equals=0, within=1e-11, at=("token", range(suffix)))


@breaks(shared="no", en="Without sharing, every request keeps the prompt for itself.", zh="不共享时，每个请求各存一份提示词。")
def claim_a_shared_prompt_is_kept_once(requests=(1, 8, 64, 128), prompt=1000, own=100, block=16, shared="yes"):
    """B requests with a shared prompt of P tokens and S tokens of their own keep P + B·S tokens instead of
    B·(P + S), P rounded down to whole blocks and its rest counted to S.

    B 个请求共享 P 个 token 的提示词、各有 S 个 token：只存 P + B·S 个，而不是 B·(P + S) 个；P 向下取整到整块，余下的算进 S。"""
    text, stored = list(range(prompt)), [0]
    known: set[tuple[int, ...]] = set()
    for request in range(requests[-1]):                              # one after the other; each keeps what it did not hit
        tokens = [*text, *[-1 - request] * own]
        stored.append(stored[-1] + len(tokens) - hits(tokens, known, block))
        if shared == "yes":
            known.update(tuple(text[:n]) for n in range(block, prompt + 1, block) if request == 0)
    kept = [stored[count] for count in requests]
    whole = prompt // block * block
    show(lines("requests", requests, {"tokens kept": kept, "without sharing": [b * (prompt + own) for b in requests]}, log="xy"))
    expect("tokens kept", kept, equals=[whole + b * (prompt - whole + own) for b in requests], at=("requests", requests))


@breaks(matched="block alone", en="A block is more than its tokens: the same tokens after another past have other keys and values.",
        zh="一块不只是它的 token：同样的 token，前文不同，key 与 value 就不同。")
def claim_only_whole_blocks_with_the_same_past_hit(block=4, matched="whole past"):
    """A request hits whole blocks only, as long as every token before them agrees: one changed token at the start
    loses everything behind it.

    只有整块、且前面每个 token 都相同才会命中：开头改一个 token，后面的全部作废。"""
    base = list(range(5 * block + block // 2))
    known = {tuple(base[: n * block]) for n in range(1, len(base) // block + 1)}
    changed_first, changed_late = [99, *base[1:]], [*base[: 3 * block], 99, *base[3 * block + 1 :]]
    asked = {"same": base, "first token changed": changed_first, "changed in block 4": changed_late,
             "cut inside block 2": base[: 2 * block - 1], "begins with block 2": base[block:]}
    if matched == "block alone":
        blocks = {tuple(base[i : i + block]) for i in range(0, len(base) - block + 1, block)}
        reused = [sum(block for i in range(0, len(a) - block + 1, block) if tuple(a[i : i + block]) in blocks) for a in asked.values()]
    else:
        reused = [hits(a, known, block) for a in asked.values()]
    by_hand = [max(n for n in range(0, len(a) + 1, block) if a[:n] == base[:n]) for a in asked.values()]
    show(bars(list(asked), {"tokens": [len(a) for a in asked.values()], "tokens reused": reused}))
    expect("tokens reused", reused, equals=by_hand)


def drill_cached_tokens(rng) -> Drill:
    """Tokens kept with a shared prompt."""
    prompt, own, requests, block = rng.choice([(1000, 100, 64, 16), (2000, 50, 32, 16), (500, 200, 10, 16), (1024, 128, 8, 64)])
    whole = prompt // block * block
    kept = whole + requests * (prompt - whole + own)
    return Drill(
        en=f"{requests} requests share a prompt of {prompt} tokens and have {own} tokens each of their own; blocks of {block} tokens. "
           f"How many tokens does the KV cache hold with prefix caching?",
        zh=f"{requests} 个请求共享 {prompt} 个 token 的提示词，各自另有 {own} 个 token；每块 {block} 个 token。"
           f"启用 prefix cache 后，KV cache 里有多少 token？",
        answer=kept,
        within=0.5,
        steps=[(f"whole blocks of the prompt: {prompt} // {block} · {block} = {whole}, kept once",
                f"提示词的整块：{prompt} // {block} · {block} = {whole}，只存一份"),
               (f"each request: {prompt - whole} + {own} = {prompt - whole + own}",
                f"每个请求：{prompt - whole} + {own} = {prompt - whole + own}"),
               (f"{whole} + {requests} · {prompt - whole + own} = {kept}; without sharing {requests * (prompt + own)}",
                f"{whole} + {requests} · {prompt - whole + own} = {kept}；不共享则为 {requests * (prompt + own)}")],
        proved_by="a_shared_prompt_is_kept_once",
    )


ZH = {
    "token of the question": "问题的 token",
    "largest difference from computing everything": "与全部重算的最大差异",
    "difference of the outputs": "输出之差",
    "requests": "请求数",
    "tokens kept": "保存的 token 数",
    "without sharing": "不共享",
    "same": "相同",
    "first token changed": "第一个 token 变了",
    "changed in block 4": "第 4 块里变了",
    "cut inside block 2": "在第 2 块中截断",
    "begins with block 2": "从第 2 块开始",
    "tokens": "token 数",
    "tokens reused": "复用的 token 数",
}

if __name__ == "__main__":
    main()
