r"""Dot, bilinear, additive, Gaussian, linear: any score gives an attention; they differ in cost and in what they can pick out.

点积、双线性、加性、高斯、线性：任何打分都能构成注意力，区别在于代价，以及能挑出什么。

Bahdanau et al. 2014, A.1.2 (additive); Luong et al. 2015, §3.1 (dot, general); Vaswani et al. 2017, §3.2.1 (scaled dot);
Katharopoulos et al. 2020, §3.2 (linear). Turn `widths`, `lengths` and `hidden`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import bars, expect, lines, main, show, table


def dot(q: Tensor, k: Tensor) -> Tensor:
    """q·k for every pair: (n, d), (m, d) to (n, m), one matrix product."""
    return q @ k.T


def bilinear(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """qᵀWk for every pair."""
    return q @ w @ k.T


def additive(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor, bias: Tensor | float = 0.0, bend=torch.tanh) -> Tensor:
    """vᵀ tanh(W_q q + W_k k + b) for every pair: each of them has its own vector of `hidden` numbers."""
    pairs = bend((q @ w_q + bias)[:, None] + (k @ w_k)[None])  # (n, m, hidden)
    return (pairs @ v[:, None]).squeeze(-1)  # (n, m)


def gaussian(q: Tensor, k: Tensor) -> Tensor:
    """−|q − k|²/2 for every pair."""
    return -(torch.cdist(q, k, compute_mode="donot_use_mm_for_euclid_dist") ** 2) / 2


def feature(x: Tensor) -> Tensor:
    """A positive feature map for linear attention: elu(x) + 1."""
    return F.elu(x) + 1


def additive_weights(d: int, hidden: int) -> tuple[Tensor, Tensor, Tensor]:
    """W_q, W_k and v, drawn so that the scores have variance of order 1."""
    return torch.randn(d, hidden) / d**0.5, torch.randn(d, hidden) / d**0.5, torch.randn(hidden) / hidden**0.5


def fit(w: Tensor, r: int, rounds: int = 100) -> tuple[Tensor, Tensor]:
    """W_Q and W_K (d × r) fitted to W ≈ W_Q W_Kᵀ in turns by least squares, from a random start."""
    w_k = torch.randn(w.shape[1], r, dtype=w.dtype)
    for _ in range(rounds):
        w_q = torch.linalg.lstsq(w_k, w.T).solution.T
        w_k = torch.linalg.lstsq(w_q, w).solution.T
    return w_q, w_k


def bump(q: Tensor, k: Tensor) -> Tensor:
    """An additive score with 2d hidden units: Σ tanh(kᵢ − qᵢ + 1) − tanh(kᵢ − qᵢ − 1), highest where k = q."""
    eye = torch.eye(q.shape[1], dtype=q.dtype)
    sides = torch.tensor([1.0, -1.0], dtype=q.dtype).repeat_interleave(q.shape[1])  # (2d,)
    return additive(q, k, -torch.cat((eye, eye), 1), torch.cat((eye, eye), 1), sides, bias=sides)


class Work(TorchDispatchMode):
    """Bytes written, the largest tensor written, and elements that tanh and exp-like functions touch."""

    def __init__(self) -> None:
        super().__init__()
        self.written = self.largest = self.bent = 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        inside = {t.untyped_storage().data_ptr() for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        out = op(*args, **(kwargs or {}))
        for t in tree_leaves(out):
            if isinstance(t, Tensor) and t.untyped_storage().data_ptr() not in inside:  # a view writes nothing
                self.written += t.nbytes
                self.largest = max(self.largest, t.numel())
                self.bent += t.numel() if op.overloadpacket.__name__ == "tanh" else 0
        return out


def work(call) -> tuple[Work, int]:
    """What a call writes, and the FLOPs of its matrix products as torch counts them."""
    with Work() as done:
        call()
    with FlopCounterMode(display=False) as counter:
        call()
    return done, counter.get_total_flops()


def claim_every_variant_is_row_stochastic(n=32, d=16, hidden=16):
    """Softmax of any score gives positive weights that sum to 1, and so do positive features divided by their sum;
    a sigmoid of the scores does not.

    任何打分经 softmax 都得到和为 1 的正权重，正的特征映射除以其和也是；对分数取 sigmoid 则不是。"""
    q, k = torch.randn(2, n, d)
    linear = feature(q) @ feature(k).T
    scores = {"dot": dot(q, k), "scaled dot": dot(q, k) / d**0.5, "bilinear": bilinear(q, k, torch.randn(d, d) / d),
              "additive": additive(q, k, *additive_weights(d, hidden)), "Gaussian": gaussian(q, k)}
    weights = {name: s.double().softmax(1) for name, s in scores.items()} | {"linear": linear / linear.sum(1, keepdim=True)}
    sigmoid = (scores["scaled dot"]).sigmoid()
    rows = {name: (w.min(), w.sum(1).min(), w.sum(1).max()) for name, w in {**weights, "sigmoid": sigmoid}.items()}
    show(table(("score", "least weight", "least row sum", "largest row sum"), [(name, *r) for name, r in rows.items()]))
    expect("row sums", [w.sum(1).sub(1).abs().max() for w in weights.values()], at_most=1e-5, at=("score", list(weights)))
    expect("every weight is above 0", [(w > 0).all() for w in weights.values()], equals=True, at=("score", list(weights)))
    expect("row sum less 1, sigmoid", (sigmoid.sum(1) - 1).abs().min(), at_least=0.1)


def claim_bilinear_is_dot_of_projections(n=32, d=16, ranks=(1, 2, 4, 8, 16)):
    """qᵀWk is the dot product of two projections, W = W_Q W_Kᵀ. A head of size r reaches any W of rank r; of a fuller one it
    must leave out at least the singular values past the r-th.

    qᵀWk 就是两个投影的点积，W = W_Q W_Kᵀ。大小为 r 的头能表示任何秩为 r 的 W；秩更高时，至少要舍去第 r 个之后的奇异值。"""
    q, k, w = (torch.randn(*shape, dtype=torch.float64) for shape in ((n, d), (n, d), (d, d)))
    tail = torch.linalg.svdvals(w).square().flip(0).cumsum(0).flip(0).sqrt()  # what lies from each singular value on
    best = [tail[r].item() if r < d else 0.0 for r in ranks]
    errors: dict[str, list[Tensor]] = {"W of full rank": [], "W of rank r": []}
    gaps = []
    for r in ranks:
        low = torch.randn(d, r, dtype=w.dtype) @ torch.randn(r, d, dtype=w.dtype)
        for name, wanted in (("W of full rank", w), ("W of rank r", low)):
            w_q, w_k = fit(wanted, r)
            errors[name].append(torch.linalg.matrix_norm(wanted - w_q @ w_k.T))
        gaps.append((bilinear(q, k, low) - dot(q @ w_q, k @ w_k)).abs().max())
    show(lines("head size r", ranks, {**errors, "singular values past r": best}, y_label="|W − W_Q W_Kᵀ| fitted"))
    show(table({"rank of W": ranks, "qᵀWk less (qW_Q)·(kW_K), up to": gaps}))
    expect("bilinear less dot of r-wide projections", gaps, equals=0, within=1e-6, at=("r", ranks))
    expect("error at W of rank r", errors["W of rank r"], equals=0, within=1e-6, at=("r", ranks))
    expect("error at full rank", errors["W of full rank"], at_least=best, within=1e-9, at=("r", ranks))
    expect("error at full rank over |W|, less the bound", [(e - b) / tail[0] for e, b in zip(errors["W of full rank"], best, strict=True)],
           at_most=0.01, at=("r", ranks))


def claim_additive_needs_its_tanh(n=32, d=16, hidden=16):
    """Without the tanh the query's term is the same for every key, cancels in softmax, and all queries attend alike.

    去掉 tanh，query 那一项对所有 key 都相同，在 softmax 中消掉，于是所有 query 的注意力都一样。"""
    q, k = torch.randn(2, n, d)
    parts, spread = additive_weights(d, hidden), {}
    for name, bend in (("tanh", torch.tanh), ("none", lambda x: x)):
        weights = additive(q, k, *parts, bend=bend).softmax(1)
        spread[name] = (weights - weights[0]).abs().max()
    show(table({"nonlinearity": list(spread), "largest difference between two queries' weights": list(spread.values())}))
    expect("difference between queries without tanh", spread["none"], equals=0, within=1e-5)
    expect("difference between queries with tanh", spread["tanh"], at_least=1e-3)


def claim_additive_scores_are_bounded(n=32, d=16, hidden=16, scales=(1.0, 3.0, 10.0, 30.0, 100.0)):
    """tanh keeps additive scores within ±|v|₁ however large q and k; dot products grow without limit, and softmax with
    them.

    无论 q、k 多大，tanh 都把加性分数限制在 ±|v|₁ 之内；点积则无限增大，softmax 也随之变尖。"""
    q, k = torch.randn(2, n, d)
    parts = additive_weights(d, hidden)
    made = {"scaled dot": [dot(q * s, k * s) / d**0.5 for s in scales], "additive": [additive(q * s, k * s, *parts) for s in scales]}
    sharp = {name: [m.softmax(1).amax(1).median() for m in many] for name, many in made.items()}
    limit = parts[2].abs().sum()
    ceiling = 1 / (1 + (n - 1) * torch.exp(-2 * limit))  # one key at +|v|₁, the rest at −|v|₁
    show(lines("scale of q and k", scales, sharp, log="x", y_label="median largest weight"))
    show(table({"scale": scales, "largest |scaled dot|": [m.abs().max() for m in made["scaled dot"]],
                "largest |additive|": [m.abs().max() for m in made["additive"]], "|v|₁": [limit] * len(scales)}))
    expect("median largest weight, dot, at the largest scale", sharp["scaled dot"][-1], at_least=0.99)
    expect("largest |additive score|", [m.abs().max() for m in made["additive"]], at_most=limit, within=1e-4, at=("scale", scales))
    expect("largest additive weight", [m.softmax(1).max() for m in made["additive"]], at_most=ceiling, within=1e-4, at=("scale", scales))
    expect("growth of the dot scores", made["scaled dot"][-1].abs().max() / made["scaled dot"][0].abs().max(),
           equals=(scales[-1] / scales[0]) ** 2, within=1e-3 * (scales[-1] / scales[0]) ** 2)


def winning_query(keys: Tensor, i: int, steps: int = 2000) -> Tensor | None:
    """A query (d,) whose dot product with key i beats that with every other of `keys` (n, d), if one is found.

    The perceptron of Rosenblatt (1958) on the differences kᵢ − kⱼ: it ends where they are linearly separable, which for a
    corner of the convex hull they are."""
    differences = F.normalize(torch.cat((keys[i] - keys[:i], keys[i] - keys[i + 1 :])), dim=1)
    q = differences.mean(0)
    for _ in range(steps):
        least = (differences @ q).argmin()
        if differences[least] @ q > 0:
            return q
        q = q + differences[least]
    return None


def corners_of_the_plane(keys: Tensor) -> set[int]:
    """Which of `keys` (n, 2) are corners of their convex hull: those from which all others lie within a half turn."""
    corners = set()
    for i in range(len(keys)):
        others = torch.cat((keys[:i], keys[i + 1 :])) - keys[i]
        angles = torch.atan2(others[:, 1], others[:, 0]).sort().values
        empty = torch.cat((angles.diff(), angles[:1] + 2 * torch.pi - angles[-1:])).max()
        if empty > torch.pi:
            corners.add(i)
    return corners


def claim_dot_can_only_pick_extreme_keys(n=32, queries=2000, widths=(1, 2, 4, 8, 16)):
    """A dot product is linear in the key, so only corners of the keys' convex hull can win: of n numbers on a line, two.
    Gaussian and additive scores can pick any key, and so can the dot product among keys of one length.

    点积对 key 是线性的，只有 key 凸包的顶点才能胜出：一条线上的 n 个数中只有两个。高斯与加性打分能挑出任何一个；
    key 长度都相同时，点积也能。"""
    ways = {"dot, Gaussian keys": (dot, 0), "dot, keys of one length": (dot, 1), "Gaussian": (gaussian, 0), "additive": (bump, 0)}
    share: dict[str, list[float]] = {name: [] for name in ways}
    plane_corners, plane_winners = set(), set()
    for d in widths:
        q, k = torch.randn(queries, d, dtype=torch.float64), torch.randn(n, d, dtype=torch.float64)
        for name, (score, unit) in ways.items():
            keys = F.normalize(k, dim=1) if unit else k
            asked = torch.cat((q, keys))  # random queries, and every key asking for itself
            won = set(score(asked, keys).argmax(1).tolist())
            if name == "dot, Gaussian keys":
                won |= {i for i in range(n) if winning_query(keys, i) is not None}
                if d == 2:
                    plane_corners, plane_winners = corners_of_the_plane(keys), won
            share[name].append(len(won) / n)
    show(bars(widths, share, y_label="share of the keys that can win", title="size of q and k"))
    line = [i for i, d in enumerate(widths) if d == 1]
    plane = [i for i, d in enumerate(widths) if d > 1]  # on a line keys of one length are only ±1
    if line:
        expect("keys that win on a line, dot", [share["dot, Gaussian keys"][i] * n for i in line], equals=2)
    if 2 in widths:
        expect("keys of the plane that win and are no corner, or the reverse, dot", len(plane_winners ^ plane_corners), equals=0)
    expect("share that can win, Gaussian", share["Gaussian"], equals=1, at=("d", widths))
    expect("share that can win, additive", share["additive"], equals=1, at=("d", widths))
    expect("share that can win, dot, keys of one length", [share["dot, keys of one length"][i] for i in plane], equals=1,
           at=("d", [widths[i] for i in plane]))


def claim_additive_needs_an_n_n_d_tensor(lengths=(32, 64, 128, 256), d=16, hidden=16):
    """The matrix products cost the same order, 2n²·hidden and 2n²·d FLOPs; but additive scores also write an n × n × hidden
    tensor, with a tanh for each element, where the dot product writes n × n.

    矩阵乘法的量级相同，分别是 2n²·hidden 与 2n²·d FLOPs；但加性打分还要写出 n × n × hidden 的张量，每个元素一次 tanh，
    点积只写 n × n。"""
    parts = additive_weights(d, hidden)
    inputs = [torch.randn(2, n, d) for n in lengths]
    dots = [work(lambda x=x: dot(*x)) for x in inputs]
    added = [work(lambda x=x: additive(*x, *parts)) for x in inputs]
    times = [w.written / v.written for (w, _), (v, _) in zip(added, dots, strict=True)]
    show(lines("n", lengths, {"dot": [w.written for w, _ in dots], "additive": [w.written for w, _ in added]}, log="xy",
               y_label="bytes written"))
    show(table({"n": lengths, "bytes written, additive over dot": times, "largest tensor, dot": [w.largest for w, _ in dots],
                "additive": [w.largest for w, _ in added], "tanh, additive": [w.bent for w, _ in added],
                "matmul FLOPs, dot": [f for _, f in dots], "matmul FLOPs, additive": [f for _, f in added]}))
    expect("largest tensor, dot", [w.largest for w, _ in dots], equals=[n * n for n in lengths], at=("n", lengths))
    expect("largest tensor, additive", [w.largest for w, _ in added], equals=[n * n * hidden for n in lengths], at=("n", lengths))
    expect("tanh evaluations", [w.bent for w, _ in added], equals=[n * n * hidden for n in lengths], at=("n", lengths))
    expect("matmul FLOPs, additive", [f for _, f in added], at=("n", lengths),
           equals=[2 * n * n * hidden + 4 * n * d * hidden for n in lengths])
    expect("matmul FLOPs, dot", [f for _, f in dots], equals=[2 * n * n * d for n in lengths], at=("n", lengths))


def claim_linear_attention_is_associative(lengths=(32, 64, 128, 256), d=16):
    """Without softmax (φ(Q)φ(K)ᵀ)V = φ(Q)(φ(K)ᵀV): the same numbers for 4nd² FLOPs instead of 4n²d. Softmax between the
    two products forbids it.

    没有 softmax，(φ(Q)φ(K)ᵀ)V = φ(Q)(φ(K)ᵀV)：结果相同，FLOPs 从 4n²d 变成 4nd²。两次乘法之间隔着 softmax 就不行。"""
    quadratic, linear, gaps, softened = [], [], [], []
    for n in lengths:
        q, k, v = torch.randn(3, n, d)
        a, b = feature(q), feature(k)
        quadratic.append(work(lambda a=a, b=b, v=v: (a @ b.T) @ v)[1])
        linear.append(work(lambda a=a, b=b, v=v: a @ (b.T @ v))[1])
        total = (a @ b.sum(0))[:, None]  # the row sums, without the n × n matrix
        first = ((a @ b.T) / total) @ v
        gaps.append((first - a @ (b.T @ v) / total).abs().max())
        softened.append((first - (q @ k.T / d**0.5).softmax(1) @ v).abs().max())
    show(lines("n", lengths, {"n × n first": quadratic, "d × d first": linear}, log="xy", y_label="FLOPs"))
    show(table({"n": lengths, "difference of the two orders": gaps, "difference to softmax attention": softened}))
    expect("difference of the two orders", gaps, at_most=1e-4, at=("n", lengths))
    expect("FLOPs, n × n first", quadratic, equals=[4 * n * n * d for n in lengths], at=("n", lengths))
    expect("FLOPs, d × d first", linear, equals=[4 * n * d * d for n in lengths], at=("n", lengths))
    expect("difference to softmax attention", softened, at_least=0.01, at=("n", lengths))


if __name__ == "__main__":
    main()
