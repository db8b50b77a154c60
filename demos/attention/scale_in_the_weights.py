r"""A smaller W_Q can take the place of the division by √d_k, and then trains differently.

更小的 W_Q 可以代替除以 √d_k，但训练起来就不一样了。

Raffel et al. 2020 (T5) folds the factor into the initialisation; Yang et al. 2022 (μP) divides by
d_k. Turn `folded`, the power of d_k that W_Q starts divided by: only 0.5 gives the divided scores.
`folded` 是 W_Q 初始化时所除的 d_k 的幂次：只有 0.5 给出做除法时的分数。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import randn


def scores(x: Tensor, w_q: Tensor, w_k: Tensor, scale: float) -> Tensor:
    """x W_Q W_Kᵀ xᵀ · scale; x (tokens, width), W (width, d)."""
    return (x @ w_q) @ (x @ w_k).T * scale                                  # (tokens, tokens)


def movement(optimiser: str, d: int, power: float, folded: float, seed: int = 0) -> Tensor:
    """Root mean square by which the scores move in one step on W_Q towards «attend to the previous
    token»; they are divided by d^power, and W_Q starts divided by d^folded."""
    x, w_k = randn(16, 64, seed=seed), randn(64, d, seed=seed + 1) / 8
    w_q = (randn(64, d, seed=seed + 2) / 8 / d**folded).requires_grad_()
    step = {"SGD": torch.optim.SGD([w_q], lr=1e-3),
            "Adam": torch.optim.Adam([w_q], lr=1e-3, eps=1e-20),
            "Adafactor": torch.optim.Adafactor([w_q], lr=1e-3, eps=(1e-30, 1e-9))}[optimiser]
    before = scores(x, w_q, w_k, d**-power)
    F.cross_entropy(before, (torch.arange(16) - 1) % 16).backward()
    step.step()
    return (scores(x, w_q, w_k, d**-power) - before).detach().square().mean().sqrt()


RANGES = {
    "widths": each(between(16, 1024), at_least=2, at_most=6, rising=True),
    "d_head": between(2, 256), "width": between(64, 512), "tokens": between(64, 256),
    "folded": between(0.0, 1.0), "k_share": between(0.0, 1.0), "draws": between(4, 16),
    "optimiser": one_of("SGD", "Adam", "Adafactor"),
}  # fmt: skip


@breaks(folded=1.0, en="Divided by d_k, W_Q gives flatter weights.", zh="W_Q 若除以 d_k，权重会更平。")
@breaks(folded=0.0, en="Undivided, W_Q gives sharper weights.", zh="W_Q 若不除，权重会更尖。")
def claim_scale_can_be_folded_into_wq(d_head=80, width=128, tokens=128, folded=0.5):
    """A W_Q divided by √d_k gives the same attention without any division.

    把 W_Q 预先除以 √d_k，不做除法也得到同样的注意力。"""
    x, (w_q, w_k) = torch.randn(tokens, width), torch.randn(2, width, d_head) / width**0.5
    divided = scores(x, w_q, w_k, d_head**-0.5).softmax(1)
    gap = (divided - scores(x, w_q / d_head**folded, w_k, 1.0).softmax(1)).abs().amax(1)
    show(lines("token", range(tokens), {"largest difference of the weights": gap}))
    # float32 scores of size 10, rounded apart: 10 · 1e-7, and room
    expect("difference of the attention weights", gap, equals=0, within=1e-5)


@breaks(k_share=0.0, en="Taken from one alone it leaves a variance of √d_k.",
        zh="只把其中一个的方差除以 √d_k，还剩 √d_k。")
def claim_shrinking_one_weight_takes_the_whole_variance(
    widths=(16, 64, 256, 1024), width=128, tokens=128, k_share=0.5
):
    """Without the division the scores start at variance 1 if the variances of both W_Q and W_K are
    divided by √d_k, or that of one of them by d_k; one alone by √d_k leaves √d_k.

    不做除法时，要让初始分数的方差为 1，须把 W_Q、W_K 二者的方差都除以 √d_k，或把其中之一的方差除以 d_k；只把一个除以 √d_k，还剩 √d_k。"""
    def variance(d: int, a: float, b: float) -> Tensor:
        x, y = torch.randn(2, tokens, width)                                # queries, keys
        w_q = torch.randn(width, d) / width**0.5 / d ** (a / 2)
        w_k = torch.randn(width, d) / width**0.5 / d ** (b / 2)
        return ((x @ w_q) @ (y @ w_k).T).var()

    both = torch.stack([variance(d, 0.5, k_share) for d in widths])
    one = torch.stack([variance(d, 1.0, 0.0) for d in widths])
    curves = {f"W_Q by d^0.5, W_K by d^{k_share:g}": both, "W_Q by d^1": one}
    show(lines("d_k", widths, curves, log="xy", y_label="variance of the scores"))
    slack = 6 * (8 / min(widths) / min(width, tokens)) ** 0.5       # of a product of three matrices
    expect("variance with both shrunk", both, equals=1, within=slack, at=("d_k", widths))
    expect("variance with one shrunk by d_k", one, equals=1, within=slack, at=("d_k", widths))
    half = torch.stack([variance(d, 0.5, 0.0) for d in widths]) / torch.tensor(widths) ** 0.5
    expect("variance with one shrunk by √d_k, over √d_k", half, equals=1, within=slack,
           at=("d_k", widths))


@breaks(folded=0.0, en="Not folded, there is nothing to train differently.",
        zh="若不并入，训练就没有差别。")
def claim_folded_scale_trains_differently(widths=(16, 64, 256, 1024), folded=0.5):
    """From the same scores, one step on a folded W_Q moves them d_k times as far with SGD and √d_k
    times as far with Adam; with Adafactor, whose step follows the parameter, equally far.

    起点分数相同，对并入因子的 W_Q 走一步：SGD 使分数的变动放大到 d_k 倍，Adam 放大到 √d_k 倍；Adafactor
    的步长随参数大小伸缩，变动相同。"""
    powers = {"SGD": 1.0, "Adam": 0.5, "Adafactor": 0.0}
    def ratio(name: str, d: int) -> Tensor:
        return movement(name, d, 0.5 - folded, folded) / movement(name, d, 0.5, 0.0)

    ratios = {name: torch.stack([ratio(name, d) for d in widths]) for name in powers}
    show(lines("d_k", widths, ratios, log="xy", y_label="movement, folded over divided"))
    for name, power in powers.items():
        expect(f"{name}: movement folded over divided, over d_k^{power:g}",
               ratios[name] / torch.tensor(widths) ** power, equals=1, within=0.02,
               at=("d_k", widths))


@breaks(optimiser="SGD", en="With SGD it is √d_k that keeps the step, and d_k shrinks it.",
        zh="用 SGD 时，保持变动不变的是 √d_k；除以 d_k 则变小。")
def claim_one_adam_step_moves_scores_with_the_width(
    widths=(16, 64, 256, 1024), draws=8, optimiser="Adam"
):
    """One Adam step at a fixed learning rate moves scores over √d_k by √d_k more in a wider head;
    over d_k, as μP divides, by about the same at every width.

    学习率固定，Adam 走一步：分数除以 √d_k 时，变动随头宽按 √d_k 增大；像 μP 那样除以 d_k，则大致不变。"""
    def mean(d: int, p: float) -> Tensor:
        return torch.stack([movement(optimiser, d, p, 0.0, 10 * s) for s in range(draws)]).mean()

    moved = {p: torch.stack([mean(d, p) for d in widths]) for p in (0.5, 1.0)}
    show(lines("d_k", widths, {f"over d^{p:g}": m for p, m in moved.items()}, log="xy",
               y_label="movement of the scores"))
    span = math.log(widths[-1] / widths[0])
    for p, m in moved.items():
        # means over few draws are off by some 10 %, and that over the span of widths
        expect(f"power of d_k in the movement over d^{p:g}", (m[-1] / m[0]).log() / span,
               equals=1 - p, within=0.15 + 0.2 / span)


ZH = {
    "token": "token",
    "largest difference of the weights": "权重的最大差异",
    "difference of the attention weights": "注意力权重之差",
    "variance of the scores": "分数的方差",
    "W_Q by d^{}, W_K by d^{}": "W_Q 除以 d^{}，W_K 除以 d^{}",
    "W_Q by d^1": "W_Q 除以 d^1",
    "variance with both shrunk": "两者都缩小后的方差",
    "variance with one shrunk by d_k": "一个按 d_k 缩小后的方差",
    "variance with one shrunk by √d_k, over √d_k": "一个按 √d_k 缩小后的方差与 √d_k 之比",
    "movement, folded over divided": "变动，并入与除之比",
    "{}: movement folded over divided, over d_k^{}": "{}：变动的并入与除之比，再除以 d_k^{}",
    "movement of the scores": "分数的变动",
    "over d^{}": "除以 d^{}",
    "power of d_k in the movement over d^{}": "除以 d^{} 时，变动中 d_k 的幂次",
}

if __name__ == "__main__":
    main()
