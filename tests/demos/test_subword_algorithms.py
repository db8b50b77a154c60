"""WordPiece against the `tokenizers` library, Unigram against `sentencepiece`."""

import io
import math
import random

import pytest

pytest.importorskip("tokenizers")
pytest.importorskip("sentencepiece")
TEXT = ["the hug of a pug is a snug hug", "the pun of the bun is no fun", "hugs and puns and buns and pugs",
        "a national station is in a nation", "motion and notion and emotion", "unhappiness is no happiness"] * 5


def test_wordpiece_encodes_as_the_library(demo):
    """On random words over a random vocabulary the pieces, and the words that are [UNK], are the library's."""
    from tokenizers import Tokenizer, models

    encode, rng = demo("nlp/wordpiece_merges").encode, random.Random(0)
    pieces = {"".join(rng.choices("abc", k=rng.randint(1, 4))) for _ in range(15)}
    vocabulary = {"a", "b"} | pieces | {"##" + p for p in pieces if rng.random() < 0.7}
    library = Tokenizer(models.WordPiece({p: i for i, p in enumerate(["[UNK]", *sorted(vocabulary)])}, unk_token="[UNK]"))
    words = ["".join(rng.choices("abc", k=rng.randint(1, 9))) for _ in range(300)]
    assert [encode(w, vocabulary) for w in words] == [library.encode(w).tokens for w in words]


def test_the_librarys_trainer_of_wordpiece_merges_by_count(demo):
    """Asked for one merge on the five words, the library's WordPiece trainer makes BPE's ##ug, not the score's ##gs."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    words = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}
    library = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    text = [" ".join([w] * n) for w, n in words.items()]
    sizes = []
    for size in range(8, 20):
        library.train_from_iterator(text, trainers.WordPieceTrainer(vocab_size=size, show_progress=False))
        sizes.append({p for p in library.get_vocab() if len(p.removeprefix("##")) > 1})
    first = next(s for s in sizes if s)
    assert first == {"##ug"}


def test_viterbi_splits_as_sentencepiece(demo):
    """With the pieces and scores of a Unigram model trained by sentencepiece, our best split has its probability."""
    import sentencepiece

    stored = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_writer=stored, vocab_size=60, model_type="unigram", minloglevel=2,
        hard_vocab_limit=False,
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=stored.getvalue())
    scores = {model.id_to_piece(i): model.get_score(i) for i in range(model.get_piece_size()) if not model.is_control(i)}
    p = {piece: math.exp(score) for piece, score in scores.items() if piece != "<unk>"}
    viterbi, compared = demo("nlp/unigram_tokenizer").viterbi, 0
    for sentence in ["hugs and motion", "a notional bun", "the happiness of pugs", "nationhood is fun"]:
        text = "\u2581" + sentence.replace(" ", "\u2581")
        if any(c not in p for c in text):
            continue
        theirs = model.encode(sentence, out_type=str)
        ours = viterbi(text, p)
        assert "".join(ours) == text
        compared += 1
        assert sum(scores[x] for x in ours) == pytest.approx(sum(scores[x] for x in theirs), abs=1e-4)
    assert compared >= 3
