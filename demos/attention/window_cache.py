r"""What a cache of w slots must keep: the newest w keys give the window exactly, but losing a sink rescales the rest.

只有 w 个槽位的 cache 该留什么：最近 w 个 key 就能精确复现窗口注意力，但若丢掉 attention sink，其余权重会被放大。

Rolling buffer: Mistral 7B (Jiang et al. 2023, §2), position i in slot i mod W. Sinks: StreamingLLM (Xiao et al. 2023,
§3.1); that trained models have them is the paper's finding, here one is made by hand. Turn `w`, `depth`, `sink_logit`.
"""

import torch
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table

F64 = torch.float64


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """RoPE, base 10000, on interleaved pairs of x (n, d)."""
    angle = positions[:, None] * 10000.0 ** (-torch.arange(0, x.shape[-1], 2, dtype=F64) / x.shape[-1])
    turned = torch.view_as_complex(x.reshape(len(x), -1, 2)) * torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turned).flatten(1)


def project(x: Tensor, weights: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v of one layer; a key carries its position, so it may be cached in any slot."""
    q, k, v = (x @ weight for weight in weights)
    return rotate(q, positions), rotate(k, positions), v


def whole(x: Tensor, layers: Tensor, w: int) -> Tensor:
    """All tokens at once under a window mask, with residual connections; x (n, d), layers (L, 3, d, d)."""
    back = torch.arange(len(x))[:, None] - torch.arange(len(x))  # i − j
    hidden = (back < 0) | (back >= w)
    for weights in layers:
        q, k, v = project(x, weights, torch.arange(len(x)))
        x = x + (q @ k.T * q.shape[-1] ** -0.5).masked_fill(hidden, -torch.inf).softmax(-1) @ v
    return x


def decode(x: Tensor, layers: Tensor, slots: int) -> tuple[Tensor, Tensor]:
    """Token by token with a ring of `slots` keys and values a layer: the outputs, and the cache as it stands at the end."""
    ring = torch.zeros(len(layers), 2, slots, x.shape[1], dtype=x.dtype)
    out = []
    for i, token in enumerate(x):
        h = token[None]
        for weights, (keys, values) in zip(layers, ring, strict=True):
            q, k, v = project(h, weights, torch.tensor([i]))
            keys[i % slots], values[i % slots] = k[0], v[0]  # over the token that came `slots` steps ago
            seen = min(i + 1, slots)
            h = h + (q @ keys[:seen].T * q.shape[-1] ** -0.5).softmax(-1) @ values[:seen]
        out.append(h[0])
    return torch.stack(out), ring


def claim_a_ring_of_w_slots_equals_the_mask(tokens=48, w=8, width=16, depth=3):
    """Decoding with a ring of w slots a layer, slot i mod w, gives the masked model's outputs; w ± 1 slots do not.

    每层用 w 个槽位的环形 cache（位置 i 写入 i mod w）逐 token 解码，结果与带掩码的整段计算一致；槽位多一个或少一个都不行。"""
    layers = torch.randn(depth, 3, width, width, dtype=F64) / width**0.5
    x = torch.randn(tokens, width, dtype=F64)
    expected = whole(x, layers, w)
    slots = (w - 1, w, w + 1, tokens)
    results = [decode(x, layers, count) for count in slots]
    gaps = [(out - expected).abs().max() for out, _ in results]
    bytes_kept = [ring.nbytes for _, ring in results]
    show(table({"slots": slots, "max |ring − mask|": gaps, "cache bytes": bytes_kept}))
    expect("difference with w slots", gaps[1], at_most=1e-10)
    expect("difference with one slot fewer or more", [gaps[0], gaps[2]], at_least=1e-3, at=("slots", (w - 1, w + 1)))
    expect("bytes of a full cache over the ring's", bytes_kept[3] / bytes_kept[1], equals=tokens / w, within=1e-9)


def claim_evicting_a_sink_rescales_the_rest(sink_logit=7.0, cache=128, steps=256, head_width=64):
    """When a key of weight p leaves the softmax, all other weights grow by 1/(1 − p): losing a sink is a jump.

    权重为 p 的 key 离开 softmax 后，其余权重都放大 1/(1 − p) 倍：丢掉 attention sink 就是一次突变。"""
    logits, v = torch.randn(steps, dtype=F64), torch.randn(steps, head_width, dtype=F64)
    logits[0], v[0] = sink_logit, 0  # token 0 is the sink: much attention, nothing to say
    times = range(cache // 2, steps + 1, cache // 16)
    window, anchored, expected = [], [], []
    for t in times:
        recent = torch.arange(max(1, t - cache + 1), t)
        both = torch.cat((torch.zeros(1, dtype=torch.long), recent))
        weights = logits[both].softmax(0)
        anchored.append((weights @ v[both]).norm())
        kept = both if t < cache else recent  # from here on the plain window has lost token 0
        window.append((logits[kept].softmax(0) @ v[kept]).norm())
        expected.append(1 / (1 - weights[0]) if t >= cache else 1.0)
    growth = [a / b for a, b in zip(window, anchored, strict=True)]
    show(
        lines("tokens so far", times, {"window": window, "sink + window": anchored}, y_label="|output|"),
        table({"tokens": times, "growth of |output|": growth, "1/(1 − p)": expected}),
    )
    expect("growth of the output", growth, equals=expected, within=1e-9, at=("tokens", times))
    others = logits[recent].softmax(0) / weights[1:] * (1 - weights[0])
    expect("growth of every other weight, times 1 − p", others, equals=1, within=1e-9)


if __name__ == "__main__":
    main()
