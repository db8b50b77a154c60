r"""Each way to save memory shrinks its own part of a training step: weights, gradients, optimizer states or activations, in real tensors.

每种省显存的办法只缩小训练一步中属于它的那部分：权重、梯度、优化器状态或激活值，用真实张量测量。

A stack of linear layers with tanh. Turn `precision` to "bf16 alone": the states halve, and with them go the updates that are
too small for 8 bits. 把 `precision` 改为 "bf16 alone"：状态减半，但 8 位精度装不下的小更新也丢了。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, expect, main, one_of, show
from studyapp.evidence.tools import tensor_bytes

PARTS = ("weights", "gradients", "optimizer states", "activations")


class Layer(nn.Module):
    """tanh of a linear layer; with r > 0 its weight is frozen, and a product of rank r beside it is trained."""

    def __init__(self, width: int, dtype: torch.dtype, r: int = 0) -> None:
        super().__init__()
        self.w = nn.Parameter((torch.randn(width, width) / width**0.5).to(dtype), requires_grad=r == 0)
        if r:
            self.a = nn.Parameter((torch.randn(width, r) / width**0.5).to(dtype))
            self.b = nn.Parameter(torch.zeros(r, width, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:                          # (rows, width)
        y = x @ self.w
        return torch.tanh(y if self.w.requires_grad else y + (x @ self.a) @ self.b)


def backward(model: nn.Module, x: Tensor, share: float = 1.0) -> int:
    """Add the gradient of share · mean loss; the bytes of activations that were kept for it."""
    own, seen = {p.data_ptr() for p in model.parameters()}, {}

    def pack(t: Tensor) -> Tensor:
        if t.data_ptr() not in own:
            seen[t.data_ptr()] = t
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = model(x)
    kept = tensor_bytes(*seen.values())
    (share * y.float().square().mean()).backward()
    return kept


def measure(width=32, layers=3, rows=16, micro_batches=1, precision="fp32", optimizer="AdamW", r=0, gradients="as weights"):
    """Bytes of the four parts of one step, and the model after its backward pass. rows are shared by the micro-batches."""
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    model = nn.Sequential(*(Layer(width, dtype, r) for _ in range(layers)))
    x = torch.randn(rows, width).to(dtype)
    kept = max([backward(model, part.clone(), 1 / micro_batches) for part in x.chunk(micro_batches)])
    trained = [p for p in model.parameters() if p.requires_grad]
    slopes = [p.grad.float() if gradients == "fp32" else p.grad for p in trained]
    copies = [p.detach().float() for p in trained] if precision == "bf16 with a master copy" else []
    stepped = [nn.Parameter(t) for t in copies or [p.detach().clone() for p in trained]]
    for p, g in zip(stepped, slopes, strict=True):
        p.grad = g.to(p.dtype)
    states = OPTIMIZERS[optimizer](stepped)
    states.step()                                                    # torch's own optimizer makes its states
    moments = [v for s in states.state.values() for v in s.values() if isinstance(v, Tensor) and v.dim()]
    return [tensor_bytes(*model.parameters()), tensor_bytes(*slopes), tensor_bytes(*copies, *moments), kept], model, x


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=1e-3),
    "momentum": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-3),
    "Muon": lambda p: torch.optim.Muon(p, lr=1e-3),
}
RANGES = {
    "width": between(16, 64, multiple_of=8), "layers": between(2, 5), "rows": between(8, 32, multiple_of=8),
    "micro_batches": one_of(2, 4, 8), "precision": one_of("fp32", "bf16 with a master copy", "bf16 alone"),
    "gradients": one_of("as weights", "fp32"), "r": between(1, 4), "base": one_of("frozen", "trained"),
    "split": one_of("the batch", "nothing"),
}  # fmt: skip


@breaks(split="nothing", en="Accumulating more batches of the same size saves nothing: the largest forward is what it was.",
        zh="微批次大小不变、只是多累积几次，什么也没省：最大的一次前向还是那么大。")
def claim_a_smaller_micro_batch_shrinks_activations_alone(width=32, layers=3, rows=16, micro_batches=4, split="the batch"):
    """A batch cut into k micro-batches keeps 1/k of the activations at a time; weights, gradients and states stay, and so does the
    accumulated gradient.

    一个 batch 切成 k 个微批次，一次只保存 1/k 的激活；权重、梯度、优化器状态不变，累积的梯度也不变。"""
    whole, model, x = measure(width, layers, rows)
    cut, _, _ = measure(width, layers, rows if split == "the batch" else rows * micro_batches, micro_batches)
    once = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    for part in x.chunk(micro_batches):
        backward(model, part, 1 / micro_batches)
    gap = max((p.grad - g).abs().max().item() for p, g in zip(model.parameters(), once, strict=True))
    show(bars(PARTS, {"one batch": whole, f"{micro_batches} micro-batches": cut}, y_label="bytes"))
    expect("activations over one batch's", cut[3] / whole[3], equals=1 / micro_batches, within=1e-9)
    expect("bytes of the other parts over one batch's", [a / b for a, b in zip(cut[:3], whole[:3], strict=True)], equals=1,
           at=("part", PARTS[:3]))
    # float32 sums of up to 32 rows in another order, numbers below 1
    expect("accumulated less whole gradient", gap, equals=0, within=1e-6)


@breaks(gradients="fp32", en="Gradients kept in fp32 make it 18 bytes: more than plain fp32.",
        zh="梯度保存为 fp32 就是 18 字节，比纯 fp32 还多。")
@breaks(precision="bf16 alone", en="Without a master copy and with bf16 moments it is 8 bytes.",
        zh="没有主权重副本、动量也用 bf16，就是 8 字节。")
def claim_mixed_precision_halves_activations_not_states(width=32, layers=3, rows=16, precision="bf16 with a master copy",
                                                        gradients="as weights"):
    """AdamW in bf16 with an fp32 master copy holds 16 bytes of states per parameter, as fp32 does; only the activations are halved.

    bf16 加 fp32 主权重副本的 AdamW，每参数状态 16 字节，与纯 fp32 相同；减半的只有激活值。"""
    single, mixed = measure(width, layers, rows)[0], measure(width, layers, rows, precision=precision, gradients=gradients)[0]
    numbers = layers * width**2
    show(bars(PARTS, {"fp32": single, precision: mixed}, y_label="bytes"))
    expect("bytes of states per parameter", [sum(single[:3]) / numbers, sum(mixed[:3]) / numbers], equals=16)
    expect("activations over fp32's", mixed[3] / single[3], equals=1 / 2)


@breaks(precision="bf16 alone", en="In bf16 alone they take 4, 6, 8 and 6: every number is two bytes.",
        zh="全用 bf16 则为 4、6、8、6：每个数都是两字节。")
def claim_the_optimizer_sets_the_states(width=32, layers=3, precision="fp32"):
    """In fp32 weights, gradients and states take 8 bytes per parameter with SGD, 12 with momentum or Muon, 16 with AdamW, as
    torch's own optimizers hold them.

    fp32 下权重、梯度、状态共计：SGD 每参数 8 字节，带动量的 SGD 或 Muon 12，AdamW 16，均以 torch 自己的优化器实测。"""
    got = {name: [b / (layers * width**2) for b in measure(width, layers, precision=precision, optimizer=name)[0][:3]]
           for name in OPTIMIZERS}
    show(bars(list(got), {part: [g[k] for g in got.values()] for k, part in enumerate(PARTS[:3])}, y_label="bytes per parameter"))
    expect("bytes per parameter", [sum(g) for g in got.values()], equals=[8, 12, 16, 12], at=("optimizer", list(got)))


@breaks(base="trained", en="With the base trained as well gradients and states are those of full tuning.",
        zh="base 也参与训练，梯度与优化器状态就和全参数微调一样。")
def claim_adapters_shrink_gradients_and_states(width=32, layers=3, rows=16, r=2, base="frozen"):
    """Rank-r adapters on frozen weights shrink gradients and optimizer states to 2r/width of full tuning's; weights and activations
    grow a little.

    冻结权重、只训练秩 r 的 adapter，梯度与优化器状态降为全参数微调的 2r/width；权重与激活值反而略增。"""
    whole, cut = measure(width, layers, rows)[0], measure(width, layers, rows, r=r if base == "frozen" else 0)[0]
    show(bars(PARTS, {"full tuning": whole, "adapters": cut}, y_label="bytes"))
    share = 2 * r / width
    ratios = [a / b for a, b in zip(cut, whole, strict=True)]
    expect("gradients and states over full tuning's", ratios[1:3], equals=share, within=1e-9, at=("part", PARTS[1:3]))
    expect("weights over full tuning's", ratios[0], equals=1 + share, within=1e-9)
    expect("activations over full tuning's", ratios[3], at_least=1)


def drill_optimizer_states(rng) -> Drill:
    """GB of model states by optimizer, mixed precision."""
    billions = rng.choice([1, 3, 7, 8, 14, 32, 70])
    name, zh, last, why, why_zh = rng.choice([
        ("AdamW (two fp32 moments)", "AdamW（两个 fp32 动量）", 8, "two moments", "两个动量"),
        ("Muon on every matrix (one fp32 moment)", "所有矩阵都用 Muon（一个 fp32 动量）", 4, "one moment", "一个动量"),
        ("AdamW with bf16 moments", "AdamW，动量用 bf16", 4, "two bf16 moments", "两个 bf16 动量"),
        ("AdamW with 8-bit moments (no scales)", "AdamW，动量用 8 bit（不计 scale）", 2, "two bytes of moments", "两个各 1 字节的动量"),
    ])
    wide = rng.choice([2, 2, 4])
    value = billions * (2 + wide + 4 + last)
    return Drill(
        en=f"{billions}B parameters in bf16 with an fp32 master copy, gradients in {'bf16' if wide == 2 else 'fp32'}, {name}. "
           "How many GB (1e9 bytes) of model states?",
        zh=f"{billions}B 参数，bf16 加 fp32 主权重副本，梯度用 {'bf16' if wide == 2 else 'fp32'}，{zh}。模型状态共多少 GB（1e9 字节）？",
        answer=float(value),
        steps=[(f"2 + {wide} + 4 + {last} ({why}) = {8 + wide + last - 2}", f"2 + {wide} + 4 + {last}（{why_zh}）= {8 + wide + last - 2}"),
               (f"{billions} · {6 + wide + last} = {value} GB",) * 2],
        proved_by="the_optimizer_sets_the_states",
    )


ZH = {
    "weights": "权重", "gradients": "梯度", "optimizer states": "优化器状态", "activations": "激活值", "one batch": "一个 batch",
    "{} micro-batches": "{} 个微批次", "bytes": "字节", "activations over one batch's": "激活值与一个 batch 之比",
    "bytes of the other parts over one batch's": "其余部分的字节与一个 batch 之比", "part": "部分",
    "accumulated less whole gradient": "累积的梯度减整批梯度", "fp32": "fp32", "bf16 with a master copy": "bf16 加主权重副本",
    "bf16 alone": "只用 bf16", "bytes of states per parameter": "每参数状态的字节数", "activations over fp32's": "激活值与 fp32 之比",
    "bytes per parameter": "每参数字节数", "optimizer": "优化器", "full tuning": "全参数微调", "adapters": "adapter",
    "gradients and states over full tuning's": "梯度与状态，与全参数微调之比", "weights over full tuning's": "权重与全参数微调之比",
    "SGD": "SGD", "momentum": "带动量的 SGD", "AdamW": "AdamW", "Muon": "Muon",
    "activations over full tuning's": "激活值与全参数微调之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
