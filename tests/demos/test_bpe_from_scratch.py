"""Our BPE against the `tokenizers` library: merges, and the tokens of random words."""

import itertools
import json
import random

import pytest

tokenizers = pytest.importorskip("tokenizers")


def hugging_face(corpus, merges):
    """The library's merges on the same words, without an end mark."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    base = len({c for word in corpus for c in word})
    trainer = trainers.BpeTrainer(vocab_size=base + merges, show_progress=False)
    tokenizer.train_from_iterator((" ".join([word] * times) for word, times in corpus.items()), trainer)
    return tokenizer


def learnt_by(tokenizer):
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


@pytest.mark.parametrize("seed", range(5))
def test_merges_are_those_of_the_library_up_to_the_first_tie(demo, seed):
    """On random words the merges agree as long as one pair alone is the most frequent."""
    bpe, rng = demo("nlp/bpe_from_scratch"), random.Random(seed)
    corpus = {"".join(rng.choices("abcde", k=rng.randint(2, 7))): rng.randint(1, 300) for _ in range(60)}
    theirs, words, agreed = learnt_by(hugging_face(corpus, 30)), {tuple(w): n for w, n in corpus.items()}, 0
    for pair in theirs:
        counts: dict[tuple[str, str], int] = {}
        for word, times in words.items():
            for two in itertools.pairwise(word):
                counts[two] = counts.get(two, 0) + times
        if list(counts.values()).count(max(counts.values())) > 1:
            break
        best, count, words = bpe.merge_step(words)
        assert best == pair and count == max(counts.values())
        agreed += 1
    assert agreed >= 5


def test_words_are_encoded_as_the_library_does(demo):
    """Given the library's merges, replay makes the library's tokens of 300 random words, seen or not."""
    bpe, rng = demo("nlp/bpe_from_scratch"), random.Random(0)
    corpus = {"".join(rng.choices("abcde", k=rng.randint(2, 7))): rng.randint(1, 300) for _ in range(60)}
    tokenizer = hugging_face(corpus, 40)
    merges = learnt_by(tokenizer)
    for _ in range(300):
        word = "".join(rng.choices("abcde", k=rng.randint(1, 12)))
        assert list(bpe.encode(tuple(word), merges)) == tokenizer.encode(word).tokens
