r"""One mask decides which kind of model a stack is: encoder, causal decoder, prefix decoder, packed.

一张掩码决定网络属于哪一类：encoder、因果 decoder、前缀 decoder，还是打包的多篇文档。

Raffel et al. 2019, §3.2.1. Turn `prefix_sees` to "its past": the prefix decoder is a causal one, and
its pairs no longer number those of an encoder–decoder.
把 `prefix_sees` 改为 "its past"：前缀 decoder 就成了因果 decoder，可见对数也不再等于 encoder–decoder 的。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    heatmap,
    main,
    one_of,
    show,
)

F64 = torch.float64


@exercise(claims=("the_jacobian_has_the_pattern_of_the_mask", "packed_documents_stay_apart"),
          wrong=("keeps_the_prefix_causal", "lets_the_prefix_see_the_rest", "forgets_the_documents"))
def visible(document: Tensor, prefix: int) -> Tensor:
    """The mask (tokens, tokens), True where query i may see key j: an earlier token or itself, or,
    if both are among the first `prefix`, a later one; only within the same document. `document`
    (tokens,) numbers the document of each token.

    掩码 (tokens, tokens)：query i 可见 key j 处为 True，即 j 是更早的 token 或自己；若两者都在前 `prefix` 个之内，
    更晚的也可见；并且只限同一篇文档之内。`document` (tokens,) 是每个 token 所属文档的编号。"""
    i = torch.arange(len(document))
    causal = i[:, None] >= i                                             # (query, key)
    both_in_prefix = (i[:, None] < prefix) & (i < prefix)
    return (causal | both_in_prefix) & (document[:, None] == document)


def mask_of(kind: str, tokens: int, prefix: int) -> Tensor:
    """The three stacks of a single document: all, none or some of it is prefix."""
    return visible(torch.zeros(tokens), {"encoder": tokens, "causal": 0, "prefix": prefix}[kind])


def stack(x: Tensor, mask: Tensor, layers: nn.ModuleList) -> Tensor:
    """PyTorch's layers under the mask, (tokens, width) to the same."""
    for layer in layers:
        x = layer(x, src_mask=~mask)
    return x


def model(width: int, layers: int) -> nn.ModuleList:
    """PyTorch's layers without dropout, in float64."""
    return nn.ModuleList(nn.TransformerEncoderLayer(width, 2, 2 * width, 0.0, F.gelu, dtype=F64)
                         for _ in range(layers))


RANGES = {
    "tokens": between(4, 16),
    "prefix": between(2, "tokens"),
    "first": between(1, 8),
    "second": between(2, 8),
    "width": between(8, 32, multiple_of=2),
    "layers": between(1, 3),
    "prefix_sees": one_of("all of itself", "its past"),
    "between_documents": one_of("masked", "visible"),
}
CAUSAL_PREFIX = breaks(prefix_sees="its past",
                       en="Then the prefix is causal like the rest, and the model a plain decoder.",
                       zh="那样前缀也是因果的，模型就是普通的因果 decoder。")


@CAUSAL_PREFIX
def claim_the_jacobian_has_the_pattern_of_the_mask(
    tokens=10, prefix=4, width=16, layers=2, prefix_sees="all of itself"
):
    """Through several layers output i depends on input j exactly where the mask says so, for
    encoder, causal and prefix decoder.

    经过多层之后，输出 i 依赖输入 j，当且仅当掩码允许：encoder、因果 decoder、前缀 decoder 都如此。"""
    blocks, wrong = model(width, layers), []
    pictures = []
    for kind in ("encoder", "causal", "prefix"):
        used = mask_of(kind, tokens, prefix if prefix_sees == "all of itself" else 0)
        x = torch.randn(tokens, width, dtype=F64, requires_grad=True)
        out = stack(x, used, blocks) @ torch.randn(width, dtype=F64)
        size = torch.stack([torch.autograd.grad(o, x, retain_graph=True)[0].norm(dim=1)
                            for o in out])
        p = {"encoder": tokens, "causal": 0, "prefix": prefix}[kind]
        by_hand = torch.tensor([[j <= i or (i < p and j < p) for j in range(tokens)]
                                for i in range(tokens)])
        wrong.append(((size > 0) != by_hand).sum())
        pictures.append(size > 0)
    show(heatmap(torch.cat([*pictures], 1).float(), x_label="input, encoder | causal | prefix",
                 y_label="output", title="which input reaches which output"))
    expect("entries that differ from the rule", torch.stack(wrong), equals=0,
           at=("model", ["encoder", "causal", "prefix"]))


@CAUSAL_PREFIX
def claim_prefix_and_encoder_decoder_have_as_many_pairs(
    tokens=10, prefix=4, prefix_sees="all of itself"
):
    """A prefix decoder has as many visible pairs as an encoder–decoder split at the same place:
    p² + p·t + t(t + 1)/2; a causal decoder has p(p − 1)/2 fewer.

    前缀 decoder 的可见对数与在同一处切开的 encoder–decoder 相同：p² + p·t + t(t + 1)/2；因果 decoder 少
    p(p − 1)/2 对。"""
    target = tokens - prefix
    parts = [prefix * prefix, prefix * target, target * (target + 1) // 2]
    counted = mask_of("prefix", tokens, prefix if prefix_sees == "all of itself" else 0).sum()
    causal = torch.ones(tokens, tokens).tril().sum()
    show(bars(["encoder", "cross-attention", "decoder"], {"pairs": parts}))
    expect("pairs of the prefix mask", counted, equals=sum(parts))
    expect("pairs of the prefix mask less the causal ones", counted - causal,
           equals=prefix * (prefix - 1) // 2)


@breaks(between_documents="visible", en="Then the second document reads the first.",
        zh="那样第二篇文档会读到第一篇。")
def claim_packed_documents_stay_apart(first=6, second=4, width=16, layers=2,
                                      between_documents="masked"):
    """Packed into one sequence under a block-diagonal causal mask, two documents get the outputs of
    two separate passes (no position codes here).

    两篇文档打包成一条序列，用分块对角的因果掩码，输出与各自单独前向相同（这里没有位置编码）。"""
    blocks = model(width, layers)
    a, b = torch.randn(first, width, dtype=F64), torch.randn(second, width, dtype=F64)
    document = torch.arange(2).repeat_interleave(torch.tensor([first, second]))
    if between_documents == "visible":
        document = torch.zeros_like(document)
    mask = visible(document, 0)
    alone = [nn.Transformer.generate_square_subsequent_mask(len(x), dtype=F64) == 0 for x in (a, b)]
    packed = stack(torch.cat((a, b)), mask, blocks)
    apart = torch.cat([stack(x, m, blocks) for x, m in zip((a, b), alone, strict=True)])
    gap = (packed - apart).abs().amax(1).detach()
    show(heatmap(mask.float(), x_label="key", y_label="query", title="what may be seen"))
    expect("packed output less that of separate passes", gap, equals=0, within=1e-11)
    pairs = first * (first + 1) // 2 + second * (second + 1) // 2
    expect("pairs of the packed mask", mask.sum(), equals=pairs)


def drill_pairs(rng) -> Drill:
    """Visible pairs of a prefix mask, or of packed documents."""
    p, t = rng.choice([3, 4, 5, 8, 10]), rng.choice([4, 6, 10])
    if rng.random() < 0.5:
        pairs = int(mask_of("prefix", p + t, p).sum())
        return Drill(
            en=f"A prefix decoder reads a prefix of {p} tokens and has generated {t}. "
               "How many (query, key) pairs are visible?",
            zh=f"前缀 decoder 有 {p} 个前缀 token，已生成 {t} 个。可见的 (query, key) 对有多少？",
            answer=pairs, within=0,
            steps=[(f"prefix {p}² = {p * p}, target to prefix {p} · {t} = {p * t}",
                    f"前缀 {p}² = {p * p}，目标看前缀 {p} · {t} = {p * t}"),
                   (f"target {t} · {t + 1} / 2 = {t * (t + 1) // 2}; together {pairs}",
                    f"目标 {t} · {t + 1} / 2 = {t * (t + 1) // 2}；合计 {pairs}")],
            proved_by="prefix_and_encoder_decoder_have_as_many_pairs")
    pairs = int(visible(torch.arange(2).repeat_interleave(torch.tensor([p, t])), 0).sum())
    return Drill(
        en=f"Two documents of {p} and {t} tokens are packed into one causal sequence and masked from "
           "each other. How many (query, key) pairs are visible?",
        zh=f"长 {p} 与 {t} 的两篇文档打包成一条因果序列，互相屏蔽。可见的 (query, key) 对有多少？",
        answer=pairs, within=0,
        steps=[(f"{p} · {p + 1} / 2 = {p * (p + 1) // 2} and {t} · {t + 1} / 2 = {t * (t + 1) // 2}",
                f"{p} · {p + 1} / 2 = {p * (p + 1) // 2}，{t} · {t + 1} / 2 = {t * (t + 1) // 2}"),
               (f"together {pairs}; without the boundary {(p + t) * (p + t + 1) // 2}",
                f"合计 {pairs}；没有边界则是 {(p + t) * (p + t + 1) // 2}")],
        proved_by="packed_documents_stay_apart")


ZH = {
    "encoder": "encoder", "decoder": "decoder",
    "input, encoder | causal | prefix": "输入：encoder | 因果 | 前缀", "output": "输出",
    "which input reaches which output": "哪个输入能到达哪个输出",
    "entries that differ from the rule": "与规则不符的格数", "model": "模型",
    "pairs of the prefix mask": "前缀掩码的可见对数", "cross-attention": "交叉注意力", "pairs": "对数",
    "pairs of the prefix mask less the causal ones": "前缀掩码的可见对数减去因果掩码的",
    "what may be seen": "可见范围",
    "packed output less that of separate passes": "打包的输出与单独前向之差",
    "pairs of the packed mask": "打包掩码的可见对数",
}

if __name__ == "__main__":
    main()
