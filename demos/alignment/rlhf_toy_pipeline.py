r"""RLHF end to end on one prompt with eight answers: imitate, learn a reward from comparisons, then maximise
reward less β·KL(π‖ref), whose optimum is the reference tilted by exp(r/β).

一个 prompt、八个回答上的 RLHF 全流程：先模仿，再从比较中学奖励，最后最大化 奖励 − β·KL(π‖ref)；其最优解是把参考分布
乘以 exp(r/β)。

Ouyang et al. 2022; Rafailov et al. 2023, eq. 4. Turn `penalty` to "KL(ref‖π)": the tilt is no longer the
optimum. 把 `penalty` 改为 "KL(ref‖π)"：最优解就不再是它。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import finite_difference

F64 = torch.float64
ANSWERS = 8


@exercise(claims=("optimum_is_the_tilted_reference",),
          wrong=("multiplies_by_beta", "forgets_the_reference", "adds_to_probabilities"))
def tilted(log_ref: Tensor, reward: Tensor, beta: float) -> Tensor:
    """Log-probabilities of the policy that maximises E[reward] − β·KL(π‖ref): log_ref and reward are
    (answers,).

    使 E[奖励] − β·KL(π‖ref) 最大的策略的对数概率：log_ref 与 reward 均为 (answers,)。"""
    return (log_ref + reward / beta).log_softmax(-1)


def objective(log_pi: Tensor, log_ref: Tensor, reward: Tensor, beta: float, penalty: str = "KL(π‖ref)") -> Tensor:
    """Expected reward less β times a KL, exactly; policies are (…, answers)."""
    if penalty == "KL(π‖ref)":
        return (log_pi.exp() * (reward - beta * (log_pi - log_ref))).sum(-1)
    return (log_pi.exp() * reward - beta * log_ref.exp() * (log_ref - log_pi)).sum(-1)


def preferences(reward: Tensor, raters: str) -> Tensor:
    """P(i is preferred to j), (answers, answers): Bradley–Terry, or raters who prefer in a circle."""
    if raters == "consistent":
        return (reward[:, None] - reward).sigmoid()
    ahead = (torch.arange(ANSWERS)[:, None] - torch.arange(ANSWERS)) % ANSWERS
    circle = torch.where(ahead < ANSWERS // 2, 0.9, 0.1).to(reward)       # each beats the three before it
    return torch.where(ahead == 0, 0.5, torch.where(ahead == ANSWERS // 2, 0.5, circle))


def reward_model(wins: Tensor) -> Tensor:
    """Scores with mean 0 that maximise the Bradley–Terry likelihood of wins[i, j], by Newton's method."""
    score = torch.zeros(ANSWERS, dtype=F64)
    pairs = wins + wins.T
    for _ in range(30):
        p = (score[:, None] - score).sigmoid()
        slope = (wins - pairs * p).sum(1)
        w = pairs * p * (1 - p)
        curvature = torch.diag(w.sum(1)) - w + 1.0 / ANSWERS             # the constant direction is filled up
        score = score + torch.linalg.solve(curvature, slope)
    return score - score.mean()


RANGES = {
    "beta": between(0.2, 5.0), "penalty": one_of("KL(π‖ref)", "KL(ref‖π)"),
    "beta_is": one_of("weight of the KL", "weight of the reward"),
    "betas": each(between(0.1, 10.0), at_least=2, rising=True), "raters": one_of("consistent", "in a circle"),
}
CIRCLE = breaks(raters="in a circle", en="No score can order answers that beat each other in a circle.",
                zh="互相循环取胜的回答，没有任何分数能排出次序。")


@breaks(penalty="KL(ref‖π)", en="With the other direction the optimum is ref·β/(c − r), another policy.",
        zh="换成另一个方向，最优解是 ref·β/(c − r)，是另一个策略。")
def claim_optimum_is_the_tilted_reference(beta=0.5, penalty="KL(π‖ref)"):
    """ref·exp(r/β), normalised, maximises E[r] − β·KL(π‖ref); the maximum is β times the log of the mean of
    exp(r/β) under the reference.

    归一化的 ref·exp(r/β) 使 E[r] − β·KL(π‖ref) 最大；最大值是 β 乘以 exp(r/β) 在参考分布下均值的对数。"""
    log_ref, reward = torch.randn(ANSWERS, dtype=F64).log_softmax(0), torch.randn(ANSWERS, dtype=F64)
    best = tilted(log_ref, reward, beta)
    slope = finite_difference(lambda z: objective(z.log_softmax(0), log_ref, reward, beta, penalty), best)
    top = objective(best, log_ref, reward, beta, penalty)
    others = (best + torch.randn(500, ANSWERS, dtype=F64)).log_softmax(1)
    show(bars(range(ANSWERS), {"reference": log_ref.exp(), "optimum": best.exp()}, y_label="probability"))
    expect("gradient of the objective at the tilt", slope, equals=0, within=1e-7)
    expect("objective at the tilt less that of 500 other policies", top - objective(others, log_ref, reward, beta, penalty),
           at_least=0)
    expect("objective less β·log mean exp(r/β)", top - beta * (log_ref + reward / beta).logsumexp(0), equals=0, within=1e-10)


@breaks(beta_is="weight of the reward", en="If β multiplied the reward, a larger one would go further.",
        zh="若 β 乘在奖励上，则越大走得越远。")
def claim_smaller_beta_goes_further(betas=(0.1, 0.3, 1.0, 3.0, 10.0), beta_is="weight of the KL"):
    """As β falls, expected reward and KL from the reference both rise, by Var(r)/β² and Var(r)/β³; the KL stays below
    −log of the best answer's reference probability.

    β 越小，期望奖励与对参考的 KL 都越大，上升率为 Var(r)/β² 与 Var(r)/β³；KL 不超过最好回答的参考概率的负对数。"""
    log_ref, reward = torch.randn(ANSWERS, dtype=F64).log_softmax(0), torch.randn(ANSWERS, dtype=F64)
    b = torch.tensor(betas, dtype=F64, requires_grad=True)
    log_pi = torch.stack([tilted(log_ref, reward, x if beta_is == "weight of the KL" else 1 / x) for x in b])
    kl, mean = (log_pi.exp() * (log_pi - log_ref)).sum(1), (log_pi.exp() * reward).sum(1)
    variance = (log_pi.exp() * (reward - mean[:, None]) ** 2).sum(1)
    (by_mean,), (by_kl,) = (torch.autograd.grad(y.sum(), b, retain_graph=True) for y in (mean, kl))
    kl, mean = kl.detach(), mean.detach()
    show(lines("β", betas, {"expected reward": mean, "KL(π‖ref)": kl}, log="x"))
    expect("slope of the expected reward in β, times β², plus Var(r)", by_mean * b**2 + variance, equals=0, within=1e-9)
    expect("slope of the KL in β, times β³, plus Var(r)", by_kl * b**3 + variance, equals=0, within=1e-9)
    expect("fall of the KL from each β to the next", kl[:-1] - kl[1:], at_least=0)
    expect("fall of the expected reward from each β to the next", mean[:-1] - mean[1:], at_least=0)
    expect("KL at the smallest β", kl[0], at_most=-log_ref[reward.argmax()] + 1e-12)


@CIRCLE
def claim_comparisons_give_rewards_up_to_a_constant(raters="consistent"):
    """From exact preference probabilities the Bradley–Terry fit returns the true rewards up to one constant. Scores
    make the log-odds round any three answers sum to zero; preferences in a circle do not.

    由精确的偏好概率，Bradley–Terry 拟合还原真实奖励，只差一个常数。有分数时，绕任意三个回答一圈，对数几率之和为零；成环的偏好则不为零。"""
    reward = torch.randn(ANSWERS, dtype=F64)
    wins = preferences(reward, raters)
    score = reward_model(wins)
    show(table({"answer": range(ANSWERS), "true reward, centred": reward - reward.mean(), "score": score}))
    expect("score less the centred reward", score - (reward - reward.mean()), equals=0, within=1e-8)
    expect("predicted less given preference", (score[:, None] - score).sigmoid() - wins, equals=0, within=1e-8)
    odds, circle = wins.logit(), preferences(reward, "in a circle").logit()
    expect("log-odds round three answers", odds[:, :, None] + odds + odds.T[:, None], equals=0, within=1e-8)
    expect("log-odds of 3 over 0, 6 over 3, 0 over 6 in the circle", circle[3, 0] + circle[6, 3] + circle[0, 6], at_least=6)


@CIRCLE
def claim_each_stage_raises_the_true_reward(raters="consistent"):
    """Demonstrators who favour good answers lift the policy above the uniform base; the optimum for a reward model of
    4000 comparisons lifts it by another 0.2 standard deviations of true reward.

    更常给出好回答的示范使策略好过均匀的基座；再取 4000 次比较训练的奖励模型的最优解，真实奖励再升 0.2 个标准差以上。"""
    reward = torch.randn(ANSWERS, dtype=F64)
    reward = (reward - reward.mean()) / reward.std()
    base = torch.full((ANSWERS,), 1 / ANSWERS, dtype=F64)
    demonstrations = torch.multinomial(reward.softmax(0), 200, replacement=True)
    sft = (demonstrations.bincount(minlength=ANSWERS).double() + 0.5) / (200 + 0.5 * ANSWERS)
    i, j = torch.randint(ANSWERS, (2, 4000))
    i, j = i[i != j], j[i != j]
    won = torch.rand(len(i), dtype=F64) < preferences(reward, raters)[i, j]
    wins = torch.full((ANSWERS, ANSWERS), 0.5, dtype=F64)                # half a win each: a pair never seen is even
    wins.index_put_((torch.where(won, i, j), torch.where(won, j, i)), torch.ones(len(i), dtype=F64), accumulate=True)
    rl = tilted(sft.log(), reward_model(wins), 0.3).exp()
    stages = {"base": base, "SFT": sft, "RLHF": rl}
    means = [(p * reward).sum() for p in stages.values()]
    order = reward.argsort()
    show(bars([f"{r:.1f}" for r in reward[order].tolist()], {n: p[order] for n, p in stages.items()}, y_label="probability"),
         table({"stage": list(stages), "expected true reward": means}))
    expect("gain of SFT over the base", means[1] - means[0], at_least=0.3)
    expect("gain of RLHF over SFT", means[2] - means[1], at_least=0.2)


def drill_tilt(rng) -> Drill:
    """The optimum for two answers."""
    p, e, beta = rng.choice([(0.5, 2, 1.0), (0.25, 3, 0.5), (0.2, 4, 1.0), (0.75, 3, 2.0), (0.1, 9, 0.1)])
    log_ref = torch.tensor([p, 1 - p], dtype=F64).log()
    reward = torch.tensor([beta * torch.tensor(float(e)).log().item(), 0.0], dtype=F64)
    value = tilted(log_ref, reward, beta)[0].exp().item()
    return Drill(
        en=f"The reference gives two answers the probabilities {p:g} and {1 - p:g}. The first has the higher reward by "
           f"β·ln {e}. What probability does the optimum of reward less β·KL(π‖ref) give it?",
        zh=f"参考模型给两个回答的概率为 {p:g} 与 {1 - p:g}，第一个的奖励高 β·ln {e}。"
           f"最大化 奖励 − β·KL(π‖ref) 时，它的概率是多少？",
        answer=value, within=0.005,
        steps=[(f"the odds {p:g} : {1 - p:g} are multiplied by e^(ln {e}) = {e}",
                f"比值 {p:g} : {1 - p:g} 乘以 e^(ln {e}) = {e}"),
               (f"{p * e:g} / ({p * e:g} + {1 - p:g}) = {value:.3f}",) * 2],
        proved_by="optimum_is_the_tilted_reference",
    )


ZH = {
    "reference": "参考", "optimum": "最优", "probability": "概率",
    "gradient of the objective at the tilt": "该处目标的梯度",
    "objective at the tilt less that of 500 other policies": "该处的目标减 500 个其他策略的",
    "objective less β·log mean exp(r/β)": "目标减 β·log 均值 exp(r/β)", "β": "β", "expected reward": "期望奖励",
    "KL(π‖ref)": "KL(π‖ref)", "fall of the KL from each β to the next": "KL 从每个 β 到下一个的降幅",
    "fall of the expected reward from each β to the next": "期望奖励从每个 β 到下一个的降幅",
    "KL at the smallest β": "最小 β 处的 KL", "answer": "回答", "true reward, centred": "真实奖励（去均值）",
    "score": "分数", "score less the centred reward": "分数减去均值后的奖励",
    "slope of the expected reward in β, times β², plus Var(r)": "期望奖励对 β 的斜率乘 β²，加 Var(r)",
    "slope of the KL in β, times β³, plus Var(r)": "KL 对 β 的斜率乘 β³，加 Var(r)",
    "log-odds round three answers": "绕三个回答一圈的对数几率之和",
    "log-odds of 3 over 0, 6 over 3, 0 over 6 in the circle": "环中 3 对 0、6 对 3、0 对 6 的对数几率之和",
    "predicted less given preference": "预测偏好减给定偏好", "base": "基座", "stage": "阶段",
    "expected true reward": "期望真实奖励", "gain of SFT over the base": "SFT 比基座的增益",
    "gain of RLHF over SFT": "RLHF 比 SFT 的增益",
}  # fmt: skip

if __name__ == "__main__":
    main()
