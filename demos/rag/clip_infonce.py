r"""Contrastive image-text training: each image must pick its own text out of the batch, and each text
its image.

图文对比学习：每张图要在 batch 里选出自己的文本，每段文本要选出自己的图。

CLIP's symmetric InfoNCE (Radford et al. 2021) beside SigLIP's sigmoid loss (Zhai et al. 2023). Turn
`paired` to "shuffled": nothing can be learnt. 把 `paired` 改为 "shuffled"：什么也学不到。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam


@exercise(claims=("loss_is_two_cross_entropies", "an_indifferent_model_pays_ln_n"),
          wrong=("images_only", "keeps_the_diagonal_out", "multiplies_by_the_temperature"))
def info_nce(images: Tensor, texts: Tensor, temperature: float) -> Tensor:
    """CLIP's loss of unit vectors (batch, d) each, row i of one belonging to row i of the other: the mean
    of the cross-entropy over texts for each image and over images for each text, cosines divided by the
    temperature.

    CLIP 的损失：两组单位向量都是 (batch, d)，第 i 行互为一对；余弦除以温度，对每张图在文本上、对每段文本在图上各求
    交叉熵，再取两者的平均。"""
    logits = images @ texts.T / temperature                                  # (batch, batch)
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def sigmoid_loss(images: Tensor, texts: Tensor, temperature: float, own: Tensor) -> Tensor:
    """SigLIP's: every pair is a yes-or-no question; own (images, texts) is +1 for a pair, −1 elsewhere."""
    return -F.logsigmoid(own * (images @ texts.T / temperature - 10)).sum()


def views(n: int, d: int, noise: float = 0.3) -> tuple[Tensor, Tensor]:
    """Two linear views (n, 2d) of one latent (n, d), "image" and "text"."""
    latent = torch.randn(n, d)
    return tuple(latent @ torch.randn(d, 2 * d) / d**0.5 + noise * torch.randn(n, 2 * d) for _ in range(2))


RANGES = {
    "batch": between(4, 512), "d": between(8, 64), "temperature": between(0.02, 1.0),
    "paired": one_of("true", "shuffled"), "chunks": one_of(2, 4, 8), "loss": one_of("sigmoid", "softmax"),
    "directions": one_of("both", "image to text"), "logits": one_of("equal", "random"),
}  # fmt: skip


@breaks(directions="image to text", en="One direction alone is half of the loss.", zh="只算一个方向，只是损失的一半。")
def claim_loss_is_two_cross_entropies(batch=16, d=8, temperature=0.07, directions="both"):
    """CLIP's loss is the mean of two cross-entropies over the same matrix of cosines, along its rows and
    along its columns.

    CLIP 的损失是同一个余弦矩阵上两个交叉熵的平均：一个沿行，一个沿列。"""
    images, texts = F.normalize(torch.randn(2, batch, d, dtype=torch.float64), dim=-1)
    cosines = (images @ texts.T).tolist()
    rows = columns = 0.0
    for i in range(batch):
        powers = [math.exp(cosines[i][j] / temperature) for j in range(batch)]
        others = [math.exp(cosines[j][i] / temperature) for j in range(batch)]
        rows -= math.log(powers[i] / sum(powers)) / batch
        columns -= math.log(others[i] / sum(others)) / batch
    by_hand = (rows + columns) / 2 if directions == "both" else rows
    got = info_nce(images, texts, temperature)
    show(bars(["image to text", "text to image", "the loss"], {"nats": [rows, columns, got.item()]}))
    expect("loss", got, equals=by_hand, within=1e-9)


@breaks(logits="random", en="Random vectors are not indifferent: confident mistakes cost more than ln N.",
        zh="随机向量并非无所谓：自信地选错，代价超过 ln N。")
def claim_an_indifferent_model_pays_ln_n(batch=256, d=32, temperature=0.07, logits="equal"):
    """A model that scores all texts alike pays ln N for a batch of N: a larger batch is a harder question.

    对所有文本打分都一样的模型，在大小为 N 的 batch 上损失为 ln N：batch 越大，题目越难。"""
    vectors = F.normalize(torch.randn(2, batch, d, dtype=torch.float64), dim=-1)
    if logits == "equal":
        vectors = vectors[:, :1].expand(2, batch, d).clone()
    sizes = [n for n in (4, 16, 64, 256) if n <= batch]
    found = [info_nce(vectors[0, :n], vectors[1, :n], temperature) for n in sizes]
    show(lines("batch", sizes, {"loss": found, "ln N": [math.log(n) for n in sizes]}, log="x", y_label="nats"))
    expect("loss", found, equals=[math.log(n) for n in sizes], within=1e-9, at=("batch", sizes))


@breaks(paired="shuffled", en="With pairs drawn at random there is nothing to align.",
        zh="配对是随机的，就没有可对齐的东西。")
def claim_training_aligns_the_spaces(paired="true"):
    """Two encoders begin with a recall of chance, since their spaces share nothing; 60 steps on pairs bring
    256 held-out ones to over 0.9.

    两个编码器起初的召回率等于瞎猜，因为两个空间毫无共同之处；用配对数据训练 60 步后，256 个没见过的样本召回率超过 0.9。"""
    n, d, temperature = 256, 16, 0.07
    both = views(2 * n, d)
    images, texts = (x[:n] for x in both)
    if paired == "shuffled":
        texts = texts[torch.randperm(n)]
    weights = [(torch.randn(2 * d, d) / d).requires_grad_() for _ in range(2)]

    def encode(*inputs: Tensor) -> list[Tensor]:
        return [F.normalize(x @ w, dim=-1) for x, w in zip(inputs, weights, strict=True)]

    def recall() -> float:
        with torch.no_grad():
            a, b = encode(*(x[n:] for x in both))
        return float(((a @ b.T).argmax(1) == torch.arange(n)).float().mean())

    optimiser, losses, start = Adam(weights, lr=0.02), [], recall()
    for _ in range(60):
        loss = info_nce(*encode(images, texts), temperature)
        losses.append(loss.item())
        optimiser.step(loss)
    end = recall()
    show(lines("step", range(60), {"loss": losses, "ln 256": [math.log(n)] * 60}, y_label="nats"),
         bars(["before", "after"], {"recall@1 of held-out pairs": [start, end]}))
    # Chance is 1/256: more than 8 of 256 right has a probability below 1e-5.
    expect("recall@1 before", start, at_most=8 / n)
    expect("recall@1 after", end, at_least=0.9)


@breaks(loss="softmax", en="A softmax has one sum over the whole batch: pieces of it are an easier question.",
        zh="softmax 的分母是整个 batch 的和：分块计算就变成了更容易的题目。")
def claim_a_sigmoid_loss_adds_up_over_chunks(batch=64, d=16, temperature=0.1, chunks=4, loss="sigmoid"):
    """SigLIP's loss is a sum over pairs, so devices can add up their blocks; CLIP's denominators need the
    whole batch at once.

    SigLIP 的损失是逐对之和，各设备算完自己的块相加即可；CLIP 的分母则一次需要整个 batch。"""
    size = batch // chunks
    images, texts = F.normalize(torch.randn(2, size * chunks, d, dtype=torch.float64), dim=-1)
    own = 2 * torch.eye(size * chunks, dtype=torch.float64) - 1
    pieces = [slice(i * size, (i + 1) * size) for i in range(chunks)]
    whole = {"sigmoid": sigmoid_loss(images, texts, temperature, own), "softmax": info_nce(images, texts, temperature)}
    by_blocks = {
        "sigmoid": sum(sigmoid_loss(images[a], texts[b], temperature, own[a, b]) for a in pieces for b in pieces),
        "softmax": sum(info_nce(images[a], texts[a], temperature) for a in pieces) / chunks,
    }
    show(bars(list(whole), {"by blocks over whole": [by_blocks[k] / whole[k] for k in whole]}))
    expect("by blocks over whole", by_blocks[loss] / whole[loss], equals=1, within=1e-9)


def drill_chance(rng) -> Drill:
    """What an untrained pair of encoders scores."""
    batch = rng.choice((64, 128, 512, 1024, 4096))
    return Drill(
        en=f"An untrained CLIP scores all texts alike. What is its contrastive loss, in nats, on a batch of {batch} pairs?",
        zh=f"未训练的 CLIP 对所有文本打分相同。在 {batch} 对的 batch 上，对比损失是多少 nat？",
        answer=math.log(batch), within=0.02, unit="nat",
        steps=[(f"every text gets 1/{batch}", f"每段文本的概率都是 1/{batch}"),
               (f"ln {batch} = {round(math.log2(batch))} · 0.693 = {math.log(batch):.2f}",) * 2],
        proved_by="an_indifferent_model_pays_ln_n",
    )


ZH = {
    "image to text": "图到文", "text to image": "文到图", "the loss": "损失", "nats": "nat", "loss": "损失",
    "batch": "batch", "ln N": "ln N", "ln 256": "ln 256", "step": "步", "before": "训练前", "after": "训练后",
    "recall@1 of held-out pairs": "未见样本的 recall@1", "recall@1 before": "训练前的 recall@1",
    "recall@1 after": "训练后的 recall@1", "by blocks over whole": "分块计算与整体之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
