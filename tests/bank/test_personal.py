"""Questions of one's own: what they may leave out, what is read, and what is said of the rest."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studyapp.bank.files import MOST_ENTRIES, personal_banks
from studyapp.bank.load import load_bank
from studyapp.bank.personal import in_unicode
from studyapp.errors import BankError

FOREIGN = Path(__file__).parent / "foreign"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The folder of a personal bank, empty."""
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


@pytest.fixture
def load(questions: Path, mine: Path):
    """Write files into the personal bank and load it beside the other."""

    def loader(files: dict[str, str | bytes]):
        for name, content in files.items():
            path = mine / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_bank(questions, [mine])

    return loader


CARD = "ask: What is BPE?\nanswer: A merge of frequent pairs.\n"


def test_twelve_cards_of_other_programs_load(questions):
    """Plain ask and answer, one language, TeX between dollars, bold, code, tables and keys of other programs: all load."""
    bank = load_bank(questions, [FOREIGN])
    assert [str(f) for f in bank.findings if not f.warning] == []
    cards = [q for q in bank.questions.values() if q.id.startswith("foreign:")]
    assert len(cards) == 12
    assert {q.topic for q in cards} == {"llm", "面试"}
    assert all(q.ask[language] and q.brief[language] and q.answer[language] for q in cards for language in ("en", "zh"))
    assert not any("$" in text for q in cards if q.id not in ("foreign:cost", "foreign:交叉熵") for text in (q.ask.zh, q.answer.zh))


def test_the_least_that_a_question_is(load):
    """A question and an answer, unquoted: both languages say it, the brief is the answer, no point, level core."""
    question = load({"bpe.yaml": CARD}).questions["mine:bpe"]
    assert question.ask.en == question.ask.zh == "What is BPE?"
    assert question.brief == question.answer
    assert (question.points, question.level, question.topic) == ((), "core", "mine")


@pytest.mark.parametrize(("given", "other"), [("zh", "en"), ("en", "zh")])
def test_one_language_stands_for_both(load, given, other):
    """Where a text is written in one language, the other shows it; where in both, each its own."""
    text = f"ask: {{{given}: 'A'}}\nanswer: {{en: 'E', zh: '中'}}\npoints: ['p', {{{given}: 'q'}}]\n"
    question = load({"a.yaml": text}).questions["mine:a"]
    assert question.ask[other] == "A"
    assert (question.answer["en"], question.answer["zh"]) == ("E", "中")
    assert [p[other] for p in question.points] == ["p", "q"]


READ = ["bpe.yml", "bpe.YAML", "nlp/bpe.yaml", "nlp/tok/deep/bpe.yaml"]


@pytest.mark.parametrize("name", READ)
def test_a_question_is_read_wherever_it_lies(load, name):
    """Any ending and any depth; the first folder is the topic."""
    bank = load({name: CARD})
    assert not bank.findings
    assert bank.questions["mine:bpe"].topic == ("nlp" if "/" in name else "mine")


SKIPPED = [
    ".ipynb_checkpoints/bpe-checkpoint.yaml",
    "tok/._bpe.yaml",
    "tok/.#bpe.yaml",
    ".github/workflows/ci.yaml",
    ".pre-commit-config.yaml",
    "mkdocs.yaml",
    "mkdocs.yml",
]


@pytest.mark.parametrize("name", SKIPPED)
def test_what_is_hidden_or_another_program_s_is_not_a_question(load, name):
    """Names that begin with a dot and the settings of well-known programs are neither questions nor findings."""
    bank = load({name: "repos: [x]\n", "tok/bpe.yaml": CARD})
    assert not bank.findings
    assert set(bank.questions) == {"first", "mine:bpe"}


def test_settings_of_a_program_that_nobody_knows_are_a_warning(load):
    """A mapping that has nothing of a question is named and blocks nothing."""
    [finding] = load({"ci/pipeline.yaml": "stages: [a]\n"}).findings
    assert finding.warning and "is no question" in finding.problem


@pytest.mark.parametrize(
    ("folder", "name"), [("my bank", "my-bank"), ("llm.v2", "llm-v2"), ("大模型 面试", "大模型-面试"), ("-x", "x"), ("a:b", "a-b")]
)
def test_a_folder_s_name_makes_the_bank_s(questions, tmp_path, folder, name):
    """What an id cannot hold becomes a hyphen."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "bpe.yaml").write_text(CARD)
    assert set(load_bank(questions, [tmp_path / folder]).questions) == {"first", f"{name}:bpe"}


@pytest.mark.parametrize("names", [["..."], ["a/questions", "b/questions"], ["my bank", "my-bank"]])
def test_a_bank_without_a_name_of_its_own_is_an_error(tmp_path, names):
    """No name, or the name of another: an error that names the folder, before anything is read."""
    folders = [tmp_path / name for name in names]
    for folder in folders:
        folder.mkdir(parents=True)
    with pytest.raises(BankError) as caught:
        personal_banks(folders)
    assert str(folders[-1]) in caught.value.message and caught.value.hint


@pytest.mark.parametrize("topic", ["*", "e\x1b]0;PWN\x07", "\u202etopic", "[red]"])
def test_a_folder_that_cannot_be_a_topic_is_a_finding(load, topic):
    """A topic is drawn, and is an id: escape sequences, bidi marks and stars are no part of one."""
    bank = load({f"{topic}/bpe.yaml": CARD})
    assert set(bank.questions) == {"first"}
    assert any("cannot be a topic" in f.problem for f in bank.findings)


def test_what_was_set_aside_is_known_by_its_id(load, mine):
    """Whoever asks for a question that could not be read can be told why."""
    bank = load({"a/bad.yaml": "ask: x\n", "good.yaml": CARD})
    assert bank.unread == {"mine:bad": mine / "a/bad.yaml"}
    assert [f.key for f in bank.findings] == ["answer"]


def test_quotes_hide_nothing(load):
    """What is wrong with the quotes and what is missing are said in one round."""
    keys = [f.key for f in load({"a.yaml": "ask: Rank #3 and C # stay\npoints: one\nlevel: cor\n"}).findings]
    assert set(keys) == {"ask", "answer", "points"}


@pytest.mark.parametrize("text", ["Rank #3 and C # stay", "one\n  two # three", "中文 # 注"])
def test_unquoted_text_that_yaml_would_cut_is_found(load, text):
    """Prose may stand unquoted as long as YAML keeps all of it."""
    [finding] = load({"a.yaml": f"ask: {text}\nanswer: C# stays\n"}).findings
    assert (finding.key, finding.problem) == ("ask", "is cut at a #")


def test_a_comment_on_a_line_of_its_own_cuts_nothing(load):
    """Comments between the lines, and after a word that is no prose, stay comments."""
    bank = load({"a.yaml": "# mine\nask: What? \n# and\nanswer: That.\nlevel: deep # really\n"})
    assert not bank.findings and bank.questions["mine:a"].level == "deep"


def test_keys_of_other_programs_are_named_and_left_out(load):
    """An unknown key warns, with the key that was meant where that is known; a missing one still fails."""
    found = {f.key: f for f in load({"a.yaml": "question: What?\nanswer: That.\n"}).findings}
    assert found["question"].warning and "ask" in found["question"].hint
    assert not found["ask"].warning


def test_tags_may_be_one_text(load):
    """Tags with commas between them are a list too."""
    assert load({"a.yaml": CARD + "tags: a b, c\n"}).questions["mine:a"].tags == ("a b", "c")


TEX = [
    ("$d_k$ wide", "d_k wide"),
    (r"$\sqrt{d_k}$", "√(d_k)"),
    (r"$\alpha \le 0.5$", "α≤0.5"),
    (r"$e^{-x}$", r"`e^{-x}`"),
    (r"$\nosuch{x}$", r"`\nosuch{x}`"),
    (r"$a \| b$", r"`a \| b`"),
    ("from $5 to $10", "from $5 to $10"),
    ("`echo $HOME$`", "`echo $HOME$`"),
    ("```\n$x_i$\n```", "```\n$x_i$\n```"),
    ("$$x_i$$", "$$x_i$$"),
    (r"a \$5 and b\$", r"a \$5 and b\$"),
]


@pytest.mark.parametrize(("written", "shown"), TEX)
def test_tex_in_a_sentence(load, written, shown):
    """Between single dollars TeX becomes Unicode, or stands as code; prices, code and displayed formulas stay."""
    assert load({"a.yaml": f"ask: x\nanswer: |\n  {written.replace(chr(10), chr(10) + '  ')}\n"}).questions["mine:a"].answer.en == shown


def test_a_sentence_holds_no_marks(load):
    """Points and questions are single sentences: TeX without dollars or backticks, and no stars."""
    question = load({"a.yaml": "ask: '**Why** $e^{-x}$?'\nanswer: '**b**'\npoints: ['a **b** c', 'two ** stars']\n"}).questions["mine:a"]
    assert question.ask.en == "Why e^{-x}?"
    assert [p.en for p in question.points] == ["a b c", "two ** stars"]
    assert question.answer.en == "**b**"


@pytest.mark.parametrize("tex", [r"\|", "%", "{", r"x^{a+b}", r"\frac{a+b}{c}", r"\color{red}{x}", ""])
def test_what_would_say_something_else_in_unicode_stays(tex):
    """A formula that loses a command, a comment or the braces that group it is not drawn."""
    assert in_unicode(tex) is None


def test_a_link_in_a_circle_is_followed_once(load, mine):
    """A folder that holds a link to itself is read once; a link to a folder elsewhere is read."""
    elsewhere = mine.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.yaml").write_text(CARD)
    (mine / "loop").symlink_to(mine)
    (mine / "far").symlink_to(elsewhere)
    bank = load({"bpe.yaml": CARD})
    assert set(bank.questions) == {"first", "mine:bpe", "mine:far"}


def test_a_folder_that_cannot_be_meant_is_refused(load, mine, monkeypatch):
    """A whole home folder given by mistake is an error and not a long wait."""
    monkeypatch.setattr("studyapp.bank.files.MOST_ENTRIES", 3)
    assert MOST_ENTRIES > 10_000
    with pytest.raises(BankError):
        load({f"{i}.yaml": CARD for i in range(5)})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.text(alphabet="ab:-[]{}'\"|>#&*! \n%@`,?é$\\_^中\x00", max_size=80).map(str.encode)
    | st.text(alphabet="$\\{}_^ab| *`\n  ", max_size=60).map(lambda t: b"ask: |\n  " + t.replace("\n", "\n  ").encode() + b"\nanswer: b\n")
)
def test_no_bytes_in_a_personal_bank_raise(load, content):
    """Whatever stands in a file of one's own, the bank loads; the file is a question or has a finding."""
    bank = load({"a.yaml": content, "b.yaml": CARD})
    assert "mine:b" in bank.questions
    assert "mine:a" in bank.questions or bank.findings
