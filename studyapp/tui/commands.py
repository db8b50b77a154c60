"""The one table of commands: keys, footer, palette, help and the README's key table are made from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from textual.binding import Binding, BindingType

QUOTE = "'"
KEY_SIGNS = {
    "question_mark": "?",
    "slash": "/",
    "up": "↑",
    "down": "↓",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "plus": "+",
    "minus": "-",
    "asterisk": "*",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}


@dataclass(frozen=True)
class Command:
    """A wish of the learner: `scope` is where it holds ("app" is everywhere), `keys` are Textual's names, first one shown.

    `when` names the phases in which the footer shows it; empty is always, "-" is never.
    """

    scope: str
    action: str
    keys: str
    when: str = ""

    @property
    def id(self) -> str:
        """What settings.toml calls it: «study.undo»."""
        return f"{self.scope}.{self.action.replace('(', '_').rstrip(')').replace(QUOTE, '')}"

    @property
    def text_key(self) -> str:
        """The key of its name in i18n: «keys.study_undo»."""
        return f"keys.{self.id.replace('.', '_', 1)}"

    @property
    def about_key(self) -> str:
        """The key of what it does, in a line: «about.study_undo»."""
        return f"about.{self.id.replace('.', '_', 1)}"

    @property
    def label(self) -> str:
        """Its first key as a person writes it."""
        return sign(self.keys.partition(",")[0])

    @property
    def target(self) -> str:
        """The action in the namespace that runs it."""
        return f"{'app' if self.scope == 'app' else 'screen'}.{self.action}"


def sign(key: str) -> str:
    """A Textual key name as a person writes it."""
    return KEY_SIGNS.get(key, key)


COMMANDS = (
    Command("home", "study", "enter"),
    Command("home", "study_all", "a"),
    Command("home", "practice", "p"),
    Command("home", "quiz", "z"),
    Command("home", "plan", "n"),
    Command("home", "interview", "i"),
    Command("home", "interview_plan", "d"),
    Command("home", "browse", "b"),
    Command("home", "search", "slash"),
    Command("home", "lab", "l"),
    Command("home", "models", "m"),
    Command("home", "stats", "s"),
    Command("study", "reveal", "space,enter", "ask brief told code stuck"),
    Command("study", "outline", "o", "ask"),
    Command("study", "move(-1)", "up", "-"),
    Command("study", "move(1)", "down", "brief full"),
    Command("study", "hint", "f6", "type"),
    Command("study", "tick", "x", "brief full"),
    Command("study", "pane", "tab", "brief full told"),
    Command("study", "step(1)", "n", "evidence"),
    Command("study", "step(-1)", "N", "-"),
    Command("study", "scroll(-1)", "k", "-"),
    Command("study", "scroll(1)", "j", "full told evidence"),
    Command("study", "page(-1)", "pageup", "-"),
    Command("study", "page(1)", "pagedown", "-"),
    Command("study", "rate(1)", "1", "choose"),
    Command("study", "rate(2)", "2", "-"),
    Command("study", "rate(3)", "3", "-"),
    Command("study", "rate(4)", "4", "-"),
    Command("study", "guess", "g", "guess"),
    Command("study", "checks", "v", "evidence"),
    Command("study", "run_demo", "r", "brief full told"),
    Command("study", "try", "t", "breaks"),
    Command("study", "parameters", "p", "evidence"),
    Command("study", "reset", "d", "-"),
    Command("study", "code", "c", "evidence"),
    Command("study", "copy", "y", "-"),
    Command("study", "edit", "e", "-"),
    Command("study", "edit_demo", "E", "-"),
    Command("study", "star", "asterisk", "-"),
    Command("study", "note", "w", "full"),
    Command("study", "write", "f,F", "write code"),
    Command("study", "tex", "m", "-"),
    Command("study", "undo", "u", "undo"),
    Command("study", "redo", "ctrl+r", "done"),
    Command("study", "suspend", "s", "ask code stuck"),
    Command("study", "bury", "b", "ask code stuck"),
    Command("study", "practice", "a", "-"),
    Command("study", "leave", "escape,q"),
    Command("quiz", "choose(0)", "1", "choose"),
    Command("quiz", "choose(1)", "2", "-"),
    Command("quiz", "choose(2)", "3", "-"),
    Command("quiz", "choose(3)", "4", "-"),
    Command("quiz", "hint", "f6", "type"),
    Command("quiz", "go", "space,enter", "told"),
    Command("quiz", "pane", "tab", "told"),
    Command("quiz", "step(1)", "n", "evidence"),
    Command("quiz", "step(-1)", "N", "-"),
    Command("quiz", "scroll(-1)", "k", "-"),
    Command("quiz", "scroll(1)", "j", "told"),
    Command("quiz", "page(-1)", "pageup", "-"),
    Command("quiz", "page(1)", "pagedown", "-"),
    Command("quiz", "checks", "v", "evidence"),
    Command("quiz", "run_demo", "r", "told"),
    Command("quiz", "try", "t", "breaks"),
    Command("quiz", "parameters", "p", "evidence"),
    Command("quiz", "reset", "d", "-"),
    Command("quiz", "code", "c", "evidence"),
    Command("quiz", "copy", "y", "-"),
    Command("quiz", "leave", "escape,q"),
    Command("lab", "pane", "tab"),
    Command("lab", "run_demo", "r"),
    Command("lab", "try", "t", "breaks"),
    Command("lab", "parameters", "p"),
    Command("lab", "reset", "d"),
    Command("lab", "guess", "g", "guess"),
    Command("lab", "step(1)", "n"),
    Command("lab", "step(-1)", "N", "-"),
    Command("lab", "scroll(-1)", "k", "-"),
    Command("lab", "scroll(1)", "j"),
    Command("lab", "page(-1)", "pageup", "-"),
    Command("lab", "page(1)", "pagedown", "-"),
    Command("lab", "checks", "v"),
    Command("lab", "code", "c"),
    Command("lab", "write", "f,F", "write"),
    Command("lab", "copy", "y", "-"),
    Command("lab", "edit_demo", "E", "-"),
    Command("lab", "leave", "escape,q"),
    Command("browse", "search", "slash"),
    Command("browse", "topic", "t"),
    Command("browse", "level", "v"),
    Command("browse", "marked", "f"),
    Command("browse", "clear", "c", "filtered"),
    Command("browse", "study_one", "enter"),
    Command("browse", "study", "a"),
    Command("browse", "star", "asterisk"),
    Command("browse", "note", "w", "-"),
    Command("browse", "write", "F", "write"),
    Command("browse", "suspend", "s"),
    Command("browse", "suspend_all", "S", "-"),
    Command("browse", "export", "x", "-"),
    Command("browse", "reset", "n", "-"),
    Command("browse", "undo", "u", "changed"),
    Command("browse", "tex", "m", "-"),
    Command("browse", "leave", "escape,q"),
    Command("write", "edit", "e"),
    Command("write", "run_demo", "r"),
    Command("write", "hint", "h"),
    Command("write", "peek", "p"),
    Command("write", "pane", "tab"),
    Command("write", "move(-1)", "up", "-"),
    Command("write", "move(1)", "down"),
    Command("write", "scroll(-1)", "k", "-"),
    Command("write", "scroll(1)", "j"),
    Command("write", "page(-1)", "pageup", "-"),
    Command("write", "page(1)", "pagedown", "-"),
    Command("write", "checks", "v", "-"),
    Command("write", "copy", "y"),
    Command("write", "next", "f,F", "several"),
    Command("write", "leave", "escape,q"),
    Command("models", "search", "slash"),
    Command("models", "sort", "s", "table"),
    Command("models", "all", "a", "table"),
    Command("models", "leave", "escape,q"),
    Command("new_cards", "more(1)", "plus"),
    Command("new_cards", "more(-1)", "minus"),
    Command("new_cards", "reviews(-1)", "less_than_sign", "-"),
    Command("new_cards", "reviews(1)", "greater_than_sign", "-"),
    Command("new_cards", "order", "o"),
    Command("new_cards", "kind('choice')", "c"),
    Command("new_cards", "kind('drill')", "d"),
    Command("new_cards", "kind('write')", "f"),
    Command("new_cards", "leave", "escape,q,enter"),
    Command("interview", "begin", "enter"),
    Command("interview", "more(1)", "plus"),
    Command("interview", "more(-1)", "minus"),
    Command("interview", "level", "v"),
    Command("interview", "topic", "t"),
    Command("interview", "leave", "escape,q"),
    Command("plan", "study", "enter", "plan"),
    Command("plan", "date", "d"),
    Command("plan", "more(1)", "plus", "plan"),
    Command("plan", "more(-1)", "minus", "plan"),
    Command("plan", "weight", "t", "plan"),
    Command("plan", "leave", "escape,q"),
    Command("stats", "leave", "escape,q"),
    Command("help", "leave", "escape,q"),
    Command("app", "language", "ctrl+l,f2"),
    Command("app", "theme", "f3", "-"),
    Command("app", "models", "f4", "-"),
    Command("app", "help", "question_mark,f1"),
    Command("app", "command_palette", "ctrl+p", "-"),
    Command("app", "quit", "ctrl+q", "-"),
)
SCOPES = ("home", "study", "quiz", "lab", "browse", "write", "models", "new_cards", "interview", "plan", "stats", "help", "app")


def of_scope(scope: str) -> Iterator[Command]:
    """The commands that hold in a scope, without those that hold everywhere."""
    return (c for c in COMMANDS if c.scope == scope)


def bindings(scope: str) -> list[BindingType]:
    """Textual's bindings for a scope."""
    return [Binding(c.keys, c.action, c.text_key, show=False, id=c.id) for c in of_scope(scope)]


def shown(scope: str, phase: str = "") -> list[Command]:
    """What the footer shows in a scope at a phase."""
    return [c for c in COMMANDS if c.scope in (scope, "app") and (not c.when or set(phase.split()) & set(c.when.split()))]


def key_table(t: Callable[[str], str]) -> str:
    """The README's key table, in Markdown: a scope a row."""
    rows = [f"| {t('keys.scope')} | {t('keys.does')} |", "| --- | --- |"]
    for scope in SCOPES:
        said = [f"{' '.join(f'`{sign(k)}`' for k in c.keys.split(','))} {t(c.text_key)}" for c in of_scope(scope)]
        rows.append(f"| {t(f'keys.scope_{scope}')} | {' · '.join(said)} |")
    return "\n".join(rows) + "\n"
