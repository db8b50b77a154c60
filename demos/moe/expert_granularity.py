r"""An expert cut into m slices is the sum of them: the same weights and FLOPs, far more sets to choose.

把一个专家切成 m 片，各片之和就是原专家：参数与 FLOPs 不变，可选的组合却多得多。

Dai et al. 2024, §3.1. Turn `gates` to "renormalised": slices at weight 1/m give a part of the
expert. Turn `needs` to 1: whoever needs one skill gains nothing from finer experts.
把 `gates` 改为 "renormalised"：各片权重 1/m，只得到专家的一部分；把 `needs` 改为 1：只需一种技能时，更细的专家没有好处。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
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


@exercise(claims=("slices_sum_to_the_expert", "cut_layers_cost_the_same"),
          wrong=("cuts_the_output", "keeps_the_rows_of_the_first"))
def cut(up: Tensor, down: Tensor, m: int) -> list[tuple[Tensor, Tensor]]:
    """m slices of an expert x ↦ relu(x·up)·down along its inner width; up is (width, inner), down
    (inner, width), each slice's (width, inner/m) and (inner/m, width).

    把专家 x ↦ relu(x·up)·down 沿内部宽度切成 m 片；up 为 (width, inner)，down 为 (inner, width)，每片为
    (width, inner/m) 与 (inner/m, width)。"""
    return list(zip(up.chunk(m, 1), down.chunk(m, 0), strict=True))


def expert(x: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """x and the output are (tokens, width)."""
    return (x @ up).relu() @ down


def gated(x: Tensor, slices: list[tuple[Tensor, Tensor]], gate: float) -> Tensor:
    """The slices' outputs summed, each times the gate."""
    return gate * sum(expert(x, *one) for one in slices)


def unserved(skills: int, needs: int, held: int, chosen: int) -> float:
    """Share of the needed skills that no chosen expert holds, over all sets of `needs` skills, with
    the best choice of `chosen` experts, expert e holding skills held·e … held·e + held − 1."""
    every = list(torch.combinations(torch.arange(skills), needs))
    left = 0
    for one in every:
        has = torch.bincount(one // held, minlength=skills // held)      # needed skills per expert
        left += needs - int(has.topk(min(chosen, len(has))).values.sum())
    return left / (needs * len(every))


RANGES = {
    "tokens": between(1, 256),
    "width": between(4, 64),
    "inner": between(16, 256, multiple_of=16),
    "slices": each(between(1, 16), at_most=6, rising=True),
    "m": one_of(1, 2, 4),
    "gates": one_of("unit", "renormalised"),
    "inner_of_a_slice": one_of("inner / m", "inner"),
    "needs": between(1, 3),
    "experts": between(2, 4),
    "k": between(1, 2),
}


@breaks(gates="renormalised", en="Gates that sum to 1 give each of m slices 1/m, and so 1/m of the expert.",
        zh="门控之和为 1 时，m 片各得 1/m，合起来只是专家的 1/m。")
def claim_slices_sum_to_the_expert(slices=(1, 2, 4, 8), tokens=32, width=16, inner=64, gates="unit"):
    """Chosen together with gate 1 each, the slices of an expert give exactly the expert; with gates
    that sum to 1 they give an m-th of it.

    各片同时入选且门控都为 1 时，合起来正是原专家；若门控之和为 1，则只得到它的 1/m。"""
    x = torch.randn(tokens, width, dtype=torch.float64)
    up, down = torch.randn(width, inner, dtype=torch.float64), torch.randn(inner, width, dtype=torch.float64)
    whole = expert(x, up, down)
    outputs = {m: gated(x, cut(up, down, m), 1 if gates == "unit" else 1 / m) for m in slices}
    show(bars([f"m = {m}" for m in slices],
              {"size over the expert's": [o.norm() / whole.norm() for o in outputs.values()]}))
    # float64: sums of `inner` terms of size √width · √inner
    for m, out in outputs.items():
        expect(f"{m} slices less the expert", (out - whole).abs().amax(1), equals=0, within=1e-10)
        part = gated(x, cut(up, down, m), 1 / m)
        expect(f"{m} slices at 1/{m}, less that part of the expert", (part - whole / m).abs().amax(1), equals=0,
               within=1e-10)


@breaks(inner_of_a_slice="inner", en="More experts of the same width are another model: m times the weights and FLOPs.",
        zh="专家增多而宽度不变是另一个模型：参数与 FLOPs 都是 m 倍。")
def claim_cut_layers_cost_the_same(width=16, inner=64, m=4, experts=4, k=1, inner_of_a_slice="inner / m"):
    """Cutting every expert in m and choosing m times as many leaves the experts' weights and FLOPs
    as they were (2 per active weight); the router alone grows m-fold.

    每个专家切成 m 片、选中数也乘 m，专家的参数与 FLOPs（每个激活参数 2）都不变；只有路由器变为 m 倍。"""
    wide = inner if inner_of_a_slice == "inner" else inner // m
    coarse = [(torch.randn(width, inner), torch.randn(inner, width)) for _ in range(experts)]
    fine = [(torch.randn(width, wide), torch.randn(wide, width)) for _ in range(experts * m)]
    if inner_of_a_slice == "inner / m":
        fine = [piece for one in coarse for piece in cut(*one, m)]
    router = [torch.randn(width, len(one)) for one in (coarse, fine)]
    weights = [sum(a.numel() + b.numel() for a, b in one) for one in (coarse, fine)]
    token = torch.randn(1, width)
    active = [flops(gated, token, one, 1.0) for one in (coarse[:k], fine[: k * m])]
    show(bars(["whole", f"cut in {m}"], {"expert weights": weights, "FLOPs of a token": active,
                                         "router weights": [r.numel() for r in router]}))
    expect("expert weights, cut over whole", weights[1] / weights[0], equals=1)
    expect("FLOPs of a token in experts, cut over whole", active[1] / active[0], equals=1)
    expect("FLOPs of a token per active weight", active[0] / (k * weights[0] / experts), equals=2)
    expect("router weights, cut over whole", router[1].numel() / router[0].numel(), equals=m)


@breaks(m=1, en="Uncut, there is nothing more to choose.", zh="不切，就没有更多的选择。")
def claim_sets_multiply(experts=4, m=2):
    """Routers reach every set of k experts: cut in two, 4 experts top-1 become 8 top-2 and 4 sets
    become 28; for 16 top-2 cut in four, 120 become 4.4 billion.

    路由能到达任意 k 个专家的组合：切成两片，4 选 1 变为 8 选 2，组合从 4 种变为 28 种；16 选 2 切成四片，从 120 种变为 44
    亿种。"""
    formula = [math.comb(experts, 1), math.comb(experts * m, m)]
    scores = torch.randn(30 * formula[1], experts * m)      # 30 a set: e⁻³⁰ that one is missed
    sets = [len(torch.unique(s.topk(n).indices.sort(1).values, dim=0))
            for s, n in ((scores[:, :experts], 1), (scores, m))]
    show(lines("cut in", (1, 2, 4, 8), {"sets of 16 experts, top-2": [math.comb(16 * i, 2 * i) for i in (1, 2, 4, 8)]},
               log="y"))
    expect("sets reached", sets, equals=formula, at=("sets there are", formula))
    expect("sets cut over sets whole", sets[1] / sets[0], at_least=1.5)
    expect("sets of 64 experts, top-8", math.comb(64, 8), equals=4_426_165_368)


@breaks(needs=1, en="A token that needs one skill finds it in a coarse expert as well.",
        zh="只需一种技能的 token，在粗专家里一样找得到。")
def claim_mixed_needs_want_fine_experts(needs=2):
    """If tokens need any two of eight skills, 4 experts of two skills each, top-1, leave three
    sevenths unserved; 8 of one skill, top-2, leave none.

    若 token 需要八种技能中的任意两种，4 个各含两种技能的专家选 1，有七分之三得不到满足；8 个各含一种的选 2，则全部满足。"""
    left = {name: unserved(8, needs, held, chosen)
            for name, held, chosen in (("4 experts, top-1", 2, 1), ("8 experts, top-2", 1, 2))}
    show(bars(list(left), {"share of needed skills not served": list(left.values())}))
    # Two skills lie in one coarse expert with chance 1/7; else one of the two is missing.
    expect("unserved by 4 experts, top-1", left["4 experts, top-1"], equals=3 / 7, within=1e-12)
    expect("unserved by 8 experts, top-2", left["8 experts, top-2"], equals=0)
    expect("unserved by either where one skill is needed", [unserved(8, 1, 2, 1), unserved(8, 1, 1, 2)], equals=0)


def drill_sets(rng) -> Drill:
    """How many sets a cut router can choose from."""
    n, k, m = rng.choice([(4, 1, 2), (3, 1, 2), (5, 1, 2), (4, 1, 3), (2, 1, 4), (3, 2, 2)])
    answer = math.comb(n * m, k * m)
    return Drill(
        en=f"A layer has {n} experts, top-{k}. Every expert is cut in {m} and {m} times as many are chosen. How many sets of "
           "experts can a token get now?",
        zh=f"一层有 {n} 个专家，选 {k} 个。每个专家切成 {m} 片，选中数也乘 {m}。现在一个 token 可能得到多少种专家组合？",
        answer=float(answer), within=0,
        steps=[(f"{n * m} experts, top-{k * m}", f"{n * m} 个专家，选 {k * m} 个"),
               (f"C({n * m}, {k * m}) = {answer}; before it was C({n}, {k}) = {math.comb(n, k)}",
                f"C({n * m}, {k * m}) = {answer}；原先是 C({n}, {k}) = {math.comb(n, k)}")],
        proved_by="sets_multiply",
    )


ZH = {
    "size over the expert's": "大小与原专家之比",
    "{} slices less the expert": "{} 片之和与原专家之差",
    "{} slices at 1/{}, less that part of the expert": "{} 片各 1/{}，与原专家的同一份额之差",
    "whole": "整块",
    "cut in {}": "切成 {} 片",
    "cut in": "切成几片",
    "expert weights": "专家参数",
    "FLOPs of a token": "每 token 的 FLOPs",
    "router weights": "路由器参数",
    "expert weights, cut over whole": "专家参数，切后与切前之比",
    "FLOPs of a token per active weight": "每个激活参数的 FLOPs",
    "FLOPs of a token in experts, cut over whole": "每 token 专家 FLOPs，切后与切前之比",
    "router weights, cut over whole": "路由器参数，切后与切前之比",
    "sets of 16 experts, top-2": "16 个专家选 2 的组合数",
    "sets reached": "到达的组合数",
    "sets there are": "全部组合数",
    "sets cut over sets whole": "切后与切前的组合数之比",
    "sets of 64 experts, top-8": "64 个专家选 8 的组合数",
    "4 experts, top-1": "4 个专家选 1",
    "8 experts, top-2": "8 个专家选 2",
    "share of needed skills not served": "未满足的技能占比",
    "unserved by 4 experts, top-1": "4 选 1 未满足的占比",
    "unserved by 8 experts, top-2": "8 选 2 未满足的占比",
    "unserved by either where one skill is needed": "只需一种技能时两者未满足的占比",
}

if __name__ == "__main__":
    main()
