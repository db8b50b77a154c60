r"""The keys and values of cross-attention are projected once per input and never grow.

交叉注意力的 key 与 value 每个输入只投影一次，此后不再增长。

Per layer and decoded token: 4md + 4d² FLOPs with them cached (a multiply-add is 2). Turn `project_at`
to "every step": 4md² more each time, for the same numbers.
每层每解码一个 token：缓存之后 4md + 4d² FLOPs（一次乘加记 2）。把 `project_at` 改为 "every step"：每步多 4md²，算出来的却是
同样的数。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import (
    Drill,
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
from studyapp.evidence.tools import flops

F64 = torch.float64


def project(memory: Tensor, w: nn.MultiheadAttention) -> Tensor:
    """Keys and values of the memory (source, width): (2, heads, source, d_head)."""
    width = memory.shape[1]
    both = F.linear(memory, w.in_proj_weight[width:], w.in_proj_bias[width:])
    return both.unflatten(1, (2, w.num_heads, -1)).permute(1, 2, 0, 3)


@exercise(claims=("cached_steps_equal_the_full_pass",),
          wrong=("appends_the_newest", "forgets_the_scale", "softmax_over_heads"))
def step(h: Tensor, cache: Tensor, w: nn.MultiheadAttention) -> Tensor:
    """Cross-attention of one new target state h (1, width) from the cache (2, heads, source,
    d_head) of keys and values; W_Q are the first rows of w.in_proj_weight, w.out_proj is W_O.

    一个新的目标状态 h (1, width) 的交叉注意力；cache (2, heads, source, d_head) 存放 key 与 value，
    w.in_proj_weight 的前若干行是 W_Q，w.out_proj 是 W_O。"""
    width = h.shape[1]
    q = F.linear(h, w.in_proj_weight[:width], w.in_proj_bias[:width])
    q = q.unflatten(1, (w.num_heads, 1, -1)).squeeze(0)                  # (heads, 1, d_head)
    k, v = cache
    p = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)                      # (heads, 1, source)
    return w.out_proj((p @ v).transpose(0, 1).flatten(1))


RANGES = {
    "source": between(2, 64),
    "sources": each(between(4, 512), at_least=2, rising=True),
    "target": between(1, 16),
    "width": between(8, 128, multiple_of=4),
    "kept": one_of("all", "half"),
    "project_at": one_of("once", "every step"),
}


@breaks(kept="half", en="With half of the source gone the output is another.",
        zh="丢掉一半源端，输出就变了。")
def claim_cached_steps_equal_the_full_pass(source=12, target=6, width=32, kept="all"):
    """Decoded step by step from keys and values computed before the first step, the output is that
    of cross-attention over the whole target at once.

    用第一步之前算好的 key 与 value 逐步解码，输出与对整个目标一次做交叉注意力相同。"""
    w = nn.MultiheadAttention(width, 4, dtype=F64)
    h, memory = torch.randn(target, width, dtype=F64), torch.randn(source, width, dtype=F64)
    cache = project(memory, w)
    if kept == "half":
        cache = cache[:, :, : (source + 1) // 2]
    stepwise = torch.cat([step(h[t : t + 1], cache, w) for t in range(target)])
    whole = w(h, memory, memory, need_weights=False)[0]
    own = [2 * width * (t + 1) for t in range(target)]
    show(lines("step", range(1, target + 1), {"self-attention": own,
                                              "cross-attention": [cache.numel()] * target},
               y_label="numbers in the cache"))
    expect("stepwise output less PyTorch's", (stepwise - whole).abs().amax(1), equals=0,
           within=1e-12)                                                 # 1e-16 of size 1
    expect("numbers in the cache", cache.numel(), equals=2 * source * width)


@breaks(project_at="every step", en="Projecting the memory again costs 4md² per step.",
        zh="每步重新投影 memory，要多花 4md²。")
def claim_a_step_takes_4md_plus_4d2(sources=(16, 64, 256), width=64, project_at="once"):
    """With keys and values cached a step takes 4md + 4d² FLOPs per layer: it grows by 4d per source
    token, not by 4d².

    缓存 key 与 value 之后，每步每层 4md + 4d² FLOPs：每多一个源 token 只增加 4d，而不是 4d²。"""
    w, h = nn.MultiheadAttention(width, 4), torch.randn(1, width)
    counted, again = [], []
    for m in sources:
        memory = torch.randn(m, width)
        cache = project(memory, w)
        cached = flops(step, h, cache, w)
        again.append(cached + flops(project, memory, w))
        counted.append(cached if project_at == "once" else again[-1])
    show(lines("source tokens", sources, {"as set": counted, "projected every step": again},
               log="y", y_label="FLOPs per step"))
    expect("FLOPs of a step", counted, equals=[4 * m * width + 4 * width**2 for m in sources],
           at=("source tokens", sources))
    expect("FLOPs of projecting again",
           [a - (4 * m * width + 4 * width**2) for a, m in zip(again, sources, strict=True)],
           equals=[4 * m * width**2 for m in sources], at=("source tokens", sources))


def drill_cache(rng) -> Drill:
    """Bytes of the cross-attention cache of a decoder."""
    m, d, layers = rng.choice([500, 1000, 1500]), rng.choice([512, 1000, 1024]), rng.choice([4, 6, 10, 12])
    value = 2 * m * d * layers * 2 / 1e6
    return Drill(
        en=f"A decoder of {layers} layers and width {d} (multi-head attention) reads a memory of {m} tokens. "
           "How many MB (10⁶ bytes) does its cross-attention cache take in 16 bit?",
        zh=f"{layers} 层、宽 {d} 的 decoder（多头注意力）读取 {m} 个 token 的 memory。16 位下交叉注意力的 cache 占多少 MB"
           "（10⁶ 字节）？",
        answer=value, within=0.01 * value,
        steps=[(f"2 · {m} · {d} numbers per layer, {2 * m * d:,}",
                f"每层 2 · {m} · {d} = {2 * m * d:,} 个数"),
               (f"times {layers} layers and 2 bytes = {value:.1f} MB",
                f"乘 {layers} 层、每个 2 字节 = {value:.1f} MB")],
        proved_by="cached_steps_equal_the_full_pass")


ZH = {
    "step": "步", "self-attention": "自注意力", "cross-attention": "交叉注意力",
    "numbers in the cache": "cache 中的个数", "stepwise output less PyTorch's": "逐步输出与 PyTorch 之差",
    "source tokens": "源 token 数", "as set": "按设定", "projected every step": "每步重新投影",
    "FLOPs per step": "每步 FLOPs", "FLOPs of a step": "一步的 FLOPs",
    "FLOPs of projecting again": "重新投影的 FLOPs",
}

if __name__ == "__main__":
    main()
