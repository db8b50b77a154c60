r"""Teacher forcing feeds the reference shifted by one; a leak shows as a loss below the data's
entropy, and free running meets the model's own errors.

teacher forcing 喂入错开一位的参考序列；一旦泄露，损失就会低于数据的熵；自由生成时，模型要面对自己的错误。

Turn `ahead` to 1 or `shift` to 0: the loss of random tokens falls below ln V, which only a look at
the answer allows. How far it falls in 24 steps is this toy's.
把 `ahead` 改为 1 或 `shift` 改为 0：随机 token 的损失也会降到 ln V 以下，只有偷看答案才做得到。24 步内降到多少，只是
这个 toy 的数值。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import between, breaks, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam


@exercise(claims=("leak_beats_the_entropy", "labels_are_the_next_tokens"),
          wrong=("does_not_shift", "shifts_backwards", "drops_a_column"))
def inputs_and_labels(x: Tensor) -> tuple[Tensor, Tensor]:
    """What a causal model is fed and what it must predict, both (B, n − 1), from tokens x (B, n).

    由 token 序列 x (B, n) 得到因果模型的输入与要预测的标签，形状都是 (B, n − 1)。"""
    return x[:, :-1], x[:, 1:]


class Decoder(nn.Module):
    """One head of attention and an FFN over token and position embeddings: tokens (B, n) to
    logits."""

    def __init__(self, vocabulary: int, tokens: int, width: int) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(vocabulary, width), nn.Embedding(tokens, width)
        self.qkv, self.up = nn.Linear(width, 3 * width), nn.Linear(width, 2 * width)
        self.down, self.out = nn.Linear(2 * width, width), nn.Linear(width, vocabulary)

    def forward(self, x: Tensor, ahead: int = 0) -> Tensor:
        n = x.shape[1]
        h = self.token(x) + self.place.weight[:n]                        # (B, n, width)
        q, k, v = self.qkv(h).chunk(3, -1)
        seen = torch.ones(n, n, dtype=torch.bool).tril(ahead)
        h = h + F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.out(h + self.down(F.relu(self.up(h))))               # (B, n, vocabulary)


def train(model: Decoder, batch, ahead: int, shift: int, steps: int) -> Tensor:
    """The loss of each step, on fresh tokens; with shift 0 a label is its own input."""
    optimiser, losses = Adam(model.parameters(), lr=0.02), []
    for _ in range(steps):
        x = batch()
        inputs, labels = inputs_and_labels(x) if shift else (x, x)
        loss = F.cross_entropy(model(inputs, ahead).transpose(1, 2), labels)
        optimiser.step(loss)
        losses.append(loss.detach())
    return torch.stack(losses)


RANGES = {
    "tokens": between(6, 12),
    "vocabulary": between(8, 12),
    "width": between(24, 40, multiple_of=2),
    "steps": between(24, 40),
    "ahead": between(0, 1),
    "shift": between(0, 1),
    "decode": one_of("greedy", "sampled"),
}


@breaks(shift=0, en="Each label is then the token just fed.", zh="那样标签就是刚刚喂入的 token。")
def claim_labels_are_the_next_tokens(tokens=10, vocabulary=10, shift=1):
    """In counting sequences every label is its input plus one: the label stands one token further
    on.

    在依次加一的序列里，每个标签都等于输入加一：标签是后面一位的 token。"""
    x = (torch.arange(tokens)[None] + torch.arange(vocabulary)[:, None]) % vocabulary
    inputs, labels = inputs_and_labels(x) if shift else (x, x)
    show(lines("position", range(inputs.shape[1]), {"input": inputs[0], "label": labels[0]},
               y_label="token"))
    expect("positions that are trained", inputs.shape[1] - (shift == 0), equals=tokens - 1)
    expect("label less input, modulo the vocabulary", (labels - inputs) % vocabulary, equals=1)


@breaks(ahead=1, en="The label is the next input, and the mask shows it.", zh="标签就是下一个输入，而掩码让它可见。")
@breaks(shift=0, en="The label is the input itself.", zh="标签就是输入本身。")
def claim_leak_beats_the_entropy(tokens=10, vocabulary=10, width=32, steps=24, ahead=0, shift=1):
    """On uniformly random tokens a causal model's loss stays at ln V; with a mask one step too
    wide, or labels not shifted, it falls below half of it.

    token 均匀随机时，因果模型的损失停在 ln V；掩码宽一格，或标签没有错开一位，损失就降到一半以下。"""
    entropy = math.log(vocabulary)

    def batch() -> Tensor:
        return torch.randint(vocabulary, (32, tokens + 1))

    given = train(Decoder(vocabulary, tokens + 1, width), batch, ahead, shift, steps)
    leaky = train(Decoder(vocabulary, tokens + 1, width), batch, 1, 1, steps)
    show(lines("step", range(steps),
               {"as set": given, "one step too wide": leaky, "ln V": [entropy] * steps},
               y_label="loss"))
    # Not below ln V but by chance: 10 batches of 32·n losses that scatter by 0.5 or less.
    noise = 0.5 / (10 * 32 * tokens) ** 0.5
    expect("loss at the end, less ln V", given[-10:].mean() - entropy, at_least=0, within=6 * noise)
    expect("loss one step too wide, over ln V", leaky[-10:].mean() / entropy, at_most=0.5)


@breaks(decode="sampled",
        en="A sampled token can leave the reference where the most likely one would not.",
        zh="采样得到的 token，可能在贪心不会出错的地方就偏离参考。")
def claim_free_running_departs_at_the_first_error(
    tokens=10, vocabulary=10, width=32, steps=24, decode="greedy"
):
    """Fed its own greedy tokens, a model is on the reference exactly until the first token that
    teacher forcing gets wrong.

    用自己贪心生成的 token 作输入，模型恰好在 teacher forcing 第一次出错之前与参考一致。"""
    rule = torch.stack([torch.randperm(vocabulary) for _ in range(vocabulary)])

    def batch(size: int = 128) -> Tensor:
        x = torch.randint(vocabulary, (size, 2))
        for _ in range(tokens - 1):
            x = torch.cat([x, rule[x[:, -1:], x[:, -2:-1]]], 1)         # the last two give the next
        return x

    model = Decoder(vocabulary, tokens + 1, width)
    train(model, batch, 0, 1, steps)
    x = batch(256)
    inputs, labels = inputs_and_labels(x)
    with torch.no_grad():
        forced = (model(inputs).argmax(-1) == labels)[:, 1:]           # prefixes from the reference
        own = x[:, :2]
        for _ in range(tokens - 1):
            logits = model(own)[:, -1]                                   # prefixes from the model
            chosen = logits.argmax(-1, keepdim=True)
            if decode == "sampled":
                chosen = logits.softmax(-1).multinomial(1)
            own = torch.cat([own, chosen], 1)
    free = own[:, 2:] == x[:, 2:]
    so_far = {name: right.long().cumprod(1).double().mean(0)
              for name, right in (("teacher forced", forced), ("free running", free))}
    show(lines("generated token", range(1, tokens),
               {"teacher forced": forced.double().mean(0), "free running": free.double().mean(0),
                "no error so far": so_far["teacher forced"]}, y_label="share right"))
    expect("free running still on the reference, less no teacher-forced error so far",
           so_far["free running"] - so_far["teacher forced"], equals=0,
           at=("token", range(1, tokens)))


ZH = {
    "ln V": "ln V", "position": "位置", "input": "输入", "label": "标签",
    "positions that are trained": "参与训练的位置数",
    "label less input, modulo the vocabulary": "标签减输入（模词表大小）", "step": "步", "as set": "按设定",
    "one step too wide": "宽一格", "loss at the end, less ln V": "最后的损失减 ln V",
    "loss one step too wide, over ln V": "宽一格时的损失与 ln V 之比", "teacher forced": "teacher forcing",
    "free running": "自由生成", "no error so far": "至此无错", "generated token": "第几个生成的 token",
    "share right": "正确率",
    "free running still on the reference, less no teacher-forced error so far":
        "自由生成仍与参考一致的比例，减去 teacher forcing 至此无错的比例",
}

if __name__ == "__main__":
    main()
