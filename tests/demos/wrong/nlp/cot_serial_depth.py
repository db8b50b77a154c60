"""Plausible wrong bodies of the exercise of nlp/cot_serial_depth."""

import torch


def answer_in_steps__forgets_what_it_wrote(step, bits):
    """Every step starts from 0 again."""
    for bit in bits.T:
        written = (step(torch.stack((torch.zeros(len(bits)), bit), 1)) > 0).float()
    return written


def answer_in_steps__reads_the_first_bit(step, bits):
    """The place does not move on."""
    written = torch.zeros(len(bits))
    for _ in range(bits.shape[1]):
        written = (step(torch.stack((written, bits[:, 0]), 1)) > 0).float()
    return written
