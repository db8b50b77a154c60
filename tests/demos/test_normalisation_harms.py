"""The normal forms of normalisation_harms, held to SentencePiece's own normaliser."""

import sentencepiece


def test_the_default_rule_of_sentencepiece_does_the_same(demo):
    """nmt_nfkc turns each first text into the second, as NFKC of the standard library does, and leaves nothing of them with identity."""
    module = demo("nlp/normalisation_harms")
    default = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
    identity = sentencepiece.SentencePieceNormalizer(rule_name="identity")
    for text, becomes in module.MEANT_APART:
        assert default.normalize(text).lstrip("▁") == becomes == module.normal(text, "NFKC")                # "▁" marks the start
        assert identity.normalize(text).lstrip("▁") == text
