r"""Fewer key/value heads: the attention itself costs the same, the cache and the bytes read a step shrink to n/h.

减少 key/value 头：注意力本身的计算量不变，KV cache 和每步读取的字节数缩小到 n/h。

MQA: Shazeer 2019; GQA: Ainslie et al. 2023. h query heads share n key/value heads: n = h is MHA, n = 1 is MQA.
FLOPs are torch's count: a multiply-add is 2, the full score matrix without a mask. Named models stand on torch's meta
device: shapes without memory. Turn `kv_heads` (each must divide `heads`) and `tokens`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import bars, expect, main, show, table

# layers, width, query heads, key/value heads: from the published configurations
MODELS = {"Llama 2 7B (MHA)": (32, 4096, 32, 32), "Llama 2 70B (GQA)": (80, 8192, 64, 8),
          "Llama 2 70B, were it MHA": (80, 8192, 64, 64), "Llama 3 8B (GQA)": (32, 4096, 32, 8),
          "Falcon 7B (MQA)": (32, 4544, 71, 1)}


class Attention(nn.Module):
    """Self-attention with `heads` query heads and `kv_heads` key/value heads, no biases."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.d = heads, kv_heads, width // heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, kv_heads * self.d, bias=False)
        self.v = nn.Linear(width, kv_heads * self.d, bias=False)
        self.o = nn.Linear(width, width, bias=False)

    def cache(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values of x (batch, s, width) as they are cached: (batch, kv_heads, s, d) each."""
        k, v = (f(x).unflatten(-1, (self.kv_heads, self.d)).transpose(1, 2) for f in (self.k, self.v))
        return k.contiguous(), v.contiguous()

    def attend(self, x: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries of x over keys and values; the h/n queries that share a key stand as rows of one matmul."""
        b, s, _ = x.shape
        q = self.q(x).view(b, s, self.kv_heads, -1, self.d).permute(0, 2, 3, 1, 4)        # (b, n, h/n, s, d)
        q = q.reshape(b, self.kv_heads, -1, self.d)                                       # (b, n, h/n·s, d)
        weights = (q @ k.transpose(-1, -2) * self.d**-0.5).softmax(-1)                    # (b, n, h/n·s, t)
        out = (weights @ v).view(b, self.heads, s, self.d)
        return self.o(out.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, s, width) to the same shape, without a mask."""
        return self.attend(x, *self.cache(x))


class Allocated(TorchDispatchMode):
    """Counts the bytes of new storages that torch's operations return."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: dict[str, int] = {}

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        inside = {t.untyped_storage().data_ptr() for t in torch.utils._pytree.tree_leaves(args) if isinstance(t, Tensor)}
        out = op(*args, **(kwargs or {}))
        for t in torch.utils._pytree.tree_leaves(out):
            if isinstance(t, Tensor) and t.untyped_storage().data_ptr() not in inside:
                self.bytes[op.overloadpacket.__name__] = self.bytes.get(op.overloadpacket.__name__, 0) + t.nbytes
        return out


def flops(work) -> int:
    """Floating-point operations that torch's own counter finds."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def nbytes(*tensors: Tensor) -> int:
    """Bytes that the tensors hold."""
    return sum(t.nbytes for t in tensors)


def claim_flops_formula_is_exact(heads=8, kv_heads=(8, 4, 2, 1), width=256, tokens=256):
    """The projections cost 4sD²(1 + n/h) FLOPs and hold 2D²(1 + n/h) parameters: K and V shrink, Q and O do not.

    投影的计算量为 4sD²(1 + n/h) FLOPs，参数为 2D²(1 + n/h)：缩小的是 K、V，Q、O 不变。"""
    x = torch.randn(1, tokens, width)
    parts = [Attention(width, heads, n) for n in kv_heads]
    counted = [flops(lambda a=a: a(x)) for a in parts]
    held = [sum(p.numel() for p in a.parameters()) for a in parts]
    show(table({"kv heads n": kv_heads, "parameters": held, "FLOPs, whole layer": counted,
                "of MHA": [c / counted[0] for c in counted]}))
    expect("parameters", held, equals=[2 * width**2 * (heads + n) // heads for n in kv_heads], at=("n", kv_heads))
    expect("FLOPs", counted, at=("n", kv_heads),
           equals=[4 * tokens * width**2 * (heads + n) // heads + 4 * tokens**2 * width for n in kv_heads])


def claim_score_flops_do_not_change(heads=8, kv_heads=(8, 4, 2, 1), width=256, tokens=256):
    """QKᵀ and the product with V take 4s²D FLOPs whatever n is: sharing K and V saves no attention arithmetic.

    QKᵀ 与乘 V 两步总是 4s²D FLOPs，与 n 无关：共享 K、V 并不减少注意力本身的计算。"""
    x = torch.randn(1, tokens, width)
    whole, projections = [], []
    for n in kv_heads:
        a = Attention(width, heads, n)
        whole.append(flops(lambda a=a: a(x)))
        projections.append(flops(lambda a=a: (a.q(x), a.k(x), a.v(x), a.o(x))))
    core = [w - p for w, p in zip(whole, projections, strict=True)]
    show(bars(kv_heads, {"projections": projections, "scores and values": core}, y_label="FLOPs", title="kv heads"))
    expect("FLOPs of scores and values", core, equals=4 * tokens**2 * width, at=("n", kv_heads))


def claim_cache_shrinks_to_n_over_h(heads=8, kv_heads=(8, 4, 2, 1), width=256, tokens=256, contexts=(4096, 32768, 131072)):
    """The KV cache of real tensors shrinks to n/h; Llama 2 70B at 4096 tokens in fp16: 1.25 GiB instead of 10.

    真实张量的 KV cache 缩小到 n/h；Llama 2 70B 在 4096 token、fp16 下为 1.25 GiB，而不是 10 GiB。"""
    x = torch.randn(1, tokens, width).half()
    sizes = [nbytes(*Attention(width, heads, n).half().cache(x)) for n in kv_heads]
    show(table({"kv heads n": kv_heads, f"cache of {tokens} tokens, bytes": sizes}, title="measured"))
    gib = {}
    for name, (layers, d, h, n) in MODELS.items():
        with torch.device("meta"):
            caches = [Attention(d, h, n).half().cache(torch.empty(1, c, d, dtype=torch.half)) for c in contexts]
        gib[name] = [layers * nbytes(*kv) / 2**30 for kv in caches]
    rows = [(name, g[0] * 2**20 / contexts[0], *g) for name, g in gib.items()]
    show(table(("model, fp16", "KiB a token", *(f"GiB at {c}" for c in contexts)), rows,
               title="shapes from configurations, batch 1"))
    expect("cache over MHA's", [s / sizes[0] for s in sizes], equals=[n / kv_heads[0] for n in kv_heads],
           at=("n", kv_heads))
    own, mha = gib["Llama 2 70B (GQA)"], gib["Llama 2 70B, were it MHA"]
    expect("GiB for 4096 tokens, Llama 2 70B", [g[0] * 4096 / contexts[0] for g in (own, mha)], equals=[1.25, 10])


def claim_gqa_equals_repeated_kv(heads=8, kv_heads=(8, 4, 2, 1), width=256, tokens=256):
    """Sharing by groups is MHA whose K and V heads are repeated h/n times in a row; interleaving them wrongly is not.

    分组共享等价于把每个 K、V 头连续重复 h/n 次后的 MHA；重复的次序错了就不相等。"""
    x = torch.randn(1, tokens, width)
    grouped, builtin, wrong = [], [], []
    for n in kv_heads:
        a = Attention(width, heads, n)
        k, v = a.cache(x)
        q = a.q(x).unflatten(-1, (heads, a.d)).transpose(1, 2)
        g = heads // n
        exact = F.scaled_dot_product_attention(q, k.repeat_interleave(g, 1), v.repeat_interleave(g, 1))
        tiled = F.scaled_dot_product_attention(q, k.repeat(1, g, 1, 1), v.repeat(1, g, 1, 1))
        own = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        merged = a.o(exact.transpose(1, 2).flatten(2))
        grouped.append((a(x) - merged).abs().max())
        builtin.append((own - exact).abs().max())
        wrong.append((tiled - exact).abs().max())
    show(table({"kv heads n": kv_heads, "grouped matmul": grouped, "enable_gqa": builtin, "wrong order": wrong}))
    expect("grouped matmul against repeated K, V", grouped, at_most=1e-6, at=("n", kv_heads))
    expect("enable_gqa against repeated K, V", builtin, at_most=1e-6, at=("n", kv_heads))
    between = [i for i, n in enumerate(kv_heads) if 1 < n < heads]
    expect("wrong order against right", [wrong[i] for i in between], at_least=1e-3,
           at=("n", [kv_heads[i] for i in between]))


def claim_extremes_are_mha_and_mqa(heads=8, width=256, tokens=256):
    """n = h is nn.MultiheadAttention, and n = 1 is every query head over one shared K and V.

    n = h 就是 nn.MultiheadAttention；n = 1 就是所有 query 头共用一份 K 和 V。"""
    x = torch.randn(1, tokens, width)
    mha, torchs = Attention(width, heads, heads), nn.MultiheadAttention(width, heads, bias=False, batch_first=True)
    torchs.in_proj_weight.data = torch.cat([mha.q.weight, mha.k.weight, mha.v.weight]).detach()
    torchs.out_proj.weight.data = mha.o.weight.detach()
    to_mha = (mha(x) - torchs(x, x, x, need_weights=False)[0]).abs().max()
    mqa = Attention(width, heads, 1)
    q, k, v = mqa.q(x).unflatten(-1, (heads, -1)), mqa.k(x), mqa.v(x)            # (b, s, h, d), (b, s, d), (b, s, d)
    p = (torch.einsum("bshd,btd->bhst", q, k) / mqa.d**0.5).softmax(-1)
    to_mqa = (mqa(x) - mqa.o(torch.einsum("bhst,btd->bshd", p, v).flatten(2))).abs().max()
    show(table({"n": (heads, 1), "is": ("MHA", "MQA"), "max difference": (to_mha, to_mqa)}))
    expect("n = h against nn.MultiheadAttention", to_mha, at_most=1e-6)
    expect("n = 1 against one shared K and V", to_mqa, at_most=1e-6)


def claim_decode_intensity_is_h_over_n(heads=8, kv_heads=(8, 4, 2, 1), width=256, tokens=256):
    """A decode step does h/n FLOPs for each byte of a 2-byte KV cache: 1 with MHA, h with MQA.

    解码一步，每读 2 字节格式 KV cache 的一个字节做 h/n 次 FLOP：MHA 为 1，MQA 为 h。"""
    work, read = [], []
    for n in kv_heads:
        a = Attention(width, heads, n)
        k, v = a.cache(torch.randn(1, tokens, width))
        new = torch.randn(1, 1, width)
        whole = flops(lambda a=a, k=k, v=v, x=new: a.attend(x, k, v))
        work.append(whole - flops(lambda a=a, x=new: (a.q(x), a.o(x))))
        read.append(nbytes(k.half(), v.half()))
    intensity = [w / r for w, r in zip(work, read, strict=True)]
    show(table({"kv heads n": kv_heads, "attention FLOPs a step": work, "cache bytes": read, "FLOPs a byte": intensity}))
    expect("FLOPs a byte", intensity, equals=[heads / n for n in kv_heads], within=1e-9, at=("n", kv_heads))


def claim_repeating_kv_copies_the_cache(batch=2, heads=8, kv_heads=(8, 4, 2, 1), width=256, tokens=256):
    """expand is free, but wherever n < h a batched matmul copies it into h full heads; stacked queries copy nothing, nor does
    enable_gqa in the flash kernel, while SDPA's math form repeats K and V wherever n < h.

    expand 本身不占内存，但只要 n < h，批量 matmul 就会把它复制成完整的 h 个头；把同组的 query 叠成行则无需复制，flash kernel
    的 enable_gqa 也不复制，而 SDPA 的 math 实现只要 n < h 就会重复 K、V。"""
    expanded, copied, stacked, gaps = [], [], [], []
    inside: dict[SDPBackend, list[int]] = {SDPBackend.FLASH_ATTENTION: [], SDPBackend.MATH: []}
    for n in kv_heads:
        d, g = width // heads, heads // n
        q, k = torch.randn(batch, heads, 1, d), torch.randn(batch, n, tokens, d)
        with Allocated() as view:
            wide = k[:, :, None].expand(-1, -1, g, -1, -1)                       # (b, n, h/n, t, d), a view
        with Allocated() as naive:
            scores = q.view(batch, n, g, 1, d) @ wide.transpose(-1, -2)
        with Allocated() as grouped:
            same = q.view(batch, n, g, d) @ k.transpose(-1, -2)
        gaps.append((scores.flatten() - same.flatten()).abs().max())
        expanded.append(sum(view.bytes.values()))
        copied.append(sum(naive.bytes.values()) - scores.nbytes)
        stacked.append(sum(grouped.bytes.values()) - same.nbytes)
        for backend, found in inside.items():
            with sdpa_kernel(backend), Allocated() as kernel:
                F.scaled_dot_product_attention(q, k, k, enable_gqa=True)
            found.append(kernel.bytes.get("clone", 0))
    flash, math = inside.values()
    show(table({"kv heads n": kv_heads, "expand": expanded, "matmul on it": copied, "stacked queries": stacked,
                "enable_gqa, flash": flash, "enable_gqa, math": math}, title="bytes copied"))
    expect("difference of the scores", gaps, at_most=1e-4, at=("n", kv_heads))
    expect("bytes that expand allocates", expanded, equals=0, at=("n", kv_heads))
    # one head of one sequence has stride 0 alone and stays a view
    whole = [batch * width * tokens * 4 if n < heads and (n > 1 or batch > 1) else 0 for n in kv_heads]
    expect("bytes that matmul copies", copied, equals=whole, at=("n", kv_heads))
    expect("bytes copied with stacked queries", stacked, equals=0, at=("n", kv_heads))
    expect("bytes copied by the flash kernel", flash, equals=0, at=("n", kv_heads))
    both = [2 * batch * width * tokens * 4 if n < heads else 0 for n in kv_heads]        # K and V
    expect("bytes copied by SDPA's math form", math, equals=both, at=("n", kv_heads))


if __name__ == "__main__":
    main()
