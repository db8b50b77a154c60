r"""What attention changed was the number of steps that wait for each other, not the size of the gradient.

注意力改变的是要互相等待的步数，而不是梯度的大小。

Vaswani et al. 2017, Table 1; scans after Martin & Cundy 2018. Turn `gate` to "reads the state": a gate
that needs the last state cannot be computed before it, and the scan is wrong.
把 `gate` 改为 "reads the state"：门若要读上一个状态，就不能提前算好，扫描便会出错。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("a_gated_linear_recurrence_runs_in_log_rounds",), wrong=("adds_without_gates", "gates_stay", "one_round_short"))
def scan(a: Tensor, b: Tensor) -> Tensor:
    """All states of h_t = a_t · h_{t−1} + b_t from h = 0, in ⌈log₂ tokens⌉ rounds: a, b and the states are
    (tokens, width).

    用 ⌈log₂ tokens⌉ 轮求出 h_t = a_t · h_{t−1} + b_t（从 h = 0 起）的全部状态：a、b 与结果都是 (tokens, width)。"""
    reach = 1
    while reach < len(a):                                                # each holds `reach` steps, then twice as many
        earlier_a = torch.cat((torch.ones_like(a[:reach]), a[:-reach]))
        earlier_b = torch.cat((torch.zeros_like(b[:reach]), b[:-reach]))
        a, b = a * earlier_a, a * earlier_b + b
        reach *= 2
    return b


def loop(a: Tensor, b: Tensor, reads: float = 0.0) -> Tensor:
    """The same, one step after the other; with `reads` above 0 each gate falls as the state before it grows."""
    h, states = torch.zeros_like(b[0]), []
    for gate, new in zip(a, b, strict=True):
        h = gate * (1 - torch.tanh(reads * h) ** 2) * h + new
        states.append(h)
    return torch.stack(states)


def attend(x: Tensor) -> Tensor:
    """Causal self-attention in which every token is its own query, key and value: (tokens, width)."""
    scores = x @ x.T / x.shape[1] ** 0.5
    return scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf).softmax(-1) @ x


def tanh_rnn(x: Tensor) -> Tensor:
    """h_t = tanh(x_t + W h_{t−1}), with a fixed random W."""
    w = torch.randn(x.shape[1], x.shape[1], generator=torch.Generator().manual_seed(0)).to(x) / x.shape[1] ** 0.5
    h, states = torch.zeros_like(x[0]), []
    for token in x:
        h = torch.tanh(token + w @ h)
        states.append(h)
    return torch.stack(states)


WAYS = {"tanh RNN": tanh_rnn, "scan of a linear recurrence": lambda x: scan(x.sigmoid(), x), "self-attention": attend}


def longest_chain(output: Tensor) -> int:
    """Operators on the longest path of autograd's graph behind `output`: what must run one after the other, however many
    processors there are."""
    depth: dict = {}
    stack = [output.grad_fn]
    while stack:
        node = stack[-1]
        before = [n for n, _ in node.next_functions if n is not None]
        todo = [n for n in before if n not in depth]
        if todo:
            stack += todo
        else:
            depth[stack.pop()] = 1 + max((depth[n] for n in before), default=0)
    return depth[output.grad_fn]


RANGES = {
    "tokens": between(8, 300), "width": between(2, 32), "gate": one_of("input only", "reads the state"),
    "lengths": each(between(8, 128), at_least=2, rising=True), "by": one_of("self-attention", "tanh RNN"),
    "steps": one_of(100, 200, 1000), "bias": one_of(1.0, 4.0, 5.0),
}  # fmt: skip


@breaks(by="tanh RNN", en="Each step of an RNN waits for the one before it.", zh="RNN 的每一步都要等前一步。")
def claim_the_longest_chain_is_what_differs(lengths=(16, 32, 64, 128), width=8, by="self-attention"):
    """The longest chain of dependent operators grows with n in a tanh RNN, with log n in a scan, and in self-attention not
    at all.

    相互依赖的最长操作链：tanh RNN 随 n 增长，扫描随 log n 增长，自注意力则与 n 无关。"""
    chains = {name: [longest_chain(way(torch.randn(n, width, requires_grad=True))) for n in lengths] for name, way in WAYS.items()}
    show(lines("tokens", lengths, chains, log="xy", y_label="dependent operators"))
    first, last = lengths[0], lengths[-1]
    rounds = math.ceil(math.log2(last)) - math.ceil(math.log2(first))
    expect("longer chain of self-attention for more tokens", chains[by][-1] - chains[by][0], equals=0)
    expect("longer chain of the scan", chains["scan of a linear recurrence"][-1] - chains["scan of a linear recurrence"][0],
           at_most=5 * rounds)
    expect("longer chain of the RNN", chains["tanh RNN"][-1] - chains["tanh RNN"][0], at_least=3 * (last - first))


@breaks(gate="reads the state", en="A gate that reads the state makes the step nonlinear: steps no longer combine.",
        zh="门读取状态后，这一步就不是线性的，步与步之间不能先行合并。")
def claim_a_gated_linear_recurrence_runs_in_log_rounds(tokens=100, width=8, gate="input only"):
    """Where gates depend on inputs alone, h = a·h + b is computed for all n tokens in ⌈log₂ n⌉ rounds, with the loop's result.

    门只取决于输入时，h = a·h + b 可用 ⌈log₂ n⌉ 轮算出全部 n 个状态，结果与逐步循环相同。"""
    a, b = 1 - 0.1 * torch.rand(tokens, width).double(), torch.randn(tokens, width).double()    # long memory
    got, wanted = scan(a, b), loop(a, b, reads=0.0 if gate == "input only" else 2.0)
    show(lines("token", range(tokens), {"scan": got[:, 0], "loop": wanted[:, 0]}, y_label="state"))
    expect("scan less loop", got - wanted, equals=0, within=1e-10)       # float64: sums of some hundred terms of size one


@breaks(steps=1000, en="Over 1,000 steps the product of the gates has fallen below 1/n.", zh="到 1,000 步时，门的乘积已低于 1/n。")
@breaks(bias=1.0, en="At forget bias 1 the gates keep 0.73 per step.", zh="遗忘门偏置为 1 时，每步只剩 0.73。")
def claim_a_gated_path_can_carry_more_than_attention(steps=100, bias=4.0):
    """Over 100 steps a path through forget gates at σ(4) passes on 16 % of the gradient, uniform attention 1 %: a larger
    gradient is not what sets attention apart.

    相隔 100 步时，遗忘门都为 σ(4) 的通路传回 16% 的梯度，均匀注意力只有 1%：梯度更大并不是注意力的特别之处。"""
    open_gate = torch.full((steps, 1), bias).double().sigmoid()
    x = torch.zeros(steps + 1, 1).double().requires_grad_()
    (cell,) = torch.autograd.grad(loop(torch.cat((open_gate[:1], open_gate)), x)[-1].sum(), x)
    (even,) = torch.autograd.grad(attend(x)[-1].sum(), x)                # equal tokens: equal weights
    (first,) = torch.autograd.grad(attend(x)[0].sum(), x)
    back = range(steps + 1)
    show(lines("steps back", back, {"cell with a forget gate": cell.flip(0)[:, 0], "uniform attention": even.flip(0)[:, 0]}, log="y"))
    expect("gradient through attention", even[0], equals=1 / (steps + 1), within=1e-12)
    expect("gradient of the first output through later tokens", first[1:], equals=0)
    expect("gradient through the cell", cell[0], equals=(1 / (1 + math.exp(-bias))) ** steps, within=1e-9)
    expect("through the cell over through attention", cell[0] / even[0], at_least=5)


def drill_rounds(rng) -> Drill:
    """Rounds that a scan needs."""
    tokens = rng.choice([1000, 2048, 4096, 5000, 8192, 100_000])
    rounds = math.ceil(math.log2(tokens))
    return Drill(
        en=f"A gated linear recurrence runs over {tokens:,} tokens as a parallel scan that doubles its reach each round. How many rounds "
           "run one after the other?",
        zh=f"门控线性循环在 {tokens:,} 个 token 上用并行扫描计算，每轮的跨度加倍。要依次等待多少轮？",
        answer=rounds, within=0,
        steps=[(f"2^{rounds - 1} = {2 ** (rounds - 1):,} < {tokens:,} ≤ 2^{rounds} = {2**rounds:,}",) * 2,
               (f"⌈log₂ {tokens:,}⌉ = {rounds}, against {tokens:,} steps of a loop",
                f"⌈log₂ {tokens:,}⌉ = {rounds}，逐步循环则要 {tokens:,} 步")],
        proved_by="a_gated_linear_recurrence_runs_in_log_rounds",
    )


def drill_gradient(rng) -> Drill:
    """What a scalar recurrence leaves of a gradient."""
    factor, steps = rng.choice([(0.5, 10), (0.9, 10), (0.9, 20), (0.99, 100), (0.5, 6), (0.99, 50)])
    return Drill(
        en=f"A gate of {factor} at every step: what share of the gradient is left {steps} steps back?",
        zh=f"每一步的门都是 {factor}：往回 {steps} 步，梯度剩多少？",
        answer=factor**steps, within=0.02 * factor**steps,
        steps=[(f"{factor}^{steps}: the gates multiply", f"{factor}^{steps}：各步的门相乘"),
               (f"exp({steps} · ln {factor}) = exp({steps * math.log(factor):.2f}) = {factor**steps:.3g}",) * 2],
        proved_by="a_gated_path_can_carry_more_than_attention",
    )


ZH = {
    "tokens": "token 数",
    "token": "token",
    "dependent operators": "相互依赖的操作",
    "tanh RNN": "tanh RNN",
    "scan of a linear recurrence": "线性循环的扫描",
    "self-attention": "自注意力",
    "longer chain of self-attention for more tokens": "token 增多时自注意力的链变长",
    "longer chain of the scan": "扫描的链变长",
    "longer chain of the RNN": "RNN 的链变长",
    "scan": "扫描",
    "loop": "循环",
    "state": "状态",
    "scan less loop": "扫描减去循环",
    "steps back": "往回的步数",
    "cell with a forget gate": "带遗忘门的细胞状态",
    "uniform attention": "均匀注意力",
    "gradient through attention": "经注意力的梯度",
    "gradient of the first output through later tokens": "第一个输出对后面 token 的梯度",
    "gradient through the cell": "经细胞状态的梯度",
    "through the cell over through attention": "细胞状态与注意力的梯度之比",
}

if __name__ == "__main__":
    main()
