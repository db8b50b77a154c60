r"""A window makes attention linear in the length only if the keys outside it are skipped; a mask
alone saves nothing.

滑动窗口只有真正跳过窗口外的 key，计算量才随长度线性增长；只加掩码毫无节省。

Window w: a query sees itself and the w − 1 tokens before it (Longformer, Beltagy et al. 2020;
Mistral 7B, Jiang et al. 2023). Turn `way` to "mask": the same output, and all n² scores are
computed.
窗口 w：一个 query 看得到自己和之前的 w − 1 个 token。把 `way` 改为 "mask"：输出相同，但 n² 个分数全都要算。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show
from studyapp.evidence.tools import flops

F64 = torch.float64


@exercise(claims=("banded_equals_masked",),
          wrong=("reaches_one_too_far", "sees_ahead", "hides_itself"))
def visible(tokens: int, window: int) -> Tensor:
    """(tokens, tokens), True where query i (row) may look at key j: itself and the window − 1
    tokens before it.

    (tokens, tokens)，第 i 个 query（行）可以看第 j 个 key 处为 True：自己和之前的 window − 1 个 token。"""
    back = torch.arange(tokens)[:, None] - torch.arange(tokens)          # i − j
    return (back >= 0) & (back < window)


def masked(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """All n × n scores, then a mask; q, k, v are (n, d)."""
    scores = q @ k.T / q.shape[-1] ** 0.5                                # (n, n)
    return scores.masked_fill(~visible(len(q), window), -torch.inf).softmax(-1) @ v


def banded(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Only the keys of each query's window are fetched: n × w scores. Kernels skip whole blocks."""
    near_k, near_v = (F.pad(x, (0, 0, window - 1, 0)).unfold(0, window, 1) for x in (k, v))  # (n, d, w)
    scores = (q[:, None] @ near_k)[:, 0] / q.shape[-1] ** 0.5            # (n, w), the own key last
    place = torch.arange(len(q))[:, None] + torch.arange(window)
    padding = place < window - 1                                         # before the first token
    weights = scores.masked_fill(padding, -torch.inf).softmax(-1)
    return (near_v @ weights[:, :, None])[:, :, 0]


WAYS = {"skip": banded, "mask": masked}

RANGES = {
    "tokens": between(64, 512),
    "window": between(2, 64),
    "windows": each(between(1, 64), at_most=5, rising=True),
    "lengths": each(between(64, 512), at_most=5, rising=True),
    "d_head": between(4, 64),
    "way": one_of("skip", "mask"),
    "layout": one_of("window", "causal"),
}
MASK = breaks(way="mask", en="The full product is computed before the mask is seen.",
              zh="掩码还没起作用，完整的乘积就已算完。")


@breaks(layout="causal", en="Without the window every earlier token is seen.",
        zh="不限窗口，更早的 token 全都可见。")
def claim_banded_equals_masked(tokens=256, windows=(1, 7, 32), d_head=32, layout="window"):
    """Skipping the keys outside gives PyTorch's attention under the window mask; w = 1 returns v.

    跳过窗口外的 key，结果就是 PyTorch 加窗口掩码的注意力；w = 1 时输出就是 v。"""
    q, k, v = torch.randn(3, tokens, d_head, dtype=F64)
    gaps = []
    for w in windows:
        seen = visible(tokens, w if layout == "window" else tokens)
        torchs = F.scaled_dot_product_attention(q[None], k[None], v[None], seen)[0]
        gaps.append((banded(q, k, v, w) - torchs).abs().max())
    show(heatmap(visible(24, max(w for w in windows if w <= max(24, min(windows)))).float(),
                 x_label="key", y_label="query"))
    # float64 keeps 1e-16 of outputs of size 1
    expect("banded less PyTorch under the mask", gaps, equals=0, within=1e-12,
           at=("window", windows))
    expect("window 1 less v", banded(q, k, v, 1) - v, equals=0, within=1e-12)
    expect("window n less causal attention", masked(q, k, v, tokens)
           - F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0], equals=0,
           within=1e-12)


@MASK
def claim_a_mask_alone_saves_no_flops(tokens=512, window=32, d_head=32, way="skip"):
    """A window mask on the full score matrix saves no FLOPs; fetching only w keys per query divides
    them by n/w.

    在完整分数矩阵上加窗口掩码，FLOPs 一点不减；每个 query 只取 w 个 key，FLOPs 才除以 n/w。"""
    q, k, v = torch.randn(3, tokens, d_head)
    full = flops(lambda: (q @ k.T).softmax(-1) @ v)
    with_mask, found = flops(masked, q, k, v, window), flops(WAYS[way], q, k, v, window)
    show(bars(("full", "full + window mask", "as set"), {"FLOPs": (full, with_mask, found)}))
    expect("FLOPs with the mask over those without", with_mask / full, equals=1)
    expect("full FLOPs over those as set", full / found, equals=tokens / window, within=1e-9)


@MASK
def claim_banded_flops_are_linear_in_length(lengths=(128, 256, 512), window=32, d_head=32,
                                            way="skip"):
    """Window attention costs 4nwd FLOPs per head, linear in n; full attention 4n²d.

    窗口注意力每个头 4nwd 次 FLOPs，随 n 线性增长；完整注意力是 4n²d。"""
    inputs = [torch.randn(n, d_head) for n in lengths]
    near = [flops(WAYS[way], x, x, x, window) for x in inputs]
    full = [flops(masked, x, x, x, len(x)) for x in inputs]
    show(lines("length n", lengths, {"full": full, f"window {window}": near}, log="xy",
               y_label="FLOPs"))
    expect("FLOPs per token, window", [f / n for f, n in zip(near, lengths, strict=True)],
           equals=4 * window * d_head, at=("length", lengths))
    expect("FLOPs per pair, full", [f / n**2 for f, n in zip(full, lengths, strict=True)],
           equals=4 * d_head,
           at=("length", lengths))


def drill_pairs_in_a_window(rng) -> Drill:
    """Visible pairs under a causal window."""
    tokens, window = rng.choice([100, 200, 1000]), rng.choice([10, 20, 50])
    pairs = int(visible(tokens, window).sum())
    first = window * (window - 1) // 2
    return Drill(
        en=f"{tokens} tokens, causal attention with a window of {window} keys, the own one included. How many "
           "query-key pairs does one head compute if masked pairs are skipped?",
        zh=f"{tokens} 个 token，因果注意力，窗口 {window} 个 key（含自身）。若跳过被遮的对，一个头要算多少个 query-key 对？",
        answer=pairs, within=0,
        steps=[(f"{window} for every query: {tokens} · {window} = {tokens * window}",
                f"每个 query {window} 个：{tokens} · {window} = {tokens * window}"),
               (f"the first {window - 1} queries miss {window} · {window - 1} / 2 = {first}",
                f"前 {window - 1} 个 query 少 {window} · {window - 1} / 2 = {first}"),
               (f"{tokens * window} − {first} = {pairs}",
                f"{tokens * window} − {first} = {pairs}")],
        proved_by="banded_equals_masked",
    )


ZH = {
    "banded less PyTorch under the mask": "只取窗口内与 PyTorch 加掩码之差", "window": "窗口",
    "window 1 less v": "窗口为 1 的结果与 v 之差",
    "window n less causal attention": "窗口为 n 的结果与因果注意力之差", "full": "完整",
    "full + window mask": "完整 + 窗口掩码",
    "as set": "按设定", "FLOPs with the mask over those without": "有无掩码的 FLOPs 之比",
    "full FLOPs over those as set": "完整 FLOPs 与按设定之比", "length n": "长度 n", "length": "长度",
    "window {}": "窗口 {}",
    "FLOPs per token, window": "每 token 的 FLOPs，窗口", "FLOPs per pair, full": "每对的 FLOPs，完整",
}

if __name__ == "__main__":
    main()
