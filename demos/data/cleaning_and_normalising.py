r"""Every cleaning rule loses something: NFC unifies how a text is written, NFKC changes what it says.

每条清洗规则都有损失：NFC 统一写法，NFKC 会改变内容。

Unicode Standard Annex 15; the line rule of C4 (Raffel et al. 2019, §2.2). Turn `form` to "NFKC": x² becomes x2, and the
Chinese comma an English one. 把 `form` 改为 "NFKC"：x² 变成 x2，中文逗号变成英文逗号。
"""

import hashlib
import unicodedata

from studyapp.evidence import Drill, bars, breaks, exercise, expect, main, one_of, show, table

SAMPLES = {
    "English": "The café’s menu hasn’t changed since 1998. It opens at nine.",
    "mathematics": "x² + y² = 10⁻³, ℝ ∌ √−1, ½ of H₂O, a ≤ b",
    "Chinese": "他说：“价格是１２元，含税。”——对吗？（见下文……）",
    "code": "for (int i = 0; i < n; i++) {\n    sum += a[i];\n}",
}
EMOJI = {"snowflake": "\u2744\ufe0f", "flag": "\U0001f1e8\U0001f1f3",
         "family": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"}
PAGE = {
    "English": ["Home | News | Login", "The bridge was closed for two days.", "Trains run again today.", "Read more »"],
    "Chinese": ["首页 | 新闻 | 登录", "大桥封闭了两天。", "列车今天恢复运行。", "更多 »"],
    "code": ["def area(r):", "    return 3.14 * r * r", "print(area(2))"],
    "table": ["City  People", "Oslo  709,000", "Bergen  291,000"],
}


@exercise(claims=("nfc_unifies_and_nfkc_rewrites",), wrong=("uses_the_compatibility_form", "drops_the_accents"))
def canonical(text: str) -> str:
    """The text with every letter written in one way, for hashing and comparing: accents composed, nothing else changed.

    写法统一、便于哈希与比较的文本：组合附加符号，其余一概不变。"""
    return unicodedata.normalize("NFC", text)


@exercise(claims=("an_english_line_rule_empties_chinese_and_code",), wrong=("looks_at_the_first_character", "wants_every_mark"))
def kept_lines(lines: list[str], marks: str) -> list[str]:
    """The line filter of C4: keep the lines that end in one of the marks; trailing blanks do not count.

    C4 的行过滤：只留下以这些标点之一结尾的行；行末空白不计。"""
    return [line for line in lines if line.rstrip().endswith(tuple(marks))]


def in_words(text: str) -> str:
    """The text, each code point replaced by its Unicode name unless all are ASCII."""
    return text if text.isascii() else " ".join(unicodedata.name(c).lower() for c in text)


def normalised(text: str, form: str) -> str:
    return {"none": text, "NFC": canonical(text), "NFKC": unicodedata.normalize("NFKC", text)}[form]


RANGES = {
    "form": one_of("NFC", "NFKC", "none"), "marks": one_of(".!?\"”", ".!?\"”。！？…"),
    "written": one_of("as bytes", "as names"),
}


@breaks(form="NFKC", en="NFKC replaces compatibility characters: superscripts, fractions and full-width marks go.",
        zh="NFKC 会替换兼容字符：上标、分数、全角标点都没了。")
@breaks(form="none", en="Left as they are, the two spellings of é keep different hashes.", zh="不做处理，é 的两种写法哈希不同。")
def claim_nfc_unifies_and_nfkc_rewrites(form="NFC"):
    """On samples of English, mathematics, Chinese and code NFC changes no character, and both spellings of é get one hash;
    NFKC changes at least a dozen characters of the mathematics and the Chinese.

    在英文、数学、中文、代码样本上，NFC 一个字符都不改，并使 é 的两种写法哈希相同；NFKC 会改动数学和中文里的至少十二个字符。"""
    changed = {}
    for name in ("none", "NFC", "NFKC"):
        changed[name] = [sum(normalised(c, name) != c for c in text) for text in SAMPLES.values()]
    show(bars(list(SAMPLES), {"characters changed by NFC": changed["NFC"], "characters changed by NFKC": changed["NFKC"]}))
    composed, combining = "caf\u00e9", "cafe\u0301"                          # four code points, and five
    hashes = {hashlib.sha256(normalised(t, form).encode()).hexdigest() for t in (composed, combining)}
    expect("characters changed", changed[form], equals=0, at=("sample", list(SAMPLES)))
    expect("hashes of the two spellings", len(hashes), equals=1)
    expect("length of é in code points", len(normalised(combining, form)) - 3, equals=1)
    # Characters encoded twice: the ohm sign, and a CJK compatibility ideograph, which NFC replaces as well.
    expect("encoded twice, replaced by NFC", [canonical("\u2126") == "\u03a9", canonical("\uf900") == "\u8c48"], equals=True)
    expect("changed by NFKC, mathematics and Chinese", changed["NFKC"][1] + changed["NFKC"][2], at_least=12)


@breaks(form="NFC", en="NFC keeps compatibility characters apart.", zh="NFC 不会合并兼容字符。")
def claim_nfkc_makes_different_texts_equal(form="NFKC"):
    """NFKC maps different texts to one: x² to x2, 10⁻³ to 10−3, ½ to 1⁄2, the Chinese comma to the English one; nothing can
    restore them.

    NFKC 把不同的文本变成同一个：x² 变 x2，10⁻³ 变 10−3，½ 变 1⁄2，中文逗号变英文逗号；无法还原。"""
    # As listed in the Unicode Character Database (decomposition mappings), not computed.
    pairs = [("x²", "x2"), ("10⁻³", "10−3"), ("½", "1⁄2"), ("是，", "是,"), ("１２", "12"), ("…", "...")]
    show(table(["written", "after", "same as"], [[a, normalised(a, form), b] for a, b in pairs]))
    expect("texts that became the other", [normalised(a, form) == b for a, b in pairs], equals=True, at=("text", [a for a, _ in pairs]))


@breaks(written="as names", en="Written as names, an emoji and a text that spells these words are one and the same.",
        zh="换成名称后，emoji 与写出这些词的文本就是同一个文本。")
def claim_bytes_keep_an_emoji_names_do_not(written="as bytes"):
    """Seven code points and 25 bytes make a family emoji. UTF-8 bytes restore it; as names of its code points it equals a text
    that spells those words.

    一家四口的 emoji 有七个码点、25 字节。UTF-8 字节可以还原；换成各码点的名称，就与写出这些词的文本无法区分。"""
    store = str.encode if written == "as bytes" else in_words
    show(table(["emoji", "code points", "bytes"], [[name, len(t), len(t.encode())] for name, t in EMOJI.items()]))
    expect("restored from bytes", [t.encode().decode() == t for t in EMOJI.values()], equals=True, at=("emoji", list(EMOJI)))
    expect("told from its names spelled out", [store(t) != store(in_words(t)) for t in EMOJI.values()], equals=True,
           at=("emoji", list(EMOJI)))
    expect("code points of the family", len(EMOJI["family"]), equals=7)
    expect("bytes of the family", len(EMOJI["family"].encode()), equals=25)
    expect("second name of the snowflake", unicodedata.name(EMOJI["snowflake"][1]), equals="VARIATION SELECTOR-16")


@breaks(marks='.!?"”。！？…', en="With Chinese marks in the list the Chinese sentences stay.", zh="加上中文标点，中文句子就留下来了。")
def claim_an_english_line_rule_empties_chinese_and_code(marks='.!?"”'):
    """The rule “keep lines that end in punctuation”, with English marks, drops the menu of an English page, and every line of a
    Chinese page, of code and of a table.

    「只留以标点结尾的行」若只认英文标点，会去掉英文网页的菜单，也会删光中文网页、代码和表格的每一行。"""
    kept = {name: kept_lines(lines, marks) for name, lines in PAGE.items()}
    share = [len(kept[name]) / len(lines) for name, lines in PAGE.items()]
    show(bars(list(PAGE), {"lines kept": share}, y_label="share"))
    expect("English lines kept", kept["English"] == PAGE["English"][1:3], equals=True)
    others = ("Chinese", "code", "table")
    expect("lines kept of the others", [len(kept[n]) for n in others], equals=0, at=("page", others))


def drill_bytes(rng) -> Drill:
    """UTF-8 bytes of a string."""
    text = rng.choice(["é", "中文", "x²", "a€", "❄", "数据1", "½"])
    sizes = [len(c.encode()) for c in text]
    return Drill(
        en=f"How many UTF-8 bytes, hence at most how many tokens of a byte-level tokenizer, has “{text}” (each letter one code point)?",
        zh=f"「{text}」（每个字一个码点）有多少个 UTF-8 字节，也就是字节级分词器至多多少个 token？",
        answer=sum(sizes), within=0,
        steps=[("1 byte below U+0080, 2 below U+0800, 3 below U+10000, else 4",
                "U+0080 以下 1 字节，U+0800 以下 2，U+10000 以下 3，其余 4"),
               (f"{' + '.join(map(str, sizes))} = {sum(sizes)}", f"{' + '.join(map(str, sizes))} = {sum(sizes)}")],
        proved_by="bytes_keep_an_emoji_names_do_not",
    )


ZH = {
    "English": "英文", "mathematics": "数学", "Chinese": "中文", "code": "代码", "table": "表格", "flag": "旗帜",
    "snowflake": "雪花", "family": "一家四口",
    "characters changed by NFC": "NFC 改动的字符", "characters changed by NFKC": "NFKC 改动的字符", "characters changed": "改动的字符",
    "sample": "样本", "hashes of the two spellings": "两种写法的哈希个数", "length of é in code points": "é 的码点数",
    "encoded twice, replaced by NFC": "重复编码、被 NFC 替换的",
    "changed by NFKC, mathematics and Chinese": "NFKC 改动的字符：数学与中文", "written": "写法", "after": "之后", "same as": "等于",
    "texts that became the other": "变成另一个的文本", "text": "文本", "code points": "码点", "bytes": "字节", "emoji": "emoji",
    "restored from bytes": "由字节还原", "told from its names spelled out": "与写出的名称可区分",
    "code points of the family": "一家四口的码点数", "bytes of the family": "一家四口的字节数",
    "second name of the snowflake": "雪花第二个码点的名称", "lines kept": "保留的行", "share": "比例", "English lines kept": "英文只留正文",
    "lines kept of the others": "其余页面保留的行", "page": "页面",
}

if __name__ == "__main__":
    main()
