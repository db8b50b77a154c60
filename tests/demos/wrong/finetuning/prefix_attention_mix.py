"""Plausible wrong bodies of the exercises of finetuning/prefix_attention_mix."""

import torch
import torch.nn.functional as F


def attend__counts_the_mask_from_the_left(q, k, v, prefix_k, prefix_v):
    """`is_causal` with more keys than queries is aligned to the top left: a query sees prefix keys in place of its own."""
    group = len(q) // len(k)
    k = torch.cat((prefix_k, k), 1).repeat_interleave(group, 0)
    v = torch.cat((prefix_v, v), 1).repeat_interleave(group, 0)
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]


def attend__interleaves_the_groups(q, k, v, prefix_k, prefix_v):
    """`repeat` gives query head i the KV head i % kv_heads."""
    group = len(q) // len(k)
    k, v = torch.cat((prefix_k, k), 1).repeat(group, 1, 1), torch.cat((prefix_v, v), 1).repeat(group, 1, 1)
    seen = torch.ones(q.shape[1], k.shape[1]).tril(prefix_k.shape[1]).bool()
    return F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=seen)[0]


def attend__adds_the_prefix_afterwards(q, k, v, prefix_k, prefix_v):
    """Two softmaxes, added: the text keeps all of its mass."""
    text = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]
    return text + F.scaled_dot_product_attention(q[None], prefix_k[None], prefix_v[None], enable_gqa=True)[0]
