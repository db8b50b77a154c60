r"""Attention is a dictionary lookup made soft: every value is returned, weighted by how well its
key fits the query.

注意力是「软」的字典查找：每个 value 都返回一点，权重取决于其 key 与 query 的匹配程度。

Graves et al. 2014 (the sharpness β); Vaswani et al. 2017, §3.2.1 (β = 1/√d). Turn `weights` to
"raw scores": they sum to anything, and the output leaves the hull of the values.
把 `weights` 改为 "raw scores"：权重之和不再是 1，输出会跑到 value 的凸包之外。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64


@exercise(claims=("equals_torch_sdpa", "order_of_the_pairs_does_not_matter"),
          wrong=("softmax_over_the_queries", "forgets_beta", "masks_after_the_softmax"))
def lookup(query: Tensor, keys: Tensor, values: Tensor, beta: float,
           allowed: Tensor | None = None) -> Tensor:
    """Attention with scale β: query (queries, d), keys (pairs, d), values (pairs, d_v), and where
    given allowed (queries, pairs), True where a query may see a key; the output is (queries, d_v).

    以 β 为 scale 的注意力：query (queries, d)、keys (pairs, d)、values (pairs, d_v)，allowed (queries, pairs)
    若给出，True 表示该 query 可见该 key；输出为 (queries, d_v)。"""
    scores = beta * query @ keys.T                                       # (queries, pairs)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    return scores.softmax(-1) @ values                                   # (queries, d_v)


def dictionary(pairs: int, d: int) -> tuple[Tensor, Tensor]:
    """Keys of length 1 (pairs, d) and values (pairs, 3)."""
    return F.normalize(torch.randn(pairs, d, dtype=F64), dim=1), torch.randn(pairs, 3, dtype=F64)


RANGES = {
    "pairs": between(2, 64), "d_head": between(2, 128), "queries": between(4, 512),
    "betas": each(between(0.0, 100.0), at_least=2, rising=True),
    "scale": one_of("1/√d", "1/d"), "weights": one_of("softmax", "raw scores"),
    "moved": one_of("pairs", "keys alone"),
}  # fmt: skip


@breaks(scale="1/d", en="Divided by d, not by √d, the scores are flatter than torch's.",
        zh="除以 d 而不是 √d，分数就比 torch 的平。")
def claim_equals_torch_sdpa(pairs=6, d_head=8, queries=64, betas=(0.0, 1.0, 10.0), scale="1/√d"):
    """F.scaled_dot_product_attention is this lookup with β as its scale, with a mask too; β is
    1/√d unless told otherwise.

    F.scaled_dot_product_attention 就是以 scale 为 β 的这种查找，加掩码时也一样；不指定时 β = 1/√d。"""
    (keys, values), q = dictionary(pairs, d_head), 3 * torch.randn(queries, d_head, dtype=F64)
    allowed = torch.rand(queries, pairs) < 0.5
    allowed[:, 0] = True                                                 # no query sees nothing
    default = d_head**-0.5 if scale == "1/√d" else 1 / d_head
    names, gaps = [], []
    for mask in (None, allowed):
        for given in (*betas, None):
            theirs = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, scale=given)
            ours = lookup(q, keys, values, default if given is None else given, mask)
            names.append(("β = 1/√d" if given is None else f"β = {given:g}")
                         + (", mask" if mask is not None else ""))
            gaps.append((ours - theirs).abs().max())
    show(lines("query", range(len(q)), {"lookup": ours[:, 0], "torch": theirs[:, 0]}))
    # float64: outputs of size 3, from scores of up to 100 · 30 that rounding moves by 1e-16 each
    expect("lookup less torch", gaps, equals=0, within=1e-11, at=("case", names))


@breaks(weights="raw scores", en="Raw scores are negative too and sum to anything.",
        zh="原始分数有正有负，和也不固定。")
def claim_weights_are_a_convex_combination(pairs=6, d_head=8, queries=500, weights="softmax"):
    """Softmax weights are not negative and sum to 1: the output never leaves the convex hull of
    the values.

    softmax 权重非负且和为 1：输出不会离开 value 的凸包。"""
    (keys, values), q = dictionary(pairs, d_head), 3 * torch.randn(queries, d_head, dtype=F64)
    ones = torch.ones(pairs, 1, dtype=F64)           # with all values 1 the output is the sum
    u = torch.randn(3, 64, dtype=F64)                # 64 directions in which to leave the hull
    way = {"softmax": lambda v: lookup(q, keys, v, 1.0), "raw scores": lambda v: q @ keys.T @ v}
    made = {name: (f(torch.eye(pairs, dtype=F64)), f(ones)[:, 0], f(values))
            for name, f in way.items()}
    outside = {name: ((out @ u > (values @ u).amax(0) + 1e-9).any(1)).double().mean()
               for name, (_, _, out) in made.items()}
    show(table(("weights", "smallest", "least row sum", "largest row sum", "share outside"),
               [(n, w.min(), s.min(), s.max(), outside[n]) for n, (w, s, _) in made.items()]))
    expect("smallest weight", made[weights][0].min(), at_least=0)
    expect("row sums", made[weights][1], equals=1, within=1e-12)
    expect("share of outputs outside the hull", outside[weights], equals=0)


@breaks(moved="keys alone", en="Moved alone, keys fetch the values of others.",
        zh="只移动 key，取到的就是别人的 value。")
def claim_order_of_the_pairs_does_not_matter(pairs=6, d_head=8, queries=500, moved="pairs"):
    """Keys and values are a set: shuffling the pairs changes nothing, so attention alone does not
    know positions.

    key 与 value 构成集合：成对打乱毫无影响，所以注意力本身不知道位置。"""
    (keys, values), q = dictionary(pairs, d_head), torch.randn(queries, d_head, dtype=F64)
    order = torch.arange(pairs).roll(1)
    changes = {what: (lookup(q, keys[order], values[o], 4.0) - lookup(q, keys, values, 4.0)).abs()
               for what, o in (("pairs", order), ("keys alone", torch.arange(pairs)))}
    show(lines("query", range(queries), {w: c.amax(1) for w, c in changes.items()},
               y_label="change of the output"))
    expect("change of the output", changes[moved], equals=0, within=1e-12)


def drill_weight(rng) -> Drill:
    """The output of a lookup whose exponentials are whole numbers."""
    a, b, c = rng.choice([(1, 2, 5), (1, 3, 4), (2, 3, 5), (1, 1, 2), (4, 1, 3), (6, 2, 2)])
    x, y, z = rng.sample([0, 10, 20, 40, 60], 3)
    scores = torch.tensor([[float(a)], [b], [c]], dtype=F64).log()
    values = torch.tensor([[float(x)], [y], [z]], dtype=F64)
    out = lookup(torch.ones(1, 1, dtype=F64), scores, values, 1.0).item()
    return Drill(
        en=f"A query's scores for three keys are ln {a}, ln {b}, ln {c}; the values are {x}, {y}, {z}. "
           "What does softmax attention return?",
        zh=f"一个 query 对三个 key 的分数为 ln {a}、ln {b}、ln {c}，value 为 {x}、{y}、{z}。softmax 注意力的输出是多少？",
        answer=out, within=0.01,
        steps=[(f"weights: {a}, {b} and {c} over {a + b + c}", f"权重：{a}、{b}、{c} 各除以 {a + b + c}"),
               (f"({a}·{x} + {b}·{y} + {c}·{z}) / {a + b + c} = {out:g}",) * 2],
        proved_by="equals_torch_sdpa",
    )


ZH = {
    "lookup": "查找", "torch": "torch", "lookup less torch": "查找与 torch 之差", "case": "情形",
    "β = 1/√d": "β = 1/√d", "β = 1/√d, mask": "β = 1/√d，加掩码", "β = {}": "β = {}",
    "β = {}, mask": "β = {}，加掩码",
    "weights": "权重", "smallest": "最小", "least row sum": "行和最小", "largest row sum": "行和最大",
    "share outside": "在凸包外的比例", "raw scores": "原始分数", "smallest weight": "最小的权重",
    "row sums": "行和", "share of outputs outside the hull": "输出落在凸包外的比例",
    "pairs": "成对", "keys alone": "只移动 key", "change of the output": "输出的变化",
}  # fmt: skip

if __name__ == "__main__":
    main()
