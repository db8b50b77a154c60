r"""DPO is logistic regression on a difference of log-ratios: log π(y) − log π_ref(y), summed over the
response, chosen less rejected, times β.

DPO 就是对「对数比之差」做逻辑回归：log π(y) − log π_ref(y) 在整个回答上求和，chosen 减 rejected，再乘 β。

Rafailov et al. 2023, §4, eq. 7. Turn `reference` to "live, detached": the loss stays ln 2, and each pair
pushes with β/2 for ever. 把 `reference` 改为 "live, detached"：损失恒为 ln 2，每一对却始终以 β/2 推动。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
    table,
)
from studyapp.evidence.tools import finite_difference


@exercise(
    claims=("matches_a_loop", "gradient_is_a_weighted_difference"),
    wrong=("without_reference", "mean_over_tokens", "counts_the_prompt", "swapped", "beta_outside"),
)
def dpo_loss(policy: Tensor, reference: Tensor, mask: Tensor, beta: float) -> Tensor:
    """The DPO loss of each pair, (pairs,). policy and reference are log-probabilities of the tokens,
    (2, pairs, tokens), chosen first; mask, of that shape, is True on tokens of the response and False
    on the prompt and on padding, where anything may stand.

    每对的 DPO 损失，(pairs,)。policy 与 reference 是各 token 的对数概率，(2, pairs, tokens)，chosen 在前；mask
    形状相同，回答的 token 处为 True，prompt 与 padding 处为 False（那里可以是任意值）。"""
    ratio = (policy - reference).where(mask, 0.0).sum(-1)              # (2, pairs)
    return -F.logsigmoid(beta * (ratio[0] - ratio[1]))


def wired(policy: Tensor, frozen: Tensor, mask: Tensor, beta: float, reference: str, over: str) -> Tensor:
    """dpo_loss with its wrong ways: another reference, or a mean over tokens in place of the sum."""
    other = {"frozen": frozen, "live": policy, "live, detached": policy.detach(), "none": torch.zeros_like(policy)}[reference]
    if over == "mean":
        lengths = mask.sum(-1, keepdim=True)
        policy, other = policy / lengths, other / lengths
    return dpo_loss(policy, other, mask, beta)


def responses(pairs: int, tokens: int, vocabulary: int, prompt: int = 2) -> tuple[Tensor, Tensor]:
    """Random token ids (2, pairs, prompt + tokens) and the mask of the responses, which are of 1 to
    `tokens` tokens."""
    ids = torch.randint(vocabulary, (2, pairs, prompt + tokens))
    ends = prompt + torch.randint(1, tokens + 1, (2, pairs, 1))
    places = torch.arange(prompt + tokens)
    return ids, (places >= prompt) & (places < ends)


def bigram_logps(weights: Tensor, ids: Tensor) -> Tensor:
    """Log-probability of each token after the one before; weights (vocabulary, vocabulary)."""
    rows = weights.log_softmax(-1)[ids[..., :-1]]                      # (2, pairs, tokens − 1, v)
    return F.pad(rows.gather(-1, ids[..., 1:, None])[..., 0], (1, 0))  # the first has none before it


def score(weights: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """∂ Σ log π / ∂ weights of each response, counted: one-hot less softmax, (2, pairs, v, v)."""
    before, after = (F.one_hot(part, len(weights)).double() for part in (ids[..., :-1], ids[..., 1:]))
    gap = (after - weights.softmax(-1)[ids[..., :-1]]) * mask[..., 1:, None]
    return before.mT @ gap


RANGES = {
    "pairs": between(1, 16), "tokens": between(2, 8), "vocabulary": between(3, 12),
    "beta": between(0.02, 1.0), "prefix": between(1, 6),
    "reference": one_of("frozen", "live", "live, detached", "none"), "over": one_of("sum", "mean"),
    "objective": one_of("dpo", "sft"),
}
LIVE = breaks(reference="live", en="With gradient through a reference that is the policy, every ratio stays 1: the gradient is zero.",
              zh="参考就是策略自己，且梯度也流过它：比值恒为 1，梯度为零。")
DETACHED = breaks(reference="live, detached", en="Without gradient through it, the loss stays ln 2, yet each pair pushes with β/2.",
                  zh="不让梯度流过它：损失恒为 ln 2，每一对却始终以 β/2 推动。")
NONE = breaks(reference="none", en="Without the reference the margin is another, and so is every weight.",
              zh="没有参考项，间隔就变了，每一对的权重也跟着变。")
MEAN = breaks(over="mean", en="A mean over tokens divides each side by its own length: another loss.",
              zh="按 token 求平均，两侧各除以自己的长度，成了另一个损失。")


@DETACHED
@NONE
@MEAN
def claim_matches_a_loop(pairs=6, tokens=5, vocabulary=7, beta=0.1, reference="frozen", over="sum"):
    """The loss is ln(1 + (r_l / r_w)^β), where r is the product over the response's tokens of π over
    π_ref.

    损失等于 ln(1 + (r_l / r_w)^β)，r 是回答各 token 上 π / π_ref 的连乘。"""
    ids, mask = responses(pairs, tokens, vocabulary)
    policy, frozen = (bigram_logps(torch.randn(vocabulary, vocabulary, dtype=torch.float64), ids) for _ in "pr")
    found = wired(policy, frozen, mask, beta, reference, over)
    by_hand = []
    for pair in range(pairs):
        r_w, r_l = (math.prod(math.exp(policy[side, pair, t]) / math.exp(frozen[side, pair, t])
                              for t in range(ids.shape[-1]) if mask[side, pair, t]) for side in (0, 1))
        by_hand.append(math.log1p((r_l / r_w) ** beta))
    show(table(["pair", "chosen tokens", "rejected tokens", "loss"],
               [[i, int(mask[0, i].sum()), int(mask[1, i].sum()), found[i].item()] for i in range(pairs)]))
    expect("loss less ln(1 + (r_l / r_w)^β)", found - torch.tensor(by_hand, dtype=torch.float64),
           equals=0, within=1e-12)


@LIVE
@DETACHED
@NONE
@MEAN
def claim_gradient_is_a_weighted_difference(pairs=4, tokens=5, vocabulary=5, beta=0.1,
                                            reference="frozen", over="sum"):
    """Each pair's gradient is −β·σ(−m)·(∇log π(y_w) − ∇log π(y_l)), m the margin: pairs ordered
    wrongly weigh up to β, well ordered ones nothing.

    每对的梯度是 −β·σ(−m)·(∇log π(y_w) − ∇log π(y_l))，m 为间隔：排反的对权重趋近 β，排得好的对趋近 0。"""
    ids, mask = responses(pairs, tokens, vocabulary)
    weights = torch.randn(vocabulary, vocabulary, dtype=torch.float64, requires_grad=True)
    frozen = bigram_logps(torch.randn(vocabulary, vocabulary, dtype=torch.float64), ids)
    policy = bigram_logps(weights, ids)
    ratio = ((policy.detach() - frozen) * mask).sum(-1)
    margin = beta * (ratio[0] - ratio[1])
    weight = beta / (1 + margin.exp())                                 # β·σ(−m), (pairs,)
    slopes = score(weights.detach(), ids, mask)
    formula = -(weight[:, None, None] * (slopes[0] - slopes[1])).sum(0)
    loss = wired(policy, frozen, mask, beta, reference, over).sum()
    (autograd,) = torch.autograd.grad(loss, weights)
    numeric = finite_difference(
        lambda w: wired(bigram_logps(w, ids), frozen, mask, beta, reference, over).sum(), weights)
    m = torch.linspace(-6, 6, 49)
    show(lines("margin m", m, {"β·σ(−m)": beta * torch.sigmoid(-m)}, y_label="weight of the pair"))
    # The scale of the gradient is β times tokens; central differences are good to about 1e-9.
    expect("autograd less the formula", autograd - formula, equals=0, within=1e-12)
    expect("finite differences less the formula", numeric - formula, equals=0, within=1e-7)


@MEAN
@breaks(objective="sft", en="SFT on the chosen response teaches its first tokens, whatever the rejected one says.",
        zh="对 chosen 做 SFT，前缀照样被学，与 rejected 说什么无关。")
def claim_a_shared_prefix_gets_no_gradient(prefix=3, vocabulary=7, beta=0.1, objective="dpo", over="sum"):
    """Tokens that both responses begin with cancel: DPO trains only from the first difference on,
    where SFT on the chosen response trains all of it.

    两个回答共同的开头互相抵消：DPO 只从第一个不同的 token 起训练，对 chosen 做 SFT 则全部都训练。"""
    shared = torch.randn(prefix, vocabulary, dtype=torch.float64, requires_grad=True)
    tails = torch.randn(2, 4, vocabulary, dtype=torch.float64)         # different contexts from here on
    first, ends = torch.randint(vocabulary, (prefix,)), torch.randint(vocabulary, (2, 4))
    logits = torch.stack([torch.cat((shared, tail)) for tail in tails])
    ids = torch.stack([torch.cat((first, end)) for end in ends])
    logps = logits.log_softmax(-1).gather(-1, ids[..., None])[:, None, :, 0]   # (2, 1, tokens)
    mask = torch.ones_like(logps, dtype=torch.bool)
    mask[1, :, -2:] = False                                            # the rejected one is shorter
    loss = (-logps[0].sum() if objective == "sft" else
            wired(logps, torch.full_like(logps, -1.0), mask, beta, "frozen", over).sum())
    (slope,) = torch.autograd.grad(loss, shared)
    show(lines("token of the prefix", range(prefix), {"largest slope": slope.abs().amax(-1)}))
    expect("gradient at the logits of the prefix", slope, equals=0, within=1e-15)


def drill_loss(rng) -> Drill:
    """Margin and loss of one pair, from four log-probabilities."""
    w, lost, beta = rng.choice([(2, -1, 0.1), (1, 3, 0.5), (4, -6, 0.1), (-2, -6, 0.5), (-3, 1, 0.5), (3, 1, 0.5)])
    ref_w, ref_l = rng.choice([(-22, -24), (-40, -31), (-18, -25)])
    logps = torch.tensor([[[ref_w + w]], [[ref_l + lost]]], dtype=torch.float64)
    refs = torch.tensor([[[ref_w]], [[ref_l]]], dtype=torch.float64)
    loss, m = dpo_loss(logps, refs, torch.ones_like(refs, dtype=torch.bool), beta).item(), beta * (w - lost)
    return Drill(
        en=f"β = {beta}. Summed log-probabilities: chosen {ref_w + w} under the policy and {ref_w} under the reference, "
           f"rejected {ref_l + lost} and {ref_l}. What is the DPO loss of the pair, in nats?",
        zh=f"β = {beta}。对数概率之和：chosen 在策略下为 {ref_w + w}、在参考模型下为 {ref_w}，rejected 分别为 {ref_l + lost} 与 {ref_l}。"
           f"这一对的 DPO 损失是多少（nats）？",
        answer=loss, within=0.01,
        steps=[(f"log-ratios: chosen {w}, rejected {lost}", f"对数比：chosen {w}，rejected {lost}"),
               (f"margin m = {beta}·({w} − ({lost})) = {m:g}", f"间隔 m = {beta}·({w} − ({lost})) = {m:g}"),
               (f"ln(1 + e^(−m)) = {loss:.3f}", f"ln(1 + e^(−m)) = {loss:.3f}")],
        proved_by="matches_a_loop",
    )


ZH = {
    "pair": "对", "chosen tokens": "chosen 的 token 数", "rejected tokens": "rejected 的 token 数", "loss": "损失",
    "loss less ln(1 + (r_l / r_w)^β)": "损失与 ln(1 + (r_l / r_w)^β) 之差",
    "margin m": "间隔 m", "weight of the pair": "这一对的权重",
    "autograd less the formula": "autograd 与公式之差", "finite differences less the formula": "差分与公式之差",
    "token of the prefix": "前缀的第几个 token", "largest slope": "最大的梯度分量",
    "gradient at the logits of the prefix": "前缀 logits 处的梯度",
}

if __name__ == "__main__":
    main()
