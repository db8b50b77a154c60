r"""The logits cost tokens · vocabulary · 4 bytes several times over, whatever the model; chunks avoid it.

logits 要占 token 数 · 词表 · 4 字节，而且不止一份，与模型大小无关；分块计算可以避免。

Turn `chunk` to 4096: one chunk holds all tokens, and the peak is that of the plain loss.
把 `chunk` 改为 4096：一块装下所有 token，峰值就和普通损失一样。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import peak_bytes


@exercise(claims=("chunks_change_no_number", "the_peak_falls_to_one_chunk"),
          wrong=("means_of_chunks", "keeps_all_logits"))
def chunked_loss(hidden: Tensor, head: Tensor, labels: Tensor, chunk: int) -> tuple[Tensor, Tensor, Tensor]:
    """The mean cross-entropy over tokens and its gradients in hidden and head, with the logits of only
    `chunk` tokens held at once; hidden is (tokens, width), head (vocabulary, width), labels (tokens,).

    对 token 取平均的交叉熵，及其对 hidden 与 head 的梯度，任何时刻只保留 `chunk` 个 token 的 logits；
    hidden 为 (tokens, width)，head 为 (vocabulary, width)，labels 为 (tokens,)。"""
    loss, slope, slope_head = hidden.new_zeros(()), torch.empty_like(hidden), torch.zeros_like(head)
    for start in range(0, len(labels), chunk):
        part, at = slice(start, start + chunk), labels[start : start + chunk]
        p = hidden[part] @ head.T                                            # (chunk, vocabulary): logits
        peak = p.amax(1, keepdim=True)
        loss += (p.sub(peak).exp().sum(1).log() + peak[:, 0] - p.gather(1, at[:, None])[:, 0]).sum()
        p.sub_(peak).exp_().div_(p.sum(1, keepdim=True))                     # now probabilities, in place
        p[torch.arange(len(at)), at] -= 1                                    # p − y
        slope[part] = p @ head / len(labels)
        slope_head.addmm_(p.T, hidden[part], alpha=1 / len(labels))
    return loss / len(labels), slope, slope_head


def plain(hidden: Tensor, head: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same by torch's cross_entropy and autograd over all tokens at once."""
    hidden, head = hidden.detach().requires_grad_(), head.detach().requires_grad_()
    loss = F.cross_entropy(hidden @ head.T, labels)
    return (loss.detach(), *torch.autograd.grad(loss, (hidden, head)))


def mean_of_means(hidden: Tensor, head: Tensor, labels: Tensor, chunk: int) -> tuple[Tensor, ...]:
    """The wrong way: each chunk's own mean, averaged over chunks, so a short last chunk counts too much."""
    starts = range(0, len(labels), chunk)
    parts = [plain(hidden[s : s + chunk], head, labels[s : s + chunk]) for s in starts]
    return (torch.stack([p[0] for p in parts]).mean(), torch.cat([p[1] for p in parts]) / len(starts),
            torch.stack([p[2] for p in parts]).mean(0))


def inputs(tokens: int, width: int, vocabulary: int) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states, head and labels."""
    return (torch.randn(tokens, width), torch.randn(vocabulary, width) / width**0.5,
            torch.randint(vocabulary, (tokens,)))


RANGES = {
    "tokens": between(64, 512), "width": between(4, 16), "vocabulary": between(1000, 4000), "chunk": between(8, 4096),
    "averaged": one_of("tokens", "chunks"),
}  # fmt: skip


@breaks(averaged="chunks", en="A mean of chunk means counts the tokens of a short last chunk more than the others.",
        zh="先按块求平均再平均，较短的最后一块里的 token 权重就偏大。")
def claim_chunks_change_no_number(tokens=100, width=8, vocabulary=1000, chunk=32, averaged="tokens"):
    """Loss and gradients of the chunked loss equal those of torch's cross-entropy over all tokens, to
    rounding, and also where the last chunk is shorter.

    分块损失的数值与梯度都等于 torch 对全部 token 计算的交叉熵，只差舍入，最后一块较短时也一样。"""
    hidden, head, labels = inputs(tokens, width, vocabulary)
    way = chunked_loss if averaged == "tokens" else mean_of_means
    ours, torchs = way(hidden, head, labels, chunk), plain(hidden, head, labels)
    show(bars(["loss"], {"in chunks": [ours[0]], "all at once": [torchs[0]]}))
    # float32: sums of up to 512 terms of size below 10 in another order
    for name, a, b in zip(("loss", "gradient in hidden", "gradient in head"), ours, torchs, strict=True):
        expect(f"{name}, in chunks less all at once", a - b, equals=0, within=1e-4 if name == "loss" else 1e-5)


@breaks(chunk=4096, en="One chunk of all tokens holds all logits.", zh="一块装下所有 token，就保留了全部 logits。")
def claim_the_peak_falls_to_one_chunk(tokens=256, width=8, vocabulary=4000, chunk=16):
    """Torch's loss over all tokens holds at least three arrays of tokens × vocabulary at its peak; in
    chunks of a sixteenth the peak is under a quarter of it.

    torch 对全部 token 计算损失，峰值时至少同时保留三份 token 数 × 词表大小的数组；按十六分之一分块，峰值不到它的四分之一。"""
    data = inputs(tokens, width, vocabulary)
    one = 4 * tokens * vocabulary
    whole, parts = peak_bytes(lambda *a: plain(*a), *data), peak_bytes(lambda *a: chunked_loss(*a, chunk), *data)
    show(bars(["all at once", "in chunks"], {"peak over one array of logits": [whole / one, parts / one]}))
    expect("peak of the plain loss over tokens · vocabulary · 4 bytes", whole / one, at_least=3)
    if chunk * 16 <= tokens or chunk > tokens:
        expect("peak in chunks over the plain one", parts / whole, at_most=0.25)


def drill_logits(rng) -> Drill:
    """Gigabytes of the logits of one sequence."""
    tokens, vocabulary = rng.choice([4096, 8192, 16384]), rng.choice([32_000, 100_000, 128_000, 150_000])
    total = 4 * tokens * vocabulary / 1e9
    return Drill(
        en=f"How many GB (1e9 bytes) do the fp32 logits of one sequence of {tokens:,} tokens take at a vocabulary of {vocabulary:,}?",
        zh=f"一条 {tokens:,} 个 token 的序列，词表 {vocabulary:,}，fp32 的 logits 占多少 GB（1e9 字节）？",
        answer=total, within=0.02 * total,
        steps=[(f"{tokens:,} · {vocabulary:,} = {tokens * vocabulary / 1e9:.3f} billion numbers",
                f"{tokens:,} · {vocabulary:,} = {tokens * vocabulary / 1e8:.2f} 亿个数"),
               (f"times 4 bytes = {total:.2f} GB", f"乘 4 字节 = {total:.2f} GB")],
        proved_by="the_peak_falls_to_one_chunk",
    )


ZH = {
    "loss": "损失", "in chunks": "分块", "all at once": "一次全部", "{}, in chunks less all at once": "{}，分块减一次全部",
    "gradient in hidden, in chunks less all at once": "对 hidden 的梯度，分块减一次全部",
    "gradient in head, in chunks less all at once": "对 head 的梯度，分块减一次全部",
    "loss, in chunks less all at once": "损失，分块减一次全部",
    "peak over one array of logits": "峰值与一份 logits 之比",
    "peak of the plain loss over tokens · vocabulary · 4 bytes": "普通损失的峰值与 token 数·词表·4 字节之比",
    "peak in chunks over the plain one": "分块峰值与普通峰值之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
