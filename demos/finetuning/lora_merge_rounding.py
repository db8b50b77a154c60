r"""Folding a LoRA into 16-bit weights rounds away what is small beside them; subtracting it does not undo that.

把 LoRA 折进 16 位权重，会把相对很小的部分舍掉；再减回来也还原不了。

bfloat16 has 8 significant bits. Turn `precision` to "float32" and nothing is lost.
bfloat16 只有 8 位有效数字。把 `precision` 改为 "float32"，就什么也不丢。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show, table


def merge(w: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    """W + scale · B A, summed in float32 at least and rounded once to the type of w (d_out, d_in); a (r, d_in), b (d_out, r)."""
    wide = torch.promote_types(w.dtype, torch.float32)
    return (w.to(wide) + scale * b.to(wide) @ a.to(wide)).to(w.dtype)


def adapter(d: int, r: int) -> tuple[Tensor, Tensor]:
    """A (r, d) and B (d, r) as large as one another, float64."""
    return torch.randn(r, d).double() / d**0.5, torch.randn(d, r).double() / d**0.5


RANGES = {
    "sizes": each(between(0.0001, 0.1), at_least=2, rising=True),
    "precision": one_of("bfloat16", "float32"),
    "undo": one_of("subtract", "keep a copy"),
}
LOW = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@breaks(precision="float32", en="In float32 the steps are 65,536 times as fine, and nothing is lost.",
        zh="float32 的步长细 65536 倍，几乎不丢。")
def claim_bf16_weights_swallow_small_updates(sizes=(0.0003, 0.001, 0.003, 0.01, 0.03), precision="bfloat16"):
    """Merged into bf16 weights, an update a thousandth of their size loses more than half of itself; at
    3 % of their size less than a tenth.

    折进 bf16 权重时，大小为权重千分之一的更新丢掉一半以上，3% 的丢不到一成。"""
    low, d = LOW[precision], 128
    w = (torch.randn(d, d) / d**0.5).bfloat16().to(low)                      # what a checkpoint holds
    a, b = adapter(d, 8)
    update = b @ a
    lost = []
    for size in (*sizes, 0.001, 0.03):
        scale = size * (w.double().norm() / update.norm()).item()
        wanted = update * scale
        lost.append((((merge(w, a, b, scale).double() - w.double()) - wanted).norm() / wanted.norm()).item())
    show(lines("size of the update over the weights", sizes, {"lost share": lost[: len(sizes)]}, log="x"))
    expect("lost at a thousandth", lost[-2], at_least=0.5)
    expect("lost at 3 %", lost[-1], at_most=0.1)
    # bf16 has 8 significant bits: w + δ is off by at most 2^-8 of its size, so against δ by 2^-8 / size
    bound = [2**-8 * (1 + size) / size for size in sizes]
    expect("lost over its bound", [share / most for share, most in zip(lost, bound, strict=False)], at_most=1.0)


@breaks(undo="keep a copy", en="A copy gives back every bit.", zh="保留一份副本，就能逐位还原。")
def claim_subtracting_does_not_restore_bf16(undo="subtract"):
    """Merged into bf16 and subtracted again, an update of 3 % leaves over one weight in fifty changed;
    in float64 all come back to 1e-15. So keep a copy of the base.

    折进 bf16 再减回来，3% 的更新会让五十分之一以上的权重变了样；float64 则都回到 1e-15 以内。所以要保留底座的副本。"""
    d = 128
    exact = torch.randn(d, d).double() / d**0.5
    w = exact.bfloat16()
    a, b = adapter(d, 8)
    b = b * 0.03 * exact.norm() / (b @ a).norm()
    back = merge(merge(w, a, b, 1.0), a, -b, 1.0) if undo == "subtract" else w.clone()
    changed = (back != w).double().mean()
    show(table(["weights in", "changed after merge and unmerge"], [["bfloat16", f"{changed:.1%}"]]))
    expect("share of bf16 weights that changed", changed, at_least=0.02)
    expect("largest difference in float64", (merge(merge(exact, a, b, 1.0), a, -b, 1.0) - exact).abs().max(), equals=0,
           within=1e-15)


ZH = {
    "size of the update over the weights": "更新相对权重的大小",
    "lost share": "丢失的比例",
    "lost at a thousandth": "千分之一时丢失的比例",
    "lost at 3 %": "3% 时丢失的比例",
    "lost over its bound": "丢失比例与上界之比",
    "weights in": "权重类型",
    "changed after merge and unmerge": "合并再还原后改变的比例",
    "share of bf16 weights that changed": "改变了的 bf16 权重的比例",
    "largest difference in float64": "float64 下的最大差异",
}

if __name__ == "__main__":
    main()
