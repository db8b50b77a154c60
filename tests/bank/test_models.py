"""Named models: what is read, what is refused, and what is computed from a row."""

from pathlib import Path

import msgspec
import pytest

from studyapp.bank.load import load_bank
from studyapp.bank.models import (
    active_parameters,
    by_date,
    cache_bytes,
    cached_numbers,
    counted_parameters,
    fold,
    named,
)
from studyapp.paths import questions_dir

ROW = """\
toy-8b:
  name: 'Toy 8B'
  maker: 'Toys'
  date: '2026-11'
  weights: open
  layers: 4
  width: 64
  heads: 8
  kv_heads: 2
  d_head: 8
  attention: {kind: gqa}
  experts: {total: 8, active: 2}
  sources:
  - {what: config, where: 'a file', read: '2026-11-26'}
"""


@pytest.fixture(scope="module")
def models():
    """The rows that ship."""
    return load_bank(questions_dir()).models


def put(questions: Path, old: str = "", new: str = "") -> Path:
    """Write models.yaml with one row, `old` turned into `new`."""
    assert old in ROW
    path = questions / "models.yaml"
    path.write_text(ROW.replace(old, new) if old else ROW, "utf-8")
    return path


def test_reads_a_row(questions):
    """A row's key is its id, its numbers are whole numbers, and what is not given is None."""
    put(questions)
    bank = load_bank(questions)
    assert not bank.findings
    toy = bank.models["toy-8b"]
    assert (toy.id, toy.layers, toy.attention.kind, toy.vocabulary) == ("toy-8b", 4, "gqa", None)


def test_a_bank_without_models_loads(questions):
    """models.yaml may be missing."""
    bank = load_bank(questions)
    assert (bank.models, bank.findings) == ({}, ())


BROKEN = {
    "no source": ("  sources:\n  - {what: config, where: 'a file', read: '2026-11-26'}\n", "", "toy-8b.sources", "is missing"),
    "empty sources": ("  sources:\n  - {what: config, where: 'a file', read: '2026-11-26'}\n", "  sources: []\n", "sources", "no source"),
    "unread source": ("read: '2026-11-26'", "read: 'once'", "sources[0].read", "not a day"),
    "date": ("'2026-11'\n", "'November'\n", "date", "not a month"),
    "slip in a key": ("kv_heads", "kv_head", "kv_head", "did you mean kv_heads"),
    "slip in a kind": ("kind: gqa", "kind: gpa", "attention.kind", "did you mean gqa"),
    "not whole": ("width: 64", "width: 6.4", "width", "not a number"),
    "neither true nor false": ("{kind: gqa}", "{kind: gqa, bias: yes}", "attention.bias", "neither true nor false"),
    "kind against heads": ("kind: gqa", "kind: mha", "attention.kind", "are gqa"),
    "odd groups": ("kv_heads: 2", "kv_heads: 3", "kv_heads", "do not divide"),
    "more active than all": ("active: 2", "active: 9", "experts.active", "more than the 8"),
    "too many layers": ("{kind: gqa}", "{kind: gqa, full_layers: 3, window_layers: 2}", "attention", "more layers"),
}


@pytest.mark.parametrize(("old", "new", "key", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_wrong_row_is_set_aside_and_said(questions, old, new, key, problem):
    """Each misfit, and each row that contradicts itself, is a finding in models.yaml with its line."""
    path = put(questions, old, new)
    bank = load_bank(questions)
    assert bank.models == {}
    found = [f for f in bank.findings if key in f.key and problem in str(f)]
    assert [f.path for f in found] == [path], [str(f) for f in bank.findings]
    assert 1 <= found[0].line <= len(ROW.splitlines())


def test_a_total_that_its_configuration_denies_is_found(questions):
    """Where parameters can be counted, an announced total that is off by more than 2 % is a slip somewhere."""
    counted = "  vocabulary: 100\n  tied: true\n  norm: {kind: rmsnorm, place: pre}\n  position: {kind: rope}\n"
    text = ROW.replace("  experts: {total: 8, active: 2}\n", counted + "  ffn: {kind: swiglu, d_ff: 128}\n  total: 999999\n")
    (questions / "models.yaml").write_text(text, "utf-8")
    [finding] = load_bank(questions).findings
    assert finding.key == "toy-8b.total" and "counts" in finding.problem


def test_an_own_bank_adds_rows_and_cannot_change_one(questions, write, tmp_path):
    """A row of an own bank joins the others; the same id with other facts is a finding and the first stays."""
    put(questions)
    mine = tmp_path / "mine"
    write("first", folder=mine)
    other = ROW.replace("toy-8b", "my-1b").replace("Toy 8B", "My 1B")
    (mine / "models.yaml").write_text(other + ROW.replace("layers: 4", "layers: 5"), "utf-8")
    bank = load_bank(questions, [mine])
    assert set(bank.models) == {"toy-8b", "my-1b"}
    assert bank.models["toy-8b"].layers == 4
    assert ["another bank" in f.problem for f in bank.findings] == [True]


PUBLISHED = {  # parameters of the released weights, as their safetensors indices state them
    "llama-2-7b": 6_738_415_616,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-405b": 405_853_388_800,
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-8b": 8_190_735_360,
    "phi-4": 14_659_507_200,
    "deepseek-v3": 671_026_404_352,
}


@pytest.mark.parametrize(("model", "parameters"), PUBLISHED.items())
def test_parameters_counted_from_a_row_are_those_of_the_released_weights(models, model, parameters):
    """GQA, biases, QK-norm, tied embeddings, experts and MLA are counted to the last parameter."""
    assert counted_parameters(models[model]) == parameters


@pytest.mark.parametrize("model", ["gpt-oss-120b", "deepseek-v4-flash", "gemma-3-27b", "qwen3-next-80b-a3b", "kimi-k3", "gpt-4"])
def test_what_cannot_be_counted_exactly_is_not_counted(models, model):
    """Sinks, gates, shared keys, sandwich norms, linear layers and unknown rows give no number instead of a near one."""
    assert counted_parameters(models[model]) is None


CACHES = {  # bytes per token in 16 bit, from the configurations
    "llama-2-7b": 524_288,
    "llama-2-70b": 327_680,
    "llama-3.1-8b": 131_072,
    "qwen3-8b": 147_456,
    "qwen3-235b-a22b": 192_512,
    "minimax-m2": 253_952,
    "minimax-m3": 122_880,
    "deepseek-v3": 70_272,
    "glm-5": 89_856,
    "gpt-oss-120b": 36_864,
}


@pytest.mark.parametrize(("model", "size"), CACHES.items())
def test_bytes_that_a_token_adds_to_the_cache(models, model, size):
    """MHA, GQA and MLA: layers that grow × what one of them stores × 2 bytes."""
    assert cached_numbers(models[model]) * 2 == size


def test_a_window_caps_its_layers(models):
    """gpt-oss-120b: 18 windowed layers hold 4,718,592 bytes at any length past 128; Mistral 7B stops at 4096 tokens."""
    gpt, mistral = models["gpt-oss-120b"], models["mistral-7b"]
    assert cache_bytes(gpt, 4096) == 4096 * 36_864 + 4_718_592
    assert cache_bytes(gpt, 64) == 64 * 73_728
    assert cache_bytes(mistral, 4096) == cache_bytes(mistral, 100_000) == 2**29


@pytest.mark.parametrize("model", ["deepseek-v4-flash", "gemma-4-31b", "kimi-k3", "gpt-4", "qwen3.5-397b-a17b"])
def test_a_cache_that_the_row_does_not_determine_is_not_computed(models, model):
    """Shared keys and values, unknown layers or heads give None."""
    assert cached_numbers(models[model]) is None and cache_bytes(models[model], 8) is None


def test_a_dense_model_uses_all_its_parameters_and_a_sparse_one_what_was_announced(models):
    """Active parameters are not guessed for experts."""
    assert active_parameters(models["llama-3.1-8b"]) == 8_030_261_248
    assert active_parameters(models["deepseek-v3"]) == 37_000_000_000
    assert active_parameters(models["mistral-large-3"]) is None


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("llama-2-7b", ["llama-2-7b"]),
        ("Llama 2 7B", ["llama-2-7b"]),
        ("LLAMA-2_7b", ["llama-2-7b"]),
        ("DeepSeek-V3.2-Exp", ["deepseek-v3.2"]),
        ("gpt-oss", ["gpt-oss-120b", "gpt-oss-20b"]),
        ("llama 9", []),
    ],
)
def test_a_model_is_found_by_any_of_its_names(models, name, ids):
    """Id, name, alias and family, whatever their case and hyphens."""
    assert sorted(m.id for m in named(models, name)) == ids


def test_the_rows_that_ship(models):
    """At least 40 models, none with two names alike, newest first."""
    assert len(models) >= 40
    names = [fold(n) for m in models.values() for n in {fold(n) for n in m.names}]
    assert len(names) == len(set(names))
    dates = [m.date for m in by_date(models) if len(m.date) == 7]
    assert dates == sorted(dates, reverse=True)


def test_no_row_rests_on_a_secondary_source_alone_but_those_that_say_so(models):
    """GPT-3's table was read in a quotation; every other row has a configuration, code, recipe or report."""
    secondary = [m.id for m in models.values() if all(s.what == "secondary" for s in m.sources)]
    assert secondary == ["gpt-3-175b"]


def test_a_row_comes_back_from_json(models):
    """Rows are plain values: they survive encoding."""
    row = models["gpt-oss-120b"]
    assert msgspec.json.decode(msgspec.json.encode(row), type=type(row)) == row
