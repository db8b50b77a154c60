r"""Dividing by √d_k keeps attention's softmax out of saturation, and other things can take its place.

除以 √d_k 使注意力的 softmax 不落入饱和区；也有别的办法可以代替它。

Vaswani et al. 2017, §3.2.1. What replaces the division: a smaller W_Q (T5), normalised q and k (QK-norm), a tanh cap
(Gemma 2), 1/d_k (μP). Turn `widths` and `keys`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table


def scores(d: int, queries: int, keys: int) -> Tensor:
    """q·k for unit-variance queries and keys, (queries, keys)."""
    return torch.randn(queries, d) @ torch.randn(keys, d).T


def jacobian_norm(p: Tensor) -> Tensor:
    """Frobenius norm of softmax's Jacobian diag(p) − ppᵀ for each row of p."""
    return (torch.diag_embed(p) - p[:, :, None] * p[:, None, :]).flatten(1).norm(dim=1)


def query_gradients(q: Tensor, k: Tensor, v: Tensor, wanted: Tensor, scale: float) -> Tensor:
    """|∂L/∂q| for each query, where L is the product of attention's output with the random `wanted`."""
    q = q.clone().requires_grad_()
    ((q @ k.T * scale).softmax(1) @ v * wanted).sum().backward()
    return q.grad.norm(dim=1)  # (queries,)


def moved(optimiser: str, d: int, scale: float, folded: float = 1.0, width: int = 64, tokens: int = 16, lr: float = 1e-3):
    """By how much the scores move in one step on W_Q towards «attend to the previous token».

    The scores are x W_Q W_Kᵀ xᵀ · scale; W_Q starts `folded` times as large. Draws the same x, W_Q, W_K for equal seeds."""
    x = torch.randn(tokens, width)
    w_q, w_k = torch.randn(2, width, d) / width**0.5
    w_q = (w_q * folded).requires_grad_()
    step = {"SGD": torch.optim.SGD([w_q], lr=lr), "Adam": torch.optim.Adam([w_q], lr=lr, eps=1e-20),
            "Adafactor": torch.optim.Adafactor([w_q], lr=lr, eps=(1e-30, 1e-9))}[optimiser]
    before = x @ w_q @ w_k.T @ x.T * scale
    F.cross_entropy(before, (torch.arange(tokens) - 1) % tokens).backward()
    step.step()
    return (x @ w_q @ w_k.T @ x.T * scale - before).detach().norm() / tokens  # root mean square


def claim_dot_product_variance_is_dk(widths=(16, 64, 256, 1024), samples=2048):
    """Var(q·k) is d_k for independent unit-variance components, not 1.

    各分量独立且方差为 1 时，q·k 的方差是 d_k，而不是 1。"""
    raw = torch.stack([(torch.randn(samples, d) * torch.randn(samples, d)).sum(1).var() for d in widths])
    show(lines("d_k", widths, {"Var(q·k)": raw, "d_k": widths}, log="xy"))
    noise = ((2 + 6 / min(widths)) / samples) ** 0.5
    expect("Var(q·k) / d_k", raw / torch.tensor(widths), equals=1, within=6 * noise, at=("d_k", widths))


def claim_division_restores_unit_variance(widths=(16, 64, 256, 1024), samples=2048):
    """Divided by √d_k the scores have variance 1 at every width; divided by d_k their variance falls as 1/d_k.

    除以 √d_k 后分数的方差在任何宽度下都是 1；若除以 d_k，方差按 1/d_k 下降。"""
    drawn = [(torch.randn(samples, d) * torch.randn(samples, d)).sum(1) for d in widths]
    root = [(s / d**0.5).var() for s, d in zip(drawn, widths, strict=True)]
    whole = [(s / d).var() for s, d in zip(drawn, widths, strict=True)]
    show(table({"d_k": widths, "variance, by √d_k": root, "variance, by d_k": whole}))
    noise = ((2 + 6 / min(widths)) / samples) ** 0.5
    expect("variance after division by √d_k", root, equals=1, within=6 * noise, at=("d_k", widths))
    expect("variance after division by d_k, times d_k", [w * d for w, d in zip(whole, widths, strict=True)], equals=1,
           within=6 * noise, at=("d_k", widths))


def claim_unscaled_softmax_saturates(widths=(16, 64, 256, 1024), queries=256, keys=64):
    """Over 64 keys the unscaled softmax gives its largest weight over 0.99 at d_k = 1024, in the median; scaled, it
    stays near a tenth at every width.

    对 64 个 key，d_k = 1024 时不缩放的 softmax 最大权重的中位数超过 0.99；缩放后在任何宽度下都在十分之一左右。"""
    drawn = [scores(d, queries, keys) for d in widths]
    raw = [s.softmax(1).amax(1).median() for s in drawn]
    scaled = [(s / d**0.5).softmax(1).amax(1).median() for s, d in zip(drawn, widths, strict=True)]
    show(lines("d_k", widths, {"unscaled": raw, "scaled": scaled}, log="x", y_label="median largest weight"))
    expect("largest weight unscaled, widest", raw[-1], at_least=0.99)
    expect("largest weight scaled", scaled, at_most=0.2, at=("d_k", widths))


def claim_saturated_softmax_has_no_gradient(widths=(16, 64, 256, 1024), queries=256, keys=64):
    """The Jacobian diag(p) − ppᵀ is zero for a one-hot p. Over 64 keys the median unscaled Jacobian is below a tenth of
    the scaled one at d_k = 1024, but above it at d_k = 16.

    p 为 one-hot 时 Jacobian diag(p) − ppᵀ 为零。对 64 个 key，不缩放的 Jacobian 范数中位数在 d_k = 1024 时不到缩放后的
    十分之一，在 d_k = 16 时反而更大。"""
    drawn = [scores(d, queries, keys) for d in widths]
    raw = torch.stack([jacobian_norm(s.softmax(1)).median() for s in drawn])
    scaled = torch.stack([jacobian_norm((s / d**0.5).softmax(1)).median() for s, d in zip(drawn, widths, strict=True)])
    show(lines("d_k", widths, {"unscaled": raw, "scaled": scaled}, log="xy", y_label="median norm of the Jacobian"),
         table({"d_k": widths, "unscaled": raw, "scaled": scaled, "ratio": raw / scaled}))
    expect("unscaled Jacobian over scaled, widest", (raw / scaled)[-1], at_most=0.1)
    expect("unscaled Jacobian over scaled, narrowest", (raw / scaled)[0], at_least=1)
    expect("Jacobian norm of a one-hot p", jacobian_norm(torch.eye(keys)), equals=0)


def claim_gradient_ends_up_in_few_queries(widths=(16, 64, 256, 1024), queries=256, keys=64):
    """Unscaled at d_k = 1024 over 64 keys, the median query gets under a quarter of the gradient it gets scaled, yet the mean
    is larger: the tenth of queries whose two best keys are nearly tied hold most of it.

    d_k = 1024、64 个 key 且不缩放时，处于中位数的 query 得到的梯度不到缩放时的四分之一，平均值却反而更大：最高两个分数几乎
    持平的那一成 query 占去了大部分梯度。"""
    v, wanted = torch.randn(keys, 16), torch.randn(queries, 16)
    top, rows = queries // 10, []
    for d in widths:
        q, k = torch.randn(queries, d), torch.randn(keys, d)
        raw, scaled = (query_gradients(q, k, v, wanted, s) for s in (1.0, d**-0.5))
        best = (q @ k.T).topk(2).values  # (queries, 2)
        gaps = best[:, 0] - best[:, 1]
        rows.append((d, raw.median() / scaled.median(), raw.mean() / scaled.mean(), raw.topk(top).values.sum() / raw.sum(),
                     scaled.topk(top).values.sum() / scaled.sum(), gaps[raw.topk(top).indices].median() / gaps.median()))
    names = ("d_k", "median, ratio", "mean, ratio", "share of top tenth", "share, scaled", "their gap over the median gap")
    show(table(names, rows, title="|gradient| at the queries, unscaled over scaled"))
    _, median, mean, share, _, gap = rows[-1]
    expect("median gradient, unscaled over scaled, widest", median, at_most=0.25)
    expect("mean gradient, unscaled over scaled, widest", mean, at_least=1)
    expect("share of the top tenth of queries, unscaled, widest", share, at_least=0.5)
    expect("gap of the two best scores, top tenth over the median query, widest", gap, at_most=0.5)


def claim_scale_can_be_folded_into_wq(d=80, width=128, tokens=128):
    """A W_Q divided by √d_k gives the same scores without any division.

    把 W_Q 预先除以 √d_k，不做除法也得到同样的分数。"""
    x, w_q, w_k = torch.randn(tokens, width), *(torch.randn(2, width, d) / width**0.5)
    divided = (x @ w_q) @ (x @ w_k).T / d**0.5
    folded = (x @ (w_q * d**-0.5)) @ (x @ w_k).T
    gap = (divided.softmax(1) - folded.softmax(1)).abs().max()
    show(table({"d_k": [d], "max difference of the weights": [gap]}))
    expect("difference of the attention weights", gap, at_most=1e-5)


def claim_folded_scale_trains_differently(widths=(16, 64, 256, 1024)):
    """From the same scores, one step on a folded W_Q moves them d_k times as far with SGD and √d_k times as far with
    Adam; with Adafactor, whose step follows the size of the parameter, equally far.

    起点分数相同，对并入因子的 W_Q 走一步：SGD 使分数的变动放大到 d_k 倍，Adam 放大到 √d_k 倍；Adafactor 的步长随参数大小
    伸缩，变动相同。"""
    ratios = {}
    for name in ("SGD", "Adam", "Adafactor"):
        ratios[name] = []
        for d in widths:
            torch.manual_seed(d)
            divided = moved(name, d, d**-0.5)
            torch.manual_seed(d)
            ratios[name].append(moved(name, d, 1.0, folded=d**-0.5) / divided)
    show(lines("d_k", widths, ratios, log="xy", y_label="movement, folded over divided"))
    for name, power in (("SGD", 1), ("Adam", 0.5), ("Adafactor", 0)):
        relative = [r / d**power for r, d in zip(ratios[name], widths, strict=True)]
        expect(f"{name}: movement folded over divided, over d_k^{power}", relative, equals=1, within=0.02, at=("d_k", widths))


def claim_one_adam_step_moves_scores_with_the_width(widths=(16, 64, 256, 1024), draws=4):
    """One Adam step at a fixed learning rate moves scores divided by √d_k further the wider the head; divided by d_k, as μP
    does, by about the same at every width.

    学习率固定，Adam 走一步：分数除以 √d_k 时，头越宽变动越大；像 μP 那样除以 d_k，变动在各宽度下大致相同。"""
    root = [torch.stack([moved("Adam", d, d**-0.5) for _ in range(draws)]).mean() for d in widths]
    whole = [torch.stack([moved("Adam", d, 1 / d) for _ in range(draws)]).mean() for d in widths]
    show(lines("d_k", widths, {"by √d_k": root, "by d_k": whole}, log="xy", y_label="movement of the scores"))
    growth = (widths[-1] / widths[0]) ** 0.5
    expect("movement, widest over narrowest, by √d_k", root[-1] / root[0], at_least=growth / 2)
    expect("movement, widest over narrowest, by d_k", whole[-1] / whole[0], at_least=0.5)
    expect("the same, from above", whole[-1] / whole[0], at_most=2)


def claim_shrinking_one_weight_takes_the_whole_variance(widths=(16, 64, 256, 1024), width=128, tokens=128):
    """Without the division the scores start at variance 1 if the variance of both W_Q and W_K is divided by √d_k, or that
    of one of them by d_k; dividing that of one by √d_k leaves √d_k.

    不做除法时，要让初始分数的方差为 1，须把 W_Q、W_K 二者的方差都除以 √d_k，或把其中之一的方差除以 d_k；只把一个的方差除以
    √d_k，还剩 √d_k。"""
    ways = {"both by √d_k": (0.5, 0.5), "one by d_k": (1, 0), "one by √d_k": (0.5, 0)}
    found = {name: [] for name in ways}
    for name, (a, b) in ways.items():
        for d in widths:
            x, y = torch.randn(2, tokens, width)  # queries and keys from different tokens
            w_q = torch.randn(width, d) / width**0.5 * d ** (-a / 2)
            w_k = torch.randn(width, d) / width**0.5 * d ** (-b / 2)
            found[name].append(((x @ w_q) @ (y @ w_k).T).var())
    show(lines("d_k", widths, found, log="xy", y_label="variance of the scores"))
    slack = 6 * (8 / min(widths) / min(width, tokens)) ** 0.5
    for name, power in (("both by √d_k", 0), ("one by d_k", 0), ("one by √d_k", 0.5)):
        relative = [v / d**power for v, d in zip(found[name], widths, strict=True)]
        expect(f"{name}: variance over d_k^{power}", relative, equals=1, within=slack, at=("d_k", widths))


def claim_qk_norm_bounds_the_logits(sizes=(1.0, 10.0, 100.0), gain=4.0, d=80, queries=256, keys=64):
    """With q and k normalised to length 1 and a gain g no logit exceeds g, and with RMSNorm without gains and the division
    kept none exceeds √d_k, however large q and k grow; division alone lets logits grow with the product of their sizes.

    把 q、k 归一化到长度 1 再乘增益 g，logits 不超过 g；用不带增益的 RMSNorm 并保留除法，则不超过 √d_k，无论 q、k 变得多大；
    只做除法，logits 随二者大小之积增长。"""
    q, k = torch.randn(queries, d), torch.randn(keys, d)
    k[0] = q[0]  # one key that matches its query exactly
    divided = torch.stack([((q * s) @ (k * s).T / d**0.5).abs().max() for s in sizes])
    unit = [gain * F.normalize(q * s, dim=1) @ F.normalize(k * s, dim=1).T for s in sizes]
    rms = torch.stack([(F.rms_norm(q * s, (d,)) @ F.rms_norm(k * s, (d,)).T / d**0.5).abs().max() for s in sizes])
    largest = torch.stack([n.abs().max() for n in unit])
    curves = {"divided by √d_k": divided, "RMSNorm, divided by √d_k": rms, "length 1, times g": largest}
    show(lines("size of q and k", sizes, curves, log="xy", y_label="largest |logit|"))
    bound = 1 / (1 + (keys - 1) * torch.exp(torch.tensor(-2 * gain)))
    expect("largest |logit|, length 1 times g", largest, at_most=gain, within=1e-5 * gain, at=("size", sizes))
    expect("largest |logit|, RMSNorm", rms, at_most=d**0.5, within=1e-5 * d**0.5, at=("size", sizes))
    expect("largest weight, length 1 times g", [n.softmax(1).max() for n in unit], at_most=bound, within=1e-5, at=("size", sizes))
    growth = (sizes[-1] / sizes[0]) ** 2
    expect("largest |logit| divided, last size over first", divided[-1] / divided[0], equals=growth, within=1e-4 * growth)


def claim_soft_cap_does_not_replace_the_scale(widths=(16, 64, 256, 1024), cap=50.0, queries=256, keys=64):
    """cap·tanh(s/cap) keeps every score within the cap, but at d_k = 1024 unscaled scores capped at 50 still give one of 64
    keys over half the weight, in the median.

    cap·tanh(s/cap) 使每个分数都不超过上限；但 d_k = 1024 时，未缩放的分数以 50 为上限，64 个 key 中仍有一个拿走一半以上的
    权重（中位数）。"""
    drawn = [scores(d, queries, keys) for d in widths]
    capped = [cap * torch.tanh(s / cap) for s in drawn]
    tops = {"unscaled": drawn, "capped": capped, "scaled": [s / d**0.5 for s, d in zip(drawn, widths, strict=True)]}
    tops = {name: [s.softmax(1).amax(1).median() for s in found] for name, found in tops.items()}
    show(lines("d_k", widths, tops, log="x", y_label="median largest weight"),
         table({"d_k": widths, "largest |score|": [s.abs().max() for s in drawn], "capped": [s.abs().max() for s in capped]}))
    expect("largest |capped score|", [s.abs().max() for s in capped], at_most=cap, at=("d_k", widths))
    expect("median largest weight, capped, widest", tops["capped"][-1], at_least=0.5)


if __name__ == "__main__":
    main()
