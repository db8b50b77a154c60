r"""KL(p‖q) is what coding data from p with a code made for q costs beyond the entropy of p.

KL(p‖q) 是用为 q 设计的编码去编来自 p 的数据，比 p 的熵多付的代价。

Kullback & Leibler 1951. Turn `order` to "(q, p)": it is another number, so KL is no distance.
把 `order` 改为 "(q, p)"：数值就变了，所以 KL 不是距离。
"""

import math

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("ce_equals_entropy_plus_kl", "kl_is_asymmetric_and_nonnegative"),
          wrong=("turned_round", "forgets_the_entropy", "mean_over_outcomes"))
def kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p‖q) in nats over the last axis: p and q (…, outcomes) are probabilities; an outcome with
    p = 0 counts 0. The result is (…).

    沿最后一维求 KL(p‖q)（以 nats 计）：p、q（…, outcomes）为概率；p = 0 的结果按 0 计。返回 (…)。"""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def entropy(p: Tensor) -> Tensor:
    return -torch.xlogy(p, p).sum(-1)


def cross_entropy(p: Tensor, q: Tensor) -> Tensor:
    return -torch.xlogy(p, q).sum(-1)


def coin(heads: float) -> Tensor:
    return torch.tensor([heads, 1 - heads], dtype=F64)


RANGES = {
    "p_heads": between(0.02, 0.98), "q_heads": between(0.02, 0.98), "order": one_of("(p, q)", "(q, p)"),
    "allowed": one_of("ruled out by q", "rare under q"),
    "mean": between(-3.0, 3.0), "deviation": between(0.5, 4.0),
}  # fmt: skip


@breaks(order="(q, p)", en="KL(q‖p) is what q's data cost with p's code: another gap.",
        zh="KL(q‖p) 是用 p 的编码去编 q 的数据所多付的，是另一个差。")
def claim_ce_equals_entropy_plus_kl(p_heads=0.5, q_heads=0.9, order="(p, q)"):
    """Cross-entropy is the entropy of p plus KL(p‖q): for p = (.5, .5), q = (.9, .1) 1.204 = 0.693 +
    0.511 nats.

    交叉熵等于 p 的熵加 KL(p‖q)：p = (.5, .5)、q = (.9, .1) 时 1.204 = 0.693 + 0.511 nats。"""
    p, q = coin(p_heads), coin(q_heads)
    gap = kl(p, q) if order == "(p, q)" else kl(q, p)
    show(bars(["H(p)", f"KL of {order}", "H(p, q)"], [entropy(p), gap, cross_entropy(p, q)],
              y_label="nats"))
    expect("H(p, q) − H(p) − KL", cross_entropy(p, q) - entropy(p) - gap, equals=0, within=1e-12)
    many_p, many_q = torch.randn(2, 200, 8, dtype=F64).softmax(-1)
    expect("KL less torch's, 200 random pairs", kl(many_p, many_q)
           - kl_divergence(Categorical(many_p), Categorical(many_q)), equals=0, within=1e-12)


@breaks(order="(q, p)", en="The other way round another number comes out.", zh="反过来就是另一个数。")
def claim_kl_is_asymmetric_and_nonnegative(p_heads=0.5, q_heads=0.9, order="(p, q)"):
    """KL is never negative, 0 only where p = q, and not symmetric: 0.511 and 0.368 nats for
    (.5, .5) and (.9, .1); cross-entropy is not symmetric either.

    KL 不为负，仅当 p = q 时为 0，也不对称：(.5, .5) 与 (.9, .1) 之间是 0.511 与 0.368 nats；交叉熵同样不对称。"""
    p, q = coin(p_heads), coin(q_heads)
    given = (p, q) if order == "(p, q)" else (q, p)
    tried = torch.linspace(0.02, 0.98, 49, dtype=F64)
    fair = torch.stack([coin(x) for x in tried.tolist()])
    show(lines("q of heads", tried, {"KL(p‖q)": kl(p, fair), "KL(q‖p)": kl(fair, p)}, y_label="nats"))
    wanted = kl_divergence(Bernoulli(p[0]), Bernoulli(q[0]))
    expect("KL of the pair less torch's KL(p‖q)", kl(*given) - wanted, equals=0, within=1e-12)
    many_p, many_q = torch.randn(2, 500, 8, dtype=F64).softmax(-1)
    expect("KL of 500 random pairs", kl(many_p, many_q), at_least=1e-6)
    expect("KL(p‖p)", kl(many_p, many_p), equals=0, within=1e-12)
    half, ninth = coin(0.5), coin(0.9)
    expect("KL(p‖q) and KL(q‖p) of (.5, .5) and (.9, .1)", [kl(half, ninth), kl(ninth, half)],
           equals=[0.5108, 0.3681], within=1e-4)
    expect("H(p, q) and H(q, p) of the same", [cross_entropy(half, ninth), cross_entropy(ninth, half)],
           equals=[1.2040, 0.6931], within=1e-4)


@breaks(allowed="rare under q", en="However rare, an outcome that q allows costs a finite number.",
        zh="只要 q 允许，无论多罕见，代价都有限。")
def claim_kl_is_infinite_where_q_lacks_support(p_heads=0.5, allowed="ruled out by q"):
    """One outcome that p allows and q rules out makes KL(p‖q) infinite; the other way round it
    stays finite.

    只要有一个结果 p 允许而 q 判为不可能，KL(p‖q) 就是无穷大；反过来则仍有限。"""
    p, q = coin(p_heads), coin(1.0 if allowed == "ruled out by q" else 1 - 1e-9)
    rare = [10.0**-k for k in range(1, 13)]
    show(lines("q of tails", rare, {"KL(p‖q)": [kl(p, coin(1 - r)) for r in rare]}, log="x",
               y_label="nats"))
    expect("KL(p‖q)", kl(p, q), equals=math.inf)
    expect("KL(q‖p) for q = (1, 0)", kl(coin(1.0), p), equals=-math.log(p_heads), within=1e-12)


@breaks(order="(q, p)", en="From N(μ, σ²) to N(0, 1) the formula is another.",
        zh="从 N(μ, σ²) 到 N(0, 1) 是另一个公式。")
def claim_gaussian_kl_matches_closed_form(mean=1.0, deviation=2.0, order="(p, q)"):
    """KL(N(0,1)‖N(μ,σ²)) is ln σ + (1 + μ²)/(2σ²) − 1/2; for μ = 1, σ = 2 that is 0.443, and sampling
    agrees.

    KL(N(0,1)‖N(μ,σ²)) = ln σ + (1 + μ²)/(2σ²) − 1/2；μ = 1、σ = 2 时为 0.443，采样结果一致。"""
    p, q = Normal(0.0, 1.0), Normal(mean, deviation)
    p, q = (p, q) if order == "(p, q)" else (q, p)
    exact = math.log(deviation) + (1 + mean**2) / (2 * deviation**2) - 0.5
    terms = (lambda x: p.log_prob(x) - q.log_prob(x))(p.sample((20_000,)))
    sizes = [100, 1000, 10_000, 20_000]
    show(lines("samples", sizes, {"mean of ln p(x) − ln q(x)": [terms[:n].mean() for n in sizes],
                                  "closed form": [exact] * len(sizes)}, log="x", y_label="nats"))
    # six standard errors
    expect("mean of ln p(x) − ln q(x) over 20,000 samples of p", terms.mean(), equals=exact,
           within=6 * terms.std().item() / 20_000**0.5 + 1e-6)


def drill_bernoulli(rng) -> Drill:
    """KL of two coins, in bits, with halves and quarters that need no calculator."""
    a, b = rng.choice([(0.5, 0.25), (0.25, 0.5), (0.5, 0.125), (1.0, 0.25), (0.75, 0.5)])
    bits = kl(coin(a), coin(b)).item() / math.log(2)
    tails = f" + {1 - a:g} · log₂({(1 - a) / (1 - b):.3g})" if a < 1 else ""
    return Drill(
        en=f"Two coins show heads with probability {a:g} (p) and {b:g} (q). How large is KL(p‖q), in bits? "
           "(log₂ 3 ≈ 1.585, log₂ 7 ≈ 2.807)",
        zh=f"两枚硬币，正面概率分别为 {a:g}（p）和 {b:g}（q）。KL(p‖q) 是多少比特？（log₂ 3 ≈ 1.585，log₂ 7 ≈ 2.807）",
        answer=bits, within=0.01,
        steps=[("Σ p log₂(p/q)",) * 2, (f"{a:g} · log₂({a / b:g}){tails} = {bits:.3f}",) * 2],
        proved_by="kl_is_asymmetric_and_nonnegative",
    )


ZH = {
    "inf": "inf", "H(p)": "H(p)", "KL of {}": "KL，{}", "H(p, q)": "H(p, q)", "nats": "nats",
    "H(p, q) − H(p) − KL": "H(p, q) − H(p) − KL", "KL less torch's, 200 random pairs": "KL 与 torch 之差，200 对随机分布",
    "q of heads": "q 的正面概率", "KL(p‖q)": "KL(p‖q)", "KL(q‖p)": "KL(q‖p)",
    "KL of the pair less torch's KL(p‖q)": "这一对的 KL 与 torch 的 KL(p‖q) 之差",
    "KL of 500 random pairs": "500 对随机分布的 KL", "KL(p‖p)": "KL(p‖p)",
    "KL(p‖q) and KL(q‖p) of (.5, .5) and (.9, .1)": "(.5, .5) 与 (.9, .1) 的 KL(p‖q) 与 KL(q‖p)",
    "H(p, q) and H(q, p) of the same": "同一对的 H(p, q) 与 H(q, p)", "q of tails": "q 的反面概率",
    "KL(q‖p) for q = (1, 0)": "q = (1, 0) 时的 KL(q‖p)", "samples": "样本数",
    "mean of ln p(x) − ln q(x)": "ln p(x) − ln q(x) 的均值", "closed form": "闭式解",
    "mean of ln p(x) − ln q(x) over 20,000 samples of p": "20,000 个 p 的样本上 ln p(x) − ln q(x) 的均值",
}  # fmt: skip

if __name__ == "__main__":
    main()
