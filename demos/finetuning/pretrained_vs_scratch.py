r"""Pre-trained features replace labels as far as the new task is related to the old ones, and mislead beyond.

预训练特征能代替标签，程度取决于新任务与旧任务的相关性；不相关时反而有害。

A linear toy with closed forms: old tasks share a few directions of the input, learnt from their data; the new task
has a part `relatedness` of its variance in them. Turn `relatedness` to 0: the features are worse than none.
有闭式解的线性玩具模型：旧任务共用输入的少数几个方向，由其数据学得；新任务的方差有 `relatedness` 这么大一部分落在其中。把
`relatedness` 改为 0：这些特征比没有还糟。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("few_labels_suffice_for_a_related_task", "tuning_all_weights_lifts_the_floor"),
          wrong=("starts_from_zero", "forgets_the_start", "trains_the_head_alone"))
def fine_tuned(x: Tensor, y: Tensor, features: Tensor) -> Tensor:
    """A head on frozen features by least squares, then the least change of all weights that fits the labels. x (labels,
    width), y (labels,), features (width, few) with orthonormal columns; the weights (width,).

    先用最小二乘在冻结的特征上拟合输出头，再以全部权重的最小改动拟合标签。x 为 (labels, width)，y 为 (labels,)，features 为
    (width, few)，各列正交归一；返回权重 (width,)。"""
    start = head_only(x, y, features)
    return start + torch.linalg.pinv(x) @ (y - x @ start)


def head_only(x: Tensor, y: Tensor, features: Tensor) -> Tensor:
    """Least squares on the features alone; the weights in the full space, (width,)."""
    return features @ (torch.linalg.pinv(x @ features) @ y)


def from_scratch(x: Tensor, y: Tensor) -> Tensor:
    """The smallest weights that fit the labels, with no features given."""
    return torch.linalg.pinv(x) @ y


def learnt_features(width: int, shared: int, old_tasks: int = 10) -> tuple[Tensor, Tensor]:
    """True shared directions, (width, shared), and what the old tasks' data show of them, each task with 4 · width labels
    and some noise."""
    true = torch.linalg.qr(torch.randn(width, shared, dtype=F64))[0]
    fits = []
    for _ in range(old_tasks):
        x, task = torch.randn(4 * width, width, dtype=F64), true @ torch.randn(shared, dtype=F64)
        fits.append(torch.linalg.lstsq(x, (x @ task + 0.1 * torch.randn(4 * width, dtype=F64))[:, None]).solution[:, 0])
    return true, torch.linalg.svd(torch.stack(fits).T, full_matrices=False)[0][:, :shared]


def new_task(true: Tensor, relatedness: float) -> Tensor:
    """Weights of length 1 with a share `relatedness` of their square in the shared directions, (width,)."""
    inside = true @ torch.randn(true.shape[1], dtype=F64)
    outside = torch.randn(true.shape[0], dtype=F64)
    outside -= true @ (true.T @ outside)
    return relatedness**0.5 * inside / inside.norm() + (1 - relatedness) ** 0.5 * outside / outside.norm()


def errors(labels: int, relatedness: float, width: int, shared: int, trials: int, features: str = "learnt") -> dict[str, Tensor]:
    """Mean squared error on new inputs over the target's variance, (trials,) of each way: 1 is predicting zero."""
    true, learnt = learnt_features(width, shared)
    given = {"learnt": learnt, "true": true}.get(features, torch.linalg.qr(torch.randn(width, shared, dtype=F64))[0])
    rows = []
    for _ in range(trials):
        target, x = new_task(true, relatedness), torch.randn(labels, width, dtype=F64)
        y = x @ target
        rows.append([(w - target).square().sum() for w in (from_scratch(x, y), head_only(x, y, given), fine_tuned(x, y, given))])
    return dict(zip(("from scratch", "head on frozen features", "all weights tuned"), torch.tensor(rows, dtype=F64).T, strict=True))


def floor(labels: int, relatedness: float, shared: int) -> float:
    """Expected error of a head on the true features: the unrelated part acts as noise of variance 1 − relatedness."""
    return (1 - relatedness) * (labels - 1) / (labels - shared - 1)


RANGES = {
    "labels": between(16, 30), "many": between(60, 90), "width": between(50, 60), "shared": between(3, 4),
    "relatedness": one_of(0.0, 0.9, 0.95, 1.0), "sweep": each(one_of(0.0, 0.25, 0.5, 0.75, 1.0), at_least=3, rising=True),
    "trials": between(20, 40), "features": one_of("learnt", "random"), "tuned": one_of("all weights", "head"),
}
RANDOM = breaks(features="random", en="Random directions hold almost nothing of the new task.",
                zh="随机的方向几乎不含新任务的信息。")


@RANDOM
@breaks(relatedness=0.0, en="Unrelated, the features are worse than none: negative transfer.",
        zh="不相关时，这些特征比没有更糟：负迁移。")
def claim_few_labels_suffice_for_a_related_task(labels=20, width=60, shared=4, relatedness=0.95, trials=20, features="learnt"):
    """With 20 labels for 60 weights and a task that is 95% related, fine-tuning leaves under a quarter of the error of
    training from scratch.

    60 个权重、20 个标签，任务 95% 相关：微调的误差不到从头训练的四分之一。"""
    found = {name: e.mean() for name, e in errors(labels, relatedness, width, shared, trials, features).items()}
    counts = (8, labels, 40, width)
    curves = {name: [errors(n, relatedness, width, shared, 5, features)[name].mean() for n in counts]
              for name in ("from scratch", "all weights tuned")}
    show(lines("labels", counts, curves, y_label="error over the target's variance"))
    expect("error, all weights tuned over from scratch", found["all weights tuned"] / found["from scratch"], at_most=0.25)


@RANDOM
def claim_relatedness_decides_who_wins(labels=20, width=60, shared=4, sweep=(0.0, 0.5, 1.0), trials=40, features="learnt"):
    """A head on frozen features errs by (1 − r)(n − 1)/(n − k − 1) for n labels, k features and relatedness r; from scratch
    it is 1 − n/d for d weights, whatever r.

    n 个标签、k 个特征、相关度 r 时，冻结特征上的输出头误差为 (1 − r)(n − 1)/(n − k − 1)；从头训练 d 个权重的误差是 1 − n/d，与 r 无关。"""
    head, scratch = [], []
    for r in sweep:
        found = errors(labels, r, width, shared, trials, features)
        head.append(found["head on frozen features"].mean())
        scratch.append(found["from scratch"].mean())
    formula = torch.tensor([floor(labels, r, shared) for r in sweep], dtype=F64)
    show(lines("relatedness", sweep, {"head on frozen features": head, "from scratch": scratch,
                                  "(1 − r)(n − 1)/(n − k − 1)": formula}, y_label="error over the target's variance"))
    # The mean of 20 trials scatters by 5 % of each; the learnt features miss under 2 % of the true ones.
    expect("head's error less the formula", torch.stack(head) - formula, equals=0, within=0.3, at=("relatedness", sweep))
    expect("error from scratch less 1 − n/d", torch.stack(scratch) - (1 - labels / width), equals=0, within=0.12,
           at=("relatedness", sweep))


@breaks(tuned="head", en="A head on frozen features never sees what lies outside them.",
        zh="冻结特征上的输出头，永远看不到特征之外的部分。")
def claim_tuning_all_weights_lifts_the_floor(many=80, width=60, shared=4, relatedness=0.9, trials=20, tuned="all weights"):
    """With more labels than weights, tuning all weights fits the task exactly; the head alone keeps the unrelated part, an
    error of at least 1 − r.

    标签多于权重时，微调全部权重可以精确拟合任务；只训练输出头，则始终留下不相关的部分，误差至少 1 − r。"""
    found = errors(many, relatedness, width, shared, trials, "true")
    show(lines("trial", range(trials), {name: found[name] for name in ("head on frozen features", "all weights tuned")}))
    expect("error, tuned as set", found["all weights tuned" if tuned == "all weights" else "head on frozen features"], equals=0,
           within=1e-12)  # float64, systems of condition below 1e3
    # it is (1 − r) plus what the head got wrong inside
    expect("head's error less 1 − r", found["head on frozen features"] - (1 - relatedness), at_least=-1e-12)


def drill_head_or_scratch(rng) -> Drill:
    """The relatedness at which a frozen-feature head is as good as training from scratch."""
    n, k, d = rng.choice([(21, 4, 40), (11, 4, 20), (31, 9, 62), (21, 9, 42), (41, 7, 82)])
    r = 1 - (1 - n / d) * (n - k - 1) / (n - 1)
    return Drill(
        en=f"Linear toy: a head on {k} frozen features errs by (1 − r)(n − 1)/(n − k − 1), training {d} weights from scratch by "
           f"1 − n/d. With n = {n} labels, above which relatedness r does the head win?",
        zh=f"线性玩具模型：{k} 个冻结特征上的输出头误差为 (1 − r)(n − 1)/(n − k − 1)，从头训练 {d} 个权重的误差为 1 − n/d。"
           f"n = {n} 个标签时，相关度 r 高于多少，输出头才更好？",
        answer=r, within=0.005,
        steps=[(f"from scratch: 1 − {n}/{d} = {1 - n / d:.3f}", f"从头训练：1 − {n}/{d} = {1 - n / d:.3f}"),
               (f"1 − r = {1 - n / d:.3f} · {n - k - 1}/{n - 1} = {1 - r:.3f}, so r = {r:.3f}",
                f"1 − r = {1 - n / d:.3f} · {n - k - 1}/{n - 1} = {1 - r:.3f}，所以 r = {r:.3f}")],
        proved_by="relatedness_decides_who_wins")


ZH = {
    "from scratch": "从头训练", "head on frozen features": "冻结特征上的输出头", "all weights tuned": "微调全部权重",
    "labels": "标签数",
    "error over the target's variance": "误差与目标方差之比",
    "error, all weights tuned over from scratch": "误差之比：微调全部权重 / 从头训练",
    "relatedness": "相关度", "head's error less the formula": "输出头的误差与公式之差",
    "error from scratch less 1 − n/d": "从头训练的误差与 1 − n/d 之差", "trial": "次", "error, tuned as set": "误差（按所设方式微调）",
    "head's error less 1 − r": "输出头的误差减 1 − r",
}

if __name__ == "__main__":
    main()
