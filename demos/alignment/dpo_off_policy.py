r"""DPO sees only the pairs it is given: the margin can grow while the chosen response loses probability to
one that is in no pair.

DPO 只看给它的偏好对：间隔可以一直变大，chosen 的概率却流向不在任何偏好对里的回答。

Razin et al. 2024. A toy policy of five responses whose logits share one feature. Turn `absent` to 0.9:
nothing looks more chosen than the chosen response, and it rises. 把 `absent` 改为 0.9：没有哪个回答比 chosen 更像
chosen，它就上升。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show

F64 = torch.float64
CHOSEN, REJECTED, ABSENT = 0, 1, 2
STEPS = 160
POLICIES = {"shared feature": (1.0, 0.0), "tabular": (0.0, 1.0)}


def features(absent: float, shared: float, own: float) -> Tensor:
    """(responses, 1 + responses): how each logit moves with the shared weight, and with its own."""
    common = torch.tensor([1.0, 0.0, absent, 0.2, -0.5], dtype=F64)
    return torch.cat((shared * common[:, None], own * torch.eye(5, dtype=F64)), 1)


def train(phi: Tensor, pairs: str, beta: float = 0.1, lr: float = 5.0) -> tuple[Tensor, Tensor]:
    """Gradient descent on DPO's loss from a uniform policy. pairs "fixed" is the one pair of the data
    set; "fresh" is all pairs in the policy's own proportions, labelled by the true quality. Gives
    log-probabilities (STEPS + 1, responses) and the margin β·(gap of log-ratios) (STEPS + 1,)."""
    quality = torch.tensor([1.0, 0.0, -1.0, 0.0, -0.5], dtype=F64)
    weights = torch.zeros(phi.shape[1], dtype=F64, requires_grad=True)
    ref = (phi @ weights).log_softmax(-1).detach()
    curve, margins = [], []
    for _ in range(STEPS + 1):
        log_pi = (phi @ weights).log_softmax(-1)
        ratio = beta * (log_pi - ref)
        gaps = ratio[:, None] - ratio                                  # (first, second)
        curve.append(log_pi.detach())
        margins.append(gaps[CHOSEN, REJECTED].item())
        if pairs == "fresh":
            p = log_pi.detach().exp()
            wins = torch.sigmoid(4 * (quality[:, None] - quality))
            loss = (p[:, None] * p * wins * F.softplus(-gaps)).sum()
        else:
            loss = F.softplus(-gaps[CHOSEN, REJECTED])
        (slope,) = torch.autograd.grad(loss, weights)
        weights = (weights - lr * slope).detach().requires_grad_()
    return torch.stack(curve), torch.tensor(margins)


RANGES = {
    "absent": between(0.5, 4.0), "own": between(0.5, 1.0), "policy": one_of("shared feature", "tabular"),
    "pairs": one_of("fixed", "fresh"), "watched": one_of("margin", "chosen"),
}
NOT_MORE = breaks(absent=0.9, en="No absent response moves further than the chosen one: it takes the mass.",
                  zh="没有哪个缺席回答涨得比 chosen 快，概率就归 chosen。")
TABULAR = breaks(policy="tabular", en="With a logit of its own for each response nothing is dragged along.",
                 zh="每个回答各有自己的 logit 时，谁也不会被顺带抬高。")


@NOT_MORE
@TABULAR
def claim_the_chosen_falls_and_an_absent_response_wins(absent=2.0, policy="shared feature"):
    """If a response in no pair moves further with the shared feature than the chosen one, it ends with
    over 0.9, and the chosen response below its start.

    若某个不在偏好对里的回答随共享特征涨得比 chosen 更快，它最终超过 0.9，chosen 反而低于起点。"""
    curve, margin = train(features(absent, *POLICIES[policy]), "fixed")
    steps = list(range(0, STEPS + 1, 8))
    show(lines("step", steps, {"chosen": curve[steps, CHOSEN].exp(), "rejected": curve[steps, REJECTED].exp(),
                               "absent": curve[steps, ABSENT].exp()}, y_label="probability"))
    expect("margin over its start", margin[-1] - margin[0], at_least=0.5)
    expect("log π(chosen), end less start", curve[-1, CHOSEN] - curve[0, CHOSEN], at_most=-0.5)
    expect("probability of the absent response", curve[-1, ABSENT].exp(), at_least=0.9)


@breaks(watched="chosen", en="The log-probability of the chosen response tells the two runs apart.",
        zh="看 chosen 的对数概率，就能区分这两次训练。")
def claim_loss_and_margin_do_not_show_it(watched="margin"):
    """Margin and loss are the same, step by step, whether the chosen response rises or falls: only its
    own log-probability tells.

    无论 chosen 上升还是下降，间隔与损失逐步完全相同：只有 chosen 自己的对数概率看得出来。"""
    runs = {x: train(features(x, 1.0, 0.0), "fixed") for x in (2.0, 0.9)}
    steps = list(range(0, STEPS + 1, 8))
    picked = {x: margin if watched == "margin" else curve[:, CHOSEN] for x, (curve, margin) in runs.items()}
    show(lines("step", steps, {f"{watched}, absent feature {x:g}": y[steps] for x, y in picked.items()}))
    ends = [curve[-1, CHOSEN] - curve[0, CHOSEN] for curve, _ in runs.values()]
    expect("log π(chosen), end less start, of the two runs", torch.stack(ends).sign(), equals=[-1, 1])
    expect(f"difference of the two runs in the {watched}", picked[2.0] - picked[0.9], equals=0, within=1e-10)


@breaks(pairs="fixed", en="Only one pair, however far the policy has moved: nothing pushes back.",
        zh="无论策略走多远都只有这一对，没有任何力量把它拉回。")
def claim_fresh_pairs_push_back(absent=3.0, own=1.0, pairs="fresh"):
    """With pairs drawn from the policy as it is, the absent response gets compared as soon as it is
    likely, and the chosen one ends as the most probable.

    偏好对若随时从当前策略采样，缺席的回答一变得可能就会被比较到，chosen 最终概率最大。"""
    curve, _ = train(features(absent, 1.0, own), pairs, lr=12.0)
    steps = list(range(0, STEPS + 1, 8))
    show(lines("step", steps, {"chosen": curve[steps, CHOSEN].exp(), "rejected": curve[steps, REJECTED].exp(),
                               "absent": curve[steps, ABSENT].exp()}, y_label="probability"))
    expect("most probable response at the end", int(curve[-1].argmax()), equals=CHOSEN)
    expect("probability of the absent response over its start", curve[-1, ABSENT].exp() / 0.2, at_most=1)


ZH = {
    "step": "步", "absent": "缺席", "probability": "概率", "margin over its start": "间隔比起点增加",
    "log π(chosen), end less start": "log π(chosen)，终点减起点", "probability of the absent response": "缺席回答的概率",
    "margin, absent feature {}": "间隔，缺席特征 {}", "chosen, absent feature {}": "chosen，缺席特征 {}",
    "log π(chosen), end less start, of the two runs": "两次训练的 log π(chosen)，终点减起点",
    "difference of the two runs in the margin": "两次训练的间隔之差", "difference of the two runs in the chosen": "两次训练的 chosen 之差",
    "most probable response at the end": "最终概率最大的回答",
    "probability of the absent response over its start": "缺席回答的概率与起点之比",
    "chosen": "chosen", "rejected": "rejected",
}

if __name__ == "__main__":
    main()
