r"""A dot product is linear in the key: only corners of the keys' convex hull can ever win.

点积对 key 是线性的：只有 key 凸包的顶点才可能胜出。

Turn `lengths` to "Gaussian": in the plane most keys lie inside the hull, and no query prefers them.
把 `lengths` 改为 "Gaussian"：平面上的 key 大多在凸包之内，没有 query 会偏好它们。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, heatmap, main, one_of, show

F64 = torch.float64


def winners(k: Tensor) -> set[int]:
    """The keys (n, d) that some query prefers by dot product: all of them for d ≤ 2, and those that
    20,000 random queries find in more dimensions."""
    n, d = k.shape
    q = torch.randn(20_000, d, dtype=F64)
    if d == 1:
        q = torch.tensor([[-1.0], [1.0]], dtype=F64)
    if d == 2:                         # between two neighbouring angles of a tie one key wins
        gap = (k[:, None] - k[None])[~torch.eye(n, dtype=torch.bool)]
        ties = torch.atan2(gap[:, 0], -gap[:, 1]).sort().values          # where kᵢ and kⱼ tie
        angle = torch.cat(((ties[1:] + ties[:-1]) / 2, ties[:1] / 2 + ties[-1:] / 2 + torch.pi))
        q = torch.stack((angle.cos(), angle.sin()), 1)
    return set((q @ k.T).argmax(1).tolist())


def corners(k: Tensor) -> set[int]:
    """Which of the keys (n, 2) are corners of their hull: those with all others in a half turn."""
    found = set()
    for i in range(len(k)):
        others = torch.cat((k[:i], k[i + 1 :])) - k[i]
        angles = torch.atan2(others[:, 1], others[:, 0]).sort().values
        empty = torch.cat((angles.diff(), angles[:1] + 2 * torch.pi - angles[-1:])).max()
        if empty > torch.pi:
            found.add(i)
    return found


def bump(q: Tensor, k: Tensor) -> Tensor:
    """An additive score with 2d hidden units, highest where k = q: Σ tanh(kᵢ − qᵢ + 1) −
    tanh(kᵢ − qᵢ − 1); q (queries, d), k (keys, d)."""
    gap = k[None] - q[:, None]
    return (torch.tanh(gap + 1) - torch.tanh(gap - 1)).sum(-1)


SCORES = {
    "dot": lambda q, k: q @ k.T,
    "Gaussian": lambda q, k: -torch.cdist(q, k),
    "additive": bump,
}

RANGES = {
    "keys": between(8, 32), "d_head": between(1, 8),
    "score": one_of("Gaussian", "additive", "dot"), "who": one_of("corners", "all"),
    "lengths": one_of("one", "Gaussian"),
}  # fmt: skip


@breaks(who="all", en="Keys inside the hull are mixtures of others: one of those scores higher.",
        zh="凸包内的 key 是别的 key 的混合：其中总有一个得分更高。")
def claim_dot_can_only_pick_extreme_keys(keys=32, who="corners"):
    """By dot product two of n numbers on a line can win, and in the plane exactly the corners of
    the convex hull.

    用点积时，一条线上的 n 个数只有两个能胜出；平面上恰好是凸包的顶点。"""
    drawn = {d: torch.randn(keys, d, dtype=F64) for d in (1, 2, 4, 8)}
    won = {d: winners(k) for d, k in drawn.items()}
    show(bars(list(won), {"keys that some query prefers": [len(w) for w in won.values()]},
              title=f"{keys} Gaussian keys, by width"))
    hull = corners(drawn[2]) if who == "corners" else set(range(keys))
    expect("keys that win on a line", len(won[1]), equals=2)
    expect("keys of the plane that win and are no corner, or the reverse", len(won[2] ^ hull),
           equals=0)


@breaks(score="dot", en="By dot product a key inside the hull loses even when it asks for itself.",
        zh="用点积时，凸包内的 key 即使以自己为 query 也会输。")
def claim_gaussian_and_additive_scores_can_pick_any_key(keys=32, d_head=2, score="additive"):
    """A Gaussian score, and an additive one with 2d hidden units, are highest where the key is the
    query: any key can win.

    高斯打分，以及有 2d 个隐藏单元的加性打分，在 key 等于 query 处最高：任何 key 都能胜出。"""
    k = torch.randn(keys, d_head, dtype=F64)
    k = k[k[:, 0].argsort()]                                             # for the picture's sake
    found = SCORES[score](k, k)                                          # each key asks for itself
    show(heatmap(found.softmax(1), x_label="key", y_label="the query is key", title="weights"))
    for name in (score, "Gaussian"):
        won = SCORES[name](k, k).argmax(1) == torch.arange(keys)
        expect(f"keys that win when they ask for themselves, {name}", int(won.sum()), equals=keys)


@breaks(lengths="Gaussian", en="Of lengths that differ, short keys lie inside the hull.",
        zh="模长不等时，短的 key 落在凸包之内。")
def claim_keys_of_one_length_can_all_win(keys=32, lengths="one"):
    """Keys of one length lie on a sphere, each a corner of the hull: by dot product every one of
    them wins when it asks for itself.

    key 模长相等时都在球面上，个个是凸包的顶点：用点积时，每个 key 以自己为 query 都能胜出。"""
    k = torch.randn(keys, 2, dtype=F64)
    k = F.normalize(k, dim=1) if lengths == "one" else k
    k = k[torch.atan2(k[:, 0], k[:, 1]).argsort()]                       # neighbours side by side
    won = (k @ k.T).argmax(1) == torch.arange(keys)
    show(heatmap((4 * k @ k.T).softmax(1), x_label="key", y_label="the query is key",
                 title="weights"))
    expect("keys that win when they ask for themselves", int(won.sum()), equals=keys)
    expect("corners of the hull", len(corners(k)), equals=keys)


ZH = {
    "keys that some query prefers": "有 query 偏好的 key 数",
    "{} Gaussian keys, by width": "{} 个高斯 key，按宽度", "keys that win on a line": "一条线上能胜出的 key 数",
    "keys of the plane that win and are no corner, or the reverse": "平面上胜出却非顶点（或相反）的 key 数",
    "key": "key", "the query is key": "以此 key 为 query", "weights": "权重",
    "keys that win when they ask for themselves, {}": "以自己为 query 时胜出的 key 数，{}",
    "dot": "点积", "Gaussian": "高斯", "additive": "加性",
    "keys that win when they ask for themselves": "以自己为 query 时胜出的 key 数",
    "corners of the hull": "凸包的顶点数",
}  # fmt: skip

if __name__ == "__main__":
    main()
