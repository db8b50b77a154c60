r"""A trained prefix of keys and values mixes each query's attention with the prefix's own, by a
gate.

训练出来的前缀 key、value，按一个门控比例把前缀自己的注意力混入每个 query 原来的注意力。

Li & Liang 2021, §4.2; He et al. 2022; Petrov et al. 2023. Turn `gate` to "one for all": the share
of the prefix depends on the query. Turn `tuned` to "key weights": the text's own weights move too.
把 `gate` 改为 "one for all"：前缀占的份额取决于 query；把 `tuned` 改为 "key weights"：文本内部的权重也会变。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(
    claims=("prefix_attention_is_a_gated_mix", "a_prefix_keeps_the_first_layers_odds"),
    wrong=("counts_the_mask_from_the_left", "interleaves_the_groups", "adds_the_prefix_afterwards"),
)
def attend(q: Tensor, k: Tensor, v: Tensor, prefix_k: Tensor, prefix_v: Tensor) -> Tensor:
    """Causal attention with p trained keys and values that every query sees. q and the output are
    (heads, tokens, d_head), k and v (kv_heads, tokens, d_head), the prefix (kv_heads, p, d_head);
    query head i reads KV head i // (heads / kv_heads).

    带前缀的因果注意力：p 个训练出来的 key、value 对每个 query 都可见。q 与输出为 (heads, tokens, d_head)，k、v 为
    (kv_heads, tokens, d_head)，前缀为 (kv_heads, p, d_head)；第 i 个 query 头读第 i // (heads / kv_heads) 个 KV 头。"""
    p, tokens, group = prefix_k.shape[1], q.shape[1], len(q) // len(k)
    k = torch.cat((prefix_k, k), 1).repeat_interleave(group, 0)      # (heads, p + tokens, d_head)
    v = torch.cat((prefix_v, v), 1).repeat_interleave(group, 0)
    seen = torch.ones(tokens, p + tokens).tril(p).bool()             # token t sees p + t + 1 keys
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen, -torch.inf)
    return scores.softmax(-1) @ v


def drawn(heads: int, kv_heads: int, tokens: int, d_head: int, prefix: int) -> tuple[Tensor, ...]:
    """q, k, v and a prefix's keys and values, in float64."""
    shapes = ((heads, tokens), (kv_heads, tokens), (kv_heads, tokens), (kv_heads, prefix), (kv_heads, prefix))
    q, k, v, prefix_k, prefix_v = (torch.randn(*s, d_head, dtype=torch.float64) for s in shapes)
    return q, k, v, prefix_k, prefix_v


def log_mass(q: Tensor, keys: Tensor, causal: bool) -> Tensor:
    """The log-sum-exp of each query's scores, (heads, tokens, 1)."""
    scores = q @ keys.repeat_interleave(len(q) // len(keys), 0).mT / q.shape[-1] ** 0.5
    if causal:
        scores = scores.masked_fill(~torch.ones_like(scores[0]).tril().bool(), -torch.inf)
    return scores.logsumexp(-1, keepdim=True)


RANGES = {
    "tokens": between(3, 64),
    "heads": between(1, 16),
    "kv_heads": between(1, "heads", divides="heads"),
    "d_head": between(2, 64, multiple_of=2),
    "prefix": between(1, 64),
    "prefixes": each(between(1, 256), rising=True),
    "gate": one_of("of the query", "one for all"),
    "tuned": one_of("prefix", "key weights"),
    "counted": one_of("KV heads", "query heads"),
    "start": one_of("zeros", "absent"),
}


@breaks(gate="one for all", en="A query that matches the prefix's keys gives it more of its mass than another.",
        zh="与前缀的 key 更匹配的 query，分给前缀的份额更大。")
def claim_prefix_attention_is_a_gated_mix(tokens=12, heads=8, kv_heads=2, d_head=16, prefix=5,
                                          gate="of the query"):
    """With a prefix, attention is 1 − λ of the frozen attention plus λ of the prefix's own: λ is a
    sigmoid that depends on the query.

    加前缀后的注意力，等于 1 − λ 份原注意力加 λ 份前缀自己的注意力；λ 是取决于 query 的 sigmoid。"""
    q, k, v, prefix_k, prefix_v = drawn(heads, kv_heads, tokens, d_head, prefix)
    frozen = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]
    own = F.scaled_dot_product_attention(q[None], prefix_k[None], prefix_v[None], enable_gqa=True)[0]
    share = torch.sigmoid(log_mass(q, prefix_k, False) - log_mass(q, k, True))   # (heads, tokens, 1)
    show(lines("token", range(tokens), {"head 0": share[0, :, 0], f"head {heads - 1}": share[-1, :, 0]},
               y_label="λ"))
    mix = share if gate == "of the query" else share.mean()
    gap = attend(q, k, v, prefix_k, prefix_v) - torch.lerp(frozen, own, mix.expand_as(frozen))
    # float64 sums of up to 128 terms of size 1 in two orders
    expect("attention with the prefix less the mix", gap, equals=0, within=1e-12)


@breaks(tuned="key weights", en="New key weights change which token a query prefers, which no prefix of this layer can.",
        zh="改动 key 的权重会改变 query 偏好哪个 token，而本层的前缀做不到。")
def claim_a_prefix_keeps_the_first_layers_odds(tokens=8, d_head=16, prefix=4, tuned="prefix"):
    """In the first layer a prefix leaves the odds between two text tokens as they were; in the
    second they move, for its input has moved.

    第一层里，前缀不改变文本 token 之间的权重比；第二层的输入已被第一层改变，比例也就变了。"""
    x = torch.randn(1, tokens, d_head, dtype=torch.float64)
    w = torch.randn(2, 3, d_head, d_head, dtype=torch.float64) / d_head**0.5      # layers, q k v
    trained = torch.randn(2, 2, 1, prefix, d_head, dtype=torch.float64)           # layers, k v
    def odds(adapted: bool) -> list[Tensor]:
        h, found = x, []
        for layer in range(2):
            q, k, v = (h @ one for one in w[layer])
            pre_k, pre_v = trained[layer] if adapted and tuned == "prefix" else trained[layer][:, :, :0]
            if adapted and tuned == "key weights":
                k = k + 0.1 * h @ w[1 - layer][0]
            values = torch.cat((pre_v, v), 1)                   # one-hot values read the weights out
            eye = torch.eye(values.shape[1], dtype=torch.float64)[None]
            weights = attend(q, k, eye[:, values.shape[1] - tokens:], pre_k, eye[:, : pre_k.shape[1]])
            text = weights[0, -1, -tokens:].log()                            # of the last query
            found.append(text[1:] - text[0])
            h = h + attend(q, k, v, pre_k, pre_v)
        return found
    moved = [(a - b).abs() for a, b in zip(odds(True), odds(False), strict=True)]
    show(bars([f"{t} against 0" for t in range(1, tokens)], {"layer 1": moved[0], "layer 2": moved[1]},
              y_label="change of the log-odds"))
    expect("change of the log-odds in layer 1", moved[0], equals=0, within=1e-11)
    expect("largest change in layer 2", moved[1].max(), at_least=1e-3)


@breaks(start="absent", en="Without a prefix nothing is taken from the text.", zh="没有前缀，文本的份额分毫不减。")
def claim_a_prefix_of_zeros_is_not_absent(prefixes=(1, 10, 50, 200), tokens=64, d_head=16, start="zeros"):
    """A prefix of zero keys and values still takes p / (p + Σ exp score) of the mass: the frozen
    output shrinks by that share.

    key、value 全为零的前缀仍占去 p / (p + Σ exp 分数) 的份额，原输出就按这个比例缩小。"""
    q, k, v = drawn(1, 1, tokens, d_head, 1)[:3]
    frozen = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
    lost, expected = [], []
    for p in prefixes:
        zeros = torch.zeros(1, p if start == "zeros" else 0, d_head, dtype=torch.float64)
        out = attend(q, k, v, zeros, zeros)[0, -1]
        lost.append(1 - (out @ frozen[0, -1]) / (frozen[0, -1] @ frozen[0, -1]))
        expected.append(p / (p + log_mass(q, k, True)[0, -1].exp().item()))
    show(lines("prefix", prefixes, {"share lost": lost, "p / (p + Σ exp score)": expected}, log="x"))
    expect("share of the frozen output that is lost", lost, equals=expected, within=1e-10, at=("prefix", prefixes))


@breaks(counted="query heads", en="A prefix is stored as keys and values are: per KV head.",
        zh="前缀与 key、value 的存法相同：按 KV 头存。")
def claim_grouped_heads_shrink_the_prefix(counted="KV heads"):
    """Prefixes of 50 and 200 tokens on Llama-3.2-3B, 28 layers with 8 KV heads of 128, have the
    published 2,867,200 and 11,468,800 values.

    Llama-3.2-3B（28 层、8 个宽 128 的 KV 头）上 50 与 200 个 token 的前缀，恰为公布的 2,867,200 与 11,468,800 个值。"""
    kept = 8 if counted == "KV heads" else 24                            # 24 query heads
    sizes = []
    for p in (50, 200):
        pairs = [torch.empty(2, kept, p, 128, device="meta") for _ in range(28)]
        sizes.append(sum(pair.numel() for pair in pairs))
    show(bars(["50", "200"], {"trained values": sizes}, y_label="values"))
    # PEFT 5d602fd, method_comparison/MetaMathQA/results: num_trainable_params of two runs
    expect("trained values", sizes, equals=[2_867_200, 11_468_800], at=("prefix", (50, 200)))


def drill_share(rng) -> Drill:
    """The share of the mass that a prefix takes."""
    a, b, c = rng.choice([(1, 3, 4), (2, 4, 2), (5, 3, 2), (1, 5, 2), (6, 2, 12), (3, 6, 1)])
    text, pre = (torch.tensor([s], dtype=torch.float64).log().T[None] for s in ([a, b], [c]))
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    share = torch.sigmoid(log_mass(one, pre, False) - log_mass(one, text, False)).item()
    return Drill(
        en=f"A query's scores (after scaling) are ln {a} and ln {b} for two text tokens and ln {c} for the only prefix key. "
           "What share λ of the attention goes to the prefix?",
        zh=f"一个 query 对两个文本 token 的分数（已缩放）为 ln {a} 与 ln {b}，对唯一的前缀 key 为 ln {c}。前缀占注意力的份额 λ 是多少？",
        answer=share, within=0.005,
        steps=[(f"mass of the prefix {c}, of the text {a} + {b} = {a + b}", f"前缀的质量 {c}，文本的质量 {a} + {b} = {a + b}"),
               (f"λ = {c} / ({c} + {a + b}) = {share:.3f}", f"λ = {c} / ({c} + {a + b}) = {share:.3f}")],
        proved_by="prefix_attention_is_a_gated_mix",
    )


def drill_values(rng) -> Drill:
    """Values that a prefix trains in a grouped-query model."""
    layers, heads, kv_heads, d_head, p = rng.choice(
        [(32, 32, 8, 128, 10), (28, 24, 8, 128, 50), (24, 16, 16, 64, 10), (36, 32, 8, 128, 20), (16, 32, 4, 64, 100)])
    values = sum(torch.empty(2, kv_heads, p, d_head, device="meta").numel() for _ in range(layers))
    return Drill(
        en=f"A model has {layers} layers, {heads} query heads and {kv_heads} KV heads of width {d_head}. How many values does "
           f"prefix tuning with {p} virtual tokens train (no reparametrisation)?",
        zh=f"模型有 {layers} 层、{heads} 个 query 头、{kv_heads} 个宽 {d_head} 的 KV 头。"
           f"前缀微调用 {p} 个虚拟 token（不做重参数化），训练多少个值？",
        answer=values,
        steps=[("2 · layers · p · KV heads · head width: query heads do not enter", "2 · 层数 · p · KV 头数 · 头宽：与 query 头数无关"),
               (f"2 · {layers} · {p} · {kv_heads} · {d_head} = {values:,}", f"2 · {layers} · {p} · {kv_heads} · {d_head} = {values:,}")],
        proved_by="grouped_heads_shrink_the_prefix",
    )


ZH = {
    "head {}": "头 {}",
    "attention with the prefix less the mix": "带前缀的注意力与混合之差",
    "{} against 0": "{} 对 0",
    "layer 1": "第 1 层",
    "layer 2": "第 2 层",
    "change of the log-odds": "对数权重比的变化",
    "change of the log-odds in layer 1": "第 1 层对数权重比的变化",
    "largest change in layer 2": "第 2 层的最大变化",
    "prefix": "前缀长度",
    "share lost": "损失的份额",
    "p / (p + Σ exp score)": "p / (p + Σ exp 分数)",
    "share of the frozen output that is lost": "原输出损失的份额",
    "trained values": "训练的值",
    "values": "个数",
}

if __name__ == "__main__":
    main()
