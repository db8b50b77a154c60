r"""LatentMoE runs the experts in a narrower space: weights, FLOPs and traffic fall with the width, and the
saving buys more experts.

LatentMoE 让专家在更窄的空间里工作：权重、FLOPs 与通信量随宽度下降，省下的用来增加专家。

Elango et al. 2026. Experts are two matrices with ReLU² between, as in Nemotron 3; numbers sent are those
of one way. Turn `projected` to "inside each expert": nothing is saved on the way.
把 `projected` 改为 "inside each expert"：路上就什么也没省。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show
from studyapp.evidence.tools import flops


@exercise(claims=("a_token_costs_its_latent_width", "at_full_width_it_is_a_plain_moe"),
          wrong=("projects_back_each", "skips_the_way_down", "forgets_the_gates"))
def latent_moe(x: Tensor, chosen: Tensor, gates: Tensor, down: Tensor, up: Tensor,
               w1: Tensor, w2: Tensor) -> Tensor:
    """x (tokens, d) through the experts `chosen` (tokens, k), weighted by `gates` (tokens, k): once down to
    the latent width by down (d, l), each expert e there as relu(z w1[e])² w2[e] with w1 (experts, l, f) and
    w2 (experts, f, l), the weighted sum once back by up (l, d).

    x (tokens, d) 经过 `chosen` (tokens, k) 指定的专家，按 `gates` (tokens, k) 加权：先用 down (d, l) 投影一次到
    latent 宽度，各专家 e 在其中计算 relu(z w1[e])² w2[e]（w1 为 (experts, l, f)，w2 为 (experts, f, l)），加权和再用
    up (l, d) 投影回来一次。"""
    z, out = x @ down, torch.zeros(len(x), down.shape[1], dtype=x.dtype)
    for e in chosen.unique().tolist():
        token, slot = (chosen == e).nonzero(as_tuple=True)
        out[token] += gates[token, slot, None] * ((z[token] @ w1[e]).relu() ** 2 @ w2[e])
    return out @ up


def setting(tokens: int, d: int, latent: int, f: int, experts: int, k: int) -> list[Tensor]:
    """Random inputs of `latent_moe`; each token has k different experts."""
    x = torch.randn(tokens, d, dtype=torch.float64)
    chosen = torch.stack([torch.randperm(experts)[:k] for _ in range(tokens)])
    gates = torch.rand(tokens, k, dtype=torch.float64)
    sizes = ((d, latent), (latent, d), (experts, latent, f), (experts, f, latent))
    return [x, chosen, gates, *(torch.randn(size, dtype=torch.float64) / size[-2] ** 0.5 for size in sizes)]


RANGES = {
    "tokens": between(4, 64), "d": between(16, 128, multiple_of=8), "narrowing": one_of(1, 2, 4, 8),
    "f": between(8, 64), "experts": between(8, 128), "k": between(1, 8), "weighted": one_of("yes", "no"),
    "projected": one_of("once", "inside each expert"), "spent_on": one_of("experts and choices", "nothing"),
}  # fmt: skip


@breaks(projected="inside each expert", en="If every expert projects for itself, a token is sent at full width, and projected k times.",
        zh="若每个专家各自投影，token 就要以全宽发送 k 次、投影 k 次。")
def claim_a_token_costs_its_latent_width(tokens=32, d=64, narrowing=4, f=32, experts=16, k=4,
                                         projected="once"):
    """At a quarter of the width an expert's weights and FLOPs and the numbers sent to it are a quarter; two
    projections per token are added, whatever k is.

    宽度降到四分之一，专家的权重、FLOPs 与发给它的数都是四分之一；每个 token 只另加两次投影，与 k 无关。"""
    latent = d // narrowing
    narrow, wide = setting(tokens, d, latent, f, experts, k), setting(tokens, d, d, f, experts, k)
    times = 1 if projected == "once" else k
    spent = flops(latent_moe, *narrow) + (times - 1) * tokens * 4 * d * latent
    sent = k * (latent if projected == "once" else d)
    plain = tokens * k * 4 * d * f                 # 2 FLOPs a weight, two matrices, k experts per token
    show(bars(["weights of an expert", "FLOPs of the experts", "numbers sent"],
              {"latent over plain": [narrow[5][0].numel() / wide[5][0].numel(),
                                     (spent - tokens * 4 * d * latent) / plain, sent / (k * d)]}))
    expect("weights of an expert, latent over plain", narrow[5][0].numel() / wide[5][0].numel(),
           equals=1 / narrowing)
    expect("FLOPs less two projections per token, over plain", (spent - tokens * 4 * d * latent) / plain,
           equals=1 / narrowing, within=1e-12)
    expect("numbers sent, over plain", sent / (k * d), equals=1 / narrowing, within=1e-12)


@breaks(weighted="no", en="Unweighted, the sum is another one.", zh="不加权，就是另一个和。")
def claim_at_full_width_it_is_a_plain_moe(tokens=16, d=24, f=16, experts=8, k=3, weighted="yes"):
    """With the identity for both projections it is a plain mixture of experts: for each token the weighted
    sum of its own experts’ outputs.

    两个投影都取单位阵时，它就是普通的 MoE：每个 token 把自己那几个专家的输出加权求和。"""
    x, chosen, gates, _, _, w1, w2 = setting(tokens, d, d, f, experts, k)
    got = latent_moe(x, chosen, gates, *(2 * [torch.eye(d, dtype=x.dtype)]), w1, w2)
    by_hand = torch.zeros_like(x)
    for i in range(tokens):
        for gate, e in zip(gates[i].tolist(), chosen[i].tolist(), strict=True):
            by_hand[i] += (gate if weighted == "yes" else 1.0) * ((x[i] @ w1[e]).clamp(min=0) ** 2 @ w2[e])
    show(bars([f"token {i}" for i in range(4)], {"norm of the output": got[:4].norm(dim=1)}))
    expect("difference from a loop over tokens", got - by_hand, equals=0, within=1e-9)


@breaks(spent_on="nothing", en="Saved and not spent, there are no more combinations than before.",
        zh="省下而不花，组合数并不增加。")
def claim_the_saving_buys_combinations(narrowing=4, experts=128, k=6, spent_on="experts and choices"):
    """Four times the experts and four times as many chosen, each a quarter as wide, cost the same weights and
    numbers sent, and raise the log of the possible choices at least fourfold.

    专家数与激活数都乘四、每个宽度为四分之一，权重与发送量不变，而可选组合数的对数至少为四倍。"""
    more = narrowing if spent_on == "experts and choices" else 1
    weights, sent = more * experts / narrowing / experts, more * k / narrowing / k
    choices = [math.log2(math.comb(experts, k)), math.log2(math.comb(more * experts, more * k))]
    show(bars(["plain", "latent"], {"log2 of the choices": choices}))
    expect("weights and numbers sent, over plain", [weights, sent], equals=1, within=1e-12)
    # C(E, k)^r ≤ C(rE, rk) ≤ 2^(rE·H(k/E)) and 2^(E·H) ≤ (E + 1) C(E, k): the gain is within r log2(E + 1).
    gain = choices[1] - narrowing * choices[0]
    expect("log2 of the choices beyond r times plain, over r log2(E + 1)",
           gain / (narrowing * math.log2(experts + 1)), equals=0.5, within=0.5)


def drill_experts_for_the_same(rng) -> Drill:
    """What a narrower latent width buys."""
    d, r, experts, k = rng.choice((4096, 8192)), rng.choice((2, 4)), rng.choice((128, 256)), rng.choice((4, 6, 8))
    return Drill(
        en=f"A MoE of width {d} has {experts} experts, {k} chosen. Its experts move to a latent width of {d // r}, each as "
           f"deep and as wide inside. How many experts cost the same weights (projections left out)?",
        zh=f"某 MoE 宽 {d}，{experts} 个专家，激活 {k} 个。专家改在宽 {d // r} 的 latent 空间里工作，内部宽度不变。同样的专家权重"
           f"（不计投影）可以有多少个专家？",
        answer=experts * r, within=0,
        steps=[(f"each expert has 1/{r} of the weights", f"每个专家的权重是 1/{r}"),
               (f"{r} · {experts} = {r * experts}",) * 2],
        proved_by="the_saving_buys_combinations",
    )


ZH = {
    "weights of an expert": "一个专家的权重", "FLOPs of the experts": "专家的 FLOPs", "numbers sent": "发送的数",
    "latent over plain": "latent 与普通之比", "weights of an expert, latent over plain": "一个专家的权重，latent 与普通之比",
    "FLOPs less two projections per token, over plain": "FLOPs 减去每 token 两次投影，与普通之比",
    "numbers sent, over plain": "发送的数，与普通之比", "norm of the output": "输出的范数", "token {}": "token {}",
    "difference from a loop over tokens": "与逐 token 循环之差", "plain": "普通", "latent": "latent",
    "log2 of the choices": "组合数的 log2", "weights and numbers sent, over plain": "权重与发送量，与普通之比",
    "log2 of the choices beyond r times plain, over r log2(E + 1)": "组合数的 log2 超出 r 倍普通的部分，与 r log2(E + 1) 之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
