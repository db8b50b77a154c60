r"""A layer multiplies the mean square of its input by fan_in · Var(w): Xavier and Kaiming choose Var(w) so that it stays.

一层把输入的均方值乘以 fan_in · Var(w)：Xavier 与 Kaiming 都是选 Var(w)，使它不变。

Glorot & Bengio 2010; He et al. 2015. Turn `rule` to "1/N": thirty ReLU layers leave a billionth.
把 `rule` 改为 "1/N"：30 层 ReLU 之后只剩十亿分之一。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show, table


@exercise(claims=("one_layer_multiplies_by_fan_times_variance", "torch_draws_what_the_formulas_say"),
          wrong=("takes_the_deviation", "forgets_a_fan", "bound_is_the_deviation"))
def xavier_uniform(fan_in: int, fan_out: int) -> Tensor:
    """Weights (fan_out, fan_in), uniform around 0 with variance 2 / (fan_in + fan_out).

    权重 (fan_out, fan_in)：以 0 为中心的均匀分布，方差 2 / (fan_in + fan_out)。"""
    bound = math.sqrt(6 / (fan_in + fan_out))                            # uniform in ±bound has variance bound²/3
    return (torch.rand(fan_out, fan_in) * 2 - 1) * bound                 # (fan_out, fan_in)


def normal(fan_in: int, fan_out: int, variance: float) -> Tensor:
    """Normal weights (fan_out, fan_in)."""
    return torch.randn(fan_out, fan_in) * variance**0.5


def mean_square(x: Tensor) -> float:
    """E[x²] over all numbers."""
    return x.square().mean().item()


def through(x: Tensor, depth: int, variances: list[float], activation: str) -> list[list[float]]:
    """Mean squares of x (batch, width) after 0, 1, …, depth layers and the activation, for each variance of the normal weights; one
    network is drawn and scaled by each deviation."""
    width, scales = x.shape[1], torch.tensor(variances).sqrt()[:, None, None]
    x, squares = x.expand(len(variances), -1, -1), [[mean_square(x)] * len(variances)]
    for _ in range(depth):
        x = scales * (x @ torch.randn(width, width).T)                   # (variances, batch, width)
        x = x.relu() if activation == "relu" else x.tanh()
        squares.append(x.double().square().mean((1, 2)).tolist())      # √(2/N) overflows float32 by then
    return [list(path) for path in zip(*squares, strict=True)]


def tanh_recursion(depth: int) -> list[float]:
    """Mean squares behind wide tanh layers of variance 1/N: q becomes E[tanh²(√q·z)], z standard normal, by a sum over a grid."""
    z = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    density, q = torch.exp(-z * z / 2), [1.0]
    for _ in range(depth):
        q.append(((q[-1] ** 0.5 * z).tanh() ** 2 * density).sum().item() / density.sum().item())
    return q


# of the input's mean square behind a ReLU one half is left, of its variance 1/2 − 1/(2π)
RULES = {"2/N": lambda n: 2 / n, "1/N": lambda n: 1 / n, "for the variance": lambda n: 1 / (0.5 - 0.5 / math.pi) / n,
         "sqrt(2/N)": lambda n: math.sqrt(2 / n)}

RANGES = {
    "fan_in": between(128, 1024), "fan_out": between(128, 1024), "mean": one_of(0.0, 0.02),
    "depth": between(20, 40), "width": between(256, 1024),
    "rule": one_of("2/N", "1/N", "for the variance", "sqrt(2/N)"), "activation": one_of("tanh", "relu"),
    "init": one_of("default", "kaiming_normal_"), "law": one_of("normal", "uniform", "two values", "shifted"),
    "moment": one_of("second moment", "variance"),
}


@breaks(mean=0.02, en="A mean of 0.02 is shared by all weights and adds fan_in · 0.02² to the gain.",
        zh="所有权重共有的均值 0.02 使增益多出 fan_in · 0.02²。")
def claim_one_layer_multiplies_by_fan_times_variance(fan_in=256, fan_out=1024, mean=0.0):
    """Forward a linear layer multiplies the mean square by fan_in · Var(w), backward by fan_out · Var(w); with Xavier the two
    gains add up to 2.

    线性层前向把均方值乘以 fan_in · Var(w)，反向乘以 fan_out · Var(w)；用 Xavier 时两者之和为 2。"""
    batch = 256
    x, g = torch.randn(batch, fan_in), torch.randn(batch, fan_out)
    variances = {"1/fan_in": 1 / fan_in, "1/fan_out": 1 / fan_out, "2/(fan_in + fan_out)": 2 / (fan_in + fan_out)}
    drawn = {k: normal(fan_in, fan_out, v) for k, v in variances.items()}
    drawn["2/(fan_in + fan_out)"] = xavier_uniform(fan_in, fan_out)
    forward = [mean_square(x @ (w + mean).T) for w in drawn.values()]
    backward = [mean_square(g @ (w + mean)) for w in drawn.values()]
    show(table({"Var(w)": list(variances), "forward": forward, "backward": backward}))
    v = torch.tensor(list(variances.values()))
    # scatter of a mean over batch, rows and columns of independent normal numbers: five sigmas
    room = 5 * (2 / batch / fan_in + 2 / batch / fan_out + 2 / fan_in / fan_out) ** 0.5
    at = ("Var(w)", list(variances))
    expect("forward gain over fan_in · Var(w)", torch.tensor(forward) / (fan_in * v), equals=1, within=room, at=at)
    expect("backward gain over fan_out · Var(w)", torch.tensor(backward) / (fan_out * v), equals=1, within=room, at=at)
    expect("forward and backward gain of Xavier", forward[2] + backward[2], equals=2, within=2 * room)


@breaks(rule="1/N", en="With 1/N each ReLU layer halves the mean square.", zh="用 1/N 时，每层 ReLU 使均方值减半。")
@breaks(rule="for the variance", en="Compensating the variance 0.341 makes the mean square grow 1.47-fold per layer.",
        zh="若去补偿方差 0.341，均方值每层变为 1.47 倍。")
@breaks(rule="sqrt(2/N)", en="The square root is the deviation: taken for the variance it multiplies each layer by √(N/2).",
        zh="开根号的是标准差；当成方差用，每层乘以 √(N/2)。")
def claim_relu_layers_keep_the_mean_square_with_two_over_fan_in(depth=30, width=512, rule="2/N"):
    """With variance 2/fan_in thirty ReLU layers keep the mean square per layer; with 1/fan_in each halves it; a factor that
    keeps the variance instead makes it grow 1.47-fold.

    方差取 2/fan_in 时，30 层 ReLU 平均每层保持均方值；取 1/fan_in 则每层减半；若改为保持方差，均方值每层变为 1.47 倍。"""
    x = torch.randn(16, width)
    names = list(dict.fromkeys(("2/N", "1/N", "for the variance", rule)))
    by = dict(zip(names, through(x, depth, [RULES[name](width) for name in names], "relu"), strict=True))
    (first,) = through(x, 1, [RULES["sqrt(2/N)"](width)], "relu")
    show(lines("layer", range(depth + 1), {f"Var(w) = {name}": y for name, y in by.items()}, log="y", y_label="E[x²]"))
    # the weights are shared by the batch: the log of a layer's factor scatters by √(5/width); five sigmas, and its mean
    room = 5 * (5 / width / depth) ** 0.5 + 2.5 / width
    for name, y, want in ((rule, by[rule], 1.0), ("1/N", by["1/N"], 0.5), ("for the variance", by["for the variance"], 1.467)):
        expect(f"factor per layer, Var(w) = {name}", (y[-1] / y[0]) ** (1 / depth), equals=want, within=want * room)
    # one layer scatters by √(5/width), and by the batch; five sigmas
    expect("factor of one layer with √(2/N) as its variance, over √(N/2)", first[1] / first[0] / math.sqrt(width / 2), equals=1,
           within=5 * (5 / width + 2 / 16 / width) ** 0.5)


@breaks(moment="variance", en="The variance leaves out the mean of the ReLU’s output, which the next layer multiplies as well.",
        zh="方差漏掉了 ReLU 输出的均值，而下一层同样会乘上它。")
@breaks(law="shifted", en="Inputs around 1 instead of 0 keep over nine tenths: half is what a symmetric input keeps.",
        zh="以 1 而非 0 为中心的输入保留九成以上：一半只对对称输入成立。")
def claim_the_next_layer_multiplies_the_second_moment(law="normal", moment="second moment", width=512):
    """Of any input symmetric around 0 ReLU keeps half of the mean square, and the next layer multiplies that second moment, the
    squared mean included.

    任何关于 0 对称的输入经过 ReLU 都剩一半均方值；下一层乘的就是这个二阶矩，包含均值的平方。"""
    half = {"normal": torch.randn(64, width), "uniform": torch.rand(64, width), "two values": torch.ones(64, width)}
    inputs = {name: torch.cat([z, -z]) for name, z in half.items()}       # symmetric: each number and its negative
    inputs["shifted"] = inputs["normal"] + 1
    kept = {name: mean_square(z.relu()) / mean_square(z) for name, z in inputs.items()}
    left = {name: (z.relu().var() / z.var()).item() for name, z in inputs.items()}
    show(table({"input": list(inputs), "mean square kept": list(kept.values()), "variance kept": list(left.values())}))
    expect("mean square kept", [kept["uniform"], kept["two values"], kept[law]], equals=0.5, within=1e-5)      # float32 sums
    x = inputs[law].relu()
    after = mean_square(x @ normal(width, 1024, 1 / width).T)
    feels = mean_square(x) if moment == "second moment" else x.var().item()
    # the mean of x is shared by all samples: one output scatters by up to √2, 1,024 of them by 4%; five sigmas
    expect("mean square behind the next layer over fan_in · Var(w) · E[x²]", after / feels, equals=1, within=0.22)
    # a normal input keeps 1/2 − 1/(2π) of its variance; 32,768 numbers and their negatives, five sigmas
    expect("variance kept of a normal input", left["normal"], equals=0.5 - 0.5 / math.pi, within=5 / (64 * width) ** 0.5)


@breaks(activation="relu", en="ReLU halves at every size of its input: 1/N leaves 2^−20.", zh="ReLU 不论输入大小都减半：1/N 下只剩 2^−20。")
def claim_tanh_fades_slowly_with_one_over_fan_in(depth=20, width=512, activation="tanh"):
    """With variance 1/fan_in tanh layers let the mean square fade slowly: twenty layers leave over one per cent, as the
    integral predicts.

    方差取 1/fan_in 时，tanh 层的均方值衰减很慢：20 层后仍剩 1% 以上，与积分的预言一致。"""
    seen, predicted = through(torch.randn(16, width), depth, [1 / width], activation)[0], tanh_recursion(depth)
    show(lines("layer", range(depth + 1), {activation: seen, "E[tanh²(√q·z)] repeated": predicted}, log="y", y_label="E[x²]"))
    # a layer's scatter of √(2/width) fades as the signal does, k of depth layers later by k/depth: five sigmas of the sum
    expect("mean square left over the predicted", seen[-1] / predicted[-1], equals=1, within=5 * (2 * depth / 3 / width) ** 0.5)
    expect("mean square left", seen[-1], at_least=0.2 / depth)


@breaks(init="kaiming_normal_", en="kaiming_normal_ draws 2/fan_in, six times the default.",
        zh="kaiming_normal_ 的方差是 2/fan_in，为默认的六倍。")
def claim_torch_draws_what_the_formulas_say(fan_in=256, fan_out=1024, init="default"):
    """nn.Linear’s default variance is 1/(3·fan_in), a sixth of Kaiming’s; nn.init’s Xavier has 2/(fan_in + fan_out), its Kaiming
    2/fan_in.

    nn.Linear 默认的方差是 1/(3·fan_in)，为 Kaiming 的六分之一；nn.init 的 Xavier 是 2/(fan_in + fan_out)，Kaiming 是 2/fan_in。"""
    layer, xavier, kaiming = (torch.nn.Linear(fan_in, fan_out, bias=False) for _ in range(3))
    torch.nn.init.xavier_uniform_(xavier.weight)
    torch.nn.init.kaiming_normal_(kaiming.weight, nonlinearity="relu")
    state = torch.get_rng_state()
    default = torch.nn.Linear(fan_in, fan_out, bias=False).weight
    torch.set_rng_state(state)
    slope = torch.nn.init.kaiming_uniform_(torch.empty(fan_out, fan_in), a=math.sqrt(5))      # what reset_parameters calls
    ours = xavier_uniform(fan_in, fan_out)
    found = [mean_square(w) for w in ((layer if init == "default" else kaiming).weight, kaiming.weight, xavier.weight, ours)]
    names = [f"nn.Linear, {init}", "kaiming_normal_", "xavier_uniform_", "by hand"]
    law = torch.tensor([1 / 3 / fan_in, 2 / fan_in, 2 / (fan_in + fan_out), 2 / (fan_in + fan_out)])
    show(table({"weights": names, "mean square": found, "formula": law}))
    # the mean of n squares scatters by √(2/n) for normal numbers, less for uniform ones: five sigmas
    room = 5 * (2 / fan_in / fan_out) ** 0.5
    expect("mean square over its formula", torch.tensor(found) / law, equals=1, within=room, at=("weights", names))
    expect("nn.Linear’s default less kaiming_uniform_(a=√5)", default - slope, equals=0)
    bound = math.sqrt(6 / (fan_in + fan_out))
    # of thousands of uniform numbers the largest comes within a thousandth of the bound
    expect("largest weight over the bound √(6/(fan_in + fan_out))", ours.abs().max().item() / bound, equals=1, within=1e-3)


def drill_gain(rng) -> Drill:
    """Forward or backward gain of a layer under Xavier."""
    fan_in, fan_out = rng.choice([(256, 1024), (512, 2048), (100, 400), (1024, 256), (300, 100), (768, 3072)])
    way = rng.choice(["forward", "backward"])
    n = fan_in if way == "forward" else fan_out
    value = n * 2 / (fan_in + fan_out)
    return Drill(
        en=f"A linear layer with fan_in {fan_in} and fan_out {fan_out} is drawn with Xavier’s variance. By what factor does the "
           f"mean square change in the {way} pass?",
        zh=f"线性层 fan_in = {fan_in}、fan_out = {fan_out}，方差按 Xavier。{'前向' if way == 'forward' else '反向'}时均方值变为几倍？",
        answer=value, within=0.01,
        steps=[(f"Var(w) = 2 / ({fan_in} + {fan_out})",) * 2,
               (f"{'fan_in' if way == 'forward' else 'fan_out'} · Var(w) = {n} · 2 / {fan_in + fan_out} = {value:.3f}",) * 2],
        proved_by="one_layer_multiplies_by_fan_times_variance",
    )


def drill_relu_depth(rng) -> Drill:
    """What ReLU layers leave of the mean square."""
    c, depth = rng.choice([(1, 10), (1, 5), (3, 2), (3, 4), (0.5, 3), (1, 8)])
    value = (c / 2) ** depth
    return Drill(
        en=f"A plain ReLU network of width N has {depth} layers, weights of mean 0 and variance {c:g}/N, no biases. By what factor does "
           "E[x²] change?",
        zh=f"普通 ReLU 网络宽 N、{depth} 层，权重均值 0、方差 {c:g}/N，无偏置。E[x²] 变为几倍？",
        answer=value, within=0.01 * value,
        steps=[(f"per layer: N · ({c:g}/N) · 1/2 = {c / 2:g}", f"每层：N · ({c:g}/N) · 1/2 = {c / 2:g}"),
               (f"{c / 2:g}^{depth} = {value:.4g}",) * 2],
        proved_by="relu_layers_keep_the_mean_square_with_two_over_fan_in",
    )


ZH = {
    "forward": "前向", "backward": "反向", "forward gain over fan_in · Var(w)": "前向增益与 fan_in · Var(w) 之比",
    "backward gain over fan_out · Var(w)": "反向增益与 fan_out · Var(w) 之比",
    "forward and backward gain of Xavier": "Xavier 的前向与反向增益之和", "Var(w)": "Var(w)", "layer": "层", "E[x²]": "E[x²]",
    "factor per layer, Var(w) = {}": "每层的倍数，Var(w) = {}", "Var(w) = {}": "Var(w) = {}",
    "for the variance": "按方差补偿", "Var(w) = for the variance": "Var(w) 按方差补偿",
    "factor per layer, Var(w) = for the variance": "每层的倍数，Var(w) 按方差补偿",
    "factor of one layer with √(2/N) as its variance, over √(N/2)": "以 √(2/N) 为方差的一层的倍数与 √(N/2) 之比",
    "relu": "ReLU", "tanh": "tanh", "E[tanh²(√q·z)] repeated": "反复用 E[tanh²(√q·z)]",
    "mean square left over the predicted": "剩下的均方值与预言之比", "mean square left": "剩下的均方值",
    "input": "输入", "normal": "正态", "uniform": "均匀", "two values": "±1 两个值", "shifted": "平移 1",
    "mean square kept": "保留的均方值", "variance kept": "保留的方差", "variance kept of a normal input": "正态输入保留的方差",
    "mean square behind the next layer over fan_in · Var(w) · E[x²]": "下一层的均方值与 fan_in · Var(w) · E[x²] 之比",
    "nn.Linear’s default less kaiming_uniform_(a=√5)": "nn.Linear 默认值减 kaiming_uniform_(a=√5)",
    "weights": "权重", "mean square": "均方值", "formula": "公式", "by hand": "手写", "nn.Linear, {}": "nn.Linear，{}", "default": "默认",
    "nn.Linear, default": "nn.Linear，默认", "mean square over its formula": "均方值与公式之比",
    "largest weight over the bound √(6/(fan_in + fan_out))": "最大权重与界 √(6/(fan_in + fan_out)) 之比",
}

if __name__ == "__main__":
    main()
