"""The byte fallback of chinese_vocabulary, held to SentencePiece."""

import io

import sentencepiece


def test_sentencepiece_falls_back_to_the_same_bytes(demo):
    """A BPE model with byte fallback cuts a sentence with rare characters as with_fallback does, and gives it back."""
    module, model = demo("nlp/chinese_vocabulary"), io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(module.CHINESE), model_writer=model, model_type="bpe", vocab_size=420, character_coverage=0.98,
        minloglevel=2, num_threads=1, byte_fallback=True, hard_vocab_limit=False, normalization_rule_name="identity",
        add_dummy_prefix=False,
    )  # fmt: skip
    real = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    single = {real.id_to_piece(i) for i in range(real.get_piece_size()) if len(real.id_to_piece(i)) == 1}
    for text in ("龘词𠮷元", "é词", "训练"):
        cut = real.encode(text, out_type=str)
        assert [p for piece in cut for p in ([piece] if piece.startswith("<0x") else piece)] == module.with_fallback(text, single)
        assert real.decode(real.encode(text)) == text
