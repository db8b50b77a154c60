"""A small bank, a demo, a real store and a lab that plays back."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from studyapp.bank.model import Bank, Correction, Paper, Point, Question, Text, Topic
from studyapp.context import AppContext
from studyapp.evidence.types import Lines, Outcome
from studyapp.lab.catalog import Catalog
from studyapp.lab.recordings import Recordings
from studyapp.reviews.store import Store
from studyapp.settings import Settings
from studyapp.tui.app import StudyApp
from tests.doubles import CHECK, TABLE, FakeLab

DEMO = '''r"""Dividing keeps [scores] small.

除法使分数保持较小。

Turn `widths`.
"""

from studyapp.evidence import between, breaks, each

RANGES = {"widths": each(between(1, 1024)), "samples": between(2, 4096)}
ZH = {"Var": "方差", "Var/d": "方差与 d 之比"}


@breaks(widths=(1, 1), en="One component [d] leaves nothing to sum.", zh="只有一个分量 [d]，没有可加的。")
@breaks(samples=2, en="Two samples are too few.", zh="两个样本太少。")
def claim_variance_is_dk(widths=(16, 64), samples=128):
    """Var(q·k) is d [markup].

    点积方差为 d。"""


def claim_softmax_saturates(samples=128):
    """Unscaled softmax saturates.

    未缩放的 softmax 饱和。"""
'''
CURVE = Lines("d", (16, 64, 256), {"Var": (15.8, 64.2, 255.0)})
DEMO_NAME = "attention/score_scaling"


def question(name: str, topic: str, level: str = "core", proven: bool = True) -> Question:
    """A question with three points and things that look like markup."""
    ref = f"{DEMO_NAME}.variance_is_dk"
    return Question(
        id=name, topic=topic, level=level,
        ask=Text(en=f"Why {name} [d_model] [/x]?", zh=f"为什么 {name} [d_model] [/x]？"),
        brief=Text(en="Because *variance* grows [b].\n\n$$\n\\frac{a}{b}\n$$\n", zh="因为方差增长 [b]。\n"),
        answer=Text(en="The whole answer of it costs $5 [/x].\n", zh="完整的答案 [/x]。\n"),
        points=(
            Point(en="Var grows [d]", zh="方差增长 [d]", proof=(ref,) if proven else (), cite=() if proven else ("vaswani2017",)),
            Point(en="a toy shows it", zh="小模型上可见", toy=(f"{DEMO_NAME}.softmax_saturates",)),
            Point(en="a paper says it", zh="论文说过", cite=("vaswani2017 §3.2.1",)),
        ),
        corrections=(Correction(wrong=Text(en="It avoids overflow", zh="避免溢出"), right=Text(en="It keeps variance", zh="保持方差"),
                                cite=("vaswani2017",)),),
        follow_ups=("second", "not-yet-written"), tags=("softmax",),
    )  # fmt: skip


@pytest.fixture
def bank() -> Bank:
    """Two topics, four questions, one of them reference."""
    made = [
        question("first", "attention"),
        question("second", "attention", "deep"),
        question("trivia", "attention", "reference"),
        question("third", "position", proven=False),
    ]
    return Bank(
        topics=(
            Topic("attention", Text(en="Attention", zh="注意力"), ("first", "second", "trivia")),
            Topic("position", Text(en="Position", zh="位置"), ("third",)),
        ),
        questions={q.id: q for q in made},
        papers={
            "vaswani2017": Paper("vaswani2017", "Vaswani et al.", 2017, "Attention Is All You Need", "arXiv:1706.03762")
        },
    )


class TestClock:
    """A clock the test moves."""

    __test__ = False

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> TestClock:
    """A fixed noon."""
    return TestClock()


@pytest.fixture
def demos(tmp_path: Path) -> Path:
    """A folder with one demo and what was recorded of it."""
    folder = tmp_path / "demos"
    file = folder / f"{DEMO_NAME}.py"
    file.parent.mkdir(parents=True)
    file.write_text(DEMO, encoding="utf-8")
    demo = Catalog.load(folder).demos[DEMO_NAME]
    outcomes = [Outcome(c.name, True, 0.04, (CHECK,), (TABLE, CURVE)) for c in demo.claims]
    Recordings(folder / "recorded").write(demo, outcomes, torch="2.13.0", today=date(2026, 11, 1))
    return folder


@pytest.fixture
def lab() -> FakeLab:
    """The lab that the app is given."""
    return FakeLab()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A real store."""
    yield Store.open(tmp_path / "reviews.db", Settings(timezone="UTC"))


@pytest.fixture
def make_app(
    bank: Bank, demos: Path, store: Store, clock: TestClock, lab: FakeLab, tmp_path: Path
) -> Callable[..., StudyApp]:
    """Make the app with some settings."""

    def make(**changes: Any) -> StudyApp:
        settings = Settings(timezone="UTC", **changes)
        recordings = Recordings(demos / "recorded")
        context = AppContext(
            home=tmp_path,
            bank=bank,
            catalog=Catalog.load(demos),
            recordings=recordings,
            store=store,
            settings=settings,
            clock=clock,
            lab=lab,
        )
        return StudyApp(context)

    return make
