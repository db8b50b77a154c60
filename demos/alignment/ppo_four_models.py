r"""PPO-based RLHF holds four models and trains two: actor and critic learn, reference and reward model stay as
they are. On six answers the actor ends at the reference tilted by exp(r/β).

基于 PPO 的 RLHF 有四个模型、训练其中两个：actor 与 critic 学习，参考模型与奖励模型不动。六个回答上，actor 收敛到
参考分布乘 exp(r/β)。

Ouyang et al. 2022, §3.5. Turn `reference` to "the actor itself": a copy that shares its tensor follows the actor,
and the penalty is always zero. 把 `reference` 改为 "the actor itself"：共享张量的副本跟着 actor 走，惩罚恒为零。
"""

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, lines, main, one_of, show, table

F64 = torch.float64
ANSWERS = 6


def iteration(actor: Tensor, critic: Tensor, reference: Tensor, reward: Tensor, beta: float, sign: float = 1.0,
              epochs: int = 2, rate: float = 1.0) -> None:
    """One iteration of PPO, in place; actor and reference are logits and reward a table over the answers
    (answers,), critic is the value of the prompt (). All answers are taken, weighted with their probability: without
    sampling noise a baseline changes nothing, and at this rate the clip hardly acts."""
    old = actor.detach().log_softmax(0)                                  # (answers,): of the roll-out
    shaped = reward - sign * beta * (old - reference.detach().log_softmax(0))
    advantage = shaped - critic.detach()
    for _ in range(epochs):
        ratio = (actor.log_softmax(0) - old).exp()
        surrogate = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        value_loss = (old.exp() * (critic - shaped) ** 2).sum()
        up, down = torch.autograd.grad((old.exp() * surrogate).sum() - value_loss, (actor, critic))
        with torch.no_grad():
            actor += rate * up
            critic += 0.25 * down


def four_models(reference_is: str, spread: float = 1.0):
    """Actor and critic with gradient, reference and reward without: the reference is a copy of the actor."""
    actor = torch.randn(ANSWERS, dtype=F64, requires_grad=True)
    reference = actor.detach().clone() if reference_is == "a frozen copy" else actor.detach()   # detach shares memory
    return actor, torch.zeros((), dtype=F64, requires_grad=True), reference, spread * torch.randn(ANSWERS, dtype=F64)


RANGES = {
    "reference": one_of("a frozen copy", "the actor itself"), "penalty": one_of("subtracted", "added"),
    "beta": between(0.4, 1.0), "start": one_of("the reference", "another checkpoint"),
}
ALIAS = breaks(reference="the actor itself", en="A reference that shares the actor's tensor moves with it: no anchor is left.",
               zh="参考模型若与 actor 共享张量，就跟着一起动，锚点没有了。")


@ALIAS
@breaks(penalty="added", en="With the sign turned round the policy is paid for running away.",
        zh="符号反了，跑得越远奖励越高。")
def claim_actor_and_critic_reach_the_closed_form(beta=0.5, reference="a frozen copy", penalty="subtracted"):
    """Under PPO the actor of six answers converges to ref·exp(r/β), the critic to β times the log of the mean of
    exp(r/β) under the reference.

    在六个回答上，PPO 的 actor 收敛到 ref·exp(r/β)，critic 收敛到 β 乘以 exp(r/β) 在参考分布下均值的对数。"""
    actor, critic, ref, reward = four_models(reference)
    start = ref.clone().log_softmax(0)
    optimum = (start + reward / beta).log_softmax(0).exp()
    gap = []
    for _ in range(100):
        iteration(actor, critic, ref, reward, beta, 1.0 if penalty == "subtracted" else -1.0)
        gap.append((actor.detach().softmax(0) - optimum).abs().max().item())
    show(lines("iteration", range(1, 101), {"largest difference from the closed form": gap}, log="y"),
         bars(range(ANSWERS), {"reference": start.exp(), "actor": actor.detach().softmax(0), "closed form": optimum}))
    expect("actor less the closed form", actor.detach().softmax(0) - optimum, equals=0, within=0.01)
    expect("critic less β·log mean exp(r/β)", critic.detach() - beta * (start + reward / beta).logsumexp(0),
           equals=0, within=0.02)


@ALIAS
def claim_two_of_four_are_trained(reference="a frozen copy"):
    """After twenty iterations actor and critic have changed; reference and reward model have not moved by a
    bit.

    二十次迭代之后，actor 与 critic 变了，参考模型与奖励模型一个比特也没动。"""
    models = dict(zip(("actor", "critic", "reference", "reward model"), four_models(reference), strict=True))
    before = {name: m.detach().clone() for name, m in models.items()}
    for _ in range(20):
        iteration(*models.values(), beta=0.5)
    moved = {name: (m.detach() - before[name]).abs().max() for name, m in models.items()}
    show(table({"model": list(moved),
                "gradient": [m.requires_grad for m in models.values()], "largest change": moved.values()}))
    expect("change of actor and critic", [moved["actor"], moved["critic"]], at_least=1e-3)
    expect("change of reference and reward model", [moved["reference"], moved["reward model"]], equals=0)


@breaks(start="another checkpoint", en="Any other start pays for a distance that the training did not make.",
        zh="从别的检查点出发，一开始就要为并非训练造成的距离付惩罚。")
def claim_start_is_free_of_penalty(start="the reference"):
    """If the actor starts from the very checkpoint that is the reference, its first KL is zero and the first
    reward is the score alone.

    actor 若正是从参考模型的检查点出发，第一步的 KL 为零，第一批奖励就只有分数。"""
    actor, _, reference, reward = four_models("a frozen copy")
    if start == "another checkpoint":
        actor = torch.randn(ANSWERS, dtype=F64)
    p, q = actor.detach().log_softmax(0), reference.log_softmax(0)
    shaped = reward - 0.5 * (p - q)
    show(table({"answer": range(ANSWERS), "score": reward, "first reward": shaped}))
    expect("first KL(π‖ref)", torch.nn.functional.kl_div(q, p, reduction="sum", log_target=True), equals=0, within=1e-12)
    expect("first reward less the score", shaped - reward, equals=0, within=1e-12)


ZH = {
    "iteration": "迭代", "largest difference from the closed form": "与闭式解的最大差", "reference": "参考",
    "actor": "actor", "closed form": "闭式解", "actor less the closed form": "actor 减闭式解",
    "critic less β·log mean exp(r/β)": "critic 减 β·log 均值 exp(r/β)", "critic": "critic", "model": "模型", "gradient": "有梯度",
    "largest change": "最大变化", "change of actor and critic": "actor 与 critic 的变化",
    "change of reference and reward model": "参考与奖励模型的变化", "answer": "回答", "score": "分数",
    "first reward": "首步奖励", "first KL(π‖ref)": "首步 KL(π‖ref)", "first reward less the score": "首步奖励减分数",
}  # fmt: skip

if __name__ == "__main__":
    main()
