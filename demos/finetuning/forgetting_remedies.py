r"""Replay, weight averaging and a pull to the base trade old for new along one curve, or replay is better.

回放、权重平均、向 base 的惩罚，在新旧之间走同一条取舍曲线；若不相同，则回放更好。

Two quadratic tasks that share all weights. Turn `curvature` to "unequal": averaging and L2 pay more of
the old task for the same new one; EWC (Kirkpatrick et al. 2016) does not, as long as its diagonal is right.
把 `curvature` 改为 "unequal"：同样的新任务水平，平均与 L2 让旧任务付出更多；对角近似准确时 EWC 不会。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
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

F64 = torch.float64


@exercise(claims=("one_curve_when_curvatures_agree", "ewc_is_replay_without_old_data"),
          wrong=("averages_the_weights", "forgets_the_curvature"))
def replay(a: Tensor, b: Tensor, old: Tensor, new: Tensor, share: float) -> Tensor:
    """The weights that minimise share · old loss + (1 − share) · new loss, where the losses are
    ½(w − a)ᵀ·old·(w − a) and ½(w − b)ᵀ·new·(w − b); a, b are (width,), old, new are (width, width).

    使 share·旧损失 + (1 − share)·新损失 最小的权重，两个损失是 ½(w − a)ᵀ·old·(w − a) 与
    ½(w − b)ᵀ·new·(w − b)；a、b 为 (width,)，old、new 为 (width, width)。"""
    return torch.linalg.solve(share * old + (1 - share) * new, share * old @ a + (1 - share) * new @ b)


def average(a: Tensor, b: Tensor, share: float) -> Tensor:
    """Between the base a and the tuned weights b: no training, no data."""
    return share * a + (1 - share) * b


def pull(a: Tensor, b: Tensor, new: Tensor, strength: float, weight: Tensor) -> Tensor:
    """The minimum of new loss + ½ strength · (w − a)ᵀ·weight·(w − a): L2 to the base where weight is the
    identity, EWC where it is the diagonal of the old curvature."""
    return torch.linalg.solve(new + strength * weight, new @ b + strength * weight @ a)


def loss(w: Tensor, to: Tensor, curvature: Tensor) -> float:
    """½(w − to)ᵀ·curvature·(w − to)."""
    return (0.5 * (w - to) @ curvature @ (w - to)).item()


def tasks(width: int, curvature: str, axes: str = "aligned") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two optima, 2 apart in every coordinate, and the two curvatures: the identity, or 2 and 1/8 in all four
    pairings of old and new; the old one's axes are turned at random where they are "rotated"."""
    a = torch.randn(width, dtype=F64)
    b = a + 2 * torch.randn(width, dtype=F64).sign()
    coordinate = torch.arange(width)
    high = (torch.stack((coordinate // 2, coordinate)) % 2).bool()                       # (old and new, width)
    old, new = torch.where(high, 2.0, 0.125).double() if curvature == "unequal" else torch.ones(2, width, dtype=F64)
    turn = torch.linalg.qr(torch.randn(width, width, dtype=F64))[0] if axes == "rotated" else torch.eye(width, dtype=F64)
    return a, b, turn @ torch.diag(old) @ turn.T, torch.diag(new)


def at_new_loss(goal: float, path, b: Tensor, new: Tensor) -> Tensor:
    """The point of a path (at 0 the tuned weights, at 1 the base) whose new loss is the goal, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if loss(path(middle), b, new) < goal else (low, middle)
    return path(low)


RANGES = {
    "width": between(4, 32, multiple_of=4), "shares": each(between(0.02, 0.98), at_least=2, rising=True),
    "mixes": each(between(0.25, 0.98), at_least=2, rising=True),
    "curvature": one_of("equal", "unequal"), "axes": one_of("aligned", "rotated"),
}  # fmt: skip


@breaks(curvature="unequal", en="Where the curvatures differ, the losses depend on more than the share and the distance.",
        zh="曲率不同时，损失不再只由占比与距离决定。")
def claim_one_curve_when_curvatures_agree(width=8, shares=(0.05, 0.25, 0.5, 0.8333333), curvature="equal"):
    """With equal curvature 1, a share ρ of replay, averaging ρ of the base and an L2 pull of ρ/(1 − ρ) all
    leave ½(1 − ρ)²D² on the old task and ½ρ²D² on the new.

    曲率都为 1 时，回放占比 ρ、按 ρ 与 base 平均、强度 ρ/(1 − ρ) 的 L2，三者都使旧任务剩 ½(1 − ρ)²D²，新任务剩 ½ρ²D²。"""
    a, b, old, new = tasks(width, curvature)
    d2, eye = (a - b).square().sum().item(), torch.eye(width, dtype=F64)
    ways = {"replay": lambda r: replay(a, b, old, new, r), "average": lambda r: average(a, b, r),
            "L2": lambda r: pull(a, b, new, r / (1 - r), eye)}
    pairs = {name: [(loss(way(r), a, old), loss(way(r), b, new)) for r in shares] for name, way in ways.items()}
    formula = [(0.5 * (1 - r) ** 2 * d2, 0.5 * r**2 * d2) for r in shares]
    show(lines("share ρ", shares, {"old loss": [x for x, _ in pairs["replay"]], "new loss": [y for _, y in pairs["replay"]]}))
    for name, got in pairs.items():
        expect(f"losses by {name}, less the formula", torch.tensor(got, dtype=F64) - torch.tensor(formula, dtype=F64),
               equals=0, within=1e-9)


@breaks(curvature="equal", en="With equal curvatures the three coincide and replay has no lead.",
        zh="曲率相同时三者重合，回放没有优势。")
def claim_replay_pays_least_of_the_old(width=8, mixes=(0.25, 0.5, 0.75), curvature="unequal"):
    """Where curvatures differ (1/8 and 2), at the same new loss L2 costs the old task over 1.2 times, and
    averaging over 1.8 times, what replay of at least a quarter costs.

    曲率不同（1/8 与 2）时，在同样的新任务损失下，旧任务的损失与回放（至少四分之一）相比，L2 超过 1.2 倍，平均超过 1.8 倍。"""
    a, b, old, new = tasks(width, curvature)
    eye, cost = torch.eye(width, dtype=F64), {"replay": [], "average": [], "L2": []}
    for r in mixes:
        w = replay(a, b, old, new, r)
        goal = loss(w, b, new)
        cost["replay"].append(loss(w, a, old))
        cost["average"].append(loss(at_new_loss(goal, lambda s: average(a, b, s), b, new), a, old))
        cost["L2"].append(loss(at_new_loss(goal, lambda s: pull(a, b, new, s / (1 - s + 1e-12), eye), b, new), a, old))
    show(lines("share ρ", mixes, cost, y_label="old loss at replay's new loss"))
    for name, least in (("average", 1.8), ("L2", 1.2)):
        expect(f"old loss by {name} over by replay", [x / y for x, y in zip(cost[name], cost["replay"], strict=True)],
               at_least=least, at=("ρ", mixes))


@breaks(axes="rotated", en="Where the old curvature is not diagonal, its diagonal no longer stands for the data.",
        zh="旧任务的曲率不是对角阵时，对角线就代替不了数据。")
def claim_ewc_is_replay_without_old_data(width=8, shares=(0.1, 0.5, 0.8), curvature="unequal", axes="aligned"):
    """A pull weighted with the diagonal of the old curvature, of strength ρ/(1 − ρ), gives the weights of
    replay with share ρ, if that curvature is diagonal.

    用旧任务曲率的对角线加权、强度 ρ/(1 − ρ) 的惩罚，得到与回放占比 ρ 相同的权重，前提是该曲率确为对角阵。"""
    a, b, old, new = tasks(width, curvature, axes)
    gap = []
    for r in shares:
        w = torch.zeros(width, dtype=F64)
        for _ in range(800):                                         # descent on the replayed mixture itself
            w = w - 0.5 * (r * old @ (w - a) + (1 - r) * new @ (w - b))
        gap.append((pull(a, b, new, r / (1 - r), torch.diag(old.diagonal())) - w).abs().max().item())
        expect(f"weights by replay less by descent, ρ = {r:g}", replay(a, b, old, new, r) - w, equals=0, within=1e-8)
    show(lines("share ρ", shares, {"largest difference of a weight": gap}))
    # The mixture's smallest eigenvalue is 1/8 where axes are aligned: 800 steps of 0.5 leave e^(−50) of the start
    expect("weights by EWC less by replay", gap, equals=0, within=1e-8, at=("ρ", shares))


def drill_trade(rng) -> Drill:
    """The two losses at a share of replay."""
    share, d = rng.choice([0.25, 0.5, 0.75, 0.1]), rng.choice([2, 4])
    one, side = torch.ones(1, 1, dtype=F64), rng.choice(["old", "new"])
    a, b = torch.zeros(1, dtype=F64), torch.full((1,), float(d), dtype=F64)
    w = replay(a, b, one, one, share)
    value = loss(w, a, one) if side == "old" else loss(w, b, one)
    away = d * (1 - share) if side == "old" else d * share
    return Drill(
        en=f"Old and new task share one weight, both losses are ½·distance², the optima lie {d} apart. {share:g} of the data is "
           f"replayed from the old task. What loss is left on the {side} task?",
        zh=f"新旧任务共用一个权重，损失都是 ½·距离²，最优点相距 {d}。旧数据回放占 {share:g}。"
           f"{'旧' if side == 'old' else '新'}任务还剩多少损失？",
        answer=value, within=0.01,
        steps=[(f"the minimum lies {share:g} of the way back to the old optimum: {away:g} from the {side} one",
                f"最小值在向旧最优点退回 {share:g} 处：离{'旧' if side == 'old' else '新'}最优点 {away:g}"),
               (f"½·{away:g}² = {value:g}",) * 2],
        proved_by="one_curve_when_curvatures_agree",
    )


ZH = {
    "share ρ": "占比 ρ", "old loss": "旧损失", "new loss": "新损失", "losses by {}, less the formula": "{} 的损失减公式",
    "replay": "回放", "average": "平均", "L2": "L2", "old loss at replay's new loss": "新损失与回放相同时的旧损失",
    "old loss by {} over by replay": "{} 与回放的旧损失之比", "largest difference of a weight": "权重的最大差异",
    "weights by EWC less by replay": "EWC 的权重减回放的权重",
    "weights by replay less by descent, ρ = {}": "回放的权重减梯度下降所得，ρ = {}",
}  # fmt: skip

if __name__ == "__main__":
    main()
