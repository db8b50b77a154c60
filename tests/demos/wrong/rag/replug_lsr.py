"""Plausible wrong bodies of the exercises of rag/replug_lsr."""


def lsr_loss__turns_the_kl_round(scores, answer, gamma, beta):
    """KL(Q‖P), as in plain distillation."""
    log_p, log_q = (scores / gamma).log_softmax(1), (answer / beta).log_softmax(1)
    return (log_q.exp() * (log_q - log_p)).sum(1).mean()


def lsr_loss__divides_by_nothing(scores, answer, gamma, beta):
    """Without the two temperatures."""
    log_p, log_q = scores.log_softmax(1), answer.log_softmax(1)
    return (log_p.exp() * (log_p - log_q)).sum(1).mean()
