r"""The KV cache holds 2 · layers · KV heads · head width numbers for every token of every sequence.

KV cache 为每条序列的每个 token 保存 2 · 层数 · KV 头数 · 头宽 个数。

Ainslie et al. 2023 (GQA), §2. Measured on tensors; named models stand in kv_cache_of_models. Turn
`stored` to "repeated": K and V are copied for every query head, and grouping saves nothing.
把 `stored` 改为 "repeated"：先为每个 query 头复制 K、V 再保存，分组就毫无节省。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
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
from studyapp.evidence.tools import tensor_bytes


@exercise(
    claims=("measured_bytes_equal_the_formula", "the_cache_is_all_that_decoding_needs"),
    wrong=("repeats_before_keeping", "keeps_only_the_newest", "forgets_the_scale",
           "interleaves_the_groups"),
)
def step(q: Tensor, new: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
    """One decoding step: the newest query attends over all keys so far, its own among them; give
    the output and the cache with one more token. q and the output are (batch, heads, 1, d_head);
    new and cache hold K and V, (2, batch, kv_heads, 1 or seen, d_head). Query head i reads KV head
    i // (heads / kv_heads).

    解码一步：最新的 query 对至今全部 key（含自己的）做注意力，返回输出与多了一个 token 的 cache。
    q 与输出为 (batch, heads, 1, d_head)；new 与 cache 存放 K 和 V，为 (2, batch, kv_heads, 1 或 seen,
    d_head)。第 i 个 query 头读第 i // (heads / kv_heads) 个 KV 头。"""
    cache = torch.cat((cache, new), 3)                             # (2, batch, kv_heads, seen+1, …)
    k, v = cache.repeat_interleave(q.shape[1] // cache.shape[2], 2)  # (batch, heads, …): not stored
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v, cache


def decode(q: Tensor, kv: Tensor, stored: str) -> tuple[Tensor, Tensor]:
    """Token by token: q (batch, heads, tokens, d_head), kv (2, batch, kv_heads, tokens, d_head)."""
    if stored == "repeated":                                         # the wrong way
        kv = kv.repeat_interleave(q.shape[1] // kv.shape[2], 2)
    cache, outputs = kv[..., :0, :], []
    for t in range(q.shape[2]):
        output, cache = step(q[:, :, t : t + 1], kv[..., t : t + 1, :], cache)
        outputs.append(output)
    return torch.cat(outputs, 2), cache


RANGES = {
    "tokens": each(between(1, 64)),
    "context": between(1, 64),
    "batch": between(1, 8),
    "layers": between(1, 4),
    "heads": between(1, 32),
    "kv_heads": between(1, "heads", divides="heads"),
    "counts": each(between(1, "heads", divides="heads")),
    "d_head": between(1, 64),
    "stored": one_of("grouped", "repeated"),
    "past": one_of("all", "half"),
}
REPEATED = breaks(
    stored="repeated",
    en="Copied for every query head before they are kept, K and V fill the cache of MHA.",
    zh="若先为每个 query 头复制 K、V 再保存，cache 就与 MHA 的一样大。",
)


@REPEATED
def claim_measured_bytes_equal_the_formula(
    tokens=(4, 16, 32), batch=2, layers=2, heads=8, kv_heads=2, d_head=8, stored="grouped"
):
    """The cache of a decoding model occupies 2·b·L·n·s·d_head numbers, exactly.

    解码中的模型，其 cache 恰好占 2·b·L·n·s·d_head 个数。"""
    measured = []
    for s in tokens:
        q, kv = torch.randn(batch, heads, s, d_head), torch.randn(2, batch, kv_heads, s, d_head)
        measured.append(tensor_bytes(*(decode(q, kv, stored)[1] for _ in range(layers))))
    formula = [2 * batch * layers * kv_heads * s * d_head * 4 for s in tokens]
    show(lines("tokens", tokens, {"bytes of the cache": measured, "2·b·L·n·s·d_head·4": formula}))
    expect("bytes of the cache", measured, equals=formula, at=("tokens", tokens))


@REPEATED
def claim_gqa_divides_by_group_size(
    counts=(8, 4, 2, 1), heads=8, d_head=8, context=16, stored="grouped"
):
    """With n KV heads for h query heads the cache is n/h of MHA's: n = h is MHA, n = 1 is MQA.

    h 个 query 头配 n 个 KV 头时，cache 是 MHA 的 n/h：n = h 即 MHA，n = 1 即 MQA。"""
    q = torch.randn(1, heads, context, d_head)
    caches = [decode(q, torch.randn(2, 1, n, context, d_head), stored)[1].nbytes for n in counts]
    full = torch.randn(2, 1, heads, context, d_head).nbytes
    show(bars([f"n = {n}" for n in counts], {"bytes of the cache": caches}))
    expect("cache over MHA's cache", [c / full for c in caches], equals=[n / heads for n in counts],
           at=("n", counts))


@breaks(past="half", en="With half of the past gone, the output is another.",
        zh="丢掉一半历史，输出就变了。")
def claim_the_cache_is_all_that_decoding_needs(
    context=16, batch=2, heads=8, kv_heads=2, d_head=8, past="all"
):
    """Decoding from the cache gives the output of attention over all tokens at once: queries need
    not be kept.

    由 cache 逐步解码，与对全部 token 一次算完的注意力输出相同：query 无须保存。"""
    q = torch.randn(batch, heads, context, d_head)
    kv = torch.randn(2, batch, kv_heads, context, d_head)
    whole = F.scaled_dot_product_attention(q, *kv, is_causal=True, enable_gqa=True)
    if past == "half":
        kv[..., : (context + 1) // 2, :] = 0
    gap = (decode(q, kv, "grouped")[0] - whole).abs().amax((0, 1, 3))             # (tokens,)
    show(lines("token", range(context), {"largest difference": gap}))
    # float32: outputs of size 1 from up to 64 terms, summed in another order
    expect("output from the cache less torch's attention", gap, equals=0, within=1e-5,
           at=("token", range(context)))


ZH = {
    "bytes of the cache": "cache 的字节数",
    "cache over MHA's cache": "cache 与 MHA 的 cache 之比",
    "largest difference": "最大差异",
    "output from the cache less torch's attention": "由 cache 得到的输出与 torch 注意力之差",
}

if __name__ == "__main__":
    main()
