r"""QK-norm per head bounds every head; one norm over all heads lets a single head take the whole bound.

逐头的 QK-norm 限制每一个头；对全部头一起归一化，单个头就可以独占整个上界。

Per head in Qwen3 and Gemma 3; over the whole projection in OLMo 2, OLMo 3 and MiniMax-M2. Turn `pooled` to
"projection": a head whose queries grew outvotes the others, on a bound as many times as wide.
Qwen3、Gemma 3 逐头；OLMo 2、OLMo 3、MiniMax-M2 对整个投影。把 `pooled` 改为 "projection"：某个头的 query 变大，
就挤占其他头，上界也随之放宽。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, expect, lines, main, one_of, show


def qk_norm(q: Tensor, pooled: str) -> Tensor:
    """RMSNorm without gain of q (tokens, heads, d_head): over each head, or over all heads together."""
    if pooled == "head":
        return F.rms_norm(q, q.shape[-1:], eps=1e-12)
    return F.rms_norm(q.flatten(-2), (q.shape[-2] * q.shape[-1],), eps=1e-12).view_as(q)


RANGES = {
    "tokens": between(4, 64),
    "heads": between(2, 32),
    "d_head": between(8, 128),
    "grown": each(between(1.0, 1e4), at_least=2, rising=True),
    "shards": between(2, 8, divides="heads"),
    "pooled": one_of("head", "projection"),
}


@breaks(pooled="projection", en="Over all heads one head may hold all of the mean square: its bound is h times as wide.",
        zh="对全部头一起归一化，一个头可以占去全部均方：它的上界放宽到 h 倍。")
def claim_per_head_norm_bounds_every_head(tokens=16, heads=8, d_head=16, grown=(1.0, 10.0, 1000.0), pooled="head"):
    """Normalised per head no logit, divided by √d_head, exceeds √d_head, however large one head grew; over the whole projection
    the bound is h·√d_head, and a grown head reaches it.

    逐头归一化，无论某个头变得多大，除以 √d_head 之后的 logit 都不超过 √d_head；
    对整个投影归一化，上界是 h·√d_head，变大的那个头会达到它。"""
    q = torch.randn(tokens, heads, d_head, dtype=torch.float64)
    tops = {"head": [], "projection": []}
    others = {"head": [], "projection": []}
    for size in grown:
        big = q.clone()
        big[:, 0] *= size                                           # head 0 of queries and keys alike
        for way in tops:
            y = qk_norm(big, way)
            s = torch.einsum("thd,shd->hts", y, y) / d_head**0.5     # each key is also a query: cosine 1
            tops[way].append(s[0].abs().max() / d_head**0.5)
            others[way].append(s[1:].abs().amax() / d_head**0.5)
    show(lines("growth of head 0", grown, {"head 0, per head": tops["head"], "head 0, projection": tops["projection"],
                                           "other heads, projection": others["projection"]}, log="xy",
               y_label="largest |logit| / √d_head"))
    expect("largest |logit| of head 0 over √d_head", tops[pooled], equals=1, within=1e-6, at=("growth", grown))
    expect("largest |logit| of the other heads over √d_head", others[pooled], equals=1, within=1e-6,
           at=("growth", grown))
    squares = q.square().sum(-1)                                     # (tokens, heads)
    share = [(g**2 * squares[:, 0] / (g**2 * squares[:, 0] + squares[:, 1:].sum(1))).max() for g in (*grown, 1e4)]
    expect("head 0 over the whole projection, over h·√d_head times its share of the squares",
           torch.stack(tops["projection"]) / heads / torch.stack(share[:-1]), equals=1, within=1e-6,
           at=("growth", grown))
    expect("share of the squares of a head grown 10,000 times", share[-1], at_least=0.999)


@breaks(pooled="projection", en="A norm over all heads needs the sum of squares of the other devices.",
        zh="对全部头一起归一化，需要其他设备上的平方和。")
def claim_a_norm_per_head_is_local_to_its_device(tokens=16, heads=8, d_head=16, shards=4, pooled="head"):
    """With heads split over devices a norm per head needs nothing from the others; over the whole projection
    each device must learn one sum of squares per token.

    头分到多个设备上时，逐头的归一化不需要别处的数据；对整个投影归一化，每个 token 都要汇总一个平方和。"""
    q = torch.randn(tokens, heads, d_head, dtype=torch.float64) * torch.linspace(1, 3, heads)[:, None]
    parts = q.chunk(shards, 1)                                      # (tokens, heads / shards, d_head) each
    whole = qk_norm(q, pooled)
    alone = torch.cat([qk_norm(part, pooled) for part in parts], 1)
    total = sum(part.square().sum((1, 2)) for part in parts)        # the all-reduce: one number per token
    together = q / (total / (heads * d_head) + 1e-12).sqrt()[:, None, None]
    show(bars(["per head", "projection", "projection, squares summed"],
              {"largest difference": [(torch.cat([qk_norm(p, "head") for p in parts], 1) - qk_norm(q, "head")).abs().max(),
                                      (torch.cat([qk_norm(p, "projection") for p in parts], 1)
                                       - qk_norm(q, "projection")).abs().max(),
                                      (together - qk_norm(q, "projection")).abs().max()]}))
    expect("each device by itself, less the norm of all heads", alone - whole, equals=0, within=1e-12)
    expect("whole projection with the squares summed", together - qk_norm(q, "projection"), equals=0, within=1e-12)


ZH = {
    "growth of head 0": "头 0 的放大倍数",
    "growth": "放大倍数",
    "head 0, per head": "头 0，逐头",
    "head 0, projection": "头 0，整个投影",
    "other heads, projection": "其他头，整个投影",
    "largest |logit| / √d_head": "最大 |logit| / √d_head",
    "largest |logit| of head 0 over √d_head": "头 0 的最大 |logit| 与 √d_head 之比",
    "largest |logit| of the other heads over √d_head": "其他头的最大 |logit| 与 √d_head 之比",
    "head 0 over the whole projection, over h·√d_head times its share of the squares":
        "整个投影时头 0 与 h·√d_head 乘其平方占比之比",
    "share of the squares of a head grown 10,000 times": "放大一万倍的头的平方占比",
    "per head": "逐头",
    "projection": "整个投影",
    "projection, squares summed": "整个投影，汇总平方和",
    "largest difference": "最大差异",
    "each device by itself, less the norm of all heads": "各设备单独计算与全部头一起之差",
    "whole projection with the squares summed": "整个投影，汇总平方和之后之差",
}

if __name__ == "__main__":
    main()
