r"""What ModernBERT leaves out: padding, and far-away scores in two layers of three.

ModernBERT 省掉的：补齐，以及三层之中两层里的远距离分数。

Warner et al. 2024, §2.1.2. Texts lie end to end in one row; every third layer sees its whole text, the others 64 tokens to
either side. Turn `every` to 1: all layers are global.
文本首尾相接排成一行；每三层有一层看全文，其余只看左右各 64 个 token。把 `every` 改为 1：每层都看全文。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show


@exercise(claims=("packed_texts_keep_their_states", "two_local_layers_in_three_cut_the_scores"),
          wrong=("forgets_the_texts", "looks_back_only", "counts_the_window_twice"))
def visible(lengths: tuple[int, ...], half: int) -> Tensor:
    """Which keys a query may see when texts of these lengths lie end to end: (Σn, Σn) of bool, True within the
    same text and at most `half` positions away on either side; half 0 sets no limit.

    若干长度的文本首尾相接时，每个 query 能看到哪些 key：(Σn, Σn) 的布尔值，同一文本、且两侧相距不超过 `half` 为 True；half
    为 0 表示不限距离。"""
    text = torch.repeat_interleave(torch.tensor(lengths))                # (Σn,): 0 0 0 1 1 …
    place = torch.arange(len(text))
    near = (place[:, None] - place).abs() <= (half or len(text))
    return (text[:, None] == text) & near


RANGES = {
    "lengths": each(between(2, 40), at_least=2, at_most=6),
    "width": between(8, 32),
    "half": between(1, 64),
    "texts": one_of("apart", "together"),
    "every": between(1, 3),
    "layers": between(6, 30),
    "kinds": one_of("all local", "one global"),
}


def encode(x: Tensor, weights: Tensor, masks: list[Tensor]) -> Tensor:
    """Attention layers with a residual, x (n, d), weights (layers, 4, d, d), one mask (n, n) each."""
    for (q, k, v, o), mask in zip(weights, masks, strict=True):
        scores = (x @ q) @ (x @ k).T / x.shape[1] ** 0.5
        x = x + scores.masked_fill(~mask, -torch.inf).softmax(-1) @ (x @ v) @ o
    return x


@breaks(texts="together", en="Then a text reads its neighbours, and its states depend on the batch.",
        zh="那样一段文本会读到邻居，状态就取决于同批的内容。")
def claim_packed_texts_keep_their_states(lengths=(3, 14, 6), width=16, half=2, texts="apart"):
    """Texts laid end to end under a mask by text have the states that each has alone, and n₁ + n₂ + … rows are
    computed instead of texts × longest.

    文本首尾相接、按文本加掩码，得到的状态与各自单独计算相同；计算的行数是 n₁ + n₂ + …，而不是文本数 × 最长长度。"""
    halves, weights = (0, half, half), torch.randn(3, 4, width, width, dtype=torch.float64) / width**0.5
    x = torch.randn(sum(lengths), width, dtype=torch.float64)
    shape = lengths if texts == "apart" else (sum(lengths),)
    packed = encode(x, weights, [visible(shape, h) for h in halves])
    alone = []
    for text in x.split(list(lengths)):
        n = len(text)
        masks = [torch.tensor([[not h or abs(i - j) <= h for j in range(n)] for i in range(n)]) for h in halves]
        alone.append(encode(text, weights, masks))
    show(heatmap(visible(lengths, half).float(), x_label="key", y_label="query", title="a local layer"),
         bars(["end to end", "padded"], {"rows computed": [sum(lengths), len(lengths) * max(lengths)]}))
    expect("packed states less each text's alone", packed - torch.cat(alone), equals=0, within=1e-10)  # three layers of sums


def pairs(n: int, half: int) -> int:
    """Query–key pairs of one text of n tokens in a local layer: n(2h + 1), less what falls off both ends."""
    return n * (2 * half + 1) - half * (half + 1) if half < n else n * n


@breaks(every=1, en="With every layer global nothing is saved.", zh="每层都看全文，就没有节省。")
def claim_two_local_layers_in_three_cut_the_scores(layers=22, half=64, every=3):
    """At 8,192 tokens 22 layers, every third global, compute 37 % of the scores that 22 global ones do; the
    shorter the text, the less is saved.

    8,192 个 token、22 层、每三层一层看全文，只需计算 37% 的分数；文本越短，省得越少。"""
    counted = [int(visible((n,), half).sum()) for n in (half + 1, 200, 500)]
    full = len(range(0, layers, every))
    sizes = (128, 512, 2048, 8192)
    shares = [(full * n * n + (layers - full) * pairs(n, half)) / (layers * n * n) for n in sizes]
    show(lines("tokens", sizes, {"share of the scores": shares}, log="x"))
    expect("pairs of a local layer", counted, equals=[pairs(n, half) for n in (half + 1, 200, 500)])
    expect("share at 8,192 tokens less the share of global layers", shares[-1] - full / layers, at_most=0.02)
    expect("share at 8,192 tokens", shares[-1], at_most=0.6)                 # half of 6 layers, and 1.6 % for each window


@breaks(kinds="one global", en="A single layer that sees the whole text joins the ends at once.",
        zh="只要有一层看全文，两端就直接相连。")
def claim_local_layers_alone_do_not_join_the_ends(layers=22, half=8, kinds="all local"):
    """Layers of half-window h reach L·h tokens to each side; 22 of h = 64 reach 1,408 of 8,192. One global layer
    joins the ends at once.

    半窗口为 h 的 L 层，向每侧只到 L·h 个 token：22 层、h = 64 只到 8,192 中的 1,408 个。一层看全文的就把两端直接连上。"""
    n = layers * half + 50
    local, everything = visible((n,), half).double(), visible((n,), 0).double()
    known, reach = torch.zeros(n, dtype=torch.float64), []
    known[0] = 1                                                         # what position 0 says
    for layer in range(layers):
        known = ((everything if kinds == "one global" and layer == 0 else local) @ known > 0).double()
        reach.append(int(known.nonzero().max()))
    show(lines("layers", range(1, layers + 1), {"farthest position that knows of the first": reach}))
    expect("reach over L·h", reach[-1] / (layers * half), equals=1)


def drill_share(rng) -> Drill:
    """The scores that alternating layers compute."""
    n, layers, window = rng.choice((1024, 2048, 4096, 8192)), rng.choice((12, 24, 30)), rng.choice((64, 128, 256))
    share = (n + 2 * window) / (3 * n)
    return Drill(
        en=f"An encoder of {layers} layers: one in three attends to all {n} tokens, the others to {window} each (ends neglected). "
           "What share of the scores of an all-global encoder does it compute?",
        zh=f"{layers} 层的编码器，三层中有一层关注全部 {n} 个 token，其余每个 token 只看 {window} 个（忽略两端）。"
           "它计算的分数占全部全局时的几分之几？",
        answer=share, within=0.01,
        steps=[(f"keys per token in three layers: {n} + 2 · {window} = {n + 2 * window}",
                f"三层中每个 token 的 key：{n} + 2 · {window} = {n + 2 * window}"),
               (f"of 3 · {n} = {3 * n}: {share:.3f}", f"占 3 · {n} = {3 * n} 的 {share:.3f}")],
        proved_by="two_local_layers_in_three_cut_the_scores")


def drill_padding(rng) -> Drill:
    """Rows that padding wastes."""
    lengths = [rng.choice((20, 40, 50, 80, 100)) for _ in range(4)]
    lengths[0] = rng.choice((160, 200))
    share = 1 - sum(lengths) / (4 * max(lengths))
    listed = ", ".join(map(str, lengths))
    return Drill(
        en=f"Four texts of {listed} tokens are padded to the longest. What share of the rows is padding?",
        zh=f"四段文本分别有 {listed} 个 token，补齐到最长。有多大比例的行是补齐？",
        answer=share, within=0.005,
        steps=[(f"real rows {sum(lengths)}, padded 4 · {max(lengths)} = {4 * max(lengths)}",
                f"真实 {sum(lengths)} 行，补齐后 4 · {max(lengths)} = {4 * max(lengths)} 行"),
               (f"1 − {sum(lengths)}/{4 * max(lengths)} = {share:.3f}", f"1 − {sum(lengths)}/{4 * max(lengths)} = {share:.3f}")],
        proved_by="packed_texts_keep_their_states")


ZH = {
    "key": "key", "query": "query", "a local layer": "局部层", "end to end": "首尾相接", "padded": "补齐", "rows computed": "计算的行数",
    "packed states less each text's alone": "首尾相接的状态与各自单独之差", "tokens": "token 数", "share of the scores": "分数的比例",
    "pairs of a local layer": "局部层的 query–key 对数",
    "share at 8,192 tokens less the share of global layers": "8,192 个 token 时的比例与全局层占比之差",
    "share at 8,192 tokens": "8,192 个 token 时的比例", "layers": "层数",
    "farthest position that knows of the first": "知道首位内容的最远位置", "reach over L·h": "到达距离与 L·h 之比",
}

if __name__ == "__main__":
    main()
