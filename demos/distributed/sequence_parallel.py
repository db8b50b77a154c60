r"""Sequence parallelism cuts the norm's tokens over the tensor-parallel ranks: memory falls to 1/t.

序列并行把归一化部分的 token 也切到各张量并行 rank 上：激活显存降为 1/t。

Korthikanti et al. 2022, §4.2.2. Turn `saved` to "gathered": same bytes as tensor parallelism, but the
gathered input stays in memory. Turn `norm` to "local": each rank's norm has seen its own tokens only.
把 `saved` 改为 "gathered"：通信量与张量并行相同，但聚合后的输入留在显存里；把 `norm` 改为 "local"：
每个 rank 的归一化权重只看到自己的 token。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, on_ranks, one_of, show
from studyapp.evidence.tools import collectives


def gather(x: Tensor) -> Tensor:
    """All ranks' tokens: (tokens / ranks, width) → (tokens, width)."""
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


def scatter_sum(x: Tensor) -> Tensor:
    """The sum over ranks, of which each keeps its own tokens: (tokens, width) → (tokens / ranks, width)."""
    parts = list(x.contiguous().chunk(dist.get_world_size()))
    own = torch.empty_like(parts[0])
    dist.reduce_scatter(own, parts)
    return own


class IntoColumns(torch.autograd.Function):
    """g and the column-parallel product: all-gather the tokens, multiply by this rank's columns."""

    @staticmethod
    def forward(ctx, x, a, saved):
        whole = gather(x)                                       # (tokens, width)
        ctx.again = saved == "shard"
        ctx.save_for_backward(x if ctx.again else whole, a)
        return whole @ a                                        # (tokens, hidden / ranks)

    @staticmethod
    def backward(ctx, grad):
        x, a = ctx.saved_tensors
        whole = gather(x) if ctx.again else x                   # the extra all-gather
        return scatter_sum(grad @ a.T), whole.T @ grad, None


class OutOfRows(torch.autograd.Function):
    """ḡ: reduce-scatter the partial sums; in backward all-gather."""

    @staticmethod
    def forward(ctx, part):
        return scatter_sum(part)

    @staticmethod
    def backward(ctx, grad):
        return gather(grad)


class Sum(torch.autograd.Function):
    """Plain tensor parallelism: an all-reduce in forward (g) or in backward (f)."""

    @staticmethod
    def forward(ctx, x, forward):
        ctx.backward_too = not forward
        if forward:
            x = x.clone()
            dist.all_reduce(x)
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        if ctx.backward_too:
            grad = grad.clone()
            dist.all_reduce(grad)
        return grad, None


def block(x: Tensor, norm: Tensor, a: Tensor, b: Tensor, saved: str) -> Tensor:
    """Norm and MLP; x holds this rank's tokens, or all of them for plain tensor parallelism."""
    y = F.layer_norm(x, x.shape[1:], norm)
    if saved == "tensor parallel":
        return Sum.apply(F.gelu(Sum.apply(y, False) @ a) @ b, True)
    return OutOfRows.apply(F.gelu(IntoColumns.apply(y, a, saved)) @ b)


def step(rank: int, ranks: int, saved: str, norm_gradient: str, tensors: list[Tensor], grad: Tensor) -> dict:
    """Forward and backward on one rank: results, the bytes it saved, the bytes a ring would send."""
    x, norm, w1, w2 = tensors
    mine = (lambda t: t) if saved == "tensor parallel" else (lambda t: t.chunk(ranks)[rank])
    leaves = [t.clone().requires_grad_() for t in
              (mine(x), norm, w1.chunk(ranks, 1)[rank], w2.chunk(ranks)[rank])]
    weights = {t.untyped_storage().data_ptr() for t in leaves[1:]}
    kept: dict[int, int] = {}

    def pack(t):
        if t.untyped_storage().data_ptr() not in weights:
            kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t), collectives() as sent:
        y = block(*leaves, saved)
    with collectives() as sent_back:
        (y * mine(grad)).sum().backward()                       # y.backward(grad) would load sympy: 0.6 s
    if norm_gradient == "summed" and saved != "tensor parallel":
        dist.all_reduce(leaves[1].grad)
    wire = {"all_reduce": 2 * (ranks - 1) / ranks, "reduce_scatter": (ranks - 1) / ranks,
            "all_gather": ranks - 1}                # per byte handed over, on a ring
    return {"y": y.detach(), "dx": leaves[0].grad, "dnorm": leaves[1].grad, "dw1": leaves[2].grad, "dw2": leaves[3].grad,
            "kept": sum(kept.values()),
            "wire": [sum(wire[k] * n for k, n in d.items()) for d in (sent, sent_back)]}


def wires(rank: int, ranks: int, ways: tuple[str, ...], tensors: list[Tensor], grad: Tensor) -> list[list[float]]:
    """Bytes that a ring would send forward and backward, for each way."""
    return [step(rank, ranks, way, "summed", tensors, grad)["wire"] for way in ways]


def drawn(tokens: int, width: int) -> tuple[list[Tensor], Tensor]:
    """x, norm, w1, w2 in float64 and a gradient of the output."""
    shapes = ((tokens, width), (width,), (width, 4 * width), (4 * width, width))
    return [torch.randn(*s).double() for s in shapes], torch.randn(tokens, width).double()


RANGES = {
    "ranks": one_of(2, 4),
    "counts": each(one_of(2, 4), at_least=1),
    "tokens": between(8, 64, multiple_of=4),
    "width": between(8, 32, multiple_of=4),
    "saved": one_of("shard", "gathered", "tensor parallel"),
    "norm": one_of("summed", "local"),
}
GATHERED = breaks(saved="gathered", en="The gathered input of the first product is kept whole on every rank.",
                  zh="每个 rank 都完整保存了第一个乘法聚合后的输入。")
PLAIN = breaks(saved="tensor parallel", en="Norm and its output are then replicated on every rank.",
               zh="归一化的输入与输出在每个 rank 上各存一份。")


@breaks(norm="local", en="Each rank's gradient of the norm's weight sums over its own tokens only.",
        zh="每个 rank 上归一化权重的梯度只对自己的 token 求和。")
def claim_results_equal_one_process(ranks=2, tokens=16, width=16, saved="shard", norm="summed"):
    """Output and all gradients equal one process's, once the gradient of the norm's weight is summed over the ranks.

    输出与全部梯度都与单进程相同，只是归一化权重的梯度要先在各 rank 间求和。"""
    tensors, grad = drawn(tokens, width)
    results = on_ranks(step, ranks, saved, norm, tensors, grad)
    x, weight, w1, w2 = (t.clone().requires_grad_() for t in tensors)
    y = F.gelu(F.layer_norm(x, (width,), weight) @ w1) @ w2
    (y * grad).sum().backward()
    join = (lambda key: results[0][key]) if saved == "tensor parallel" else (
        lambda key: torch.cat([r[key] for r in results]))
    gaps = [(join("y") - y).abs().max(), (join("dx") - x.grad).abs().max(),
            max((r["dnorm"] - weight.grad).abs().max() for r in results),
            (torch.cat([r["dw1"] for r in results], 1) - w1.grad).abs().max(),
            (torch.cat([r["dw2"] for r in results]) - w2.grad).abs().max()]
    show(bars(["output", "dX", "d norm", "dW1", "dW2"], {"largest difference": gaps}))
    expect("output, dX, d norm and dW less those of one process", gaps, equals=0, within=1e-10)


@GATHERED
@PLAIN
def claim_saved_activations_are_one_tth(counts=(2, 4), tokens=16, width=16, saved="shard"):
    """With sequence parallelism a rank keeps a t-th of all activations, those of the norm too.

    有了序列并行，每个 rank 只保存全部激活值的 1/t，归一化部分也不例外。"""
    tensors, grad = drawn(tokens, width)
    one = on_ranks(step, 1, "shard", "summed", tensors, grad)[0]["kept"]
    shares = [on_ranks(step, t, saved, "summed", tensors, grad)[0]["kept"] / one for t in counts]
    show(lines("ranks", counts, {"kept per rank": shares, "1/t": [1 / t for t in counts]},
               y_label="share of what one process keeps"))
    expect("share of the activations that a rank keeps", shares, equals=[1 / t for t in counts],
           at=("ranks", counts))


@breaks(saved="gathered", en="Kept whole, the input need not be gathered again.", zh="完整保存的输入无须再次聚合。")
@breaks(saved="tensor parallel", en="Two all-reduces, each as dear as a reduce-scatter and an all-gather.",
        zh="两次 all-reduce，每次相当于一次 reduce-scatter 加一次 all-gather。")
def claim_one_more_all_gather_in_backward(ranks=2, tokens=16, width=16, saved="shard"):
    """On a ring, forward moves what tensor parallelism moves; backward half as much again, to regather the input.

    按 ring 计，前向通信量与张量并行相同；反向为 1.5 倍，因为要再聚合一次输入。"""
    tensors, grad = drawn(tokens, width)
    plain, wire = on_ranks(wires, ranks, ("tensor parallel", saved), tensors, grad)[0]
    show(bars(["forward", "backward"], {"tensor parallel": plain, "sequence parallel" if saved != "tensor parallel"
                                        else "this way": wire}, y_label="bytes per rank on a ring"))
    expect("forward bytes over tensor parallelism's", wire[0] / plain[0], equals=1, within=1e-12)
    expect("backward bytes over tensor parallelism's", wire[1] / plain[1], equals=1.5, within=1e-12)


def drill_activation_bytes(rng) -> Drill:
    """Activations per layer with and without sequence parallelism, the 2022 convention."""
    s, h, t = rng.choice([(2048, 12_288, 8), (4096, 8192, 8), (2048, 6144, 4), (8192, 4096, 2), (4096, 5120, 4)])
    unit = s * h / 1e9
    plain, both = unit * (10 + 24 / t), unit * 34 / t
    return Drill(
        en=f"Korthikanti’s count of a GPT block, 16 bits, attention scores recomputed: 34·s·b·h bytes per layer, of which "
           f"24 lie inside the tensor-parallel parts. s = {s:,}, b = 1, h = {h:,}, t = {t}. How many GB (1e9) per layer "
           "and rank does sequence parallelism save?",
        zh=f"按 Korthikanti 对 GPT 块的计数（16 位，注意力分数重算）：每层 34·s·b·h 字节，其中 24 份在张量并行区域内。"
           f"s = {s:,}，b = 1，h = {h:,}，t = {t}。序列并行让每个 rank 每层少存多少 GB（1e9）？",
        answer=plain - both, within=0.02 * (plain - both),
        steps=[
            (f"tensor parallel: sbh(10 + 24/{t}) = {plain:.3f} GB", f"张量并行：sbh(10 + 24/{t}) = {plain:.3f} GB"),
            (f"with sequence parallelism: sbh·34/{t} = {both:.3f} GB", f"加序列并行：sbh·34/{t} = {both:.3f} GB"),
            (f"difference: 10·sbh·(1 − 1/{t}) = {plain - both:.3f} GB", f"差：10·sbh·(1 − 1/{t}) = {plain - both:.3f} GB"),
        ],
        proved_by="saved_activations_are_one_tth",
    )


ZH = {
    "output": "输出",
    "dX": "dX",
    "d norm": "d norm",
    "largest difference": "最大差异",
    "output, dX, d norm and dW less those of one process": "输出、dX、d norm、dW 与单进程之差",
    "dW1": "dW1",
    "dW2": "dW2",
    "ranks": "rank 数",
    "kept per rank": "每个 rank 保存的",
    "1/t": "1/t",
    "share of what one process keeps": "占单进程所存的比例",
    "share of the activations that a rank keeps": "一个 rank 保存的激活值的比例",
    "forward": "前向",
    "backward": "反向",
    "tensor parallel": "张量并行",
    "sequence parallel": "序列并行",
    "this way": "这种做法",
    "bytes per rank on a ring": "ring 上每个 rank 的字节数",
    "forward bytes over tensor parallelism's": "前向字节数与张量并行之比",
    "backward bytes over tensor parallelism's": "反向字节数与张量并行之比",
}

if __name__ == "__main__":
    main()
