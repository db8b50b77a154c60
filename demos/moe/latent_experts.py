r"""LatentMoE: experts that work in a narrower space cost less, and the saving buys more of them.

LatentMoE：专家在更窄的空间里工作就更便宜，省下的用来增加专家。

Elango et al. 2026. Down to the latent width before tokens are sent, up again after the sum. Turn
`works_at` to "model width": as many experts then hold four times the weights and traffic.
发送之前先降到 latent 宽度，求和之后再升回。把 `works_at` 改为 "model width"：同样多的专家，参数与通信都是四倍。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, expect, main, one_of, show


def layer(x: Tensor, down: Tensor, up: Tensor, experts: list[tuple[Tensor, Tensor]], gates: Tensor) -> Tensor:
    """x and the output are (tokens, width); down (width, latent), up (latent, width); an expert is
    (latent, inner), (inner, latent); gates (tokens, experts) are 0 where a token does not go."""
    z = x @ down                                                    # (tokens, latent): what is sent
    mixed = sum(gates[:, e, None] * ((z @ a).relu() @ b) for e, (a, b) in enumerate(experts))
    return mixed @ up                                               # (tokens, width)


def make(count: int, width: int, inner: int) -> list[tuple[Tensor, Tensor]]:
    """Random experts that take and give vectors of `width`."""
    return [(torch.randn(width, inner, dtype=torch.float64) / width**0.5,
             torch.randn(inner, width, dtype=torch.float64) / inner**0.5) for _ in range(count)]


def numbers(experts: list[tuple[Tensor, Tensor]]) -> int:
    """How many weights they hold."""
    return sum(a.numel() + b.numel() for a, b in experts)


def choose(tokens: int, experts: int, k: int) -> Tensor:
    """Gates (tokens, experts): softmax over the k largest of random logits, 0 elsewhere."""
    best = torch.randn(tokens, experts, dtype=torch.float64).topk(k)
    return torch.zeros(tokens, experts, dtype=torch.float64).scatter(
        1, best.indices, best.values.softmax(1)
    )


RANGES = {
    "latent": between(4, 32),
    "ratio": one_of(1, 2, 4),
    "inner": between(4, 64),
    "experts": between(2, 8),
    "k": between(1, 2),
    "works_at": one_of("latent width", "model width"),
}


@breaks(works_at="model width", en="At the model's width four times as many experts hold four times the weights.",
        zh="若在模型宽度上工作，四倍的专家就是四倍的参数。")
def claim_the_saving_buys_more_experts(latent=16, ratio=4, inner=32, experts=4, k=2,
                                       works_at="latent width"):
    """At a quarter of the width, four times as many experts and choices have the weights, active
    weights and numbers sent per token of the plain layer, but for two shared projections.

    宽度降到四分之一，专家数与选中数都乘四，专家参数、激活参数、每 token 发送的数都与普通层相同，只多两个共用的投影。"""
    width = ratio * latent
    at = latent if works_at == "latent width" else width
    plain, many = make(experts, width, inner), make(ratio * experts, at, inner)
    gates = [choose(64, len(one), n) for one, n in ((plain, k), (many, ratio * k))]
    sent = [float((g > 0).sum(1).double().mean()) * w for g, w in zip(gates, (width, at), strict=True)]
    weights, active = [numbers(plain), numbers(many)], [numbers(plain[:k]), numbers(many[: ratio * k])]
    show(bars(["plain", "latent"], {"expert weights": weights, "active weights": active,
                                    "numbers sent per token": sent}))
    for name, pair in (("expert weights", weights), ("active weights", active),
                       ("numbers sent per token", sent)):
        expect(f"{name}, latent over plain", pair[1] / pair[0], equals=1)


@breaks(works_at="model width", en="Without the projections the experts see all of the vector.",
        zh="没有投影，专家看到的就是整个向量。")
def claim_all_experts_read_one_subspace(latent=16, ratio=4, inner=32, experts=4, k=2,
                                        works_at="latent width"):
    """What leaves the tokens' latent unchanged changes nothing in the output: all experts read the
    same few directions, and write into the same few.

    不改变 latent 的输入变化，对输出毫无影响：所有专家读的是同样少数几个方向，写的也是。"""
    width = (ratio if ratio > 1 else 2) * latent
    down, up = torch.randn(width, latent, dtype=torch.float64), torch.randn(latent, width, dtype=torch.float64)
    pool = make(experts, latent, inner)
    if works_at == "model width":
        down = up = torch.eye(width, dtype=torch.float64)
        pool = make(experts, width, inner)
    gates, x = choose(64, experts, k), torch.randn(64, width, dtype=torch.float64)
    q = torch.linalg.qr(torch.randn(width, latent, dtype=torch.float64) if works_at != "latent width" else down)[0]
    unseen = torch.randn(64, width, dtype=torch.float64)
    unseen = unseen - unseen @ q @ q.T                              # nothing of what `down` reads
    before, after = (layer(one, down, up, pool, gates) for one in (x, x + unseen))
    sizes = torch.linalg.svdvals(before)
    show(bars([str(i + 1) for i in range(min(len(sizes), 2 * latent))],
              {"singular values of the output": sizes[: 2 * latent]}))
    # float64: sums of `width` products of size 1, amplified by relu experts
    expect("change of the output over its size", (after - before).norm() / before.norm(), equals=0,
           within=1e-12)
    expect("rank of 64 tokens' outputs", int((sizes > 1e-9 * sizes[0]).sum()), at_most=latent)


def drill_weights(rng) -> Drill:
    """The routed expert weights of a layer, with or without a latent width."""
    width, latent, inner, experts = rng.choice(
        [
            (4096, 1024, 2048, 512),
            (8192, 2048, 4096, 512),
            (4096, 2048, 1024, 256),
            (7168, 3584, 2048, 256),
        ]
    )
    value = 2 * latent * inner * experts / 1e9
    return Drill(
        en=f"A LatentMoE layer has model width {width}, latent width {latent} and {experts} routed experts of two matrices with inner "
           f"width {inner}. How many billion weights do the routed experts hold?",
        zh=f"一个 LatentMoE 层，模型宽度 {width}，latent 宽度 {latent}，{experts} 个路由专家各有两个矩阵，内部宽度 {inner}。"
           "路由专家共多少十亿参数？",
        answer=value,
        steps=[(f"an expert: 2 · {latent} · {inner} = {2 * latent * inner / 1e6:.3g} million, at the latent width",
                f"一个专家：2 · {latent} · {inner} = {2 * latent * inner / 1e6:.3g} 百万，按 latent 宽度计"),
               (f"times {experts}: {value:.3g} billion (at the model's width it would be {value * width / latent:.3g})",
                f"乘 {experts}：{value:.3g} 十亿（若误按模型宽度计则是 {value * width / latent:.3g}）")],
        proved_by="the_saving_buys_more_experts",
    )


ZH = {
    "plain": "普通层",
    "latent": "latent",
    "expert weights": "专家参数",
    "active weights": "激活参数",
    "numbers sent per token": "每 token 发送的数",
    "{}, latent over plain": "{}，latent 与普通层之比",
    "singular values of the output": "输出的奇异值",
    "change of the output over its size": "输出变化与其大小之比",
    "rank of 64 tokens' outputs": "64 个 token 输出的秩",
}

if __name__ == "__main__":
    main()
