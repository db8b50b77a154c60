r"""Cross-entropy and KL train alike as long as the target stands still; what they report differs by
its entropy.

目标固定时，交叉熵与 KL 训练效果相同；报出的数值相差目标的熵。

Turn `target` to "moving": the target's own entropy has a gradient, and the two part.
把 `target` 改为 "moving"：目标自身的熵有了梯度，两者就分道扬镳。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, expect, lines, main, one_of, show

F64 = torch.float64


def cross_entropy(p: Tensor, q: Tensor) -> Tensor:
    """−Σ p ln q, in nats."""
    return -torch.xlogy(p, q).sum(-1)


def kl(p: Tensor, q: Tensor) -> Tensor:
    """Σ p ln(p/q) = H(p, q) − H(p)."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def logit_gradients(z: Tensor, moving: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients in z (classes,) of H(p, q), of KL(p‖q) and of H(p): q = softmax(z), and p a
    sharpened copy of it, softmax(2z), through which a gradient flows where it is `moving`."""
    def p() -> Tensor:
        return (2 * z).softmax(-1) if moving else (2 * z.detach()).softmax(-1) + 0 * z

    return tuple(torch.autograd.grad(f(), z)[0] for f in (
        lambda: cross_entropy(p(), z.softmax(-1)), lambda: kl(p(), z.softmax(-1)),
        lambda: cross_entropy(p(), p())))


RANGES = {
    "heads": between(0.02, 0.98), "floor": one_of("H(p)", "0"),
    "classes": between(3, 64), "target": one_of("fixed", "moving"),
}  # fmt: skip


@breaks(floor="0", en="Zero is the least of KL; of cross-entropy only for one-hot targets.",
        zh="0 是 KL 的最小值；交叉熵只有目标为 one-hot 时才到 0。")
def claim_the_least_cross_entropy_is_the_entropy(heads=0.5, floor="H(p)"):
    """The least cross-entropy is H(p), reached at q = p, and not 0: 0.693 nats for a fair coin; the
    least KL is 0.

    交叉熵的最小值是 H(p)，在 q = p 处取到，而不是 0：公平硬币为 0.693 nats；KL 的最小值才是 0。"""
    p = torch.tensor([heads, 1 - heads], dtype=F64)
    z = torch.linspace(-5, 5, 101, dtype=F64) + math.log(heads / (1 - heads))
    q = torch.stack((z.sigmoid(), (-z).sigmoid()), 1)                    # the middle one is p
    ce, gap = cross_entropy(p, q), kl(p, q)
    show(lines("logit of q", z, {"H(p, q)": ce, "KL(p‖q)": gap}, y_label="nats"))
    entropy = torch.distributions.Bernoulli(p[0]).entropy()
    expect("least cross-entropy", ce.min(), equals=entropy if floor == "H(p)" else 0.0, within=1e-12)
    expect("least KL", gap.min(), equals=0, within=1e-12)
    expect("distance of the best q from p", (q[ce.argmin()] - p).abs().max(), equals=0, within=1e-12)


@breaks(target="moving", en="A target that moves brings the gradient of its entropy.",
        zh="目标会动时，还要加上其熵的梯度。")
def claim_ce_and_kl_share_the_logit_gradient(classes=6, target="fixed"):
    """For a fixed target p cross-entropy and KL have the same gradient in the logits, softmax(z) −
    p.

    目标 p 固定时，交叉熵与 KL 对 logit 的梯度相同，都是 softmax(z) − p。"""
    z = torch.randn(classes, dtype=F64, requires_grad=True)
    by_ce, by_kl, _ = logit_gradients(z, target == "moving")
    exact = (z.softmax(-1) - (2 * z).softmax(-1)).detach()
    show(bars(range(min(classes, 12)), {"by cross-entropy": by_ce[:12], "by KL": by_kl[:12]},
              y_label="gradient in the logit"))
    expect("gradient by cross-entropy less softmax(z) − p", by_ce - exact, equals=0, within=1e-12)
    expect("gradient by KL less softmax(z) − p", by_kl - exact, equals=0, within=1e-12)
    leaf = z.detach().clone().requires_grad_()
    F.cross_entropy(leaf[None], (2 * leaf.detach()).softmax(-1)[None]).backward()
    expect("torch's own less softmax(z) − p", leaf.grad - exact, equals=0, within=1e-12)


@breaks(target="fixed", en="Detached, the target's entropy is a constant and nothing parts them.",
        zh="目标 detach 之后，熵是常数，两者没有差别。")
def claim_a_moving_target_parts_the_gradients(classes=6, target="moving"):
    """Where p depends on the trained parameters the two gradients differ, and by exactly the
    gradient of H(p).

    若 p 依赖被训练的参数，两者的梯度就不同，差的正是 H(p) 的梯度。"""
    z = torch.randn(classes, dtype=F64, requires_grad=True)
    by_ce, by_kl, by_entropy = logit_gradients(z, target == "moving")
    show(bars(range(min(classes, 12)), {"by cross-entropy": by_ce[:12], "by KL": by_kl[:12],
                                        "of H(p)": by_entropy[:12]}, y_label="gradient in the logit"))
    expect("difference of the two gradients less that of H(p)", by_ce - by_kl - by_entropy, equals=0,
           within=1e-12)
    p, q = (2 * z).softmax(-1).detach(), z.softmax(-1).detach()
    by_hand = 2 * p * (q.log() - (p * q.log()).sum())       # −Σ ∂p ln q, with ∂p = 2(diag p − ppᵀ)
    expect("gradient of H(p, q) less its two parts by hand", by_ce - ((q - p) - by_hand), equals=0,
           within=1e-12)


def drill_floor(rng) -> Drill:
    """The least loss that soft targets allow, in bits."""
    name, p = rng.choice([("1/2, 1/4, 1/4", (0.5, 0.25, 0.25)), ("1/2, 1/4, 1/8, 1/8", (0.5, 0.25, 0.125, 0.125)),
                          ("1/4, 1/4, 1/4, 1/4", (0.25,) * 4), ("3/4, 1/4", (0.75, 0.25))])
    bits = cross_entropy(torch.tensor(p, dtype=F64), torch.tensor(p, dtype=F64)).item() / math.log(2)
    work = " + ".join(f"{x:g} · log₂ {1 / x:g}" for x in p)
    return Drill(
        en=f"A teacher's probabilities are ({name}). What is the least cross-entropy a student can reach on "
           "this row, in bits? (log₂ 3 ≈ 1.585)",
        zh=f"教师给出的概率为（{name}）。学生在这一行上能达到的最小交叉熵是多少比特？（log₂ 3 ≈ 1.585）",
        answer=bits, within=0.01,
        steps=[("the least is the entropy of the target, at q = p", "最小值就是目标的熵，在 q = p 处取到"),
               (f"{work} = {bits:.3f}",) * 2],
        proved_by="the_least_cross_entropy_is_the_entropy",
    )


ZH = {
    "logit of q": "q 的 logit", "H(p, q)": "H(p, q)", "KL(p‖q)": "KL(p‖q)", "nats": "nats",
    "least cross-entropy": "最小的交叉熵", "least KL": "最小的 KL",
    "distance of the best q from p": "最优的 q 与 p 的距离", "by cross-entropy": "交叉熵", "by KL": "KL",
    "of H(p)": "H(p)", "gradient in the logit": "对 logit 的梯度",
    "gradient by cross-entropy less softmax(z) − p": "交叉熵的梯度减 (softmax(z) − p)",
    "gradient by KL less softmax(z) − p": "KL 的梯度减 (softmax(z) − p)",
    "torch's own less softmax(z) − p": "torch 的梯度减 (softmax(z) − p)",
    "difference of the two gradients less that of H(p)": "两个梯度之差减 H(p) 的梯度",
    "gradient of H(p, q) less its two parts by hand": "H(p, q) 的梯度减手推的两部分",
}  # fmt: skip

if __name__ == "__main__":
    main()
