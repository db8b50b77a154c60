"""Byte-level BPE and GPT-2's way of cutting text, against the `tokenizers` library."""

import random

import pytest

tokenizers = pytest.importorskip("tokenizers")
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]  # GPT-2 shows these bytes as themselves


def byte_characters():
    """GPT-2's printable character of each byte: the others are counted up from U+0100."""
    others = [b for b in range(256) if b not in PRINTABLE]
    return {b: chr(b) for b in PRINTABLE} | {b: chr(256 + i) for i, b in enumerate(others)}


def test_tokens_are_those_of_the_library(demo):
    """With our merges the library's byte-level BPE gives our tokens, on ten strings and on random text."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    bpe, shown = demo("nlp/byte_level_bpe"), byte_characters()
    merges = bpe.train(bpe.TEXT, 40)
    text = ["".join(shown[b] for b in part) for pair in merges for part in pair]
    pairs = list(zip(text[::2], text[1::2], strict=True))
    vocabulary = {token: i for i, token in enumerate([*shown.values(), *dict.fromkeys(a + b for a, b in pairs)])}
    library = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    rng = random.Random(0)
    letters = "the cat sat on mat. 猫坐在垫子上书café😀\u0301"
    for string in [*bpe.TEN, bpe.TEXT, *("".join(rng.choices(letters, k=20)) for _ in range(100))]:
        ours = ["".join(shown[b] for b in token) for token in bpe.encode(string, merges)]
        assert ours == library.encode(string).tokens


def test_pretokens_are_those_of_gpt2(demo):
    """On random ASCII text the pieces are those of the library's ByteLevel pre-tokenizer, which is GPT-2's."""
    from tokenizers import pre_tokenizers

    cut, shown, rng = demo("nlp/pretokenization").pretokens, byte_characters(), random.Random(0)
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = "ab cd  EF 12 3.!? 's't\n\t'll-_"
    for _ in range(300):
        string = "".join(rng.choices(alphabet, k=rng.randint(1, 25)))
        theirs = [piece for piece, _ in gpt2.pre_tokenize_str(string)]
        assert ["".join(shown[b] for b in piece.encode()) for piece in cut(string)] == theirs
