r"""A learned position table and a sinusoidal one: what each costs, where each ends, what its dot products say.

可学习的位置表与正弦位置表：各要多少参数，在哪里到头，点积又说明什么。

Vaswani et al. 2017, §3.5: PE(p, 2i) = sin(p·ω_i), PE(p, 2i+1) = cos(p·ω_i), ω_i = base^(−2i/d), base 10000.
BERT and GPT-2 learn the table instead. Turn `d` and `offset`, or `trained` against `max_len`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import expect, heatmap, lines, main, show, table

F64 = torch.float64
SIZES = {"BERT-base": (512, 768), "GPT-2 small": (1024, 768), "GPT-3": (2048, 12288)}  # max_len, d


def sinusoids(positions: Tensor, d: int, base: float = 10000.0) -> Tensor:
    """The code of 2017, sine and cosine interleaved, (n, d)."""
    angle = positions[:, None].to(F64) * base ** (-torch.arange(0, d, 2, dtype=F64) / d)  # (n, d/2)
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)


def has(lookup: nn.Module, position: int) -> bool:
    """Whether the table has a row for this position."""
    try:
        lookup(torch.tensor([position]))
    except IndexError:
        return False
    return True


def train(lengths: Tensor, max_len: int, d: int, decay: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Fit tokens from token + position vectors, a sequence a step; rows before, rows after, steps that reached each row."""
    tokens, positions, head = nn.Embedding(50, d), nn.Embedding(max_len, d), nn.Linear(d, 50)
    before, reached = positions.weight.detach().clone(), torch.zeros(max_len)
    weights = [*tokens.parameters(), *positions.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=1e-2, weight_decay=decay)
    for n in lengths.tolist():
        ids = torch.randint(50, (n,))
        loss = F.cross_entropy(head(tokens(ids) + positions(torch.arange(n))), ids.roll(1))
        optimizer.zero_grad()
        loss.backward()
        reached += (positions.weight.grad != 0).any(1)
        optimizer.step()
    return before, positions.weight.detach(), reached


def claim_learned_table_ends_at_max_len(names=("BERT-base", "GPT-2 small", "GPT-3")):
    """A learned table has max_len × d weights and no row for position max_len: the lookup fails. (Sizes of named models.)

    可学习的位置表有 max_len × d 个参数，而且没有第 max_len 号位置：查表直接报错。（尺寸取自所列模型。）"""
    rows = []
    for name in names:
        max_len, d = SIZES[name]
        learned = nn.Embedding(max_len, d, _weight=torch.empty(max_len, d))  # its size matters, not its values
        weights = sum(p.numel() for p in learned.parameters())
        rows.append((name, max_len, d, weights, has(learned, max_len - 1), has(learned, max_len)))
    show(table(("model", "max_len", "d", "weights", "has row max_len − 1", "has row max_len"), rows))
    expect("weights over max_len", [r[3] / r[1] for r in rows], equals=[r[2] for r in rows], at=("model", names))
    expect("a row for the last position", [r[4] for r in rows], equals=True, at=("model", names))
    expect("a row for the position after it", [r[5] for r in rows], equals=False, at=("model", names))


def claim_a_row_learns_only_from_sequences_that_reach_it(max_len=96, trained=64, steps=64, d=64, decay=0.1):
    """Rows past the longest training sequence never get a gradient and stay random (weight decay only shrinks them),
    and where lengths vary, late rows are updated less often than early ones.

    超过最长训练序列的那些行从未得到梯度，一直是随机初值（权重衰减只会把它们缩小）；训练长度不一时，靠后的行比靠前的行更新得少。"""
    varied = torch.randint(1, trained + 1, (steps,))
    varied[0] = trained  # at least one sequence is as long as allowed
    before, after, reached = train(varied, max_len, d)
    _, _, packed = train(torch.full((steps,), trained), max_len, d)
    start, shrunk, _ = train(varied, max_len, d, decay)
    moved = (after - before).abs().amax(1)
    factor = (1 - 1e-2 * decay) ** steps
    show(lines("position", range(max_len), {"lengths vary": reached, "packed to full length": packed},
               y_label="steps with a gradient"),
         lines("position", range(max_len), {"largest change of the row": moved}))
    expect("change of the rows never reached", moved[trained:], equals=0)
    expect("smallest change of the rows reached", moved[:trained].min(), at_least=1e-3)
    expect("rows never reached, under weight decay, less their start times (1 − lr·decay)^steps",
           shrunk[trained:] - factor * start[trained:], equals=0, within=2e-7 * steps)
    early, late = reached[: trained // 4].mean(), reached[trained - trained // 4 : trained].mean()
    expect("updates of the last quarter over those of the first", late / early, at_most=0.5)


def claim_sinusoidal_is_bounded_and_defined_everywhere(d=64, positions=(0, 1, 511, 512, 10000, 1000000), first=1024):
    """The sinusoidal code has no weights, exists at every position, stays within ±1 with squared norm d/2, and no two
    of the first 1024 positions share a code.

    正弦编码没有参数，任何位置都有定义，分量不超出 ±1，范数平方恒为 d/2，前 1024 个位置中没有两个编码相同。"""
    code, at = sinusoids(torch.tensor(positions), d), ("position", positions)
    near = sinusoids(torch.arange(first), d)
    apart = torch.cdist(near, near).fill_diagonal_(math.inf).min()
    show(heatmap(sinusoids(torch.arange(24), 24).T, x_label="position", y_label="component", title="d = 24"))
    show(table({"position": positions, "largest |component|": code.abs().amax(1), "squared norm": code.square().sum(1)}))
    expect("largest |component|", code.abs().amax(1), at_most=1, at=at)
    expect("squared norm, less d/2", code.square().sum(1) - d / 2, equals=0, within=1e-12 * d, at=at)
    expect(f"smallest distance between two codes of the first {first} positions", apart, at_least=0.1)


def claim_shift_is_a_fixed_rotation(width=16, offset=5, span=60000):
    """One matrix, fitted on some positions, takes PE(p) to PE(p + k) at all others, and it is a rotation; a random
    learned table has no such matrix.

    在一部分位置上拟合出的同一个矩阵，在其余位置也把 PE(p) 变成 PE(p + k)，而且它是旋转矩阵；随机的可学习表没有这样的矩阵。"""
    seen, fresh = torch.randint(span, (2, 8 * width))  # the wavelengths must fit into the span, or pairs look alike
    learned = torch.randn(span + offset, width, dtype=F64)
    tables = {"sinusoidal": lambda p: sinusoids(p, width), "random table": lambda p: learned[p]}
    error, turn = {}, {}
    for name, code in tables.items():
        turn[name] = torch.linalg.lstsq(code(seen), code(seen + offset)).solution.T  # PE(p + k) = turn PE(p)
        error[name] = (code(fresh) @ turn[name].T - code(fresh + offset)).abs().max()
    m = turn["sinusoidal"]
    rounding = min(1e-11 * torch.linalg.cond(sinusoids(seen, width)), torch.tensor(1e-6))
    show(heatmap(m.round(decimals=6) + 0.0, title=f"the fitted matrix for offset {offset}: 2×2 blocks"))
    show(table(("table", "largest error at positions not used in the fit"), list(error.items())))
    expect("error of the sinusoidal shift", error["sinusoidal"], equals=0, within=rounding)
    expect("entries of MᵀM − I", m.T @ m - torch.eye(width, dtype=F64), equals=0, within=rounding)
    expect("determinant of M", torch.linalg.det(m), equals=1, within=rounding)
    expect("error of the random table", error["random table"], at_least=0.5)


def claim_dot_product_depends_on_the_offset(d=64, length=128):
    """PE(m)·PE(n) = Σcos((m − n)ω_i): the same wherever the pair stands, largest at offset 0, and blind to direction,
    since +k and −k give the same value.

    PE(m)·PE(n) = Σcos((m − n)ω_i)：与这一对位置所处的地方无关，距离为 0 时最大，但分不清方向，+k 与 −k 的值相同。"""
    code = sinusoids(torch.arange(length), d)
    product = code @ code.T  # (m, n)
    offsets = torch.arange(-(length // 2), length // 2)
    curve = product[length // 2]  # m in the middle, n at every offset
    cosines = torch.stack([(offsets.to(F64) * 10000.0 ** (-2 * i / d)).cos() for i in range(d // 2)]).sum(0)
    spread = torch.stack([product.diagonal(int(k)).max() - product.diagonal(int(k)).min() for k in offsets])
    show(lines("offset n − m", offsets, {"PE(m)·PE(n)": curve}))
    expect("spread along a diagonal", spread, equals=0, within=1e-11 * d, at=("offset", offsets))
    expect("product less Σcos", curve - cosines, equals=0, within=1e-11 * d, at=("offset", offsets))
    expect("product at offset 0", curve[length // 2], equals=d / 2, within=1e-11 * d)
    expect("product elsewhere", curve[offsets != 0], at_most=d / 2 - 1e-6)
    expect("product at +k less that at −k", (product - product.T).abs().max(), equals=0, within=1e-11 * d)


def claim_projections_lose_the_offset(d=64, length=128, offset=5):
    """After a W_Q and W_K taken at random the score of two codes at one offset changes with the place; matrices made of
    2×2 rotations keep it, and then +k and −k differ.

    经过随机的 W_Q、W_K，同一距离的两个编码的得分会随所处位置而变；由 2×2 旋转块构成的矩阵则保住它，而且 +k 与 −k 不再相同。"""
    code = sinusoids(torch.arange(length), d)
    w_q, w_k = torch.randn(2, d, d, dtype=F64) / d**0.5
    angle = torch.rand(d // 2, dtype=F64) * 2 + 0.5
    blocks = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), -1).view(-1, 2, 2)
    scores = {
        "no projection": code @ code.T,
        "random W_Q, W_K": (code @ w_q.T) @ (code @ w_k.T).T,
        "2×2 rotations as W_Q": (code @ torch.block_diag(*blocks).T) @ code.T,
    }
    along = {name: s.diagonal(offset) for name, s in scores.items()}  # m at every place, n = m + offset
    spread = {name: curve.max() - curve.min() for name, curve in along.items()}
    show(lines("m", range(length - offset), along, y_label=f"score of positions m and m + {offset}"))
    expect("spread without a projection", spread["no projection"], equals=0, within=1e-11 * d)
    expect("spread under random W_Q, W_K", spread["random W_Q, W_K"], at_least=1)
    expect("spread under 2×2 rotations", spread["2×2 rotations as W_Q"], equals=0, within=1e-11 * d)
    turned = scores["2×2 rotations as W_Q"]
    expect("score at +k less that at −k, 2×2 rotations",
           (turned.diagonal(offset) - turned.diagonal(-offset)).abs().min(), at_least=0.01)


def claim_wavelengths_stop_short_of_base(widths=(64, 512), base=10000.0):
    """Wavelengths grow geometrically from 2π to 2π·base^((d−2)/d), a little short of the 2π·base of the paper.

    波长从 2π 按等比增大到 2π·base^((d−2)/d)，比论文所写的 2π·base 略短。"""
    rows = []
    for d in widths:
        sine, cosine = sinusoids(torch.tensor([1]), d, base).view(-1, 2).T  # one step forward in every pair
        wavelength = 2 * math.pi / torch.atan2(sine, cosine)
        show(lines("pair i", range(d // 2), {f"d = {d}": wavelength}, log="y", y_label="wavelength in tokens"))
        ratio = wavelength[1:] / wavelength[:-1]
        rows.append((d, wavelength[0], wavelength[-1], wavelength[-1] / (2 * math.pi * base), ratio.max() - ratio.min()))
    show(table(("d", "shortest", "longest", "longest over 2π·base", "spread of the ratios"), rows))
    at = ("d", widths)
    expect("shortest wavelength", [r[1] for r in rows], equals=2 * math.pi, within=1e-9, at=at)
    expect("longest wavelength over 2π·base", [r[3] for r in rows], equals=[base ** (-2 / d) for d in widths],
           within=1e-6, at=at)
    expect("spread of the ratios of neighbours", [r[4] for r in rows], equals=0, within=1e-6, at=at)


if __name__ == "__main__":
    main()
