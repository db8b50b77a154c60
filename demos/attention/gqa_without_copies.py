r"""Shared KV heads save memory only where no kernel repeats them: expand is free, a matmul on it is not.

共用的 KV 头只有在没有 kernel 把它们重复时才省内存：expand 不占内存，在它上面做 matmul 却会复制。

Bytes counted by torch's own dispatcher in one decode step, on a CPU.
Turn `way` to "expanded": matmul writes h full heads first.
把 `way` 改为 "expanded"：matmul 会先写出完整的 h 个头。
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from studyapp.evidence import bars, between, breaks, each, expect, main, one_of, show
from studyapp.evidence.tools import operations


def scores(q: Tensor, k: Tensor, way: str) -> Tensor:
    """q·k of one new token: q (batch, heads, d_head) over k (batch, kv_heads, t, d_head) gives (batch,
    heads, t)."""
    batch, n, t, d_head = k.shape
    if way == "stacked":                                             # a group's queries are the rows of one product
        return (q.view(batch, n, -1, d_head) @ k.mT).flatten(1, 2)
    wide = k[:, :, None].expand(-1, -1, q.shape[1] // n, -1, -1)     # (batch, kv_heads, h/n, t, d_head), a view
    return (q.view(batch, n, -1, 1, d_head) @ wide.mT).reshape(batch, -1, t)


RANGES = {
    "batch": between(2, 8),
    "heads": between(2, 32),
    "kv_heads": each(between(1, "heads", divides="heads")),
    "d_head": between(2, 64),
    "tokens": between(2, 256),
    "way": one_of("stacked", "expanded"),
    "backend": one_of("flash", "math"),
}


@breaks(way="expanded",
        en="matmul needs one layout, so it copies the expanded view into h full heads wherever n < h.",
        zh="matmul 需要规整的内存布局，只要 n < h，就把展开的视图复制成完整的 h 个头。")
def claim_stacked_queries_copy_nothing(
    batch=2, heads=8, kv_heads=(8, 4, 2, 1), d_head=32, tokens=128, way="stacked"
):
    """Queries of a group stacked as rows of one matmul read the shared key as it lies: nothing is copied.

    把同组的 query 叠成一次 matmul 的各行，就能原样读取共用的 key，不必复制。"""
    copied, gaps = [], []
    for n in kv_heads:
        q, k = torch.randn(batch, heads, d_head), torch.randn(batch, n, tokens, d_head)
        with operations() as ran:
            got = scores(q, k, way)
        copied.append(sum(row.written for row in ran.rows if row.name == "clone"))
        by_hand = torch.einsum("bhd,bhtd->bht", q, k.repeat_interleave(heads // n, 1))
        gaps.append((got - by_hand).abs().max())
    full = torch.empty(batch, heads, tokens, d_head).nbytes
    show(bars([f"n = {n}" for n in kv_heads],
              {"bytes copied": copied, "bytes of h full heads": [full] * len(copied)}))
    # sums of up to 64 products of normal numbers in float32
    expect("difference from repeated keys", gaps, equals=0, within=1e-4, at=("n", kv_heads))
    expect("bytes copied", copied, equals=0, at=("n", kv_heads))


@breaks(backend="math", en="The math form of SDPA repeats K and V before its matmuls.",
        zh="SDPA 的 math 实现会先把 K、V 重复出来再做 matmul。")
def claim_enable_gqa_copies_nothing_in_the_flash_kernel(
    batch=2, heads=8, kv_heads=(4, 2, 1), d_head=32, tokens=128, backend="flash"
):
    """SDPA with enable_gqa copies no K or V in its flash kernel on a CPU; in its math form it repeats both.

    SDPA 打开 enable_gqa 后，CPU 上的 flash kernel 不复制 K、V；math 实现则把两者都重复出来。"""
    which, copied = {"flash": SDPBackend.FLASH_ATTENTION, "math": SDPBackend.MATH}[backend], []
    for n in kv_heads:
        q, k, v = torch.randn(batch, heads, 1, d_head), *torch.randn(2, batch, n, tokens, d_head)
        with sdpa_kernel(which), operations() as ran:
            F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        copied.append(sum(row.written for row in ran.rows if row.name == "clone"))
    show(bars([f"n = {n}" for n in kv_heads], {"bytes copied": copied}))
    expect("bytes copied", copied, equals=0, at=("n", kv_heads))


ZH = {
    "bytes copied": "复制的字节数",
    "bytes of h full heads": "完整 h 个头的字节数",
    "difference from repeated keys": "与重复 key 之后的结果之差",
}

if __name__ == "__main__":
    main()
