r"""A ring of w slots per layer is all that a window needs, if keys carry their true positions;
without the first tokens a full-attention model's weights jump.

每层 w 个槽位的环形 cache 就够窗口注意力使用，前提是 key 带着真实位置；全注意力模型若丢掉最前面的 token，权重会突变。

Rolling buffer: Mistral 7B (Jiang et al. 2023). Sinks: Xiao et al. 2023; here one is made by hand.
Turn `slots` to −1 or +1, or `place` to "slot": the ring no longer equals the window.
把 `slots` 改为 −1 或 +1，或把 `place` 改为 "slot"：环形 cache 就不再等于窗口。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import named_model

F64 = torch.float64


@exercise(claims=("a_ring_of_w_slots_equals_the_mask",),
          wrong=("appends_at_the_end", "reads_unused_slots", "reads_before_writing"))
def step(q: Tensor, k: Tensor, v: Tensor, ring: Tensor, i: int) -> Tensor:
    """One decode step at position i: write k and v (d,) into their slot of ring (2, slots, d), over
    the token that came `slots` steps ago, and return the attention (d,) of q (d,) over what is
    kept.

    位置 i 的一个解码步：把 k、v (d,) 写入 ring (2, slots, d) 中各自的槽位，覆盖 `slots` 步之前的 token，再返回 q (d,)
    对所存内容的注意力 (d,)。"""
    slots = ring.shape[1]
    ring[0, i % slots], ring[1, i % slots] = k, v
    keys, values = ring[:, : min(i + 1, slots)]
    return (keys @ q / q.shape[-1] ** 0.5).softmax(-1) @ values


def rotate(x: Tensor, places: Tensor) -> Tensor:
    """RoPE on pairs of x (n, d)."""
    angle = places[:, None] * 10000.0 ** (-torch.arange(0, x.shape[-1], 2, dtype=F64) / x.shape[-1])
    pairs = torch.view_as_complex(x.reshape(len(x), -1, 2).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(1)


def decode(x: Tensor, layers: Tensor, slots: int, place: str) -> tuple[Tensor, Tensor]:
    """Token by token with a ring per layer: the outputs (n, d), and all rings as they end."""
    rings, out = torch.zeros(len(layers), 2, slots, x.shape[1], dtype=F64), []
    for i, token in enumerate(x):
        h = token
        for w, ring in zip(layers, rings, strict=True):
            q, k, v = (h @ m for m in w)
            at = torch.tensor([i % slots if place == "slot" else i])
            h = h + step(rotate(q[None], torch.tensor([i]))[0], rotate(k[None], at)[0], v, ring, i)
        out.append(h)
    return torch.stack(out), rings


RANGES = {
    "tokens": between(32, 64),
    "window": between(4, 16),
    "width": between(4, 32, multiple_of=2),
    "layers": between(1, 3),
    "slots": between(-1, 1),
    "place": one_of("position", "slot"),
    "sink_logit": between(3.0, 9.0),
    "cache": between(32, 128),
    "keep": one_of("window", "sink and window"),
}


@breaks(slots=-1, en="A key that the window still shows is gone.", zh="窗口里还看得到的一个 key 已被覆盖。")
@breaks(slots=1, en="A key that has left the window is still read.", zh="已离开窗口的一个 key 仍被读到。")
@breaks(place="slot", en="A slot is no position: after a turn of the ring offsets are wrong.",
        zh="槽位不是位置：环转过一圈，相对距离就错了。")
def claim_a_ring_of_w_slots_equals_the_mask(tokens=48, window=8, width=16, layers=3, slots=0,
                                            place="position"):
    """Decoding with a ring of w slots per layer, position i in slot i mod w and each key rotated by
    its position, gives PyTorch's attention under the window mask, layer after layer.

    每层用 w 个槽位的环形 cache（位置 i 写入 i mod w，key 按自己的位置旋转）逐 token 解码，逐层都等于 PyTorch 加窗口掩码的
    注意力。"""
    stack, x = torch.randn(layers, 3, width, width, dtype=F64) / width**0.5, torch.randn(tokens, width, dtype=F64)
    back = torch.arange(tokens)[:, None] - torch.arange(tokens)
    seen, whole = (back >= 0) & (back < window), x
    for w in stack:
        q, k, v = (whole @ m for m in w)
        q, k = (rotate(t, torch.arange(tokens)) for t in (q, k))
        whole = whole + F.scaled_dot_product_attention(q[None], k[None], v[None], seen)[0]
    out, rings = decode(x, stack, window + slots, place)
    show(lines("token", range(tokens), {"largest difference": (out - whole).abs().amax(1)}),
         bars(("ring", "all keys and values"),
              {"bytes": (rings.nbytes, rings.nbytes // (window + slots) * tokens)}))
    # float64 keeps 1e-16 of numbers that grow to 10 or so
    expect("ring less the window mask", out - whole, equals=0, within=1e-10)
    expect("bytes of the ring over those of all keys and values",
           rings.nbytes / (layers * 2 * tokens * width * 8),
           equals=window / tokens, within=1e-9)


@breaks(keep="sink and window", en="With the sink kept nothing jumps.", zh="留住 sink，就没有突变。")
def claim_evicting_a_sink_rescales_the_rest(sink_logit=7.0, cache=128, keep="window"):
    """When a key of weight p leaves the softmax, all other weights grow by 1/(1 − p): losing a sink
    is a jump.

    权重为 p 的 key 离开 softmax 后，其余权重都放大 1/(1 − p) 倍：丢掉 attention sink 就是一次突变。"""
    logits = torch.cat((torch.tensor([sink_logit], dtype=F64),
                        torch.randn(2 * cache - 1, dtype=F64)))
    shares = {"window": [], "sink and window": []}
    for t in range(2, 2 * cache + 1):
        near = torch.arange(max(1, t - cache + 1), t)
        first = torch.cat((torch.zeros(1, dtype=torch.long), near))
        # The plain window loses token 0 when `cache` tokens have come after it.
        for name, kept in (("window", first if t <= cache else near), ("sink and window", first)):
            p = logits[kept].softmax(0)
            shares[name].append(p[-1] / logits[t - 1].exp())         # weight per unit of exp(score)
    show(lines("tokens so far", range(2, 2 * cache + 1), shares,
               y_label="weight of the newest over exp(score)"))
    near = torch.arange(cache + 1 - cache + 1, cache + 1)
    p = logits[torch.cat((torch.zeros(1, dtype=torch.long), near))].softmax(0)[0]
    grown = shares[keep][cache - 1] / shares["sink and window"][cache - 1]
    expect("growth of every weight at the eviction, times 1 − p", grown * (1 - p), equals=1,
           within=1e-9)


def drill_ring_bytes(rng) -> Drill:
    """The cache of Mistral 7B v0.1 beyond its window."""
    model, sequences = named_model("mistral-7b"), rng.choice([1, 2, 4, 8])
    window, layers = model["attention"]["window"], model["layers"]
    ring = torch.empty(layers, 2, window, model["kv_heads"] * model["d_head"], dtype=torch.bfloat16,
                       device="meta")
    gib = sequences * ring.nbytes / 2**30
    return Drill(
        en=f"Mistral 7B v0.1: {layers} layers, {model['kv_heads']} KV heads of width {model['d_head']}, a window of "
           f"{window} in every layer, bf16. How many GiB of cache do {sequences} sequences of 32,768 tokens need?",
        zh=f"Mistral 7B v0.1：{layers} 层，{model['kv_heads']} 个宽 {model['d_head']} 的 KV 头，每层窗口 {window}，bf16。"
           f"{sequences} 条 32,768 个 token 的序列需要多少 GiB 的 cache？",
        answer=gib, unit="GiB",
        steps=[(f"the ring stops at {window} tokens", f"环形 cache 到 {window} 个 token 就不再增长"),
               (f"2 · {layers} · {model['kv_heads']} · {model['d_head']} · {window} · 2 bytes = {ring.nbytes / 2**30:g} GiB",
                f"2 · {layers} · {model['kv_heads']} · {model['d_head']} · {window} · 2 字节 = {ring.nbytes / 2**30:g} GiB"),
               (f"times {sequences}: {gib:g} GiB", f"乘以 {sequences}：{gib:g} GiB")],
        proved_by="a_ring_of_w_slots_equals_the_mask",
    )


ZH = {
    "largest difference": "最大差异", "ring": "环形 cache", "all keys and values": "全部 key 与 value",
    "bytes": "字节",
    "ring less the window mask": "环形 cache 与窗口掩码之差",
    "bytes of the ring over those of all keys and values": "环形 cache 与全部 key、value 的字节之比",
    "window": "窗口", "sink and window": "sink 加窗口", "tokens so far": "已有的 token 数",
    "weight of the newest over exp(score)": "最新 token 的权重与 exp(分数) 之比",
    "growth of every weight at the eviction, times 1 − p": "逐出时各权重的放大倍数乘 1 − p",
}

if __name__ == "__main__":
    main()
