r"""Byte-level BPE merges UTF-8 bytes: 256 base tokens spell every text, and a token may be part of a character.

字节级 BPE 合并的是 UTF-8 字节：256 个基础 token 就能拼出任何文本，而一个 token 可能只是半个字符。

Radford et al. 2019 (GPT-2), §2.2; UTF-8 as in RFC 3629. Turn `normaliser` to "NFC": the merges are the
same, but e and a combining accent come back as one character. Turn `flush` to "every token".
把 `normaliser` 改为 "NFC"：合并规则没变，但 e 加组合重音符会变成一个字符回来。也可把 `flush` 改为 "every token"。
"""

import codecs
import itertools
import unicodedata
from collections import Counter

import torch

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show, table

TEXT = "the cat sat on the mat. 猫坐在垫子上。猫在看书，书在桌子上。 the café is closed 😀😀 the end 书中有书"
TEN = ["a", "\u00e9", "e\u0301", "中", "\u263a", "\U0001f600", "\U00020bb7", "\u2764\ufe0f",
       "\U0001f1e8\U0001f1f3", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"]
NAMES = ["a", "é", "e + accent", "中", "☺", "😀", "𠮷", "red heart", "flag of China", "family of four"]
BYTES = [1, 2, 3, 3, 3, 4, 4, 6, 8, 25]                              # counted by hand from the code charts


@exercise(claims=("bytes_of_ten_strings",), wrong=("takes_two_bytes_at_most", "forgets_the_marks"))
def utf8(code: int) -> list[int]:
    """The bytes of one code point (0 … 0x10FFFF, no surrogate), each 0 … 255.

    一个码点（0 … 0x10FFFF，不含代理区）的 UTF-8 字节，每个 0 … 255。"""
    if code < 0x80:
        return [code]                                                # ASCII: one byte, itself
    count = 2 if code < 0x800 else 3 if code < 0x10000 else 4
    tail = [0x80 | code >> 6 * k & 0x3F for k in range(count - 1)]   # 10xxxxxx: six bits each
    lead = {2: 0xC0, 3: 0xE0, 4: 0xF0}[count]                        # 110…, 1110…, 11110…: how many follow
    return [lead | code >> 6 * (count - 1), *reversed(tail)]


def train(text: str, merges: int) -> list[tuple[bytes, bytes]]:
    """BPE on the bytes of a text, not across spaces; of equals the pair met first."""
    words = [[bytes([b]) for b in word.encode()] for word in text.split(" ")]
    learnt: list[tuple[bytes, bytes]] = []
    for _ in range(merges):
        counts = Counter(pair for word in words for pair in itertools.pairwise(word))
        if not counts:
            break
        learnt.append(max(counts, key=counts.__getitem__))
        words = [join(word, learnt[-1]) for word in words]
    return learnt


def join(word: list[bytes], pair: tuple[bytes, bytes]) -> list[bytes]:
    out: list[bytes] = []
    for token in word:
        if out and (out[-1], token) == pair:
            out[-1] += token
        else:
            out.append(token)
    return out


def encode(text: str, merges: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The tokens of a text: its bytes, every merge replayed."""
    word = [bytes([b]) for b in text.encode()]
    for pair in merges:
        word = join(word, pair)
    return word


@exercise(claims=("streaming_holds_back_unfinished_characters",), wrong=("shows_all", "holds_every_tail"))
def complete(buffer: bytes) -> int:
    """How many bytes of a buffer can be shown: all but a character at its end that is not finished.

    缓冲区里有多少字节可以显示：除去末尾尚未完整的那个字符。"""
    for back in range(1, min(4, len(buffer) + 1)):
        byte = buffer[-back]
        if byte >= 0xC0:                                             # a lead byte: it tells its length
            needs = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(buffer) - back if needs > back else len(buffer)
        if byte < 0x80:                                              # ASCII: nothing is open
            break
    return len(buffer)


RANGES = {
    "trials": between(20, 400), "base": one_of("all bytes", "corpus"), "normaliser": one_of("none", "NFC"),
    "counted": one_of("bytes", "characters"), "encoding": one_of("utf-8", "latin-1"),
    "merges": between(0, 60), "flush": one_of("complete characters", "every token"),
}


def random_text(length: int) -> str:
    """Code points drawn over all planes; surrogates do not encode and are left out."""
    codes = torch.randint(0x110000 - 0x800, (length,)).tolist()
    return "".join(chr(c if c < 0xD800 else c + 0x800) for c in codes)


@breaks(normaliser="NFC", en="NFC composes e and U+0301 before the merges: the bytes of é come back.",
        zh="NFC 在合并之前就把 e 与 U+0301 组合成一个字符：回来的是 é 的字节。")
@breaks(base="corpus", en="With only the bytes of the training text, others are unknown.",
        zh="若只收训练语料里出现过的字节，其余的就成了未知。")
def claim_every_string_survives(trials=100, base="all bytes", normaliser="none"):
    """With all 256 bytes as base and no normaliser, any Unicode text is encoded without an unknown
    token and decoded to itself.

    以全部 256 个字节为基础、不做规范化时，任何 Unicode 文本都能编码，没有未知 token，解码回原文。"""
    merges, seen = train(TEXT, 60), set(TEXT.encode())
    texts = TEN + [random_text(12) for _ in range(trials)]
    unknown, same = [], []
    for text in texts:
        tokens = encode(text if normaliser == "none" else unicodedata.normalize(normaliser, text), merges)
        known = [t for t in tokens if base == "all bytes" or len(t) > 1 or t[0] in seen]
        unknown.append(len(tokens) - len(known))
        same.append(b"".join(known) == text.encode())
    show(bars(NAMES, {"tokens": [len(encode(t, merges)) for t in TEN]}))
    expect("unknown tokens", unknown, equals=0)
    expect("tokens of “the” and of 书 after 60 merges", [len(encode(t, merges)) for t in ("the", "书")], equals=1)
    expect("decoded as it was", same, equals=True)


@breaks(counted="characters", en="Counted in characters, all but a few of the ten are 1.",
        zh="按字符数算，十个里大多数是 1。")
def claim_bytes_of_ten_strings(trials=100, counted="bytes"):
    """Before any merge each UTF-8 byte is a token: 1 for a, 2 for é, 3 for 中, 4 for 😀, 8 for a flag,
    25 for a family.

    没有合并时，token 数就是 UTF-8 字节数：a 为 1，é 为 2，中 为 3，😀 为 4，国旗为 8，四口之家为 25。"""
    sizes = [len(t) if counted == "characters" else sum(len(utf8(ord(c))) for c in t) for t in TEN]
    show(bars(NAMES, {"bytes": sizes}))
    expect("bytes", sizes, equals=BYTES, at=("text", NAMES))
    texts = [random_text(12) for _ in range(trials)]
    expect("bytes by hand are those of Python's encoder",
           [[b for c in t for b in utf8(ord(c))] == list(t.encode()) for t in texts], equals=True)


@breaks(encoding="latin-1", en="Latin-1 gives each of its 256 characters one byte: none is free.",
        zh="Latin-1 的 256 个字符各占一个字节：没有空闲的。")
def claim_thirteen_bytes_never_occur(encoding="utf-8"):
    """UTF-8 never uses 13 of the 256 bytes, C0, C1 and F5 to FF, so 243 base tokens can occur in valid text.

    UTF-8 从不使用 256 个字节中的 13 个：C0、C1 与 F5 到 FF；所以合法文本里只会出现 243 个基础 token。"""
    codes = torch.arange(0x110000 if encoding == "utf-8" else 0x100, dtype=torch.int32)
    codes = codes[(codes < 0xD800) | (codes > 0xDFFF)]               # every code point that encodes
    encoded = codes.numpy().tobytes().decode("utf-32-le").encode(encoding)
    never = [b for b in range(256) if b not in encoded]
    show(table({"never used": [f"0x{b:02X}" for b in never] or ["0"]}))
    expect("bytes that never occur", len(never), equals=13)
    expect("their values", never == [0xC0, 0xC1, *range(0xF5, 0x100)], equals=True)


@breaks(flush="every token", en="A token that ends inside a character shows as U+FFFD.",
        zh="若 token 结束在字符中间，就会显示成 U+FFFD。")
def claim_streaming_holds_back_unfinished_characters(merges=20, trials=20, flush="complete characters"):
    """A token can end inside a character: shown token by token, text must hold back up to three bytes;
    otherwise replacement characters appear.

    token 可能结束在字符中间：逐 token 显示时要先扣住最多三个字节，否则会出现替换字符 U+FFFD。"""
    learnt, held, shown, theirs = train(TEXT, merges), [], [], []
    for text in [TEXT, *TEN, *(random_text(6) for _ in range(trials))]:
        buffer, decoder = b"", codecs.getincrementaldecoder("utf-8")()           # Python's, to compare with
        for token in encode(text, learnt):
            buffer += token
            ready = complete(buffer) if flush == "complete characters" else len(buffer)
            shown.append(buffer[:ready].decode(errors="replace"))
            theirs.append(decoder.decode(token))
            buffer = buffer[ready:]
            held.append(len(buffer))
    show(lines("token", range(40), {"bytes held back": held[:40]}))
    expect("text shown, as Python's incremental decoder", shown, equals=theirs)
    expect("bytes held back", held, at_most=3)
    expect("tokens after which bytes are held back", sum(h > 0 for h in held), at_least=1)


def drill_vocabulary(rng) -> Drill:
    """Base bytes, merges, special tokens."""
    merges, special = rng.choice([1000, 32000, 50000, 100000, 128000]), rng.randint(1, 256)
    return Drill(
        en=f"A byte-level BPE tokenizer has {merges:,} merges and {special} special tokens. How many tokens?",
        zh=f"字节级 BPE 分词器有 {merges:,} 次合并、{special} 个特殊 token。词表多大？",
        answer=256 + merges + special, within=0, proved_by="every_string_survives",
        steps=[(f"256 bytes + {merges:,} merges + {special} = {256 + merges + special:,}",
                f"256 个字节 + {merges:,} 次合并 + {special} = {256 + merges + special:,}")])


def drill_bytes(rng) -> Drill:
    """Bytes of a short mixed text."""
    parts = {"en": rng.randint(2, 9), "zh": rng.randint(2, 9), "é": rng.randint(0, 3), "😀": rng.randint(1, 3)}
    size = len(utf8(ord("a"))) * parts["en"] + len(utf8(ord("中"))) * parts["zh"]
    size += len(utf8(ord("é"))) * parts["é"] + len(utf8(ord("😀"))) * parts["😀"]
    terms = f"{parts['en']}·1 + {parts['zh']}·3 + {parts['é']}·2 + {parts['😀']}·4"
    return Drill(
        en=f"Byte-level BPE, no merge applies. How many tokens do {parts['en']} ASCII letters, {parts['zh']} "
           f"common Chinese characters, {parts['é']} precomposed é and {parts['😀']} times 😀 take?",
        zh=f"字节级 BPE，没有合并可用。{parts['en']} 个 ASCII 字母、{parts['zh']} 个常用汉字、{parts['é']} 个预组合的 é、"
           f"{parts['😀']} 个 😀 共多少 token？",
        answer=size, within=0, proved_by="bytes_of_ten_strings", steps=[(f"{terms} = {size}", f"{terms} = {size}")])


ZH = {
    "e + accent": "e + 重音符", "red heart": "红心", "flag of China": "中国国旗", "family of four": "四口之家",
    "tokens of “the” and of 书 after 60 merges": "60 次合并后 “the” 与 书 的 token 数",
    "unknown tokens": "未知 token 数", "decoded as it was": "解码后与原文相同", "bytes": "字节数", "text": "文本",
    "bytes by hand are those of Python's encoder": "手写编码与 Python 编码器的字节相同",
    "never used": "从不使用", "bytes that never occur": "从不出现的字节", "bytes held back": "扣住的字节数",
    "their values": "它们的值", "the": "the",
    "text shown, as Python's incremental decoder": "显示的文本，与 Python 增量解码器相比",
    "tokens after which bytes are held back": "之后需要扣住字节的 token 数",
}

if __name__ == "__main__":
    main()
