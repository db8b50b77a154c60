r"""Attention stacked without skip connections makes all tokens alike, with a causal mask too; skip
connections stop it.

不带残差连接地堆叠注意力，所有 token 都会趋同，有因果掩码也一样；残差连接能阻止它。

Dong et al. 2021 (no mask), Wu et al. 2024 (masks). Turn `skip` to True: after 12 layers the tokens
are still apart.
Dong 等（2021，无掩码）、Wu 等（2024，有掩码）。把 `skip` 改为 True：12 层之后 token 之间的差异仍在。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, show

F64 = torch.float64


def layer(x: Tensor, w: Tensor, causal: bool, skip: bool) -> Tensor:
    """One layer of attention alone on x (n, D); w is W_Q, W_K, W_V, the last one orthogonal."""
    s = (x @ w[0]) @ (x @ w[1]).T / x.shape[1] ** 0.5                    # (n, n)
    future = torch.ones(s.shape, dtype=torch.bool).triu(1)
    out = (s.masked_fill(future, -torch.inf) if causal else s).softmax(-1) @ x @ w[2]
    return x + out if skip else out


def spread(x: Tensor) -> Tensor:
    """|X − mean row| / |X|: 0 where all tokens are alike, near 1 where they are independent."""
    return (x - x.mean(0)).norm() / x.norm()


def by_layer(tokens: int, width: int, layers: int, causal: bool, skip: bool) -> Tensor:
    """The spread after each layer, (layers,)."""
    x, found = torch.randn(tokens, width, dtype=F64), []
    for _ in range(layers):
        w = torch.randn(3, width, width, dtype=F64) / width**0.5
        w[2] = torch.linalg.qr(w[2]).Q
        x = layer(x, w, causal, skip)
        found.append(spread(x))
    return torch.stack(found)


RANGES = {
    "tokens": between(32, 64),
    "width": between(16, 48),
    "layers": between(12, 16),
}


@breaks(skip=True, en="The identity path keeps each token's own part.", zh="恒等通路保留了每个 token 自己的部分。")
def claim_pure_attention_collapses_in_both(tokens=64, width=32, layers=12, skip=False):
    """After 12 layers without skip connections the tokens' differences are below 1e-6 without a
    mask and below 5% with a causal one: it collapses too, only more slowly.

    不带残差连接，12 层之后 token 之间的差异，无掩码时低于 1e-6，有因果掩码时低于 5%：同样会坍缩，只是慢一些。"""
    curves = {name: by_layer(tokens, width, layers, causal, skip)
              for name, causal in (("bidirectional", False), ("causal", True))}
    show(lines("layer", range(1, layers + 1), {n: c.clamp(min=1e-16) for n, c in curves.items()},
               log="y",
               y_label="|X − mean| / |X|"))
    expect("difference left, bidirectional", curves["bidirectional"][-1], at_most=1e-6)
    expect("difference left, causal", curves["causal"][-1], at_most=0.05)
    expect("causal over bidirectional", curves["causal"][-1] / curves["bidirectional"][-1],
           at_least=10)


@breaks(skip=False, en="Without it the layers average the tokens away.", zh="没有残差，各层就把 token 平均掉了。")
def claim_skip_connections_stop_the_collapse(tokens=64, width=32, layers=12, skip=True):
    """With skip connections a tenth or more of the difference is left after 12 layers, mask or no
    mask.

    加上残差连接，12 层之后至少还留下十分之一的差异，有无掩码都如此。"""
    curves = {name: by_layer(tokens, width, layers, causal, skip)
              for name, causal in (("bidirectional", False), ("causal", True))}
    show(lines("layer", range(1, layers + 1), {n: c.clamp(min=1e-16) for n, c in curves.items()},
               log="y",
               y_label="|X − mean| / |X|"))
    for name, curve in curves.items():
        expect(f"difference left, {name}", curve[-1], at_least=0.1)


ZH = {
    "bidirectional": "双向", "causal": "因果", "layer": "层", "|X − mean| / |X|": "|X − 均值| / |X|",
    "difference left, {}": "剩余差异，{}", "causal over bidirectional": "因果与双向之比",
}

if __name__ == "__main__":
    main()
