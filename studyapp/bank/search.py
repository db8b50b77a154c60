"""Find questions by words, in either language. A scan of everything: a few hundred questions need no index."""

import re
import unicodedata

import msgspec

from studyapp.bank.model import Bank, Question

WEIGHTS = (8, 7, 5, 2, 1)
Fields = tuple[str, str, str, str, str]
"""The texts of a question, folded, in the order of `WEIGHTS`."""
CJK = r"\u3400-\u4dbf\u4e00-\u9fff"
WORD = re.compile(rf"[{CJK}]+|[^\s{CJK}]+")
JOINERS = str.maketrans("", "", "_^{}$\\")


def fold(text: str) -> str:
    """Text as it is compared: «dₖ», «d_k» and «D_k» are the same, as are full-width and half-width letters."""
    return unicodedata.normalize("NFKC", text).casefold().translate(JOINERS)


class Search:
    """A bank made ready for searching: every text folded once."""

    def __init__(self, bank: Bank) -> None:
        folded = kept_pages(bank)
        self._pages = [(folded.get(q.id) or _fields(q), q) for q in bank.in_order()]

    def __call__(self, words: str) -> list[Question]:
        """The questions in which every word occurs, best first: hits in the id, the question itself and its tags count most.

        Chinese needs no spaces: a run of it is one word, found wherever it stands, and «KV缓存» is two words.
        No words find every question, in learning order.
        """
        wanted = WORD.findall(fold(words))
        scored = [(_score(fields, wanted), q) for fields, q in self._pages]
        return [q for score, q in sorted(scored, key=lambda pair: -pair[0]) if score or not wanted]


def folded_pages(bank: Bank) -> bytes:
    """Every question's texts, folded, by its id: for `Bank.folded`."""
    return msgspec.msgpack.encode({q.id: _fields(q) for q in bank.questions.values()})


def kept_pages(bank: Bank) -> dict[str, Fields]:
    """What `folded_pages` made of the bank, nothing where it was not called."""
    try:
        return msgspec.msgpack.decode(bank.folded, type=dict[str, Fields]) if bank.folded else {}
    except msgspec.MsgspecError:
        return {}


def _score(fields: Fields, wanted: list[str]) -> int:
    """The sum of each word's best field; nothing where a word is missing."""
    best = [max((w for w, field in zip(WEIGHTS, fields, strict=True) if word in field), default=0) for word in wanted]
    return sum(best) if all(best) else 0


def _folded(*texts: str) -> str:
    return "\n".join(fold(t) for t in texts)


def _fields(q: Question) -> Fields:
    """The text of a question, from what says most about it to what says least."""
    rest = [t for c in q.corrections for t in (c.wrong.en, c.wrong.zh, c.right.en, c.right.zh)]
    return (
        _folded(q.id, q.id.replace("-", " ")),
        _folded(q.ask.en, q.ask.zh),
        _folded(*q.tags, q.topic),
        _folded(q.brief.en, q.brief.zh, *(t for p in q.points for t in (p.en, p.zh))),
        _folded(q.answer.en, q.answer.zh, *rest),
    )
