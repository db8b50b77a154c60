r"""Scores with W_Q = W_K are a Gram matrix: symmetric, and on the whole in favour of oneself; two matrices free both.

W_Q = W_K 时分数是 Gram 矩阵：对称，且总体上偏向自己；用两个矩阵，这两条限制都没有了。

Vaswani et al. 2017, §3.2.1; Reformer (Kitaev et al. 2020) shares Q and K and hides the token itself. Turn `d` and `tokens`.
"""

from itertools import pairwise, permutations

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import expect, heatmap, lines, main, progress, show, table


def weights(i: int, o: int) -> Tensor:
    """A random (i, o) matrix that keeps unit variance."""
    return torch.randn(i, o) / i**0.5


def rotate(x: Tensor) -> Tensor:
    """RoPE on the rows of x (n, d): pair i of row m turns by m·10000^(−2i/d)."""
    n, d = x.shape
    turn = torch.arange(n)[:, None] * 10000 ** (-torch.arange(0, d, 2) / d)  # (n, d/2)
    pairs = torch.view_as_complex(x.unflatten(1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(turn), turn)).flatten(1)


def asymmetry(s: Tensor) -> Tensor:
    """‖S − Sᵀ‖ / ‖S‖: 0 for a symmetric matrix, √2 on average for independent entries."""
    return (s - s.T).norm() / s.norm()


def smallest_eigenvalue(s: Tensor) -> Tensor:
    """Of the symmetric part, over the largest in size: not below 0 for a Gram matrix."""
    found = torch.linalg.eigvalsh((s + s.T) / 2)
    return found[0] / found.abs().max()


def learn_previous(ring: int, d: int, shared: bool, visible: Tensor, steps: int, lr: float) -> tuple[Tensor, Tensor]:
    """Adam on «attend to the previous token» (of token 0: the last) for one-hot tokens; the losses and the final weights.

    Under a causal mask token 0 has no previous one and is left out."""
    w_q = weights(ring, d).requires_grad_()
    w_k = w_q if shared else weights(ring, d).requires_grad_()
    step = torch.optim.Adam([w_q] if shared else [w_q, w_k], lr=lr)
    wanted = (torch.arange(ring) - 1) % ring
    rows = torch.arange(ring)[visible[torch.arange(ring), wanted]]  # those that can see their previous token
    losses = []
    for _ in range(steps):
        scores = (w_q @ w_k.T / d**0.5).masked_fill(~visible, -torch.inf)
        loss = F.cross_entropy(scores[rows], wanted[rows])
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.detach())
    return torch.stack(losses), scores.detach()[rows].softmax(1)


def learn_lookup(d: int, shared: bool, stored: int, payload: int, steps: int, lr: float) -> Tensor:
    """Adam on «return the payload stored under my address»; the losses. With `shared` V is K itself."""
    address = torch.eye(stored) * stored**0.5
    w_q, w_k, w_v = (weights(i, d).requires_grad_() for i in (stored, stored + payload, stored + payload))
    w_o = weights(d, payload).requires_grad_()
    step = torch.optim.Adam([w_q, w_k, w_o, *([] if shared else [w_v])], lr=lr)
    losses = []
    for _ in range(steps):
        content = torch.randn(16, stored, payload)  # (batch, stored, payload), new every time
        x = torch.cat((address.expand(16, -1, -1), content), -1)
        k = x @ w_k
        p = (address @ w_q @ k.transpose(1, 2) / d**0.5).softmax(-1)
        loss = (p @ (k if shared else x @ w_v) @ w_o - content).square().mean()
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def claim_shared_scores_are_symmetric_and_psd(tokens=64, width=128, d=32):
    """With one matrix for Q and K, or with none, the scores are symmetric and have no negative eigenvalue, also under RoPE;
    with two they are neither.

    Q、K 共用一个矩阵，或者根本不投影，分数矩阵就是对称的，且没有负特征值，加了 RoPE 也一样；用两个矩阵则两条都不成立。"""
    x, w, w_k = torch.randn(tokens, width), weights(width, d), weights(width, d)
    q, k = x @ w, x @ w_k
    ways = {"one matrix": q @ q.T, "one matrix, RoPE": rotate(q) @ rotate(q).T, "none": x @ x.T, "two matrices": q @ k.T}
    skew = torch.stack([asymmetry(s) for s in ways.values()])
    low = torch.stack([smallest_eigenvalue(s) for s in ways.values()])
    show(table({"Q and K": list(ways), "‖S − Sᵀ‖/‖S‖": skew, "smallest eigenvalue/largest": low}))
    names = list(ways)
    expect("asymmetry, one matrix or none", skew[:3], at_most=1e-5, at=("Q and K", names[:3]))
    expect("smallest eigenvalue over the largest, one matrix or none", low[:3], at_least=-1e-5, at=("Q and K", names[:3]))
    expect("asymmetry, two matrices", skew[3], at_least=0.5)
    expect("smallest eigenvalue over the largest, two matrices", low[3], at_most=-0.5)


def claim_shared_scores_favour_self(tokens=64, width=128, d=32):
    """At initialisation a token gives about two thirds of its weight to itself among 64 with one matrix, and 1/64 with two.

    初始化时，64 个 token 中每个 token 分给自己的权重：共用一个矩阵约为三分之二，用两个矩阵则约为 1/64。"""
    x, w, w_k = torch.randn(tokens, width), weights(width, d), weights(width, d)
    one, two = ((x @ w @ k.T @ x.T / d**0.5).softmax(1) for k in (w, w_k))
    own = torch.stack([p.diagonal().mean() for p in (one, two)])
    show(heatmap(one[:16, :16], x_label="key", y_label="query", title="weights, one matrix"),
         heatmap(two[:16, :16], x_label="key", y_label="query", title="weights, two matrices"),
         table({"Q and K": ["one matrix", "two matrices"], "mean weight on oneself": own}))
    expect("mean weight on oneself, one matrix", own[0], at_least=0.5)
    expect("mean weight on oneself, two matrices, times the tokens", own[1] * tokens, equals=1, within=1)


def claim_no_permutation_beats_looking_at_oneself(draws=50, few=6, width=128, d=32):
    """With one matrix, whatever permutation tells each token where to look, the scores of those pairs never add up to more
    than those of the tokens with themselves: tried with all 720 permutations of 6 tokens.

    共用一个矩阵时，无论用哪个排列指定每个 token 看谁，这些配对的分数之和都不超过各 token 与自身分数之和：对 6 个 token 的全部
    720 个排列逐一验证。"""
    every = torch.tensor(list(permutations(range(few))))  # (few!, few), the identity first
    excess = {"one matrix": [], "two matrices": []}
    for _ in range(draws):
        x, w, w_k = torch.randn(few, width), weights(width, d), weights(width, d)
        for name, k in (("one matrix", w), ("two matrices", w_k)):
            s = x @ w @ k.T @ x.T / d**0.5
            sums = s[torch.arange(few), every].sum(1)  # one for each permutation
            excess[name].append(sums.max() - sums[0])
    best = {name: torch.stack(found) for name, found in excess.items()}
    rows = [(name, e.max(), (e < 1e-4).float().mean()) for name, e in best.items()]
    show(table(("Q and K", "best permutation less oneself, largest", "draws in which oneself is best"), rows))
    expect("best sum over all permutations less the sum with oneself, one matrix", best["one matrix"], at_most=1e-4)
    expect("the same, two matrices, median over draws", best["two matrices"].median(), at_least=0.5)


def claim_tied_weights_cannot_look_one_step_back(ring=8, width_of_head=8, steps=60, lr=0.1):
    """On a ring of tokens that all see each other, «look one step back» is learnt with two matrices; with one, the geometric
    mean of the weights on the previous token cannot exceed a third, so the loss stays above log 3.

    一圈 token 彼此可见时，「只看前一个」用两个矩阵可以学会；共用一个矩阵，落在前一个 token 上的权重的几何平均不超过三分之一，
    损失始终高于 log 3。"""
    # Averaging S over the ring's shifts cannot raise the convex loss; then s(previous) = s(next) ≤ s(oneself).
    everyone = torch.ones(ring, ring, dtype=torch.bool)
    (two, p_two), (one, p_one) = (learn_previous(ring, width_of_head, w, everyone, steps, lr) for w in (False, True))
    floor = torch.tensor(3.0).log()
    curves = {"two matrices": two, "one matrix": one, "log 3": [floor] * steps}
    show(lines("step", range(steps), curves, y_label="loss"),
         heatmap(p_two, x_label="key", y_label="query", title="weights, two matrices"),
         heatmap(p_one, x_label="key", y_label="query", title="weights, one matrix"))
    expect("loss with two matrices, last step", two[-1], at_most=0.1)
    expect("loss with one matrix", one, at_least=floor, within=1e-5, at=("step", range(steps)))


def claim_a_causal_mask_hides_the_symmetry(ring=8, width_of_head=8, steps=60, lr=0.1):
    """Under a causal mask one half of the scores is never used, and one matrix can learn to look one step back: fast where
    the token itself is hidden too, as in Reformer, slowly where it is not.

    有因果掩码时，分数有一半从不使用，共用一个矩阵也能学会只看前一个：像 Reformer 那样连自己也遮住就很快，不遮则慢。"""
    with_self = torch.ones(ring, ring).tril().bool()
    masks = {"oneself visible": with_self, "oneself hidden": with_self.tril(-1)}
    masks["oneself hidden"][0, 0] = True  # token 0 has nobody else
    found = {name: learn_previous(ring, width_of_head, True, mask, steps, lr)[0] for name, mask in masks.items()}
    show(lines("step", range(steps), found, y_label="loss", title="one matrix, causal mask"))
    visible, hidden = found["oneself visible"], found["oneself hidden"]
    expect("loss, oneself hidden, last step", hidden[-1], at_most=0.1)
    expect("loss, oneself visible, last over first step", visible[-1] / visible[0], at_most=0.7)
    expect("loss, oneself visible less hidden, last step", visible[-1] - hidden[-1], at_least=0.1)


def claim_only_the_product_matters(tokens=64, width=128, ranks=(4, 8, 16, 32)):
    """The scores depend on W_Q and W_K through W_Q W_Kᵀ alone, of rank at most d_k: W_Q A and W_K A⁻ᵀ give the same scores
    for any invertible A.

    分数只通过 W_Q W_Kᵀ 依赖于二者，其秩不超过 d_k：对任意可逆的 A，W_Q A 与 W_K A⁻ᵀ 给出同样的分数。"""
    x, found, gaps = torch.randn(tokens, width).double(), [], []
    for d in ranks:
        w_q, w_k, a = weights(width, d).double(), weights(width, d).double(), torch.randn(d, d).double()
        scores = x @ w_q @ w_k.T @ x.T
        gaps.append((x @ (w_q @ a) @ (w_k @ torch.linalg.inv(a).T).T @ x.T - scores).abs().max() / scores.abs().max())
        found.append(torch.linalg.matrix_rank(w_q @ w_k.T))
    show(table({"d_k": ranks, "rank of W_Q W_Kᵀ": found, "shape": [f"{width} × {width}"] * len(ranks), "gap with A": gaps}))
    expect("rank of W_Q W_Kᵀ", found, equals=ranks, at=("d_k", ranks))
    expect("difference of the scores with A, relative", gaps, at_most=1e-6, at=("d_k", ranks))


def claim_softmax_rows_are_no_longer_symmetric(tokens=64, width=128, d=32):
    """After the softmax the weights of one matrix are no longer symmetric, but only row by row: around any cycle of tokens
    the product of the weights is the same in both directions.

    softmax 之后，共用一个矩阵的权重不再对称，但差别只在行的归一化：沿任何一圈 token，权重的乘积正反两个方向都一样。"""
    x, w, w_k = torch.randn(tokens, width).double(), weights(width, d).double(), weights(width, d).double()
    one, two = ((x @ w @ k.T @ x.T / d**0.5).softmax(1) for k in (w, w_k))
    rings = [torch.randperm(tokens)[:size] for size in (3, 4, 5) for _ in range(20)]
    rows = {}
    for name, p in (("one matrix", one), ("two matrices", two)):
        turns = [sum((p[a, b] / p[b, a]).log() for a, b in pairwise([*ring, ring[0]])) for ring in rings]
        rows[name] = (asymmetry(p), torch.stack(turns).abs().max())
    show(table(("Q and K", "‖A − Aᵀ‖/‖A‖", "|log of forward over backward|, largest"), [(n, *r) for n, r in rows.items()]))
    expect("asymmetry of the weights, one matrix", rows["one matrix"][0], at_least=0.01)
    expect("log of the product forward over backward, one matrix", rows["one matrix"][1], at_most=1e-9)
    expect("the same, two matrices", rows["two matrices"][1], at_least=1)


def claim_sharing_k_and_v_needs_a_wider_head(sizes=(8, 16), payload=8, stored=8, steps=60, lr=0.1):
    """Trained to return a payload by its address, a head as wide as the payload succeeds with V apart from K and loses part of
    it with V = K, which must hold the address in the same coordinates; a head twice as wide mends that.

    训练一个头按地址取回内容：头与内容同宽时，V 与 K 分开可以做到，令 V = K 则丢掉一部分，因为地址也要放进同一组坐标；把头加宽
    一倍就好了。"""
    settings = progress([(sizes[0], False), *((d, True) for d in sizes)])
    curves = {f"V {'=' if shared else 'apart from'} K, head size {d}": learn_lookup(d, shared, stored, payload, steps, lr)
              for d, shared in settings}
    show(lines("step", range(steps), curves, y_label="mean squared error", title=f"payload of {payload}, variance 1"))
    apart, narrow, *wide = [curve[-10:].mean() for curve in curves.values()]
    expect("error with V apart, head as wide as the payload", apart, at_most=0.05)
    expect("error with V = K, head as wide as the payload", narrow, at_least=0.1)
    expect("error with V = K, widest head", wide[-1], at_most=0.05)


if __name__ == "__main__":
    main()
