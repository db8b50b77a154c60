r"""Appending pieces to a BPE vocabulary keeps every old id, but not every old segmentation, and some new
pieces can never be produced.

往 BPE 词表末尾追加片段，旧编号不变，旧文本的切分却可能变；有些新片段永远切不出来。

As Chinese-LLaMA's merge_tokenizers.py does. Turn `added` to "all": a new '20' or 'ion' cuts English text
otherwise. Turn `source` to "words": pieces without the halves they are built from are dead.
做法同 Chinese-LLaMA 的 merge_tokenizers.py。把 `added` 改为 "all"：新的 '20'、'ion' 会改变英文的切分。把 `source` 改为 "words"：
没有半成品的片段是死的。
"""

import itertools
from collections import Counter

import torch

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show

ENGLISH = (
    "in 2019 the version for 20 languages cost 100 percent more", "the tension in the region is a question of attention",
    "the picture shows the mission and its conclusion", "a decision on pensions is in session", "the tokens of a text are counted",
    "30 of 2019 questions mention the nation", "the station is a mansion in the region",
)
HAN = ("中国", "人民", "模型", "词表", "越来越", "的")
OLD_SCRIPT = ("20", "201", "2019", "30", "10", "100", "ion", "ent")   # each can be built: 2019 by way of 20 and 201


@exercise(claims=("bpe_builds_no_dead_piece", "a_piece_is_dead_if_it_is_not_found_alone"),
          wrong=("longest_match", "lowest_score_first", "one_round"))
def encode(text: str, scores: dict[str, float]) -> list[str]:
    """SentencePiece's BPE: while two neighbours joined are a piece, join those with the highest score (the
    leftmost of equals); characters need no score of their own.

    SentencePiece 的 BPE：只要相邻两段合起来是一个片段，就合并得分最高的一对（同分取最左）；单个字符不需要得分。"""
    parts = list(text)
    while True:
        joins = [(-scores[a + b], i) for i, (a, b) in enumerate(itertools.pairwise(parts)) if a + b in scores]
        if not joins:
            return parts
        _, i = min(joins)                                                # highest score, then leftmost
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def reachable(piece: str, scores: dict[str, float]) -> bool:
    """Whether any text is ever cut into this piece: text around it can only take letters away, so alone is its best chance."""
    return encode(piece, scores) == [piece]


def appended(old: list[str], new: list[str]) -> list[str]:
    """The pieces of both, by id: the old ones first, then those that were not there."""
    known = set(old)
    return old + [piece for piece in new if piece not in known]


def train(text: tuple[str, ...], merges: int) -> tuple[dict[str, float], list[list[str]]]:
    """BPE on words, "▁" before each, digits kept single as Llama's: the scores, −n for the n-th merge, and the words as
    training left them."""
    words = [list("▁" + word) for line in text for word in line.split()]
    scores: dict[str, float] = {}
    while len(scores) < merges:
        pairs = Counter(pair for word in words for pair in itertools.pairwise(word) if not pair[1][-1].isdigit())
        a, b = min(pairs, key=lambda pair: (-pairs[pair], pair))
        scores[a + b] = -float(len(scores) + 1)
        for word in words:
            for i in range(len(word) - 1, 0, -1):                        # no piece here overlaps itself
                if (word[i - 1], word[i]) == (a, b):
                    word[i - 1 : i + 1] = [a + b]
    return scores, words


def cut(line: str, scores: dict[str, float]) -> list[str]:
    return [piece for word in line.split() for piece in encode("▁" + word, scores)]


RANGES = {
    "order": one_of("old first", "by name"), "added": one_of("Han only", "all"),
    "script": one_of("the text's own", "Han"), "merges": between(20, 60), "source": one_of("bpe", "words"),
    "vocabularies": between(8, 24), "test": one_of("encode it alone", "it has two parts"),
}  # fmt: skip


@breaks(order="by name", en="Sorted anew, old pieces get other ids, and with them other rows of the embedding.",
        zh="重新排序后旧片段换了编号，也就换了嵌入行。")
def claim_old_ids_stay(order="old first"):
    """Appending keeps every old id: 32,000 pieces and 20,000 more, 2,047 of them shared, make 49,953.

    追加不改变任何旧编号：32,000 个片段加 20,000 个，其中 2,047 个重复，共 49,953 个。"""
    old = [f"piece {i}" for i in range(32_000)]
    new = [f"piece {i}" for i in range(32_000 - 2047, 52_000 - 2047)]
    pieces = appended(old, new)
    if order == "by name":
        pieces.sort()
    show(bars(["old", "new", "shared", "merged"], {"pieces": [len(old), len(new), 2047, len(pieces)]}))
    expect("pieces after the merge", len(pieces), equals=49_953)
    expect("old pieces that moved", sum(a != b for a, b in zip(old, pieces, strict=False)), equals=0)


@breaks(added="all", en="A piece of the text's own script competes with the old merges.", zh="同一文字的新片段会与旧合并竞争。")
def claim_pieces_of_another_script_change_nothing(merges=40, added="Han only"):
    """New pieces made of Han characters alone leave every English segmentation as it was, whatever their
    score.

    只由汉字组成的新片段，无论得分多少，都不改变任何英文的切分。"""
    old, _ = train(ENGLISH, merges)
    new = HAN if added == "Han only" else HAN + OLD_SCRIPT
    changed = {}
    for name, score in (("above all old merges", 0.0), ("below all old merges", -1e6)):
        scores = dict.fromkeys(new, score) | old
        changed[name] = sum(cut(line, scores) != cut(line, old) for line in ENGLISH)
    show(bars(list(changed), {"sentences cut otherwise": list(changed.values())}))
    expect("sentences cut otherwise", list(changed.values()), equals=0, at=("new pieces score", list(changed)))


@breaks(script="Han", en="Han pieces do not occur in English text.", zh="英文文本里不会出现汉字片段。")
def claim_a_low_score_does_not_save_the_numbers(merges=40, script="the text's own"):
    """Where digits had no merges, a new piece such as '20' cuts every number that holds it otherwise, be
    its score above or below all old merges.

    原先数字从不合并时，'20' 这样的新片段会改变所有含它的数字的切分，无论得分高于还是低于旧合并。"""
    old, _ = train(ENGLISH, merges)
    numbers = sorted({word for line in ENGLISH for word in line.split() if word.isdigit()})          # 100, 20, 2019, 30
    changed = []
    for score in (0.0, -1e6):
        scores = dict.fromkeys(OLD_SCRIPT if script == "the text's own" else HAN, score) | old
        changed.append(sum(cut(number, scores) != cut(number, old) for number in numbers) / len(numbers))
    show(bars(["above", "below"], {"share of numbers cut otherwise": changed}))
    expect("share of numbers cut otherwise", changed, equals=1, at=("score", ("above", "below")))


@breaks(source="words", en="A list of words or Unigram pieces lacks the halves that a merge needs.",
        zh="词表或 Unigram 片段里缺少合并所需的半成品。")
def claim_bpe_builds_no_dead_piece(merges=40, source="bpe"):
    """Every piece that BPE learnt can be produced, since its two halves are pieces too; a list of words cut
    by the same merging is full of dead ones.

    BPE 学到的每个片段都切得出来，因为它的两半也是片段；把一张词表交给同样的合并算法，则有很多死片段。"""
    learnt, words = train(ENGLISH, merges)
    longer = sorted({"▁" + word for line in ENGLISH for word in line.split() if len(word) > 3})
    scores = learnt if source == "bpe" else dict.fromkeys(longer, 0.0)
    dead = [piece for piece in scores if not reachable(piece, scores)]
    of_words = sum(not reachable(piece, dict.fromkeys(longer, 0.0)) for piece in longer)
    show(bars(["pieces of BPE", "words of over 3 letters"], {"pieces": [len(learnt), len(longer)],
                                                           "dead": [sum(not reachable(p, learnt) for p in learnt), of_words]}))
    expect("dead pieces", len(dead), equals=0)
    expect("words cut otherwise than in training", sum(encode("".join(word), learnt) != word for word in words), equals=0)


@breaks(test="it has two parts", en="Two parts that are pieces help only if merging stops at them.",
        zh="能拆成两个片段还不够，合并还得恰好停在那里。")
def claim_a_piece_is_dead_if_it_is_not_found_alone(vocabularies=12, test="encode it alone"):
    """A piece that encoding it alone does not give is given by no text: tried on all texts of up to 6
    letters for random vocabularies.

    单独编码得不到的片段，任何文本都得不到：对随机词表，用长度不超过 6 的全部文本验证。"""
    texts = ["".join(t) for n in range(1, 7) for t in itertools.product("ab", repeat=n)]
    longer = [t for t in texts if 1 < len(t) < 5]
    wrong, dead = [], []
    for _ in range(vocabularies):
        chosen = torch.randperm(len(longer))[:12].tolist()
        scores = {longer[i]: float(s) for i, s in zip(chosen, torch.rand(12).tolist(), strict=True)}
        seen = {piece for text in texts for piece in encode(text, scores)}
        if test == "encode it alone":
            alive = {p for p in scores if reachable(p, scores)}
        else:
            parts = set(scores) | set("ab")
            alive = {p for p in scores if any(p[:i] in parts and p[i:] in parts for i in range(1, len(p)))}
        wrong.append(len(alive ^ (seen & set(scores))))
        dead.append(len(set(scores) - seen))
    show(lines("vocabulary", range(vocabularies), {"dead of 12 pieces": dead, "judged wrongly": wrong}))
    expect("pieces judged wrongly", wrong, equals=0)


def drill_merged_size(rng) -> Drill:
    """The size after a merge, with the shared pieces counted once."""
    old, new, shared = rng.choice([(32_000, 20_000, 2047), (32_000, 8000, 500), (50_000, 20_000, 1500), (32_000, 30_000, 4000)])
    merged = len(appended(list(map(str, range(old))), list(map(str, range(old - shared, old - shared + new)))))
    return Drill(
        en=f"A vocabulary of {old:,} pieces is merged with one of {new:,}; {shared:,} pieces are in both. The new ones go to the end. "
           "How many pieces does the merged vocabulary have?",
        zh=f"{old:,} 个片段的词表与 {new:,} 个的合并，{shared:,} 个两边都有，新的排在后面。合并后共多少个？",
        answer=merged, within=0,
        steps=[(f"new pieces: {new:,} − {shared:,} = {new - shared:,}", f"新增：{new:,} − {shared:,} = {new - shared:,}"),
               (f"{old:,} + {new - shared:,} = {merged:,}; their ids run from {old:,}",
                f"{old:,} + {new - shared:,} = {merged:,}；新编号从 {old:,} 开始")],
        proved_by="old_ids_stay",
    )


def drill_pieces(rng) -> Drill:
    """Cut a short text by scores."""
    text, scores = rng.choice([("2019", {"20": 0.0, "2019": 0.0}), ("2019", {"20": 0.0, "19": 0.0, "2019": 0.0}),
                               ("abab", {"ab": -1.0, "ba": 0.0}), ("abcab", {"ab": -1.0, "bc": -2.0, "abc": -3.0}),
                               ("aabb", {"ab": 0.0, "aa": -1.0, "bb": -2.0}), ("12100", {"10": 0.0, "100": -1.0, "12": -2.0})])
    parts = encode(text, scores)
    given = ", ".join(f"'{p}' {s:g}" for p, s in scores.items())
    return Drill(
        en=f"Pieces with their scores: {given}. BPE joins the neighbours whose joined piece scores highest, the leftmost of equals, "
           f"until nothing can be joined. Into how many pieces is '{text}' cut?",
        zh=f"片段与得分：{given}。BPE 每次合并得分最高的一对（同分取最左），直到不能再合并。'{text}' 切成几段？",
        answer=len(parts), within=0,
        steps=[(f"the best pair first: {' | '.join(parts)}", f"先合并得分最高的：{' | '.join(parts)}"),
               (f"{len(parts)} pieces", f"共 {len(parts)} 段")],
        proved_by="a_piece_is_dead_if_it_is_not_found_alone",
    )


ZH = {
    "old": "旧",
    "new": "新",
    "shared": "重复",
    "merged": "合并后",
    "pieces": "片段数",
    "pieces after the merge": "合并后的片段数",
    "old pieces that moved": "换了编号的旧片段",
    "above all old merges": "高于所有旧合并",
    "below all old merges": "低于所有旧合并",
    "sentences cut otherwise": "切分改变的句子",
    "new pieces score": "新片段得分",
    "above": "高于",
    "below": "低于",
    "score": "得分",
    "share of numbers cut otherwise": "切分改变的数字占比",
    "pieces of BPE": "BPE 的片段",
    "words of over 3 letters": "3 个字母以上的词",
    "dead": "死片段",
    "dead pieces": "死片段",
    "words cut otherwise than in training": "与训练时切分不同的词",
    "vocabulary": "词表",
    "dead of 12 pieces": "12 个中的死片段",
    "judged wrongly": "判断错误",
    "pieces judged wrongly": "判断错误的片段",
}

if __name__ == "__main__":
    main()
