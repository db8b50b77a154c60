"""Evidence in Chinese."""

import pytest

from studyapp.evidence import bars, heatmap, lines, table
from studyapp.evidence.labels import Labels, check_placeholders, is_neutral
from studyapp.evidence.types import Check

LABELS = Labels(
    {"largest weight": "最大权重", "{}: variance over {}": "{} 的方差与 {} 之比", "over {}": "除以 {}", "unscaled": "未缩放"},
    {"variance": "方差", "kv cache": "KV cache"},
)


@pytest.mark.parametrize(
    ("label", "zh"),
    [
        ("largest weight", "最大权重"),
        ("Variance", "方差"),
        ("KV cache", "KV cache"),
        ("over d^0.5", "除以 d^0.5"),
        ("unscaled: variance over largest weight", "未缩放的方差与最大权重之比"),
        ("d_k", "d_k"),
        ("RoPE", "RoPE"),
        ("log(Σ exp(x))", "log(Σ exp(x))"),
        ("16", "16"),
        ("seconds", None),
        ("largest weight, scaled", None),
        ("Var of q", None),
    ],
)
def test_a_label_is_looked_up(label: str, zh: str | None) -> None:
    """The demo's table, the bank's terms and patterns are asked; symbols and names stay; the rest is missing."""
    assert LABELS.find(label) == zh
    assert LABELS(label) == (zh or label)


def test_every_text_of_evidence_is_translated() -> None:
    """Titles, columns, series, axes, row names and what a check judges are Chinese; numbers and the program's words stay."""
    t = LABELS.translated
    assert t(table({"variance": [1.5], "": ["unscaled"]}, title="largest weight")) == table(
        {"方差": [1.5], "": ["未缩放"]}, title="最大权重"
    )
    drawn = t(lines("variance", [1], {"unscaled": [2]}, log="x", y_label="largest weight"))
    assert (drawn.x_label, list(drawn.series), drawn.log, drawn.y_label) == ("方差", ["未缩放"], "x", "最大权重")
    assert t(bars(["unscaled"], {"variance": [1]})).labels == ("未缩放",)
    assert t(heatmap([[1]], x=["unscaled"], x_label="variance")).x == ("未缩放",)
    check = t(Check("largest weight", "at_most", "variance", "unscaled", 0, 0, True, ("variance", 3)))
    assert check == Check("最大权重", "at_most", "方差", "未缩放", 0, 0, True, ("方差", 3))


def test_what_is_missing_is_named_once() -> None:
    """Labels without Chinese are told in the order they are seen, each once."""
    seen = [table({"seconds": [1], "d_k": [2]}, title="by hand"), lines("d_k", [1], {"seconds": [1]})]
    assert LABELS.missing([*seen, Check("x", "equals", 1, 1, 0, 0, True)]) == ["seconds", "by hand"]


def test_what_reads_the_same_in_both_languages() -> None:
    """Identifiers, capitals, digits and customary terms need no translation; a plain word does."""
    assert all(map(is_neutral, ("d_head", "W_Q", "MHA", "Llama-2-7B", "bf16", "tokens", "q·k/√d", "α", "")))
    assert not any(map(is_neutral, ("by √d", "bytes", "per token", "the mean")))


def test_placeholders_are_counted() -> None:
    """A key whose Chinese lost a {} is named."""
    assert check_placeholders({"a {}": "甲", "b {}": "乙 {}"}) == ["a {}"]
