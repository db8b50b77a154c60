r"""Mixed-precision AdamW keeps 16 bytes per trained parameter, and 2 per frozen one.

混合精度 AdamW 为每个被训练的参数保存 16 字节，为每个冻结的参数保存 2 字节。

Model states only (Rajbhandari et al. 2020): weights, gradients, master copy, two moments; activations and
logits come on top. Turn `master` to "none": 8 bytes, and small updates are rounded away.
只算模型状态，激活与 logits 另计。把 `master` 改为 "none"：只要 8 字节，但小的更新会被舍入掉。
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

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
from studyapp.evidence.tools import tensor_bytes

DECAY, BETAS, EPS = 0.01, (0.9, 0.999), 1e-8                              # the defaults of torch.optim.AdamW


@exercise(claims=("the_master_copy_is_plain_adamw",),
          wrong=("steps_in_bf16", "forgets_the_bias_correction", "decays_the_gradient"))
def step(weight: Tensor, gradient: Tensor, master: Tensor, moments: tuple, lr: float, t: int) -> None:
    """Step t = 1, 2, … of AdamW in mixed precision, in place: fp32 master and moments (mean, square) follow
    torch.optim.AdamW with its default betas, eps and decay; the bf16 weight is the rounded master.

    混合精度 AdamW 的第 t 步（t = 1, 2, …），原地更新：fp32 的 master 与两个动量 (mean, square) 与 torch.optim.AdamW
    的默认 betas、eps、衰减一致；bf16 的 weight 是 master 的舍入。"""
    mean, square = moments
    g = gradient.to(master.dtype)
    mean.lerp_(g, 1 - BETAS[0])
    square.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
    spread = (square / (1 - BETAS[1] ** t)).sqrt() + EPS
    master.mul_(1 - lr * DECAY).addcdiv_(mean, spread, value=-lr / (1 - BETAS[0] ** t))
    weight.copy_(master)


def as_int8(x: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """A moment in 8 bits with one fp32 scale per block (the layout of 8-bit Adam, not its code book)."""
    blocks = x.view(-1, block)
    scale = blocks.abs().amax(1, keepdim=True).clamp_min(1e-30)
    return (blocks / scale * 127).round().to(torch.int8), scale


def states(recipe: str, parameters: int, master: str = "fp32", block: int = 256) -> dict[str, list[Tensor]]:
    """The tensors that stay between steps of one recipe, by name, after a step on that many parameters."""
    low, high = torch.bfloat16, torch.float32
    full = torch.randn(parameters)
    if recipe == "inference":
        return {"weights": [full.to(low)]}
    if recipe == "fp32 or autocast":
        weight, gradient = full, torch.randn(parameters)
        moments = (torch.zeros(parameters), torch.zeros(parameters))
        step(weight, gradient, weight, moments, 1e-3, 1)
        return {"weights": [weight], "gradients": [gradient], "moments": list(moments)}
    weight = full.to(low)
    gradient = torch.randn(parameters, dtype=high if recipe == "fp32 gradients" else low)
    copied = recipe in ("mixed", "fp32 gradients") and master == "fp32"
    copy = full if copied else weight
    moments = (torch.zeros_like(copy), torch.zeros_like(copy))
    step(weight, gradient, copy, moments, 1e-3, 1)
    kept = list(moments) if recipe != "8-bit moments" else [t for m in moments for t in as_int8(m.float(), block)]
    return {"weights": [weight], "gradients": [gradient], "master": [copy] if copied else [], "moments": kept}


NO_MASTER = breaks(master="none", en="Without a master copy it is the 8 bytes of pure bf16.",
                   zh="没有 master 副本，就是纯 bf16 的 8 字节。")
RANGES = {
    "parameters": between(256, 65536, multiple_of=256), "steps": between(5, 100), "lr": between(1e-5, 1e-3),
    "master": one_of("fp32", "none"), "block": one_of(256, 16), "widths": each(between(4, 64), at_least=2),
    "rank": between(1, 4), "base": one_of("frozen", "trained"),
}  # fmt: skip


@breaks(master="none", en="Stepped in bf16, with 8 bits of precision, updates smaller than a 500th of a weight vanish.",
        zh="直接在 bf16（8 位精度）上更新，小于权重约五百分之一的更新会消失。")
def claim_the_master_copy_is_plain_adamw(parameters=256, steps=30, lr=1e-4, master="fp32"):
    """The fp32 master copy follows torch's AdamW to rounding, so the bf16 weights lose no update: they are
    its rounded image.

    fp32 的 master 副本与 torch 的 AdamW 只差舍入，所以 bf16 权重不丢任何更新：它只是 master 的舍入。"""
    start, gradients = torch.randn(parameters), (torch.randn(steps, parameters) / 100).bfloat16()
    ours = start.clone() if master == "fp32" else start.bfloat16()
    weight, moments = start.bfloat16(), (torch.zeros_like(ours), torch.zeros_like(ours))
    torchs = nn.Parameter(start.clone())
    adamw, gap = torch.optim.AdamW([torchs], lr=lr, weight_decay=DECAY), []
    for t, g in enumerate(gradients, 1):
        step(weight, g, ours, moments, lr, t)
        torchs.grad = g.float()
        adamw.step()
        gap.append((ours.float() - torchs.detach()).abs().max().item())
    show(lines("step", range(1, steps + 1), {"largest gap to torch's AdamW": gap}, log="y"))
    # float32: each step adds an update of lr, and the weights (up to 4) round by 2⁻²²; 100 steps
    expect("master less torch's AdamW", ours.float() - torchs.detach(), equals=0, within=3e-5)
    expect("bf16 weight less rounded master", weight.float() - ours.bfloat16().float(), equals=0)


@NO_MASTER
@breaks(block=16, en="A scale for every 16 numbers adds half a byte per parameter: 6.5, not 6.03.",
        zh="每 16 个数一个 scale，每个参数再多半字节：6.5 而不是 6.03。")
def claim_the_recipe_sets_the_bytes_per_parameter(parameters=4096, master="fp32", block=256):
    """Bytes per trained parameter: 16 in mixed precision as in fp32, 18 with fp32 gradients, 8 in pure bf16,
    6.03 with 8-bit moments, 2 for inference.

    每个被训练参数的字节数：混合精度与 fp32 都是 16，梯度用 fp32 时 18，纯 bf16 为 8，8 bit 动量为 6.03，推理为 2。"""
    want = {"mixed": 16, "fp32 or autocast": 16, "fp32 gradients": 18, "bf16 only": 8, "8-bit moments": 6 + 2 * 4 / 256,
            "inference": 2}
    held = {name: states(name, parameters, master, block) for name in want}
    kinds = ("weights", "gradients", "master", "moments")
    size = {k: [tensor_bytes(*h.get(k, [])) / parameters for h in held.values()] for k in kinds}
    show(bars(list(want), size, y_label="bytes per parameter"))
    for i, (name, number) in enumerate(want.items()):
        expect(f"bytes per parameter, {name}", sum(size[k][i] for k in kinds), equals=number, within=1e-6)


@breaks(amsgrad=True, en="AMSGrad keeps a third moment: 12 bytes of optimizer state.", zh="AMSGrad 多存一份动量：优化器状态 12 字节。")
def claim_adamw_keeps_two_moments_and_a_counter(widths=(8, 32, 16), amsgrad=False):
    """torch's AdamW keeps two fp32 values per fp32 parameter, and one step counter per tensor.

    torch 的 AdamW 为每个 fp32 参数保存两个 fp32 数，另为每个张量保存一个步数。"""
    layers = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(widths)))
    adamw = torch.optim.AdamW(layers.parameters(), lr=1e-3, amsgrad=amsgrad)
    layers(torch.randn(4, widths[0])).square().mean().backward()
    adamw.step()
    kept = [v for state in adamw.state.values() for v in state.values()]
    numbers, tensors = sum(p.numel() for p in layers.parameters()), 2 * (len(widths) - 1)
    show(bars(["weights", "optimizer state"], {"bytes": [4 * numbers, sum(v.nbytes for v in kept)]}))
    expect("bytes of AdamW's state", sum(v.nbytes for v in kept), equals=8 * numbers + 4 * tensors)


@breaks(base="trained", en="With the base trained as well, every parameter pays 16 bytes.", zh="base 也训练，则每个参数都要 16 字节。")
def claim_frozen_parameters_cost_two_bytes(widths=(32, 64, 32), rank=2, base="frozen"):
    """With adapters on a frozen bf16 base the states are 2 bytes per base parameter and 16 per adapter
    parameter: frozen weights have no gradient and no moments.

    在冻结的 bf16 base 上训练 adapter，状态是每个 base 参数 2 字节、每个 adapter 参数 16 字节：冻结的权重没有梯度和动量。"""
    shapes = list(pairwise(widths))
    bases = [nn.Parameter((torch.randn(o, i) / i**0.5).bfloat16(), requires_grad=base == "trained") for i, o in shapes]
    downs, ups = ([nn.Parameter(torch.randn(s)) for s in sizes] for sizes in
                  ([(rank, i) for i, _ in shapes], [(o, rank) for _, o in shapes]))
    x = torch.randn(4, widths[0])
    for w, a, b in zip(bases, downs, ups, strict=True):
        x = x @ w.float().T + x @ a.T @ b.T                                          # (rows, out)
    x.square().mean().backward()
    trained = [p for p in (*bases, *downs, *ups) if p.requires_grad]
    adamw = torch.optim.AdamW(trained, lr=1e-3)
    adamw.step()
    held = [*bases, *downs, *ups, *(p.grad for p in trained),
            *(v for s in adamw.state.values() for k, v in s.items() if k != "step")]
    frozen, adapters = sum(i * o for i, o in shapes), sum(rank * (i + o) for i, o in shapes)
    show(bars(["base", "adapters"], {"parameters": [frozen, adapters], "bytes by the rule": [2 * frozen, 16 * adapters]}))
    expect("bytes of all states", tensor_bytes(*held), equals=2 * frozen + 16 * adapters)


def drill_states(rng) -> Drill:
    """Gigabytes of model states for a recipe."""
    billions, ranks = rng.choice([1, 3, 7, 8, 14, 32, 70]), rng.choice([1, 1, 4, 8])
    name, words, zh = rng.choice([
        ("mixed", "mixed precision with AdamW (bf16 weights and gradients, fp32 master copy and moments)",
         "混合精度 AdamW（bf16 权重与梯度，fp32 master 副本与动量）"),
        ("bf16 only", "pure bf16 with AdamW (weights, gradients and moments)", "纯 bf16 的 AdamW（权重、梯度与动量）"),
        ("fp32 gradients", "mixed precision with AdamW and fp32 gradients", "混合精度 AdamW，梯度用 fp32"),
    ])
    each_one = sum(tensor_bytes(*t) for t in states(name, 256).values()) / 256
    total = billions * each_one / ranks
    return Drill(
        en=f"A model of {billions}B parameters is tuned in full in {words}. How many GB (1e9 bytes) of model states per GPU"
           + (f", sharded over {ranks} GPUs (ZeRO-3)?" if ranks > 1 else ", on one GPU?"),
        zh=f"{billions}B 参数的模型做全参数微调，采用{zh}。"
           + (f"用 ZeRO-3 切到 {ranks} 张 GPU，每张" if ranks > 1 else "单张 GPU 上") + "的模型状态是多少 GB（1e9 字节）？",
        answer=total, within=0.01 * total,
        steps=[(f"{each_one:g} bytes per parameter", f"每个参数 {each_one:g} 字节"),
               (f"{billions} · {each_one:g}" + (f" / {ranks}" if ranks > 1 else "") + f" = {total:g} GB",) * 2],
        proved_by="the_recipe_sets_the_bytes_per_parameter",
    )


def drill_adapter_states(rng) -> Drill:
    """Gigabytes of model states with a share of new trained parameters."""
    billions, percent = rng.choice([(7, 1), (8, 0.5), (14, 1), (32, 0.5), (70, 0.5), (70, 0.2)])
    total = billions * (2 + 16 * percent / 100)
    return Drill(
        en=f"A frozen bf16 base of {billions}B parameters gets LoRA adapters of {percent:g}% as many parameters, trained with AdamW in "
           "mixed precision. How many GB (1e9 bytes) of model states?",
        zh=f"冻结的 bf16 base 有 {billions}B 参数，加上参数量为其 {percent:g}% 的 LoRA，用混合精度 AdamW 训练。"
           "模型状态共多少 GB（1e9 字节）？",
        answer=total, within=0.01 * total,
        steps=[(f"base: {billions} · 2 = {2 * billions} GB", f"base：{billions} · 2 = {2 * billions} GB"),
               (f"adapters: {billions} · {percent / 100:g} · 16 = {billions * 16 * percent / 100:g} GB",
                f"adapter：{billions} · {percent / 100:g} · 16 = {billions * 16 * percent / 100:g} GB")],
        proved_by="frozen_parameters_cost_two_bytes",
    )


ZH = {
    "step": "步", "largest gap to torch's AdamW": "与 torch AdamW 的最大差", "master less torch's AdamW": "master 减 torch 的 AdamW",
    "bf16 weight less rounded master": "bf16 权重减舍入后的 master", "bytes per parameter": "每参数字节数",
    "bytes per parameter, {}": "每参数字节数，{}", "weights": "权重", "gradients": "梯度", "master": "master 副本", "moments": "动量",
    "mixed": "混合精度", "fp32 or autocast": "fp32 或 autocast", "fp32 gradients": "fp32 梯度", "bf16 only": "纯 bf16",
    "8-bit moments": "8 bit 动量", "inference": "推理", "optimizer state": "优化器状态", "bytes": "字节",
    "bytes of AdamW's state": "AdamW 状态的字节数", "base": "base", "adapters": "adapter", "parameters": "参数量",
    "bytes by the rule": "按规则的字节数", "bytes of all states": "全部状态的字节数",
}  # fmt: skip

if __name__ == "__main__":
    main()
