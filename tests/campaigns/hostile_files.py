"""Question files that nobody should write, through everything that reads them: `python -m tests.campaigns.hostile_files --times 10000`.

Each file is a good question with a few mutations: bytes, lines, keys, values, control characters, markup, deep nesting.
It is loaded as a bank of one's own, checked, searched, walked as a document and written as Markdown and as a page. What
may come out is text and findings: no exception, no control character, and nothing that takes more than five seconds.
"""

import argparse
import random
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studyapp.bank.load import load_bank
from studyapp.bank.model import Bank
from studyapp.bank.search import Search
from studyapp.check import check_bank
from studyapp.i18n import Translations
from studyapp.lab.catalog import Catalog
from studyapp.lab.verdict import Mark
from studyapp.render.document import document
from studyapp.render.document_markdown import to_markdown
from studyapp.render.page import page

LONGEST_SECONDS = 5.0
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\")
"""What the page itself writes: colours and links."""
GOOD = """\
level: core
ask: {en: 'Why divide?', zh: '为什么要除？'}
brief:
  en: |
    Because variance grows with the width.
  zh: |
    因为方差随宽度增长。
answer:
  en: |
    The variance is $d$, see

    $$\\\\frac{q \\\\cdot k}{\\\\sqrt{d_k}}$$

    | d | Var |
    |---|---|
    | 16 | 16 |
  zh: |
    方差等于 d。
points:
  - {en: 'Var is d.', zh: '方差为 d。', proof: [attention/score_scaling.dot_product_variance_is_dk]}
  - {en: 'A paper says so.', zh: '论文如是说。', cite: ['vaswani2017 §3.2.1']}
  - {en: 'A toy shows it.', zh: '小模型可见。', toy: [attention/score_scaling.unscaled_softmax_saturates]}
corrections:
  - wrong: {en: 'It avoids overflow.', zh: '避免溢出。'}
    right: {en: 'It keeps the variance.', zh: '保持方差。'}
    cite: [vaswani2017]
follow_ups: [mla]
tags: [softmax]
"""
PIECES = (
    "\x1b]0;title\x07", "\\e[2J", "\u202e", "\u061c", "\x00", "\ufeff", "[/]", "[red]x[/b]", "{{c1::y}}", "<script>alert(1)</script>",
    "![z](http://localhost/x.png)", "$$\\sqrt{", "$$" + "\\sqrt{" * 300, "\\frac{" * 200, "`" * 2000, "$a" + "_" * 2000, "|" * 500,
    "&a [*a]", "!!python/object/apply:os.system ['true']", "<<: *x", "? {", "- - - - -", "'", '"', "%YAML 9.9", "---\n---", "\t",
    "true", "1e400", "2026-13-45", "~", "[]", "{}", "[" * 200, "a: " * 50, "键: 值", "é\u0301" * 50, "\U0001f468\u200d\U0001f469" * 20,
)  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """A file that did what none may do."""

    why: str
    content: bytes


def mutated(dice: random.Random) -> bytes:
    """The good file with hostile pieces where any text may stand, and often with its form broken as well."""
    text = GOOD
    for _ in range(dice.randint(1, 4)):  # inside a block or quotes, so that the file is still read
        lines = text.split("\n")
        place = dice.choice([i for i, line in enumerate(lines) if line.startswith("    ") or "'" in line])
        piece = dice.choice(PIECES).replace("\n", " ").replace("\x00", "").replace("\ufeff", "")
        if lines[place].startswith("    "):
            lines[place] += f" {piece}"
        else:
            lines[place] = lines[place].replace(".'", f" {piece}.'".replace("''", "'"), 1) if "'" not in piece else lines[place]
        text = "\n".join(lines)
    for _ in range(dice.choice((0, 0, 0, 1, 2, 5))):
        lines = text.split("\n")
        place = dice.randrange(len(lines))
        match dice.randrange(7):
            case 0:
                lines[place] += dice.choice(PIECES)
            case 1:
                lines[place] = dice.choice(PIECES)
            case 2:
                del lines[place]
            case 3:
                lines.insert(place, lines[dice.randrange(len(lines))])
            case 4:
                lines[place] = " " * dice.randint(1, 5) + lines[place]
            case 5:
                key, sign, value = lines[place].partition(":")
                lines[place] = f"{dice.choice(('zh', 'en', 'answer', dice.choice(PIECES), key))}{sign}{value}"
            case _:
                key, sign, _value = lines[place].partition(":")
                lines[place] = f"{key}{sign} {dice.choice(PIECES)}"
        text = "\n".join(lines)
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(dice.choice((0, 0, 0, 0, 1, 4))):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def judge(_: object) -> Mark:
    """Everything held: what the marks are is not the question here."""
    return Mark("proof", "held")


def try_file(content: bytes, folder: Path, catalog: Catalog) -> tuple[Failure | None, int]:
    """Read one file in every way: what was wrong, and how many questions it gave."""
    own = folder / "own" / "topic"
    own.mkdir(parents=True, exist_ok=True)
    (own / "question.yaml").write_bytes(content)
    start = time.process_time()
    try:
        texts, questions = _read(folder, catalog)
    except Exception:
        return Failure(traceback.format_exc(limit=-3), content), 0
    if (seconds := time.process_time() - start) > LONGEST_SECONDS:
        return Failure(f"took {seconds:.1f} s", content), questions
    out = COLOUR.sub("", "\n".join(texts))
    if raw := RAW.search(out):
        what = f"U+{ord(raw[0]):04X} came out raw: {out[max(0, raw.start() - 60) : raw.end() + 20]!r}"
        return Failure(what, content), questions
    return None, questions


def _read(folder: Path, catalog: Catalog) -> tuple[list[str], int]:
    main = folder / "main"
    main.mkdir(exist_ok=True)
    (main / "topics.yaml").write_text("[]\n", encoding="utf-8")
    bank: Bank = load_bank(main, [folder / "own"])
    out = [str(f) for f in check_bank(bank, catalog)]
    out += [q.id for q in Search(bank)("d")]
    for question in bank.questions.values():
        walked = document(question, bank, judge, catalog=catalog)
        for language in ("en", "zh"):
            words = Translations.load(language)
            out += [to_markdown(walked, words), page(walked, words, 80)]
    return out, len(bank.questions)


def campaign(times: int, seed: int = 0, told: Callable[[Failure], None] = lambda _: None) -> tuple[list[Failure], int]:
    """So many files; the failures among them, and how many of all were read as a question."""
    dice, failures, read = random.Random(seed), [], 0
    with tempfile.TemporaryDirectory() as name:
        catalog = Catalog.load(Path(name) / "demos")
        for _ in range(times):
            failure, questions = try_file(mutated(dice), Path(name), catalog)
            read += questions
            if failure:
                failures.append(failure)
                told(failure)
    return failures, read


def main() -> None:
    """Run a campaign; leaves with 1 where a file did what none may do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failures, read = campaign(min(options.times, 100_000), options.seed, lambda f: print(f.why, f.content, sep="\n", flush=True))
    print(f"{len(failures)} of {options.times} files failed; {read} were read as a question")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
