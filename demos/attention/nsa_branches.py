r"""NSA reads the past three times, compressed, selected and recent, and adds the outputs with sigmoid gates.

NSA 对历史读三遍：压缩块、选中的块、最近的窗口，再用 sigmoid 门把三路输出加起来。

Native Sparse Attention (Yuan et al. 2025), §3.2–3.3, equations 5–12. One query at the last position; compression and
selection use the same blocks here (l = d = l'), a mean stands for the MLP φ, no RoPE.
Turn `ranked` to "worst": the needle is missed. Turn `decoy` to "opposite": its block's summary hides it.
把 `ranked` 改为 "worst"：漏掉 needle；把 `decoy` 改为 "opposite"：块摘要把它藏了起来。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, heatmap, lines, main, one_of, show, table

F64 = torch.float64
BRANCHES = ("compression", "selection", "window")


def attend(q: Tensor, kv: Tensor) -> tuple[Tensor, Tensor]:
    """Output and weights of q (heads, width) over kv (2, keys, width)."""
    p = (q @ kv[0].T / q.shape[-1] ** 0.5).softmax(-1)
    return p @ kv[1], p


def nsa(q: Tensor, kv: Tensor, block: int, chosen: int, window: int, ranked: str = "best") -> tuple[Tensor, Tensor]:
    """Outputs of the three branches (3, heads, width) for q (heads, width), and the chosen blocks; kv (3,
    2, t, width) holds keys and values of each branch."""
    small = kv[0].unflatten(1, (-1, block)).mean(2)                                  # (2, blocks, width)
    coarse, p = attend(q, small)
    # one choice for all heads of the group
    scores = p.sum(0) if ranked != "worst" else -p.sum(0)
    if ranked == "by its own keys":
        scores = attend(q, kv[1].unflatten(1, (-1, block)).mean(2))[1].sum(0)
    blocks = scores.topk(min(chosen, len(scores))).indices
    tokens = (blocks[:, None] * block + torch.arange(block)).flatten()
    return torch.stack((coarse, attend(q, kv[1][:, tokens])[0], attend(q, kv[2][:, -window:])[0])), blocks


def drawn(heads: int, width: int, tokens: int) -> tuple[Tensor, Tensor]:
    return torch.randn(heads, width, dtype=F64), torch.randn(3, 2, tokens, width, dtype=F64)


RANGES = {
    "heads": between(1, 8),
    "width": between(16, 64),
    "block": between(4, 32),
    "blocks": between(8, 32),
    "chosen": between(1, "blocks"),
    "window": between(1, 32),
    "left_out": between(0, 15),
    "contexts": each(between(2048, 1048576, multiple_of=64), rising=True),
    "stride": between(1, 64),
    "gates": one_of("sigmoid", "softmax"),
    "ranked": one_of("best", "worst", "by its own keys"),
    "decoy": one_of("none", "opposite"),
}


@breaks(gates="softmax", en="A softmax would make the three gates share a total of 1.",
        zh="若用 softmax，三个门的总和就被限定为 1。")
def claim_output_is_the_gated_sum(heads=4, width=16, block=8, blocks=16, chosen=4, window=16, gates="sigmoid"):
    """The output is Σ g·Attn over compressed, chosen and latest keys, each gate a sigmoid of its own:
    torch's attention gives the same.

    输出是 Σ g·Attn，分别对压缩、选中和最近的 key，每个门各自是 sigmoid：与 torch 的注意力结果相同。"""
    q, kv = drawn(heads, width, block * blocks)
    logits = torch.randn(3, dtype=F64)
    outs, picked = nsa(q, kv, block, chosen, window)
    gate = {"sigmoid": torch.sigmoid, "softmax": lambda z: z.softmax(0)}[gates](logits)
    got = torch.einsum("c,chw->hw", gate, outs)
    at = torch.arange(block * blocks)
    # which raw tokens two of the branches see
    seen = (torch.isin(at // block, picked), at >= len(at) - window)
    small = kv[0].unflatten(1, (-1, block)).mean(2)
    each_one = [F.scaled_dot_product_attention(q[None], *small[:, None]),
                *(F.scaled_dot_product_attention(q[None], *b[:, None], attn_mask=s.expand(heads, -1)) for b,
                  s in zip(kv[1:], seen, strict=True))]
    wanted = sum(1 / (1 + (-z).exp()) * one[0] for z, one in zip(logits, each_one, strict=True))
    show(heatmap(torch.stack([s.double() for s in seen]), y=["selection", "window"], x_label="token",
                 title="raw tokens read"))
    summed = (q @ small[0].T / q.shape[-1] ** 0.5).softmax(-1).sum(0)                # importance, over the group's heads
    expect("importance of the chosen blocks, over the most that so many can hold",
           summed[picked].sum() / summed.sort().values[-len(picked) :].sum(), equals=1, within=1e-12)
    expect("output less the gated sum of torch's attentions", (got - wanted).abs().max(), equals=0, within=1e-12)


@breaks(ranked="by its own keys",
        en="If selection ranked by its own keys, it would not need the compression branch.",
        zh="若选择分支用自己的 key 排序，就不需要压缩分支了。")
def claim_only_selection_depends_on_another_branch(
    heads=4, width=16, block=8, blocks=16, chosen=4, window=16, ranked="best"
):
    """The three branches run side by side on separate keys; only selection looks at another one, for its
    ranking.

    三路并行，各有自己的 key；只有选择分支用到另一路，而且只用于排序。"""
    moved = torch.zeros(3, 3, dtype=torch.bool)
    # a choice may stay by chance, not eight times
    for _ in range(8):
        q, kv = drawn(heads, width, block * blocks)
        before = nsa(q, kv, block, chosen, window, ranked)[0]
        for changed in range(3):
            other = kv.clone()
            other[changed, 0] = torch.randn_like(other[changed, 0])
            moved[changed] |= (nsa(q, other, block, chosen, window, ranked)[0] - before).flatten(1).norm(dim=1) > 0
    show(heatmap(moved.double(), x=BRANCHES, y=BRANCHES, x_label="output of", y_label="keys of",
                 title="1: the output moves"))
    wanted = torch.tensor([[1, chosen < blocks, 0], [0, 1, 0], [0, 0, window > 1]], dtype=torch.bool)
    expect("does the output move", moved, equals=wanted)


@breaks(left_out=13, en="With 13 of 16 blocks left out it is not full attention.",
        zh="16 块中漏掉 13 块，就不是完整注意力。")
def claim_selecting_all_blocks_is_full_attention(heads=4, width=16, block=8, blocks=16, left_out=0):
    """Selection reads raw tokens of the chosen blocks; with every block chosen it is full attention.

    选择分支读被选块里的原始 token；选中所有块时就是完整注意力。"""
    q, kv = drawn(heads, width, block * blocks)
    full = F.scaled_dot_product_attention(q[None], *kv[1][:, None])[0]
    counts = sorted({1, 2, 4, 8, blocks, blocks - left_out} & set(range(1, blocks + 1)))
    gap = {n: ((nsa(q, kv, block, n, 1)[0][1] - full).norm() / full.norm()).item() for n in counts}
    show(lines("blocks chosen", counts, {"distance from full attention": list(gap.values())}))
    expect("distance when all blocks are chosen", gap[max(blocks - left_out, 1)], equals=0, within=1e-12)


@breaks(ranked="worst", en="Ranked the other way round, the needle's block is the last to be read.",
        zh="若反过来排序，needle 所在的块最后才会被读到。")
@breaks(decoy="opposite",
        en="Beside a key opposite to it, the needle vanishes from its block's mean: a poor summary hides it.",
        zh="若同一块里还有一个与它相反的 key，needle 就从块的均值里消失：摘要不好，就找不到它。")
def claim_a_needle_is_found_by_its_block(width=32, block=8, blocks=32, chosen=2, ranked="best", decoy="none"):
    """A key that fits the query lifts its block's summary, so that block is chosen and its value is read:
    over 0.9 of the weight.

    与 query 匹配的 key 会抬高所在块的摘要得分，于是该块被选中，它的 value 被读到：权重超过 0.9。"""
    q, kv = drawn(1, width, block * blocks)
    kv[:2, 0], needle = kv[:2, 0] * 0.1, 3 * block + 1
    # its score is 24, those of others near 0
    kv[:2, 0, needle] = q * 24 * width**0.5 / q.norm() ** 2
    if decoy == "opposite":
        kv[:2, 0, needle + 1] = -kv[:2, 0, needle]
    weight = torch.zeros(block * blocks, dtype=F64)
    _, picked = nsa(q, kv, block, chosen, 1, ranked)
    tokens = (picked[:, None] * block + torch.arange(block)).flatten()
    weight[tokens] = attend(q, kv[1][:, tokens])[1][0]
    show(lines("token", range(block * blocks), {"weight in the selection branch": weight}))
    expect("weight of the needle", weight[needle], at_least=0.9)


@breaks(stride=32, en="With a stride of 32 half as many compressed keys are read.",
        zh="步长为 32 时，压缩 key 少读一半。")
def claim_tokens_read_match_the_paper_count(contexts=(8192, 32768, 65536), stride=16):
    """With l = 32, d = 16, 16 blocks of 64 and a window of 512 a query reads t/16 + 1535 keys: at 65,536 an
    11.6th, never under a 16th.

    l = 32、d = 16、16 个 64-token 块、窗口 512 时，一个 query 读 t/16 + 1535 个 key：65,536 处是 1/11.6，再
    长也不低于 1/16。"""
    reads = [(len(torch.empty(t, device="meta").unfold(0, 32, stride)), 16 * 64, 512) for t in contexts]
    total = [sum(r) for r in reads]
    show(lines("context", contexts, {"full attention": contexts, "NSA": total}, log="xy", y_label="keys read"),
         table(("context", *BRANCHES, "sum"), [(t, *r, sum(r)) for t, r in zip(contexts, reads, strict=True)]))
    expect("keys read, less t/16", [n - t / 16 for n, t in zip(total, contexts, strict=True)], equals=1535,
           at=("context", contexts))
    expect("full attention over NSA", [t / n for n, t in zip(total, contexts, strict=True)], at_most=16,
           at=("context", contexts))


def drill_keys_read(rng) -> Drill:
    """Keys that one NSA query reads."""
    t, n, window = rng.choice((16384, 32768, 131072)), rng.choice((8, 16)), rng.choice((256, 512))
    compressed = len(torch.empty(t, device="meta").unfold(0, 16, 16))
    return Drill(
        en=f"NSA compresses blocks of 16 with stride 16 (no overlap), selects {n} blocks of 64 and keeps a window of {window}. "
           f"How many keys does a query read at {t} tokens, branches counted apart?",
        zh=f"NSA 以步长 16、块长 16 压缩（不重叠），选 {n} 个 64-token 块，窗口 {window}。"
           f"在 {t} 个 token 处，一个 query 读多少个 key（各路分别计数）？",
        answer=compressed + 64 * n + window,
        steps=[(f"{t}/16 = {compressed}; {n} · 64 = {64 * n}; window {window}",
                f"{t}/16 = {compressed}；{n} · 64 = {64 * n}；窗口 {window}")],
        proved_by="tokens_read_match_the_paper_count",
    )


ZH = {
    "compression": "压缩", "selection": "选择", "window": "窗口", "token": "token", "sum": "合计", "context": "上下文",
    "raw tokens read": "读到的原始 token",
    "output less the gated sum of torch's attentions": "输出与 torch 注意力门控和之差",
    "importance of the chosen blocks, over the most that so many can hold": "所选块的重要性与同样块数的最大值之比",
    "output of": "输出属于", "keys of": "key 属于", "1: the output moves": "1：输出变动", "does the output move": "输出是否变动",
    "blocks chosen": "选中的块数",
    "distance from full attention": "与完整注意力的距离",
    "distance when all blocks are chosen": "选中所有块时的距离",
    "weight in the selection branch": "选择分支中的权重",
    "weight of the needle": "needle 的权重",
    "full attention": "完整注意力", "keys read": "读取的 key 数",
    "keys read, less t/16": "读取的 key 数减去 t/16",
    "full attention over NSA": "完整注意力与 NSA 之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
