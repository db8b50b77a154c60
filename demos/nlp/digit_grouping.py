r"""How numbers and words are cut decides what is easy: groups from the right align, and a token hides its letters.

数字与词怎么切，决定了什么容易：从右分组才能对齐，而 token 藏起了字母。

Groups as in Singh & Strouse 2024: 1,234,567 from the right, 123|456|7 from the left. Turn `direction` to "left":
the last groups of two numbers no longer have the same place value, and adding column by column fails.
把 `direction` 改为 "left"：两个数的末组位值不再相同，按列相加就错了。
"""

import itertools
from collections import Counter

import torch

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, main, one_of, show, table

WORDS = ("strawberry raspberry blueberry berry straw rasp blue error mirror carrot parrot narrow arrow tomorrow sorrow worry "
         "carry marry ferry river rover order border harbor armor tractor factor actor doctor rotor motor terror horror "
         "array array barrel quarrel squirrel apple table cable stable water later paper taper number lumber")


@exercise(claims=("groups_from_the_right_add_by_columns",), wrong=("cuts_from_the_left", "drops_the_rest"))
def groups(digits: str) -> list[str]:
    """Cut a number, given as digits, into groups of three counted from the right; the first may be shorter.

    把一串数字从右起每三位一组切开；第一组可以更短。"""
    first = len(digits) % 3                                       # what is left over stands in front
    return ([digits[:first]] if first else []) + [digits[i : i + 3] for i in range(first, len(digits), 3)]


def groups_from_the_left(digits: str) -> list[str]:
    return [digits[i : i + 3] for i in range(0, len(digits), 3)]


@exercise(claims=("groups_from_the_right_add_by_columns",), wrong=("forgets_the_carry", "starts_at_the_left"))
def add(a: list[str], b: list[str]) -> str:
    """Add two numbers given as groups of three digits, column by column from the last groups on, with a carry.

    两个数以三位一组给出，从末组起按列相加并进位，返回和的数字串。"""
    carry, out = 0, ""
    for x, y in itertools.zip_longest(reversed(a), reversed(b), fillvalue="0"):
        carry, rest = divmod(int(x) + int(y) + carry, 1000)      # one column: a sum below 2000
        out = f"{rest:03d}" + out
    return str(int(f"{carry}{out}"))


def train(texts: list[str], merges: int) -> list[tuple[str, str]]:
    """Plain BPE; of equals the pair met first."""
    words, learnt = [list(t) for t in texts], []
    for _ in range(merges):
        counts = Counter(pair for word in words for pair in itertools.pairwise(word))
        if not counts:
            break
        learnt.append(max(counts, key=counts.__getitem__))
        words = [join(word, learnt[-1]) for word in words]
    return learnt


def join(word: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return out


def encode(text: str, merges: list[tuple[str, str]]) -> list[str]:
    word = list(text)
    for pair in merges:
        word = join(word, pair)
    return word


RANGES = {
    "trials": between(50, 500), "direction": one_of("right", "left"), "digits": each(between(1, 3), at_most=3, rising=True),
    "written": one_of("first group first", "last group first"), "cut": one_of("three", "one", "BPE"), "merges": between(20, 60),
    "units": one_of("characters", "BPE"),
}


@breaks(direction="left", en="Cut from the left, the last groups stand for other places unless both lengths are multiples of three.",
        zh="从左切，除非两个数的位数都是 3 的倍数，否则末组的位值不同。")
def claim_groups_from_the_right_add_by_columns(trials=200, direction="right"):
    """Groups of three counted from the right add column by column with a carry of at most one, whatever the lengths; cut from
    the left the columns do not match.

    从右起三位一组，不管位数多少，都能按列相加，进位至多 1；从左切，列就对不上。"""
    sizes = torch.randint(1, 13, (trials, 2)).tolist()
    numbers = [[int(torch.randint(10 ** (s - 1), 10**s, ())) for s in pair] for pair in sizes]
    cut = groups if direction == "right" else groups_from_the_left
    sums = [add(cut(str(a)), cut(str(b))) for a, b in numbers]
    examples = ["1234567", "98765", "2026"]
    show(table({"number": examples, "from the right": ["|".join(groups(e)) for e in examples],
                "from the left": ["|".join(groups_from_the_left(e)) for e in examples]}))
    expect("sums that are right", [s == str(a + b) for s, (a, b) in zip(sums, numbers, strict=True)], equals=True)


@breaks(written="last group first", en="Written from the end, each digit needs only what is written already.",
        zh="从末位写起，每一位只需要已经写出的部分。")
def claim_the_first_digits_wait_for_the_carry(digits=(1, 2, 3), written="first group first"):
    """A sum written from the left needs, before its first group, the carry from below: for random k-digit tails it is 1
    in (1 − 10^−k)/2 of the sums, nearly half.

    答案从左写起，写第一组之前就要知道所有低位的进位：对两个随机的 k 位尾数，进位为 1 的占 (1 − 10^−k)/2，接近一半。"""
    share = []
    for k in digits:
        tails = torch.arange(10**k, dtype=torch.int32)           # every pair of tails is tried
        carry = (tails[:, None] + tails >= 10**k).double().mean().item()
        share.append(carry if written == "first group first" else 0.0)
    exact = [(1 - 10.0**-k) / 2 for k in digits]
    show(bars([f"{k}" for k in digits], {"share with a carry not yet written": share, "(1 − 10^−k)/2": exact}))
    expect("share with a carry not yet written", share, equals=exact, within=1e-12, at=("k", digits))


@breaks(cut="BPE", en="BPE cuts 1999 into one token and 2718 into four, by what the corpus held.",
        zh="BPE 把 1999 切成一个 token，2718 切成四个，全看语料里有什么。")
def claim_fixed_cuts_make_length_tell_the_tokens(merges=40, cut="three"):
    """Cut into single digits or groups of up to three, all numbers of one length take equally many tokens; plain BPE
    gives numbers of one length different counts.

    切成单个数字或至多三位一组，位数相同的数 token 数都相同；普通 BPE 对同样位数的数给出不同的 token 数。"""
    corpus = [str(y) for y in range(1990, 2027)] * 3 + ["100", "1000", "99", "50", "500", "365", "24", "12", "10"] * 5
    learnt = train(corpus, merges)
    ways = {"three": groups, "one": list, "BPE": lambda n: encode(n, learnt)}
    counts = {n: {len(ways[cut](str(number))) for number in range(10 ** (n - 1), 10**n)} for n in (2, 3, 4)}
    examples = ["1999", "2024", "2718", "3141", "1000"]
    show(table({"number": examples, "BPE": ["|".join(encode(e, learnt)) for e in examples],
                "from the right": ["|".join(groups(e)) for e in examples]}))
    expect("different token counts among numbers of 2, 3 and 4 digits", [len(c) for c in counts.values()], equals=1)


@breaks(units="BPE", en="A token that was not in the lesson has no count of its own yet.",
        zh="没教过的 token，还不知道它含几个 r。")
def claim_counting_letters_must_be_learnt_per_token(merges=40, units="characters"):
    """Taught the number of r in half of the words, a linear reader counts the other half exactly from characters, not
    from BPE tokens: each token's number is learnt by itself.

    用一半的词教线性模型数 r：读字符，另一半的词也数得全对；读 BPE token 就不行，每个 token 含几个 r 要逐个学。"""
    words = sorted(set(WORDS.split()))
    learnt = train(words, merges)
    split = {w: list(w) if units == "characters" else encode(w, learnt) for w in words}
    names = sorted({x for pieces in split.values() for x in pieces})
    x = torch.tensor([[float(split[w].count(n)) for n in names] for w in words], dtype=torch.float64)
    y = torch.tensor([float(w.count("r")) for w in words], dtype=torch.float64)
    taught, rest = slice(0, None, 2), slice(1, None, 2)
    weights = torch.linalg.pinv(x[taught]) @ y[taught]           # the smallest solution: 0 for what was never seen
    error = (x[rest] @ weights - y[rest]).abs()
    worst = error.argsort(descending=True)[:8].tolist()
    show(bars([words[rest][i].upper() for i in worst],
              {"r in the word": y[rest][worst], "read": (x[rest] @ weights)[worst]}))
    # a linear system of some 20 unknowns in float64
    expect("error in the number of r", error, equals=0, within=1e-8)


def drill_groups(rng) -> Drill:
    """How many tokens has a long number?"""
    n, way = rng.randint(7, 40), rng.choice([1, 3])
    text = {1: ("one token per digit", "每位一个 token"), 3: ("groups of three from the right", "从右起三位一组")}[way]
    count = len(groups("9" * n)) if way == 3 else n
    return Drill(
        en=f"A tokenizer cuts numbers into {text[0]}. How many tokens is a number of {n} digits, without commas?",
        zh=f"分词器对数字{text[1]}。一个 {n} 位的数（不写逗号）是多少个 token？",
        answer=count, within=0, proved_by="fixed_cuts_make_length_tell_the_tokens",
        steps=[(f"{n} / {way}, rounded up = {count}", f"{n} / {way} 向上取整 = {count}")])


ZH = {
    "number": "数", "from the right": "从右切", "from the left": "从左切", "sums that are right": "正确的和",
    "share with a carry not yet written": "需要尚未写出的进位的占比",
    "different token counts among numbers of 2, 3 and 4 digits": "2、3、4 位数各有几种 token 数",
    "error in the number of r": "r 的个数误差", "r in the word": "词里的 r", "read": "读出的",
}

if __name__ == "__main__":
    main()
