r"""A step of LoRA skips one product of three: the gradient of the frozen weights, and what Adam keeps for it.

LoRA 的一步省掉三个乘法中的一个：冻结权重的梯度，以及 Adam 为它保存的一切。

Hu et al. 2021, §4.2; products are counted as they run. Turn `recompute` to "on": with activation
checkpointing a step has four products, so only a quarter is saved. 把 `recompute` 改为 "on"：
用激活检查点时一步有四个乘法，于是只省四分之一。
"""

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam, tensor_bytes


class Products(TorchDispatchMode):
    """Counts the FLOPs of matrix products as they run, 2 for a multiply-add."""

    flops = 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        if op is torch.ops.aten.mm.default:
            self.flops += 2 * args[0].shape[0] * args[0].shape[1] * args[1].shape[1]
        return op(*args, **(kwargs or {}))


class LoRALinear(nn.Module):
    """A linear layer of the given width, float32; with r > 0 frozen, and a LoRA beside it."""

    def __init__(self, width: int, r: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(width, width) / width**0.5, requires_grad=r == 0)
        self.a = nn.Parameter(torch.randn(r, width) / width**0.5) if r else None
        self.b = nn.Parameter(torch.zeros(width, r)) if r else None

    def forward(self, x: Tensor) -> Tensor:                                # (tokens, width)
        y = x @ self.w.T
        return (y if self.a is None else y + (x @ self.a.T) @ self.b.T).tanh()


def step(width: int, layers: int, r: int, tokens: int, recompute: str = "off") -> tuple[int, int, nn.Sequential]:
    """FLOPs of the forward pass and of the whole step, and the model with its gradients."""
    model = nn.Sequential(*(LoRALinear(width, r) for _ in range(layers)))
    x = torch.randn(tokens, width, requires_grad=True)                     # so every layer owes its input a gradient
    with Products() as counted:
        y = x
        for layer in model:
            y = checkpoint(layer, y, use_reentrant=False) if recompute == "on" else layer(y)
        forward = counted.flops
        y.square().sum().backward()
    return forward, counted.flops, model


RANGES = {
    "width": between(64, 256, multiple_of=8),
    "layers": between(2, 8),
    "r": between(1, 16),
    "ranks": each(between(1, 64), at_least=2, at_most=6, rising=True),
    "tokens": between(16, 128),
    "recompute": one_of("off", "on"),
    "trained": one_of("adapters", "all"),
}


@breaks(recompute="on", en="With recomputation the forward pass runs twice, so only one of four products is saved.",
        zh="重计算时前向跑两遍，省的只是四个乘法中的一个。")
@breaks(trained="all", en="With every weight trained there are three products for each, and nothing is saved.",
        zh="全部权重都训练时，每个都有三个乘法，什么也没省。")
def claim_a_step_costs_two_products_of_three(width=128, layers=4, ranks=(1, 4, 16), tokens=32, recompute="off", trained="adapters"):
    """Full tuning costs 6N FLOPs per token for N weights, LoRA 4N + 6n for n values beside them: a third less as n/N goes to 0.
    The forward pass costs more, not less.

    N 个权重，全参数微调每 token 6N FLOPs；旁边有 n 个数的 LoRA 为 4N + 6n：n/N 趋于 0 时少三分之一。前向不会更便宜。"""
    whole_n = layers * width**2
    full = 6 * whole_n * tokens
    counted = [step(width, layers, r if trained == "adapters" else 0, tokens, recompute)[:2] for r in ranks]
    n = [layers * r * 2 * width for r in ranks]
    show(lines("rank", ranks, {"step over full tuning's": [both / full for _, both in counted], "2/3": [2 / 3] * len(ranks)}, log="x"))
    expect("full tuning's FLOPs", step(width, layers, 0, tokens)[1], equals=full)
    law = [(4 * whole_n + 6 * k) * tokens for k in n]
    expect("FLOPs of a step over (4N + 6n) per token", [both / y for (_, both), y in zip(counted, law, strict=True)], equals=1,
           within=1e-12, at=("rank", ranks))
    expect("forward FLOPs over 2N per token", [ahead / (2 * whole_n * tokens) for ahead, _ in counted], at_least=1.0)


@breaks(recompute="off", en="Without recomputation a third is saved.", zh="不重计算时省三分之一。")
def claim_recomputation_leaves_a_quarter(width=128, layers=4, r=4, tokens=32, recompute="on"):
    """With activation checkpointing on every layer full tuning costs 8N per token and LoRA 6N + 8n: at most a quarter is saved.

    每层都做激活检查点时，全参数微调每 token 8N，LoRA 为 6N + 8n：至多省四分之一。"""
    full, lora = step(width, layers, 0, tokens, recompute)[1], step(width, layers, r, tokens, recompute)[1]
    whole_n, n = layers * width**2, layers * r * 2 * width
    show(bars(["full", "LoRA", "limit"], {"FLOPs over full tuning's": [1.0, lora / full, 0.75]}))
    expect("full tuning's FLOPs over 8N per token", full / (8 * whole_n * tokens), equals=1, within=1e-12)
    expect("LoRA's FLOPs over (6N + 8n) per token", lora / ((6 * whole_n + 8 * n) * tokens), equals=1, within=1e-12)
    expect("saved share", 1 - lora / full, at_most=0.25)


@breaks(trained="all", en="Trained weights have gradients and two moments each.", zh="被训练的权重各有梯度和两个动量。")
def claim_gradients_and_moments_exist_for_the_adapters_alone(width=128, layers=4, r=4, trained="adapters"):
    """Frozen weights get no gradient (None, not zero), so gradients and Adam's two moments fall to 2r/d of full tuning's; the
    weights themselves stay in memory, and 2r/d more of them.

    冻结权重没有梯度（是 None 而不是零），所以梯度与 Adam 的两个动量都降为全参数微调的 2r/d；权重本身仍在显存里，还多出 2r/d。"""
    full, lora = (step(width, layers, k, 16)[2] for k in (0, r if trained == "adapters" else 0))

    def held(model: nn.Module) -> tuple[int, int]:
        adam = Adam((p for p in model.parameters() if p.requires_grad), 1e-3)
        return sum(p.grad.nbytes for p in model.parameters() if p.grad is not None), tensor_bytes(*adam.means, *adam.squares)

    share = 2 * r / width
    gradients, moments = zip(held(full), held(lora), strict=True)
    show(bars(["full", "LoRA"], {"bytes of gradients": gradients, "bytes of Adam's moments": moments}))
    expect("frozen weights with a gradient", sum(m.w.grad is not None for m in lora), equals=0)
    expect("bytes of gradients and of moments over full tuning's", [gradients[1] / gradients[0], moments[1] / moments[0]],
           equals=share, within=1e-12)
    expect("weight bytes over full tuning's", sum(p.nbytes for p in lora.parameters()) / sum(p.nbytes for p in full.parameters()),
           equals=1 + share, within=1e-12)


@breaks(trained="all", en="Full tuning keeps the inputs alone, no r numbers beside them.", zh="全参数微调只存输入，没有旁边的 r 个数。")
def claim_activations_do_not_shrink(width=128, layers=4, r=4, tokens=32, trained="adapters"):
    """Where every layer is adapted, LoRA keeps as many activations for the backward pass as full tuning, and r more per token and layer.

    每层都加 adapter 时，LoRA 为反向保存的激活值和全参数微调一样多，每 token 每层还多 r 个。"""
    kept = []
    for k in (0, r if trained == "adapters" else 0):
        model, seen = nn.Sequential(*(LoRALinear(width, k) for _ in range(layers))), {}

        def pack(t: Tensor, seen: dict[int, int] = seen) -> Tensor:
            if t.shape[0] == tokens:                                       # activations, not weights
                seen[t.untyped_storage().data_ptr()] = t.numel()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            y = model(torch.randn(tokens, width, requires_grad=True)).square().sum()
        kept.append(sum(seen.values()))
        del y
    show(bars(["full", "LoRA"], {"numbers kept": kept}))
    expect("numbers kept by LoRA less full tuning's", kept[1] - kept[0], equals=layers * tokens * r)


def drill_step(rng) -> Drill:
    """FLOPs of a step, with and without recomputation."""
    billions, tokens, recompute, lora = rng.choice(
        [(8, 1, True, True), (8, 1, False, True), (70, 2, False, False), (7, 4, True, True), (32, 1, True, False)])
    factor = 6 + 2 * recompute - 2 * lora
    value = factor * billions * tokens
    on, off = (" with activation checkpointing on every layer" if recompute else "", "每层都做激活检查点" if recompute else "不做重计算")
    return Drill(
        en=f"{'LoRA of negligible size on' if lora else 'Full tuning of'} {billions} billion weights{on}: how many PFLOPs (1e15) do "
           f"{tokens} million tokens cost, attention scores left out?",
        zh=f"{billions}B 个权重，{'LoRA（大小可忽略）' if lora else '全参数微调'}，{off}。"
           f"{tokens} 百万个 token 需多少 PFLOPs（1e15）？不计注意力分数。",
        answer=value,
        steps=[(f"FLOPs per weight: forward 2{', once more 2' if recompute else ''}, gradient of the input 2"
                f"{'' if lora else ', of the weight 2'}: {factor}",
                f"每个权重：前向 2{'，重计算再 2' if recompute else ''}，输入的梯度 2{'' if lora else '，权重的梯度 2'}：共 {factor}"),
               (f"{factor} · {billions}e9 · {tokens}e6 = {value}e15", f"{factor} · {billions}e9 · {tokens}e6 = {value}e15")],
        proved_by="recomputation_leaves_a_quarter",
    )


ZH = {
    "rank": "秩",
    "step over full tuning's": "一步与全参数微调之比",
    "full tuning's FLOPs": "全参数微调的 FLOPs",
    "FLOPs of a step over (4N + 6n) per token": "一步的 FLOPs 与每 token (4N + 6n) 之比",
    "forward FLOPs over 2N per token": "前向 FLOPs 与每 token 2N 之比",
    "full": "全参数",
    "limit": "极限",
    "FLOPs over full tuning's": "FLOPs 与全参数微调之比",
    "full tuning's FLOPs over 8N per token": "全参数微调的 FLOPs 与每 token 8N 之比",
    "LoRA's FLOPs over (6N + 8n) per token": "LoRA 的 FLOPs 与每 token (6N + 8n) 之比",
    "saved share": "省下的比例",
    "bytes of gradients": "梯度的字节数",
    "bytes of Adam's moments": "Adam 两个动量的字节数",
    "frozen weights with a gradient": "有梯度的冻结权重",
    "bytes of gradients and of moments over full tuning's": "梯度、动量的字节与全参数微调之比",
    "weight bytes over full tuning's": "权重字节与全参数微调之比",
    "numbers kept": "保存的数",
    "numbers kept by LoRA less full tuning's": "LoRA 保存的数减去全参数微调的",
}

if __name__ == "__main__":
    main()
