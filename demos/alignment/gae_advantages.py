r"""Generalised advantage estimation: one backward pass that sums all later TD errors, each weighted with γλ
for every token in between.

广义优势估计：一次从后往前的递推，把其后全部 TD 误差求和，每隔一个 token 乘一次 γλ。

Schulman et al. 2015, eq. 16. Turn `after_end` to "critic at the pad": the last token is bootstrapped from a
state that does not exist. 把 `after_end` 改为 "critic at the pad"：最后一个 token 从并不存在的状态自举。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("recursion_equals_the_slow_sum",),
          wrong=("forgets_lambda", "runs_forwards", "bootstraps_past_the_end", "adds_the_value"))
def gae(rewards: Tensor, values: Tensor, gamma: float, lam: float) -> Tensor:
    """Advantage of each token from rewards and the critic's values before each token, both (…, tokens).
    After the last token nothing follows: its next value is 0.

    由每个 token 的奖励与其之前状态的价值（均为 (…, tokens)）求各 token 的优势。最后一个 token 之后什么都没有：
    下一状态的价值为 0。"""
    after = torch.cat([values[..., 1:], torch.zeros_like(values[..., :1])], -1)
    deltas = rewards + gamma * after - values                            # (…, tokens)
    advantages, running = torch.zeros_like(deltas), torch.zeros_like(deltas[..., 0])
    for t in reversed(range(deltas.shape[-1])):
        running = deltas[..., t] + gamma * lam * running
        advantages[..., t] = running
    return advantages


def past_the_end(rewards: Tensor, values: Tensor, gamma: float, lam: float) -> Tensor:
    """The wrong way: what the critic says at a padding token enters as if the answer went on."""
    tail = (*rewards.shape[:-1], 1)
    longer = gae(torch.cat([rewards, values.new_zeros(tail)], -1),
                 torch.cat([values, values[..., -1:]], -1), gamma, lam)
    return longer[..., :-1]


WAYS = {"zero": gae, "critic at the pad": past_the_end}
RANGES = {
    "after_end": one_of("zero", "critic at the pad"),
    "tokens": between(1, 64), "gamma": between(0.5, 1.0), "lam": between(0.0, 1.0),
}
PAD = breaks(after_end="critic at the pad",
             en="The critic's value at a pad leaks into every token through the recursion.",
             zh="pad 处的价值顺着递推漏进每个 token。")


@PAD
def claim_recursion_equals_the_slow_sum(tokens=12, gamma=0.97, lam=0.9, after_end="zero"):
    """GAE is the sum of later TD errors weighted by (γλ)^k, which is also the (1 − λ)λ^(n−1) mean of the
    n-step advantages.

    GAE 等于其后各 TD 误差按 (γλ)^k 加权求和，也等于各 n 步优势按 (1 − λ)λ^(n−1) 的加权平均。"""
    r, v = torch.randn(tokens, dtype=F64), torch.randn(tokens, dtype=F64)
    got = WAYS[after_end](r, v, gamma, lam)
    R, V = r.tolist(), [*v.tolist(), 0.0]
    slow = [sum((gamma * lam) ** k * (R[t + k] + gamma * V[t + k + 1] - V[t + k]) for k in range(tokens - t))
            for t in range(tokens)]

    def n_steps(t: int, n: int) -> float:
        return sum(gamma**k * R[t + k] for k in range(n)) + gamma**n * V[t + n] - V[t]

    mean = [sum((1 - lam) * lam ** (n - 1) * n_steps(t, n) for n in range(1, tokens - t))
            + lam ** (tokens - t - 1) * n_steps(t, tokens - t) for t in range(tokens)]
    show(lines("token", range(tokens), {"advantage": got, "slow sum": slow}))
    expect("advantage less the slow sum", got - torch.tensor(slow, dtype=F64), equals=0, within=1e-10)
    expect("advantage less the mean of n-step advantages", got - torch.tensor(mean, dtype=F64),
           equals=0, within=1e-10)
    three = WAYS[after_end](torch.tensor([0.0, 0, 1], dtype=F64), torch.tensor([0.2, 0.4, 0.7], dtype=F64), 0.9, 0.95)
    expect("hand case: γ .9, λ .95, r (0, 0, 1), V (.2, .4, .7)", three, equals=[0.57596, 0.48650, 0.3], within=1e-5)


@PAD
def claim_ends_are_return_and_td_error(tokens=8, gamma=0.97, after_end="zero"):
    """λ = 1 gives the discounted return less the value, λ = 0 the one-step TD error.

    λ = 1 得到折扣回报减去价值，λ = 0 得到一步 TD 误差。"""
    r, v = torch.randn(tokens, dtype=F64), torch.randn(tokens, dtype=F64)
    R, V = r.tolist(), [*v.tolist(), 0.0]
    returns = [sum(gamma**k * R[t + k] for k in range(tokens - t)) for t in range(tokens)]
    ends = {lam: WAYS[after_end](r, v, gamma, lam) for lam in (1.0, 0.0)}
    show(lines("token", range(tokens), {"λ = 1": ends[1.0], "λ = 0": ends[0.0]}))
    expect("λ = 1", ends[1.0], equals=[g - x for g, x in zip(returns, V, strict=False)], within=1e-10)
    expect("λ = 0", ends[0.0], equals=[R[t] + gamma * V[t + 1] - V[t] for t in range(tokens)], within=1e-10)


def drill_first_advantage(rng) -> Drill:
    """The recursion on two tokens."""
    lam, (a, b), score = rng.choice([0.5, 0.9, 1.0]), rng.choice([(0.2, 0.6), (0.5, 0.4), (0.3, 0.8)]), 1.0
    first = gae(torch.tensor([0.0, score], dtype=F64), torch.tensor([a, b], dtype=F64), 1.0, lam)[0].item()
    return Drill(
        en=f"An answer has two tokens; the score {score:g} comes at the end, no KL term. V = ({a:g}, {b:g}), γ = 1, "
           f"λ = {lam:g}. What is the first token's GAE advantage?",
        zh=f"回答有两个 token，末尾得分 {score:g}，没有 KL 项。V = ({a:g}, {b:g})，γ = 1，λ = {lam:g}。"
           "第一个 token 的 GAE 优势是多少？",
        answer=first, within=0.005,
        steps=[(f"δ₁ = 1 + 0 − {b:g} = {1 - b:g}; δ₀ = 0 + {b:g} − {a:g} = {b - a:g}",) * 2,
               (f"A₀ = δ₀ + λ·δ₁ = {b - a:g} + {lam:g} · {1 - b:g} = {first:g}",) * 2],
        proved_by="recursion_equals_the_slow_sum",
    )


ZH = {
    "token": "token", "advantage": "优势", "slow sum": "逐项求和", "advantage less the slow sum": "优势减逐项求和",
    "advantage less the mean of n-step advantages": "优势减各 n 步优势的加权平均",
    "hand case: γ .9, λ .95, r (0, 0, 1), V (.2, .4, .7)": "手算：γ .9、λ .95、r (0, 0, 1)、V (.2, .4, .7)",
    "λ = 1": "λ = 1", "λ = 0": "λ = 0",
}  # fmt: skip

if __name__ == "__main__":
    main()
