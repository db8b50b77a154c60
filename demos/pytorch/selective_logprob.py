r"""One token's log-probability is its logit less the log-sum-exp: no table of log-probabilities need be kept.

一个 token 的对数概率是它的 logit 减去 log-sum-exp：不必保留整张对数概率表。

Turn `way` to "log of softmax": a probability of 0 in float32 becomes −inf. 把 `way` 改为 "log of softmax"：
float32 中为 0 的概率变成 −inf。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import saved_for_backward


@exercise(claims=("it_is_cross_entropy_negated", "it_keeps_one_number_per_token"),
          wrong=("leaves_out_the_normaliser", "logs_the_softmax", "keeps_the_table", "normalises_over_tokens"))
def selective_logprob(logits: Tensor, ids: Tensor) -> Tensor:
    """log p of the token that was chosen: logits are (tokens, vocabulary), ids (tokens,), the result (tokens,).

    被选中的 token 的 log p：logits 为 (tokens, vocabulary)，ids 为 (tokens,)，结果为 (tokens,)。"""
    chosen = logits.gather(-1, ids.unsqueeze(-1)).squeeze(-1)        # (tokens,)
    return chosen - logits.logsumexp(-1)                             # stable: the maximum is taken out inside


def log_table(logits: Tensor, ids: Tensor) -> Tensor:
    """All log-probabilities, and one picked: the usual two calls."""
    return logits.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def log_of_softmax(logits: Tensor, ids: Tensor) -> Tensor:
    """The wrong way: a probability that rounds to 0 has no logarithm."""
    return logits.softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1).log()


WAYS = {"selective": selective_logprob, "log_softmax": log_table, "log of softmax": log_of_softmax}

RANGES = {
    "tokens": between(2, 32), "vocabulary": between(16, 2000), "largest": between(200.0, 5000.0),
    "vocabularies": each(between(16, 4000), at_least=2, rising=True), "way": one_of("selective", "log_softmax", "log of softmax"),
}  # fmt: skip


@breaks(way="log of softmax", en="Below e^−104 a float32 probability is 0, and its logarithm −inf.",
        zh="float32 的概率小于 e^−104 时为 0，取对数得 −inf。")
def claim_it_is_cross_entropy_negated(tokens=16, vocabulary=1000, largest=300.0, way="selective"):
    """The logit less log-sum-exp is minus torch's cross-entropy, for logits up to 300 and the least likely token.

    logit 减 log-sum-exp 等于 torch 交叉熵取负，logit 大到 300、最不可能的 token 也成立。"""
    logits = torch.randn(tokens, vocabulary)
    logits *= largest / logits.abs().max()
    ids = torch.randint(vocabulary, (tokens,))
    ids[0] = (logits[0] - logits[0].max()).argmin()
    logits[0, ids[0]] = -largest                                     # far below: p = e^−(maximum + largest)
    exact = -F.cross_entropy(logits.double(), ids, reduction="none")
    gap = WAYS[way](logits, ids) - exact
    show(bars(range(tokens), {"log p": exact}))
    # float32 logits of size `largest`: each of a few roundings is half of 1.2e-7 of it
    expect("log p less minus cross-entropy", gap, equals=0, within=1e-6 * largest, at=("token", range(tokens)))


@breaks(way="log_softmax", en="log_softmax keeps its output for backward: another tensor as large as the logits.",
        zh="log_softmax 为反向保留自己的输出：又一个与 logits 同样大的张量。")
def claim_it_keeps_one_number_per_token(tokens=16, vocabularies=(250, 500, 1000), way="selective"):
    """Beside logits that stay alive it keeps 12 bytes per token for backward, whatever the vocabulary; log_softmax keeps a
    second table. Where nobody holds the logits, both keep one.

    logits 本来就留着时，它为反向每 token 只多留 12 字节，与词表大小无关；log_softmax 多留一整张表。
    没有别人留着 logits 时，两者都留一张。"""
    held, alone = ({name: [] for name in ("selective", "log_softmax", way)} for _ in range(2))
    for vocabulary in vocabularies:
        logits, ids = torch.randn(tokens, vocabulary).requires_grad_(), torch.randint(vocabulary, (tokens,))
        for found, counted_elsewhere in ((held, (logits,)), (alone, ())):
            for name in found:
                with saved_for_backward(*counted_elsewhere) as saved:
                    out = WAYS[name](logits, ids)
                    found[name].append(saved.now / tokens)
                del out
    show(lines("vocabulary", vocabularies, {"selective": held["selective"], "log_softmax, gather": held["log_softmax"]},
               y_label="bytes per token"))
    expect("bytes kept per token beside the logits", held[way], equals=12, at=("vocabulary", vocabularies))
    for name, extra in {"selective": 12, "log_softmax": 8}.items():    # an int64 index each, one of them a float32 log-sum-exp
        expect(f"bytes per token beyond one table, where nobody holds the logits, {name}",
               [b - 4 * v for b, v in zip(alone[name], vocabularies, strict=True)], equals=extra, at=("vocabulary", vocabularies))


def drill_logits_bytes(rng) -> Drill:
    """Bytes of the logits."""
    vocabulary = rng.choice([32_000, 50_257, 128_256, 151_936, 201_088])
    tokens, (name, width) = rng.choice([2048, 4096, 8192, 16_384]), rng.choice([("fp32", 4), ("bf16", 2)])
    return Drill(
        en=f"{tokens:,} tokens, a vocabulary of {vocabulary:,}, logits in {name}. How many GB (1e9 bytes) is one copy?",
        zh=f"{tokens:,} 个 token，词表 {vocabulary:,}，logits 为 {name}。一份占多少 GB（1e9 字节）？",
        answer=tokens * vocabulary * width / 1e9, within=0.03 * tokens * vocabulary * width / 1e9,
        steps=[(f"{tokens:,} · {vocabulary:,} = {tokens * vocabulary / 1e9:.3g}e9 numbers",
                f"{tokens:,} · {vocabulary:,} = {tokens * vocabulary / 1e9:.3g}e9 个数"),
               (f"times {width} bytes: {tokens * vocabulary * width / 1e9:.3g} GB",
                f"乘 {width} 字节：{tokens * vocabulary * width / 1e9:.3g} GB")],
        proved_by="it_keeps_one_number_per_token",
    )


ZH = {
    "log p less minus cross-entropy": "log p 与交叉熵取负之差", "selective": "只取所选",
    "log_softmax, gather": "log_softmax 再 gather", "bytes per token": "每 token 字节数",
    "bytes kept per token beside the logits": "除 logits 外每 token 保留的字节数", "vocabulary": "词表",
    "log p": "log p",
    "bytes per token beyond one table, where nobody holds the logits, {}": "没有别人留着 logits 时，每 token 超出一张表的字节数，{}",
}  # fmt: skip

if __name__ == "__main__":
    main()
