"""Which words of a text name a model, and what is compared with its row."""

import pytest

from studyapp.bank.load import load_bank
from studyapp.check.named_models import by_hand, contradictions, mentions, unknown
from studyapp.paths import questions_dir

MODELS = load_bank(questions_dir()).models


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("GQA in Llama 2 70B, Llama 3 and Mistral 7B.", ["Llama 2 70B", "Llama 3", "Mistral 7B"]),
        ("Qwen3-235B-A22B and gpt-oss-120b (2025)", ["Qwen3-235B-A22B", "gpt-oss-120b"]),
        ("DeepSeek-V3.2-Exp, DeepSeek-V4-Flash", ["DeepSeek-V3.2-Exp", "DeepSeek-V4-Flash"]),
        ("Kimi Linear, Gemma 4 E2B, Mistral Small 4", ["Kimi Linear", "Gemma 4 E2B", "Mistral Small 4"]),
        ("Llama 3 8192 tokens, Llama 2, 4096", ["Llama 3", "Llama 2"]),
        ("Llama 3 有 24% 的", ["Llama 3"]),
        ("用 Qwen3 的 QK-norm", ["Qwen3"]),
        ("Gemma's softcap, GPT-2", ["Gemma", "GPT-2"]),
        ("a phi-function, mymistral, alpaca", []),
        ("Phi is a letter", ["Phi"]),
        ("Mixtral 8x7B routes two", ["Mixtral 8x7B"]),
        ("Llama 3.1 405B went from 8K to 128K", ["Llama 3.1 405B"]),
    ],
)
def test_names_are_read_whole(text, names):
    """Version, series and size belong to a name; a number that follows does not."""
    assert [name for _, name in mentions(text)] == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Llama 2, llama-2-7b by name Llama-2-7B, LLaMA", []),
        ("Qwen and DeepSeek as makers", []),
        ("Claude has none", ["Claude"]),
        ("Qwen3-14B and Qwen9", ["Qwen3-14B", "Qwen9"]),
        ("DeepSeek-V3.2-Exp", []),
    ],
)
def test_a_name_without_a_row_is_found(text, names):
    """A size that no row has is unknown, a family and a bare brand of a known model are known."""
    assert [name for _, name in unknown(text, MODELS)] == names


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Llama 3.1 8B has 32 layers and 8 KV heads.", 0),
        ("Llama 3.1 8B has 36 layers.", 1),
        ("Llama 3.1 8B 有 36 层，8 个 KV 头。", 1),
        ("DeepSeek-V3: 256 experts, 8 experts chosen, 257 experts with the shared one", 0),
        ("DeepSeek-V3 has 128 experts.", 1),
        ("DeepSeek-V3 and Llama 3.1 8B have 40 layers.", 0),
        ("Every 4 layers, Llama 3.1 8B does nothing.", 0),
        ("GPT-4 has 120 layers.", 0),
        ("gpt-oss-120b: 18 layers with a window, 18 full of 36 layers", 0),
        ("DeepSeek-V3: 3 dense layers, then 58 layers of experts", 0),
        ("Llama 3 has 80 layers or 32 layers.", 1),
    ],
)
def test_only_what_a_row_denies_is_said(text, count):
    """One model in the sentence, a number that is none of its row's; small numbers and unknown facts are left alone."""
    assert len(list(contradictions(text, MODELS))) == count


def test_facts_in_a_table_of_models_are_seen():
    """Rows that begin with a model's name and hold numbers; other tables and lines do not count."""
    text = "| Model | Layers |\n|---|---|\n| Llama-2-7B (2023) | 32 |\n| width | 16 |\n| Mistral 7B | many |\n"
    assert by_hand(text, MODELS) == ["Llama-2-7B (2023)"]
