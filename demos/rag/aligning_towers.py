r"""What has to be trained so that vectors of two modalities are comparable, and what one vector per item can still lose.

要让两种模态的向量可比，究竟要训练什么；每个条目一个向量，还会丢掉什么。

Linear towers over two views of one latent; then pictures of two coloured shapes, whose twins have the colours swapped. Turn `trained` to
"neither", or `encoder` to "linear". 线性双塔；再看两个带颜色的形状。可把 `trained` 改为 "neither"，或把 `encoder` 改为 "linear"。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, main, one_of, show
from studyapp.evidence.tools import Adam

COLOURS, SHAPES, D = 6, 6, 32


def contrast(a: Tensor, b: Tensor, temperature: float = 0.1) -> Tensor:
    """Symmetric InfoNCE of unit vectors (batch, d)."""
    logits, own = a @ b.T / temperature, torch.arange(len(a))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def recall(a: Tensor, b: Tensor) -> float:
    """The share of rows of a whose nearest row of b is their own."""
    return float(((a @ b.T).argmax(1) == torch.arange(len(a))).float().mean())


def train_towers(trained: str, steps: int = 60, n: int = 256, d: int = 16) -> tuple[float, float]:
    """Recall@1 of held-out pairs before and after training the named towers on n pairs."""
    latent = torch.randn(2 * n, d)
    views = [latent @ torch.randn(d, 2 * d) / d**0.5 + 0.2 * torch.randn(2 * n, 2 * d) for _ in range(2)]
    towers = [torch.randn(2 * d, d) / d for _ in range(2)]
    free = {"both": [0, 1], "one": [1], "neither": []}[trained]
    parameters = [towers[i].requires_grad_() for i in free]

    def encode(rows: slice) -> list[Tensor]:
        return [F.normalize(x[rows] @ w, dim=-1) for x, w in zip(views, towers, strict=True)]

    before, optimiser = recall(*(x.detach() for x in encode(slice(n, None)))), Adam(parameters, lr=0.02)
    for _ in range(steps if free else 0):
        optimiser.step(contrast(*encode(slice(n))))
    return before, recall(*(x.detach() for x in encode(slice(n, None))))


def pictures() -> tuple[Tensor, Tensor]:
    """All pictures of two objects with two colours and two shapes, as rows colour a, shape a, colour b, shape b; and their twins with
    the colours swapped: two times (pictures, 4)."""
    rows = [(c, s, e, t) for c in range(COLOURS) for e in range(COLOURS) for s in range(SHAPES) for t in range(s + 1, SHAPES) if c != e]
    first = torch.tensor(rows)
    return first, first[:, [2, 1, 0, 3]]


class Tower(torch.nn.Module):
    """Objects (batch, 2, colours + shapes) to one unit vector each: linear or with a hidden layer per object, then a sum."""

    def __init__(self, linear: bool) -> None:
        super().__init__()
        self.first = torch.nn.Parameter(torch.randn(COLOURS + SHAPES, 64) / 3)
        self.second = torch.nn.Parameter(torch.randn(64, D) / 8)
        self.linear = linear

    def forward(self, rows: Tensor) -> Tensor:
        colour, shape = F.one_hot(rows[:, [0, 2]], COLOURS), F.one_hot(rows[:, [1, 3]], SHAPES)
        hidden = torch.cat([colour, shape], 2).float() @ self.first          # (batch, 2, 64)
        return F.normalize(((hidden if self.linear else hidden.relu()) @ self.second).sum(1), dim=-1)


def twin_accuracy(negatives: str, encoder: str, steps: int = 100) -> float:
    """How often a held-out picture is nearer to its own text than to its twin's."""
    first, twins = pictures()
    order = torch.randperm(len(first))
    held, seen = order[:100], order[100:]
    image, text = Tower(encoder == "linear"), Tower(encoder == "linear")
    optimiser = Adam([*image.parameters(), *text.parameters()], lr=0.01)
    for _ in range(steps):
        batch = seen[torch.randint(len(seen), (64,))]
        rows = torch.cat([first[batch[:32]], twins[batch[:32]]]) if negatives == "twins" else first[batch]
        optimiser.step(contrast(image(rows), text(rows)))
    with torch.no_grad():
        own, other = ((image(first[held]) * text(x[held])).sum(1) for x in (first, twins))
    return float(((own > other).float() + 0.5 * (own == other).float()).mean())


RANGES = {
    "trained": one_of("one", "both", "neither"), "steps": between(50, 80), "negatives": one_of("twins", "random"),
    "encoder": one_of("with a hidden layer", "linear"),
}  # fmt: skip


@breaks(trained="neither", en="Vectors of two untrained towers have nothing in common.", zh="两座未训练的塔，向量毫无共同之处。")
def claim_one_trained_tower_is_enough(steps=60, trained="one"):
    """With one linear tower frozen as it was drawn, training the other on 256 pairs brings recall@1 of 256 held-out pairs from chance
    to over 0.85.

    一座线性塔冻结在随机初始状态，只训练另一座（256 对），256 个未见样本的 recall@1 从瞎猜升到 0.85 以上。"""
    ways = ["neither", "one", "both"]
    ends = {way: train_towers(way, steps) for way in ways}
    show(bars(ways, {"before": [ends[w][0] for w in ways], "after": [ends[w][1] for w in ways]}, y_label="recall@1"))
    # Chance is 1/256: more than 8 of 256 right has a probability below 1e-5.
    expect("recall@1 before", ends[trained][0], at_most=8 / 256)
    expect("recall@1 after", ends[trained][1], at_least=0.85)


@breaks(encoder="linear", en="Sums of linear parts are the same for a picture and its twin.",
        zh="线性部分求和，原图与孪生图相同。")
def claim_one_vector_can_bind_objects(negatives="random", encoder="with a hidden layer"):
    """One vector per picture tells apart which object has which colour on over 90% of held-out pictures, if objects pass a hidden layer
    before the sum; a sum of linear parts cannot.

    若物体在求和之前先过一个隐藏层，每图一个向量也能分清哪个物体是哪种颜色：未见图片上超过 90%；线性部分求和则做不到。"""
    ways = ["linear", "with a hidden layer"]
    found = [twin_accuracy(negatives, way) for way in ways]
    show(bars(ways, {"own text nearer than the twin's": found}))
    expect("own text nearer than the twin's", found[ways.index(encoder)], at_least=0.9)
    # A linear sum is the same for both up to rounding, which decides as by a coin: five standard errors of 100.
    expect("linear", found[0], equals=0.5, within=0.25)


ZH = {
    "neither": "都不训练", "one": "只训练一座", "both": "两座都训练", "before": "训练前", "after": "训练后", "recall@1": "recall@1",
    "recall@1 before": "训练前的 recall@1", "recall@1 after": "训练后的 recall@1",
    "own text nearer than the twin's": "自己的文本比孪生图的更近",
    "linear": "线性", "with a hidden layer": "有隐藏层",
}  # fmt: skip

if __name__ == "__main__":
    main()
