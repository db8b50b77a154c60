"""The encoder of merged_vocabulary, held to SentencePiece."""

import io

import sentencepiece

LINES = [
    "the tokens of a text are counted", "a decision on pensions is in session", "the tension in the region", "the mission of the nation",
]  # fmt: skip


def test_the_encoder_cuts_as_sentencepiece_does(demo):
    """With the scores of a BPE model that SentencePiece trained, every line, seen or not, is cut as SentencePiece cuts it."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_writer=model, model_type="bpe", vocab_size=60, minloglevel=2, num_threads=1,
        normalization_rule_name="identity",
    )  # fmt: skip
    real = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = {real.id_to_piece(i): real.get_score(i) for i in range(real.get_piece_size()) if not real.is_control(i)}
    scores = {piece: score for piece, score in pieces.items() if len(piece) > 1}
    for line in [*LINES, "the nation decides on a mission", "tensions and tokens in texts"]:
        known = "".join(c for c in line if c == " " or c in pieces)
        assert demo("nlp/merged_vocabulary").encode("▁" + known.replace(" ", "▁"), scores) == real.encode(known, out_type=str)


def test_a_new_piece_beats_old_merges_by_its_score(demo):
    """'20' scored 0 is taken before '01'; scored lowest it waits until nothing else can be joined."""
    encode = demo("nlp/merged_vocabulary").encode
    assert encode("201", {"01": -1.0, "20": 0.0}) == ["20", "1"]
    assert encode("201", {"01": -1.0, "20": -9.0}) == ["2", "01"]
    assert encode("中华民", {"中华民": 0.0}) == ["中", "华", "民"]
