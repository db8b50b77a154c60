"""A demo and its claims as values: what its source says of them, without a word of it run."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from studyapp.bank.model import Text
from studyapp.errors import DemoError, Message, did_you_mean
from studyapp.evidence.claims import CLAIM_SECONDS, PREFIX
from studyapp.evidence.ranges import Range, effective, refusal
from studyapp.evidence.script import parse
from studyapp.i18n import Translations
from studyapp.lab.source import source_hash

FEW = 12
ENDED, WIDE_END, APART = re.compile(r"[.:!?。：！？]$"), re.compile(r"[\u3000-\u9fff\uff00-\uffef]$"), re.compile(r"\s|[-*•] ")
HAN = re.compile(r"[\u4e00-\u9fff]")
BETWEEN = re.compile(r"(?<=[.!?]) (?=[\u4e00-\u9fff])")
"""Where English goes over into Chinese on one line."""
TURN = re.compile(r"(?:^|(?<=\s))Turn (?=`)", re.MULTILINE)


@dataclass(frozen=True)
class Break:
    """Parameters with which a claim does not hold, and the sentence on what happens then."""

    parameters: Mapping[str, Any]
    sentence: Text


@dataclass(frozen=True)
class DrillSource:
    """A numeric question that the demo can make; `proved_by` is the claim that its answer rests on."""

    name: str
    line: int = 1
    proved_by: str = ""


@dataclass(frozen=True)
class Exercise:
    """A function that a learner may write.

    `head` is its source up to the docstring, `body` the rest, which is hidden; `claims` judge what was written, and `wrong`
    names wrong bodies that one of them refutes.
    """

    name: str
    sentence: Text
    claims: tuple[str, ...]
    wrong: tuple[str, ...]
    head: str
    body: str
    line: int = 1


@dataclass(frozen=True)
class Guess:
    """A number that may be guessed before the evidence is seen: what asks for it, its unit, and the check that has it."""

    question: Text
    check: str
    unit: str = ""


@dataclass(frozen=True)
class Claim:
    """A sentence that a demo shows.

    `parameters` are its defaults; `needs` what it cannot do without; `line` where it stands; `limit` the seconds after which
    the lab stops it; `breaks` its known wrong ways; `guess` its number that is worth guessing.
    """

    name: str
    sentence: Text
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timed: bool = False
    needs: tuple[str, ...] = ()
    line: int = 1
    limit: float = CLAIM_SECONDS
    breaks: tuple[Break, ...] = ()
    guess: Guess | None = None


@dataclass(frozen=True)
class Demo:
    """A demo file.

    `doc` is what its docstring says after the summary; `ranges` what its parameters may be; `zh` the Chinese of its labels.
    """

    name: str
    topic: str
    path: Path
    summary: Text
    doc: str
    claims: tuple[Claim, ...]
    source: str
    ranges: Mapping[str, Range] = field(default_factory=dict)
    zh: Mapping[str, str] = field(default_factory=dict)
    drills: tuple[DrillSource, ...] = ()
    exercises: tuple[Exercise, ...] = ()

    @cached_property
    def hash(self) -> str:
        """The fingerprint of what it does."""
        return source_hash(self.source)

    def about(self, language: str) -> str:
        """What it says after its summary, in a language.

        Its docstring has sources first, then what to turn, in English and after that in Chinese. A sentence that is broken in the
        file is one line; lines that are indented or items of a list stay lines.
        """
        lines = BETWEEN.sub("\n", self.doc).split("\n")
        chinese = [number for number, line in enumerate(lines) if HAN.search(line)]
        if not chinese:
            return _reflowed(self.doc.split("\n"))
        if language != "zh":
            return _reflowed(line for line in lines if not HAN.search(line))
        sources = TURN.split("\n".join(lines[: chinese[0]]), maxsplit=1)[0].strip()
        return "\n".join(filter(None, [_reflowed(sources.split("\n")), _reflowed(lines[chinese[0] :])]))

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of all its claims, each with the default of one that has it."""
        return {name: value for claim in self.claims for name, value in claim.parameters.items()}

    def defaults(self, parameter: str) -> tuple[Any, ...]:
        """The defaults of a parameter, more than one where claims need it in different sizes."""
        given = [c.parameters[parameter] for c in self.claims if parameter in c.parameters]
        return tuple(dict.fromkeys(given))

    def claim(self, name: str) -> Claim:
        """The claim of that name.

        Raises:
            DemoError: where there is none; the hint names the nearest.
        """
        for claim in self.claims:
            if claim.name == name.removeprefix(PREFIX):
                return claim
        raise DemoError(
            "{demo} has no claim {name!r}",
            nearest(name, (c.name for c in self.claims)),
            demo=self.name, name=name,
        )

    def drill(self, name: str) -> DrillSource:
        """The drill of that name.

        Raises:
            DemoError: where there is none; the hint names the nearest.
        """
        for drill in self.drills:
            if drill.name == name:
                return drill
        raise DemoError(
            "{demo} has no drill {name!r}",
            nearest(name, (d.name for d in self.drills)),
            demo=self.name, name=name,
        )

    def exercise(self, name: str) -> Exercise:
        """The exercise of that name.

        Raises:
            DemoError: where there is none; the hint names the nearest.
        """
        for exercise in self.exercises:
            if exercise.name == name:
                return exercise
        raise DemoError(
            "{demo} has no exercise {name!r}",
            nearest(name, (e.name for e in self.exercises)),
            demo=self.name, name=name,
        )

    def settle(
        self, given: Mapping[str, Any], *, claims: Iterable[str] | None = None, t: Translations | None = None
    ) -> dict[str, Any]:
        """`given` in the types of the defaults; text is read as it is on the command line («8,32»).

        Args:
            claims: the claims that will run with it; all without. Each is held to the ranges beside its own defaults.
            t: the language that a value out of range is refused in; English without.

        Raises:
            DemoError: where a parameter is unknown, of another type or out of its range.
        """
        known = self.parameters
        settled = {}
        for name, value in given.items():
            if name not in known:
                raise DemoError("{demo} has no parameter {name!r}", nearest(name, known), demo=self.name, name=name)
            default = known[name]
            try:
                read = parse(value, default) if isinstance(value, str) and not isinstance(default, str) else value
                settled[name] = like(read, default)
            except (TypeError, ValueError, SyntaxError) as error:
                wanted = Message("give something like {default!r}", default=default)
                raise DemoError("{demo}: {name} cannot be {value!r}", wanted, demo=self.name, name=name, value=value) from error
        for claim in self.claims if claims is None else map(self.claim, claims):
            values = effective(claim.parameters, settled)
            if values != claim.parameters and (problem := refusal(self.ranges, values, t or Translations.load("en"))):
                raise DemoError(problem)
        return settled


def _reflowed(lines: Iterable[str]) -> str:
    """Lines of a docstring with each sentence in one line, so that it can be laid out for any width."""
    found: list[str] = []
    for line in lines:
        if found and found[-1] and line and not ENDED.search(found[-1]) and not APART.match(line):
            found[-1] += ("" if WIDE_END.search(found[-1]) else " ") + line
        else:
            found.append(line)
    return "\n".join(found).strip()


def nearest(word: str, known: Iterable[str]) -> Message:
    """A hint naming the nearest of `known`, or all where they are few."""
    names = list(known)
    if close := did_you_mean(word, names, most=3):
        return close
    return Message("there are: {names}", names=", ".join(names)) if 0 < len(names) <= FEW else Message("")


def like(value: Any, default: Any) -> Any:
    """`value` as the type of `default`; TypeError where it is another."""
    if default is None:
        return tuple(value) if isinstance(value, list) else value
    if isinstance(default, tuple):
        if not isinstance(value, tuple | list) or not value:
            raise TypeError(value)
        if not default:
            return tuple(value)
        pattern = next((d for t in (str, float, int) for d in default if type(d) is t), default[0])
        return tuple(like(v, pattern) for v in value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise TypeError(value)
    return value
