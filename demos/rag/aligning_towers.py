r"""What has to be trained so that vectors of two modalities are comparable, and what one vector per item can still lose.

要让两种模态的向量可比，究竟要训练什么；每个条目一个向量，还会丢掉什么。

Linear towers over two views of one latent; then pictures of two coloured shapes, whose twins have the colours swapped. Turn `trained` to
"each by itself", or `encoder` to "linear".
线性双塔；再看两个带颜色的形状。可把 `trained` 改为 "each by itself"，或把 `encoder` 改为 "linear"。
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


def train_towers(trained: str, steps: int = 60, n: int = 256, d: int = 16) -> dict[str, float]:
    """Recall@1 of held-out rows after training the named towers on n pairs: "across" the two views, and "within" the first one, where
    a row is asked for by a second, noisy look at it. "each by itself": the best linear autoencoder (PCA) of each view."""
    latent = torch.randn(2 * n, d)
    turns = [torch.randn(d, 2 * d) / d**0.5 for _ in range(2)]
    views = [latent @ turn + 0.2 * torch.randn(2 * n, 2 * d) for turn in turns]
    again = latent @ turns[0] + 0.2 * torch.randn(2 * n, 2 * d)
    towers = [torch.randn(2 * d, d) / d for _ in range(2)]
    if trained == "each by itself":
        towers = [torch.linalg.eigh(x[:n].T @ x[:n])[1][:, -d:] for x in views]          # (2d, d): the d widest directions
    free = {"both": [0, 1], "one": [1]}.get(trained, [])
    parameters = [towers[i].requires_grad_() for i in free]
    optimiser = Adam(parameters, lr=0.02)
    for _ in range(steps if free else 0):
        optimiser.step(contrast(*(F.normalize(x[:n] @ w, dim=-1) for x, w in zip(views, towers, strict=True))))
    with torch.no_grad():
        first, second, other = (F.normalize(x[n:] @ w, dim=-1) for x, w in zip([*views, again], [*towers, towers[0]], strict=True))
    return {"across": recall(first, second), "within": recall(other, first)}


def pictures() -> tuple[Tensor, Tensor]:
    """All pictures of two objects with two colours and two shapes, as rows colour a, shape a, colour b, shape b; and their twins with
    the colours swapped: two times (pictures, 4)."""
    rows = [(c, s, e, t) for c in range(COLOURS) for e in range(COLOURS) for s in range(SHAPES) for t in range(s + 1, SHAPES) if c != e]
    first = torch.tensor(rows)
    return first, first[:, [2, 1, 0, 3]]


def features(rows: Tensor) -> Tensor:
    """Colour and shape of each object side by side: (pictures, 2, colours + shapes)."""
    return torch.cat([F.one_hot(rows[:, [0, 2]], COLOURS), F.one_hot(rows[:, [1, 3]], SHAPES)], 2).float()


def tower(x: Tensor, weights: tuple[Tensor, Tensor], encoder: str) -> Tensor:
    """Objects (pictures, 2, colours + shapes) to a unit vector per picture, (pictures, D): linear or with a hidden layer per object,
    then a sum."""
    hidden = x @ weights[0]                                                  # (pictures, 2, 64)
    return F.normalize(((hidden if encoder == "linear" else hidden.relu()) @ weights[1]).sum(1), dim=-1)


def train_binding(negatives: str, encoder: str, steps: int = 50) -> tuple[float, float]:
    """How often a held-out picture is nearer to its own text than to its twin's, ties half; and the largest difference between the
    text vectors of a picture and of its twin."""
    first, twins = pictures()
    order = torch.randperm(len(first))
    held, seen, objects, swapped = order[:100], order[100:], features(first), features(twins)
    image, text = [(torch.randn(COLOURS + SHAPES, 64).div(3).requires_grad_(), torch.randn(64, D).div(8).requires_grad_()) for _ in "it"]
    optimiser = Adam([*image, *text], lr=0.01)
    for _ in range(steps if encoder != "linear" else 1):                     # no step can part what linear sums make one
        batch = seen[torch.randint(len(seen), (64,))]
        rows = torch.cat([objects[batch[:32]], swapped[batch[:32]]]) if negatives == "twins" else objects[batch]
        optimiser.step(contrast(tower(rows, image, encoder), tower(rows, text, encoder)))
    with torch.no_grad():
        own, other = (tower(x[held], text, encoder) for x in (objects, swapped))
        lead = (tower(objects[held], image, encoder) * (own - other)).sum(1)
    tied = lead.abs() < 1e-5
    return float(((lead > 0) & ~tied).float().mean() + 0.5 * tied.float().mean()), float((own - other).abs().max())


RANGES = {
    "trained": one_of("one", "both", "neither", "each by itself"), "steps": between(50, 80), "negatives": one_of("twins", "random"),
    "encoder": one_of("with a hidden layer", "linear"),
}  # fmt: skip


@breaks(trained="one", en="Trained towards the other on pairs, a tower is comparable with it.", zh="在配对上朝另一座训练过，两者就可比了。")
def claim_towers_trained_apart_share_no_axes(trained="each by itself"):
    """Two linear encoders, each the best for its own view, find over 90% of held-out rows from a noisy second look within the view,
    and only chance across.

    两个线性编码器各自对自己的视图最优：同一视图内凭带噪声的第二次观察能找回 90% 以上，跨视图则等于瞎猜。"""
    found = train_towers(trained)
    show(bars(list(found), {"recall@1": list(found.values())}))
    expect("recall@1 within a view", found["within"], at_least=0.9)
    # Chance is 1/256: more than 8 of 256 right has a probability below 1e-5.
    expect("recall@1 across", found["across"], at_most=8 / 256)


@breaks(trained="each by itself", en="Towers that are good each by itself do not meet.", zh="两座塔各自再好，也碰不到一起。")
@breaks(trained="neither", en="Vectors of two untrained towers have nothing in common.", zh="两座未训练的塔，向量毫无共同之处。")
def claim_one_trained_tower_is_enough(steps=60, trained="one"):
    """With one linear tower frozen as it was drawn, training the other on 256 pairs brings recall@1 of 256 held-out pairs to over
    0.85.

    一座线性塔冻结在随机初始状态，只训练另一座（256 对），256 个未见样本的 recall@1 就超过 0.85。"""
    ways = ["neither", "each by itself", *({trained} & {"one", "both"})]
    across = [train_towers(way, steps)["across"] for way in ways]
    show(bars(ways, {"recall@1": across}))
    expect("recall@1 after", across[ways.index(trained)], at_least=0.85)


@breaks(encoder="linear", en="Sums of linear parts are the same for a picture and its twin.",
        zh="线性部分求和，原图与孪生图相同。")
def claim_one_vector_can_bind_objects(negatives="random", encoder="with a hidden layer"):
    """One vector per picture tells apart which object has which colour on over 90% of held-out pictures, if objects pass a hidden layer
    before the sum; a sum of linear parts cannot.

    若物体在求和之前先过一个隐藏层，每图一个向量也能分清哪个物体是哪种颜色：未见图片上超过 90%；线性部分求和则做不到。"""
    ways = ["linear", "with a hidden layer"]
    found = {way: train_binding(negatives, way) for way in ways}
    show(bars(ways, {"own text nearer than the twin's": [found[w][0] for w in ways]}))
    expect("own text nearer than the twin's", found[encoder][0], at_least=0.9)
    # Unit vectors in float32, summed in another order.
    expect("linear: vector of a picture less its twin's", found["linear"][1], equals=0, within=1e-5)


ZH = {
    "neither": "都不训练", "each by itself": "各自训练", "one": "只训练一座", "both": "两座都训练", "recall@1": "recall@1",
    "within": "同一视图内", "across": "跨视图", "recall@1 within a view": "同一视图内的 recall@1", "recall@1 across": "跨视图的 recall@1",
    "recall@1 after": "训练后的 recall@1", "own text nearer than the twin's": "自己的文本比孪生图的更近",
    "linear: vector of a picture less its twin's": "线性：原图与孪生图向量之差",
    "linear": "线性", "with a hidden layer": "有隐藏层",
}  # fmt: skip

if __name__ == "__main__":
    main()
