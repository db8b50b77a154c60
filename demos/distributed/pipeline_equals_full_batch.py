r"""Micro-batches through real stages give the gradient of the whole batch, if the weights stand still.

微批次流过真实的各级，只要权重在此期间不动，得到的就是整个批次的梯度。

Huang et al. 2019 (GPipe), §2.2–2.3. Turn `norm` to "batch": statistics of a micro-batch are not those
of the batch, and the gradient is another.
把 `norm` 改为 "batch"：微批次的统计量不是整批的统计量，梯度就变了。
"""

from itertools import pairwise

import torch
import torch.distributed as dist
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, on_ranks, one_of, show
from studyapp.evidence.tools import collectives, randn


@exercise(claims=("rematerialising_keeps_only_the_stage_input",),
          wrong=("forgets_the_gradient_behind", "returns_the_output", "keeps_the_graph_off"))
def from_the_input(stage: nn.Module, x: Tensor, grad: Tensor) -> Tensor:
    """Backward of one micro-batch from the stage's input alone: run the stage again, add to the gradients
    of its parameters, and give ∂loss/∂x. x is the input (samples, width), grad is ∂loss/∂output.

    只凭该级的输入做一个微批次的反向：重新跑一遍该级，把参数的梯度累加上去，返回 ∂loss/∂x。
    x 是输入 (samples, width)，grad 是 ∂loss/∂输出。"""
    x = x.detach().requires_grad_()                                         # a leaf, so that x.grad appears
    stage(x).backward(grad)                                                 # forward again, then backward
    return x.grad


def build(widths: list[int], norm: str, seed: int) -> nn.Module:
    """Linear and tanh from each width to the next, the same numbers on every rank; float64."""
    torch.manual_seed(seed)
    layers = [part for a, b in pairwise(widths)
              for part in (nn.Linear(a, b), *([nn.BatchNorm1d(b)] if norm == "batch" else []), nn.Tanh())]
    return nn.Sequential(*layers).double()


def work(rank, ranks, widths, batch, m, norm, scale):
    """One GPipe step on one rank: its gradients, and the bytes that it sent. widths has a list per stage."""
    x, target = randn(batch, widths[0][0], seed=1).double(), randn(batch, widths[-1][-1], seed=2).double()
    stage, held = build(widths[rank], norm, rank), []
    with collectives() as counted:
        for i in range(m):                                                  # all forwards
            a = x.chunk(m)[i] if rank == 0 else torch.empty(batch // m, widths[rank][0], dtype=torch.float64)
            if rank > 0:
                dist.recv(a, rank - 1)
                a.requires_grad_()
            held.append((a, stage(a)))
            if rank < ranks - 1:
                dist.send(held[-1][1].detach(), rank + 1)
        for i, (a, y) in enumerate(held):                                   # all backwards
            if rank == ranks - 1:
                ((y - target.chunk(m)[i]).square().mean() * scale).backward()
            else:
                grad = torch.empty_like(y)
                dist.recv(grad, rank + 1)
                y.backward(grad)
            if rank > 0:
                dist.send(a.grad, rank - 1)
    return [p.grad.tolist() for p in stage.parameters()], counted["send"]


def bytes_sent(rank, ranks, nets, batch, m):
    """Bytes that one rank sends in a step, for each of several nets."""
    return [work(rank, ranks, widths, batch, m, "none", 1.0)[1] for widths in nets]


RANGES = {
    "batch": between(8, 48, multiple_of="micro_batches"),
    "micro_batches": between(2, 6),
    "norm": one_of("none", "batch"),
    "scaled": one_of("by m", "not"),
    "cut": one_of("between blocks", "inside a block"),
    "kept": one_of("stage input", "everything", "stashed", "newest"),
}


@breaks(scaled="not", en="Each micro-batch's mean is over N/m samples: summed up, the gradient is m times too large.",
        zh="每个微批次的平均只除以 N/m：直接相加，梯度大了 m 倍。")
@breaks(norm="batch", en="BatchNorm takes its mean and variance from each micro-batch, not from the batch.",
        zh="BatchNorm 的均值与方差取自各个微批次，而不是整个批次。")
def claim_accumulated_gradients_equal_the_full_batch(batch=24, micro_batches=4, norm="none", scaled="by m"):
    """The gradients of m micro-batches, added up over three real stages and divided by m, are those of
    the whole batch in one process.

    微批次流过三个真实的级，m 个梯度相加再除以 m，就等于单进程整批的梯度。"""
    widths = [[6, 8, 8], [8, 8, 8], [8, 8, 3]]
    scale = 1 / micro_batches if scaled == "by m" else 1.0
    parts = on_ranks(work, 3, widths, batch, micro_batches, norm, scale)
    whole = nn.Sequential(*(build(w, norm, s) for s, w in enumerate(widths)))
    loss = (whole(randn(batch, 6, seed=1).double()) - randn(batch, 3, seed=2).double()).square().mean()
    loss.backward()
    mine = torch.cat([torch.tensor(g, dtype=torch.float64).flatten() for grads, _ in parts for g in grads])
    theirs = torch.cat([p.grad.flatten() for p in whole.parameters()])
    show(bars([f"stage {s}" for s in range(3)],
              {"norm of its gradients": [torch.cat([torch.tensor(g).flatten() for g in grads]).norm()
                                         for grads, _ in parts]}))
    # float64: sums of some tens of terms below 1
    expect("gradient less the full batch's", mine - theirs, equals=0, within=1e-12)


@breaks(cut="inside a block", en="Cut inside a block, the message has the block's inner width, four times as many numbers.",
        zh="切在块的内部，消息就是内部宽度，数量是四倍。")
def claim_a_message_holds_one_boundary_activation(batch=24, micro_batches=4, cut="between blocks"):
    """A message holds the activations of one micro-batch at the boundary, samples times width, however
    many layers a stage has; p − 1 boundaries and m micro-batches make 2m(p−1) of them.

    一条消息就是一个微批次在边界上的激活值（样本数 × 宽度），与一级有多少层无关；p − 1 个边界、m 个微批次，共 2m(p−1) 条。"""
    width, nets = 8, []
    for blocks in (1, 4):
        first = [width, *[4 * width, width] * blocks]                        # blocks of width, 4·width, width
        second = [width, *[4 * width, width] * blocks]
        if cut == "inside a block":
            first, second = first[:-1], [4 * width, width, *second[1:]]
        nets.append([first, second])
    sent = [sum(part) for part in zip(*on_ranks(bytes_sent, 2, nets, batch, micro_batches), strict=True)]
    message = batch // micro_batches * width * 8                            # float64
    show(lines("blocks per stage", (1, 4), {"bytes sent in a step": sent}))
    expect("bytes sent over 2m(p−1) messages", [s / (2 * micro_batches) for s in sent], equals=message,
           at=("blocks", (1, 4)))


@breaks(kept="everything", en="Without it every layer's output of every micro-batch waits for its backward.",
        zh="不重算时，每个微批次、每一层的输出都要留到反向。")
def claim_rematerialising_keeps_only_the_stage_input(batch=24, micro_batches=4, kept="stage input"):
    """With recomputation a GPipe stage holds N + (layers)·N/m activations at its peak: the inputs of all
    micro-batches and the inside of one; gradients are the same.

    重算时，GPipe 的一级在峰值只保存 N + (层数)·N/m 份激活：全部微批次的输入，加上一个微批次的内部；梯度不变。"""
    depth, width = 4, 8
    stage, plain = build([width] * (depth + 1), "none", 0), build([width] * (depth + 1), "none", 0)
    x, grad = randn(batch, width, seed=1).double(), randn(batch, width, seed=2).double()
    inputs, weights = list(x.chunk(micro_batches)), {p.data_ptr() for p in stage.parameters()}
    alive, outputs = {}, []

    def keep(t: Tensor) -> Tensor:
        if t.data_ptr() not in weights:
            alive[t.data_ptr(), t.shape] = t.numel()
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        if kept == "everything":
            outputs = [stage(a) for a in inputs]
        else:                                                               # one at a time, inside once
            out = from_the_input(stage, inputs[0], grad.chunk(micro_batches)[0])
    inside = sum(alive.values())
    peak = inside if kept == "everything" else x.numel() + inside - inputs[0].numel()
    if kept == "everything":
        for y, g in zip(outputs, grad.chunk(micro_batches), strict=True):
            y.backward(g)
    else:
        for a, g in list(zip(inputs, grad.chunk(micro_batches), strict=True))[1:]:
            from_the_input(stage, a, g)
    b = x.clone().requires_grad_()
    plain(b).backward(grad)
    formula = batch + depth * batch // micro_batches
    show(bars(["held at the peak", "N + layers · N/m", "N · (layers + 1)"],
              {"activations of the stage's width": [peak / width, formula, batch * (depth + 1)]}))
    expect("activations held at the peak", peak / width, equals=formula)
    gaps = [(mine.grad - theirs.grad).flatten() for mine, theirs in zip(stage.parameters(), plain.parameters(), strict=True)]
    expect("gradient less the whole batch's", torch.cat(gaps), equals=0, within=1e-12)
    if kept != "everything":
        expect("∂loss/∂input less autograd's", out - b.grad[:len(out)], equals=0, within=1e-12)


@breaks(kept="newest", en="Backward through weights that have moved since is the gradient of no loss.",
        zh="反向时权重已经更新过，得到的就不是任何损失的梯度。")
def claim_updates_in_flight_need_stashed_weights(batch=24, kept="stashed"):
    """If weights are updated while a micro-batch is in flight, its gradient is right only when backward
    uses the weights that its forward used (PipeDream's weight stashing).

    微批次还在途中时权重就更新了，那么只有反向用前向时的那份权重，梯度才正确（PipeDream 的 weight stashing）。"""
    x, target = randn(batch, 6, seed=1).double(), randn(batch, 3, seed=2).double()
    first, second = (0.5 * randn(*s, seed=n).double() for n, s in enumerate(((6, 8), (8, 3)), 3))
    hidden = (x @ first).tanh()                                             # stage 0 forward (batch, 8)
    moved = second - 0.5 * randn(8, 3, seed=5).double()                     # another micro-batch's update
    y = hidden @ second                                                     # stage 1 forward: old weights
    back = 2 * (y - target) / y.numel() @ (moved if kept == "newest" else second).T
    mine = x.T @ (back * (1 - hidden.square()))                             # ∂loss/∂first, by hand
    leaf = first.clone().requires_grad_()
    (((x @ leaf).tanh() @ second - target).square().mean()).backward()
    show(lines("weight", range(mine.numel()), {"gradient in flight": mine.flatten(), "autograd": leaf.grad.flatten()}))
    expect("gradient in flight less autograd's", mine - leaf.grad, equals=0, within=1e-12)


def drill_micro_batches(rng) -> Drill:
    """Micro-batches per pipeline."""
    b, m, d = rng.choice([(1, 32, 16), (2, 16, 8), (4, 8, 32), (1, 64, 4), (2, 24, 10)])
    return Drill(
        en=f"A global batch of {b * m * d} sequences, {d} data-parallel replicas, micro-batches of {b}. How many "
           "micro-batches does each pipeline run per step?",
        zh=f"全局批次 {b * m * d} 条序列，数据并行 {d} 份，微批次大小 {b}。每条流水线每步跑几个微批次？",
        answer=m, within=0,
        steps=[(f"{b * m * d} / {d} = {b * m} sequences per pipeline", f"{b * m * d} / {d} = 每条流水线 {b * m} 条"),
               (f"{b * m} / {b} = {m}", f"{b * m} / {b} = {m}")],
        proved_by="accumulated_gradients_equal_the_full_batch",
    )


def drill_gpipe_peak(rng) -> Drill:
    """GPipe's activations at the peak."""
    n, k, layers, m = rng.choice([(32, 4, 16, 8), (64, 4, 32, 16), (24, 2, 12, 6), (16, 4, 32, 8), (40, 5, 20, 10)])
    return Drill(
        en=f"GPipe with re-materialisation: batch {n}, {layers} equal layers on {k} stages, {m} micro-batches. How many "
           "layer activations (one sample, one layer each) does a stage hold at its peak, N + (L/K)·(N/M)?",
        zh=f"GPipe 加重算：批次 {n}，{layers} 个相同的层分到 {k} 级，{m} 个微批次。一级在峰值保存多少份激活"
           "（一个样本、一层为一份），即 N + (L/K)·(N/M)？",
        answer=n + layers // k * (n // m), within=0,
        steps=[(f"inputs of all micro-batches: N = {n}", f"全部微批次的输入：N = {n}"),
               (f"inside of one: {layers}/{k} · {n}/{m} = {layers // k * (n // m)}",
                f"一个微批次的内部：{layers}/{k} · {n}/{m} = {layers // k * (n // m)}"),
               (f"together {n + layers // k * (n // m)}", f"合计 {n + layers // k * (n // m)}")],
        proved_by="rematerialising_keeps_only_the_stage_input",
    )


ZH = {
    "stage {}": "第 {} 级",
    "norm of its gradients": "梯度的范数",
    "gradient less the full batch's": "梯度与整批梯度之差",
    "gradient less the whole batch's": "梯度与整批梯度之差",
    "blocks per stage": "每级的块数",
    "blocks": "块数",
    "bytes sent in a step": "一步发送的字节数",
    "bytes sent over 2m(p−1) messages": "发送字节数 / 2m(p−1) 条消息",
    "held at the peak": "峰值保存",
    "N + layers · N/m": "N + 层数 · N/m",
    "N · (layers + 1)": "N · (层数 + 1)",
    "activations of the stage's width": "激活份数（每份为级宽）",
    "activations held at the peak": "峰值保存的激活份数",
    "∂loss/∂input less autograd's": "∂loss/∂输入 与 autograd 之差",
    "weight": "权重",
    "gradient in flight": "途中的梯度",
    "autograd": "autograd",
    "gradient in flight less autograd's": "途中的梯度与 autograd 之差",
}

if __name__ == "__main__":
    main()
