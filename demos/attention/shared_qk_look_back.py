r"""One matrix for Q and K cannot learn “look one step back” where all tokens see each other; under
a causal mask it can.

Q、K 共用一个矩阵，token 彼此可见时学不会「只看前一个」；有因果掩码时可以。

One-hot tokens on a ring, trained by Adam. Turn `matrices` to "two": the loss goes to 0. Turn
`visible` to "earlier": symmetry costs nothing once the token itself is hidden.
一圈 one-hot token，用 Adam 训练。把 `matrices` 改为 "two"：损失降到 0。把 `visible` 改为 "earlier"：再遮住自身，
对称性就没有代价。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, expect, heatmap, lines, main, one_of, show
from studyapp.evidence.tools import Adam


def weights(w_q: Tensor, w_k: Tensor, seen: Tensor) -> Tensor:
    """log softmax over the visible keys of the scores W_Q W_Kᵀ/√d of one-hot tokens; w (n, d)."""
    return (w_q @ w_k.T / w_q.shape[1] ** 0.5).masked_fill(~seen, -torch.inf).log_softmax(-1)


def learn(ring: int, d_head: int, matrices: str, visible: str, steps: int) -> tuple[Tensor, Tensor]:
    """The losses of “attend to the token before” (before token 0 stands the last), and the weights.

    Under a mask token 0 sees no earlier one and is left out."""
    full = torch.ones(ring, ring, dtype=torch.bool)
    seen = {"all": full, "causal": full.tril(), "earlier": full.tril(-1)}[visible].clone()
    wanted = (torch.arange(ring) - 1) % ring
    rows = torch.arange(ring)[seen[torch.arange(ring), wanted]]
    seen[0, 0] = True                                                    # token 0 must see somebody
    w_q = (torch.randn(ring, d_head) / ring**0.5).requires_grad_()
    w_k = w_q if matrices == "one" else (torch.randn(ring, d_head) / ring**0.5).requires_grad_()
    step, losses = Adam([w_q] if matrices == "one" else [w_q, w_k], lr=0.1), []
    for _ in range(steps):
        logs = weights(w_q, w_k, seen)
        loss = F.nll_loss(logs[rows], wanted[rows])
        step.step(loss)
        losses.append(loss.detach())
    return torch.stack(losses), logs.detach().exp()


RANGES = {
    "ring": between(5, 10),
    "d_head": between(8, 16),
    "steps": between(80, 120),
    "matrices": one_of("one", "two"),
    "visible": one_of("all", "causal", "earlier"),
}


@breaks(matrices="two", en="Two matrices can put all the weight on the token before.",
        zh="用两个矩阵可以把全部权重放在前一个 token 上。")
@breaks(visible="earlier", en="Where the later neighbour is hidden, symmetry asks nothing.",
        zh="后一个邻居被遮住，对称性就不起作用。")
def claim_tied_weights_cannot_look_one_step_back(
    ring=8, d_head=8, steps=80, matrices="one", visible="all"
):
    """On a fully visible ring one matrix cannot give the previous token more than 1/3 in geometric
    mean, so the loss stays above ln 3; two matrices learn it.

    在彼此可见的一圈 token 上，共用一个矩阵时，给前一个 token 的权重的几何平均不超过 1/3，损失始终高于 ln 3；两个矩阵则
    学得会。"""
    # The loss is convex in S, so averaging S over the ring's shifts cannot raise it; then the score
    # of the token before is that of the token after, and neither is above that of oneself.
    given, p = learn(ring, d_head, matrices, visible, steps)
    two, apart = learn(ring, d_head, "two", "all", steps)
    show(lines("step", range(steps),
               {"as set": given, "two matrices": two, "ln 3": [math.log(3)] * steps},
               y_label="loss"),
         heatmap(p, x_label="key", y_label="query", title="weights, as set"),
         heatmap(apart, x_label="key", y_label="query", title="weights, two matrices"))
    expect("loss at any step", given, at_least=math.log(3), within=1e-5, at=("step", range(steps)))
    expect("loss of two matrices, last step", two[-1], at_most=0.1)


@breaks(visible="all", en="With the later neighbour visible, it scores as much as the earlier one.",
        zh="后一个邻居可见时，它的分数与前一个一样高。")
@breaks(visible="causal", en="With oneself visible the pull towards oneself makes it slow.",
        zh="自身可见时，偏向自己使它学得很慢。")
def claim_a_causal_mask_hides_the_symmetry(ring=8, d_head=8, steps=80, visible="earlier"):
    """Where only earlier tokens are seen, one matrix learns to look one step back: half of the
    scores is never used.

    只看得到更早的 token 时，共用一个矩阵也能学会只看前一个：有一半分数从不使用。"""
    curves = {
        name: learn(ring, d_head, "one", name, steps)[0] for name in ("all", "causal", "earlier")
    }
    show(lines("step", range(steps), {f"sees {name}": curve for name, curve in curves.items()},
               y_label="loss"))
    expect("loss, last step", curves[visible][-1], at_most=0.1)


ZH = {
    "ln 3": "ln 3", "as set": "按设定", "two matrices": "两个矩阵", "weights, as set": "权重，按设定",
    "weights, two matrices": "权重，两个矩阵",
    "step": "步", "loss at any step": "任一步的损失", "loss of two matrices, last step": "两个矩阵最后一步的损失",
    "sees all": "全部可见", "sees causal": "因果（含自身）", "sees earlier": "只看更早的",
    "loss, last step": "最后一步的损失",
}

if __name__ == "__main__":
    main()
