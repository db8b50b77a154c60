r"""Running the forward again makes four forwards of three: a third more than before, a quarter of the new step.

前向再跑一遍，一步从三份前向的计算变为四份：比原来多三分之一，占新的一步的四分之一。

Korthikanti et al. 2022; torch.utils.checkpoint. Blocks of n equal matrix products; FLOPs are products here. Turn `early_stop`
to True, torch's default: the last product of a block is not repeated. 每块 n 个相同的矩阵乘，以乘法次数计 FLOPs。
把 `early_stop` 改为 True（torch 的默认值）：块的最后一个乘法不再重算。
"""

from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import operations


@exercise(claims=("three_forwards_become_four",), wrong=("adds_a_third_of_the_new_step", "counts_the_backward_again"))
def step_cost(forward: float, recomputed: float) -> float:
    """FLOPs of a training step whose forward costs `forward`, when the share `recomputed` (0 to 1) of the forward is run
    again in backward. All matrix products; every input needs a gradient.

    一步训练的 FLOPs：前向为 `forward`，反向时把前向的 `recomputed`（0 到 1）再跑一遍。只计矩阵乘，每个输入都要梯度。"""
    backward = 2 * forward                            # a product for the gradient of the input, one for that of the weight
    return forward + backward + recomputed * forward


def mfu_of(hfu: float, recomputed: float) -> float:
    """Model FLOPs utilisation from the hardware's: recomputed products are work, but none of the model's."""
    return hfu * step_cost(1, 0) / step_cost(1, recomputed)


def products(layers: int, per_block: int, checkpointed: int, early_stop: bool, input_gradient: bool = True) -> tuple[int, int]:
    """Matrix products counted in forward, and in a whole step in which the first `checkpointed` blocks are run again."""
    weights = [[torch.randn(8, 8).div_(3).requires_grad_() for _ in range(per_block)] for _ in range(layers)]

    def block(x: Tensor, ws: list[Tensor]) -> Tensor:
        h = x
        for w in ws[:-1]:
            h = (h @ w).tanh()                        # backward reads tanh's output, so this much must be run again
        return x + h @ ws[-1]                         # a sum keeps nothing: nobody in the block reads the last product

    with operations() as seen:
        x = torch.randn(8, 8).requires_grad_(input_gradient)
        for number, ws in enumerate(weights):
            again = partial(checkpoint, block, use_reentrant=False, early_stop=early_stop)
            x = again(x, ws) if number < checkpointed else block(x, ws)
        forward = seen.count("mm")
        x.sum().backward()
    return forward, seen.count("mm")


RANGES = {
    "layers": between(1, 8), "per_block": between(2, 8), "shares": each(one_of(0.0, 0.25, 0.5, 0.75, 1.0)),
    "sizes": each(between(1, 8), at_least=2, rising=True), "kept": one_of("products", "nothing"),
}  # fmt: skip


@breaks(early_stop=True, en="By default torch stops recomputing as soon as all kept values are there: the last product is spared.",
        zh="torch 默认在所需的值齐全时就停止重算：最后一个乘法省下了。")
def claim_three_forwards_become_four(per_block=4, shares=(0.0, 0.5, 1.0), early_stop=False):
    """Recomputing a share s of the layers in full makes a step 3 + s forwards: at s = 1 a third more than before, a quarter
    of the new total.

    把占比 s 的层完整重算，一步等于 3 + s 次前向：s = 1 时比原来多三分之一，占新总量的四分之一。"""
    layers, found = 4, []
    for share in shares:
        forward, step = products(layers, per_block, round(share * layers), early_stop)
        found.append(step / forward)
    show(lines("share of layers recomputed", shares, {"step over forward": found, "3 + s": [3 + s for s in shares]}))
    expect("products of a step over those of forward", found, equals=[step_cost(1, s) for s in shares], within=1e-12,
           at=("share", shares))
    expect("MFU over HFU", [mfu_of(1, s) for s in shares], equals=[3 / step for step in found], within=1e-12, at=("share", shares))


@breaks(early_stop=False, en="Switched off, the whole block is repeated, its last product too.",
        zh="关掉之后整个块都重算，包括最后一个乘法。")
def claim_early_stop_spares_the_last_product(layers=2, sizes=(2, 4, 8), early_stop=True):
    """Torch's default stops once all kept values are back: of n equal products in a residual block it repeats n − 1, so a
    step is 4 − 1/n forwards.

    torch 默认在所需的值齐全时停止：残差块的 n 个相同乘法只重算 n − 1 个，一步是 4 − 1/n 次前向。"""
    found = [step / forward for forward, step in (products(layers, n, layers, early_stop) for n in sizes)]
    show(lines("products in a block", sizes, {"step over forward": found, "4 − 1/n": [4 - 1 / n for n in sizes]}))
    expect("products of a step over those of forward", found, equals=[4 - 1 / n for n in sizes], within=1e-12, at=("n", sizes))


@breaks(input_gradient=False, en="Data need no gradient, so the first product of the network has one product in backward, not two.",
        zh="数据不需要梯度，所以网络的第一个乘法在反向时只有一个乘法，而不是两个。")
def claim_backward_is_two_forwards_if_the_input_needs_a_gradient(layers=4, per_block=4, input_gradient=True):
    """Without recomputation backward takes two products for each of forward, one for the weight, one for the input; for the
    first product one if the data need no gradient.

    不重算时，前向的每个乘法在反向对应两个：一个算权重的梯度，一个算输入的梯度；数据不要梯度时，第一个乘法只对应一个。"""
    forward, step = products(layers, per_block, 0, True, input_gradient)
    show(bars(["forward", "backward"], {"products": [forward, step - forward]}))
    expect("products of backward over those of forward", (step - forward) / forward, equals=2)
    alone, without = products(layers, per_block, 0, True, input_gradient=False)
    expect("products that backward spares where data need no gradient", 2 * alone - (without - alone), equals=1)


@breaks(kept="nothing", en="If nothing is kept, the products are repeated too.", zh="什么也不保留，矩阵乘也要重算。")
def claim_selective_recompute_repeats_no_product(layers=4, per_block=4, kept="products"):
    """A policy that keeps matrix products repeats only what stands between them: three forwards of products, two of tanh.

    只保留矩阵乘结果的策略，重算的仅是乘法之间的逐元素运算：乘法仍是三次前向的量，tanh 是两次。"""
    def policy(_, operator, *args, **kwargs):
        keep = kept == "products" and operator == torch.ops.aten.mm.default
        return CheckpointPolicy.MUST_SAVE if keep else CheckpointPolicy.PREFER_RECOMPUTE

    weights = [torch.randn(8, 8).div_(3).requires_grad_() for _ in range(per_block)]

    def block(x: Tensor) -> Tensor:
        h = x
        for w in weights[:-1]:
            h = (h @ w).tanh()
        return x + h @ weights[-1]

    with operations() as seen:
        x = torch.randn(8, 8).requires_grad_()
        for _ in range(layers):
            x = checkpoint(block, x, use_reentrant=False, early_stop=False,
                           context_fn=partial(create_selective_checkpoint_contexts, policy))
        forward = {name: seen.count(name) for name in ("mm", "tanh")}
        x.sum().backward()
    whole = {name: seen.count(name) / forward[name] for name in forward}
    show(bars(["products", "tanh"], {"step over forward": [whole["mm"], whole["tanh"]]}))
    expect("products of a step over those of forward", whole["mm"], equals=3)
    expect("tanh of a step over those of forward", whole["tanh"], equals=2)


def drill_extra(rng) -> Drill:
    """The extra compute when some layers are checkpointed."""
    layers, some = rng.choice([(32, 32), (32, 16), (40, 10), (60, 45), (48, 24), (80, 60)])
    share, of_new = some / layers, rng.choice([True, False])
    base = step_cost(1, share) if of_new else step_cost(1, 0)
    whole = ("of the new total", "占新总量") if of_new else ("of the cost without recomputation", "占不重算时的计算量")
    return Drill(
        en=f"{some} of {layers} equal layers are recomputed in full. By how many percent {whole[0]} do the matrix FLOPs of a step grow?",
        zh=f"{layers} 个相同的层中有 {some} 个完整重算。一步多出的矩阵乘 FLOPs {whole[1]}的百分之几？",
        answer=100 * share / base, within=0.3,
        steps=[("forward 1, backward 2: 3 without recomputation", "前向 1，反向 2：不重算时为 3"),
               (f"extra {share:g}, new total {3 + share:g}", f"多出 {share:g}，新总量 {3 + share:g}"),
               (f"{share:g} / {base:g} = {100 * share / base:.1f}%", f"{share:g} / {base:g} = {100 * share / base:.1f}%")],
        proved_by="three_forwards_become_four",
    )


def drill_mfu(rng) -> Drill:
    """MFU from HFU."""
    hfu, share = rng.choice([(0.52, 1.0), (0.48, 1.0), (0.56, 0.5), (0.49, 0.5), (0.6, 1.0), (0.42, 0.5)])
    return Drill(
        en=f"A run reports {hfu:.0%} hardware FLOPs utilisation; {share:.0%} of the layers are recomputed in full. "
           "What is the model FLOPs utilisation, in percent?",
        zh=f"某次训练的硬件 FLOPs 利用率（HFU）为 {hfu:.0%}，{share:.0%} 的层完整重算。模型 FLOPs 利用率（MFU）是百分之几？",
        answer=100 * mfu_of(hfu, share), within=0.3,
        steps=[(f"done: 3 + {share:g} forwards; the model's: 3", f"执行了 3 + {share:g} 次前向的量，模型本身是 3"),
               (f"{hfu:.0%} · 3 / {3 + share:g} = {100 * mfu_of(hfu, share):.1f}%",) * 2],
        proved_by="three_forwards_become_four",
    )


ZH = {
    "MFU over HFU": "MFU 与 HFU 之比", "share of layers recomputed": "重算的层所占比例",
    "step over forward": "一步与前向之比", "share": "比例",
    "products of a step over those of forward": "一步的乘法数与前向之比", "products in a block": "每块的乘法数",
    "products of backward over those of forward": "反向的乘法数与前向之比",
    "products that backward spares where data need no gradient": "数据不要梯度时反向省下的乘法数", "forward": "前向", "backward": "反向",
    "products": "乘法数", "tanh of a step over those of forward": "一步的 tanh 次数与前向之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
