r"""Entropy, cross-entropy, KL divergence and information gain are one family: H(p, q) = H(p) + KL(p‖q).

熵、交叉熵、KL 散度与信息增益是一家人：H(p, q) = H(p) + KL(p‖q)。

Kullback & Leibler 1951; the play-tennis table is Quinlan 1986, Table 1. Turn `p`, `q`, `means`.
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, expect, lines, main, show, table

OUTLOOK = "ssorrrossrsoor"                                   # sunny, overcast, rain
TEMPERATURE = "hhhmcccmcmmmhm"                               # hot, mild, cool
HUMIDITY = "hhhhnnnhnnnhnh"                                  # high, normal
WIND = "wswwwsswwwssws"                                      # weak, strong
PLAY = "nnyyynynyyyyyn"


def entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1)                     # −p ln p, 0 at p = 0


def cross_entropy(p: Tensor, q: Tensor) -> Tensor:
    return -torch.special.xlogy(p, q).sum(-1)


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum(-1)


def joint(attribute: str, label: str) -> Tensor:
    """The share of rows at each (attribute value, label): a table that sums to 1."""
    values, labels = sorted(set(attribute)), sorted(set(label))
    counts = torch.zeros(len(values), len(labels), dtype=torch.float64)
    for a, y in zip(attribute, label, strict=True):
        counts[values.index(a), labels.index(y)] += 1
    return counts / len(label)


def information_gain(table_: Tensor) -> Tensor:
    """H(Y) − Σ_a p(a) H(Y | a), in bits."""
    share = table_.sum(1)                                    # (values,)
    inside = entropy(table_ / share[:, None])
    return (entropy(table_.sum(0)) - (share * inside).sum()) / math.log(2)


def claim_ce_equals_entropy_plus_kl(p=(0.5, 0.5), q=(0.9, 0.1)):
    """Cross-entropy is the entropy of p plus KL(p‖q): for p = (.5, .5), q = (.9, .1) 1.204 = 0.693 + 0.511 nats.

    交叉熵等于 p 的熵加 KL(p‖q)：p = (.5, .5)、q = (.9, .1) 时 1.204 = 0.693 + 0.511 nats。"""
    a, b = torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64)
    many_p, many_q = torch.randn(2, 200, 8, dtype=torch.float64).softmax(-1)
    show(bars(["H(p)", "KL(p‖q)", "H(p, q)"], [entropy(a), kl(a, b), cross_entropy(a, b)], y_label="nats"))
    expect("H(p, q) − H(p)", cross_entropy(a, b) - entropy(a), equals=kl(a, b), within=1e-12)
    distances = torch.distributions.kl_divergence(*(torch.distributions.Categorical(x) for x in (many_p, many_q)))
    expect("H(p, q) − H(p) against torch's KL, 200 random pairs", cross_entropy(many_p, many_q) - entropy(many_p),
           equals=distances, within=1e-6)


def claim_kl_is_asymmetric_and_nonnegative(p=(0.5, 0.5), q=(0.9, 0.1)):
    """KL is never negative and 0 only at p = q; KL(p‖q) and KL(q‖p) differ, and so do H(p, q) and H(q, p).

    KL 不为负，仅当 p = q 时为 0；KL(p‖q) 与 KL(q‖p) 不同，H(p, q) 与 H(q, p) 也不同。"""
    a, b = torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64)
    many_p, many_q = torch.randn(2, 500, 8, dtype=torch.float64).softmax(-1)
    show(table({"": ["(p, q)", "(q, p)"], "KL, nats": [kl(a, b), kl(b, a)],
                "cross-entropy, nats": [cross_entropy(a, b), cross_entropy(b, a)]}))
    expect("KL of 500 random pairs", kl(many_p, many_q), at_least=1e-6)
    expect("KL(p‖p)", kl(many_p, many_p), equals=0, within=1e-12)
    expect("|KL(p‖q) − KL(q‖p)|", (kl(a, b) - kl(b, a)).abs(), at_least=0.01)
    expect("|H(p, q) − H(q, p)|", (cross_entropy(a, b) - cross_entropy(b, a)).abs(), at_least=0.01)


def claim_kl_is_infinite_where_q_lacks_support():
    """One outcome that p allows and q rules out makes KL(p‖q) infinite; the other way round it stays finite.

    只要有一个结果 p 允许而 q 判为不可能，KL(p‖q) 就是无穷大；反过来则仍有限。"""
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])
    show(table({"KL(p‖q)": [kl(p, q)], "KL(q‖p)": [kl(q, p)]}, title="p = (.5, .5), q = (1, 0)"))
    expect("KL(p‖q)", kl(p, q), equals=math.inf)
    expect("KL(q‖p)", kl(q, p), equals=math.log(2), within=1e-6)


def claim_ce_of_p_with_itself_is_its_entropy(p=(0.5, 0.5)):
    """The least cross-entropy is H(p), not 0: 0.693 nats for a fair coin; only one-hot labels allow 0.

    交叉熵的最小值是 H(p)，不是 0：公平硬币为 0.693 nats；只有 one-hot 标签才能到 0。"""
    a = torch.tensor(p, dtype=torch.float64)
    guesses = torch.linspace(0.02, 0.98, 49, dtype=torch.float64)
    curve = [cross_entropy(a, torch.stack([g, *(a[1:] / a[1:].sum() * (1 - g))])) for g in guesses]
    show(lines("q₁", guesses, {"H(p, q)": curve, "H(p)": [entropy(a)] * len(guesses)}, y_label="nats"))
    expect("cross-entropy over all q", torch.stack(curve), at_least=entropy(a), within=1e-12, at=("q₁", guesses))
    expect("cross-entropy of p with itself", cross_entropy(a, a), equals=entropy(a), within=1e-12)
    expect("entropy of p", entropy(a), at_least=0.01)


def claim_ce_and_kl_share_the_logit_gradient(classes=6):
    """With p fixed, cross-entropy and KL have the same gradient in the logits: softmax(z) − p.

    p 固定时，交叉熵与 KL 对 logit 的梯度相同：softmax(z) − p。"""
    p = torch.randn(classes, dtype=torch.float64).softmax(-1)
    z = torch.randn(classes, dtype=torch.float64, requires_grad=True)
    (by_ce,) = torch.autograd.grad(cross_entropy(p, z.softmax(-1)), z)
    (by_kl,) = torch.autograd.grad(kl(p, z.softmax(-1)), z)
    exact = (z.softmax(-1) - p).detach()
    show(table({"class": range(classes), "∂H/∂z": by_ce, "∂KL/∂z": by_kl, "softmax(z) − p": exact}))
    expect("gradient by cross-entropy", by_ce, equals=exact, within=1e-10)
    expect("gradient by KL", by_kl, equals=exact, within=1e-10)


def claim_moving_target_parts_the_gradients(classes=6):
    """Where p depends on the same parameters, the two gradients differ, by exactly the gradient of H(p).

    若 p 也依赖同一组参数，两者的梯度就不同，差的正是 H(p) 的梯度。"""
    z = torch.randn(classes, dtype=torch.float64, requires_grad=True)
    def p():
        return (2 * z).softmax(-1)                           # a sharpened copy of the model, not detached
    (by_ce,) = torch.autograd.grad(cross_entropy(p(), z.softmax(-1)), z)
    (by_kl,) = torch.autograd.grad(kl(p(), z.softmax(-1)), z)
    (by_entropy,) = torch.autograd.grad(entropy(p()), z)
    show(table({"class": range(classes), "∂H(p, q)/∂z": by_ce, "∂KL/∂z": by_kl, "∂H(p)/∂z": by_entropy}))
    expect("∂H(p, q) − ∂KL", by_ce - by_kl, equals=by_entropy, within=1e-10)
    expect("largest difference of the two gradients", (by_ce - by_kl).abs().max(), at_least=1e-3)


def claim_gaussian_kl_matches_closed_form(mean=1.0, deviation=2.0, samples=100000):
    """KL(N(0,1)‖N(μ,σ²)) is ln σ + (1 + μ²)/(2σ²) − 1/2; for μ = 1, σ = 2 that is 0.443, and sampling agrees.

    KL(N(0,1)‖N(μ,σ²)) = ln σ + (1 + μ²)/(2σ²) − 1/2；μ = 1、σ = 2 时为 0.443，采样结果一致。"""
    p, q = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(mean, deviation)
    exact = math.log(deviation) + (1 + mean**2) / (2 * deviation**2) - 0.5
    terms = (lambda x: p.log_prob(x) - q.log_prob(x))(p.sample((samples,)))
    noise = terms.std() / samples**0.5
    show(table({"": ["closed form", "torch", "sampled"], "KL, nats": [exact, torch.distributions.kl_divergence(p, q), terms.mean()]}))
    expect("mean of ln p(x) − ln q(x) over samples of p", terms.mean(), equals=exact, within=6 * noise)


def claim_forward_kl_covers_and_reverse_kl_seeks(means=(-3.0, 3.0)):
    """Fitting one Gaussian to two modes, KL(p‖q) spreads over both and KL(q‖p) settles on one.

    用一个高斯拟合双峰分布：最小化 KL(p‖q) 会同时覆盖两峰，最小化 KL(q‖p) 则落在其中一峰。"""
    x = torch.linspace(-10, 10, 401, dtype=torch.float64)
    p = torch.stack([torch.exp(-(x - m) ** 2 / 2) for m in means]).sum(0)
    p = p / p.sum()
    centres, widths = torch.linspace(-5, 5, 41, dtype=torch.float64), torch.linspace(0.5, 5, 46, dtype=torch.float64)
    scores = -((x - centres[:, None, None]) / widths[:, None]) ** 2 / 2           # (centres, widths, x)
    q, log_q, log_p = scores.softmax(-1), scores.log_softmax(-1), p.log()
    best = {"target p": p}
    fits = {}
    for name, loss in (("forward KL(p‖q)", (p * (log_p - log_q)).sum(-1)), ("reverse KL(q‖p)", (q * (log_q - log_p)).sum(-1))):
        i, j = divmod(loss.argmin().item(), len(widths))
        best[name], fits[name] = q[i, j], (centres[i].item(), widths[j].item())
    show(lines("x", x, best), table(("fit", "centre", "width"), [(n, *f) for n, f in fits.items()]))
    middle, half = sum(means) / 2, (max(means) - min(means)) / 2
    forward, reverse = fits.values()
    expect("forward: centre", forward[0], equals=middle, within=0.26)
    expect("forward: width", forward[1], equals=(1 + half**2) ** 0.5, within=0.15)
    expect("reverse: distance of its centre from the nearest mode", min(abs(reverse[0] - m) for m in means), at_most=0.3)
    expect("reverse: width", reverse[1], equals=1, within=0.15)


def claim_information_gain_is_kl_of_joint_to_marginals():
    """Information gain is KL(p(a, y)‖p(a)p(y)); on the play-tennis table outlook 0.247, humidity 0.152 bits.

    信息增益就是 KL(p(a, y)‖p(a)p(y))；在打网球数据表上 outlook 为 0.247、humidity 为 0.152 bits。"""
    tables = {"outlook": joint(OUTLOOK, PLAY), "temperature": joint(TEMPERATURE, PLAY), "humidity": joint(HUMIDITY, PLAY),
              "wind": joint(WIND, PLAY)}
    gains = [information_gain(t) for t in tables.values()]
    by_kl = [kl(t.flatten(), (t.sum(1)[:, None] * t.sum(0)).flatten()) / math.log(2) for t in tables.values()]
    show(bars(list(tables), {"gain": gains, "KL": by_kl}, y_label="bits"))
    expect("information gain", gains, equals=by_kl, within=1e-12)
    expect("gain of each attribute, bits", gains, equals=[0.2467, 0.0292, 0.1518, 0.0481], within=1e-4)


def claim_many_valued_attribute_fools_information_gain():
    """A row number has the greatest gain of all, 0.940 bits, and predicts nothing; the gain ratio, 0.247, charges it log₂ 14.

    行号的信息增益最大（0.940 bits），却毫无预测力；增益率 0.247 让它为 log₂ 14 的切分付出代价。"""
    rows = joint("abcdefghijklmn", PLAY)
    gain, split = information_gain(rows), entropy(rows.sum(1)) / math.log(2)
    outlook = information_gain(joint(OUTLOOK, PLAY))
    show(table({"attribute": ["row number", "outlook"], "gain": [gain, outlook], "gain ratio": [gain / split, outlook / (
        entropy(joint(OUTLOOK, PLAY).sum(1)) / math.log(2))]}))
    expect("gain of the row number over the best attribute's", gain / outlook, at_least=1)
    expect("gain of the row number, bits", gain, equals=0.9403, within=1e-4)
    expect("its gain ratio", gain / split, equals=0.247, within=1e-3)


def drill_bernoulli(rng) -> Drill:
    """KL of two coins, in bits, with halves and quarters that need no calculator."""
    a, b = rng.choice([(0.5, 0.25), (0.25, 0.5), (0.5, 0.125), (1.0, 0.25), (0.75, 0.5)])
    p, q = (torch.tensor([x, 1 - x], dtype=torch.float64) for x in (a, b))
    bits = kl(p, q).item() / math.log(2)
    return Drill(
        en=f"Two coins show heads with probability {a:g} (p) and {b:g} (q). How large is KL(p‖q), in bits? "
           "(log₂ 3 ≈ 1.585, log₂ 7 ≈ 2.807)",
        zh=f"两枚硬币，正面概率分别为 {a:g}（p）和 {b:g}（q）。KL(p‖q) 是多少比特？（log₂ 3 ≈ 1.585，log₂ 7 ≈ 2.807）",
        answer=bits, within=0.01,
        steps=[("Σ p log₂(p/q)",) * 2,
               (f"{a:g} · log₂({a / b:g}) + {1 - a:g} · log₂({(1 - a) / (1 - b):.3g}) = {bits:.3f}".replace(" + 0 · log₂(0)", ""),) * 2],
        proved_by="kl_is_asymmetric_and_nonnegative",
    )


if __name__ == "__main__":
    main()
