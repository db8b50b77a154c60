r"""An MLP whose first weight is cut by columns and whose second by rows needs one all-reduce each way.

MLP 的第一个权重按列切、第二个按行切，前向、反向各只需一次 all-reduce。

Shoeybi et al. 2019, §3. Turn `layout` to "row, no sum": GeLU is applied to parts of a sum. To
"row, row": right, at five times the bytes. To "bias on every rank": added once per rank. To "no f":
each rank has a part of dX. 把 `layout` 改为 "row, no sum"：GeLU 作用在未求和的部分上；"row, row"：
正确，但通信量是五倍；"bias on every rank"：每个 rank 各加一遍 bias；"no f"：每个 rank 只有 dX 的一部分。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    main,
    on_ranks,
    one_of,
    show,
)
from studyapp.evidence.tools import collectives


class Enter(torch.autograd.Function):
    """Megatron's f: x as it is, and in backward the sum of what every rank says about dX."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        grad = grad.clone()
        dist.all_reduce(grad)
        return grad


class Leave(torch.autograd.Function):
    """Megatron's g: the sum of the ranks' partial products, and in backward the gradient as it is."""

    @staticmethod
    def forward(ctx, x):
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, grad):
        return grad


@exercise(claims=("sharded_mlp_equals_the_dense_one", "one_all_reduce_each_way"),
          wrong=("adds_the_bias_before_the_sum", "forgets_the_gradient_of_the_input",
                 "cuts_the_first_weight_by_rows", "sums_before_the_activation"))
def column_row_mlp(x: Tensor, w1: Tensor, w2: Tensor, bias: Tensor, rank: int, ranks: int) -> Tensor:
    """gelu(x @ w1) @ w2 + bias with this rank's parts of the weights only. x (tokens, width), bias
    (width) and the result are the same on every rank; w1 is (width, hidden), w2 (hidden, width).
    Enter.apply hands its input on and all-reduces the gradient, Leave.apply the other way round.

    只用本 rank 的那部分权重计算 gelu(x @ w1) @ w2 + bias。x (tokens, width)、bias (width) 与结果在各 rank
    上相同；w1 为 (width, hidden)，w2 为 (hidden, width)。Enter.apply 前向原样传递、反向对梯度做 all-reduce；
    Leave.apply 正好相反。"""
    a = w1.chunk(ranks, 1)[rank]                                # columns: (width, hidden / ranks)
    b = w2.chunk(ranks, 0)[rank]                                # rows: (hidden / ranks, width)
    h = F.gelu(Enter.apply(x) @ a)                              # (tokens, hidden / ranks), complete
    return Leave.apply(h @ b) + bias                            # a sum of parts, the bias once


def row_first(x, w1, w2, bias, rank, ranks, between=lambda h: h):
    """Cut w1 by rows and x by columns: x @ w1 is then a sum over ranks, which GeLU must not precede."""
    part = Enter.apply(x).chunk(ranks, 1)[rank] @ w1.chunk(ranks, 0)[rank]      # (tokens, hidden)
    h = F.gelu(between(part))
    return Leave.apply(Enter.apply(h).chunk(ranks, 1)[rank] @ w2.chunk(ranks, 0)[rank]) + bias


def bias_everywhere(x, w1, w2, bias, rank, ranks):
    """The wrong way: every rank adds the bias to its part, and the sum holds it `ranks` times."""
    h = F.gelu(Enter.apply(x) @ w1.chunk(ranks, 1)[rank])
    return Leave.apply(h @ w2.chunk(ranks, 0)[rank] + bias)


def without_g(x, w1, w2, bias, rank, ranks):
    """The wrong way: each rank goes on with its own part of the output."""
    return F.gelu(Enter.apply(x) @ w1.chunk(ranks, 1)[rank]) @ w2.chunk(ranks, 0)[rank] + bias


def without_f(x, w1, w2, bias, rank, ranks):
    """The wrong way: nobody adds up what the ranks find for dX."""
    return Leave.apply(F.gelu(x @ w1.chunk(ranks, 1)[rank]) @ w2.chunk(ranks, 0)[rank]) + bias


LAYOUTS = {
    "column, row": column_row_mlp,
    "row, row": lambda *args: row_first(*args, between=Leave.apply),
    "row, no sum": row_first,
    "bias on every rank": bias_everywhere,
    "no f": without_f,
    "no g": without_g,
}


def step(rank: int, ranks: int, layout: str, tensors: list[Tensor], grad: Tensor) -> tuple:
    """Forward and backward on one rank: output, gradients, and the bytes handed to collectives."""
    leaves = [t.clone().requires_grad_() for t in tensors]                      # x, w1, w2, bias
    with collectives() as forward:
        y = LAYOUTS[layout](*leaves, rank, ranks)
    with collectives() as backward:
        (y * grad).sum().backward()                             # y.backward(grad) would load sympy: 0.6 s
    return y.detach(), [t.grad for t in leaves], dict(forward), dict(backward)


def traffic(rank: int, ranks: int, layouts: tuple[str, ...], tensors: list[Tensor], grad: Tensor) -> list[tuple]:
    """Bytes handed to collectives forward and backward, for each layout."""
    return [step(rank, ranks, layout, tensors, grad)[2:] for layout in layouts]


def drawn(tokens: int, width: int) -> tuple[list[Tensor], Tensor]:
    """x, w1, w2 and bias in float64, hidden = 4 · width, and a gradient for the output."""
    shapes = ((tokens, width), (width, 4 * width), (4 * width, width), (width,))
    return [torch.randn(*s, dtype=torch.float64) for s in shapes], torch.randn(tokens, width).double()


RANGES = {
    "ranks": one_of(2, 4),
    "counts": each(one_of(2, 4)),
    "tokens": between(1, 64),
    "width": between(4, 32, multiple_of=4),
    "other": one_of("row, row", "column, row"),
    "layout": one_of("column, row", "row, row", "row, no sum", "bias on every rank", "no f", "no g"),
}
NO_SUM = breaks(layout="row, no sum", en="gelu(a) + gelu(b) is not gelu(a + b): the sum must come first.",
                zh="gelu(a) + gelu(b) 不等于 gelu(a + b)：必须先求和。")
NO_F = breaks(layout="no f", en="Each rank has seen only its own columns, and its dX is a part of the sum.",
              zh="每个 rank 只看到自己的列，它的 dX 只是总和的一部分。")


@NO_SUM
@NO_F
@breaks(layout="no g", en="No dropout here, and yet each rank has a part of the output only: g adds the parts.",
        zh="这里没有 dropout，每个 rank 仍只有输出的一部分：g 把各部分加起来。")
@breaks(layout="bias on every rank", en="The all-reduce adds up the bias of every rank.",
        zh="all-reduce 会把每个 rank 的 bias 都加起来。")
def claim_sharded_mlp_equals_the_dense_one(counts=(2, 4), tokens=8, width=16, layout="column, row"):
    """Cut by columns, then by rows, the MLP gives every rank the dense output and dX, and each shard its gradient.

    先按列、再按行切开的 MLP，每个 rank 都得到与未切分时相同的输出与 dX，每个分片得到自己的梯度。"""
    tensors, grad = drawn(tokens, width)
    results = {n: on_ranks(step, n, layout, tensors, grad) for n in counts}
    x, w1, w2, bias = leaves = [t.clone().requires_grad_() for t in tensors]
    dense = F.linear(F.gelu(F.linear(x, w1.T)), w2.T, bias)
    (dense * grad).sum().backward()
    gaps = {}
    for n, ranks in results.items():
        weights = [sum(r[1][i] for r in ranks) - leaves[i].grad for i in (1, 2)]    # parts are disjoint
        gaps[n] = [max((r[0] - dense).abs().max() for r in ranks),
                   max((r[1][0] - x.grad).abs().max() for r in ranks),
                   max(w.abs().max() for w in weights),
                   max((r[1][3] - bias.grad).abs().max() for r in ranks)]
    show(bars(["output", "dX", "dW1 and dW2", "d bias"],
              {f"{n} ranks": gap for n, gap in gaps.items()}, title="largest difference from one process"))
    # Sums of up to 128 products of size up to some 100, in another order.
    for n, gap in gaps.items():
        expect(f"output, dX, dW and d bias on {n} ranks less the dense ones", gap, equals=0, within=1e-10)


@NO_F
@NO_SUM
@breaks(layout="row, row", en="A sum before GeLU moves the hidden layer, four times as wide, as well.",
        zh="GeLU 之前的求和还要搬运四倍宽的隐藏层。")
def claim_one_all_reduce_each_way(ranks=2, tokens=8, width=16, layout="column, row"):
    """Forward needs one all-reduce of tokens · width numbers, backward another, and nothing else.

    前向只需一次 all-reduce，大小为 tokens · width 个数，反向再一次，此外没有通信。"""
    tensors, grad = drawn(tokens, width)
    *_, forward, backward = on_ranks(step, ranks, layout, tensors, grad)[0]
    once = tokens * width * 8
    show(bars(["forward", "backward"],
              {"all_reduce": [forward.get("all_reduce", 0), backward.get("all_reduce", 0)],
               "tokens · width · 8": [once, once]}, y_label="bytes"))
    expect("bytes into all_reduce, forward", forward.get("all_reduce", 0), equals=once)
    expect("bytes into all_reduce, backward", backward.get("all_reduce", 0), equals=once)
    expect("kinds of collectives used", len(forward | backward), equals=1)


@breaks(other="column, row", en="Column then row sums nothing before GeLU.", zh="先列后行，GeLU 之前无须求和。")
def claim_row_first_also_moves_the_hidden_layer(ranks=2, tokens=8, width=16, other="row, row"):
    """Rows first needs a sum before GeLU: with a hidden layer four times as wide, five times the bytes each way.

    先按行切就要在 GeLU 之前求和：隐藏层四倍宽时，前向、反向的通信量都是五倍。"""
    tensors, grad = drawn(tokens, width)
    here, best = on_ranks(traffic, ranks, (other, "column, row"), tensors, grad)[0]
    ratios = [a["all_reduce"] / b["all_reduce"] for a, b in zip(here, best, strict=True)]
    show(bars(["forward", "backward"], {"row first over column first": ratios}))
    expect("bytes of row first over those of column first", ratios, equals=5)


def drill_all_reduce_bytes(rng) -> Drill:
    """Bytes per rank that tensor parallelism puts into all-reduces in a step, and on the wire."""
    layers, tokens, width = rng.choice([(32, 4096, 4096), (40, 8192, 5120), (80, 8192, 8192)])
    ranks = rng.choice([2, 4, 8])
    each_one = tokens * width * 2
    wire = 4 * layers * 2 * (ranks - 1) / ranks * each_one / 1e9
    return Drill(
        en=f"{layers} layers, {tokens:,} tokens in the micro-batch, width {width:,}, 16-bit activations, "
           f"tensor parallelism over {ranks} ranks, no recomputation. How many GB (1e9) does each rank "
           "send in one forward and backward pass, if every all-reduce is a ring?",
        zh=f"{layers} 层，每个微批次 {tokens:,} 个 token，宽 {width:,}，16 位激活值，{ranks} 个 rank 做张量并行，"
           "不重计算。若每次 all-reduce 都是 ring，一次前向加反向，每个 rank 发送多少 GB（1e9）？",
        answer=wire, within=0.02 * wire,
        steps=[
            (f"one all-reduce: {tokens:,} · {width:,} · 2 bytes = {each_one / 1e9:.4f} GB",
             f"一次 all-reduce：{tokens:,} · {width:,} · 2 字节 = {each_one / 1e9:.4f} GB"),
            (f"2 blocks per layer, each 1 forward and 1 backward: 4 · {layers} = {4 * layers}",
             f"每层 2 个子块，前向、反向各 1 次：4 · {layers} = {4 * layers} 次"),
            (f"a ring sends 2({ranks} − 1)/{ranks} of the tensor: {wire:.1f} GB in all",
             f"ring 发送张量的 2({ranks} − 1)/{ranks}：共 {wire:.1f} GB"),
        ],
        proved_by="one_all_reduce_each_way",
    )


def drill_parameters_per_rank(rng) -> Drill:
    """Weights of a SwiGLU MLP per rank."""
    width, hidden = rng.choice([(4096, 14336), (8192, 28672), (5120, 17408), (4096, 12288)])
    ranks = rng.choice([2, 4, 8])
    here = 3 * width * hidden / ranks / 1e6
    return Drill(
        en=f"A SwiGLU MLP without biases has width {width:,} and hidden width {hidden:,}. How many million "
           f"weights does each of {ranks} tensor-parallel ranks hold?",
        zh=f"一个无 bias 的 SwiGLU MLP，宽 {width:,}，隐藏宽度 {hidden:,}。{ranks} 路张量并行时，"
           "每个 rank 保存多少百万个权重？",
        answer=here,
        steps=[
            (f"gate, up and down: 3 · {width:,} · {hidden:,} = {3 * width * hidden / 1e6:.1f} million",
             f"gate、up、down：3 · {width:,} · {hidden:,} = {3 * width * hidden / 1e6:.1f} 百万"),
            (f"columns of gate and up, rows of down, 1/{ranks} of each: {here:.1f} million",
             f"gate、up 按列，down 按行，各取 1/{ranks}：{here:.1f} 百万"),
        ],
        proved_by="sharded_mlp_equals_the_dense_one",
    )


ZH = {
    "output": "输出",
    "dX": "dX",
    "dW1 and dW2": "dW1 与 dW2",
    "d bias": "d bias",
    "{} ranks": "{} 个 rank",
    "largest difference from one process": "与单进程的最大差异",
    "output, dX, dW and d bias on {} ranks less the dense ones": "{} 个 rank 上的输出、dX、dW、d bias 与未切分之差",
    "forward": "前向",
    "backward": "反向",
    "bytes": "字节",
    "tokens · width · 8": "tokens · width · 8",
    "bytes into all_reduce, forward": "前向送入 all_reduce 的字节数",
    "bytes into all_reduce, backward": "反向送入 all_reduce 的字节数",
    "kinds of collectives used": "用到的集合通信种类数",
    "row first over column first": "先行与先列之比",
    "bytes of row first over those of column first": "先按行与先按列的通信量之比",
}

if __name__ == "__main__":
    main()
