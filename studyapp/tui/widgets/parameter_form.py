"""The parameters of a demo as a small form."""

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from studyapp.lab.demo import Demo


def written(value: Any) -> str:
    """A value as the learner would type it: tuples as `8,32`."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


class ParameterForm(Vertical):
    """Name and value a line; only what was turned is handed on."""

    DEFAULT_CSS = """
    ParameterForm { height: auto; }
    ParameterForm Horizontal { height: 1; }
    ParameterForm Static { width: 20; }
    ParameterForm Input { width: 1fr; }
    """

    def __init__(self, demo: Demo, given: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.demo, self.given = demo, dict(given or {})

    def compose(self) -> ComposeResult:
        """One line a parameter."""
        for name in self.demo.parameters:
            defaults = [written(d) for d in self.demo.defaults(name)]
            value = written(self.given[name]) if name in self.given else self._untouched(name)
            with Horizontal():
                yield Static(name, markup=False)
                hint = " · ".join(defaults)
                yield Input(value, placeholder=hint, name=name, compact=True, select_on_focus=False)

    def _untouched(self, name: str) -> str:
        """The default as text; nothing where claims have defaults of their own, each of which then holds."""
        defaults = self.demo.defaults(name)
        return written(defaults[0]) if len(defaults) == 1 else ""

    def values(self) -> dict[str, Any]:
        """The values that differ from their defaults.

        Raises:
            DemoError: where one cannot be read.
        """
        typed = {i.name: i.value.strip() for i in self.query(Input) if i.name}
        settled = self.demo.settle({k: v for k, v in typed.items() if v != self._untouched(k)})
        return {k: v for k, v in settled.items() if self.demo.defaults(k) != (v,)}

    def reset(self) -> None:
        """Back to the defaults."""
        for field in self.query(Input):
            field.value = self._untouched(field.name or "")
