"""One run of a demo, in the process that the worker forked for it: the claims, one after the other, say what they show."""

import __future__

import ast
import json
import linecache
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from studyapp.evidence.types import Check, Evidence, to_json
from studyapp.lab.protocol import (
    CheckedMessage,
    DoneMessage,
    DrilledMessage,
    ErrorMessage,
    FinishedMessage,
    HelloMessage,
    MachineMessage,
    Message,
    ProgressMessage,
    ShownMessage,
    SkippedMessage,
    StartedMessage,
    StartRun,
    TriedMessage,
    TryingMessage,
)
from studyapp.lab.trials import replaced

EVIDENCE_BYTES = 4 << 20


class ClaimProcess:
    """One run: the demo's claims one after the other, and a Listener that writes what they say."""

    def __init__(self, messages: int, request: StartRun, threads: int, version: str) -> None:
        self.messages, self.request, self.threads, self.version = messages, request, threads, version
        self.leader, self.claim, self.room, self.full = os.getpid(), "", EVIDENCE_BYTES, False

    def say(self, message: Message) -> None:
        """Write one message; a rank that was forked from here stays silent."""
        if os.getpid() == self.leader:
            self.write(written(message))

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.messages, data) :]

    def shown(self, item: Evidence) -> None:
        """Send evidence while there is room for it."""
        if self.full or os.getpid() != self.leader:
            return
        line = written(ShownMessage(self.claim, to_json(item)))
        self.room -= len(line)
        if self.room < 0:
            self.full = True
            print(f"studyapp: evidence beyond {EVIDENCE_BYTES >> 20} MiB is left out", file=sys.stderr)
        else:
            self.write(line)

    def checked(self, check: Check) -> None:
        self.say(CheckedMessage(self.claim, to_json(check)))

    def progressed(self, done: int, total: int) -> None:
        self.say(ProgressMessage(self.claim, done, total))

    def run(self) -> int:
        """Run the claims asked for; 0 where the demo could be run at all."""
        self.say(HelloMessage(self.leader, self.version))
        sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        import torch

        from studyapp.evidence.claims import find_claims, run_claim

        torch.set_num_threads(1)
        try:
            module = load(Path(self.request.path), self.request.replace)
            for name, seed in self.request.drills:
                self.drill(module, name, seed)
        except BaseException as error:
            self.fail(error)
            return 1
        claims = find_claims(module)
        given = {k: frozen(v) for k, v in self.request.parameters.items()}
        wanted = [c for c in claims if self.request.claims is None or c in self.request.claims]
        if any("cuda" in getattr(claims[c], "needs", ()) for c in wanted) and torch.cuda.is_available():
            self.say(MachineMessage(slug(torch.cuda.get_device_name())))
        for name in wanted:
            self.claim = name
            if getattr(claims[name], "timed", False):
                torch.set_num_threads(self.threads)
            self.say(StartedMessage(name))
            try:
                outcome = run_claim(name, claims[name], given, seed=self.request.seed, listener=self)
            except BaseException as error:
                self.fail(error)
                return 1
            if outcome.skipped:
                self.say(SkippedMessage(name, outcome.skipped))
            else:
                self.say(FinishedMessage(name, outcome.held, outcome.seconds, outcome.error))
        for number, (name, parameters) in enumerate(self.request.trials):
            if getattr(claims[name], "timed", False):
                torch.set_num_threads(self.threads)
            self.say(TryingMessage(name))
            try:
                outcome = run_claim(name, claims[name], {k: frozen(v) for k, v in parameters.items()}, seed=self.request.seed)
            except BaseException as error:
                self.fail(error)
                return 1
            broken = next((to_json(c) for c in outcome.checks if not c.held), None)
            self.say(TriedMessage(name, number, outcome.held, outcome.error, outcome.skipped, broken))
        self.say(DoneMessage())
        return 0

    def drill(self, module: ModuleType, name: str, seed: int) -> None:
        """Make the question of a drill."""
        from studyapp.evidence.exercises import draw_drill, find_drills

        self.say(DrilledMessage(name, seed, vars(draw_drill(find_drills(module)[name], seed))))

    def fail(self, error: BaseException) -> None:
        """Say why the demo could not go on."""
        import traceback

        self.say(ErrorMessage("".join(traceback.format_exception(error, limit=-4))))


def written(message: Message) -> bytes:
    """A message as its line; lone surrogates, which UTF-8 has no place for, become question marks."""
    return json.dumps(msgspec.to_builtins(message), ensure_ascii=False).encode(errors="replace") + b"\n"


def slug(name: str) -> str:
    """«NVIDIA H200» as a folder's name: nvidia-h200."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def load(path: Path, replace: Mapping[str, str] | None = None) -> ModuleType:
    """The module in a file, known to sys.modules, without which dataclasses with future annotations break.

    With `replace`, functions of these names have that source instead, as if it stood in the file.
    """
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"demo_{path.parent.name}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.dont_write_bytecode = True
    if replace:
        execute(path, replace, module.__dict__)
    else:
        spec.loader.exec_module(module)
    return module


def execute(path: Path, replace: Mapping[str, str], namespace: dict[str, Any]) -> None:
    """Run a file's statements, the functions of these names with their other source.

    Each of these is a file of its own, so that a traceback shows its lines and what reads the source of a function, as Triton
    does, finds it; all others still stand in the demo's file.
    """
    tree = ast.parse(path.read_text("utf-8"), str(path))
    future = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    flags = sum({getattr(__future__, alias.name).compiler_flag for node in future for alias in node.names})
    for name, statements in replaced(tree, replace):
        file = f"<{path.stem}.{name} as written>" if name else str(path)
        if name:
            linecache.cache[file] = (len(replace[name]), None, replace[name].splitlines(keepends=True), file)
        exec(compile(ast.Module(statements, []), file, "exec", flags, dont_inherit=True), namespace)


def frozen(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value
