r"""Over a KV cache the causal triangle belongs in the bottom right corner; PyTorch's is_causal puts
it in the top left.

配合 KV cache 时，因果三角形应对齐右下角；PyTorch 的 is_causal 对齐左上角。

Turn `align` to "top left", as in F.scaled_dot_product_attention with is_causal: a new token over
a cache sees the first key only.
把 `align` 改为 "top left"，即 F.scaled_dot_product_attention 的 is_causal：cache 上的一个新 token 只看得到
第一个 key。
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right, causal_upper_left

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("a_chunk_over_a_cache_needs_the_bottom_right", "decode_step_needs_no_mask"),
          wrong=("aligns_at_the_top_left", "hides_the_own_key", "sees_everything"))
def visible(new: int, keys: int) -> Tensor:
    """(new, keys), True where a query may look: the queries are the last `new` of `keys` tokens,
    the others are cached.

    (new, keys)，query 可以看的地方为 True：query 是 `keys` 个 token 里的最后 `new` 个，其余都在 cache 中。"""
    return torch.ones(new, keys, dtype=torch.bool).tril(keys - new)


RANGES = {
    "tokens": between(3, 64),
    "d_head": between(2, 32),
    "new": between(2, 32),
    "cached": between(1, 64),
    "align": one_of("bottom right", "top left"),
    "mask": one_of("none", "is_causal"),
    "ahead": between(-1, 1),
    "lengths": each(between(1, 512), at_most=8, rising=True),
}


def attend(q: Tensor, k: Tensor, v: Tensor, align: str) -> Tensor:
    """Attention of the new queries under a triangle at one corner or the other."""
    seen = (
        visible(len(q), len(k))
        if align == "bottom right"
        else torch.ones(len(q), len(k)).tril().bool()
    )
    return (q @ k.T / q.shape[1] ** 0.5).masked_fill(~seen, -torch.inf).softmax(-1) @ v


@breaks(align="top left", en="Query i of the chunk then sees keys 0 to i, the oldest of the cache.",
        zh="那样，这一段的第 i 个 query 看到的是第 0 到 i 个 key，即 cache 里最旧的那些。")
def claim_a_chunk_over_a_cache_needs_the_bottom_right(
    new=4, cached=6, d_head=16, align="bottom right"
):
    """New queries over a cache give the last rows of full causal attention only if the triangle is
    aligned at the bottom right, as causal_lower_right does; is_causal is top left.

    cache 之上的几个新 query，只有三角形对齐右下角才得到完整因果注意力的最后几行；causal_lower_right 正是如此，
    is_causal 对齐左上角。"""
    n = new + cached
    q, k, v = torch.randn(3, n, d_head, dtype=F64)
    whole = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0][-new:]
    last = q[None, None, -new:]                                          # (1, 1, new, d)
    show(heatmap(visible(new, n).float(), x_label="key", y_label="new query", title="bottom right"),
         heatmap(torch.ones(new, n).tril(), x_label="key", y_label="new query", title="top left"))
    # float64 keeps 1e-16 of outputs of size 1
    expect("chunk less the last rows of the whole", attend(last[0, 0], k, v, align) - whole,
           equals=0,
           within=1e-12)
    for name, bias in (("causal_lower_right", causal_lower_right(new, n)), ("causal_upper_left", causal_upper_left(new, n))):
        torchs = F.scaled_dot_product_attention(last, k[None, None], v[None, None], attn_mask=bias)[
            0, 0
        ]
        corner = "bottom right" if name == "causal_lower_right" else "top left"
        expect(f"{name} less the triangle at its corner", torchs - attend(last[0, 0], k, v, corner),
               equals=0, within=1e-12)
    top = F.scaled_dot_product_attention(last, k[None, None], v[None, None], is_causal=True)[0, 0]
    expect("is_causal less the triangle at the top left",
           top - attend(last[0, 0], k, v, "top left"),
           equals=0, within=1e-12)


@breaks(mask="is_causal", en="One row of a triangle at the top left is: the first key.",
        zh="左上角三角形的第一行只有一个元素：第一个 key。")
def claim_decode_step_needs_no_mask(tokens=10, d_head=16, mask="none"):
    """The newest query may see every cached key, so a decode step needs no mask; with is_causal it
    would return the first value.

    最新的 query 本来就能看全部缓存的 key，所以单步解码无需掩码；若用 is_causal，返回的就是第一个 value。"""
    q, k, v = torch.randn(3, 1, tokens, d_head, dtype=F64)
    whole = F.scaled_dot_product_attention(q, k, v, is_causal=True)[:, -1:]
    step = F.scaled_dot_product_attention(q[:, -1:], k, v, is_causal=mask == "is_causal")
    first = F.scaled_dot_product_attention(q[:, -1:], k, v, is_causal=True)
    p = (q[0, -1] @ k[0].T / d_head**0.5).softmax(-1)
    show(lines("key", range(tokens),
               {"weight without a mask": p, "weight with is_causal": [1.0, *[0.0] * (tokens - 1)]}))
    expect("step less the last row of the whole", step - whole, equals=0, within=1e-12)
    expect("step with is_causal less the first value", first - v[:, :1], equals=0, within=1e-12)
    expect("keys that the mask of one query hides", (~visible(1, tokens)).sum(), equals=0)


@breaks(ahead=1, en="One key too many for all but the last query: n − 1 pairs more.",
        zh="除最后一个 query 外都多看一个 key：多出 n − 1 对。")
@breaks(ahead=-1, en="Without the diagonal n pairs are missing.", zh="去掉对角线，少了 n 对。")
def claim_allowed_pairs_are_n_n_plus_1_over_2(lengths=(8, 64, 512), ahead=0):
    """The causal mask leaves n(n + 1)/2 of the n² query-key pairs, the diagonal included.

    因果掩码在 n² 个 query-key 对中留下 n(n + 1)/2 个，含对角线。"""
    squares = [visible(n, n) if ahead == 0 else torch.ones(n, n).tril(ahead) for n in lengths]
    left = [int(square.sum()) for square in squares]
    show(lines("tokens", lengths,
               {"share of all pairs": [c / n**2 for c, n in zip(left, lengths, strict=True)]},
               log="x"))
    expect("pairs left", left, equals=[n * (n + 1) // 2 for n in lengths], at=("tokens", lengths))


def drill_pairs_of_a_chunk(rng) -> Drill:
    """Pairs that a chunk of prefill computes over a cache."""
    cached, new = rng.choice([100, 200, 500, 1000]), rng.choice([10, 20, 40])
    pairs = int(visible(new, cached + new).sum())
    return Drill(
        en=f"{cached} tokens are cached and {new} new ones are prefilled in one pass, causally. How many "
           "query-key pairs does one head need?",
        zh=f"已缓存 {cached} 个 token，再一次预填充 {new} 个新 token（因果）。一个头需要计算多少个 query-key 对？",
        answer=pairs, within=0,
        steps=[(f"over the cache: {new} · {cached} = {new * cached}",
                f"对 cache：{new} · {cached} = {new * cached}"),
               (f"among the new: {new} · {new + 1} / 2 = {new * (new + 1) // 2}",
                f"新 token 之间：{new} · {new + 1} / 2 = {new * (new + 1) // 2}"),
               (f"together {pairs}", f"合计 {pairs}")],
        proved_by="a_chunk_over_a_cache_needs_the_bottom_right",
    )


ZH = {
    "bottom right": "右下角", "top left": "左上角", "new query": "新 query",
    "chunk less the last rows of the whole": "这一段与完整结果最后几行之差",
    "{} less the triangle at its corner": "{} 与相应角上的三角形之差",
    "is_causal less the triangle at the top left": "is_causal 与左上角三角形之差",
    "weight without a mask": "不加掩码的权重", "weight with is_causal": "is_causal 的权重",
    "step less the last row of the whole": "单步与完整结果最后一行之差",
    "step with is_causal less the first value": "is_causal 的单步与第一个 value 之差",
    "keys that the mask of one query hides": "单个 query 的掩码遮住的 key 数",
    "share of all pairs": "占全部对的比例", "pairs left": "留下的对数",
}

if __name__ == "__main__":
    main()
