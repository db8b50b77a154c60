"""`python demos/….py`: a demo by itself, its parameters as options, its evidence as plain text."""

import argparse
import ast
import os
import sys
from functools import partial
from typing import Any
from unicodedata import east_asian_width

from studyapp.evidence.claims import find_claims, parameters, run_claim
from studyapp.evidence.ranges import effective, refusal
from studyapp.evidence.types import Bars, Check, Evidence, Heatmap, Lines, Outcome, Table, format_cell
from studyapp.i18n import Translations
from studyapp.settings import terminal_language


def main() -> None:
    """Run the claims of the script that calls this; leaves with 1 where one does not hold."""
    module = sys.modules["__main__"]
    claims, ranges = find_claims(module), getattr(module, "RANGES", {})
    defaults: dict[str, list[Any]] = {}
    for claim in claims.values():
        for name, value in parameters(claim).items():
            defaults.setdefault(name, []).append(value)
    parser = argparse.ArgumentParser(
        description=module.__doc__ or "",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--claim", action="append", choices=list(claims), help="run this claim alone (may be repeated)")
    parser.add_argument("--seed", type=int, default=0)
    for name, values in defaults.items():
        said: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS}  # what is not given leaves each claim its own default
        help = f"default: {' or '.join(dict.fromkeys(map(str, values)))}"
        help += f"; {ranges[name].text(Translations.load('en'), {})}" if name in ranges else ""
        flag = "--" + name.replace("_", "-")
        if isinstance(values[0], bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=help.replace("%", "%%"), **said)
        else:
            parser.add_argument(flag, type=partial(option, default=values[0]), help=help.replace("%", "%%"), **said)
    options = vars(parser.parse_args())
    given = {k: v for k, v in options.items() if k in defaults}
    t = Translations.load(terminal_language(os.environ))
    for name in options["claim"] or claims:
        if problem := refusal(ranges, effective(parameters(claims[name]), given), t):
            parser.error(problem)
    outcomes = []
    for name in options["claim"] or claims:
        print(f"\n{name}: {' '.join((claims[name].__doc__ or '').split())}", flush=True)
        outcome = run_claim(name, claims[name], given, seed=options["seed"], listener=Printer())
        print(verdict(outcome), flush=True)
        outcomes.append(outcome)
    sys.exit(0 if all(o.held or o.skipped for o in outcomes) else 1)


def option(value: str, default: Any) -> Any:
    """`parse` for argparse, which shows a reason only where it is an error of its own.

    Raises:
        argparse.ArgumentTypeError: where the text is not of the type of the default.
    """
    try:
        return parse(value, default)
    except (ValueError, SyntaxError):
        like = ",".join(map(str, default)) if isinstance(default, tuple) else default
        raise argparse.ArgumentTypeError(f"{value!r} is not a value such as {like}") from None


def parse(value: str, default: Any) -> Any:
    """A parameter from text, in the type of its default: «8,32» beside a tuple of ints is (8, 32).

    Raises:
        ValueError: where the text is not of that type.
    """
    if isinstance(default, tuple):
        parts = [p for p in value.strip("()[] ").split(",") if p.strip()]
        widest = next((t for t in (str, float, int) if any(type(d) is t for d in default)), str)
        return tuple(widest(p.strip()) for p in parts)
    if isinstance(default, bool):
        if value.lower() not in {"true", "false"}:
            raise ValueError(f"{value!r} is neither true nor false")
        return value.lower() == "true"
    if default is None:
        return ast.literal_eval(value)
    return type(default)(value)


class Printer:
    """A Listener that prints."""

    def shown(self, item: Evidence) -> None:
        print(as_text(item), flush=True)

    def checked(self, check: Check) -> None:
        print(f"  {'✓' if check.held else '✗'} {check.sentence()}", flush=True)

    def progressed(self, done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r  {done}/{total}", end="\r", file=sys.stderr, flush=True)


def verdict(outcome: Outcome) -> str:
    """One line (more where it raised) on how a claim ended."""
    if outcome.skipped:
        return f"  – skipped ({outcome.skipped})"
    if outcome.error:
        return f"  ! could not run:\n{outcome.error.rstrip()}"
    return f"  {'held' if outcome.held else 'does not hold'} in {outcome.seconds:.2f} s"


def as_text(item: Evidence) -> str:
    """Evidence as an aligned plain table."""
    if isinstance(item, Table):
        head, rows = item.columns, item.rows
    elif isinstance(item, Lines):
        head, rows = (item.x_label, *item.series), tuple(zip(item.x, *item.series.values(), strict=True))
    elif isinstance(item, Bars):
        head, rows = ("", *item.series), tuple(zip(item.labels, *item.series.values(), strict=True))
    else:
        assert isinstance(item, Heatmap)
        head = ("", *(item.x or tuple(str(i) for i in range(len(item.values[0]) if item.values else 0))))
        names = item.y or tuple(str(i) for i in range(len(item.values)))
        rows = tuple((n, *v) for n, v in zip(names, item.values, strict=True))
    grid = [tuple(map(str, head)), *(tuple(format_cell(c) for c in row) for row in thin(rows))]
    widths = [max(columns(row[i]) for row in grid) for i in range(len(head))]
    rows_of_text = ("  ".join(" " * (w - columns(c)) + c for c, w in zip(row, widths, strict=True)) for row in grid)
    body = "\n".join(f"  {row}".rstrip() for row in rows_of_text)
    return f"  {item.title}\n{body}" if item.title else body


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: a Chinese character takes two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def thin(rows: tuple[tuple[Any, ...], ...], most: int = 24) -> tuple[tuple[Any, ...], ...]:
    """At most about `most` rows, evenly taken, the last among them."""
    step = -(-len(rows) // most)
    return rows if step <= 1 else (*rows[:-1:step], rows[-1])
