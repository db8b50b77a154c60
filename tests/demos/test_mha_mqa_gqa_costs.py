"""The attention with shared key/value heads against PyTorch's own and a slow loop; the byte counter against known sizes."""

import torch


def test_two_groups_by_a_slow_loop(demo):
    """With 4 query and 2 key/value heads, query heads 0 and 1 look at the first key head, 2 and 3 at the second."""
    a = demo("attention/mha_mqa_gqa_costs").Attention(16, 4, 2)
    x = torch.randn(1, 5, 16)
    k, v = a.cache(x)
    heads = []
    for i, q in enumerate(a.q(x)[0].split(4, dim=1)):
        heads.append((q @ k[0, i // 2].T / 2).softmax(-1) @ v[0, i // 2])
    assert torch.allclose(a(x)[0], a.o(torch.cat(heads, 1)), atol=1e-6)


def test_decoding_over_the_cache_is_the_last_row(demo):
    """One new token attending over the cached keys gives the last row of the full forward."""
    a = demo("attention/mha_mqa_gqa_costs").Attention(32, 4, 2)
    x = torch.randn(2, 7, 32)
    assert torch.allclose(a.attend(x[:, -1:], *a.cache(x)), a(x)[:, -1:], atol=1e-6)


def test_allocated_counts_copies_and_not_views(demo):
    """A view allocates nothing; a clone allocates its bytes."""
    allocated = demo("attention/mha_mqa_gqa_costs").Allocated
    x = torch.zeros(10, 10)
    with allocated() as views:
        x.view(100).expand(3, 100).transpose(0, 1)
    with allocated() as copies:
        x.clone()
    assert sum(views.bytes.values()) == 0
    assert sum(copies.bytes.values()) == 400
