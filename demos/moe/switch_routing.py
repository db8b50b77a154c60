r"""A Switch layer sends each token to one expert with room for C tokens; those beyond it are dropped and
pass through the residual alone.

Switch 层把每个 token 送给一个专家，每个专家只容纳 C 个 token；超出的被丢弃，只经残差通过。

Fedus et al. 2021; C = factor · tokens / experts, first come, first served. Turn `over` to "kept"
(dropless): nothing is dropped, and the work per expert is as uneven as the routing.
把 `over` 改为 "kept"（dropless）：什么也不丢，各专家的工作量则与路由一样不均。
"""

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

F64, WIDTH, D_FF = torch.float64, 8, 32      # 32 units are never all zero behind the ReLU


@exercise(
    claims=("equals_a_loop_with_counters", "drops_are_what_exceeds_the_capacity"),
    wrong=("one_too_few", "one_too_many", "drops_the_first", "counts_all_experts_together"),
)
def slots(chosen: Tensor, experts: int, capacity: int) -> Tensor:
    """The slot of each token at its expert, 0 … capacity − 1 in the order of the tokens; −1 if the expert
    is already full. chosen and the result are (tokens,).

    每个 token 在其专家处的槽位，按 token 次序为 0 … capacity − 1；专家已满则为 −1。chosen 与结果都是 (tokens,)。"""
    before = torch.nn.functional.one_hot(chosen, experts).cumsum(0) - 1         # (tokens, experts)
    place = before.gather(1, chosen[:, None])[:, 0]                             # (tokens,)
    return place.where(place < capacity, -1)


def switch(x: Tensor, router: Tensor, up: Tensor, down: Tensor, capacity: int) -> Tensor:
    """The layer without its residual, from buffers of a fixed shape (experts, capacity, width)."""
    gate, chosen = (x @ router).softmax(-1).max(-1)
    slot = slots(chosen, len(up), capacity)
    kept = slot >= 0
    buffer = x.new_zeros(len(up), capacity, WIDTH)
    buffer[chosen[kept], slot[kept]] = x[kept]
    y = torch.bmm(torch.bmm(buffer, up).relu(), down)                           # (experts, capacity, width)
    out = torch.zeros_like(x)
    out[kept] = gate[kept, None] * y[chosen[kept], slot[kept]]
    return out


def drawn(tokens: int, experts: int, skew: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, router, up, down. The first input is constant, and its router row prefers expert 0, then 1, …:
    by `skew` more, as of a router that was trained on uneven data."""
    x, router = torch.randn(tokens, WIDTH, dtype=F64), torch.randn(WIDTH, experts, dtype=F64) / 3
    x[:, 0], router[0] = 1, skew * torch.linspace(1, 0, experts, dtype=F64)
    return x, router, torch.randn(experts, WIDTH, D_FF, dtype=F64), torch.randn(experts, D_FF, WIDTH, dtype=F64)


def capacity_of(tokens: int, experts: int, factor: float, over: str) -> int:
    """Slots per expert; dropless gives each expert room for all."""
    return tokens if over == "kept" else int(factor * tokens / experts)


RANGES = {
    "tokens": between(64, 256, multiple_of="experts"), "experts": one_of(4, 8, 16),
    "skew": between(1.0, 4.0), "factor": between(1.0, 1.5), "over": one_of("dropped", "kept"),
    "factors": each(between(1.0, 4.0), at_least=2, rising=True), "gate": one_of("p", "one"),
}  # fmt: skip
KEPT = breaks(over="kept", en="With room for all nothing is dropped, and tokens do not meet.",
              zh="容量足够时什么也不丢，token 之间互不影响。")


@KEPT
@breaks(gate="one", en="Not scaled by p, the output is the expert's alone.", zh="不乘 p，输出就只是专家的输出。")
def claim_equals_a_loop_with_counters(tokens=64, experts=8, skew=2.0, factor=1.25, over="dropped", gate="p"):
    """Buffers of fixed shape give what a loop gives that counts each expert's tokens, skips full experts
    and multiplies by the probability.

    定长缓冲的结果，等于逐个 token 计数、跳过已满的专家、再乘概率的循环。"""
    x, router, up, down = drawn(tokens, experts, skew)
    out = switch(x, router, up, down, capacity_of(tokens, experts, factor, over))
    full, count, loop = int(factor * tokens / experts), [0] * experts, torch.zeros_like(x)
    for t in range(tokens):
        p = (x[t] @ router).softmax(-1)
        e = int(p.argmax())
        count[e] += 1
        if count[e] <= full:
            loop[t] = (p[e] if gate == "p" else 1) * ((x[t] @ up[e]).relu() @ down[e])
    show(bars([f"expert {e}" for e in range(experts)], {"tokens": count, "capacity": [full] * experts}))
    # float64: terms of up to some hundred, added in another order
    expect("output less the loop's", out - loop, equals=0, within=1e-10)


@KEPT
def claim_drops_are_what_exceeds_the_capacity(tokens=256, experts=8, skew=2.0, factors=(1.0, 1.25, 2.0, 4.0),
                                              over="dropped"):
    """The tokens dropped are Σ max(0, n − C), n the tokens of each expert: a larger factor drops fewer, and
    C slots per expert are filled the less.

    被丢弃的 token 数是 Σ max(0, n − C)，n 为各专家分到的 token 数：系数越大丢得越少，每个专家的 C 个槽位也越空。"""
    x, router, up, down = drawn(tokens, experts, skew)
    load = [0] * experts
    for row in (x @ router).tolist():
        load[row.index(max(row))] += 1
    full = [int(f * tokens / experts) for f in factors]
    lost = [(switch(x, router, up, down, capacity_of(tokens, experts, f, over)) == 0).all(1).sum().item()
            for f in factors]
    show(lines("capacity factor", factors, {
        "share of the tokens dropped": [n / tokens for n in lost],
        "share of the slots filled": [(tokens - n) / (experts * c) for n, c in zip(lost, full, strict=True)]}))
    expect("tokens dropped", lost, equals=[sum(max(0, n - c) for n in load) for c in full],
           at=("factor", factors))


@KEPT
def claim_slots_cost_whether_filled_or_not(tokens=256, experts=8, skew=2.0, factors=(1.0, 1.25, 2.0, 4.0),
                                           over="dropped"):
    """With fixed shapes the experts' FLOPs are those of E·C rows, filled or not: they grow as the factor.

    形状固定时，专家的 FLOPs 按 E·C 行计算，不论是否填满：与容量系数成正比。"""
    spent = [flops(switch, *drawn(tokens, experts, skew), capacity_of(tokens, experts, f, over))
             - 2 * tokens * WIDTH * experts for f in factors]                   # less the router's
    full = [experts * int(f * tokens / experts) for f in factors]
    show(lines("capacity factor", factors, {"FLOPs of the experts": spent}))
    expect("FLOPs of the experts", spent, equals=[4 * WIDTH * D_FF * rows for rows in full],
           at=("factor", factors))


@KEPT
def claim_a_token_depends_on_those_before_it(tokens=64, experts=8, skew=2.0, over="dropped"):
    """With a capacity the same token may get its expert alone and be dropped in a batch: its output
    depends on the other requests.

    有了容量上限，同一个 token 单独计算时有专家处理，放进批里却可能被丢弃：输出取决于其他请求。"""
    x, router, up, down = drawn(tokens, experts, skew)
    together = switch(x, router, up, down, capacity_of(tokens, experts, 1.0, over))
    alone = torch.cat([switch(x[t : t + 1], router, up, down, 1) for t in range(tokens)])
    gap = (together - alone).abs().amax(1)
    show(
        bars(
            ["alone", "in the batch"],
            {"tokens with an output": [(y != 0).any(1).sum().item() for y in (alone, together)]},
        )
    )
    expect("tokens whose output changes in the batch", (gap > 1e-9).sum(), at_least=1)
    expect("change where the token was kept", gap[(together != 0).any(1)], equals=0, within=1e-10)


def drill_capacity(rng) -> Drill:
    """Capacity, drops and slots."""
    tokens, experts, factor = rng.choice([(64, 4, 1.25), (64, 4, 1.0), (80, 8, 1.5), (120, 4, 1.0)])
    mean = tokens // experts
    load = [mean + 9, mean + 3, mean - 5, mean - 7] + [mean] * (experts - 4)
    full = int(factor * mean)
    chosen = torch.arange(experts).repeat_interleave(torch.tensor(load))
    lost = int((slots(chosen, experts, full) < 0).sum())
    return Drill(
        en=f"{tokens} tokens, {experts} experts, top-1, capacity factor {factor}; the router sends {load} tokens to "
           f"them. How many tokens are dropped?",
        zh=f"{tokens} 个 token，{experts} 个专家，top-1，容量系数 {factor}；路由器分给它们的 token 数为 {load}。"
           f"丢弃多少个 token？",
        answer=lost, within=0,
        steps=[(f"capacity {factor} · {tokens} / {experts} = {full}", f"容量 {factor} × {tokens} / {experts} = {full}"),
               (f"Σ max(0, n − {full}) = {lost}", f"Σ max(0, n − {full}) = {lost}")],
        proved_by="drops_are_what_exceeds_the_capacity",
    )


def drill_slots_filled(rng) -> Drill:
    """The share of useful slots."""
    factor, dropped = rng.choice([(1.0, 5), (1.25, 0), (2.0, 0), (1.25, 10), (1.5, 10)])
    share = (1 - dropped / 100) / factor
    return Drill(
        en=f"Capacity factor {factor}, and {dropped} % of the tokens are dropped (top-1, fixed shapes). What share of "
           f"the computed slots holds a token, in percent?",
        zh=f"容量系数 {factor}，丢弃了 {dropped} % 的 token（top-1，形状固定）。计算的槽位中有百分之几装着 token？",
        answer=100 * share, unit="%", within=0.6,
        steps=[(f"slots per token: {factor}", f"每个 token 对应的槽位：{factor}"),
               (f"(1 − {dropped / 100:g}) / {factor} = {share:.3f}", f"(1 − {dropped / 100:g}) / {factor} = {share:.3f}")],
        proved_by="slots_cost_whether_filled_or_not",
    )


ZH = {
    "expert {}": "专家 {}",
    "tokens": "token 数",
    "capacity": "容量",
    "output less the loop's": "输出与循环结果之差",
    "capacity factor": "容量系数",
    "factor": "系数",
    "share of the tokens dropped": "丢弃的 token 占比",
    "share of the slots filled": "填满的槽位占比",
    "tokens dropped": "丢弃的 token 数",
    "FLOPs of the experts": "专家的 FLOPs",
    "alone": "单独",
    "in the batch": "在批中",
    "tokens with an output": "有输出的 token 数",
    "tokens whose output changes in the batch": "输出因批而变的 token 数",
    "change where the token was kept": "保留的 token 的输出变化",
}

if __name__ == "__main__":
    main()
