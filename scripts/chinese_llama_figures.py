"""What Llama 2's tokenizer and its merge with Chinese-LLaMA's pieces make of the bank's own texts.

    python scripts/chinese_llama_figures.py TOKENIZER_MODEL CHINESE_SP_MODEL

The first file is `tokenizer.model` of karpathy/llama2.c (commit 350e04f), the second `scripts/merge_tokenizer/chinese_sp.model` of
ymcui/Chinese-LLaMA-Alpaca (commit 090475f). The merge is that of merge_tokenizers.py beside it: every new piece at the end, score 0.
Needs sentencepiece and protobuf.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as protobuf

from studyapp.bank.load import load_bank
from studyapp.paths import questions_dir

HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
CHINESE_RUN = re.compile("[\u4e00-\u9fff，。；：、？！（）]{8,}")
SENTENCE_END = re.compile(r"(?<=[.?!;:]) |\n")


def read(path: str) -> Any:
    model = protobuf.ModelProto()
    model.ParseFromString(Path(path).read_bytes())
    return model


def merged(old: Any, pieces: Iterable[str], score: float) -> Any:
    """The old model with the pieces behind its own."""
    model = protobuf.ModelProto()
    model.CopyFrom(old)
    for text in pieces:
        piece = model.pieces.add()
        piece.piece, piece.score = text, score
    return model


def encoder(model: Any) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())


def main() -> None:
    llama, chinese = read(sys.argv[1]), read(sys.argv[2])
    old = {piece.piece for piece in llama.pieces}
    new = [piece.piece for piece in chinese.pieces if piece.piece not in old]
    han = [piece for piece in new if HAN.search(piece)]
    print(f"{len(old)} pieces, {sum(bool(HAN.search(piece)) for piece in old)} with Han; {len(new)} new, {len(han)} with Han")

    below = min(piece.score for piece in llama.pieces) - 1
    before = encoder(llama)
    after = {"score 0": encoder(merged(llama, new, 0)), "score below all": encoder(merged(llama, new, below)),
             "Han only": encoder(merged(llama, han, 0))}  # fmt: skip

    questions = load_bank(questions_dir()).questions.values()
    runs = [run for question in questions for run in CHINESE_RUN.findall(question.brief.zh)]
    size = sum(map(len, runs))
    characters = HAN.findall("".join(runs))
    covered = sum(character in old for character in characters) / len(characters)
    print(f"{size} Chinese characters: {covered:.3f} of the Han ones have a piece, so {3 - 2 * covered:.2f} tokens each expected")
    for name, model in {"Llama 2": before, **after}.items():
        print(f"  {name}: {sum(len(model.encode(run)) for run in runs) / size:.2f} tokens per character")

    english = [part.strip() for question in questions for text in (question.brief.en, *(point.en for point in question.points))
               for part in SENTENCE_END.split(text)]  # fmt: skip
    groups = {
        "letters only": [s for s in english if len(s) >= 40 and re.fullmatch(r"[A-Za-z ,.;:'’-]+", s)],
        "with a number of two digits": [s for s in english if re.search(r"\d\d", s) and re.fullmatch(r"[\x20-\x7e’]+", s)],
    }
    for kind, sentences in groups.items():
        for name, model in after.items():
            changed = sum(model.encode(s) != before.encode(s) for s in sentences)
            print(f"  {kind}, {name}: {changed} of {len(sentences)} cut otherwise")

    dead = [piece for piece in han if piece not in after["score 0"].encode("。" + piece + "。", out_type=str)]
    print(f"{len(dead)} new Han pieces can never be produced: {' '.join(dead[:10])}")


if __name__ == "__main__":
    main()
