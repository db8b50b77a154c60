"""Plausible wrong bodies of MLA's absorbed decode step; a claim of the demo refutes each."""

import torch
from torch import Tensor


def absorbed__forgets_the_rotary_scores(q: Tensor, q_r: Tensor, c: Tensor, k_r: Tensor, w_uk: Tensor, w_uv: Tensor) -> Tensor:
    """Only the content part makes the scores."""
    scores = torch.einsum("hd,hdc->hc", q, w_uk) @ c.T
    weights = (scores / (q.shape[1] + q_r.shape[1]) ** 0.5).softmax(-1)
    return torch.einsum("hc,hdc->hd", weights @ c, w_uv)


def absorbed__scales_by_d_head(q: Tensor, q_r: Tensor, c: Tensor, k_r: Tensor, w_uk: Tensor, w_uv: Tensor) -> Tensor:
    """The scale leaves the rotary products out."""
    looking = torch.cat((torch.einsum("hd,hdc->hc", q, w_uk), q_r), -1)
    weights = (looking @ torch.cat((c, k_r), -1).T / q.shape[1] ** 0.5).softmax(-1)
    return torch.einsum("hc,hdc->hd", weights @ c, w_uv)


def absorbed__returns_the_latents(q: Tensor, q_r: Tensor, c: Tensor, k_r: Tensor, w_uk: Tensor, w_uv: Tensor) -> Tensor:
    """W_UV is forgotten, and the latents are cut to the width of a head."""
    looking = torch.cat((torch.einsum("hd,hdc->hc", q, w_uk), q_r), -1)
    weights = (looking @ torch.cat((c, k_r), -1).T / (q.shape[1] + q_r.shape[1]) ** 0.5).softmax(-1)
    return (weights @ c)[:, : q.shape[1]]


def absorbed__uses_w_uv_for_keys(q: Tensor, q_r: Tensor, c: Tensor, k_r: Tensor, w_uk: Tensor, w_uv: Tensor) -> Tensor:
    """The two up-projections are exchanged."""
    looking = torch.cat((torch.einsum("hd,hdc->hc", q, w_uv), q_r), -1)
    weights = (looking @ torch.cat((c, k_r), -1).T / (q.shape[1] + q_r.shape[1]) ** 0.5).softmax(-1)
    return torch.einsum("hc,hdc->hd", weights @ c, w_uk)
