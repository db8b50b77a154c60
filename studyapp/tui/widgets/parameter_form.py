"""The parameters of a demo as a small form: a field each, what it may be, and under it why it cannot be what was typed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textual.app import ComposeResult
from textual.widgets import Input

from studyapp.context import AppContext
from studyapp.errors import DemoError
from studyapp.evidence.ranges import effective, refusal
from studyapp.lab.demo import Demo
from studyapp.tui.widgets.layout import Horizontal, Static, Vertical


def written(value: Any) -> str:
    """A value as the learner would type it: tuples as `8,32`."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


class ParameterField(Vertical):
    """Name, field and what it may be in a line; the problem under it while there is one."""

    DEFAULT_CSS = """
    ParameterField { height: auto; }
    ParameterField Horizontal { height: auto; }
    ParameterField .name { width: 18; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ParameterField Input { width: 24; }
    ParameterField .may { width: 1fr; height: auto; padding-left: 2; color: $text-muted; }
    ParameterField .problem { color: $error; height: auto; padding-left: 18; display: none; }
    ParameterField.-bad .problem { display: block; }
    """

    def __init__(self, name: str, value: str, untouched: str, defaults: str, may_be: str) -> None:
        super().__init__()
        self.parameter, self.untouched = name, untouched
        self.input = Input(value, placeholder=defaults, name=name, compact=True, select_on_focus=True)
        self.may_be = may_be

    def compose(self) -> ComposeResult:
        """A line, and a place for the problem."""
        with Horizontal():
            yield Static(self.parameter, classes="name", markup=False)
            yield self.input
            yield Static(self.may_be, classes="may", markup=False)
        yield Static(classes="problem", markup=False)

    def refuse(self, problem: str) -> None:
        """Say what is wrong with the value; nothing where it is right."""
        self.set_class(bool(problem), "-bad")
        self.query_one(".problem", Static).update(problem)


class ParameterForm(Vertical):
    """The fields of one demo; hidden until it is opened. Only what was turned is handed on."""

    DEFAULT_CSS = """
    ParameterForm { height: auto; display: none; margin-bottom: 1; border-left: outer $accent; padding-left: 1; }
    ParameterForm > Static { height: auto; color: $text-muted; }
    """

    def __init__(self, context: AppContext) -> None:
        super().__init__()
        self.context = context
        self.demo: Demo | None = None
        self.language = ""

    def compose(self) -> ComposeResult:
        """Whose parameters, then a field each."""
        t, demo = self.context.t, self.demo
        if demo is None:
            return
        given = self.context.history.turned.get(demo.name, {})
        yield Static(f"{demo.name} · {t('lab.parameters_hint')}", markup=False)
        for name in demo.parameters:
            untouched = _untouched(demo, name)
            value = written(given[name]) if name in given else untouched
            yield ParameterField(name, value, untouched, _defaults(demo, name), " · ".join(self._may_be(demo, name)))

    def _may_be(self, demo: Demo, name: str) -> Iterator[str]:
        """What the learner has to know of a parameter: its range, and which claims have which default."""
        if name in demo.ranges:
            yield demo.ranges[name].text(self.context.t, demo.parameters)
        if len(demo.defaults(name)) > 1:
            for default in demo.defaults(name):
                whose = [c.name for c in demo.claims if name in c.parameters and c.parameters[name] == default]
                yield self.context.t("lab.default_of", value=written(default), claims=", ".join(whose))

    async def open(self, demo: Demo) -> None:
        """Show the fields of a demo, in the language of now."""
        if demo is not self.demo:
            self.demo, self.language = demo, self.context.language
            await self.recompose()
        else:
            await self.translate()
        self.display = True

    async def translate(self) -> None:
        """Say in the language of now what each field may be; what was typed stays."""
        if self.demo is None or self.language == self.context.language:
            return
        self.language = self.context.language
        typed, focused = {field.parameter: field.input.value for field in self.fields}, self.screen.focused
        here = focused.name if isinstance(focused, Input) else None
        await self.recompose()
        for field in self.fields:
            field.input.value = typed[field.parameter]
            if field.parameter == here:
                field.input.focus()

    def close(self) -> None:
        """Hide it; what was typed stays until another demo's are shown."""
        self.display = False

    @property
    def fields(self) -> list[ParameterField]:
        """The fields, in order."""
        return list(self.query(ParameterField))

    def enter(self) -> None:
        """The keyboard to the first field."""
        if fields := self.fields:
            fields[0].input.focus()

    def values(self, claims: Sequence[str]) -> Mapping[str, Any] | None:
        """The values that differ from their defaults, for a run of these claims.

        None where one of them cannot be; the reason then stands under its field.
        """
        demo, turned = self.demo, dict[str, Any]()
        problems: dict[str, str] = {}
        for field in self.fields if demo else []:
            typed = field.input.value.strip()
            if demo is None or typed == field.untouched:
                continue
            try:
                turned |= demo.settle({field.parameter: typed}, claims=())
            except DemoError as error:
                problems[field.parameter] = "; ".join(self.context.t.message(text) for text in (error.message, error.hint) if text)
        if demo is not None and not problems:
            turned = {name: value for name, value in turned.items() if demo.defaults(name) != (value,)}
            problems = self._out_of_range(demo, turned, claims)
        for field in self.fields:
            field.refuse(problems.get(field.parameter, ""))
        return None if problems else turned

    def _out_of_range(self, demo: Demo, turned: Mapping[str, Any], claims: Sequence[str]) -> dict[str, str]:
        """By parameter, why it cannot be beside the others; only what was turned can be at fault."""
        problems: dict[str, str] = {}
        for name in claims:
            values = effective(demo.claim(name).parameters, turned)
            if values == demo.claim(name).parameters:
                continue
            for parameter, one in demo.ranges.items():
                if problem := refusal({parameter: one}, values, self.context.t):
                    at_fault = parameter if parameter in turned else next((r for r in one.references() if r in turned), parameter)
                    problems.setdefault(at_fault, problem)
        return problems

    def reset(self) -> None:
        """Back to the defaults."""
        for field in self.fields:
            field.input.value = field.untouched
            field.refuse("")


def _untouched(demo: Demo, name: str) -> str:
    """The default as text; nothing where claims have defaults of their own, each of which then holds."""
    defaults = demo.defaults(name)
    return written(defaults[0]) if len(defaults) == 1 else ""


def _defaults(demo: Demo, name: str) -> str:
    return " · ".join(map(written, demo.defaults(name)))
