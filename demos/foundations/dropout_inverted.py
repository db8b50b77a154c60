r"""Dropout zeroes numbers at random and divides the rest by 1 − p, so that the mean over all masks is the input.

dropout 随机把数置零，其余除以 1 − p，使全部掩码上的平均等于输入。

Hinton et al. 2012; Srivastava et al. 2014. Turn `way` to "unscaled": evaluation then gets larger numbers than training did.
把 `way` 改为 "unscaled"：评估时的数比训练时大。
"""

import torch
from torch import Tensor
from torch.nn.functional import dropout as torch_dropout

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show, table


@exercise(claims=("mean_over_all_masks_is_what_evaluation_uses", "torch_keeps_one_mask_for_both_passes"),
          wrong=("multiplies", "divides_by_p", "keeps_the_dropped"))
def drop(x: Tensor, kept: Tensor, p: float) -> Tensor:
    """Inverted dropout of x (…, n) with a mask: kept (…, n) is True where a number stays; p is the probability that one is
    dropped.

    带掩码的 inverted dropout：x (…, n)，kept (…, n) 为 True 处保留；p 是被丢弃的概率。"""
    return x * kept / (1 - p)                                            # (…, n)


def all_masks(n: int, p: float) -> tuple[Tensor, Tensor]:
    """All 2ⁿ masks (2ⁿ, n) and their probabilities (2ⁿ,)."""
    kept = torch.tensor([[mask >> i & 1 for i in range(n)] for mask in range(2**n)], dtype=torch.bool)
    share = (kept.double() * (1 - p) + (~kept).double() * p).prod(1)
    return kept, share


def training_and_evaluation(x: Tensor, kept: Tensor, p: float, way: str) -> tuple[Tensor, Tensor]:
    """What a layer passes on in training, for every mask, and in evaluation."""
    if way == "inverted":
        return drop(x, kept, p), x
    return x * kept, x * (1 - p) if way == "scaled at test time" else x


RANGES = {
    "inputs": between(4, 10), "p": between(0.1, 0.9), "way": one_of("inverted", "scaled at test time", "unscaled"),
    "hidden": between(32, 256), "activation": one_of("relu", "linear"), "mode": one_of("eval", "no_grad"),
    "second": one_of("same mask", "new draw"), "numbers": between(1000, 100000),
}


@breaks(way="unscaled", en="Without scaling training passes on (1 − p)·x on average, evaluation x.",
        zh="不缩放时，训练平均传出 (1 − p)·x，评估却是 x。")
def claim_mean_over_all_masks_is_what_evaluation_uses(inputs=8, p=0.25, way="inverted"):
    """Over all masks, inverted dropout has mean x and variance x²·p/(1 − p): evaluation can pass x on as it is.

    对全部掩码求平均，inverted dropout 的均值是 x，方差是 x²·p/(1 − p)：评估时原样传出 x 即可。"""
    x = torch.linspace(-2, 3, inputs, dtype=torch.float64)
    kept, share = all_masks(inputs, p)
    trained, evaluated = training_and_evaluation(x, kept, p, way)        # (2ⁿ, n) and (n,)
    mean = share @ trained
    variance = share @ (trained - mean) ** 2
    show(table({"x": x, "mean over all masks": mean, "evaluation": evaluated, "variance": variance}))
    # float64, at most 1,024 terms of size 3
    expect("mean over all masks less evaluation", mean - evaluated, equals=0, within=1e-12)
    inverted = drop(x, kept, p)
    expect("variance of inverted dropout less x²·p/(1 − p)", share @ (inverted - x) ** 2 - x * x * p / (1 - p), equals=0, within=1e-10)


@breaks(activation="linear", en="Without the ReLU the output is linear in the mask, and its mean is exact.",
        zh="去掉 ReLU，输出对掩码是线性的，平均就精确了。")
def claim_behind_a_relu_the_mean_is_only_approximate(inputs=10, hidden=64, p=0.5, activation="relu"):
    """Behind a ReLU the mean over all masks exceeds the evaluation output, here by over a tenth; behind a linear layer the
    two are equal.

    在 ReLU 之后，全部掩码上的平均大于评估时的输出，这里多出一成以上；在线性层之后两者相等。"""
    x = torch.randn(inputs, dtype=torch.float64)
    w = torch.randn(hidden, inputs, dtype=torch.float64)
    kept, share = all_masks(inputs, p)
    act = torch.relu if activation == "relu" else (lambda h: h)
    mean, evaluated = share @ act(drop(x, kept, p) @ w.T), act(w @ x)    # both (hidden,)
    linear = (share @ (drop(x, kept, p) @ w.T) - w @ x).abs().max()
    order = (w @ x).argsort()
    show(lines("w · x of the hidden unit", (w @ x)[order], {"mean over all masks": mean[order], "evaluation": evaluated[order]}))
    # float64: 1,024 terms of order 1; E[relu(z)] is never below relu(E[z])
    expect("linear: mean less evaluation", linear, equals=0, within=1e-10)
    expect("mean over all masks less evaluation, at least", (mean - evaluated).min(), at_least=0, within=1e-10)
    # a third for p = 0.5 in large layers; it falls no faster than the cube of the noise √(p/(1 − p))
    expect("size of the difference over the evaluation output", (mean - evaluated).norm() / evaluated.norm(),
           at_least=0.1 * min(1, p / (1 - p)) ** 1.5)


@breaks(mode="no_grad", en="torch.no_grad() turns off the graph, not dropout.", zh="torch.no_grad() 关掉的是计算图，不是 dropout。")
def claim_eval_mode_is_the_identity(numbers=10000, p=0.5, mode="eval"):
    """nn.Dropout passes its input on bit for bit after eval(); in training a share p of numbers is 0, the rest is x/(1 − p).

    调用 eval() 之后，nn.Dropout 逐位原样传出；训练时比例为 p 的数是 0，其余为 x/(1 − p)。"""
    layer, x = torch.nn.Dropout(p), torch.linspace(1, 2, numbers)
    trained = layer(x)
    with torch.no_grad():
        ungraphed = layer(x)
    evaluated = layer.eval()(x) if mode == "eval" else ungraphed
    show(table({"": ["training", mode], "share of zeros": [(y == 0).double().mean() for y in (trained, evaluated)]}))
    expect("numbers changed in evaluation", (evaluated != x).sum(), equals=0)
    # a share of n draws scatters by √(p(1 − p)/n): five sigmas
    expect("share of zeros in training", (trained == 0).double().mean(), equals=p, within=5 * (p * (1 - p) / numbers) ** 0.5)
    expect("share of zeros under no_grad alone", (ungraphed == 0).double().mean(), equals=p, within=5 * (p * (1 - p) / numbers) ** 0.5)
    kept = trained[trained != 0] / x[trained != 0]
    expect("kept numbers over the input", kept, equals=1 / (1 - p), within=1e-5 / (1 - p))


@breaks(second="new draw", en="A forward pass that is run again draws another mask unless the generator is set back.",
        zh="重跑一次前向，若不把随机数发生器设回去，掩码就变了。")
def claim_torch_keeps_one_mask_for_both_passes(numbers=1000, p=0.5, second="same mask"):
    """Backward multiplies by the mask of the forward pass, over 1 − p: a pass run again, as in checkpointing, needs the same
    random numbers.

    反向乘的就是前向的那个掩码，再除以 1 − p；像 checkpointing 那样重跑前向，必须用相同的随机数。"""
    x = torch.linspace(1, 2, numbers, dtype=torch.float64, requires_grad=True)
    state = torch.get_rng_state()
    y = torch_dropout(x, p)
    (gradient,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
    if second == "same mask":
        torch.set_rng_state(state)
    again = torch_dropout(x, p)
    show(table({"number": range(1, 9), "forward": y[:8].detach(), "gradient": gradient[:8], "run again": again[:8].detach()}))
    expect("by hand with torch's mask, less torch's", drop(x.detach(), y.detach() != 0, p) - y.detach(), equals=0, within=1e-12)
    expect("gradient less output over input", gradient - (again / x).detach(), equals=0, within=1e-12)


def drill_moments(rng) -> Drill:
    """The variance of one number under inverted dropout."""
    x, p = rng.choice([(2, 0.25), (3, 0.5), (1, 0.2), (4, 0.2), (2, 0.5), (3, 0.1)])
    kept, share = all_masks(1, p)
    value = (share @ (drop(torch.tensor([float(x)]).double(), kept, p) - x) ** 2).item()
    return Drill(
        en=f"Inverted dropout with p = {p:g} acts on the number {x}. What is the variance of its output?",
        zh=f"对数 {x} 做 p = {p:g} 的 inverted dropout，输出的方差是多少？",
        answer=value, within=0.01 * value,
        steps=[(f"values: 0 with probability {p:g}, {x}/(1 − {p:g}) = {x / (1 - p):.3g} otherwise",
                f"取值：以概率 {p:g} 为 0，否则为 {x}/(1 − {p:g}) = {x / (1 - p):.3g}"),
               (f"x²·p/(1 − p) = {x * x} · {p:g} / {1 - p:g} = {value:.3f}",) * 2],
        proved_by="mean_over_all_masks_is_what_evaluation_uses",
    )


ZH = {
    "x": "x", "mean over all masks": "全部掩码的平均", "evaluation": "评估", "variance": "方差",
    "mean over all masks less evaluation": "全部掩码的平均减评估输出",
    "variance of inverted dropout less x²·p/(1 − p)": "inverted dropout 的方差减 x²·p/(1 − p)",
    "w · x of the hidden unit": "隐藏单元的 w · x", "linear: mean less evaluation": "线性：平均减评估输出",
    "mean over all masks less evaluation, at least": "全部掩码的平均减评估输出，最小",
    "size of the difference over the evaluation output": "差的大小与评估输出之比", "training": "训练", "eval": "eval", "no_grad": "no_grad",
    "": "", "share of zeros": "零的比例", "numbers changed in evaluation": "评估时改变的数", "share of zeros in training": "训练时零的比例",
    "share of zeros under no_grad alone": "只用 no_grad 时零的比例",
    "kept numbers over the input": "保留的数与输入之比", "number": "数", "forward": "前向", "gradient": "梯度", "run again": "重跑",
    "by hand with torch's mask, less torch's": "手写（用 torch 的掩码）减 torch", "gradient less output over input": "梯度减「输出/输入」",
}

if __name__ == "__main__":
    main()
