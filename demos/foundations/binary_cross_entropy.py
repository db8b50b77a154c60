r"""Binary cross-entropy is two-class cross-entropy with logits 0 and z: softplus(z) − y·z.

二元交叉熵就是 logit 为 0 与 z 的二分类交叉熵：softplus(z) − y·z。

Turn `written` to "sigmoid, then log": in fp32 the loss is infinite from z = 17 on.
把 `written` 改为 "sigmoid, then log"：fp32 下从 z = 17 起损失就是无穷大。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("equals_torch_at_any_logit", "gradient_is_sigmoid_minus_y"),
          wrong=("sigmoid_then_log", "softplus_written_out", "one_sided"))
def binary_cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """−[y ln σ(z) + (1 − y) ln(1 − σ(z))] for each logit z and target y in [0, 1], of one shape;
    finite at any finite logit.

    对每个 logit z 与目标 y（取值 [0, 1]，形状相同）求 −[y ln σ(z) + (1 − y) ln(1 − σ(z))]；logit 有限时结果总是有限。"""
    return z.clamp(min=0) + (-z.abs()).exp().log1p() - y * z


def sigmoid_then_log(z: Tensor, y: Tensor) -> Tensor:
    """The wrong way: 1 − σ(z) rounds to 0, and its logarithm is infinite."""
    p = z.sigmoid()
    return -(torch.xlogy(y, p) + torch.xlogy(1 - y, 1 - p))


WAYS = {"from the logit": binary_cross_entropy, "sigmoid, then log": sigmoid_then_log}

RANGES = {
    "logits": each(between(-1000.0, 1000.0), at_least=2, rising=True),
    "written": one_of("from the logit", "sigmoid, then log"),
    "small": each(between(-20.0, 20.0), at_least=2, rising=True),
    "other": one_of(0.0, 1.0), "respect_to": one_of("logit", "probability"), "rows": between(2, 256),
}  # fmt: skip


@breaks(written="sigmoid, then log", en="In fp32 σ(17) rounds to 1, and ln(1 − 1) is −inf.",
        zh="fp32 下 σ(17) 舍入成 1，ln(1 − 1) 就是 −inf。")
def claim_equals_torch_at_any_logit(logits=(-1000.0, -100.0, -20.0, 0.0, 20.0, 100.0, 1000.0),
                                    written="from the logit"):
    """max(z, 0) − y·z + ln(1 + exp(−|z|)) is the loss at any logit, as in torch's version with
    logits; sigmoid and then log is infinite beyond 17 in fp32.

    max(z, 0) − y·z + ln(1 + exp(−|z|)) 在任何 logit 处都对，与 torch 的 with_logits 版本一致；fp32 下先 sigmoid 再取
    log，超过 17 就是无穷大。"""
    z = torch.tensor(logits).repeat(3)
    y = torch.tensor([0.0, 0.5, 1.0]).repeat_interleave(len(logits))
    wanted = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    near = torch.linspace(-25, 25, 51)
    show(lines("z, for y = 0", near, {name: f(near, torch.zeros_like(near)).clamp(max=40)
                                      for name, f in WAYS.items()}, y_label="loss, at most 40"))
    # fp32 rounds to 6e-8 of the result, a few times
    expect("loss less torch's", WAYS[written](z, y) - wanted, equals=0, within=1e-6 * (1 + wanted),
           at=("z", z))
    p = torch.tensor(17.0).sigmoid()
    expect("1 − σ(17) in fp32", 1 - p, equals=0)


@breaks(other=1.0, en="Only the difference counts: with a second logit of 1 it is BCE at z − 1.",
        zh="起作用的只有差值：另一个 logit 为 1 时，得到的是 z − 1 处的 BCE。")
def claim_bce_is_two_class_ce(small=(-3.0, 0.0, 1.3, 5.0), other=0.0):
    """BCE at logit z is cross-entropy over two classes with logits 0 and z: 0.241 for z = 1.3, y = 1
    both ways.

    logit 为 z 的 BCE 就是 logit 为 (0, z) 的二分类交叉熵：z = 1.3、y = 1 时两者都是 0.241。"""
    z = torch.tensor(small, dtype=torch.float64)
    binary = binary_cross_entropy(z, torch.ones_like(z))
    two = F.cross_entropy(torch.stack([torch.full_like(z, other), z], -1),
                          torch.ones(len(z), dtype=torch.long), reduction="none")
    show(lines("z", small, {"BCE(z, 1)": binary, "CE((0, z), 1)": two}, y_label="loss"))
    expect("BCE less two-class CE", binary - two, equals=0, within=1e-12, at=("z", small))
    expect("BCE at z = 1.3, y = 1", binary_cross_entropy(torch.tensor(1.3), torch.tensor(1.0)),
           equals=0.241, within=5e-4)


@breaks(respect_to="probability", en="In the probability it is (p − y)/(p(1 − p)).",
        zh="对概率求导得 (p − y)/(p(1 − p))。")
def claim_gradient_is_sigmoid_minus_y(rows=64, respect_to="logit"):
    """The gradient of BCE in the logit is σ(z) − y, whatever y in [0, 1].

    BCE 对 logit 的梯度是 σ(z) − y，y 取 [0, 1] 中任何值都成立。"""
    z = 3 * torch.randn(rows, dtype=torch.float64)
    y = torch.rand(rows, dtype=torch.float64)
    leaf = z.clone().requires_grad_() if respect_to == "logit" else z.sigmoid().requires_grad_()
    made = (binary_cross_entropy(leaf, y) if respect_to == "logit"
            else F.binary_cross_entropy(leaf, y, reduction="none"))
    (got,) = torch.autograd.grad(made.sum(), leaf)
    order = z.argsort()
    show(lines("z", z[order], {"gradient": got[order], "σ(z) − y": (z.sigmoid() - y)[order]}))
    expect("gradient less (σ(z) − y)", got - (z.sigmoid() - y), equals=0, within=1e-9)


def drill_odds(rng) -> Drill:
    """BCE from odds."""
    odds, y = rng.choice([(3, 1), (3, 0), (4, 1), (4, 0), (9, 1), (9, 0), (1, 1)])
    z = torch.tensor(float(odds), dtype=torch.float64).log()
    loss = binary_cross_entropy(z, torch.tensor(float(y), dtype=torch.float64)).item()
    share = odds + 1 if y == 0 else (odds + 1) / odds
    return Drill(
        en=f"A binary classifier gives the logit ln {odds}; the label is {y}. How large is the binary cross-entropy, "
           "in nats? (ln 2 ≈ 0.693, ln 5 ≈ 1.609)",
        zh=f"二分类器给出的 logit 是 ln {odds}，标签为 {y}。二元交叉熵是多少 nats？（ln 2 ≈ 0.693，ln 5 ≈ 1.609）",
        answer=loss, within=0.01,
        steps=[(f"p = {odds}/{odds + 1}",) * 2,
               (f"−ln {'p' if y else '(1 − p)'} = ln {share:.4g} = {loss:.3f}",) * 2],
        proved_by="bce_is_two_class_ce",
    )


ZH = {
    "z, for y = 0": "z（y = 0）", "from the logit": "直接由 logit", "sigmoid, then log": "先 sigmoid 再取 log",
    "loss, at most 40": "损失（至多画到 40）", "loss less torch's": "损失与 torch 之差", "z": "z",
    "1 − σ(17) in fp32": "fp32 下的 1 − σ(17)", "BCE(z, 1)": "BCE(z, 1)", "CE((0, z), 1)": "CE((0, z), 1)",
    "loss": "损失", "BCE less two-class CE": "BCE 与二分类 CE 之差", "BCE at z = 1.3, y = 1": "z = 1.3、y = 1 处的 BCE",
    "gradient": "梯度", "σ(z) − y": "σ(z) − y", "gradient less (σ(z) − y)": "梯度减 (σ(z) − y)",
}  # fmt: skip

if __name__ == "__main__":
    main()
