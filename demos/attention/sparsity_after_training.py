r"""A sparse pattern imposed on a model trained with full attention breaks it; the same pattern trained in works.

把稀疏模式强加给用全注意力训练好的模型，模型会失效；从一开始就带着同样的模式训练则可行。

The argument for natively trainable sparsity (Yuan et al. 2025, §2.2) in a toy: 2 layers, about 3 thousand weights, and a
sliding window as the sparse pattern. The task is to say which token stood `gap` steps back, farther than the window of
`window` reaches in one layer, but not in two. It shows a mechanism, not what happens at scale: large models have been
moved to sparse attention by continued training (DeepSeek-V3.2, 2025). It breaks the rule of 0.1 s a claim, because
models must be trained; they are shared by the claims. Turn `window`: from `gap` + 1 on nothing is lost. Chance is 1/8.
"""

import copy
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, expect, heatmap, lines, main, progress, show, table

VOCABULARY, WIDTH, HEADS, EVERY = 8, 16, 2, 20


class Block(nn.Module):
    """Attention by position alone (a learned logit for every offset, as in T5), then an MLP."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.randn(HEADS, length) * 0.1)  # one for every number of steps back
        self.value, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x: Tensor, window: int) -> Tensor:
        batch, n, _ = x.shape
        back = torch.arange(n)[:, None] - torch.arange(n)
        scores = self.logits[:, back.clamp_min(0)].masked_fill((back < 0) | (back >= window), -torch.inf)
        v = self.value(self.norms[0](x)).view(batch, n, HEADS, -1).transpose(1, 2)
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norms[1](x))


class Model(nn.Module):
    """Tokens, two blocks, logits."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList([Block(length), Block(length)])
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY))

    def forward(self, tokens: Tensor, windows: tuple[int, int]) -> Tensor:
        x = self.tokens(tokens)
        for block, window in zip(self.blocks, windows, strict=True):
            x = block(x, window)
        return self.head(x)


@torch.no_grad()
def accuracy(model: Model, windows: tuple[int, int], gap: int, length: int) -> float:
    """The share of right answers on fresh sequences, each layer seeing its window."""
    tokens = torch.randint(VOCABULARY, (64, length))
    return (model(tokens, windows)[:, gap:].argmax(-1) == tokens[:, :-gap]).double().mean().item()


@cache
def train(
    phases: tuple[int, ...], window: int, steps: int, gap: int, length: int, seed: int
) -> tuple[Model, list[float]]:
    """A model after `steps` steps with each window of `phases` in turn, and its accuracy through `window` in the last one."""
    if len(phases) > 1:
        model = copy.deepcopy(train(phases[:-1], window, steps, gap, length, seed)[0])
    torch.manual_seed(seed)
    if len(phases) == 1:
        model = Model(length)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    on_the_way = []
    for step in progress(range(steps + 1)):
        if step % EVERY == 0:
            on_the_way.append(accuracy(model, (window, window), gap, length))
        if step < steps:
            tokens = torch.randint(VOCABULARY, (32, length))
            logits = model(tokens, (phases[-1], phases[-1]))[:, gap:]
            loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, :-gap].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model, on_the_way


def claim_sparsity_imposed_afterwards_fails(window=5, gap=6, length=16, steps=80):
    """Trained with full attention the toy is right; with the window imposed on the same weights it is near chance.

    玩具模型用全注意力训练后回答正确；对同一组权重强加窗口，就跌到接近随机的水平。"""
    dense, _ = train((length,), window, steps, gap, length, torch.initial_seed())
    windows = (length, gap + 1, window)
    got = [accuracy(dense, (w, w), gap, length) for w in windows]
    show(
        bars([f"window {w}" for w in windows], got, y_label="accuracy", title="trained with full attention"),
        table({"tested with window": windows, "accuracy": got, "chance": [1 / VOCABULARY] * 3}),
    )
    expect("accuracy with full attention", got[0], at_least=0.9)
    expect("accuracy with the window imposed", got[-1], at_most=0.3)


def claim_trained_with_the_window_it_learns_to_relay(window=5, gap=6, length=16, steps=80):
    """Trained with the window from the start the toy is right: two layers relay a token that neither can fetch alone.

    从一开始就带窗口训练，玩具模型回答正确：两层接力传递任何一层都够不着的 token。"""
    native, _ = train((window,), window, steps, gap, length, torch.initial_seed())
    dense, _ = train((length,), window, steps, gap, length, torch.initial_seed())
    rows, names = [], []
    for name, model, reach in (("full", dense, length), ("window", native, window)):
        for layer, block in enumerate(model.blocks, 1):
            rows += list(F.pad(block.logits.detach()[:, :reach].softmax(-1), (0, length - reach)))
            names += [f"{name}, layer {layer}, head {head}" for head in range(1, HEADS + 1)]
    pairs = {
        "both layers": (window, window),
        "layer 1 sees itself only": (1, window),
        "layer 2 sees itself only": (window, 1),
    }
    got = [accuracy(native, pair, gap, length) for pair in pairs.values()]
    show(
        heatmap(torch.stack(rows), y=names, x_label="steps back", title="learned attention weights"),
        table({"trained with the window": list(pairs), "accuracy": got}),
    )
    expect("accuracy of the model trained with the window", got[0], at_least=0.8)
    expect("accuracy without the attention of one layer", got[1:], at_most=0.4, at=("without", list(pairs)[1:]))


def claim_switching_late_has_to_unlearn(window=5, gap=6, length=16, steps=80):
    """Continued with the window, the toy trained in full learns it later than a fresh model: it first has to unlearn.

    换成窗口继续训练时，先用全注意力训练过的玩具模型比全新的模型学得更慢：它得先忘掉原来的做法。"""
    seed = torch.initial_seed()
    _, fresh = train((window,), window, steps, gap, length, seed)
    _, switched = train((length, window), window, steps, gap, length, seed)
    at = [EVERY * i for i in range(len(fresh))]
    curves = {"from the start": fresh, "after full training": switched}
    show(lines("training step with the window", at, curves, y_label="accuracy"))
    lead = sum(fresh) / len(fresh) - sum(switched) / len(switched)
    expect("lead of the fresh model, mean over these steps", lead, at_least=0.05)


if __name__ == "__main__":
    main()
