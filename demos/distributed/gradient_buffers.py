r"""Between micro-batches the gradient waits in a buffer: its precision and its sharding decide what accumulation costs.

微批次之间，梯度存放在一个缓冲里：缓冲的精度与分片方式决定了累积的代价。

bf16 keeps 8 significant bits: 256 + 1 is 256. A sharded buffer (ZeRO-2, FSDP) takes a reduce-scatter for every
micro-batch. Turn `keep` to "whole": one reduce-scatter, and the whole gradient in memory.
bf16 只有 8 位有效数字：256 + 1 还是 256。分片的缓冲（ZeRO-2、FSDP）每个微批次都要一次 reduce-scatter。把 `keep` 改为 "whole"：
只做一次 reduce-scatter，但要存完整梯度。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F

from studyapp.evidence import (
    bars,
    between,
    breaks,
    each,
    expect,
    lines,
    main,
    on_ranks,
    one_of,
    show,
)
from studyapp.evidence.tools import collectives, randn, tensor_bytes

F64 = torch.float64


def both(rank, ranks, k, micro):
    return {keep: sharded(rank, ranks, k, micro, keep) for keep in ("shard", "whole")}


def sharded(rank, ranks, k, micro, keep):
    """ZeRO-2 by hand, k micro-batches: this rank's shard of the gradient; of what it gave to reduce-scatter and held
    between passes, the bytes over those of the whole gradient."""
    width = 6 * ranks
    weight = randn(width, 4, seed=0, dtype=F64).requires_grad_()
    held = torch.zeros(width if keep == "whole" else 6, 4, dtype=F64)
    mine = torch.empty(6, 4, dtype=F64)
    with collectives() as sent:
        for step in range(k):
            x = randn(micro, width, seed=1000 * step + rank, dtype=F64)
            loss = F.cross_entropy(x @ weight, torch.arange(micro) % 4) / (k * ranks)
            (g,) = torch.autograd.grad(loss, weight)                   # (width, 4)
            if keep == "shard":
                dist.reduce_scatter_tensor(mine, g)                    # (6, 4), summed over the ranks
                held += mine
            else:
                held += g
        between_passes = tensor_bytes(held)
        if keep == "whole":
            dist.reduce_scatter_tensor(mine, held)
    whole = tensor_bytes(weight.detach())
    return mine if keep == "whole" else held, sent["reduce_scatter_tensor"] / whole, between_passes / whole


RANGES = {
    "passes": each(between(12, 200), at_least=2, rising=True), "buffer": one_of("bf16", "fp32"),
    "ranks": between(2, 4), "k": between(2, 16), "micro": between(1, 32), "keep": one_of("shard", "whole"),
    "equal": between(257, 1000),
}


@breaks(buffer="fp32", en="In fp32 the buffer errs by 1e-7: four orders of magnitude less.",
        zh="fp32 缓冲的误差约 1e-7，小四个数量级。")
def claim_a_bf16_buffer_errs_with_the_root_of_k(passes=(16, 48, 96, 200), buffer="bf16"):
    """Noisy gradients added k times into a bf16 buffer err by about 0.0016·√(k/3) of their sum: about 1 % at k = 100; in
    fp32 by a ten-thousandth of that.

    带噪声的梯度在 bf16 缓冲里累加 k 次，误差约为总和的 0.0016·√(k/3)：k = 100 时约 1 %；fp32 缓冲只有其万分之一。"""
    seed = torch.randint(10**6, ()).item()
    size = 1 + randn(2000, seed=seed, dtype=F64).abs()                 # of each entry; the noise is as large
    off: dict[str, list[float]] = {"bf16": [], "fp32": []}
    for k in passes:
        terms = size * (1 + randn(k, 2000, seed=seed + k, dtype=F64))  # one micro-batch a row
        for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
            held = torch.zeros(2000, dtype=dtype)
            for term in terms:
                held += term.float()                                   # the sum is rounded each time
            off[name].append(((held.double() - terms.sum(0)).norm() / terms.sum(0).norm()).item())
    # a rounding errs by 2^-8/√3 of the power of two below, 0.72 of that of the sum: 0.0016; at pass j it is j/k of the end
    predicted = [0.0016 * (k / 3) ** 0.5 for k in passes]
    show(lines("micro-batches", passes, {**{f"relative error, {n}": v for n, v in off.items()}, "0.0016·√(k/3)": predicted},
               log="xy"))
    # 2000 entries leave 5 %; the noise itself makes early sums a little larger than j/k
    expect("error over 0.0016·√(k/3)", [a / b for a, b in zip(off[buffer], predicted, strict=True)], equals=1, within=0.25,
           at=("micro-batches", list(passes)))


@breaks(buffer="fp32", en="fp32 adds 1 to 256 exactly, and goes on to 16 million.", zh="fp32 里 256 + 1 是精确的，一直到一千六百万。")
def claim_bf16_stops_counting_at_256(equal=400, buffer="bf16"):
    """Equal gradients stop adding up in a bf16 buffer after 256 of them: half a step is then as large as one gradient.

    相等的梯度在 bf16 缓冲里累加到 256 个就不再增加：此时半步已和一个梯度一样大。"""
    seen: dict[str, list[float]] = {}
    for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        held = torch.zeros((), dtype=dtype)
        seen[name] = [held.add_(1.0).item() for _ in range(equal)]
    every = max(1, equal // 60)
    show(lines("micro-batches", range(1, equal + 1)[::every], {f"sum, {n}": v[::every] for n, v in seen.items()}))
    expect("sum at the end", seen[buffer][-1], equals=256)
    expect("sum in fp32 at the end", seen["fp32"][-1], equals=equal)


@breaks(keep="whole", en="To reduce once, each rank must hold the whole gradient meanwhile: the memory that sharding had saved.",
        zh="只归约一次，每个 rank 就得一直保留完整梯度：分片省下的显存又还回去了。")
def claim_sharded_gradients_are_reduced_every_time(ranks=2, k=4, micro=8, keep="shard"):
    """With gradients sharded over N ranks (ZeRO-2), holding 1/N of them between micro-batches takes k reduce-scatters;
    reducing once takes the whole gradient in memory.

    梯度分片到 N 个 rank（ZeRO-2）时，微批次之间只留 1/N，就要做 k 次 reduce-scatter；只归约一次，就得存完整梯度。"""
    got = on_ranks(both, ranks, k, micro)
    ways = {way: [rank[way] for rank in got] for way in ("shard", "whole")}
    show(bars(["shard kept", "whole kept"], {"gradients sent in a step": [w[0][1] for w in ways.values()],
                                             "gradients held between passes": [w[0][2] for w in ways.values()]}))
    expect("gradients sent in a step", ways[keep][0][1], equals=k)
    expect("share of the gradient held between passes", ways[keep][0][2], equals=1 / ranks)
    expect("shards of both ways, difference", max((a[0] - b[0]).abs().max().item() for a, b in zip(*ways.values(), strict=True)),
           equals=0, within=1e-12)


ZH = {
    "micro-batches": "微批次数", "relative error, {}": "相对误差，{}",
    "error over 0.0016·√(k/3)": "误差与 0.0016·√(k/3) 之比", "shard kept": "保留分片", "whole kept": "保留完整梯度",
    "gradients sent in a step": "一步发送几份梯度", "gradients held between passes": "微批次之间保留几份梯度",
    "share of the gradient held between passes": "微批次之间保留的梯度占比",
    "shards of both ways, difference": "两种做法的分片之差", "sum, {}": "累加结果，{}",
    "sum at the end": "最终的累加结果", "sum in fp32 at the end": "fp32 最终的累加结果",
}

if __name__ == "__main__":
    main()
