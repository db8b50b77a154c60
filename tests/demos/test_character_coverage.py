"""The alphabet of character_coverage, held to SentencePiece."""

import io

import pytest
import sentencepiece


@pytest.mark.parametrize("coverage", [0.98, 0.99, 1.0])
def test_sentencepiece_keeps_the_same_characters(demo, coverage):
    """A char model keeps as many characters as our alphabet, all of them as frequent, with the word mark counted as a character."""
    module, model = demo("nlp/character_coverage"), io.BytesIO()
    lines = [line.replace("，", "") for line in module.CORPUS]
    marked = "".join("▁" + line for line in lines)
    kept = module.alphabet(marked, coverage)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="char", vocab_size=300, character_coverage=coverage, minloglevel=2,
        num_threads=1, hard_vocab_limit=False, normalization_rule_name="identity",
    )  # fmt: skip
    real = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [real.id_to_piece(i) for i in range(real.get_piece_size()) if not real.is_control(i) and not real.is_unknown(i)]
    assert len(pieces) == len(kept)
    assert sorted(map(marked.count, pieces)) == sorted(map(marked.count, kept))
