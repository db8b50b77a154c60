"""Loading a bank: what is read, what is refused, and what is set aside."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studyapp.bank.load import load_bank
from studyapp.errors import BankError
from studyapp.paths import questions_dir


def only(bank):
    """The one finding of a bank."""
    assert len(bank.findings) == 1, [str(f) for f in bank.findings]
    return bank.findings[0]


def test_reads_a_question(questions):
    """A question's id is its stem, its topic its folder, and every text arrives as it was written."""
    bank = load_bank(questions)
    assert not bank.findings
    question = bank.questions["first"]
    assert (question.topic, question.level, question.ask["zh"]) == ("attention", "core", "为什么要除以 √dₖ？")
    assert question.brief.en == "The variance grows with the width."
    assert [p.kind for p in question.points] == ["proof", "toy", "cite"]


def test_the_shipped_bank_has_no_finding_in_its_shared_files():
    """The topics, papers, terms and sources that ship are read whole: 15 topics, 348 questions, 436 headings."""
    bank = load_bank(questions_dir())
    assert [f for f in bank.findings if f.path.parent == questions_dir()] == []
    assert len(bank.topics) == 15
    merged = {old for q in bank.questions.values() for old in q.supersedes}
    assert len({q for t in bank.topics for q in t.questions} | merged) >= 348
    assert len(bank.sources) == 436
    assert sum(bool(s.left_out) for s in bank.sources.values()) == 11
    assert bank.papers["vaswani2017"].year == 2017
    assert (bank.papers["peng2023yarn"].version, bank.papers["peng2023yarn"].read) == ("v3", "section")


BROKEN = [
    ("level: core", "level: cor", "did you mean core", 1),
    ("level: core", "level: core\nlevel: deep", "stands twice", 2),
    ("level: core", "level: core\nfollow_up: [x]", "did you mean follow_ups", 2),
    ("level: core", "level: core\nid: mine", "is no key", 2),
    ("level: core", "level: &a core", "anchor", 1),
    ("level: core", "level: *a", "", 1),
    ("level: core", "level: !!python/name:os.system core", "tag", 1),
    ("level: core", "level: core\nas_of: 2026", "is not a month", 2),
    ("'One'", "''", "is empty", 14),
    ("'One'", "One", "is unquoted", 14),
    ("'One'", '"\\frac"', "U+000C", 14),
    ("'One'", '"\\e[31m"', "U+001B", 14),
    ("'One'", '"\\u009b31m"', "U+009B", 14),
    ("'One'", '"\\u202e"', "U+202E", 14),
    ("'One'", "[a, b]", "is not a single text", 14),
    ("    Softmax saturates.", "    ", "is empty", 9),
    ("en: |\n    Softmax saturates.", "en: Rank #3 and C # stay", "is unquoted", 9),
    ("zh: '一', ", "", "is missing", 14),
    (", zh: '为什么要除以 √dₖ？'}", "}", "is missing", 2),
    ("  zh: |\n    方差随宽度增长。\n", "", "is missing", 4),
    ("[attention/scaling.variance]", "attention/scaling.variance", "is not a list", 14),
    ("[attention/scaling.variance]", "[[[[[[[a]]]]]]]", "nested", 14),
    ("level: core", "level: core\n---\nlevel: deep", "", 2),
    ("level: core", "level: 'core", "is not YAML", 2),
]


@pytest.mark.parametrize(("old", "new", "problem", "line"), BROKEN)
def test_refuses(questions, write, old, new, problem, line):
    """Each trap of YAML and each misfit is a finding with its line; the file is set aside, the others stay."""
    write("second")
    path = write("first", old, new)
    bank = load_bank(questions)
    assert list(bank.questions) == ["second"]
    finding = bank.findings[0]
    assert finding.path == path
    assert problem in str(finding)
    assert finding.line >= line if problem == "is not YAML" or not problem else finding.line == line


def test_a_question_without_trouble_survives_odd_but_quoted_text(questions, write):
    """Quoted text keeps what YAML would change: a hash, a colon, a bracket, a yes, a number with a leading nought."""
    text = "Rank #3 and C # stay: [d_model], {yes}, 010, [/x]"
    write("first", "'One'", f"'{text}'")
    assert load_bank(questions).questions["first"].points[0].en == text


def test_every_misfit_of_a_file_is_said_at_once(questions, write):
    """Two mistakes in one file are two findings, so that one round of mending is enough."""
    write("first", "level: core", "level: core\nfollow_up: [x]\ntag: [y]")
    assert [f.key for f in load_bank(questions).findings] == ["follow_up", "tag"]


HOPELESS = {
    "empty": b"",
    "comment": b"# nothing\n",
    "not UTF-8": b"\xff\xfe",
    "escape": b"level: \x1b[31m",
    "bottomless": b"[" * 5000,
    "list": b"- a\n",
    "endless": b"x: " + b"y" * 300_000,
    "two colons": b"a: b: c",
}


@pytest.mark.parametrize("content", HOPELESS.values(), ids=HOPELESS)
def test_a_hopeless_file_is_set_aside(questions, write, content):
    """A file that is empty, binary, endless or bottomless is a finding and never the end of loading."""
    (questions / "attention" / "bad.yaml").write_bytes(content)
    bank = load_bank(questions)
    assert list(bank.questions) == ["first"]
    assert bank.findings


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}'\"|>#&*! \n%@`,?é\x00", max_size=80).map(str.encode))
def test_no_bytes_whatever_raise(questions, content):
    """Whatever stands in one file, the bank loads and the other question is there."""
    (questions / "attention" / "bad.yaml").write_bytes(content)
    bank = load_bank(questions)
    assert list(bank.questions) == ["first"]
    assert bank.findings


def test_missing_folder_is_an_error_that_says_what_to_do(tmp_path: Path):
    """Without the folder of questions there is no bank: a BankError with a hint."""
    with pytest.raises(BankError) as caught:
        load_bank(tmp_path / "nowhere")
    assert caught.value.hint


def test_missing_topics_file_is_a_finding(questions):
    """Without topics.yaml the questions still load."""
    (questions / "topics.yaml").unlink()
    bank = load_bank(questions)
    assert list(bank.questions) == ["first"]
    assert only(bank).path.name == "topics.yaml"


def test_one_wrong_topic_leaves_the_others(questions):
    """A topic that is not of the form is left out with a finding; a second one of the same id too."""
    text = (questions / "topics.yaml").read_text("utf-8")
    (questions / "topics.yaml").write_text(text + "- {id: nlp}\n" + text, "utf-8")
    bank = load_bank(questions)
    assert [t.id for t in bank.topics] == ["attention"]
    assert [f.line for f in bank.findings] == [4, 5]


def test_a_key_given_twice_in_papers_is_found_and_the_first_stays(questions):
    """A paper's key stands once."""
    row = "a2020: {authors: 'A', year: %s, title: 'T', id: 'arXiv:1'}\n"
    (questions / "papers.yaml").write_text(row % 2020 + row % 2021 + row.replace("a2020", "b2020") % "new", "utf-8")
    bank = load_bank(questions)
    assert bank.papers["a2020"].year == 2020
    assert [(f.line, f.key) for f in bank.findings] == [(2, "a2020"), (3, "b2020.year")]


def test_personal_bank(questions, write, tmp_path):
    """Ids of a personal bank carry its name, and its follow_ups find its own questions first."""
    mine = tmp_path / "mine"
    write("first", "level: core", "level: core\nfollow_ups: [loose, second]", folder=mine / "attention")
    write("loose", folder=mine)
    bank = load_bank(questions, [mine])
    assert not bank.findings
    assert set(bank.questions) == {"first", "mine:first", "mine:loose"}
    assert bank.questions["mine:first"].follow_ups == ("mine:loose", "second")
    assert bank.questions["mine:first"].topic == "attention"
    assert bank.questions["mine:loose"].topic == "mine"
    assert [t.id for t in bank.topics] == ["attention", "mine"]


def test_personal_bank_that_is_missing_or_named_twice(questions, write, tmp_path):
    """A personal bank that is no folder, or has the name of another, is an error at once; the same one twice is not."""
    first, second = tmp_path / "a" / "mine", tmp_path / "b" / "mine"
    write("loose", folder=first)
    write("loose", folder=second)
    for extra in ([tmp_path / "gone"], [first, second]):
        with pytest.raises(BankError) as caught:
            load_bank(questions, extra)
        assert str(extra[-1]) in caught.value.message and caught.value.hint
    assert set(load_bank(questions, [first, first]).questions) == {"first", "mine:loose"}


def test_the_same_stem_in_two_folders(questions, write):
    """An id stands once: the second file of a stem is set aside."""
    write("first", folder=questions / "nlp")
    bank = load_bank(questions)
    assert bank.questions["first"].topic == "attention"
    assert only(bank).path.parent.name == "nlp"


def test_in_order(questions, write):
    """Questions come in the order of topics.yaml, those not listed last."""
    for name in ("second", "aaa"):
        write(name)
    assert [q.id for q in load_bank(questions).in_order()] == ["second", "first", "aaa"]


def test_what_is_not_a_file_or_too_long_says_so(questions):
    """A folder called like a question and a file past the limit are named for what they are."""
    (questions / "attention" / "a.yaml").mkdir()
    (questions / "attention" / "b.yaml").write_bytes(b"level: 'core'\n" + b"# filler\n" * 40_000)
    problems = [f.problem for f in load_bank(questions).findings]
    assert problems == ["is not a file", "is longer than 256 KiB"]


def test_a_stem_that_cannot_be_an_id(questions, write):
    """A stem with a character that card ids need is refused."""
    write("a#b")
    assert "cannot be an id" in only(load_bank(questions)).problem


def test_shared_files_of_the_wrong_form(questions):
    """topics.yaml is a list and papers.yaml a mapping; the other way round is a finding."""
    (questions / "topics.yaml").write_text("a: b\n", "utf-8")
    (questions / "papers.yaml").write_text("- a\n", "utf-8")
    assert [f.problem for f in load_bank(questions).findings] == ["is not a list", "is not a mapping"]


@pytest.mark.parametrize(("new", "problem"), [("[a]: b", "not a word"), ("Rank 3: b", "cannot be a key")])
def test_a_key_is_a_word(questions, write, new, problem):
    """A comma or a colon in unquoted prose would make a key of it; that is said."""
    write("first", "level: core", f"level: core\n{new}")
    assert problem in load_bank(questions).findings[0].problem
