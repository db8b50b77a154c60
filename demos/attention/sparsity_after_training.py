r"""A window imposed on a model trained with full attention breaks it; trained with it, the model relays.

把窗口强加给用全注意力训练好的模型，模型会失效；带着窗口训练，它会学会接力。

The argument for natively trainable sparsity (Yuan et al. 2025, §2.2) in a toy that is true by construction: the answer stands
`gap` steps back, beyond the window of one layer, within that of two. A fixed window is no query-aware selection: on real models
training-free Quest and Exact-Top lose 0.045 and 0.014 of LongBench's 0.437 (Table 2). Models must be trained, hence seconds.
Turn `window` to 7: the answer is in sight, and nothing is lost.
把 `window` 改为 7：答案就看得见，什么也不损失。
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, between, breaks, expect, heatmap, main, one_of, progress, show
from studyapp.evidence.tools import Adam

VOCABULARY, WIDTH, HEADS, LENGTH = 8, 16, 2, 16


class Block(nn.Module):
    """Attention by position alone (a learned logit for every offset, as in T5) within a window, then an
    MLP."""

    def __init__(self) -> None:
        super().__init__()
        # one for every number of steps back
        self.logits = nn.Parameter(torch.randn(HEADS, LENGTH) * 0.1)
        self.value, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x: Tensor, window: int) -> Tensor:
        back = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)
        scores = self.logits[:, back.clamp_min(0)].masked_fill((back < 0) | (back >= window), -torch.inf)
        v = self.value(self.norms[0](x)).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norms[1](x))


class Model(nn.Module):
    """Tokens, two blocks, logits (batch, LENGTH, VOCABULARY); each layer sees its window."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.blocks = nn.Embedding(VOCABULARY, WIDTH), nn.ModuleList([Block(), Block()])
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY))

    def forward(self, tokens: Tensor, windows: tuple[int, int]) -> Tensor:
        x = self.tokens(tokens)
        for block, window in zip(self.blocks, windows, strict=True):
            x = block(x, window)
        return self.head(x)


@cache
def train(window: int, gap: int, steps: int, seed: int) -> Model:
    """A model that was trained through a window to say which token stood `gap` steps back."""
    torch.manual_seed(seed)
    model = Model()
    adam = Adam(model.parameters(), lr=3e-2)
    for _ in progress(range(steps)):
        tokens = torch.randint(VOCABULARY, (32, LENGTH))
        loss = F.cross_entropy(model(tokens, (window, window))[:, gap:].flatten(0, 1), tokens[:, :-gap].flatten())
        adam.step(loss)
    return model


@torch.no_grad()
def accuracy(model: Model, gap: int, *windows: int) -> float:
    """The share of right answers on fresh sequences."""
    tokens = torch.randint(VOCABULARY, (64, LENGTH))
    return (model(tokens, windows)[:, gap:].argmax(-1) == tokens[:, :-gap]).double().mean().item()


RANGES = {
    "window": between(5, 16),
    "gap": between(6, 6),
    "steps": between(80, 160),
    "trained": one_of("full attention", "window"),
}
TRAINED_WITH_IT = breaks(trained="window",
                         en="Trained with the window, the model has learned to relay through two layers.",
                         zh="带着窗口训练，模型已经学会用两层接力。")


@TRAINED_WITH_IT
@breaks(window=7, en="From a window of gap + 1 on, the answer is in sight, and nothing is lost.",
        zh="窗口达到 gap + 1，答案就看得见，什么也不损失。")
def claim_sparsity_imposed_afterwards_fails(window=5, gap=6, steps=80, trained="full attention"):
    """In the toy, a model trained with full attention is right; through a window imposed on the same
    weights it is near chance, 1/8.

    玩具模型里，用全注意力训练的模型回答正确；对同一组权重强加窗口，就跌到接近随机的 1/8。"""
    model = train(LENGTH if trained == "full attention" else window, gap, steps, torch.initial_seed())
    windows = sorted({window, gap + 1, LENGTH})
    got = {w: accuracy(model, gap, w, w) for w in windows}
    show(bars([f"window {w}" for w in windows], {"accuracy": list(got.values())}))
    expect("accuracy with full attention", got[LENGTH], at_least=0.9)
    expect("accuracy with the window imposed", got[window], at_most=0.3)


@breaks(trained="full attention",
        en="Trained with full attention, it fetches the token in one step and cannot relay.",
        zh="用全注意力训练，它一步就取到那个 token，不会接力。")
def claim_trained_with_the_window_it_learns_to_relay(window=5, gap=6, steps=80, trained="window"):
    """Trained with the window the toy is right: two layers relay a token that neither can fetch alone.

    带着窗口训练，玩具模型回答正确：两层接力，传递任何一层都够不着的 token。"""
    model = train(LENGTH if trained == "full attention" else window, gap, steps, torch.initial_seed())
    rows = torch.cat([F.pad(b.logits.detach()[:, :window].softmax(-1), (0, LENGTH - window)) for b in model.blocks])
    got = [accuracy(model, gap, *pair) for pair in ((window, window), (1, window), (window, 1))]
    names = [f"layer {layer}, head {head}" for layer in (1, 2) for head in (1, 2)]
    show(heatmap(rows, y=names, x_label="steps back", title="learned attention weights"))
    expect("accuracy through the window", got[0], at_least=0.8)
    expect("accuracy without the attention of one layer", got[1:], at_most=0.4 if window <= gap else 1.0)


ZH = {
    "window {}": "窗口 {}",
    "accuracy": "正确率",
    "accuracy with full attention": "全注意力下的正确率",
    "accuracy with the window imposed": "强加窗口后的正确率",
    "layer {}, head {}": "第 {} 层，头 {}",
    "steps back": "往回的步数",
    "learned attention weights": "学到的注意力权重",
    "accuracy through the window": "透过窗口的正确率",
    "accuracy without the attention of one layer": "去掉一层注意力后的正确率",
}

if __name__ == "__main__":
    main()
