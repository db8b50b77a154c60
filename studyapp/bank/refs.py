"""Names of cards and of claims as values: written as strings in YAML, JSON and the log, and cut apart here alone."""

import re
from dataclasses import dataclass

from studyapp.errors import BankError, DemoError

RECALL = "recall"
KIND = re.compile(r"([a-z][a-z0-9_]*)(?::([a-z][a-z0-9_]*))?")
DEMO = re.compile(r"[\w-]+/[\w-]+")
NAME = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, order=True)
class CardId:
    """A card: a question, the way it asks, and where a question has several of that kind, which of them.

    Written "softmax-overflow#recall", "kv-cache-size#drill:cache_in_gib"; a personal bank's, "mine:gelu#recall".
    """

    question: str
    kind: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> "CardId":
        """The card that `text` names.

        Raises:
            BankError: where it lacks the question or the kind.
        """
        question, sign, way = text.rpartition("#")
        if not sign or not question or "#" in question:
            raise BankError(
                "{text!r} is no card",
                "write question#kind, as in softmax-overflow#{example}",
                text=text, example=RECALL,
            )
        found = KIND.fullmatch(way)
        if not found:
            raise BankError(
                "{text!r}: {kind!r} is no kind of card",
                "write it in small letters, as in {example}",
                text=text, kind=way, example=RECALL,
            )
        return cls(question, found[1], found[2] or "")

    @classmethod
    def try_parse(cls, text: str) -> "CardId | None":
        """The card that `text` names; None where it names none, as a log of another version may."""
        try:
            return cls.parse(text)
        except BankError:
            return None

    def __str__(self) -> str:
        return f"{self.question}#{self.kind}" + (f":{self.name}" if self.name else "")


@dataclass(frozen=True, slots=True, order=True)
class ClaimRef:
    """A claim of a demo; `demo` is "topic/name". Written "attention/score_scaling.dot_product_variance_is_dk"."""

    demo: str
    claim: str

    @classmethod
    def parse(cls, text: str) -> "ClaimRef":
        """The claim that `text` names.

        Raises:
            DemoError: where topic, demo or claim is not named, or not by letters, digits and _.
        """
        demo, claim = demo_and_claim(text)
        if not claim:
            raise DemoError("{text!r} names no claim", "write topic/demo.claim", text=text)
        if not DEMO.fullmatch(demo):
            raise DemoError("{text!r}: {demo!r} is no name of a demo", "write topic/demo.claim", text=text, demo=demo)
        if not NAME.fullmatch(claim):
            raise DemoError(
                "{text!r}: {claim!r} is no name of a claim",
                "write topic/demo.claim",
                text=text, claim=claim,
            )
        return cls(demo, claim)

    @classmethod
    def try_parse(cls, text: str) -> "ClaimRef | None":
        """The claim that `text` names; None where it names none, for those who leave it to `check` to say so."""
        try:
            return cls.parse(text)
        except DemoError:
            return None

    def __str__(self) -> str:
        return f"{self.demo}.{self.claim}"


def demo_and_claim(target: str) -> tuple[str, str]:
    """The two halves of "topic/demo.claim"; the second is empty where `target` names a demo alone."""
    demo, _, claim = target.partition(".")
    return demo, claim
