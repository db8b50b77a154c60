r"""New output rows compete with old ones: trained on new text alone, they raise the loss of old text
though no old weight moves.

新的输出行会与旧行竞争：只用新文本训练，旧文本的损失会上升，尽管没有一个旧权重变化。

A toy: a bigram model of 24 old tokens gets 6 new ones; only their rows are trained. Turn `scored` to
"old tokens only": without the new logits nothing is lost. Turn `text` to "new": nothing holds them back.
玩具实验：24 个旧 token 的 bigram 模型加 6 个新 token，只训练新行。把 `scored` 改为 "old tokens only"：去掉新 logits，
什么也没有损失。把 `text` 改为 "new"：没有什么能压住它们。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

OLD, NEW = 24, 6


def logits(embed: Tensor, body: Tensor, head: Tensor, x: Tensor) -> Tensor:
    """Next-token logits (contexts, vocabulary) of a bigram model; embed and head are (vocabulary,
    width), body (width, width)."""
    return torch.tanh(embed[x] @ body) @ head.T


def cycle(first: int, count: int) -> tuple[Tensor, Tensor]:
    """Contexts and targets of a text that runs through `count` tokens in a circle."""
    x = torch.arange(count)
    return first + x, first + (x + 1) % count


def pretrained(width: int, shared: float, steps: int = 120) -> tuple[Tensor, Tensor, Tensor]:
    """Embedding, body and head of a model that has learnt the old text; all embeddings have a
    direction in common, `shared` times as long as the rest is wide."""
    embed = torch.randn(OLD, width) + shared * torch.randn(width)
    body, head = torch.randn(width, width) / width**0.5, torch.randn(OLD, width) / width**0.5
    x, y = cycle(0, OLD)
    adam = Adam([embed.requires_grad_(), head.requires_grad_()], lr=0.03)
    for _ in range(steps):
        adam.step(F.cross_entropy(logits(embed, body, head, x), y))
    return embed.detach(), body, head.detach()


def extended(width: int, shared: float, text: str, steps: int = 200) -> dict[str, list[float]]:
    """Train only the new rows, from mean rows; the losses of old and new text, and of the old text
    with the new logits left out."""
    embed, body, head = pretrained(width, shared)
    rows = [m.mean(0).expand(NEW, -1).clone() for m in (embed, head)]
    rows[0] += 0.3 * torch.randn(NEW, width)                         # equal rows would be equal contexts
    adam = Adam([row.requires_grad_() for row in rows], lr=0.1)
    (old_x, old_y), (new_x, new_y) = cycle(0, OLD), cycle(OLD, NEW)
    curves: dict[str, list[float]] = {"old text": [], "new text": [], "old tokens only": []}
    for _ in range(steps):
        wide = torch.cat((embed, rows[0])), body, torch.cat((head, rows[1]))
        old, new = logits(*wide, old_x), logits(*wide, new_x)
        on_old, on_new = F.cross_entropy(old, old_y), F.cross_entropy(new, new_y)
        curves["old text"].append(on_old.item())
        curves["new text"].append(on_new.item())
        curves["old tokens only"].append(F.cross_entropy(old[:, :OLD].detach(), old_y).item())
        adam.step(on_new + on_old if text == "mixed" else on_new)
    return curves


RANGES = {
    "width": between(14, 24),
    "shared": between(0.8, 2.0),
    "text": one_of("new", "mixed"),
    "scored": one_of("old text", "old tokens only"),
}


@breaks(scored="old tokens only", en="Without the new logits the old text is scored as before.",
        zh="去掉新 logits，旧文本的损失与之前一样。")
def claim_new_text_alone_hurts_old_text(width=16, shared=1.0, scored="old text"):
    """In the toy, new rows trained on new text alone learn it, and raise the loss of old text by more
    than 0.5 nats although no old weight moves; without the new logits it stays.

    玩具实验里，新行只用新文本训练：新文本学会了，旧文本的损失却上升 0.5 nat 以上，尽管没有一个旧权重变化；去掉新 logits，则不变。"""
    curves = extended(width, shared, "new")
    show(lines("step", range(len(curves["old text"])), curves, log="y", y_label="loss"))
    expect("loss of new text at the end", curves["new text"][-1], at_most=0.1)
    expect("rise of the loss of old text", curves[scored][-1] - curves[scored][0], at_least=0.5)
    expect("rise without the new logits", curves["old tokens only"][-1] - curves["old tokens only"][0], equals=0, within=1e-6)


@breaks(text="new", en="Nothing in the new text says where a new token is wrong.", zh="新文本里没有任何信号说明新 token 在哪里不该出现。")
def claim_mixing_old_text_prevents_it(width=16, shared=1.0, text="mixed"):
    """In the toy, with the old text mixed in, the same new rows learn the new text and leave the loss
    of old text below 0.1.

    玩具实验里，混入旧文本后，同样的新行学会新文本，旧文本的损失保持在 0.1 以下。"""
    curves = extended(width, shared, text)
    show(lines("step", range(len(curves["old text"])), curves, log="y", y_label="loss"))
    expect("loss of new text at the end", curves["new text"][-1], at_most=0.1)
    expect("loss of old text at the end", curves["old text"][-1], at_most=0.1)
    expect("first loss of new text", curves["new text"][0], at_least=math.log(OLD + NEW), within=0.5)


ZH = {
    "step": "步",
    "loss": "损失",
    "old text": "旧文本",
    "new text": "新文本",
    "old tokens only": "只计旧 token",
    "loss of new text at the end": "最后的新文本损失",
    "rise of the loss of old text": "旧文本损失的上升",
    "rise without the new logits": "去掉新 logits 后的上升",
    "loss of old text at the end": "最后的旧文本损失",
    "first loss of new text": "最初的新文本损失",
}

if __name__ == "__main__":
    main()
