r"""One layer of linear attention over examples is one step of gradient descent on them: the prompt trains, no weight moves.

一层线性注意力作用在示例上，就等于在这些示例上做一步梯度下降：是提示在“训练”，权重不动。

von Oswald et al. 2023; examples x, y = w·x + noise, a new w in every prompt. Turn `labels` to "shuffled": the
examples no longer tell the task. 把 `labels` 改为 "shuffled"：示例不再说明任务。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table

F64, NOISE = torch.float64, 0.5


@exercise(claims=("a_layer_is_a_gradient_step",), wrong=("forgets_the_values", "sums_instead_of_averaging", "uses_softmax"))
def attend(x: Tensor, y: Tensor, query: Tensor, w: Tensor) -> Tensor:
    """Linear attention of a query to examples, without softmax: scores between query and keys through w, averaged over the
    examples with the labels as values. x (batch, n, d), y (batch, n), query (batch, d), w (d, d) → (batch,).

    query 对示例的线性注意力，不做 softmax：query 与 key 经 w 得到分数，以标签为 value，对示例取平均。x (batch, n, d)，
    y (batch, n)，query (batch, d)，w (d, d) → (batch,)。"""
    scores = (x @ (query @ w.T)[..., None])[..., 0]                             # (batch, n)
    return (scores * y).mean(1)


def softmax_attend(x: Tensor, y: Tensor, query: Tensor, w: Tensor) -> Tensor:
    """The same with softmax over the examples."""
    return (torch.einsum("bnd,de,be->bn", x, w, query).softmax(1) * y).sum(1)


def prompts(batch: int, n: int, d: int, task: Tensor | None = None, dtype: torch.dtype = F64) -> tuple[Tensor, ...]:
    """Examples x (batch, n, d), labels y (batch, n), queries (batch, d) and their labels without noise (batch,)."""
    w = torch.randn(batch, d, dtype=dtype) if task is None else task.expand(batch, d)
    x, query = torch.randn(batch, n, d, dtype=dtype), torch.randn(batch, d, dtype=dtype)
    return x, (x @ w[..., None])[..., 0] + NOISE * torch.randn(batch, n, dtype=dtype), query, (query * w).sum(1)


def rate(n: int, d: int) -> float:
    """The step size with the least expected error, for x and w normal: 1 / (1 + (d + 1 + noise²)/n)."""
    return 1 / (1 + (d + 1 + NOISE**2) / n)


def expected_error(n: int, d: int) -> float:
    """E (prediction − query·w)² at that step size: d [(1 − η)² + η²(d + 1)/n] + η² d noise²/n."""
    eta = rate(n, d)
    return d * ((1 - eta) ** 2 + eta**2 * (d + 1) / n) + eta**2 * d * NOISE**2 / n


RANGES = {
    "n": between(4, 64), "width": between(2, 10), "attention": one_of("linear", "softmax"),
    "counts": each(between(2, 128), at_least=2, rising=True), "labels": one_of("right", "shuffled"), "tasks": one_of("many", "one"),
}  # fmt: skip


@breaks(attention="softmax", en="Softmax weights are positive and sum to one: that is an average of labels, no gradient.",
        zh="softmax 权重为正、和为 1：那是标签的加权平均，不是梯度。")
def claim_a_layer_is_a_gradient_step(n=16, width=6, attention="linear"):
    """Linear attention with keys x, values y and the matrix η·I predicts exactly what w does after one gradient step from zero
    on half the mean squared error of the examples.

    以 x 为 key、y 为 value、矩阵取 η·I 的线性注意力，其预测恰好等于：w 从零出发，在示例均方误差的一半上走一步梯度下降后的预测。"""
    x, y, query, _ = prompts(5, n, width)
    eta = rate(n, width)
    start = torch.zeros(5, width, dtype=F64, requires_grad=True)
    half = 0.5 * (torch.einsum("bnd,bd->bn", x, start) - y).square().mean(1).sum()
    (slope,) = torch.autograd.grad(half, start)
    stepped = ((start - eta * slope) * query).sum(1).detach()
    way = attend if attention == "linear" else softmax_attend
    ours = way(x, y, query, eta * torch.eye(width, dtype=F64))
    show(table({"prompt": list(range(5)), "attention": ours, "one gradient step": stepped}))
    expect("attention less one gradient step", ours - stepped, equals=0, within=1e-12)


@breaks(labels="shuffled", en="Labels of other examples say nothing of w: more of them do not help.",
        zh="标签配错了示例，就说明不了 w：再多也没用。")
def claim_more_examples_less_error(counts=(4, 8, 16, 32, 64), labels="right"):
    """With no weight changed the error in 8 dimensions falls from 5.6 at 4 examples to 1.0 at 64; with labels moved on by one,
    examples do not help.

    权重一个不动，8 维时误差由 4 个示例的 5.6 降到 64 个的 1.0；标签错开一个，示例就没有帮助。"""
    d, batch, errors = 8, 4000, {"right": [], "shuffled": []}
    for n in counts:
        x, y, query, truth = prompts(batch, n, d, dtype=torch.float32)
        for how, given in (("right", y), ("shuffled", y.roll(1, 1))):           # moved on within the prompt
            errors[how].append((attend(x, given, query, rate(n, d) * torch.eye(d)) - truth).square().mean().item())
    got, known = errors[labels], [expected_error(n, d) for n in counts]
    show(lines("examples", counts, {"labels right": errors["right"], "labels moved on": errors["shuffled"], "closed form": known,
                                    "no examples": [float(d)] * len(counts)}, log="x"))
    # squared errors of 4,000 prompts spread by about 2 to 3 times their mean: six standard errors
    expect("error over the closed form", [g / k for g, k in zip(got, known, strict=True)], equals=1, within=0.3,
           at=("examples", counts))
    # at best d: wrong labels only add to it; (q·w)² spreads by 13, so six standard errors
    expect("error with labels moved on", errors["shuffled"], at_least=d, within=1.3, at=("examples", counts))
    expect("closed form at 4 and at 64 examples", [expected_error(4, d), expected_error(64, d)], equals=[5.58, 1.01], within=0.01)


@breaks(tasks="one", en="With one task in training the layer stores that task, and the examples are no news to it.",
        zh="训练时只有一个任务，这一层就把它记在权重里，示例对它不再是信息。")
def claim_many_tasks_teach_the_step(tasks="many"):
    """Trained on prompts of many tasks the layer's matrix becomes the best step size times the identity, and it solves a new
    task; trained on one task it does not.

    用许多任务的提示训练，这一层的矩阵就成为「最优步长 × 单位阵」，能解新任务；只用一个任务训练则不能。"""
    n, d, batch = 24, 4, 6000
    single = torch.randn(d, dtype=F64)
    x, y, query, truth = prompts(batch, n, d, None if tasks == "many" else single)
    features = torch.einsum("bn,bnd,be->bde", y, x, query).flatten(1) / n       # the prediction is linear in w
    w = torch.linalg.lstsq(features, truth[:, None]).solution.view(d, d)        # the least squares: training to the end
    new = prompts(batch, n, d)
    error = (attend(new[0], new[1], new[2], w) - new[3]).square().mean().item()
    show(lines("entry of the matrix", range(d * d), {"learnt": w.flatten(),
                                                    "η on the diagonal": (rate(n, d) * torch.eye(d)).flatten()}))
    # 16 numbers learnt from 6,000 noisy prompts
    expect("learnt matrix less η·I", w - rate(n, d) * torch.eye(d, dtype=F64), equals=0, within=0.08)
    expect("error on new tasks over the closed form", error / expected_error(n, d), at_most=1.3)


def drill_step_size(rng) -> Drill:
    """The best step size from examples and dimension, without noise."""
    d, n = rng.choice([(3, 4), (3, 12), (7, 8), (7, 24), (9, 10), (4, 20)])
    eta = 1 / (1 + (d + 1) / n)
    return Drill(
        en=f"Inputs and weights are standard normal in {d} dimensions, labels without noise, {n} examples in the prompt. The best "
           f"step size of the one gradient step is 1 / (1 + (d + 1)/n). How large is it?",
        zh=f"输入与权重为 {d} 维标准正态，标签无噪声，提示中有 {n} 个示例。这一步梯度下降的最优步长为 1 / (1 + (d + 1)/n)，等于多少？",
        answer=eta, within=0.01,
        steps=[(f"(d + 1)/n = {d + 1}/{n} = {(d + 1) / n:.3g}",) * 2, (f"1 / {1 + (d + 1) / n:.3g} = {eta:.3g}",) * 2],
        proved_by="many_tasks_teach_the_step",
    )


ZH = {
    "closed form at 4 and at 64 examples": "4 个与 64 个示例时的闭式",
    "prompt": "提示", "attention": "注意力", "one gradient step": "一步梯度下降",
    "attention less one gradient step": "注意力减一步梯度下降",
    "examples": "示例数",
    "labels right": "标签正确", "labels moved on": "标签错开", "error with labels moved on": "标签错开时的误差",
    "closed form": "闭式", "no examples": "无示例", "error over the closed form": "误差与闭式之比",
    "entry of the matrix": "矩阵元素", "learnt": "学到的", "η on the diagonal": "对角线为 η", "learnt matrix less η·I": "学到的矩阵减 η·I",
    "error on new tasks over the closed form": "新任务上的误差与闭式之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
