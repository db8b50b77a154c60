r"""Attention over more keys is flatter: entropy grows with log n, and scaling the logits by log n holds against it.

key 越多，注意力越分散：熵随 log n 增长，按 log n 放大 logits 可以与之抗衡。

The second problem of length extrapolation: no position code is in sight here. Logits are independent and normal with
deviation `sigma`, as for keys that have nothing to do with the query, which trained models' logits only resemble. The
normal law entropy = ln n − sigma²/2 needs sigma well below √(2 ln n), about 3.3 at 256 keys; turn `sigma` past it and one
key takes all. Logits by log n: Chiang & Cholak 2022; Qwen 2023, §2.5. Temperature: YaRN (Peng et al. 2023, §3.4).
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table

F64 = torch.float64


def entropy(logits: Tensor) -> Tensor:
    """Mean entropy of the softmax over the last axis, in nats."""
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1).mean()


def yarn_scale(s: float) -> float:
    """√(1/t): what YaRN multiplies q and k by for an s times longer context."""
    return 0.1 * math.log(s) + 1


def tables(positions: Tensor, d: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """RoPE's cos and sin for every position and pair, times `scale`: (n, d/2) each."""
    angle = positions[:, None] * 10000.0 ** (-torch.arange(0, d, 2, dtype=F64) / d)
    return scale * angle.cos(), scale * angle.sin()


def apply(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x (n, d) turned pair by pair with the tables."""
    even, odd = x[:, 0::2], x[:, 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(1)


def claim_entropy_grows_with_log_n(lengths=(256, 1024, 4096, 16384), sigma=1.0, rows=64):
    """Four times the keys add ln 4 to the entropy of attention: it is ln n − sigma²/2 for normal logits.

    key 增至四倍，注意力的熵增加 ln 4：对正态 logits，熵约为 ln n − sigma²/2。"""
    got = torch.stack([entropy(sigma * torch.randn(rows, n)) for n in lengths])
    law = [math.log(n) - sigma**2 / 2 for n in lengths]
    most = [math.log(n) for n in lengths]
    show(
        lines("keys n", lengths, {"entropy": got, "uniform: ln n": most}, log="x", y_label="nats"),
        table({"keys n": lengths, "entropy": got, "ln n − sigma²/2": law}),
    )
    expect("entropy − (ln n − sigma²/2)", got - torch.tensor(law), equals=0, within=0.08, at=("n", lengths))


def claim_a_fixed_lead_loses_to_n(trained=256, lengths=(256, 1024, 4096, 16384)):
    """A key whose logit leads by g gets e^g/(e^g + n − 1): with g fixed its odds fall like 1/n, so g must grow by ln n.

    logit 领先 g 的 key 得到权重 e^g/(e^g + n − 1)：g 不变，它的胜算按 1/n 下降，所以 g 必须随 ln n 增长。"""
    lead = math.log(trained)  # about half the weight at the trained length
    weight = []
    for n in lengths:
        logits = torch.zeros(n, dtype=F64)
        logits[0] = lead
        weight.append(logits.softmax(0)[0])
    needed = [math.log(n - 1) for n in lengths]
    show(
        lines("keys n", lengths, {"weight of the key": weight}, log="xy", title=f"lead fixed at {lead:.2f}"),
        table({"keys n": lengths, "weight": weight, "lead g": [lead] * len(lengths), "lead for one half": needed}),
    )
    odds = [w / (1 - w) * (n - 1) for n, w in zip(lengths, weight, strict=True)]
    expect("odds of the key, times n − 1", odds, equals=trained, within=1e-6, at=("n", lengths))


def claim_log_n_scaling_keeps_a_key_that_leads(trained=256, lengths=(256, 1024, 4096, 16384), leads=(0.5, 1.0, 1.5)):
    """Scaled by ln n / ln n_train, a lead of ln n_train keeps half the weight at any n; larger leads win, smaller fade.

    按 ln n / ln n_train 放大后，领先 ln n_train 的 key 在任何 n 下都保住一半权重；领先更多的胜出，更少的仍会淡出。"""
    curves = {}
    for lead in leads:  # in units of ln n_train, over keys whose logit is 0
        weights = []
        for n in lengths:
            logits = torch.zeros(n, dtype=F64)
            logits[0] = lead * math.log(trained)
            weights.append((logits * math.log(n) / math.log(trained)).softmax(0)[0])
        curves[f"lead {lead} · ln {trained}"] = torch.stack(weights)
    show(
        lines("keys n", lengths, curves, log="x", y_label="weight", title="logits · ln n / ln n_train"),
        table({"keys n": lengths, **curves}),
    )
    for lead, weights in zip(leads, curves.values(), strict=True):
        if lead == 1:
            expect("weight at a lead of ln n_train", weights, equals=0.5, within=1 / min(lengths), at=("n", lengths))
        else:
            away = weights.diff() if lead > 1 else -weights.diff()
            expect(f"change of the weight away from one half, lead {lead}", away, at_least=0, at=("n", lengths[1:]))


def claim_log_n_scaling_slows_the_growth(trained=256, lengths=(256, 1024, 4096, 16384), sigma=1.0, rows=64):
    """Logits of unit deviation times ln n / ln n_train: the entropy grows more slowly with n, but it still grows.

    标准差为 1 的 logits 乘以 ln n / ln n_train：熵随 n 增长变慢，但仍在增长。"""
    raw, scaled = [], []
    for n in lengths:
        logits = sigma * torch.randn(rows, n)
        raw.append(entropy(logits))
        scaled.append(entropy(logits * math.log(n) / math.log(trained)))
    raw, scaled = torch.stack(raw), torch.stack(scaled)
    show(
        lines(
            "keys n", lengths, {"logits as trained": raw, "logits · ln n / ln n_train": scaled}, log="x", y_label="nats"
        ),
        table(
            {
                "keys n": lengths,
                "entropy": raw,
                "entropy, log-n": scaled,
                "effective keys": raw.exp(),
                "log-n": scaled.exp(),
            }
        ),
    )
    expect("entropy saved beyond the trained length", (raw - scaled)[1:].diff(prepend=torch.zeros(1)), at_least=0.05)
    expect("growth that is left", scaled.diff(), at_least=0.1, at=("n", lengths[1:]))


def claim_yarn_factor_sharpens_attention(trained=256, scales=(1, 4, 16, 64), sigma=1.0, rows=64):
    """YaRN's (0.1 ln s + 1)² on the logits lowers the entropy; at unit deviation it undoes only part of the added ln s.

    YaRN 给 logits 乘上 (0.1 ln s + 1)²，熵因此降低；logits 标准差为 1 时，只抵消长度带来的 ln s 的一部分。"""
    raw, sharp = [], []
    for s in scales:
        logits = sigma * torch.randn(rows, trained * s)
        raw.append(entropy(logits))
        sharp.append(entropy(logits * yarn_scale(s) ** 2))
    raw, sharp = torch.stack(raw), torch.stack(sharp)
    factor = [yarn_scale(s) ** 2 for s in scales]
    show(
        lines("context s times longer", scales, {"raw": raw, "YaRN": sharp}, log="x", y_label="entropy, nats"),
        table(
            {
                "s": scales,
                "on q and on k": [yarn_scale(s) for s in scales],
                "on the logits": factor,
                "log-n factor": [1 + math.log(s) / math.log(trained) for s in scales],
                "entropy": raw,
                "with YaRN": sharp,
            }
        ),
    )
    law = [sigma**2 / 2 * (f**2 - 1) for f in factor]
    expect(
        "entropy taken away, against sigma²/2 · (1/t² − 1)",
        raw - sharp,
        equals=law,
        within=[0.05 + 0.05 * x for x in law],
    )
    expect("share of the added ln s undone", (raw - sharp)[1:] / (raw - raw[0])[1:], at_most=0.9, at=("s", scales[1:]))


def claim_scaling_the_tables_scales_the_logits(s=8.0, d=64, n=128):
    """Multiplying RoPE's cos and sin tables by a, for q and k alike, multiplies every logit by a²: no kernel changes.

    把 RoPE 的 cos、sin 表乘以 a（q、k 都用），每个 logit 就乘以 a²：注意力 kernel 无需改动。"""
    a = yarn_scale(s)
    q, k = torch.randn(2, n, d, dtype=F64)
    plain, scaled = tables(torch.arange(n), d), tables(torch.arange(n), d, a)
    base = apply(q, *plain) @ apply(k, *plain).T
    both = apply(q, *scaled) @ apply(k, *scaled).T
    one = apply(q, *scaled) @ apply(k, *plain).T
    norm = apply(q, *scaled).norm(dim=1) / q.norm(dim=1)
    show(
        table(
            ("quantity", "measured", "a", "a²"),
            [
                ("|q| grows by", norm.mean(), a, a * a),
                ("logits, q and k scaled", (both / base).median(), a, a * a),
                ("logits, only q scaled", (one / base).median(), a, a * a),
            ],
        )
    )
    expect("logits with both scaled, less a² times the plain ones", (both - a**2 * base).abs().max(), at_most=1e-10)
    expect("logits with one scaled, less a times the plain ones", (one - a * base).abs().max(), at_most=1e-10)
    expect("growth of |q|", norm, equals=a, within=1e-9)


def claim_windows_and_alibi_cap_the_entropy(
    lengths=(256, 1024, 4096, 16384), sigma=1.0, slope=0.0625, window=64, rows=64
):
    """A window or ALiBi's bias fixes how many keys count, so beyond it the entropy no longer grows with n.

    滑动窗口或 ALiBi 的偏置固定了真正起作用的 key 数，再长下去熵也不再随 n 增长。"""
    kinds = {"full": [], "ALiBi": [], "window": []}
    for n in lengths:
        logits = sigma * torch.randn(rows, n)  # column 0 is the nearest key
        back = torch.arange(n)
        kinds["full"].append(entropy(logits))
        kinds["ALiBi"].append(entropy(logits - slope * back))
        kinds["window"].append(entropy(logits[:, :window]))
    show(
        lines("keys n", lengths, kinds, log="x", y_label="entropy, nats"),
        table({"keys n": lengths, **kinds}),
    )
    for kind in ("ALiBi", "window"):
        expect(f"growth of the entropy, {kind}", kinds[kind][-1] - kinds[kind][0], equals=0, within=0.2)
    expect(
        "growth of the entropy, full",
        kinds["full"][-1] - kinds["full"][0],
        at_least=0.8 * math.log(lengths[-1] / lengths[0]),
    )


if __name__ == "__main__":
    main()
