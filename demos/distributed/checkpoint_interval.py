r"""A checkpoint pays for itself about every √(2 · time between faults · time to write it).

检查点的最佳间隔约为 √(2 · 平均故障间隔 · 写入时间)。

Young 1974; Daly 2006 has M·exp(R/M) for M + R, as faults may strike a restart too. Minutes throughout.
Turn `every` to "MTBF": half a fault's distance is lost at each. 把 `every` 改为 "MTBF"：每次故障要丢掉半个多 MTBF 的工作。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)


@exercise(
    claims=("simulated_runs_take_the_exact_time", "the_square_root_is_close_to_the_best"),
    wrong=("forgets_the_work_since_the_checkpoint", "writes_for_free", "restarts_for_free"),
)
def segment_minutes(interval: float, write: float, restart: float, to_fault: Tensor) -> Tensor:
    """Minutes until `interval` minutes of work are done and saved, for each of many runs: a fault costs all since the last
    checkpoint, then `restart` minutes, and the segment begins again. to_fault (tries, runs) holds the minutes from a
    start of the segment to the next fault; no fault strikes in a restart.

    完成并保存 `interval` 分钟的工作所需的分钟数，每次运行一个数：一次故障丢掉上个检查点以来的全部工作，再花 `restart` 分钟重启，然后这一段
    重来。to_fault (tries, runs) 是每次从段首开始到下一次故障的分钟数；重启期间不出故障。"""
    whole = interval + write                            # what must pass without a fault
    failed = (to_fault < whole).long().cumprod(0).bool()          # (tries, runs): all tries so far failed
    return (failed * (to_fault + restart)).sum(0) + whole


def expected_minutes(interval: float, write: float, restart: float, mtbf: float) -> float:
    """The expected minutes of a segment: (M + R)(exp((τ + C)/M) − 1), times between faults exponential of mean M."""
    return (mtbf + restart) * math.expm1((interval + write) / mtbf)


def young(mtbf: float, write: float) -> float:
    """The interval √(2·M·C), in the unit of both."""
    return math.sqrt(2 * mtbf * write)


def waste(interval: float, write: float, restart: float, mtbf: float) -> float:
    """The share of the time that is no progress."""
    return 1 - interval / expected_minutes(interval, write, restart, mtbf)


RANGES = {
    "mtbf": between(60.0, 5000.0),
    "write": between(0.05, 2.0),
    "restart": between(0.5, 20.0),
    "runs": between(20_000, 40_000),
    "gpus": each(between(1000, 64_000), at_least=2, at_most=6, rising=True),
    "every": one_of("√(2MC)", "MTBF", "10 minutes"),
    "lost": one_of("since the checkpoint", "nothing"),
    "counts_from": one_of("snapshot", "written"),
}


@breaks(lost="nothing", en="If a fault lost no work, only the restarts would remain.", zh="若故障不丢工作，就只剩重启的开销。")
def claim_simulated_runs_take_the_exact_time(mtbf=185.0, write=1.0, restart=10.0, runs=20_000, lost="since the checkpoint"):
    """With faults at random, saving τ minutes of work takes (M + R)(exp((τ + C)/M) − 1) on average: simulated and exact agree.

    故障随机到来时，保存 τ 分钟的工作平均需要 (M + R)(exp((τ + C)/M) − 1) 分钟：模拟与精确公式一致。"""
    best = young(mtbf, write)
    intervals = [best / 4, best / 2, best, 2 * best]
    to_fault = -mtbf * torch.rand(30, runs, dtype=torch.float64).log()            # (tries, runs), exponential
    simulated, spread = [], []
    for tau in intervals:
        minutes = segment_minutes(tau, write, restart, to_fault)
        if lost == "nothing":                                                    # the wrong way
            minutes = tau + write + restart * (to_fault < tau + write).long().cumprod(0).sum(0)
        simulated.append(minutes.mean())
        spread.append(minutes.std() / math.sqrt(runs))
    exact = [expected_minutes(tau, write, restart, mtbf) for tau in intervals]
    show(lines("minutes of work between checkpoints", intervals,
               {"simulated": [s / t for s, t in zip(simulated, intervals, strict=True)],
                "exact": [e / t for e, t in zip(exact, intervals, strict=True)]}, y_label="time over work"))
    # five standard errors of the mean
    expect("simulated minutes less the exact ones", [s - e for s, e in zip(simulated, exact, strict=True)], equals=0,
           within=[5 * s for s in spread], at=("interval", intervals))


@breaks(every="MTBF", en="At one checkpoint per MTBF most segments die before they are saved.",
        zh="每个 MTBF 才存一次，多数段落还没保存就失败了。")
@breaks(every="10 minutes", mtbf=3000.0, en="Ten minutes is far too often where a fault comes every 50 hours.",
        zh="若 50 小时才出一次故障，十分钟存一次就太频繁了。")
def claim_the_square_root_is_close_to_the_best(mtbf=185.0, write=1.0, restart=10.0, every="√(2MC)"):
    """Checkpointing every √(2·MTBF·C) wastes within half a percent of the run as little as the best interval: 19 minutes
    for a fault every 3.1 hours and one minute of writing.

    每 √(2·MTBF·C) 存一次，浪费与最佳间隔相差不到总时间的 0.5%：每 3.1 小时一次故障、写一分钟时为 19 分钟。"""
    rule = {"√(2MC)": young(mtbf, write), "MTBF": mtbf, "10 minutes": 10.0}
    grid = [young(mtbf, write) * 2 ** (k / 32 + 1 / 64) for k in range(-96, 96)]
    wasted = [waste(tau, write, restart, mtbf) for tau in grid]
    show(lines("minutes between checkpoints", grid, {"time that is no progress": wasted}, log="x",
               title=f"√(2MC) = {rule['√(2MC)']:.0f} minutes"))
    expect("waste at the rule less the least on a grid", waste(rule[every], write, restart, mtbf) - min(wasted),
           equals=0, within=0.005)


@breaks(every="10 minutes", mtbf=185.0, en="At a fixed interval the writing costs the same at any size.",
        zh="间隔固定时，写检查点的开销与规模无关。")
def claim_waste_grows_like_the_root_of_the_gpus(gpus=(1000, 4000, 16_000), mtbf=185.0, write=0.1, every="√(2MC)"):
    """A job of N GPUs stops N times as often: at the best interval, checkpoints and lost work then cost √(2C/M), twice as
    much for four times the GPUs.

    N 张 GPU 的任务中断频率是 N 倍：按最佳间隔，写检查点加丢失的工作约占 √(2C/M)，GPU 数变为四倍，开销变为两倍。"""
    faults = [mtbf * gpus[-1] / n for n in gpus]                                  # the largest has `mtbf`
    intervals = [young(m, write) if every == "√(2MC)" else 10.0 for m in faults]
    wasted = [waste(tau, write, 0.0, m) for tau, m in zip(intervals, faults, strict=True)]
    rule = [math.sqrt(2 * write / m) for m in faults]
    show(lines("GPUs", gpus, {"time that is no progress": wasted, "√(2C/M)": rule}, log="xy"))
    # The exponential has second-order terms: about two thirds of √(2C/M) of itself.
    expect("waste over √(2C/M)", [w / r for w, r in zip(wasted, rule, strict=True)], equals=1,
           within=[r + 0.005 for r in rule], at=("GPUs", gpus))


@breaks(counts_from="written", en="If a checkpoint counted from when it is written, no work would be lost to the writing.",
        zh="若误以为检查点从写完那一刻算起，就不会因写入而多丢工作。")
def claim_async_writing_hides_the_cost_and_not_the_age(mtbf=185.0, write=1.0, runs=20_000, counts_from="snapshot"):
    """Written in the background, a checkpoint no longer stalls training, but it is usable only once written: a fault loses
    half an interval and the writing time on top.

    后台写检查点不再卡住训练，但写完才能用：一次故障丢掉的是半个间隔再加上写入时间。"""
    tau = young(mtbf, write)
    at = torch.rand(runs, dtype=torch.float64) * mtbf * 20 + 2 * tau              # times of faults, long after the start
    saved = torch.floor((at - write) / tau) * tau                                # the newest snapshot that is written
    age = (at - saved).mean() if counts_from == "snapshot" else (at - saved - write).mean()
    show(lines("minutes to write", [w * write for w in range(5)],
               {"minutes lost per fault": [tau / 2 + w * write for w in range(5)]}))
    # an age is uniform over an interval: five standard errors, and an interval's edge in 20 · MTBF
    expect("minutes lost per fault, less half an interval", age - tau / 2, equals=write,
           within=5 * tau / math.sqrt(12 * runs) + tau**2 / (20 * mtbf))


def drill_interval(rng) -> Drill:
    """The interval from MTBF and write time."""
    hours, seconds = rng.choice([(3, 60), (2, 60), (8, 60), (3, 24), (6, 100), (4, 30), (12, 90)])
    best = young(60 * hours, seconds / 60)
    return Drill(
        en=f"A run is interrupted every {hours} hours on average, and a checkpoint stalls training for {seconds} s. By "
           f"Young's rule, how many minutes lie between checkpoints?",
        zh=f"训练平均每 {hours} 小时中断一次，存一次检查点要停 {seconds} 秒。按 Young 公式，检查点间隔多少分钟？",
        answer=best, unit="min", within=0.03 * best,
        steps=[(f"2 · {60 * hours} min · {seconds / 60:g} min = {120 * hours * seconds / 60:g} min²",
                f"2 · {60 * hours} min · {seconds / 60:g} min = {120 * hours * seconds / 60:g} min²"),
               (f"√ = {best:.1f} min", f"√ = {best:.1f} min")],
        proved_by="the_square_root_is_close_to_the_best",
    )


def drill_mtbf_of_a_job(rng) -> Drill:
    """Hours between interruptions of a job, from those of one GPU."""
    one, n = rng.choice([(50_000, 16_000), (50_000, 2_000), (60_000, 4_000), (40_000, 8_000), (50_000, 1_000)])
    return Drill(
        en=f"One GPU, with its share of host and network, interrupts a job once in {one:,} hours. How many hours pass between "
           f"interruptions of a synchronous job on {n:,} GPUs?",
        zh=f"一张 GPU（连同它分摊的主机和网络）平均 {one:,} 小时让任务中断一次。{n:,} 张 GPU 的同步训练，两次中断之间平均几小时？",
        answer=one / n, unit="h",
        steps=[("any one of them stops the job: rates add", "任何一张出错都会中断任务：故障率相加"),
               (f"{one:,} / {n:,} = {one / n:.3g} h", f"{one:,} / {n:,} = {one / n:.3g} 小时")],
        proved_by="waste_grows_like_the_root_of_the_gpus",
    )


ZH = {
    "minutes of work between checkpoints": "检查点之间的工作分钟数",
    "minutes between checkpoints": "检查点间隔（分钟）",
    "simulated": "模拟",
    "exact": "精确",
    "time over work": "时间与工作之比",
    "simulated minutes less the exact ones": "模拟与精确分钟数之差",
    "interval": "间隔",
    "time that is no progress": "没有进展的时间占比",
    "√(2MC) = {} minutes": "√(2MC) = {} 分钟",
    "waste at the rule less the least on a grid": "按规则的浪费减去网格上的最小浪费",
    "GPUs": "GPU 数",
    "waste over √(2C/M)": "浪费与 √(2C/M) 之比",
    "minutes to write": "写入分钟数",
    "minutes lost per fault": "每次故障丢失的分钟数",
    "minutes lost per fault, less half an interval": "每次故障丢失的分钟数减去半个间隔",
}

if __name__ == "__main__":
    main()
