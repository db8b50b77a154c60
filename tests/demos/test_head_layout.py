"""Splitting and merging against plain indexing, and the copy counter against known sizes."""

import torch


def test_split_puts_each_number_where_it_belongs(demo):
    """Entry (b, h, t, i) of the split is entry (b, t, h·d + i) of the original."""
    x = torch.arange(2 * 3 * 8).view(2, 3, 8)
    heads = demo("attention/head_layout").split(x, 4)
    assert heads.shape == (2, 4, 3, 2)
    for b, h, t, i in torch.cartesian_prod(*map(torch.arange, (2, 4, 3, 2))).tolist():
        assert heads[b, h, t, i] == x[b, t, h * 2 + i]


def test_merge_undoes_split(demo):
    """Merging the split heads gives the tensor back, and merging without the transpose would not."""
    d = demo("attention/head_layout")
    x = torch.randn(2, 3, 8)
    assert torch.equal(d.merge(d.split(x, 4)), x)
    assert not torch.equal(d.split(x, 4).reshape(2, 3, 8), x)


def test_copies_counts_copies_only(demo):
    """A clone of 400 bytes counts 400; views and arithmetic count nothing."""
    copies = demo("attention/head_layout").Copies
    x = torch.zeros(10, 10)
    with copies() as none:
        (x.view(100).expand(3, 100).T @ torch.zeros(3, 3)).exp()
    with copies() as one:
        x.T.contiguous()
    assert (none.bytes, one.bytes) == (0, 400)
