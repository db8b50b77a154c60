r"""Text and images in one index: a constant gap pushes images behind texts, and no test within one kind shows it.

文本与图像放进一个索引：两类之间的固定间隙，使图像总排在文本之后，而在同一类内部测不出来。

The gap is an extra coordinate, +a for text and −a for images (Liang et al. 2022 found such a gap in CLIP). Turn `merged` to "one list".
间隙是多出的一个坐标：文本为 +a，图像为 −a（Liang 等 2022 在 CLIP 里发现了这种间隙）。把 `merged` 改为 "one list"。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, lines, main, one_of, show

WIDTH, ITEMS, QUERIES = 64, 1000, 200


@exercise(claims=("one_list_starves_images",), wrong=("sorts_all_together", "takes_images_only"))
def by_kind(scores: Tensor, image: Tensor, k: int) -> Tensor:
    """The k/2 best texts and the k/2 best images of each query: scores (queries, items), image (items,) of bool; (queries, k) numbers.

    每个查询取得分最高的 k/2 段文本和 k/2 张图像：scores (queries, items)，image (items,) 为布尔；返回 (queries, k) 个编号。"""
    halves = [scores.masked_fill(~kind, -torch.inf).topk(k // 2, dim=1).indices for kind in (~image, image)]
    return torch.cat(halves, 1)


def index(gap: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Unit vectors of text queries (QUERIES, d) and items (ITEMS, d), which items are images, and each query's own item. The last
    coordinate is the gap."""
    content, image = F.normalize(torch.randn(ITEMS, WIDTH), dim=1), torch.arange(ITEMS) % 2 == 1
    own = torch.randperm(ITEMS)[:QUERIES]
    asked = F.normalize(content[own] + 0.8 * torch.randn(QUERIES, WIDTH) / WIDTH**0.5, dim=1)
    side = torch.where(image, -gap, gap)[:, None]
    queries = F.normalize(torch.cat([asked, torch.full((QUERIES, 1), gap)], 1), dim=1)
    return queries, F.normalize(torch.cat([content, side], 1), dim=1), image, own


RANGES = {"gap": between(0.8, 1.5), "merged": one_of("a list for each kind", "one list"),
          "ranked": one_of("within images", "all together")}


@breaks(merged="one list", en="All texts lie on the question's side of the gap, and no image comes before them.",
        zh="所有文本都在问题这一侧，没有图像能排到它们前面。")
def claim_one_list_starves_images(gap=1.0, merged="a list for each kind"):
    """Text and images in one sorted list: under a tenth of the questions that an image answers find it among ten; a list for each kind, or
    centring each kind, finds over nine tenths.

    文本与图像排成一列：答案在图像里的问题，前十找到它的不到一成；两类各取一列，或各自减去均值，则超过九成。"""
    queries, items, image, own = index(gap)
    scores = queries @ items.T                                                   # (queries, items)
    centred = torch.stack([items[image].mean(0), items[~image].mean(0)])[(~image).long()]
    flat = (queries - items[~image].mean(0)) @ (items - centred).T
    first = {"one list": scores.topk(10, dim=1).indices, "a list for each kind": by_kind(scores, image, 10),
             "centred": flat.topk(10, dim=1).indices}
    found = {way: (f == own[:, None]).any(1) for way, f in first.items()}
    asks_image = image[own]
    show(bars(list(found), {"answer in an image": [f[asks_image].float().mean() for f in found.values()],
                            "answer in a text": [f[~asks_image].float().mean() for f in found.values()]}, y_label="recall@10"))
    expect("recall@10, answer in an image", found[merged][asks_image].float().mean(), at_least=0.9)
    expect("recall@10, answer in a text", found[merged][~asks_image].float().mean(), at_least=0.9)
    for kind in (asks_image, ~asks_image):
        expect("recall@10 with each kind centred", found["centred"][kind].float().mean(), at_least=0.9)
    expect("recall@10 of one list, answer in an image", found["one list"][asks_image].float().mean(), at_most=0.1)


@breaks(ranked="all together", en="Across kinds the gap moves images behind texts.", zh="跨类别排序时，间隙把图像推到文本之后。")
def claim_no_test_within_a_kind_shows_the_gap(gap=1.0, ranked="within images"):
    """Among images alone the gap adds one constant to every score: ranks, and any recall measured there, stay as they were.

    只在图像之间比较时，间隙给每个得分加同一个常数：名次不变，在那里测的召回率也不变。"""
    queries, items, image, _ = index(gap)
    used = items[image] if ranked == "within images" else items
    with_gap, without = queries @ used.T, queries[:, :-1] @ used[:, :-1].T
    moved = with_gap - without                                                   # (queries, items used)
    show(lines("item", range(20), {"score with the gap": with_gap[0, :20], "without": without[0, :20]}))
    # Sums of 65 products below 1 in float32.
    expect("spread of what the gap adds, per question", moved.amax(1) - moved.amin(1), equals=0, within=1e-5)


ZH = {
    "answer in an image": "答案在图像里", "answer in a text": "答案在文本里", "one list": "排成一列", "a list for each kind": "两类各一列",
    "centred": "各自减均值", "recall@10": "recall@10", "recall@10, answer in an image": "答案在图像里的 recall@10",
    "recall@10, answer in a text": "答案在文本里的 recall@10",
    "recall@10 with each kind centred": "各自减均值后的 recall@10",
    "recall@10 of one list, answer in an image": "排成一列时，答案在图像里的 recall@10",
    "item": "条目", "score with the gap": "有间隙的得分", "without": "无间隙",
    "spread of what the gap adds, per question": "间隙所加之数的极差（每个问题）",
}

if __name__ == "__main__":
    main()
