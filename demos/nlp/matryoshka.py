r"""Matryoshka embeddings: a vector trained so that its first k numbers are an embedding too.

Matryoshka（套娃）嵌入：训练时就让前 k 个数自成一个嵌入。

Kusupati et al. 2022; the loss is asked of several prefixes and summed. Turn `asked` to "full only": nothing says in which
coordinates the information goes.
对若干个前缀都算损失再相加。把 `asked` 改为 "full only"：信息落在哪些坐标，就没有任何约束。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

F64 = torch.float64


@exercise(claims=("a_shortened_vector_needs_a_new_norm",), wrong=("only_cuts", "keeps_the_last"))
def shorten(x: Tensor, k: int) -> Tensor:
    """The first k numbers of each embedding x (n, d), made unit vectors again: (n, k).

    取每个嵌入 x (n, d) 的前 k 个数，再归一化为单位向量：(n, k)。"""
    head = x[:, :k]
    return head / head.norm(dim=1, keepdim=True)


RANGES = {
    "texts": between(40, 80),
    "width": between(8, 24, multiple_of=4),
    "keep": between(2, 8),
    "norm": one_of("made new", "left"),
    "turned": one_of("all coordinates", "head and tail apart"),
    "asked": one_of("nested", "full only"),
}


@breaks(norm="left", en="A cut unit vector is shorter than 1, each by another factor.",
        zh="截短后的单位向量短于 1，而且各缩短不同的倍数。")
def claim_a_shortened_vector_needs_a_new_norm(texts=60, width=16, keep=4, norm="made new"):
    """Dot products of shortened vectors are cosines only once their length is made 1 again; left as it is, it
    varies from text to text.

    截短后的向量必须重新归一化，点积才是余弦；否则长度因文本而异。"""
    x = F.normalize(torch.randn(texts, width, dtype=F64), dim=1)
    cut = shorten(x, keep) if norm == "made new" else x[:, :keep]
    by_hand = torch.tensor([[sum(a * b for a, b in zip(p, q, strict=True))
                             / (sum(a * a for a in p) * sum(b * b for b in q)) ** 0.5
                             for q in x[:8, :keep].tolist()] for p in x[:8, :keep].tolist()], dtype=F64)
    lengths = x[:, :keep].norm(dim=1).sort().values
    show(lines("text, shortest first", range(texts), {"length of its first numbers": lengths}))
    expect("dot products less cosines of the prefixes", cut[:8] @ cut[:8].T - by_hand, equals=0, within=1e-12)


@breaks(turned="head and tail apart", en="A turn that keeps to the first numbers leaves their cosines alone.",
        zh="只在前若干个数内部旋转，它们的余弦不变。")
def claim_full_cosines_do_not_order_the_coordinates(texts=60, width=16, keep=4, turned="all coordinates"):
    """Turning all embeddings together changes no cosine of the full vectors and many of the shortened ones: a
    loss on full vectors cannot say what comes first.

    把所有嵌入一起旋转，完整向量的余弦不变，截短后的却变了：只看完整向量的损失，管不了谁排在前面。"""
    x = torch.randn(texts, width, dtype=F64)
    turn = torch.linalg.qr(torch.randn(width, width, dtype=F64))[0]
    if turned == "head and tail apart":
        keep = min(keep, width // 2)
        turn = torch.block_diag(torch.linalg.qr(torch.randn(keep, keep, dtype=F64))[0],
                                torch.linalg.qr(torch.randn(width - keep, width - keep, dtype=F64))[0])
    moved, sizes = [], range(1, width + 1)
    for k in sizes:
        before, after = shorten(x, k), shorten(x @ turn, k)
        moved.append((before @ before.T - after @ after.T).abs().mean())
    show(lines("numbers kept", sizes, {"mean change of a cosine": moved}))
    expect("change of the full cosines", moved[-1], equals=0, within=1e-12)
    expect("change of the shortened cosines", moved[keep - 1], at_least=0.02)


@breaks(asked="full only", en="Then four numbers hold what chance gave them.",
        zh="那样前四个数里有什么全凭运气。")
def claim_nested_losses_put_the_most_first(texts=60, asked="nested"):
    """Asked of prefixes of 2, 4, 8 and 16 numbers, a linear embedding's first four reproduce all similarities but
    5 % as well as any four can; asked of all 16 only, they miss far more.

    对 2、4、8、16 个数的前缀都提要求，线性嵌入前四个数还原的相似度与任意四个数的最好结果只差 5% 以内；只要求全部 16 个，则差得多。"""
    data = torch.randn(texts, 16, dtype=F64) * 0.7 ** torch.arange(16) @ torch.linalg.qr(torch.randn(16, 16, dtype=F64))[0]
    target = data @ data.T                                               # similarities to reproduce
    weight = (torch.randn(16, 16, dtype=F64) / 4).requires_grad_()
    optimiser = Adam([weight], lr=0.1)
    for step in range(100):
        optimiser.lr = 0.1 * (1 - step / 100)
        x, losses = data @ weight, []
        for k in (2, 4, 8, 16) if asked == "nested" else (16,):
            losses.append((x[:, :k] @ x[:, :k].T - target).square().sum() / target.square().sum())
        optimiser.step(sum(losses))
    x = (data @ weight).detach()
    errors = [(x[:, :k] @ x[:, :k].T - target).square().sum() / target.square().sum() for k in range(1, 17)]
    bound = 1 - (torch.linalg.eigvalsh(target).flip(0) ** 2).cumsum(0)[:16] / target.square().sum()
    show(lines("numbers kept", range(1, 17), {"error": errors, "least possible": bound}))
    # Eckart–Young: no four numbers do better than the four largest eigenvalues.
    expect("error of four numbers less the least possible, at least", errors[3] - bound[3], at_least=-1e-9)
    expect("error of four numbers less the least possible, at most", errors[3] - bound[3], at_most=0.05)


def drill_index(rng) -> Drill:
    """What truncation and fewer bits save in an index."""
    millions, full = rng.choice((1, 10, 100)), rng.choice((768, 1024, 2560, 4096))
    kept, byte = rng.choice((128, 256, 512)), rng.choice((1, 2, 4))
    answer = millions * 1e6 * kept * byte / 1e9
    kinds = {1: "int8", 2: "fp16", 4: "fp32"}
    return Drill(
        en=f"{millions} million documents, embeddings of {full} numbers cut to {kept} and stored as {kinds[byte]}. "
           "How many GB (10⁹ bytes) are the vectors?",
        zh=f"{millions} 百万篇文档，{full} 维嵌入截短到 {kept} 维，以 {kinds[byte]} 存放。向量共多少 GB（10⁹ 字节）？",
        answer=answer, unit="GB",
        steps=[(f"{kept} numbers of {byte} bytes: {kept * byte} bytes each", f"{kept} 个数，每个 {byte} 字节：每篇 {kept * byte} 字节"),
               (f"{millions}·10⁶ · {kept * byte} = {answer:g} GB", f"{millions}·10⁶ · {kept * byte} = {answer:g} GB")],
        proved_by="a_shortened_vector_needs_a_new_norm")


ZH = {
    "text, shortest first": "文本（由短到长）", "length of its first numbers": "前几个数的长度",
    "dot products less cosines of the prefixes": "点积与前缀余弦之差", "numbers kept": "保留的维数",
    "mean change of a cosine": "余弦的平均变化", "change of the full cosines": "完整余弦的变化",
    "change of the shortened cosines": "截短余弦的变化", "error": "误差", "least possible": "最小可能值",
    "error of four numbers less the least possible, at least": "前四维误差与最小可能值之差，不小于",
    "error of four numbers less the least possible, at most": "前四维误差与最小可能值之差，不大于",
}

if __name__ == "__main__":
    main()
