"""What a learner might write instead."""


def distillation_loss__softens_the_teacher_only(student, teacher, temperature):
    p = (teacher / temperature).softmax(-1)
    return (p * (p.log() - student.log_softmax(-1))).sum(-1).mean()


def distillation_loss__forgets_t_squared(student, teacher, temperature):
    p = (teacher / temperature).softmax(-1)
    return (p * (p.log() - (student / temperature).log_softmax(-1))).sum(-1).mean()


def distillation_loss__turns_the_divergence_round(student, teacher, temperature):
    log_p = (teacher / temperature).log_softmax(-1)
    log_q = (student / temperature).log_softmax(-1)
    return temperature**2 * (log_q.exp() * (log_q - log_p)).sum(-1).mean()
