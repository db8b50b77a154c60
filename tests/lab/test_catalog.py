"""Demos are found and read without being run."""

import subprocess
import sys
from pathlib import Path

import pytest

from studyapp.bank.model import Text
from studyapp.errors import DemoError
from studyapp.evidence import between, each, one_of
from studyapp.i18n import Translations
from studyapp.lab.catalog import Catalog
from studyapp.lab.demo import Demo, Guess
from studyapp.lab.source import source_hash

SOURCE = '''r"""Dividing keeps variance at 1.

除以 √d 使方差
保持为 1。

Turn `widths`.
"""
from studyapp.evidence import Drill, between, breaks, each, exercise, expect, guess, needs, one_of, slow, timed

RANGES = {"widths": each(between(1, 4096), rising=True), "rate": between(-1.0, 1), "name": one_of("x", "y")}
UNDIVIDED = breaks(name="y", en="Undivided.", zh="未除。")


@exercise(claims=("first",), wrong=("whole",))
def scaled(q,
           k):
    """Scores of q (n, d) and k (n, d).

    q（n, d）与 k（n, d）的分数。"""
    d = q.shape[-1]  # the width

    return q @ k.T / d**0.5


@breaks(rate=-1, en="Backwards.", zh="反向。")
@UNDIVIDED
@guess("d", en="How wide?", zh="多宽？", unit="GiB")
def claim_first(widths=(16, 64), rate=-1e-3, on=True, name="x"):
    """Var(q·k) is
    d.

    方差为 d。"""
    expect("d", 1, equals=1)  # a comment


@timed
@slow(90)
@needs("cuda")
def claim_second(widths=(16, 64)):
    """It is fast.

    它很快。"""
    expect("d", 1, equals=1)


def drill_width(rng) -> Drill:
    return Drill(en="d?", zh="d？", answer=1, proved_by="first")


ZH = {"d": "宽度", "d at {}": "{} 时的宽度"}
'''


def load(folder: Path, source: str = SOURCE, name: str = "attention/scaling") -> Catalog:
    path = folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return Catalog.load(folder)


def test_reads_all_that_a_demo_says(tmp_path: Path) -> None:
    """Summary, claims, literal parameters, marks and lines come from the source."""
    catalog = load(tmp_path)
    demo = catalog.demos["attention/scaling"]
    assert catalog.findings == ()
    assert (demo.topic, demo.summary.en, demo.summary.zh) == (
        "attention",
        "Dividing keeps variance at 1.",
        "除以 √d 使方差保持为 1。",
    )
    assert demo.doc == "Turn `widths`."
    first, second = demo.claims
    assert (first.name, first.sentence.en, first.sentence.zh) == ("first", "Var(q·k) is d.", "方差为 d。")
    assert first.parameters == {"widths": (16, 64), "rate": -1e-3, "on": True, "name": "x"}
    assert (first.timed, first.needs) == (False, ())
    assert (second.timed, second.needs) == (True, ("cuda",))
    assert (first.limit, second.limit) == (30.0, 90.0)
    assert [(b.parameters, b.sentence.en, b.sentence.zh) for b in first.breaks] == [
        ({"rate": -1.0}, "Backwards.", "反向。"),
        ({"name": "y"}, "Undivided.", "未除。"),
    ]
    assert first.guess == Guess(Text("How wide?", "多宽？"), "d", "GiB") and second.guess is None
    assert demo.ranges == {"widths": each(between(1, 4096), rising=True), "rate": between(-1.0, 1), "name": one_of("x", "y")}
    assert demo.zh == {"d": "宽度", "d at {}": "{} 时的宽度"}
    assert [(d.name, d.proved_by) for d in demo.drills] == [("width", "first")]
    (scaled,) = demo.exercises
    assert (scaled.claims, scaled.wrong, scaled.sentence.zh) == (("first",), ("whole",), "q（n, d）与 k（n, d）的分数。")
    assert scaled.head.startswith("def scaled(q,\n") and scaled.head.endswith('分数。"""') and "width" not in scaled.head
    assert scaled.body == "    d = q.shape[-1]  # the width\n\n    return q @ k.T / d**0.5"
    assert SOURCE.splitlines()[first.line - 1].startswith("def claim_first")
    assert catalog.claim("attention/scaling.second") is second


def test_a_demo_is_read_when_it_is_first_asked_for(tmp_path: Path) -> None:
    """Loading reads no file, asking for one reads that one, and its findings with all of them."""
    load(tmp_path, "not Python (", "attention/broken")
    catalog = load(tmp_path)
    assert "attention/scaling" in catalog.demos and not catalog.demos.findings
    (tmp_path / "attention/scaling.py").write_text("also broken (", encoding="utf-8")
    assert catalog.demos["attention/scaling"].summary.en == "Dividing keeps variance at 1."
    assert "attention/broken" not in catalog.demos and "attention/nowhere" not in catalog.demos
    assert list(catalog.demos) == ["attention/scaling"] and [f.path.stem for f in catalog.findings] == ["broken"]


def test_loading_imports_no_torch() -> None:
    """Reading the catalog of shipped demos leaves torch alone."""
    code = (
        "import sys; from studyapp.lab.catalog import Catalog; from studyapp.paths import demos_dir; "
        "import studyapp.lab.recordings; Catalog.load(demos_dir()).findings; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        (("rate=-1e-3", "rate=2**10"), "claim_first(rate)", "literal"),
        (("rate=-1e-3", "*rest"), "claim_first(rest)", "any number"),
        (("widths=(16, 64), rate", "widths, rate"), "claim_first(widths)", "literal"),
        (("它很快。", "Fast."), "claim_second", "Chinese"),
        (("claim_second", "claim_first"), "claim_first", "twice"),
        (('expect("d", 1, equals=1)\n', "assert 1 == 1\n"), "", "asserts"),
        (("def claim_", "def other_"), "", "no claim"),
        (("@slow(90)", "@slow(9000)"), "claim_second", "slow without a number"),
        (("@slow(90)", "@slow(n)"), "claim_second", "slow without a number"),
        (("@slow(90)", "@slow"), "claim_second", "slow without a number"),
        (("claim_second(widths=(16, 64))", "claim_second(widths=16)"), "claim_second(widths)", "another type"),
        (('breaks(name="y"', 'breaks(nam="y"'), "claim_first(nam)", "no parameter"),
        (('breaks(name="y"', "breaks(name=3"), "claim_first(name)", "another type"),
        (('breaks(name="y"', 'breaks(name="x"'), "claim_first", "with its defaults"),
        (('breaks(name="y"', 'breaks(name="z"'), "claim_first", "name is z, outside its range: x | y"),
        (('zh="未除。"', 'zh="undivided"'), "claim_first", "says too little"),
        (("rate=-1, en", "rate=LOW, en"), "claim_first", "cannot be read"),
        (('guess("d", en', "guess(en"), "claim_first", "a @guess that cannot be read"),
        (('zh="多宽？"', 'zh="wide"'), "claim_first", "a @guess that cannot be read"),
        (('unit="GiB"', 'units="GiB"'), "claim_first", "a @guess that cannot be read"),
        (('@breaks(rate=-1, en="Backwards.", zh="反向。")\n@UNDIVIDED\n', ""), "", "names no wrong way"),
        (('"name": one_of', '"nme": one_of'), "RANGES", "has nothing on name"),
        (('"name": one_of', '"nme": one_of'), "RANGES[nme]", "is no parameter"),
        (("between(-1.0, 1)", 'between(-1.0, "with")'), "RANGES[rate]", "names with"),
        (("between(-1.0, 1)", "between(1, -1.0)"), "RANGES[rate]", "nothing lies between"),
        (("between(-1.0, 1)", "range(3)"), "RANGES[rate]", "makes no range"),
        (("between(-1.0, 1)", "3"), "RANGES[rate]", "no range"),
        (("between(-1.0, 1)", "between(-1.0, -0.5)"), "claim_first", "by default rate is -0.001"),
        (('"{} 时的宽度"', '"宽度"'), "ZH[d at {}]", "another number of {}"),
        (('"d": "宽度"', '"d": 3'), "ZH", "not a table of texts"),
        (('proved_by="first"', 'proved_by="fist"'), "drill_width", "no claim of this file"),
        ((', proved_by="first"', ""), "drill_width", "names no claim"),
        (("drill_width(rng)", "drill_width()"), "drill_width", "one argument"),
        (('claims=("first",)', 'claims=("third",)'), "scaled", "no claim of this file"),
        (('wrong=("whole",)', "wrong=()"), "scaled", "no plausible wrong body"),
        (('claims=("first",), wrong', "claims=CLAIMS, wrong"), "scaled", "cannot be read"),
        (("q（n, d）与 k（n, d）的分数。", ""), "scaled", "Chinese"),
    ],
)
def test_what_is_amiss_is_a_finding(tmp_path: Path, change: tuple[str, str], key: str, problem: str) -> None:
    """A demo that breaks a rule still loads, and the finding says where and what."""
    catalog = load(tmp_path, SOURCE.replace(*change))
    assert any(f.key == key and problem in f.problem and f.line >= 1 for f in catalog.findings), catalog.findings


def test_a_broken_file_leaves_the_others(tmp_path: Path) -> None:
    """A file that is not Python is a finding with its line; the other demos are there."""
    load(tmp_path)
    (tmp_path / "attention" / "binary.py").write_bytes(b"\xff\xfe\x00")
    catalog = load(tmp_path, "x = 1\ndef (:\n", "attention/broken")
    assert list(catalog.demos) == ["attention/scaling"]
    assert {(f.path.name, f.line) for f in catalog.findings} == {("broken.py", 2), ("binary.py", 1)}


def test_a_demo_must_not_hide_a_standard_module(tmp_path: Path) -> None:
    """tokenize.py in a demo's folder would break `import torch`, so it is a finding."""
    assert any("hides" in f.problem for f in load(tmp_path, name="attention/tokenize").findings)


def test_unknown_names_get_a_suggestion(tmp_path: Path) -> None:
    """A misspelt demo, claim or parameter is answered with the nearest name."""
    catalog = load(tmp_path)
    for ask in (
        lambda: catalog.demo("attention/scalng"),
        lambda: catalog.claim("attention/scalng.first"),
        lambda: catalog.claim("attention/scaling.frist"),
        lambda: catalog.demos["attention/scaling"].settle({"width": 3}),
    ):
        with pytest.raises(DemoError) as caught:
            ask()
        assert "did you mean" in caught.value.hint
    with pytest.raises(DemoError, match="names no claim"):
        catalog.claim("attention/scaling")


def test_parameters_take_the_type_of_their_default(tmp_path: Path) -> None:
    """Values and text become the default's type; what cannot is refused."""
    demo = load(tmp_path).demos["attention/scaling"]
    assert demo.settle({"widths": [8, 32], "rate": 1, "on": False}) == {"widths": (8, 32), "rate": 1.0, "on": False}
    assert demo.settle({"widths": "8,32", "rate": "1e-2", "on": "false", "name": "y"}) == {
        "widths": (8, 32),
        "rate": 0.01,
        "on": False,
        "name": "y",
    }
    wrong = (
        {"widths": 3},
        {"widths": (1.5,)},
        {"widths": "a,b"},
        {"widths": ()},
        {"rate": "fast"},
        {"rate": True},
        {"on": "maybe"},
        {"on": 1},
        {"name": 3},
    )
    for given in wrong:
        with pytest.raises(DemoError, match="cannot be"):
            demo.settle(given)


def test_out_of_range_is_one_sentence_in_the_learners_language(tmp_path: Path) -> None:
    """A value outside its range is refused before the run, with name, value and range, in English or in Chinese."""
    demo = load(tmp_path).demos["attention/scaling"]
    with pytest.raises(DemoError) as caught:
        demo.settle({"widths": "64,16"})
    assert caught.value.message == "widths is 64, 16, outside its range: 1 to 16 values, each 1 … 4096, rising"
    with pytest.raises(DemoError) as caught:
        demo.settle({"rate": 2}, t=Translations.load("zh"))
    assert caught.value.message == "rate 为 2，超出范围：-1 … 1"
    assert demo.settle({"rate": 2}, claims=["second"]) == {"rate": 2.0}  # a claim without it asks nothing


def test_the_hash_is_of_what_a_demo_does() -> None:
    """Comments, layout and wording leave the hash alone; a changed number does not."""
    same = SOURCE.replace("  # a comment", "").replace("It is fast.", "It is quick.").replace("\n\n\n", "\n\n\n\n")
    assert source_hash(same) == source_hash(SOURCE)
    assert source_hash(SOURCE.replace("64", "65")) != source_hash(SOURCE)
    assert source_hash(SOURCE.replace("d**0.5", "d")) != source_hash(SOURCE)


def test_the_hash_is_not_of_what_stands_beside_the_claims() -> None:
    """Ranges, wrong ways, Chinese labels, drills and exercises change no outcome, so recordings stay good."""
    bare = """from studyapp.evidence import Drill, expect, timed
def idea(x):
    return x
def claim_one(n=1):
    expect("n", idea(n), equals=1)
"""
    full = bare.replace("Drill, expect, timed", "between, breaks, exercise, expect, timed")
    full = full.replace("def idea", '@exercise(claims=("one",), wrong=("two",))\ndef idea')
    full = full.replace("def claim", 'RANGES = {"n": between(1, 2)}\nTWO = breaks(n=2, en="a", zh="b")\n@TWO\n@breaks(n=3)\ndef claim')
    full += 'def drill_n(rng):\n    return Drill(answer=1)\nZH = {"n": "数"}\n'
    assert source_hash(full) == source_hash(bare)


def test_a_fingerprint_leaves_the_demo_as_it_was(tmp_path: Path) -> None:
    """A demo that is read after its fingerprint was taken still has its wrong ways, drills and exercises."""
    path = tmp_path / "a" / "b.py"
    path.parent.mkdir()
    path.write_text(f"{SOURCE}\nfirst = 1\n", "utf-8")
    source_hash(path.read_text("utf-8"))
    demo = Catalog.load(tmp_path).demo("a/b")
    path.write_text(f"{SOURCE}\nfirst = 2\n", "utf-8")
    fresh = Catalog.load(tmp_path).demo("a/b")
    assert any(claim.breaks for claim in demo.claims) and demo.drills and demo.exercises
    assert (demo.claims, demo.drills, demo.exercises, demo.ranges) == (fresh.claims, fresh.drills, fresh.exercises, fresh.ranges)


def test_a_demo_is_described_in_one_language():
    """Sources stand in both, what to turn in the language asked for; a docstring in English alone is shown as it is."""

    def demo(doc):
        return Demo("a/b", "a", Path("a/b.py"), Text("One.", "一。"), doc, (), "")

    both = demo("DeepSeek-AI 2024, §2.\nTurn `x` to 1: y,\nthen z.\n把 `x` 改为 1：y，然后 z。")
    assert both.about("en") == "DeepSeek-AI 2024, §2.\nTurn `x` to 1: y, then z."
    assert both.about("zh") == "DeepSeek-AI 2024, §2.\n把 `x` 改为 1：y，然后 z。"
    joined = demo("Turn `x` to 1: y. 把 `x` 改为 1：y。")
    assert (joined.about("en"), joined.about("zh")) == ("Turn `x` to 1: y.", "把 `x` 改为 1：y。")
    english = demo("A source. Turn `x`.")
    assert english.about("zh") == english.about("en") == "A source. Turn `x`."
