r"""Attention is a dictionary lookup made soft: every value is returned, weighted by how well its key fits the query.

注意力是「软」的字典查找：每个 value 都返回一点，权重取决于其 key 与 query 的匹配程度。

Graves et al. 2014 (the sharpness β); Nadaraya 1964 and Watson 1964 (kernel regression); Vaswani et al. 2017, §3.2.1
(β = 1/√d). Turn `betas` and `longest`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table

F64 = torch.float64


def lookup(query: Tensor, keys: Tensor, values: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """softmax(β q·k) over the keys, then the weighted sum of the values; returns the output and the weights."""
    weights = (beta * query @ keys.T).softmax(-1)  # (m, n): one row a query, one column a key
    return weights @ values, weights  # (m, d_v), (m, n)


def dictionary(pairs: int, d: int) -> tuple[Tensor, Tensor]:
    """Unit keys (n, d) and values (n, d_v = 3)."""
    return F.normalize(torch.randn(pairs, d, dtype=F64), dim=1), torch.randn(pairs, 3, dtype=F64)


def beyond(out: Tensor, values: Tensor, directions: int = 64) -> Tensor:
    """The share of outputs that lie further along some direction than every value: they have left the hull."""
    u = torch.randn(values.shape[1], directions, dtype=F64)
    return (out @ u > (values @ u).amax(0) + 1e-9).any(1).double().mean()


def claim_weights_are_a_convex_combination(pairs=6, d=8, queries=500, betas=(0.0, 1.0, 10.0, 100.0)):
    """Softmax weights are ≥ 0 and sum to 1: the output never leaves the convex hull of the values; raw scores do.

    softmax 权重非负且和为 1：输出不会离开 value 的凸包；直接拿分数当权重则会。"""
    (keys, values), q = dictionary(pairs, d), 3 * torch.randn(queries, d, dtype=F64)
    out, weights = zip(*(lookup(q, keys, values, b) for b in betas), strict=True)
    softened = [beyond(o, values) for o in out]
    raw = beyond(q @ keys.T @ values, values)
    rows = [(f"softmax, β = {b:g}", w.min(), w.sum(1).min(), w.sum(1).max(), s)
            for b, w, s in zip(betas, weights, softened, strict=True)]
    scores = q @ keys.T
    rows.append(("raw scores", scores.min(), scores.sum(1).min(), scores.sum(1).max(), raw))
    show(table(("weights", "smallest", "least row sum", "largest row sum", "outputs outside"), rows))
    expect("smallest weight", [w.min() for w in weights], at_least=0, at=("β", betas))
    expect("row sums", [(w.sum(1) - 1).abs().max() + 1 for w in weights], equals=1, within=1e-12, at=("β", betas))
    expect("share of outputs outside the hull", softened, equals=0, at=("β", betas))
    expect("share outside with raw scores", raw, at_least=0.5)


def claim_beta_zero_returns_the_mean(pairs=6, d=8, beta=10.0):
    """Where the scores do not differ, every value counts the same and the output is the mean of the values.

    分数没有差别时，各 value 权重相同，输出就是 value 的平均。"""
    (keys, values), q = dictionary(pairs, d), torch.randn(1, d, dtype=F64)
    cases = {"β = 0": (q, keys, 0.0), "query 0": (q * 0, keys, beta), "equal keys": (q, keys[:1].expand(pairs, d), beta),
             "none of these": (q, keys, beta)}
    gaps = [(lookup(a, k, values, b)[0] - values.mean(0)).abs().max() for a, k, b in cases.values()]
    show(table({"case": list(cases), "largest distance to the mean": gaps}))
    expect("distance to the mean", gaps[:-1], equals=0, within=1e-12, at=("case", list(cases)[:-1]))
    expect("distance where the scores differ", gaps[-1], at_least=1e-3)


def claim_large_beta_is_a_hard_lookup(pairs=6, d=8, queries=500, betas=(0.0, 1.0, 10.0, 100.0)):
    """The weight outside the best key is at most (n − 1)·exp(−β·lead); two equal keys still share it half and half.

    最佳 key 之外的权重至多为 (n − 1)·exp(−β·领先幅度)；但两个相同的 key 仍各得一半。"""
    angles = torch.arange(pairs, dtype=F64) * 2 * math.pi / pairs  # a dial with one key at each hour
    dial, heights = torch.stack((angles.cos(), angles.sin()), 1), torch.arange(1, pairs + 1, dtype=F64)[:, None]
    turn = torch.linspace(0, 2 * math.pi, 121, dtype=F64)
    asked = torch.stack((turn.cos(), turn.sin()), 1)
    curves = {f"β = {b:g}": lookup(asked, dial, heights, b)[0][:, 0] for b in betas}
    show(lines("angle of the query", turn, curves, title=f"{pairs} keys on a circle hold 1 … {pairs}", y_label="output"))
    (keys, values), q = dictionary(pairs, d), F.normalize(torch.randn(queries, d, dtype=F64), dim=1)
    top, best = (q @ keys.T).topk(2).values, (q @ keys.T).argmax(1)
    weights = [lookup(q, keys, values, b)[1] for b in betas]
    missing = [w.scatter(1, best[:, None], 0).sum(1) for w in weights]  # (m,)
    bound = [(pairs - 1) * (-b * (top[:, 0] - top[:, 1])).exp() for b in betas]
    show(table({"β": betas, "median weight outside the best key": [m.median() for m in missing],
                "median bound": [b.median() for b in bound]}))
    slack = torch.stack([(m - b).max() for m, b in zip(missing, bound, strict=True)])
    expect("weight outside the best key, less its bound", slack, at_most=0, within=1e-12, at=("β", betas))
    twice = torch.cat((keys[:1], keys))
    tie = torch.stack([lookup(keys[:1], twice, torch.cat((values[:1], values)), b)[1][0, :2] for b in betas])
    expect("difference of two equal keys' weights", tie[:, 0] - tie[:, 1], equals=0, within=1e-12, at=("β", betas))


def claim_unit_keys_give_gaussian_kernel_weights(pairs=6, d=8, queries=500, beta=4.0, longest=3.0):
    """With keys of one length this is kernel regression with a Gaussian of variance 1/β; longer keys get more than
    their distance earns.

    key 长度都相同时，这就是方差为 1/β 的高斯核回归；key 较长者得到的权重会超过其距离应得的。"""
    (keys, values), q = dictionary(pairs, d), torch.randn(queries, d, dtype=F64)
    uneven = keys * torch.linspace(1, longest, pairs, dtype=F64)[:, None]
    gaps, nearest = [], []
    for k in (keys, uneven):
        kernel = (-beta / 2 * torch.cdist(q, k) ** 2).exp()  # (m, n), no dot product anywhere
        weights = lookup(q, k, values, beta)[1]
        gaps.append((weights - kernel / kernel.sum(1, keepdim=True)).abs().max())
        nearest.append((weights.argmax(1) == torch.cdist(q, k).argmin(1)).double().mean())
    show(table({"keys": ("one length", f"lengths 1 to {longest:g}"), "largest difference to Gaussian weights": gaps,
                "queries whose nearest key wins": nearest}))
    expect("difference to the Gaussian kernel, unit keys", gaps[0], equals=0, within=1e-9)
    expect("share of queries won by the nearest key, unit keys", nearest[0], equals=1)
    expect("difference with uneven keys", gaps[1], at_least=0.1)
    expect("share won by the nearest key, uneven keys", nearest[1], at_most=0.95)


def claim_order_of_the_pairs_does_not_matter(pairs=6, d=8, queries=500, beta=4.0):
    """Keys and values are a set: shuffling the pairs changes nothing, so attention alone does not know positions.

    key 与 value 构成集合：成对打乱毫无影响，所以注意力本身不知道位置。"""
    (keys, values), q = dictionary(pairs, d), torch.randn(queries, d, dtype=F64)
    out, order = lookup(q, keys, values, beta)[0], torch.arange(pairs).roll(1)
    together = (lookup(q, keys[order], values[order], beta)[0] - out).abs().max()
    apart = (lookup(q, keys[order], values, beta)[0] - out).abs().max()
    show(table({"moved": ("pairs", "keys alone"), "largest change of the output": (together, apart)}))
    expect("change when whole pairs move", together, equals=0, within=1e-12)
    expect("change when the keys alone move", apart, at_least=0.01)


def claim_only_a_mask_gives_weight_zero(behind=(0.0, 5.0, 20.0, 80.0, 120.0)):
    """A finite score g behind the best keeps exp(−g) of its weight; only −inf gives 0, though float32 rounds to 0
    once g passes 104.

    分数比最高者低 g，只要有限，权重就还有其 exp(−g) 倍；只有 −inf 给出 0，不过 g 超过 104 后 float32 会舍入成 0。"""
    scores = torch.tensor([[0.0, -g] for g in (*behind, torch.inf)], dtype=F64)
    double, single = scores.softmax(1)[:, 1], scores.float().softmax(1)[:, 1]
    show(table({"behind by g": (*behind, "inf (masked)"), "weight, float64": double, "weight, float32": single}))
    wanted = [math.exp(-g) / (1 + math.exp(-g)) for g in behind]
    expect("weight, float64", double[:-1], equals=wanted, within=[1e-12 * w for w in wanted], at=("g", behind))
    expect("weight at −inf", double[-1], equals=0)
    lost = [bool(w == 0) for w in (*single[:-1], *double[:-1])]
    limits = [g > bits * math.log(2) for bits in (150, 1075) for g in behind]  # half the least subnormal: 2^−150, 2^−1075
    expect("weight rounds to 0, float32 then float64", lost, equals=limits, at=("g", behind * 2))


def claim_gradient_to_the_query_is_a_covariance(pairs=6, d=8, sharpness=(0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)):
    """∂output/∂query is β times the weighted covariance of values and keys: 0 at β = 0, and it fades again once
    β times the lead of the best key is large.

    ∂输出/∂query 等于 β 乘以 value 与 key 的加权协方差：β = 0 时为零，β 与最佳 key 领先幅度之积很大时又趋于消失。"""
    (keys, values), q = dictionary(pairs, d), F.normalize(torch.randn(d, dtype=F64), dim=0)
    top = (keys @ q).topk(2).values
    betas = [s / (top[0] - top[1]).item() for s in sharpness]
    sizes, gaps, largest = [], [], []
    for b in betas:
        by_autograd = torch.autograd.functional.jacobian(lambda x, b=b: lookup(x[None], keys, values, b)[0][0], q)
        w = lookup(q[None], keys, values, b)[1][0]  # (n,)
        covariance = (w[:, None] * (values - w @ values)).T @ (keys - w @ keys)  # (d_v, d)
        sizes.append(by_autograd.norm())
        gaps.append((by_autograd - b * covariance).abs().max())
        largest.append(w.max())
    drawn = slice(sum(s == 0 for s in sharpness), None)
    curves = {"largest weight": largest[drawn], "norm of ∂output/∂query": sizes[drawn]}
    show(lines("β times the lead of the best key", sharpness[drawn], curves, log="x"))
    show(table({"β·lead": sharpness, "β": betas, "gradient norm": sizes, "autograd less formula": gaps}))
    expect("autograd less β·covariance", gaps, equals=0, within=[1e-12 * (1 + b) for b in betas], at=("β", betas))
    expect("gradient norm at β = 0", sizes[0], equals=0, within=1e-12)
    expect("gradient norm where the lead is largest, over the peak", sizes[-1] / max(sizes), at_most=1e-3)


def claim_equals_torch_sdpa(pairs=6, d=8, queries=500, betas=(0.0, 1.0, 10.0, 100.0)):
    """F.scaled_dot_product_attention is this lookup with β as its scale, and β = 1/√d unless told otherwise.

    F.scaled_dot_product_attention 就是以 scale 为 β 的这种查找，不指定时 β = 1/√d。"""
    (keys, values), q = dictionary(pairs, d), torch.randn(queries, d, dtype=F64)
    scales = (*betas, None)
    theirs = [F.scaled_dot_product_attention(q[None], keys[None], values[None], scale=s)[0] for s in scales]
    ours = [lookup(q, keys, values, d**-0.5 if s is None else s)[0] for s in scales]
    gaps = [(a - b).abs().max() for a, b in zip(ours, theirs, strict=True)]
    names = [*(f"{b:g}" for b in betas), "default"]
    show(table({"scale": names, "largest difference": gaps}))
    expect("lookup less torch", gaps, equals=0, within=1e-10, at=("scale", names))


if __name__ == "__main__":
    main()
