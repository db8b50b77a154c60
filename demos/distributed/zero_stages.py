r"""ZeRO shards what data parallelism copies (optimizer states, then gradients, then parameters), and the step stays Adam.

ZeRO 依次切分数据并行里重复的东西：优化器状态、梯度、参数；而每一步仍是普通的 Adam。

Rajbhandari et al. 2019, §5 and §7, on a ring of point-to-point messages that counts what a rank sends. Turn `optimizer` to
"muon": its update needs whole matrices, and shards give another one. 把 `optimizer` 改为 "muon"：它要整个矩阵，按分片更新结果不同。
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, on_ranks, one_of, show, table
from studyapp.evidence.tools import Adam, randn


class Ring:
    """Collectives out of messages to the next rank; `sent` counts the numbers that this rank sends."""

    def __init__(self, rank: int, ranks: int, adds: bool = True) -> None:
        self.rank, self.ranks, self.adds, self.sent = rank, ranks, adds, 0

    def _pass(self, part: Tensor) -> Tensor:
        """Send a part to the next rank, and take the one that comes from the rank before."""
        into = torch.empty_like(part)
        sending = dist.isend(part, (self.rank + 1) % self.ranks)
        dist.recv(into, (self.rank - 1) % self.ranks)
        sending.wait()
        self.sent += part.numel()
        return into

    def reduce_scatter(self, x: Tensor) -> Tensor:
        """(P,) on each rank to (P / ranks,): rank r gets shard r of the sum."""
        parts = list(x.contiguous().view(self.ranks, -1).unbind())
        for hop in range(self.ranks - 1):
            got = self._pass(parts[(self.rank - 1 - hop) % self.ranks])
            place = (self.rank - 2 - hop) % self.ranks
            parts[place] = parts[place] + got if self.adds else got
        return parts[self.rank]

    def all_gather(self, shard: Tensor) -> Tensor:
        """(P / ranks,) on each rank to (P,): all shards in the order of the ranks."""
        parts = [shard] * self.ranks
        for hop in range(self.ranks - 1):
            parts[(self.rank - 1 - hop) % self.ranks] = self._pass(parts[(self.rank - hop) % self.ranks].contiguous())
        return torch.cat(parts)


class Elementwise:
    """Adam on a flat vector (Kingma & Ba 2015, Algorithm 1)."""

    def __init__(self, size: int) -> None:
        self.states, self.steps = [torch.zeros(size, dtype=torch.float64) for _ in range(2)], 0

    def step(self, weights: Tensor, gradient: Tensor) -> None:
        self.steps += 1
        (mean, square), t = self.states, self.steps
        mean.mul_(0.9).add_(gradient, alpha=0.1)
        square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        weights.sub_(LR * mean / (1 - 0.9**t) / ((square / (1 - 0.999**t)).sqrt() + 1e-8))


class Orthogonal:
    """The direction of Muon, without momentum: the nearest orthogonal matrix to the gradient, here of the rows that it is given."""

    def __init__(self, width: int) -> None:
        self.width, self.states = width, []

    def step(self, weights: Tensor, gradient: Tensor) -> None:
        u, _, v = torch.linalg.svd(gradient.view(-1, self.width), full_matrices=False)
        weights.sub_(LR * (u @ v).flatten())


@exercise(claims=("every_stage_is_plain_adam",),
          wrong=("steps_with_its_own_gradient", "forgets_the_mean", "keeps_the_others_old", "steps_all_with_the_shard"))
def zero1_update(weights: Tensor, gradient: Tensor, ring: Ring, optimizer: Elementwise) -> None:
    """The update of ZeRO-1 on one rank, in place. weights and gradient are whole, (P,), the gradient not yet averaged over the
    ring.ranks ranks; the optimizer has the states of shard ring.rank only: optimizer.step(shard, gradient of the shard).

    ZeRO-1 在一个 rank 上的更新（原地）。weights 与 gradient 都是完整的 (P,)，梯度尚未在 ring.ranks 个 rank 上取平均；
    optimizer 只有第 ring.rank 个分片的状态：optimizer.step(分片, 该分片的梯度)。"""
    mine = ring.reduce_scatter(gradient) / ring.ranks                # (P / ranks,): the mean of all ranks, of one shard
    shard = weights.view(ring.ranks, -1)[ring.rank]                  # (P / ranks,), a view of the weights
    optimizer.step(shard, mine)
    weights.copy_(ring.all_gather(shard))                            # each rank brings the shard that it updated


LR = 0.01


def problem(layers: int, width: int, ranks: int, micro_batches: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (layers, width, width) and data (ranks, micro-batches, 2, width); the same on every rank."""
    data = [randn(ranks, micro_batches, 2, width, seed=seed, dtype=torch.float64) for seed in (1, 2)]
    return randn(layers, width, width, seed=3, dtype=torch.float64) / width**0.5, *data


def train(rank, ranks, stage, layers, width, micro_batches, steps, optimizer="adam", reduce="sum", after_forward="free"):
    """Train tanh layers on one rank; the weights at the end, the numbers sent, and the numbers held of each kind."""
    ring = Ring(rank, ranks, adds=reduce == "sum")
    start, x, target = problem(layers, width, ranks, micro_batches)
    size = width * width
    held = [w.flatten() if stage < 3 else w.view(ranks, -1)[rank].clone() for w in start]
    states = [Elementwise(size // ranks if stage else size) if optimizer == "adam" else Orthogonal(width) for _ in held]
    for _ in range(steps):
        total = [torch.zeros(size // ranks if stage > 1 else size, dtype=torch.float64) for _ in held]
        for rows, wanted in zip(x[rank], target[rank], strict=True):
            kept, gathered = [rows], []
            for w in held:                                           # forward; stage 3 gathers a layer, uses it, drops it
                gathered.append((ring.all_gather(w) if stage == 3 else w).view(width, width))
                kept.append(torch.tanh(kept[-1] @ gathered[-1]))     # (2, width)
            slope = (kept[-1] - wanted) / wanted.numel()             # of half the mean squared error
            for k in reversed(range(layers)):                        # backward; stage 3 gathers the layer once more
                again = stage == 3 and after_forward == "free"
                w = ring.all_gather(held[k]).view(width, width) if again else gathered[k]
                slope = slope * (1 - kept[k + 1] ** 2)
                gradient = (kept[k].T @ slope).flatten() / micro_batches
                slope = slope @ w.T
                total[k] += ring.reduce_scatter(gradient) if stage > 1 else gradient
        for w, g, state in zip(held, total, states, strict=True):
            if stage == 0:
                state.step(w, ring.all_gather(ring.reduce_scatter(g)) / ranks)
            elif stage == 1:
                zero1_update(w, g, ring, state)
            else:
                shard = w if stage == 3 else w.view(ranks, -1)[rank]
                state.step(shard, g / ranks)
                if stage == 2:
                    w.copy_(ring.all_gather(shard))
    numbers = {"weights": sum(w.numel() for w in held), "gradients": sum(g.numel() for g in total),
               "moments": sum(t.numel() for s in states for t in s.states)}
    sent = ring.sent
    return torch.stack([ring.all_gather(w) if stage == 3 else w for w in held]).flatten().tolist(), sent // steps, numbers


def stages(rank: int, ranks: int, *args) -> list:
    """All four stages, one after the other, on the same ranks."""
    return [train(rank, ranks, stage, *args) for stage in range(4)]


def stages_and_kept(rank: int, ranks: int, *args) -> list:
    """The same, and stage 3 once more with its parameters kept after forward."""
    return [*stages(rank, ranks, *args), train(rank, ranks, 3, *args[:-1], "keep")]


def one_process(layers: int, width: int, ranks: int, micro_batches: int, steps: int, optimizer: str) -> Tensor:
    """The whole batch in one process by autograd, with Adam of the tools, or the nearest orthogonal matrix of whole gradients."""
    start, x, target = problem(layers, width, ranks, micro_batches)
    weights = [nn.Parameter(w.clone()) for w in start]
    adam = Adam(weights, LR)
    for _ in range(steps):
        y = x
        for w in weights:
            y = torch.tanh(y @ w)
        loss = (y - target).square().mean() / 2
        if optimizer == "adam":
            adam.step(loss)
            continue
        for w, g in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            u, _, v = torch.linalg.svd(g, full_matrices=False)
            w.data.sub_(LR * u @ v)
    return torch.stack(weights).detach().flatten()


def bytes_per_parameter(stage: int, ranks: int, gradient_bytes: int = 2) -> float:
    """Model states per parameter and rank, AdamW in mixed precision: weights 2, gradients 2 or 4, master copy and moments 12."""
    shares = [1 / ranks if stage >= first else 1 for first in (3, 2, 1)]
    return 2 * shares[0] + gradient_bytes * shares[1] + 12 * shares[2]


STAGES = ["data parallel", "ZeRO-1", "ZeRO-2", "ZeRO-3"]
RANGES = {
    "ranks": between(2, 4), "layers": between(1, 4), "width": between(12, 24, multiple_of=12), "steps": between(1, 4),
    "micro_batches": between(1, 6), "optimizer": one_of("adam", "muon"), "reduce": one_of("sum", "concatenate"),
    "after_forward": one_of("free", "keep"), "gradient_bytes": one_of(2, 4),
}  # fmt: skip


@breaks(optimizer="muon", en="Muon orthogonalises a matrix as a whole: the shards' own orthogonal matrices are another update.",
        zh="Muon 对整个矩阵做正交化：各分片分别正交化，得到的是另一种更新。")
@breaks(reduce="concatenate", en="An all-gather only puts gradients side by side; without a sum each shard follows one rank's batch.",
        zh="对梯度做 all-gather 只是拼接；不求和，每个分片就只来自某一个 rank 的数据。")
def claim_every_stage_is_plain_adam(ranks=3, layers=2, width=12, steps=2, optimizer="adam", reduce="sum"):
    """After a few steps ZeRO-1, 2 and 3 have the weights of data parallelism, and of Adam in one process: nothing but storage
    and messages changes.

    几步之后，ZeRO-1、2、3 的权重与数据并行相同，也与单进程的 Adam 相同：改变的只是存储与通信。"""
    ends = [weights for weights, _, _ in on_ranks(stages, ranks, layers, width, 1, steps, optimizer, reduce)[0]]
    wanted = one_process(layers, width, ranks, 1, steps, optimizer)
    gaps = (torch.tensor(ends, dtype=torch.float64) - wanted).abs().amax(1)
    show(table({"stage": STAGES, "largest difference from one process": [f"{gap:.0e}" for gap in gaps]}))
    # float64: a gradient rounds by 1e-17, Adam divides by its size or eps = 1e-8 at least, times lr = 0.01
    expect("weights less those of one process", gaps, equals=0, within=1e-9, at=("stage", STAGES))


@breaks(after_forward="keep", en="Kept from forward to backward, the parameters are gathered once: 2 instead of 3.",
        zh="参数从前向留到反向，只收集一次：2 而不是 3。")
def claim_stage_3_sends_three_halves(ranks=3, layers=2, width=12, after_forward="free"):
    """Per step a rank sends 2(N−1)/N numbers per parameter in data parallelism, ZeRO-1 and ZeRO-2, and 3(N−1)/N in ZeRO-3,
    or 2 where that keeps its parameters from forward to backward.

    每一步每个 rank 为每个参数发送的数：数据并行、ZeRO-1、ZeRO-2 都是 2(N−1)/N，ZeRO-3 是 3(N−1)/N；若参数从前向留到反向，也是 2。"""
    *sent, kept = [count for _, count, _ in on_ranks(stages_and_kept, ranks, layers, width, 1, 1, "adam", "sum", after_forward)[0]]
    unit = layers * width**2 * (ranks - 1) / ranks
    show(bars(STAGES, {"numbers sent per rank": sent}))
    expect("numbers sent over P(N−1)/N", [one / unit for one in sent], equals=[2, 2, 2, 3], within=1e-12, at=("stage", STAGES))
    expect("numbers sent over P(N−1)/N, ZeRO-3 that keeps parameters after forward", kept / unit, equals=2, within=1e-12)


@breaks(after_forward="keep", en="With parameters kept from forward to backward stage 3 sends 2k, not 3k.",
        zh="参数从前向留到反向，第 3 阶段只发送 2k，而不是 3k。")
def claim_accumulation_multiplies_stages_2_and_3(ranks=2, layers=2, width=12, micro_batches=4, after_forward="free"):
    """With k micro-batches per step data parallelism and ZeRO-1 still send 2(N−1)/N per parameter, ZeRO-2 (k+1)(N−1)/N and
    ZeRO-3 3k(N−1)/N: sharded gradients must be reduced each time.

    每步 k 个微批次时，数据并行与 ZeRO-1 每参数仍是 2(N−1)/N，ZeRO-2 为 (k+1)(N−1)/N，ZeRO-3 为 3k(N−1)/N：梯度被切分，每次都要归约。"""
    k, unit = micro_batches, layers * width**2 * (ranks - 1) / ranks
    sent = [count for _, count, _ in on_ranks(stages, ranks, layers, width, k, 1, "adam", "sum", after_forward)[0]]
    show(bars(STAGES, {"numbers sent per rank": sent}))
    expect("numbers sent over P(N−1)/N", [one / unit for one in sent], equals=[2, 2, k + 1, 3 * k], within=1e-12,
           at=("stage", STAGES))


@breaks(gradient_bytes=4, en="fp32 gradients make it 18, 6 + 12/N, 2 + 16/N, 18/N.", zh="梯度用 fp32 则为 18、6 + 12/N、2 + 16/N、18/N。")
def claim_resident_states_match_the_paper(ranks=3, layers=2, width=12, gradient_bytes=2):
    """A rank holds 16, 4 + 12/N, 2 + 14/N and 16/N bytes per parameter in stages 0 to 3: 120, 31.4, 16.6 and 1.9 GB for 7.5B
    on 64.

    第 0 到 3 阶段每个 rank 每参数持有 16、4 + 12/N、2 + 14/N、16/N 字节：7.5B、64 卡时为 120、31.4、16.6、1.9 GB。"""
    runs = [held for _, _, held in on_ranks(stages, ranks, layers, width, 1, 1)[0]]
    numbers = layers * width**2
    # bf16 weights, gradients; the master copy is as long as a moment: 4 + 2 · 4 bytes for two numbers
    got = [(2 * r["weights"] + gradient_bytes * r["gradients"] + 6 * r["moments"]) / numbers for r in runs]
    n, gb = ranks, [7.5 * bytes_per_parameter(stage, 64, gradient_bytes) for stage in range(4)]
    show(bars(STAGES, {"GB per GPU, 7.5B on 64": gb}))
    expect("bytes per parameter and rank", got, equals=[16, 4 + 12 / n, 2 + 14 / n, 16 / n], within=1e-9, at=("stage", STAGES))
    expect("GB of 7.5B on 64 ranks", gb, equals=[120, 31.4, 16.6, 1.9], within=0.05, at=("stage", STAGES))


def drill_states_per_gpu(rng) -> Drill:
    """GB of model states per GPU in one stage."""
    billions, ranks = rng.choice([(7.5, 64), (8, 8), (8, 16), (13, 8), (32, 64), (70, 64), (70, 128)])
    stage, wide = rng.choice([1, 2, 3]), rng.choice([2, 2, 4])
    parts = list(zip((2, wide, 12), (3, 2, 1), strict=True))         # bytes, and the first stage that shards them
    kept, cut = (sum(size for size, first in parts if (stage >= first) == sharded) for sharded in (False, True))
    value = billions * bytes_per_parameter(stage, ranks, wide)
    kind = "bf16" if wide == 2 else "fp32"
    return Drill(
        en=f"{billions:g}B parameters, AdamW in mixed precision with {kind} gradients, ZeRO-{stage} on {ranks} GPUs. "
           "How many GB (1e9 bytes) of model states does each GPU hold?",
        zh=f"{billions:g}B 参数，混合精度 AdamW，梯度用 {kind}，{ranks} 张 GPU 上做 ZeRO-{stage}。"
           "每张 GPU 持有多少 GB（1e9 字节）模型状态？",
        answer=value, within=max(0.02 * value, 0.05),
        steps=[(f"whole {kept} bytes, sharded {cut} bytes per parameter", f"每参数完整保存 {kept} 字节，切分 {cut} 字节"),
               (f"{billions:g} · ({kept} + {cut}/{ranks}) = {value:.3g} GB",) * 2],
        proved_by="resident_states_match_the_paper",
    )


def drill_numbers_sent(rng) -> Drill:
    """Bytes that a GPU sends per optimizer step."""
    billions, ranks, k = rng.choice([(1, 4, 1), (8, 8, 1), (8, 4, 4), (7, 8, 8), (70, 8, 2), (14, 2, 4)])
    stage = rng.choice([0, 1, 2, 3])
    times = [2, 2, k + 1, 3 * k][stage]
    value = 2 * billions * times * (ranks - 1) / ranks
    name, zh = ("plain data parallelism", "普通数据并行") if stage == 0 else (f"ZeRO-{stage}", f"ZeRO-{stage}")
    return Drill(
        en=f"{billions}B parameters, everything sent in bf16 by ring collectives, {name} on {ranks} GPUs, {k} micro-batch(es) per "
           "step, nothing reduced before it must be. How many GB (1e9 bytes) does a GPU send per optimizer step?",
        zh=f"{billions}B 参数，全部以 bf16 用 ring 集合通信传输，{ranks} 张 GPU 上做{zh}，每步 {k} 个微批次，能晚归约就晚归约。"
           "每个优化器步每张 GPU 发送多少 GB（1e9 字节）？",
        answer=value,
        steps=[(f"numbers per parameter: {times} · {ranks - 1}/{ranks}", f"每参数的数：{times} · {ranks - 1}/{ranks}"),
               (f"2 bytes · {billions} · {times} · {ranks - 1}/{ranks} = {value:g} GB",
                f"2 字节 · {billions} · {times} · {ranks - 1}/{ranks} = {value:g} GB")],
        proved_by="accumulation_multiplies_stages_2_and_3",
    )


ZH = {
    "stage": "阶段", "data parallel": "数据并行", "ZeRO-1": "ZeRO-1", "ZeRO-2": "ZeRO-2", "ZeRO-3": "ZeRO-3",
    "largest difference from one process": "与单进程的最大差", "weights less those of one process": "权重减单进程的权重",
    "numbers sent per rank": "每个 rank 发送的数", "numbers sent over P(N−1)/N": "发送的数与 P(N−1)/N 之比",
    "numbers sent over P(N−1)/N, ZeRO-3 that keeps parameters after forward": "发送的数与 P(N−1)/N 之比，ZeRO-3 前向后保留参数",
    "bytes per parameter and rank": "每参数每 rank 的字节数", "GB per GPU, 7.5B on 64": "每张 GPU 的 GB，7.5B、64 卡",
    "GB of 7.5B on 64 ranks": "7.5B、64 卡的 GB",
}  # fmt: skip

if __name__ == "__main__":
    main()
