"""Facts of models as a person reads them."""

import pytest

from studyapp.bank.load import load_bank
from studyapp.i18n import Translations
from studyapp.paths import questions_dir
from studyapp.render.model_table import (
    COLUMNS,
    DEFAULT,
    TOPIC_COLUMNS,
    UNKNOWN,
    cell,
    count,
    facts,
    length,
    model_table,
    size,
    sort,
    sources,
    table,
)

BANK = load_bank(questions_dir())
MODELS = BANK.models
EN, ZH = Translations.load("en"), Translations.load("zh")


@pytest.mark.parametrize(
    ("number", "text"),
    [(284_000_000_000, "284B"), (8_030_261_248, "8.03B"), (1_600_000_000_000, "1.6T"), (110_000_000, "110M"), (None, None)],
)
def test_parameters_are_written_as_a_person_says_them(number, text):
    """Three digits and a unit."""
    assert count(number) == text


@pytest.mark.parametrize(
    ("tokens", "text"), [(131_072, "128K"), (1_048_576, "1M"), (128_000, "128,000"), (1_000_000, "1,000,000"), (512, "512")]
)
def test_a_binary_context_is_not_confused_with_a_decimal_one(tokens, text):
    """128K is 131,072 tokens and nothing else."""
    assert length(tokens) == text


@pytest.mark.parametrize(("number", "text"), [(70_272, "68.6 KiB"), (524_288, "512 KiB"), (2**21, "2 MiB"), (None, None)])
def test_bytes_have_binary_units(number, text):
    """KiB, MiB, GiB."""
    assert size(number) == text


CELLS = {
    ("deepseek-v3", "attention"): "MLA 512+64",
    ("deepseek-v3", "position"): "RoPE 10,000, 64/192, yarn ×40",
    ("deepseek-v3", "experts"): "256 top-8 + 1",
    ("gpt-oss-120b", "pattern"): "1:1 window 128",
    ("llama-3.1-8b", "pattern"): "full",
    ("llama-3.1-8b", "total"): "8.03B",
    ("llama-3.1-8b", "experts"): "dense",
    ("mistral-7b", "cache"): "128 KiB",
    ("kimi-k3", "position"): "none (NoPE)",
    ("kimi-k3", "d_expert"): "? @ 3584",
    ("olmo-3-7b", "norm"): "RMSNorm post, inside the branch, QK-norm",
    ("gpt-4", "layers"): UNKNOWN,
    ("gpt-4", "weights"): "closed",
    ("deepseek-v4-flash", "cache"): UNKNOWN,
}


@pytest.mark.parametrize(("key", "text"), CELLS.items(), ids=lambda v: "-".join(v) if isinstance(v, tuple) else "")
def test_a_fact_as_it_is_written(key, text):
    """Each sort of fact, and a dash where nobody looked it up."""
    model, column = key
    assert cell(MODELS[model], column, EN) == text


def test_every_cell_can_be_written_in_both_languages():
    """No row has a fact for which a text is missing."""
    for model in MODELS.values():
        for language, t in (("en", EN), ("zh", ZH)):
            assert all(isinstance(cell(model, name, t), str) for name in COLUMNS)
            assert facts(model, language) and sources(model, language)


def test_columns_have_headings_in_both_languages():
    """The headings of the Chinese table are those of the Chinese interface."""
    chosen = [MODELS["mistral-7b"]]
    assert table(chosen, ["name", "kv_heads"], "zh").columns == (ZH("models.column_name"), ZH("models.column_kv_heads"))


def test_every_topic_names_columns_and_topics_that_exist():
    """The one mapping of topics to columns holds no slip."""
    assert set(TOPIC_COLUMNS) <= {t.id for t in BANK.topics}
    assert {name for names in TOPIC_COLUMNS.values() for name in names} | set(DEFAULT) <= set(COLUMNS)
    assert all(names[0] == "name" for names in TOPIC_COLUMNS.values())


def test_the_table_of_a_question_has_the_columns_of_its_topic():
    """Attention asks for heads and cache, MoE for experts; the models stay in the order of the question."""
    chosen = [MODELS["deepseek-v3"], MODELS["mixtral-8x7b"]]
    moe = model_table(chosen, "moe", "en")
    assert [row[0] for row in moe.rows] == ["DeepSeek-V3", "Mixtral 8x7B"]
    assert "experts" in moe.columns and "KV heads" not in moe.columns
    assert "KV heads" in model_table(chosen, "attention", "en").columns


def test_a_column_that_no_model_fills_is_left_out():
    """A table beside a question has no column of dashes alone."""
    made = model_table([MODELS["gpt-4"]], "attention", "en")
    assert made.columns == ("model", "date")


def test_sorting_puts_the_unknown_last_either_way():
    """By layers up and down: numbers in order, then those without."""
    some = [MODELS[i] for i in ("gpt-4", "llama-3.1-405b", "gpt-2")]
    assert [m.id for m in sort(some, "layers")] == ["gpt-2", "llama-3.1-405b", "gpt-4"]
    assert [m.id for m in sort(some, "layers", descending=True)] == ["llama-3.1-405b", "gpt-2", "gpt-4"]


def test_every_column_can_be_sorted():
    """No column mixes numbers with texts."""
    for name in COLUMNS:
        assert len(sort(MODELS.values(), name)) == len(MODELS)


def test_a_note_and_the_flags_of_attention_are_told():
    """What fits no column is said with one model."""
    row = MODELS["gpt-oss-120b"]
    assert any("learned sink" in text for _, text in facts(row, "en"))
    noted = MODELS["mistral-7b"]
    assert any(text == noted.note.zh for _, text in facts(noted, "zh"))
