"""The split of unigram_tokenizer, held to Hugging Face tokenizers."""

import itertools
import math
import random

from tokenizers import models


def test_the_best_split_is_the_librarys(demo):
    """For random piece probabilities Viterbi gives the split that the library's Unigram gives."""
    viterbi, rng = demo("nlp/unigram_tokenizer").viterbi, random.Random(0)
    for _ in range(20):
        p = {"".join(t): rng.uniform(0.001, 0.2) for n in (1, 2, 3) for t in itertools.product("ABC", repeat=n)}
        library = models.Unigram([(piece, math.log(q)) for piece, q in p.items()])
        text = "".join(rng.choices("ABC", k=12))
        assert viterbi(text, p) == [token.value for token in library.tokenize(text)]
