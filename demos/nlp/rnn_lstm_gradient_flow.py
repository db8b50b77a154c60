r"""A gradient that goes back through an RNN is a product of Jacobians; an LSTM's cell adds a path that
the forget gates scale.

RNN 反向传播的梯度是一串雅可比矩阵的乘积；LSTM 的细胞状态多出一条由遗忘门缩放的通路。

Hochreiter & Schmidhuber 1997; the forget gate is of Gers et al. 2000. Turn `forget_bias` from 4 to 0:
the gates are half open, and 50 steps leave nothing. 把 `forget_bias` 从 4 改为 0：门只开一半，50 步之后什么也不剩。
"""

import math

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("the_step_is_torchs", "an_open_forget_gate_keeps_the_gradient"),
          wrong=("gates_the_output_twice", "no_forget_gate", "input_and_forget_swapped"))
def step(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """One LSTM step: x (batch, width_in), h and c (batch, width), w (4·width, width_in),
    u (4·width, width), b (4·width,), blocks in the order input, forget, candidate, output. The new h, c.

    LSTM 的一步：x (batch, width_in)，h 与 c (batch, width)，w (4·width, width_in)，u (4·width, width)，b (4·width,)，
    四块依次为输入门、遗忘门、候选、输出门。返回新的 h、c。"""
    i, f, g, o = (x @ w.T + h @ u.T + b).chunk(4, -1)                    # each (batch, width)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()                         # the cell: scaled, and added to
    return o.sigmoid() * c.tanh(), c


def weights(width: int, gain: float, forget_bias: float) -> tuple[Tensor, Tensor, Tensor]:
    """Input weights, recurrent weights (`gain` times U(−1/√width, 1/√width), torch's) and biases."""
    w, u = (torch.rand(4 * width, width).double().mul_(2).sub_(1) / width**0.5 for _ in range(2))
    b = torch.zeros(4 * width).double()
    b[width : 2 * width] = forget_bias
    return w, gain * u, b


def kept(tokens: int, width: int, gain: float, forget_bias: float) -> list[float]:
    """‖∂(v·c_T)/∂c_t‖ / ‖v‖ for t = T … 0, with random inputs and a random v."""
    w, u, b = weights(width, gain, forget_bias)
    h, c = torch.zeros(1, width).double(), torch.zeros(1, width).double().requires_grad_()
    cells = [c]
    for x in torch.randn(tokens, 1, width).double():
        h, c = step(x, h, c, w, u, b)
        cells.append(c)
    v = torch.randn(1, width).double()
    grads = torch.autograd.grad((v * c).sum(), cells)
    return [(g.norm() / v.norm()).item() for g in reversed(grads)]


def parameters(cell: str, width_in: int, width: int) -> int:
    """Weights and PyTorch's two bias vectors of one layer: 1, 3 or 4 blocks for RNN, GRU and LSTM."""
    return {"RNN": 1, "GRU": 3, "LSTM": 4}[cell] * width * (width_in + width + 2)


RANGES = {
    "batch": between(1, 16), "width_in": between(1, 64), "width": between(32, 48), "tokens": between(40, 80),
    "forget_bias": one_of(0.0, 4.0, 5.0), "singular": one_of(0.5, 0.8, 0.9, 2.0), "gain": one_of(1.0, 30.0, 40.0),
    "order": one_of("input first", "forget first"), "blocks": one_of("4", "1"),
}  # fmt: skip


@breaks(order="forget first", en="Another order of the four blocks is another cell: weights of one do not fit the other.",
        zh="四块的次序不同就是另一个单元，权重不能互换。")
def claim_the_step_is_torchs(batch=4, width_in=10, width=32, order="input first"):
    """The LSTM written out, c = f·c + i·g and h = o·tanh(c), gives the numbers of torch's LSTMCell.

    把 LSTM 写开：c = f·c + i·g，h = o·tanh(c)，结果与 torch 的 LSTMCell 相同。"""
    cell = nn.LSTMCell(width_in, width).double()
    x, (h, c) = torch.randn(batch, width_in).double(), torch.randn(2, batch, width).double()
    w, u, b = cell.weight_ih, cell.weight_hh, cell.bias_ih + cell.bias_hh
    if order == "forget first":
        swap = torch.arange(4 * width).view(4, width)[[1, 0, 2, 3]].flatten()
        w, u, b = w[swap], u[swap], b[swap]
    got, wanted = torch.stack(step(x, h, c, w, u, b)), torch.stack(cell(x, (h, c)))
    show(lines("unit", range(width), {"c": got[1, 0], "LSTMCell": wanted[1, 0]}))
    expect("h and c less those of LSTMCell", got - wanted, equals=0, within=1e-12)   # float64


@breaks(singular=2.0, en="Singular values of 2 outweigh tanh's slope: nothing vanishes.",
        zh="奇异值为 2 时胜过 tanh 的斜率，梯度不再消失。")
def claim_a_tanh_rnn_forgets(tokens=50, width=32, singular=0.9):
    """In h = tanh(Ux + Wh) the gradient is a product of W and slopes of tanh: with singular values of at most 0.9, 50 steps
    leave under 1 % of it.

    在 h = tanh(Ux + Wh) 里，梯度是 W 与 tanh 斜率的连乘：奇异值不超过 0.9 时，50 步后剩下不到 1%。"""
    w = singular * torch.linalg.qr(torch.randn(width, width).double())[0]
    h = first = torch.zeros(width).double().requires_grad_()
    slopes = []
    for x in 0.1 * torch.randn(tokens, width).double():
        h = torch.tanh(x + w @ h)
        slopes.append((1 - h**2).detach())
    v = torch.randn(width).double()
    (grad,) = torch.autograd.grad(v @ h, first)
    by_hand, sizes = v, []
    for slope in reversed(slopes):                                        # Wᵀ diag(1 − h²), last step first
        by_hand = w.T @ (slope * by_hand)
        sizes.append((by_hand.norm() / v.norm()).item())
    back = range(1, tokens + 1)
    show(lines("steps back", back, {"gradient": sizes, "0.9 to the steps": [0.9**t for t in back]}, log="y"))
    expect("gradient by autograd, over its size, less the product", (grad - by_hand) / by_hand.norm(), equals=0, within=1e-10)
    expect("gradient left, over 0.9 to the steps", sizes[-1] / 0.9**tokens, at_most=1 + 1e-9)
    expect("gradient left", sizes[-1], at_most=0.0148)                   # 0.9^40 for the shortest text of the range


@breaks(forget_bias=0.0, en="At bias 0 each step keeps about half: 2^−50.", zh="偏置为 0 时每步约剩一半：50 步后是 2^−50。")
def claim_an_open_forget_gate_keeps_the_gradient(tokens=50, width=32, forget_bias=4.0):
    """Through the cell of a random LSTM, 50 steps keep over a tenth of the gradient with forget bias 4,
    and under a millionth with bias 0.

    随机初始化的 LSTM，遗忘门偏置为 4 时，50 步后细胞状态的梯度还剩十分之一以上；偏置为 0 时不到百万分之一。"""
    curves = {}
    for bias in (0.0, 1.0, forget_bias):
        curves[bias] = kept(tokens, width, 1.0, bias)
    gates = [(1 / (1 + math.exp(-forget_bias))) ** t for t in range(tokens + 1)]
    show(lines("steps back", range(tokens + 1), {f"forget bias {b:g}": y for b, y in curves.items()} | {"the forget gates alone": gates},
               log="y"))
    expect("gradient kept", curves[forget_bias][-1], at_least=0.1)
    expect("gradient kept, at most", curves[forget_bias][-1], at_most=100)   # paths through the gates add to the direct one
    expect("gradient kept at bias 0", curves[0.0][-1], at_most=1e-6)


@breaks(gain=1.0, en="With small recurrent weights nothing explodes.", zh="循环权重小时不会爆炸。")
def claim_an_lstm_can_still_explode(tokens=50, width=32, gain=30.0):
    """The gates do not bound the gradient: with recurrent weights 30 times torch's first ones, 50 steps of an LSTM
    multiply it by over a thousand.

    门控并不能限制梯度：循环权重为 torch 初始值的 30 倍时，LSTM 的 50 步就把梯度放大一千倍以上。"""
    curves = {g: kept(tokens, width, g, 1.0) for g in (1.0, gain)}
    show(lines("steps back", range(tokens + 1), {f"{g:g} times the weights": y for g, y in curves.items()}, log="y"))
    expect("gradient, over its size at the last step", curves[gain][-1], at_least=1000)


@breaks(blocks="1", en="A GRU has three blocks, an LSTM four.", zh="GRU 有三块，LSTM 有四块。")
def claim_an_lstm_has_four_times_an_rnn(width_in=10, width=32, blocks="4"):
    """At equal widths an LSTM has 4 times the parameters of an RNN and a GRU 3 times.

    宽度相同时，LSTM 的参数是 RNN 的 4 倍，GRU 是 3 倍。"""
    cells = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
    real = [sum(p.numel() for p in make(width_in, width).parameters()) for make in cells.values()]
    count = [parameters(name if blocks == "4" else "RNN", width_in, width) for name in cells]
    show(bars(list(cells), {"parameters": real}))
    expect("parameters by the formula", count, equals=real, at=("cell", list(cells)))
    expect("times the RNN", [n / real[0] for n in real], equals=[1, 3, 4], at=("cell", list(cells)))


def drill_parameters(rng) -> Drill:
    """Parameters of one recurrent layer."""
    cell, (width_in, width) = rng.choice(["RNN", "GRU", "LSTM"]), rng.choice([(10, 20), (100, 100), (300, 500), (50, 100), (128, 256)])
    blocks, per = {"RNN": 1, "GRU": 3, "LSTM": 4}[cell], width * (width_in + width + 2)
    return Drill(
        en=f"A one-layer {cell} in PyTorch has inputs of width {width_in} and a state of width {width}. How many parameters, with two "
           "bias vectors per block?",
        zh=f"PyTorch 的单层 {cell}，输入宽 {width_in}，状态宽 {width}。有多少参数（每块两个偏置向量）？",
        answer=parameters(cell, width_in, width), within=0,
        steps=[(f"one block: {width} · ({width_in} + {width} + 2) = {per:,}", f"一块：{width} · ({width_in} + {width} + 2) = {per:,}"),
               (f"{blocks} block{'s' if blocks > 1 else ''}: {blocks * per:,}", f"{blocks} 块：{blocks * per:,}")],
        proved_by="an_lstm_has_four_times_an_rnn",
    )


ZH = {
    "unit": "单元",
    "h and c less those of LSTMCell": "h、c 减去 LSTMCell 的",
    "steps back": "往回的步数",
    "gradient": "梯度",
    "0.9 to the steps": "0.9 的步数次方",
    "gradient by autograd, over its size, less the product": "autograd 的梯度减去连乘（相对值）",
    "gradient left, over 0.9 to the steps": "剩下的梯度与 0.9 的步数次方之比",
    "gradient left": "剩下的梯度",
    "forget bias {}": "遗忘门偏置 {}",
    "gradient kept": "保留的梯度",
    "the forget gates alone": "只算遗忘门",
    "gradient kept, at most": "保留的梯度（上限）",
    "gradient kept at bias 0": "偏置为 0 时保留的梯度",
    "{} times the weights": "权重的 {} 倍",
    "gradient, over its size at the last step": "梯度与最后一步之比",
    "parameters": "参数",
    "parameters by the formula": "按公式的参数量",
    "times the RNN": "RNN 的倍数",
    "cell": "单元类型",
}

if __name__ == "__main__":
    main()
