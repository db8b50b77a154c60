r"""A row with no key left is NaN under −∞, and the NaN spreads: to the next layer and into the
gradients.

没有 key 可看的行在 −∞ 下是 NaN，而且会传开：传到下一层，也传进梯度。

Left padding with a causal mask makes such rows. Turn `fill` to "−1e9": nothing spreads, and the row
is a plain average.
左侧补齐加因果掩码就会产生这样的行。把 `fill` 改为 "−1e9"：NaN 不再出现，那一行成了普通的平均。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import between, breaks, expect, heatmap, main, one_of, show, table

FILLS = {"−inf": -torch.inf, "−1e9": -1e9, "−10000": -1e4}


def weights(q: Tensor, k: Tensor, keep: Tensor, fill: float) -> Tensor:
    """softmax(q kᵀ/√d + bias) with `fill` where keep (n, n) is False; q and k are (n, d)."""
    bias = torch.zeros(keep.shape).masked_fill(~keep, fill)              # (n, n)
    return (q @ k.T / q.shape[-1] ** 0.5 + bias).softmax(-1)


RANGES = {
    "real": between(2, 32),
    "pads": between(1, 32),
    "d_head": between(2, 64),
    "fill": one_of("−inf", "−1e9", "−10000"),
    "mode": one_of("inference", "training", "evaluation with gradients"),
}
FINITE = breaks(fill="−1e9", en="A finite number leaves the softmax something to divide by.",
                zh="填有限的数，softmax 的分母就不为 0。")


@FINITE
def claim_fully_masked_row_is_nan_with_inf(real=5, d_head=16, fill="−inf"):
    """With no key left −∞ gives NaN; −10000 gives the unmasked softmax back, −1e9 in float32 the
    uniform average; PyTorch's scaled_dot_product_attention returns 0.

    一个 key 也不剩时，−∞ 得到 NaN；−10000 又变回不加掩码的 softmax，float32 下 −1e9 得到均匀平均；PyTorch 的
    scaled_dot_product_attention 返回 0。"""
    q, k, v = torch.randn(3, real, d_head)
    nobody, everybody = torch.zeros(real, real, dtype=torch.bool), torch.ones(real, real, dtype=torch.bool)
    rows = {name: weights(q, k, nobody, value) for name, value in FILLS.items()}
    plain = weights(q, k, everybody, 0.0)
    show(table({"fill": list(FILLS), "first weight of query 0": [p[0, 0] for p in rows.values()],
                "without a mask": [plain[0, 0]] * len(FILLS)}))
    expect(f"weights, {fill}", rows[fill], equals="nan")
    # Around 10000 float32 numbers are 2⁻¹⁰ apart: scores move by half of it, weights by a like share.
    expect("weights with −10000 less those without a mask", rows["−10000"] - plain, equals=0,
           within=2e-3)
    expect("weights with −1e9", rows["−1e9"], equals=1 / real, within=1e-6)
    expect("output of SDPA", F.scaled_dot_product_attention(q[None], k[None], v[None], nobody),
           equals=0)


@FINITE
def claim_a_nan_row_spreads(real=5, pads=3, d_head=16, fill="−inf"):
    """Under left padding and a causal mask the NaN of a padded query reaches real tokens in the
    next layer, as 0 × NaN, and every weight's gradient, though the loss skips it.

    左侧补齐加因果掩码时，补齐位置的 NaN 会以 0 × NaN 的形式在下一层传给真实 token，也会传进每个权重的梯度，
    哪怕损失里没算它。"""
    n = real + pads
    x, w = torch.randn(n, d_head), torch.randn(3, d_head, d_head) / d_head**0.5
    keep = torch.arange(n) >= pads
    seen = torch.ones(n, n).tril().bool() & keep
    own = w.clone().requires_grad_()
    first = weights(x @ own[0], x @ own[1], seen, FILLS[fill]) @ (x @ own[2])
    second = weights(first @ w[0], first @ w[1], seen, FILLS[fill]) @ (first @ w[2])
    first[keep].square().sum().backward()                              # the loss leaves padding out
    after = torch.stack([t.isnan().any(1) for t in (x, first, second)])  # (layers, tokens)
    show(heatmap(after.float(), y=range(3), x_label="token", y_label="layer",
                 title="rows that are NaN"))
    expect("real rows that are NaN, first layer", after[1][keep].sum(), equals=0)
    expect("real rows that are NaN, second layer", after[2][keep].sum(), equals=real)
    expect("gradients of W_Q, W_K and W_V that are NaN", own.grad.isnan().double().mean(), equals=1)


@breaks(mode="training", en="Without its fast path the module calls SDPA, which returns 0.",
        zh="不走快速路径时，模块调用 SDPA，返回 0。")
@breaks(mode="evaluation with gradients", en="Gradients keep the module off its fast path.",
        zh="需要梯度时，模块不走快速路径。")
def claim_the_fast_path_gives_nan_again(real=5, d_head=16, mode="inference"):
    """nn.MultiheadAttention gives NaN for such rows when it returns weights; without them 0, but
    NaN again in eval mode under no_grad, its fast path (PyTorch 2.13).

    nn.MultiheadAttention 返回权重时，这样的行是 NaN；不返回权重时是 0，但 eval 模式加 no_grad 会走快速路径，又是
    NaN（PyTorch 2.13）。"""
    x, padding = torch.randn(1, real, 2 * d_head), torch.ones(1, real, dtype=torch.bool)
    module = nn.MultiheadAttention(2 * d_head, 2,
                                   batch_first=True)      # the fast path wants even heads
    module.train(mode == "training")
    shares = {}
    for name, returned in (("weights returned", True), ("no weights", False)):
        with torch.set_grad_enabled(mode != "inference"):
            out = module(x, x, x, key_padding_mask=padding, need_weights=returned)[0]
        shares[name] = out.isnan().double().mean()
    module.train()
    trained = module(x, x, x, key_padding_mask=padding, need_weights=False)[0]
    show(table({"call": list(shares), "share of the output that is NaN": list(shares.values())}))
    expect("NaN where weights are returned", shares["weights returned"], equals=1)
    expect("NaN where they are not, in inference", shares["no weights"], equals=1)
    expect("output without weights, in training", trained, equals=0)


ZH = {
    "−inf": "−inf", "nan": "nan", "fill": "填充值", "first weight of query 0": "query 0 的第一个权重",
    "without a mask": "不加掩码",
    "weights, {}": "权重，{}", "weights with −10000 less those without a mask": "−10000 的权重与不加掩码之差",
    "weights with −1e9": "−1e9 的权重", "output of SDPA": "SDPA 的输出", "layer": "层",
    "rows that are NaN": "为 NaN 的行",
    "real rows that are NaN, first layer": "真实 token 中为 NaN 的行，第一层",
    "real rows that are NaN, second layer": "真实 token 中为 NaN 的行，第二层",
    "gradients of W_Q, W_K and W_V that are NaN": "W_Q、W_K、W_V 的梯度中 NaN 的比例",
    "weights returned": "返回权重", "no weights": "不返回权重", "call": "调用方式",
    "share of the output that is NaN": "输出中 NaN 的比例",
    "NaN where weights are returned": "返回权重时的 NaN",
    "NaN where they are not, in inference": "推理中不返回权重时的 NaN",
    "output without weights, in training": "训练中不返回权重时的输出",
}

if __name__ == "__main__":
    main()
