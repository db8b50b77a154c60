r"""A sparse MoE layer runs each token through its k best experts alone and adds their outputs, weighted.

稀疏 MoE 层：每个 token 只经过得分最高的 k 个专家，输出按权重相加。

Shazeer et al. 2017. Turn `way` to "masked": all experts run and most outputs are thrown away, the result
is the same, and the FLOPs grow with the number of experts.
把 `way` 改为 "masked"：全部专家都算一遍再丢掉大部分，结果相同，FLOPs 却随专家数增长。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    bars,
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

F64, WIDTH, D_FF = torch.float64, 8, 16


@exercise(claims=("equals_a_loop_over_tokens", "parameters_grow_and_flops_do_not"),
          wrong=("overwrites", "forgets_the_weights", "leaves_them_sorted", "runs_all_experts"))
def sparse(x: Tensor, up: Tensor, down: Tensor, weights: Tensor, experts: Tensor) -> Tensor:
    """Each expert e computes relu(x·up[e])·down[e] for its own tokens only; the outputs are added by
    weight. x and the result (tokens, width), up (experts, width, d_ff), down (experts, d_ff, width),
    weights and experts (tokens, k).

    每个专家 e 只对分到的 token 计算 relu(x·up[e])·down[e]，输出按权重相加。x 与结果为 (tokens, width)，
    up 为 (experts, width, d_ff)，down 为 (experts, d_ff, width)，weights 与 experts 为 (tokens, k)。"""
    out = torch.zeros_like(x)
    for e in range(len(up)):
        token, place = (experts == e).nonzero(as_tuple=True)                    # (routed,)
        y = (x[token] @ up[e]).relu() @ down[e]                                 # (routed, width)
        out = out.index_add(0, token, y * weights[token, place, None])
    return out


def masked(x: Tensor, up: Tensor, down: Tensor, weights: Tensor, experts: Tensor) -> Tensor:
    """All experts for all tokens, then a mask."""
    every = (x @ up).relu() @ down                                       # (experts, tokens, width)
    mix = torch.zeros(len(x), len(up), dtype=x.dtype).scatter(1, experts, weights)
    return (mix.T[..., None] * every).sum(0)


def layer(x: Tensor, router: Tensor, up: Tensor, down: Tensor, k: int, way: str) -> Tensor:
    """Router, top-k, experts; way "soft" mixes all of them."""
    weights, experts = (x @ router).softmax(-1).topk(len(up) if way == "soft" else k, -1)
    return (sparse if way == "sparse" else masked)(x, up, down, weights, experts)


def drawn(tokens: int, experts: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens (tokens, width), router (width, experts), up and down; outputs of about 1."""
    return (torch.randn(tokens, WIDTH, dtype=F64), torch.randn(WIDTH, experts, dtype=F64),
            torch.randn(experts, WIDTH, D_FF, dtype=F64) / WIDTH**0.5,
            torch.randn(experts, D_FF, WIDTH, dtype=F64) / D_FF**0.5)


RANGES = {
    "tokens": between(1, 32), "experts": between(3, 16), "k": between(1, 2),
    "counts": each(between(3, 64), at_least=2, at_most=8, rising=True),
    "way": one_of("sparse", "masked", "soft"),
}  # fmt: skip
SOFT = breaks(way="soft", en="With all experts mixed in by their probabilities, nothing is sparse.",
              zh="按概率混合全部专家，就没有稀疏可言。")


@SOFT
def claim_equals_a_loop_over_tokens(tokens=8, experts=8, k=2, way="sparse"):
    """Grouped by expert, the layer equals a loop in which each token visits its k best experts.

    按专家分组计算的结果，等于逐个 token 访问其得分最高的 k 个专家的循环。"""
    x, router, up, down = drawn(tokens, experts)
    out, slow, load = layer(x, router, up, down, k, way), torch.zeros_like(x), [0] * experts
    for t in range(tokens):
        z = (x[t] @ router).tolist()
        for e in sorted(range(experts), key=lambda e: -z[e])[:k]:
            p = math.exp(z[e]) / sum(math.exp(one) for one in z)
            slow[t] += p * (down[e].T @ (up[e].T @ x[t]).clamp(min=0))
            load[e] += 1
    show(bars([f"expert {e}" for e in range(experts)], {"tokens": load}))
    # float64: some dozen terms of size 1, added in another order
    expect("output less the loop's", out - slow, equals=0, within=1e-12)


@SOFT
@breaks(way="masked", en="All experts run and most outputs are thrown away: FLOPs grow with their number.",
        zh="全部专家都算一遍再丢掉大部分：FLOPs 随专家数增长。")
def claim_parameters_grow_and_flops_do_not(counts=(4, 8, 16, 32), k=2, tokens=8, way="sparse"):
    """With k fixed and more experts the parameters grow in proportion; the experts' FLOPs stay those
    of k experts per token, and only the router's grow.

    k 不变、专家增多：参数成比例增长；专家的 FLOPs 始终是每 token k 个专家的量，只有路由器的在增长。"""
    held, spent = [], []
    for count in counts:
        x, router, up, down = drawn(tokens, count)
        held.append(up.numel() + down.numel())
        spent.append(flops(layer, x, router, up, down, k, way))
    show(lines("experts", counts, {"parameters of the experts": held, "FLOPs of the layer": spent},
               log="xy"))
    one = 2 * WIDTH * D_FF                                                      # weights of an expert
    expect("parameters of the experts", held, equals=[n * one for n in counts], at=("experts", counts))
    router_flops = [2 * tokens * WIDTH * n for n in counts]
    expect("FLOPs less the router's", [s - r for s, r in zip(spent, router_flops, strict=True)],
           equals=tokens * k * 2 * one, at=("experts", counts))


@SOFT
def claim_unchosen_experts_get_no_gradient(experts=8, k=2, way="sparse"):
    """For one token the k chosen experts get a gradient and all others exactly none.

    对单个 token，只有选中的 k 个专家得到梯度，其余严格为零。"""
    x, router, up, down = drawn(1, experts)
    out = layer(x, router, up.requires_grad_(), down, k, way)
    moved = torch.stack([torch.autograd.grad(out[0, i], up, retain_graph=True)[0].norm(dim=(1, 2))
                         for i in range(WIDTH)]).norm(dim=0)                    # (experts,)
    best = torch.zeros(experts).index_fill(0, (x @ router)[0].argsort(descending=True)[:k], 1.0)
    show(bars([f"expert {e}" for e in range(experts)], {"norm of the gradient": moved}))
    expect("experts with a gradient", (moved > 0).float(), equals=best, at=("expert", range(experts)))


ZH = {
    "tokens": "token 数",
    "expert {}": "专家 {}",
    "expert": "专家",
    "experts": "专家数",
    "output less the loop's": "输出与循环结果之差",
    "parameters of the experts": "专家的参数量",
    "FLOPs of the layer": "该层的 FLOPs",
    "FLOPs less the router's": "除路由器外的 FLOPs",
    "norm of the gradient": "梯度的范数",
    "experts with a gradient": "得到梯度的专家",
}

if __name__ == "__main__":
    main()
