"""The counts of blocks and the group's kernel against sets, torch's attention and hand-worked numbers."""

import pytest
import torch
import torch.nn.functional as F


@pytest.fixture
def group(demo):
    return demo("attention/nsa_group_selection")


def test_union_is_the_size_of_a_set_union(group):
    """The blocks wanted together are counted once, as a set of Python's counts them."""
    scores = torch.rand(7, 4, 30)
    chosen = group.best(scores, 5)
    sets = [set().union(*(set(row.topk(5).indices.tolist()) for row in one)) for one in scores]
    assert group.union(chosen).tolist() == [len(s) for s in sets]


def test_likeness_is_the_correlation_of_two_queries(group):
    """Two heads' queries have unit variance and correlation `likeness`; at 1 they are the same."""
    q = group.alike(2, 4000, 8, 0.6)
    a, b = q[:, 0].flatten(), q[:, 1].flatten()
    assert torch.corrcoef(torch.stack((a, b)))[0, 1].item() == pytest.approx(0.6, abs=0.03)
    assert a.var().item() == pytest.approx(1, abs=0.05)
    same = group.alike(3, 5, 8, 1.0)
    torch.testing.assert_close(same[:, 0], same[:, 2])


def test_kernel_equals_attention_over_the_listed_blocks(group):
    """Blocks 4, 0 and 2 in this order give SDPA over their twelve keys, and every key and value is loaded once."""
    q, k, v = torch.randn(3, 8), torch.randn(20, 8), torch.randn(20, 8)
    out, loaded = group.group_kernel(q, k, v, torch.tensor([4, 0, 2]), 4)
    keys = torch.tensor([*range(16, 20), *range(4), *range(8, 12)])
    torch.testing.assert_close(out, F.scaled_dot_product_attention(q[None], k[None, keys], v[None, keys])[0])
    assert loaded == 12 * 8 * 4 * 2


def test_kernel_needs_the_rescale(group):
    """Scores that rise from block to block by hundreds neither overflow nor leave weight on the earlier blocks."""
    q, v = torch.ones(1, 1), torch.arange(6.0)[:, None]
    k = torch.tensor([[0.0], [0.0], [300.0], [300.0], [900.0], [900.0]])
    out, _ = group.group_kernel(q, k, v, torch.tensor([0, 1, 2]), 2)
    assert out.item() == pytest.approx(4.5)
