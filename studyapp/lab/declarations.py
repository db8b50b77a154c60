"""What a demo declares beside its claims, read from its source: ranges, wrong ways, Chinese labels, drills, exercises."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studyapp.bank.model import Finding, Text
from studyapp.errors import did_you_mean
from studyapp.evidence.claims import PREFIX
from studyapp.evidence.exercises import PREFIX as DRILL_PREFIX
from studyapp.evidence.labels import check_placeholders
from studyapp.evidence.ranges import MAKERS, Range
from studyapp.lab.demo import Break, Claim, DrillSource, Exercise, Guess, like

CHINESE = re.compile(r"[\u3400-\u9fff]")
BLANK_LINE = re.compile(r"\n\s*\n")
JOINED = re.compile(r"(?<=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])\s+(?=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])")



@dataclass
class Reader:
    """A demo's tree and where its findings go."""

    path: Path
    tree: ast.Module
    lines: list[str]
    findings: list[Finding]
    _shared: dict[str, ast.Call] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, _ in self._assigned():
            if isinstance(value, ast.Call) and called(value) == "breaks":
                self._shared[name] = value

    def find(self, node: ast.AST | None, key: str, problem: str, hint: str = "") -> None:
        """Note a finding on a node's line."""
        self.findings.append(Finding(self.path, getattr(node, "lineno", 1), key, problem, hint))

    def texts(self, node: ast.Module | ast.FunctionDef, what: str) -> tuple[Text, str]:
        """The English and the Chinese of a docstring, and what it says after them."""
        key = getattr(node, "name", "")
        parts = [p for p in BLANK_LINE.split(inspect.cleandoc(ast.get_docstring(node) or "")) if p.strip()]
        if not parts:
            self.find(node, key, f"{what} has no docstring", "say it in English, a blank line, then Chinese")
            return Text("", ""), ""
        en = " ".join(parts[0].split())
        if len(parts) < 2 or not CHINESE.search(parts[1]):
            self.find(node, key, f"{what} is not said in Chinese", "put it after the English, past a blank line")
            return Text(en, en), "\n\n".join(parts[1:])
        return Text(en, JOINED.sub("", " ".join(parts[1].split()))), "\n\n".join(parts[2:])

    def functions(self, prefix: str = "") -> Iterator[ast.FunctionDef]:
        """The functions of the file whose names begin with `prefix`."""
        return (n for n in self.tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith(prefix))

    def zh(self) -> dict[str, str]:
        """The table `ZH`: English labels to Chinese."""
        for name, value, node in self._assigned():
            if name != "ZH":
                continue
            try:
                table = ast.literal_eval(value)
            except ValueError:
                table = None
            if not isinstance(table, dict) or not all(isinstance(s, str) for pair in table.items() for s in pair):
                self.find(node, "ZH", "is not a table of texts", 'write {"English": "Chinese", …} with plain strings')
                return {}
            for key in check_placeholders(table):
                self.find(node, f"ZH[{key}]", "has another number of {} in Chinese", "each {} of the English has its place")
            return table
        return {}

    def ranges(self) -> dict[str, Range]:
        """The table `RANGES`: what each parameter may be."""
        found: dict[str, Range] = {}
        for name, value, node in self._assigned():
            if name != "RANGES":
                continue
            if not isinstance(value, ast.Dict):
                self.find(node, "RANGES", "is not a table", 'write {"width": between(1, 4096), …}')
                continue
            for key, entry in zip(value.keys, value.values, strict=True):
                parameter = str(key.value) if isinstance(key, ast.Constant) else ""
                try:
                    made = built(entry)
                    if not parameter or not isinstance(made, Range):
                        raise ValueError("it is no range")
                    found[parameter] = made
                except (ValueError, TypeError) as error:
                    hint = f"write it with {', '.join(MAKERS)} and plain values"
                    self.find(entry, f"RANGES[{parameter}]", f"cannot be read: {error}", hint)
        return found

    def breaks(self, node: ast.FunctionDef, parameters: Mapping[str, Any]) -> tuple[Break, ...]:
        """The wrong ways of a claim, from the top down."""
        found = []
        for decorator in node.decorator_list:
            call = self._shared.get(decorator.id) if isinstance(decorator, ast.Name) else decorator
            if isinstance(call, ast.Call) and called(call) == "breaks":
                found.append(self._break(call, node, parameters))
        return tuple(b for b in found if b)

    def _break(self, call: ast.Call, node: ast.FunctionDef, parameters: Mapping[str, Any]) -> Break | None:
        try:
            if call.args or any(k.arg is None for k in call.keywords):
                raise ValueError
            given = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        except ValueError:
            self.find(call, node.name, "has a @breaks that cannot be read", 'write @breaks(name=value, en="…", zh="…")')
            return None
        said = Text(str(given.pop("en", "")), str(given.pop("zh", "")))
        if not given or not said.en or not CHINESE.search(said.zh):
            hint = "say in en and zh what happens then, and name a parameter"
            self.find(call, node.name, "has a @breaks that says too little", hint)
        for name, value in list(given.items()):
            key = f"{node.name}({name})"
            if name not in parameters:
                hint = did_you_mean(name, parameters) or f"it has {', '.join(parameters) or 'none'}"
                self.find(call, key, "is no parameter of the claim that it breaks", hint)
                return None
            try:
                given[name] = like(value, parameters[name])
            except TypeError:
                self.find(call, key, f"breaks at {value!r}, of another type than the default", "one type for one name")
                return None
        if all(given[n] == parameters[n] for n in given):
            self.find(call, node.name, "is said to break with its defaults", "name the wrong value")
        return Break(given, said)

    def guess(self, node: ast.FunctionDef) -> Guess | None:
        """The number of a claim that is worth guessing."""
        for call in node.decorator_list:
            if not isinstance(call, ast.Call) or called(call) != "guess":
                continue
            try:
                (check,) = map(ast.literal_eval, call.args)
                given = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
                if not set(given) <= {"en", "zh", "unit"} or not all(isinstance(s, str) for s in (check, *given.values())):
                    raise ValueError
                if not check or not given["en"] or not CHINESE.search(given["zh"]):
                    raise ValueError
            except (ValueError, KeyError):
                self.find(call, node.name, "has a @guess that cannot be read", 'write @guess("check", en="…?", zh="…？")')
                return None
            return Guess(Text(given["en"], given["zh"]), check, given.get("unit", ""))
        return None

    def drills(self, claims: Mapping[str, Claim]) -> tuple[DrillSource, ...]:
        """The drills, in the order of the file."""
        found = []
        for node in self.functions(DRILL_PREFIX):
            proofs = [
                k.value.value
                for call in ast.walk(node)
                if isinstance(call, ast.Call) and called(call) == "Drill"
                for k in call.keywords
                if k.arg == "proved_by" and isinstance(k.value, ast.Constant)
            ]
            for proof in proofs:
                self._known_claim(node, str(proof), claims)
            if not proofs:
                self.find(node, node.name, "names no claim that proves it", 'write proved_by="…" in its Drill')
            if len(node.args.args) != 1 or node.args.defaults:
                self.find(node, node.name, "does not take one argument", f"write def {node.name}(rng) -> Drill:")
            name = node.name.removeprefix(DRILL_PREFIX)
            found.append(DrillSource(name, node.lineno, str(proofs[0]) if proofs else ""))
        return tuple(found)

    def exercises(self, claims: Mapping[str, Claim]) -> tuple[Exercise, ...]:
        """The functions that a learner may write, in the order of the file."""
        found = []
        for node in self.functions():
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and called(decorator) == "exercise":
                    made = self._exercise(node, decorator, claims)
                    found += [made] if made else []
        return tuple(found)

    def _exercise(self, node: ast.FunctionDef, call: ast.Call, claims: Mapping[str, Claim]) -> Exercise | None:
        try:
            given = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
            judges, wrong = tuple(map(str, given["claims"])), tuple(map(str, given.get("wrong", ())))
        except (ValueError, KeyError, TypeError):
            hint = 'write @exercise(claims=("…",), wrong=("…",))'
            self.find(call, node.name, "has an @exercise that cannot be read", hint)
            return None
        for claim in judges:
            self._known_claim(node, claim, claims)
        if not judges or not wrong:
            missing = "claim that judges it" if not judges else "plausible wrong body"
            self.find(call, node.name, f"names no {missing}", 'write @exercise(claims=("…",), wrong=("…",))')
        sentence, _ = self.texts(node, "the exercise")
        if len(node.body) < 2 or node.body[1].lineno <= (node.body[0].end_lineno or 0):
            self.find(node, node.name, "has no body to hide", "write the body on lines of its own, below the docstring")
            return None
        first, last = node.body[0].end_lineno or 0, node.end_lineno or 0
        head, body = self.lines[node.lineno - 1 : first], self.lines[first:last]
        return Exercise(node.name, sentence, judges, wrong, "\n".join(head), "\n".join(body).strip("\n"), node.lineno)

    def _known_claim(self, node: ast.AST, name: str, claims: Mapping[str, Claim]) -> None:
        if name.removeprefix(PREFIX) not in claims or name.startswith(PREFIX):
            hint = did_you_mean(name.removeprefix(PREFIX), claims) or f"there are {', '.join(claims)}"
            self.find(node, getattr(node, "name", ""), f"names {name!r}, which is no claim of this file", hint)

    def _assigned(self) -> Iterator[tuple[str, ast.expr, ast.AST]]:
        for node in self.tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name) and node.value:
                yield target.id, node.value, node


def called(node: ast.expr) -> str:
    """The last name of what a call calls, or of a decorator."""
    function = node.func if isinstance(node, ast.Call) else node
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def built(node: ast.expr) -> Any:
    """The value of a range written in source; raises ValueError or TypeError for anything else."""
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    make: Callable[..., Range] | None = MAKERS.get(called(node))
    if make is None:
        raise ValueError(f"{called(node) or 'this'} makes no range")
    if any(k.arg is None for k in node.keywords):
        raise ValueError("write the arguments out")
    return make(*map(built, node.args), **{str(k.arg): built(k.value) for k in node.keywords})
