"""wordpiece_merges, held to Hugging Face tokenizers."""

from tokenizers import models, normalizers, pre_tokenizers


def test_a_word_is_cut_as_the_library_cuts_it(demo):
    """Longest match and [UNK] for a whole word are those of the library's WordPiece."""
    module = demo("nlp/wordpiece_merges")
    vocabulary = sorted(module.BERT | module.LETTERS | {"##happiness"} | {"[UNK]"})
    for pieces in (vocabulary, [piece for piece in vocabulary if piece != "##happiness"]):
        library = models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]")
        for word in ("unhappiness", "happiness", "happy😀", "naïve", "a", "zebra", "日本"):
            assert module.encode(word, set(pieces)) == [token.value for token in library.tokenize(word)]


def test_the_normaliser_loses_what_berts_loses(demo):
    """Small letters, no accents, single spaces: as BertNormalizer and the cut at spaces leave a text."""
    strip = demo("nlp/wordpiece_merges").strip
    normaliser, cutter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    for text in ("café  A", "Straße", "résumé", "a\tb", "cafe a", "Ångström  Ü"):
        words = cutter.pre_tokenize_str(normaliser.normalize_str(text))
        assert strip(text) == " ".join(word for word, _ in words)
