"""What the app, the worker and a run say to each other, and what a run tells whoever started it.

Requests go to the worker and messages come from a run as JSON lines, each of a struct below; what is none of them is refused
(`read_message`). Events are what the app makes of messages, in the order they come; the last of every run is Ended.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec

from studyapp.evidence.exercises import Drill
from studyapp.evidence.types import KINDS, Check, Evidence, OutcomeState, exception_line, outcome_state
from studyapp.lab.demo import Demo

GONE_SECONDS = 3.0
"""How long the app waits for the end of a run that it killed."""

Reason = Literal["done", "cancelled", "timeout", "memory", "crash", "unavailable"]

# ---------------------------------------------------------------------- requests: the app to the worker


class StartRun(msgspec.Struct, frozen=True, tag="start", tag_field="request"):
    """Fork a run; two descriptors come with it, for messages and for output. `data_limit` in bytes, 0 for none.

    `trials` are claims to run once more with other parameters, `drills` names and seeds, `replace` the sources of functions
    that stand in the place of the demo's own.
    """

    run: int
    path: str
    claims: tuple[str, ...] | None
    parameters: dict[str, Any]
    seed: int = 0
    data_limit: int = 0
    trials: tuple[tuple[str, dict[str, Any]], ...] = ()
    drills: tuple[tuple[str, int], ...] = ()
    replace: dict[str, str] = {}


class KillRun(msgspec.Struct, frozen=True, tag="kill", tag_field="request"):
    """End a run, if it still goes on."""

    run: int


Request = StartRun | KillRun
read_request: Callable[[bytes], Request] = msgspec.json.Decoder(Request).decode


class WorkerStarted(msgspec.Struct, frozen=True):
    """The worker's one word: it is ready, or `why` it is not."""

    ready: bool
    torch: str = ""
    why: str = ""


# ---------------------------------------------------------------------- messages: a run to the app


class Message(msgspec.Struct, frozen=True, tag_field="event"):
    """One line of a run."""


class HelloMessage(Message, frozen=True, tag="hello"):
    """The first: which process it is."""

    pid: int
    torch: str


class MachineMessage(Message, frozen=True, tag="machine"):
    """The card that its claims run on."""

    machine: str


class StartedMessage(Message, frozen=True, tag="started"):
    """A claim begins."""

    claim: str


class ProgressMessage(Message, frozen=True, tag="progress"):
    """A claim's loop moved."""

    claim: str
    done: int
    total: int


class ShownMessage(Message, frozen=True, tag="shown"):
    """Evidence, as `evidence.types.to_json` writes it."""

    claim: str
    item: dict[str, Any]


class CheckedMessage(Message, frozen=True, tag="checked"):
    """A check, as `evidence.types.to_json` writes it."""

    claim: str
    check: dict[str, Any]


class SkippedMessage(Message, frozen=True, tag="skipped"):
    """A claim was not run for want of `why`."""

    claim: str
    why: str


class FinishedMessage(Message, frozen=True, tag="finished"):
    """A claim ended."""

    claim: str
    held: bool
    seconds: float
    error: str = ""


class TryingMessage(Message, frozen=True, tag="trying"):
    """A claim begins once more, with other parameters."""

    claim: str


class TriedMessage(Message, frozen=True, tag="tried"):
    """It ended; `check` is the first that broke, as `evidence.types.to_json` writes it."""

    claim: str
    number: int
    held: bool
    error: str = ""
    skipped: str = ""
    check: dict[str, Any] | None = None


class DrilledMessage(Message, frozen=True, tag="drilled"):
    """A drill made its question; `drill` holds the fields of `evidence.exercises.Drill`."""

    name: str
    seed: int
    drill: dict[str, Any]


class ErrorMessage(Message, frozen=True, tag="error"):
    """The run cannot go on: a traceback."""

    message: str


class DoneMessage(Message, frozen=True, tag="done"):
    """Every claim was run."""


class ExitMessage(Message, frozen=True, tag="exit"):
    """Written by the worker once nothing of the run is left: its exit code, negative for a signal."""

    code: int


AnyMessage = (
    HelloMessage | MachineMessage | StartedMessage | ProgressMessage | ShownMessage | CheckedMessage
    | SkippedMessage | FinishedMessage | TryingMessage | TriedMessage | DrilledMessage | ErrorMessage | DoneMessage | ExitMessage
)  # fmt: skip
_decoder = msgspec.json.Decoder(AnyMessage)


class MalformedMessageError(ValueError):
    """A line that is JSON and none of the messages above."""


def read_message(line: bytes) -> AnyMessage | None:
    """The message of a line; None for half a line, which a kill leaves.

    Raises:
        MalformedMessageError: where it is JSON and no message.
    """
    try:
        message: AnyMessage = _decoder.decode(line)
        return message
    except msgspec.ValidationError as error:
        raise MalformedMessageError(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_evidence(data: Mapping[str, Any]) -> Evidence:
    """The evidence in a ShownMessage.

    Raises:
        MalformedMessageError: where it is none, or its columns differ in length.
    """
    kind = KINDS.get(str(data.get("kind")))
    if kind is None:
        raise MalformedMessageError(f"evidence of the kind {data.get('kind')!r}")
    item: Any = _convert(data, kind)
    columns = {"table": "rows", "heatmap": "values"}
    if data["kind"] in columns:
        lengths = {len(row) for row in getattr(item, columns[data["kind"]])}
        lengths |= {len(item.columns)} if data["kind"] == "table" else set()
    else:
        lengths = {len(item.x if data["kind"] == "lines" else item.labels), *map(len, item.series.values())}
    if len(lengths) > 1:
        raise MalformedMessageError(f"{data['kind']} whose parts differ in length")
    made: Evidence = item
    return made


def read_check(data: Mapping[str, Any]) -> Check:
    """The check in a CheckedMessage.

    Raises:
        MalformedMessageError: where it is none.
    """
    check: Check = _convert(data, Check)
    if check.relation not in ("equals", "at_least", "at_most"):
        raise MalformedMessageError(f"a check with the relation {check.relation!r}")
    return check


def read_drill(data: Mapping[str, Any]) -> Drill:
    """The question in a DrilledMessage.

    Raises:
        MalformedMessageError: where it is none.
    """
    try:
        return Drill(**data)
    except (TypeError, ValueError) as error:
        raise MalformedMessageError(str(error)) from error


def _convert(data: Mapping[str, Any], kind: type[Any]) -> Any:
    try:
        return msgspec.convert({k: v for k, v in data.items() if k != "kind"}, kind)
    except msgspec.ValidationError as error:
        raise MalformedMessageError(str(error)) from error


# ---------------------------------------------------------------------- events: what the app hears of a run


@dataclass(frozen=True)
class Started:
    """A claim begins."""

    claim: str


@dataclass(frozen=True)
class Progress:
    """A claim's loop moved; `total` is 0 where unknown."""

    claim: str
    done: int
    total: int


@dataclass(frozen=True)
class Shown:
    """A claim showed evidence."""

    claim: str
    item: Evidence


@dataclass(frozen=True)
class Checked:
    """A claim judged one expectation."""

    claim: str
    check: Check


@dataclass(frozen=True)
class Finished:
    """A claim ended; `error` is a traceback where it raised."""

    claim: str
    held: bool
    seconds: float
    error: str | None = None

    @property
    def state(self) -> OutcomeState:
        """Held, broken, or crashed: it could not be run to its end."""
        return outcome_state(self.held, self.error)


@dataclass(frozen=True)
class Skipped:
    """A claim was not run because the machine lacks `why`."""

    claim: str
    why: str


@dataclass(frozen=True)
class Tried:
    """A claim was run once more, with other parameters: `number` is the place of the trial in those asked for.

    `check` is the first that broke, where one did.
    """

    claim: str
    number: int
    state: OutcomeState
    error: str | None = None
    check: Check | None = None


@dataclass(frozen=True)
class Drilled:
    """A drill made its question."""

    name: str
    seed: int
    drill: Drill


@dataclass(frozen=True)
class Output:
    """The tail of what the demo printed."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The run is over and no process of it is left. `ok`: every claim that ran held, and nothing stopped the run.

    `machine` is "cpu" or the card's slug; `torch` the version that ran. `claim` ran when the run was stopped, `limit` is
    what it exceeded: «30 s», «2 GiB».
    """

    ok: bool
    reason: Reason
    message: str = ""
    machine: str = "cpu"
    torch: str = ""
    claim: str = ""
    limit: str = ""

    def why(self, words: Callable[..., str]) -> str:
        """How it ended, in one sentence."""
        message = exception_line(self.message)
        return words(f"lab.{self.reason}", message=message, claim=self.claim or words("lab.demo"), limit=self.limit)


RunEvent = Started | Progress | Shown | Checked | Finished | Skipped | Tried | Drilled | Output | Ended

# ---------------------------------------------------------------------- who plays which part


class Worker(Protocol):
    """What a run needs of the worker that it runs in."""

    @property
    def torch(self) -> str: ...
    @property
    def why(self) -> str: ...
    async def start(self) -> bool: ...
    def send(self, request: Request, descriptors: Collection[int] = ()) -> None: ...
    def next_run(self) -> int: ...
    def kill(self) -> None: ...


class RunStream(Protocol):
    """The events of one run; closing it ends the run."""

    def __aiter__(self) -> AsyncIterator[RunEvent]: ...
    def __anext__(self) -> Awaitable[RunEvent]: ...
    def aclose(self) -> Awaitable[None]: ...


class LabLike(Protocol):
    """What the interface needs of the lab; the client is one, and so is the double in the tests."""

    @property
    def ready(self) -> bool: ...
    @property
    def why(self) -> str: ...
    async def start(self) -> bool: ...
    async def close(self) -> None: ...
    def kill(self) -> None: ...
    def run(
        self,
        demo: Demo,
        claims: Collection[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        replace: Mapping[str, str] | None = None,
        drills: Sequence[tuple[str, int]] = (),
    ) -> RunStream: ...
