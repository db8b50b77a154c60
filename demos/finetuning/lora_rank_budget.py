r"""AdaLoRA spends one budget of rank where the loss is sensitive to it, instead of the same rank everywhere.

AdaLoRA 把一份总的秩预算花在损失对它敏感的地方，而不是处处同秩。

Zhang et al. 2023. Four weights, of which one wants a change of rank 6, one of rank 2 and two none.
Turn `needs` to "equal": where all want the same, an even split is as good.
四个权重：一个需要秩 6 的改变，一个需要秩 2，两个不需要。把 `needs` 改为 "equal"：需要相同，平均分就一样好。
"""

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam


@exercise(claims=("sensitivity_does_not_depend_on_who_holds_the_scale",), wrong=("by_size", "by_gradient"))
def importance(p: Tensor, lam: Tensor, q: Tensor, gradients: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """AdaLoRA's score of each triplet (column of P, λ, row of Q), before smoothing: |λ ∂λ| plus the means
    of |P ∂P| and of |Q ∂Q| over its vectors. p (…, d, r), lam (…, r), q (…, r, d), gradients of the
    loss shaped as they are; returns (…, r).

    AdaLoRA 给每个三元组（P 的一列、λ、Q 的一行）打的分，未平滑：|λ ∂λ| 加上 |P ∂P| 与 |Q ∂Q| 在各自向量上的均值。
    p (…, d, r)，lam (…, r)，q (…, r, d)，gradients 为损失对三者的梯度，形状相同；返回 (…, r)。"""
    gp, gl, gq = gradients
    return (lam * gl).abs() + (p * gp).abs().mean(-2) + (q * gq).abs().mean(-1)


def wanted(needs: tuple[int, ...], d: int) -> Tensor:
    """For each weight a change of so many singular values 2, (weights, d, d)."""
    u, v = (torch.linalg.qr(torch.randn(len(needs), d, d))[0] for _ in range(2))
    kept = (torch.arange(d) < torch.tensor(needs)[:, None]).float()        # (weights, d)
    return (u * 2 * kept[:, None]) @ v.mT


def train(target: Tensor, budget: int, split: str, penalty: float = 0.1, steps: int = 100) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """P, λ, Q trained from 6 triplets per weight, which a cubic schedule cuts to the budget; and what is left of the target, a share."""
    count, d, _ = target.shape
    p, q = torch.randn(count, d, 6) / d**0.5, torch.randn(count, 6, d) / d**0.5
    lam, eye = torch.zeros(count, 6), torch.eye(6)
    parts = [t.requires_grad_() for t in (p, lam, q)]
    adam, mean, spread = Adam(parts, 0.05), torch.zeros(count, 6), torch.zeros(count, 6)
    for t in range(steps):
        off = (p * lam[:, None]) @ q - target                              # (weights, d, d)
        fit = (off @ torch.randn(d, 64)).square().sum(1).mean(1).sum()
        loss = fit + penalty * ((p.mT @ p - eye).square().sum() + (q @ q.mT - eye).square().sum())
        score = importance(p, lam, q, torch.autograd.grad(loss, parts, retain_graph=True)).detach()
        mean = 0.85 * mean + 0.15 * score                                  # smoothed here by triplet, in the paper by number
        spread = 0.85 * spread + 0.15 * (score - mean).abs()               # and how uncertain it is
        adam.step(loss)
        left = 1 - min(max((t - 20) / (0.6 * steps - 20), 0.0), 1.0)
        keep = int(budget + (count * 6 - budget) * left**3)
        with torch.no_grad():
            if split == "even":
                lam[:, budget // count :] = 0
            else:
                lam[mean * spread < (mean * spread).flatten().sort(descending=True).values[keep - 1]] = 0
    off = (p * lam[:, None]) @ q - target
    return p.detach(), lam.detach(), q.detach(), (off.square().sum() / target.square().sum()).detach()


RANGES = {
    "needs": one_of("unequal", "equal"),
    "split": one_of("by importance", "even"),
    "score": one_of("sensitivity", "magnitude"),
    "removed": one_of("λ", "the vectors"),
    "penalty": one_of(0.5, 0.0),
    "c": between(2.0, 10.0),
}
NEEDS = {"unequal": (6, 0, 0, 2), "equal": (2, 2, 2, 2)}


@breaks(needs="equal", en="Where all weights want the same rank there is nothing to redistribute.",
        zh="各权重需要的秩相同，就没有可调配的。")
@breaks(split="even", en="Two triplets each: the weight that wants six gets two.", zh="每个权重两个三元组：需要六个的只得到两个。")
def claim_the_budget_goes_where_it_is_needed(needs="unequal", split="by importance"):
    """With a budget of 8 triplets for four weights that want ranks 6, 0, 0 and 2, AdaLoRA ends at those ranks and misses less
    than 5 % of the change; two triplets each miss half of it (toy).

    四个权重需要的秩为 6、0、0、2，总预算 8 个三元组：AdaLoRA 最后恰好分到这些秩，漏掉的改变不到 5%；每个两个则漏掉一半（玩具）。"""
    target = wanted(NEEDS[needs], 12)
    ends = {name: train(target, 8, name) for name in ("even", "by importance")}
    ranks = {name: (end[1] != 0).sum(1).tolist() for name, end in ends.items()}
    show(bars([f"W{i + 1}" for i in range(4)], {"wanted": NEEDS[needs], **ranks}, y_label="rank"))
    expect("ranks", ranks[split], equals=list(NEEDS["unequal"]), at=("weight", range(4)))
    expect("missed by importance", ends[split][3], at_most=0.05)
    # an even split keeps 4 of the 8 directions, all equally large: half of the square is missed
    expect("missed by an even split", ends["even"][3], equals=0.5, within=0.03)


@breaks(score="magnitude", en="|λ| changes when the scale moves into P, though the update is the same.",
        zh="尺度移到 P 里，|λ| 就变了，尽管更新没变。")
def claim_sensitivity_does_not_depend_on_who_holds_the_scale(c=5.0, score="sensitivity"):
    """Dividing λ by c and multiplying its column of P by c leaves the update and the sensitivity |w·∂w| as they are; |λ| would
    rank another triplet last.

    λ 除以 c、P 的对应列乘 c，更新与灵敏度 |w·∂w| 都不变；按 |λ| 排，末位就换了人。"""
    d = 12
    target = torch.randn(d, d).double()
    p, q, lam = torch.randn(d, 4).double(), torch.randn(4, d).double(), torch.tensor([1.0, 1.2, 1.4, 1.6]).double()

    def scores(p: Tensor, lam: Tensor) -> tuple[Tensor, Tensor]:
        parts = [t.clone().requires_grad_() for t in (p, lam, q)]
        update = (parts[0] * parts[1]) @ parts[2]
        gradients = torch.autograd.grad((update - target).square().sum(), parts)
        return update.detach(), importance(p, lam, q, gradients) if score == "sensitivity" else lam.abs()

    moved = torch.tensor([1.0, 1.0, 1.0, c]).double()
    (update, before), (same, after) = scores(p, lam), scores(p * moved, lam / moved)
    show(bars(["1", "2", "3", "4"], {"before": before, "scale moved into P": after}, y_label="score of the triplet"))
    # float64: sums of 144 terms, relative to their size
    expect("change of the update", (update - same).norm() / update.norm(), equals=0, within=1e-12)
    expect("score after over before", after / before, equals=1, within=1e-10, at=("triplet", range(4)))
    # moving λ_k costs dL = ∂λ_k dλ: by finite difference, for the first triplet alone
    if score == "sensitivity":
        h = 1e-6
        ends = [((p * (lam + s * h * torch.tensor([1.0, 0, 0, 0]).double())) @ q - target).square().sum() for s in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * h) * lam[0]
        gp = 2 * ((p * lam) @ q - target) @ q[0] * lam[0]
        gq = 2 * ((p * lam) @ q - target).T @ p[:, 0] * lam[0]
        by_hand = slope.abs() + (p[:, 0] * gp).abs().mean() + (q[0] * gq).abs().mean()
        expect("score of the first triplet by differences", before[0] / by_hand, equals=1, within=1e-6)


@breaks(removed="the vectors", en="With its vectors gone the gradient of λ is zero too, and the triplet is lost.",
        zh="向量一并删掉，λ 的梯度也为零，这个三元组就永远没了。")
def claim_a_pruned_triplet_can_return(removed="λ"):
    """Pruning sets λ to zero and keeps its vectors, so λ still has a gradient and can come back when it is wanted.

    剪枝只把 λ 置零而保留它的两个向量，所以 λ 仍有梯度，需要时还能回来。"""
    d = 12
    p, q, target = torch.randn(d, 4).double(), torch.randn(4, d).double(), torch.randn(d, d).double()
    alive = torch.tensor([1.0, 1.0, 1.0, 0.0]).double()
    if removed == "the vectors":
        p, q = p * alive, q * alive[:, None]
    lam = alive.clone().requires_grad_()
    losses = []
    for _ in range(20):
        loss = ((p * lam) @ q - target).square().mean()
        (g,) = torch.autograd.grad(loss, [lam])
        losses.append(loss.item())
        lam = (lam - 0.05 * g).detach().requires_grad_()
    show(lines("step", range(20), {"loss": losses}))
    expect("|λ| of the pruned triplet after 20 steps", lam[3].abs(), at_least=1e-3)


@breaks(penalty=0.0, en="Without it P and Q take over part of the scale, and |λ| is no singular value.",
        zh="没有它，P 与 Q 分走一部分尺度，|λ| 就不是奇异值了。")
def claim_the_penalty_makes_lambda_singular_values(penalty=0.5):
    """No SVD is computed: a penalty on PᵀP − I and QQᵀ − I keeps the vectors nearly orthonormal, and |λ| are the singular values
    of the change to 5 % (toy, penalty 0.5).

    并不计算 SVD：对 PᵀP − I 与 QQᵀ − I 的惩罚使向量近似标准正交，|λ| 就是改变量的奇异值，误差 5% 以内（玩具，惩罚系数 0.5）。"""
    p, lam, q, _ = train(wanted((6,), 12), 6, "by importance", penalty, steps=200)
    found = torch.linalg.svdvals((p * lam[:, None]) @ q)[0, :6]
    shown = lam[0].abs().sort(descending=True).values
    show(bars([f"{i + 1}" for i in range(6)], {"singular value of the change": found, "|λ|": shown}))
    expect("|λ| over the singular value", shown / found, equals=1, within=0.05, at=("place", range(6)))


ZH = {
    "by importance": "按重要性",
    "even": "平均分",
    "wanted": "需要",
    "rank": "秩",
    "ranks": "秩",
    "weight": "权重",
    "missed by importance": "按重要性分配时漏掉的",
    "missed by an even split": "平均分时漏掉的",
    "before": "之前",
    "scale moved into P": "尺度移入 P",
    "score of the triplet": "三元组的得分",
    "change of the update": "更新的变化",
    "score after over before": "之后与之前得分之比",
    "triplet": "三元组",
    "score of the first triplet by differences": "用差分算第一个三元组的得分",
    "step": "步",
    "loss": "损失",
    "|λ| of the pruned triplet after 20 steps": "被剪的三元组 20 步后的 |λ|",
    "singular value of the change": "改变量的奇异值",
    "|λ| over the singular value": "|λ| 与奇异值之比",
    "place": "位次",
}

if __name__ == "__main__":
    main()
