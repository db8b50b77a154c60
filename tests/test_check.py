"""Each rule of check: a bank that keeps it has no finding, one that breaks it has exactly that one."""

from datetime import date
from pathlib import Path

import pytest

from studyapp.bank.load import load_bank
from studyapp.bank.model import Text
from studyapp.check import check_bank, proofs
from studyapp.check.wording import numbers, text_problems
from studyapp.errors import StudyError
from studyapp.evidence.types import Check, Outcome
from studyapp.i18n import Translations
from studyapp.lab.catalog import Catalog
from studyapp.lab.recordings import Recordings
from studyapp.paths import demos_dir, questions_dir

GOOD = (Path(__file__).parent / "bank" / "good.yaml").read_text("utf-8")
TODAY = date(2026, 11, 24)
DEMO = '''r"""Scaling.

缩放。
"""


RANGES = {"widths": each(between(1, 64)), "width": between(1, 64)}


@breaks(width=1, en="A single weight is always one.", zh="只有一个权重时它总是 1。")
def claim_saturates(width=8):
    """Softmax saturates.

    softmax 会饱和。"""


def claim_variance(widths=(8, 16)):
    """The variance is d.

    方差为 d。"""
'''


MODELS = """llama-3-8b:
  name: 'Llama 3 8B'
  maker: 'Meta'
  date: '2024-04'
  weights: open
  family: 'Llama 3'
  layers: 32
  heads: 32
  kv_heads: 8
  d_head: 128
  attention: {kind: gqa}
  sources:
  - {what: config, where: 'a file', read: '2026-11-26'}
"""


class Content:
    """Questions and demos in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write(
            "questions/topics.yaml", "- {id: attention, title: {en: 'A', zh: '注意力'}, questions: [planned, first]}\n"
        )
        self.write(
            "questions/papers.yaml",
            "vaswani2017: {authors: 'V', year: 2017, title: 'A', id: 'arXiv:1706.03762', version: v7, read: full}\n",
        )
        self.write("questions/sources.yaml", "n#a: {note: 'n', heading: 'h', line: 1, left_out: 'private'}\n")
        self.write("questions/terms.yaml", "- {en: 'mask', zh: '掩码'}\n")
        self.write("questions/models.yaml", MODELS)
        self.write("questions/attention/first.yaml", GOOD)
        self.write("demos/attention/scaling.py", DEMO)

    def write(self, name: str, text: str, old: str = "", new: str = "") -> None:
        assert old in text, old
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if old else text, "utf-8")

    def findings(self):
        bank = load_bank(self.root / "questions")
        return check_bank(bank, Catalog.load(self.root / "demos"), today=TODAY)


@pytest.fixture
def content(tmp_path: Path) -> Content:
    """A bank of one question and one demo in which nothing is wrong."""
    return Content(tmp_path)


def test_a_good_bank_has_no_finding(content):
    """Where nothing is wrong, nothing is found."""
    assert content.findings() == []


CORRECTION = """level: core
corrections:
- wrong: {en: 'A', zh: '甲'}
  right: {en: 'B', zh: '乙'}
  cite: ['vaswani2017']"""
LONG = "a word of English " * 20
RULES = {
    "unknown follow-up": ("level: core", "level: core\nfollow_ups: [frst]", "follow_ups[0]", "did you mean first?"),
    "planned follow-up": ("level: core", "level: core\nfollow_ups: [planned]", "follow_ups[0]", "planned"),
    "own follow-up": ("level: core", "level: core\nfollow_ups: [first]", "follow_ups[0]", "follows itself"),
    "unknown demo": (
        "attention/scaling.variance",
        "attention/scalin.variance",
        "points[0].proof[0]",
        "did you mean attention/scaling?",
    ),
    "unknown claim": ("scaling.variance", "scaling.varianc", "points[0].proof[0]", "did you mean variance?"),
    "no claim named": ("scaling.variance", "scaling", "points[0].proof[0]", "(none named)"),
    "unknown toy": ("scaling.saturates", "scaling.saturate", "points[1].toy[0]", "did you mean saturates?"),
    "unknown paper": ("'vaswani2017 ", "'vaswani2018 ", "points[2].cite[0]", "did you mean vaswani2017?"),
    "unknown paper below": (
        "level: core",
        "level: core\ncites: ['vaswani2018']",
        "cites[0]",
        "did you mean vaswani2017?",
    ),
    "unknown source": ("level: core", "level: core\nsources: ['n#b']", "sources[0]", "did you mean n#a?"),
    "two supports": ("zh: '一', ", "zh: '一', cite: ['vaswani2017'], ", "points[0]", "proof and cite"),
    "no support": (", toy: [attention/scaling.saturates]", "", "points[1]", "carried by nothing"),
    "two points": ("  - {en: 'Two', zh: '二', toy: [attention/scaling.saturates]}\n", "", "points", "are 2"),
    "seven points": (
        "points:\n",
        "points:\n" + "  - {en: 'x', zh: '一', cite: ['vaswani2017']}\n" * 4,
        "points",
        "are 7",
    ),
    "a number alone": ("en: 'One'", "en: 'One of 16'", "points[0].en", "alone has the number 16"),
    "a decimal alone": ("zh: '一'", "zh: '一 0.5'", "points[0].zh", "alone has the number 0.5"),
    "English where Chinese should be": ("zh: '一'", "zh: 'one'", "points[0].zh", "holds no Chinese"),
    "much longer in English": ("Softmax saturates.", LONG, "answer", "English characters to a Chinese one"),
    "longer in Chinese": (
        "en: 'One', zh: '一'",
        f"en: '{LONG}', zh: '{'一二三四五六' * 60}'",
        "points[0]",
        "only the Chinese",
    ),
    "no space": ("方差随宽度增长。", "方差\n    随d增长。", "brief.zh", "write «随 d»"),
    "no space at a subscript": ("除以 √dₖ？", "除以 √dₖ的根？", "ask.zh", "«ₖ的»"),
    "formula": ("Softmax saturates.", "So\n\n    $$\\frac{1$$", "answer.en", "cannot be drawn"),
    "formula in a sentence": ("Softmax saturates.", "Softmax $x_i$ saturates.", "answer.en", "TeX inside a sentence"),
    "display in a sentence": ("Softmax saturates.", "Softmax $$x$$ saturates.", "answer.en", "inside a paragraph"),
    "not bold": ("softmax 会饱和。", "**注意（重点）**下文会饱和。", "answer.zh", "is not bold"),
    "old": ("level: core", "level: core\nas_of: '2025-10'", "as_of", "2025-10"),
    "a model without a month": ("Softmax saturates.", "Llama 3 saturates.", "answer", "Llama 3"),
    "bold in a point": ("en: 'One'", "en: 'One **and** only'", "points[0]", "has no bold"),
    "unknown model of today": (
        "level: core",
        "level: core\ntoday: {as_of: '2026-11', en: 'Now.', zh: '现状。', models: [llama-3-8]}",
        "today.models[0]",
        "did you mean llama-3-8b?",
    ),
    "unknown paper of today": (
        "level: core",
        "level: core\ntoday: {as_of: '2026-11', en: 'Now.', zh: '现状。', cites: [vaswani2018]}",
        "today.cites[0]",
        "did you mean vaswani2017?",
    ),
    "today that is old": (
        "level: core",
        "level: core\ntoday: {as_of: '2025-10', en: 'Now.', zh: '现状。'}",
        "today.as_of",
        "was last true in 2025-10",
    ),
    "a number alone in today": (
        "level: core",
        "level: core\ntoday: {as_of: '2026-11', en: 'Now 64.', zh: '现状。'}",
        "today.en",
        "alone has the number 64",
    ),
    "heard nowhere": ("level: core", CORRECTION, "corrections[0]", "where it was heard"),
    "heard under an unknown heading": ("level: core", CORRECTION + "\n  heard: ['n#b']", "corrections[0].heard[0]", "did you mean n#a?"),
    "heard in an unknown paper": ("level: core", CORRECTION + "\n  heard: ['vaswani2018 §1']", "corrections[0].heard[0]", "vaswani2017"),
    "drill of no demo": ("level: core", "level: core\ndrills: [attention/scalin.size]", "drills[0]", "did you mean attention/scaling?"),
    "drill that the demo lacks": ("level: core", "level: core\ndrills: [attention/scaling.size]", "drills[0]", "has no drill size"),
    "nothing to write": ("level: core", "level: core\nwrite: [attention/scaling.rotate]", "write[0]", "has no exercise rotate"),
    "a version that was not read": ("'vaswani2017 §3.2.1'", "'vaswani2017 v5 §3.2.1'", "points[2].cite[0]", "has v7"),
    "a model that is no row": ("by √dₖ?", "by √dₖ in Llama 9?", "ask.en", "Llama 9, which is no row"),
    "now without today": ("Softmax saturates.", "Today softmax saturates.", "answer.en", "move it to `today`"),
    "a long brief": (
        "The variance grows with the width.\n  zh: |\n    方差随宽度增长。",
        f"{'word ' * 76}\n  zh: |\n    {'方差随宽度' * 20}",
        "brief.en",
        "has 76 words",
    ),
    "guillemets": ("Softmax saturates.", "«Softmax» saturates.", "answer.en", "guillemets"),
    "superseded and still there": (
        "level: core",
        "level: core\nsupersedes: [first]",
        "supersedes[0]",
        "still has a file",
    ),
}


@pytest.mark.parametrize(("old", "new", "key", "said"), RULES.values(), ids=RULES)
def test_a_rule_for_a_question(content, old, new, key, said):
    """Each broken rule is one finding that names the key, and the line where it stands."""
    content.write("questions/attention/first.yaml", GOOD, old, new)
    findings = content.findings()
    assert [f.key for f in findings] == [key], [str(f) for f in findings]
    assert said in str(findings[0])
    changed = (content.root / "questions/attention/first.yaml").read_text("utf-8").splitlines()
    assert 1 <= findings[0].line <= len(changed)


def test_a_number_of_a_model_that_its_row_denies_is_a_warning(content):
    """In a sentence on one model, layers and KV heads are those of its row, in both languages."""
    new = "en: 'Llama 3 8B has 42 layers and 8 KV heads', zh: 'Llama 3 8B 有 42 层、8 个 KV 头'"
    content.write("questions/attention/first.yaml", GOOD, "en: 'One', zh: '一'", new)
    findings = content.findings()
    assert [(f.key, f.warning) for f in findings] == [("points[0].en", True), ("points[0].zh", True)]
    assert "42 layers" in str(findings[0]) and "row has 32" in str(findings[0])


def test_what_is_not_of_the_form_fails_the_check(content):
    """A brief that is too long to be said is a finding, and no warning."""
    content.write("questions/attention/first.yaml", GOOD, *RULES["a long brief"][:2])
    assert [(f.warning, f.group) for f in content.findings()] == [(False, "")]


def test_a_place_in_a_paper_wants_the_version_that_was_read(content):
    """§ of a paper without a version, or of which only the abstract was read, is a finding; a paper as a whole is not."""
    row = "vaswani2017: {authors: 'V', year: 2017, title: 'A', id: 'arXiv:1706.03762'%s}\n"
    for more, said in (("", "names no version"), (", version: v7", "was read"), (", version: v7, read: abstract", "only its abstract")):
        content.write("questions/papers.yaml", row % more)
        [finding] = content.findings()
        assert (finding.key, finding.group, finding.warning) == ("points[2].cite[0]", "", False)
        assert said in finding.problem
    content.write("questions/attention/first.yaml", GOOD, "vaswani2017 §3.2.1", "vaswani2017")
    assert content.findings() == []


def test_what_is_planned_is_the_backlog(content):
    """A planned follow-up and a heading that waits are of the group «backlog»."""
    content.write("questions/attention/first.yaml", GOOD, *RULES["planned follow-up"][:2])
    content.write("questions/sources.yaml", "n#a: {note: 'n', heading: 'h', line: 1}\n")
    assert [f.group for f in content.findings()] == ["backlog", "backlog"]


def test_the_line_of_a_finding_is_where_the_text_stands(content):
    """In a block, the line is that of the very sentence."""
    content.write("questions/attention/first.yaml", GOOD, "softmax 会饱和。", "softmax 会饱和。\n\n    第二行d。")
    [finding] = content.findings()
    lines = (content.root / "questions/attention/first.yaml").read_text("utf-8").splitlines()
    assert "第二行d" in lines[finding.line - 1]


@pytest.mark.parametrize("name", ["planned follow-up", "old", "a model without a month"])
def test_what_only_time_can_mend_is_a_warning(content, name):
    """A planned question, an old month and a missing month warn; a follow-up that nobody plans fails."""
    old, new, *_ = RULES[name]
    content.write("questions/attention/first.yaml", GOOD, old, new)
    assert [f.warning for f in content.findings()] == [True]
    content.write("questions/attention/first.yaml", GOOD, *RULES["unknown follow-up"][:2])
    assert [f.warning for f in content.findings()] == [False]


def test_a_month_of_this_year_is_fresh(content):
    """Exactly twelve months are not yet old."""
    content.write("questions/attention/first.yaml", GOOD, "level: core", "level: core\nas_of: '2025-11'")
    assert content.findings() == []


FILES = {
    "id": ("questions/attention/Big_One.yaml", GOOD, "is not an id"),
    "unlisted": ("questions/attention/plannd.yaml", GOOD, "did you mean planned?"),
    "unknown topic": ("questions/attentin/planned.yaml", GOOD, "did you mean attention?"),
    "twice in topics": (
        "questions/topics.yaml",
        "- {id: attention, title: {en: 'A', zh: '注'}, questions: [first, first]}\n",
        "twice",
    ),
    "odd id in topics": (
        "questions/topics.yaml",
        "- {id: attention, title: {en: 'A', zh: '注'}, questions: [first, B]}\n",
        "not an id",
    ),
    "paper version": (
        "questions/papers.yaml",
        "vaswani2017: {authors: 'V', year: 2017, title: 'A', id: 'https://a.org/b', version: v1, read: full}\n",
        "no version of https",
    ),
    "paper read": (
        "questions/papers.yaml",
        "vaswani2017: {authors: 'V', year: 2017, title: 'A', id: 'arXiv:1706.03762', version: v7, read: 'twice'}\n",
        "how far it was read",
    ),
    "model id": ("questions/models.yaml", MODELS.replace("llama-3-8b:", "Llama-3_8B:"), "is not an id"),
    "two models of one name": ("questions/models.yaml", MODELS + MODELS.replace("llama-3-8b:", "other:"), "as llama-3-8b does"),
    "paper id": (
        "questions/papers.yaml",
        "vaswani2017: {authors: 'V', year: 2017, title: 'A', id: '1706'}\n",
        "cannot be looked up",
    ),
    "term twice": ("questions/terms.yaml", "- {en: 'mask', zh: '掩码'}\n- {en: 'Mask', zh: '遮罩'}\n", "twice"),
    "heading waits": ("questions/sources.yaml", "n#a: {note: 'n', heading: 'h', line: 1}\n", "wait for an answer: n#a"),
    "idle demo": ("demos/attention/idle.py", DEMO, "no question"),
    "assert": ("demos/attention/scaling.py", DEMO + "\n\ndef check():\n    assert True\n", "assert"),
    "default": ("demos/attention/scaling.py", DEMO.replace("width=8", "width=2**3"), "literal"),
}


@pytest.mark.parametrize(("name", "text", "said"), FILES.values(), ids=FILES)
def test_a_rule_for_a_file(content, name, text, said):
    """Each rule across files is a finding in the file to be mended."""
    content.write(name, text)
    findings = [f for f in content.findings() if said in str(f)]
    assert [f.path for f in findings] == [content.root / name], [str(f) for f in content.findings()]


def test_a_demo_named_like_a_module_of_python(content):
    """A demo called random.py would break torch itself, so it is found."""
    content.write("demos/attention/random.py", DEMO)
    assert any("random" in str(f) and "module" in str(f) for f in content.findings())


def test_the_same_paper_under_two_keys(content):
    """One source has one key."""
    row = "%s2017: {authors: 'V', year: 2017, title: 'A', id: 'arXiv:1706.03762', version: v7, read: full}\n"
    content.write("questions/papers.yaml", row % "vaswani" + row % "other")
    [finding] = content.findings()
    assert "same source as vaswani2017" in str(finding)
    assert finding.line == 2


def test_a_heading_left_out_and_answered(content):
    """A heading cannot be both answered and left out."""
    content.write("questions/attention/first.yaml", GOOD, "level: core", "level: core\nsources: ['n#a']")
    assert ["left out" in f.problem for f in content.findings()] == [True]


def test_a_question_in_the_wrong_folder(content):
    """A question stands in the folder of the topic that lists it."""
    topic = "- {id: %s, title: {en: 'A', zh: '注意力'}, questions: [%s]}\n"
    content.write("questions/topics.yaml", topic % ("attention", "planned") + topic % ("nlp", "first"))
    assert ["stands in attention/" in f.problem for f in content.findings()] == [True]


def test_findings_of_loading_and_of_the_demos_are_among_them(content):
    """check says everything: also what loading set aside."""
    content.write("questions/attention/planned.yaml", "level: [")
    assert any("is not YAML" in f.problem for f in content.findings())


def said(en: str, zh: str) -> list[str]:
    """The problems of a text."""
    return [problem for _, _, problem, _ in text_problems(Text(en, zh), lambda tex: None)]


@pytest.mark.parametrize(
    ("en", "zh"),
    [
        ("It has 175 billion parameters.", "它有 1750 亿参数。"),
        ("175B parameters, 1,024 tokens", "175B 参数，1024 个 token"),
        ("In November 2026", "2026 年 11 月"),
        ("40,000 words", "4 万词"),
        ("128k context", "128K 上下文"),
        ("10⁶ and d₁₆", "10⁶ 与 d₁₆"),
        ("In two steps, 3 at most", "分两步"),
    ],
)
def test_numbers_that_are_the_same(en, zh):
    """A number may be written as each language writes it; a single digit may be a word."""
    assert said(en, zh) == []


@pytest.mark.parametrize(
    ("en", "zh"), [("175 billion", "175 亿"), ("0.5", "一半"), ("12 and 24", "12 与 42"), ("10⁶", "10⁵ 个")]
)
def test_numbers_that_differ(en, zh):
    """A number that the other language does not have is found."""
    assert any("alone has the number" in p for p in said(en, zh))


def test_numbers_keep_versions():
    """A version with two points is one number."""
    assert set(numbers("torch 2.13.0")[0]) == {"2.13.0"}


@pytest.mark.parametrize(
    "zh", ["用 `x=1`算", "**MoE** 模型", "见 https://a.org/中", "甲\n\n$$d中$$", "为 5%的", "（KV cache）中", "√dₖ 的"]
)
def test_spacing_looks_only_at_prose(zh):
    """Code, formulas, addresses and punctuation need no space."""
    assert said("x", zh) == []


@pytest.mark.parametrize("zh", ["用x算", "共3个", "**MoE**模型", "10⁶个"])
def test_spacing_is_found(zh):
    """Chinese that touches a letter or a digit is found, through bold marks too."""
    assert len(said("x 10⁶", zh)) >= 1


def test_proofs_print_each_point_beside_what_was_recorded(content, tmp_path):
    """For a person to read: the point with its verdict, the claim's sentence, why, and the recorded number."""
    bank, catalog = load_bank(content.root / "questions"), Catalog.load(content.root / "demos")
    recordings = Recordings(tmp_path / "recorded")
    held = Check("Var(q·k)", "equals", 1.02, 1, 0.2, 0.18, True, ("d", 16))
    recordings.write(
        catalog.demos["attention/scaling"], [Outcome("variance", True, 0.1, (held,))], torch="2.13.0", today=TODAY
    )
    lines = list(proofs(bank, catalog, recordings, Translations.load("en")))
    assert "attention/first" in lines[0]
    assert "✓ One" in lines[1]
    assert "attention/scaling.variance: The variance is d." in lines[2]
    assert "held on cpu" in lines[3]
    assert "Var(q·k) is 1.02 at d = 16" in lines[4]
    assert any("not recorded" in line for line in lines)
    assert any("vaswani2017 §3.2.1" in line for line in lines)
    assert any("在 cpu 上成立" in line for line in proofs(bank, catalog, recordings, Translations.load("zh")))


def test_proofs_give_no_tick_to_what_was_not_recorded(content, tmp_path):
    """Without a recording no point that leans on a claim is ✓ or ≈."""
    bank, catalog = load_bank(content.root / "questions"), Catalog.load(content.root / "demos")
    lines = list(proofs(bank, catalog, Recordings(tmp_path / "recorded"), Translations.load("en")))
    assert not any(line.startswith(("  ✓", "  ≈")) for line in lines)


def test_a_personal_bank_is_judged_softly(content):
    """Of twelve real cards in one language nothing is demanded that only the shipped bank demands of itself."""
    bank = load_bank(content.root / "questions", [Path(__file__).parent / "bank" / "foreign"])
    findings = check_bank(bank, Catalog.load(content.root / "demos"), today=TODAY)
    assert [str(f) for f in findings if not f.warning] == []


PERSONAL = {
    "unknown claim": ("points: [{en: 'a', proof: [attention/scaling.varianc]}]\n", "points[0].proof[0]", False),
    "two supports": ("points: [{en: 'a', proof: [attention/scaling.variance], cite: ['vaswani2017']}]\n", "points[0]", False),
    "unknown paper": ("cites: [vaswani2018]\n", "cites[0]", False),
    "formula that cannot be drawn": ("brief: |\n  $$\\frac{1$$\n", "brief", True),
}


def test_a_personal_bank_lists_its_questions_as_its_files_are_called(content):
    """A name that a personal question may have may stand in that bank's topics too."""
    content.write("mine/BPE_training.yaml", "ask: 'A'\nanswer: 'B'\n")
    content.write("mine/topics.yaml", "- {id: mine, title: {en: 'M', zh: '我'}, questions: [BPE_training]}\n")
    bank = load_bank(content.root / "questions", [content.root / "mine"])
    assert "mine:BPE_training" in bank.questions
    assert check_bank(bank, Catalog.load(content.root / "demos"), today=TODAY) == []


@pytest.mark.parametrize(("more", "key", "warning"), PERSONAL.values(), ids=PERSONAL)
def test_what_leads_nowhere_is_found_in_a_personal_bank_too(content, more, key, warning):
    """A reference that leads nowhere fails; what can only be shown as it stands warns."""
    content.write("mine/a.yaml", "ask: 'A'\nanswer: 'B'\n" + more)
    bank = load_bank(content.root / "questions", [content.root / "mine"])
    findings = check_bank(bank, Catalog.load(content.root / "demos"), today=TODAY)
    assert [(f.key, f.warning) for f in findings] == [(key, warning)], [str(f) for f in findings]


def test_the_shipped_bank_has_nothing_wrong():
    """What ships has warnings at most."""
    try:
        findings = check_bank(load_bank(questions_dir()), Catalog.load(demos_dir()), today=TODAY)
    except StudyError as error:
        pytest.fail(str(error))
    assert [str(f) for f in findings if not f.warning] == []


@pytest.mark.parametrize(("check", "got", "count", "wanted"), [
    ("Var(q·k)", 1.02, 1, False), ("another", 1.02, 1, True), ("Var(q·k)", 0.0, 1, True), ("Var(q·k)", 1.02, 4, True),
])  # fmt: skip
def test_a_guess_needs_one_recorded_number_above_nought(content, tmp_path, check, got, count, wanted):
    """Else nothing could be said of what was guessed."""
    path = content.root / "demos/attention/scaling.py"
    source = path.read_text("utf-8")
    path.write_text(source.replace("def claim_variance", '@guess("Var(q·k)", en="How large?", zh="多大？")\ndef claim_variance'), "utf-8")
    bank, catalog = load_bank(content.root / "questions"), Catalog.load(content.root / "demos")
    recordings = Recordings(tmp_path / "recorded")
    held = Check(check, "equals", got, 1, 0.2, 0.18, True, count=count)
    recordings.write(
        catalog.demos["attention/scaling"], [Outcome("variance", True, 0.1, (held,))], torch="2.13.0", today=TODAY
    )
    found = [f for f in check_bank(bank, catalog, recordings=recordings) if "@guess" in f.problem]
    assert bool(found) is wanted and all(f.key == "claim_variance" for f in found)
