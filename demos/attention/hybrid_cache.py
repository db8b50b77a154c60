r"""Only the full-attention layers of a hybrid grow with the context: a window stops, a linear layer's
state never grows.

混合架构里随上下文增长的只有全注意力层：窗口层到顶为止，线性层的状态始终不变。

One sequence; rows of questions/models.yaml; 1 KiB = 2^10 bytes. Turn `slots` to "all tokens": a window
that only masks keeps everything. 把 `slots` 改为 "all tokens"：只加掩码的窗口什么也没省。
"""

import torch
from torch import Tensor

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
    table,
)  # fmt: skip
from studyapp.evidence.tools import named_model, tensor_bytes


@exercise(
    claims=("the_count_equals_a_real_decode",),
    wrong=("forgets_the_window", "counts_a_state_per_token", "counts_one_of_k_and_v"),
)
def kept(tokens: int, full: int, windowed: int, linear: int, d_kv: int, window: int, state: int) -> int:
    """Numbers that a stack keeps of one sequence after `tokens` tokens: each layer of full or windowed
    attention stores a key and a value of `d_kv` numbers per token, a windowed one of at most `window`
    tokens; each linear layer keeps `state` numbers.

    整个模型在 `tokens` 个 token 之后为一条序列保存多少个数：全注意力层与窗口层每个 token 存一个 key、一个 value，
    各 `d_kv` 个数，窗口层至多存 `window` 个 token；每个线性层保存 `state` 个数。"""
    return 2 * d_kv * (full * tokens + windowed * min(tokens, window)) + linear * state


def decode(tokens: int, width: int, window: int, slots: str, form: str) -> list[list[Tensor]]:
    """Feed tokens one by one to a full, a windowed and a linear layer; what each of them holds then."""
    full, local, seen = [], [], []
    state = torch.zeros(width, width)
    for _ in range(tokens):
        k, v = torch.randn(2, width)
        full.append(torch.stack((k, v)))
        local = [*local, torch.stack((k, v))]
        local = local[-window:] if slots == "ring" else local
        state = state + torch.outer(v, k)                   # linear attention: nothing else is kept
        seen.append(torch.stack((k, v)))                    # what its parallel form would need again
    return [full, local, [state] if form == "recurrent" else seen]


RANGES = {
    "lengths": each(between(1, 200), at_least=2, rising=True),
    "window": between(1, 32),
    "width": between(2, 32),
    "slots": one_of("ring", "all tokens"),
    "form": one_of("recurrent", "parallel"),
    "grows": one_of("full layers", "all layers"),
    "state_bytes": one_of(2, 4),
}


@breaks(slots="all tokens", en="A window kept only as a mask stores every token.",
        zh="窗口若只是掩码，就要存下每个 token。")
@breaks(form="parallel", en="Run in its parallel form, a linear layer needs all keys and values again.",
        zh="若按并行形式计算，线性层又要用到全部 key 与 value。")
def claim_the_count_equals_a_real_decode(lengths=(4, 16, 64, 160), window=16, width=8, slots="ring",
                                         form="recurrent"):
    """Decoding token by token, the full layer's cache grows on, the window's stops at its width and
    the linear state never grows: the bytes held are those counted.

    逐 token 解码时，全注意力层的 cache 一直增长，窗口层到窗口大小为止，线性状态不变：实际占用的字节与算出的一致。"""
    names = ("full", "window", "linear state")
    held = {name: [] for name in names}
    for n in lengths:
        for name, tensors in zip(names, decode(n, width, window, slots, form), strict=True):
            held[name].append(tensor_bytes(*tensors))
    show(lines("tokens", lengths, held, log="xy", y_label="bytes"))
    for place, name in enumerate(names):
        one = [int(place == kind) for kind in range(3)]
        expect(f"bytes of the layer, {name}", held[name],
               equals=[4 * kept(n, *one, width, window, width**2) for n in lengths],
               at=("tokens", lengths))


@breaks(grows="all layers", en="Counted over all layers, gpt-oss takes twice, Qwen3-Next four times that.",
        zh="若把所有层都算进去，gpt-oss 变为两倍，Qwen3-Next 变为四倍。")
def claim_growth_is_that_of_the_full_layers(grows="full layers"):
    """In 16 bit one more token costs gpt-oss-120b 36 KiB, half of all-full layers, and Qwen3-Next-80B
    24 KiB, a quarter.

    16 bit 下，每多一个 token，gpt-oss-120b 增加 36 KiB，是全部用全注意力时的一半；Qwen3-Next-80B 增加 24 KiB，是
    四分之一。"""
    grown, share = [], []
    for name in ("gpt-oss-120b", "qwen3-next-80b-a3b"):
        row = named_model(name)
        d_kv, all_layers = row["kv_heads"] * row["d_head"], row["layers"]
        full = all_layers if grows == "all layers" else row["attention"]["full_layers"]
        far = 1 << 20                                             # past any window
        step = [2 * (kept(far + 1, *layers, d_kv, 128, 0) - kept(far, *layers, d_kv, 128, 0))
                for layers in ((full, all_layers - full, 0), (all_layers, 0, 0))]
        grown.append(step[0])
        share.append(step[0] / step[1])
    names = [named_model(name)["name"] for name in ("gpt-oss-120b", "qwen3-next-80b-a3b")]
    show(table({"model": names, "bytes per token": grown, "share of all-full": share}))
    expect("bytes per token", grown, equals=[36 * 1024, 24 * 1024], at=("model", names))
    expect("share of all-full", share, equals=[1 / 2, 1 / 4], at=("model", names))


@breaks(state_bytes=2, en="In 16 bit the state is half as large, and the hybrid pays from 512 tokens on.",
        zh="若状态也用 16 bit，就只有一半，512 个 token 起就划算。")
def claim_a_state_is_as_large_as_a_thousand_tokens(state_bytes=4):
    """Qwen3-Next's linear layers each keep 2 MiB in fp32, as much as 1,024 tokens of its attention's
    16-bit cache: below that a hybrid keeps more.

    Qwen3-Next 的线性层每层以 fp32 保存 2 MiB，相当于其注意力层 1,024 个 token 的 16 bit cache：比这短的序列，混合架构
    反而存得更多。"""
    row = named_model("qwen3-next-80b-a3b")
    d_kv, layers, full = row["kv_heads"] * row["d_head"], row["layers"], row["attention"]["full_layers"]
    state, lengths = row["attention"]["state"], [2**i for i in range(6, 18)]
    hybrid = [2 * kept(n, full, 0, 0, d_kv, 0, 0) + state_bytes * kept(n, 0, 0, layers - full, 0, 0, state)
              for n in lengths]
    whole = [2 * kept(n, layers, 0, 0, d_kv, 0, 0) for n in lengths]
    mib = {"3 of 4 layers linear": [b / 2**20 for b in hybrid], "all full": [b / 2**20 for b in whole]}
    show(lines("tokens", lengths, mib, log="xy", y_label="MiB"))
    expect("MiB of state in a layer", state * state_bytes / 2**20, equals=2)
    meets = [n for n, a, b in zip(lengths, hybrid, whole, strict=True) if a <= b]
    expect("tokens from which the hybrid keeps no more", meets[0], equals=1024)


def drill_hybrid_total(rng) -> Drill:
    """A 3:1 hybrid at a long context."""
    layers, heads, k = rng.choice((24, 32, 48)), rng.choice((2, 4)), rng.choice((32, 64, 128))
    full, d_kv, state = layers // 4, heads * 128, 16 * 128 * 128
    cache, fixed = 2 * kept(k * 1024, full, 0, 0, d_kv, 0, 0), 4 * kept(0, 0, 0, layers - full, 0, 0, state)
    return Drill(
        en=f"A hybrid of {layers} layers has one full-attention layer in four, with {heads} KV heads of 128 in bf16. "
           f"Each other layer keeps 16 states of 128 × 128 in fp32. How many MiB (2^20 bytes) does one sequence of "
           f"{k} Ki ({k * 1024:,}) tokens hold?",
        zh=f"某混合模型 {layers} 层，每四层一层全注意力（{heads} 个宽 128 的 KV 头，bf16），其余每层保存 16 个 128 × 128 的 fp32 "
           f"状态。一条 {k} Ki（{k * 1024:,}）个 token 的序列占多少 MiB（2^20 字节）？",
        answer=(cache + fixed) / 2**20,
        unit="MiB",
        steps=[
            (f"cache: {full} · 2 · {d_kv} · 2 bytes · {k} Ki = {cache / 2**20:g} MiB",
             f"cache：{full} · 2 · {d_kv} · 2 字节 · {k} Ki = {cache / 2**20:g} MiB"),
            (f"states: {layers - full} · 16 · 128² · 4 bytes = {fixed / 2**20:g} MiB",
             f"状态：{layers - full} · 16 · 128² · 4 字节 = {fixed / 2**20:g} MiB"),
        ],
        proved_by="growth_is_that_of_the_full_layers",
    )


ZH = {
    "full": "全注意力", "window": "窗口", "linear state": "线性状态", "tokens": "token 数", "bytes": "字节",
    "bytes of the layer, full": "全注意力层的字节", "bytes of the layer, window": "窗口层的字节",
    "bytes of the layer, linear state": "线性层的字节",
    "gpt-oss-120b": "gpt-oss-120b", "model": "模型", "bytes per token": "每 token 字节数", "share of all-full": "与全部全注意力之比",
    "3 of 4 layers linear": "四层中三层线性", "all full": "全部全注意力",
    "MiB of state in a layer": "每层状态的 MiB",
    "tokens from which the hybrid keeps no more": "混合架构不再更大的起始 token 数",
}  # fmt: skip

if __name__ == "__main__":
    main()
