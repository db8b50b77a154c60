r"""Fitting one Gaussian to two modes, forward KL covers both and reverse KL settles on one.

用一个高斯拟合双峰分布：前向 KL 覆盖两峰，反向 KL 落在其中一峰。

Turn `direction`: forward, KL(p‖q), punishes q where it lacks mass that p has; reverse, KL(q‖p),
where q has mass that p lacks. 改 `direction`：前向罚 q 缺少 p 有的质量，反向罚 q 多出 p 没有的质量。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show

F64 = torch.float64
X = torch.linspace(-10, 10, 401, dtype=F64)
CENTRES, WIDTHS = torch.linspace(-5, 5, 41, dtype=F64), torch.linspace(0.5, 5, 46, dtype=F64)


def two_modes(apart: float) -> Tensor:
    """Two Gaussians of width 1 at ±apart on the grid X, as probabilities (401,)."""
    p = torch.exp(-((X - apart) ** 2) / 2) + torch.exp(-((X + apart) ** 2) / 2)
    return p / p.sum()


def fit(p: Tensor, direction: str) -> tuple[float, float, Tensor]:
    """Centre, width and probabilities of the Gaussian nearest to p, by trying all of the grid."""
    scores = -(((X - CENTRES[:, None, None]) / WIDTHS[:, None]) ** 2) / 2    # (centres, widths, x)
    log_q, log_p = scores.log_softmax(-1), p.log()
    forward = direction == "forward"
    loss = (p * (log_p - log_q) if forward else log_q.exp() * (log_q - log_p)).sum(-1)
    i, j = divmod(int(loss.argmin()), len(WIDTHS))
    return CENTRES[i].item(), WIDTHS[j].item(), log_q[i, j].exp()


RANGES = {
    "apart": between(2.0, 4.0),
    "direction": one_of("forward", "reverse"),
    "fitted": one_of("reverse", "forward"),
}  # fmt: skip


@breaks(direction="reverse", en="Reverse KL settles on one mode, with its width.",
        zh="反向 KL 停在一个峰上，宽度也是该峰的。")
def claim_forward_kl_covers_both_modes(apart=3.0, direction="forward"):
    """The Gaussian with the least KL(p‖q) has the mean and the variance of the target: it spreads
    over both modes.

    使 KL(p‖q) 最小的高斯，均值与方差都和目标相同：它铺开覆盖两个峰。"""
    p = two_modes(apart)
    centre, width, q = fit(p, direction)
    show(lines("x", X, {"target p": p, f"{direction} KL": q}, y_label="probability"))
    expect("centre", centre, equals=(p * X).sum(), within=0.13)          # half a step of the grid
    expect("width over the target's standard deviation", width / (p * X**2).sum().sqrt(), equals=1,
           within=0.05)


@breaks(fitted="forward", en="Forward KL puts its centre between the modes, where p has nothing.",
        zh="前向 KL 的中心落在两峰之间，那里 p 几乎没有质量。")
@breaks(apart=2.0, en="Modes two widths from the middle overlap: reverse KL covers both too.",
        zh="两峰离中点只有两个标准差，互相重叠：反向 KL 也会同时覆盖。")
def claim_reverse_kl_settles_on_one_mode(apart=3.0, fitted="reverse"):
    """The Gaussian with the least KL(q‖p) sits on one of two modes that lie three widths from the
    middle, and has that mode's width.

    两峰离中点三个标准差时，使 KL(q‖p) 最小的高斯停在其中一个峰上，宽度也是该峰的。"""
    p = two_modes(apart)
    centre, width, q = fit(p, fitted)
    show(lines("x", X, {"target p": p, f"{fitted} KL": q}, y_label="probability"))
    expect("distance of the centre from the nearest mode", abs(abs(centre) - apart), equals=0,
           within=0.3)
    expect("width", width, equals=1, within=0.2)


ZH = {
    "x": "x", "target p": "目标 p", "forward KL": "前向 KL", "reverse KL": "反向 KL", "probability": "概率",
    "centre": "中心", "width over the target's standard deviation": "宽度与目标标准差之比",
    "distance of the centre from the nearest mode": "中心与最近的峰的距离", "width": "宽度",
}  # fmt: skip

if __name__ == "__main__":
    main()
