"""The MLA layer against the paper's formulas in a slow loop and PyTorch's attention; FLOPs against hand-worked counts."""

import torch
import torch.nn.functional as F


def test_layer_is_the_papers_appendix_c_by_a_slow_loop(demo):
    """Token by token and head by head, the formulas of DeepSeek-V2's Appendix C give what both forms give."""
    d = demo("attention/mla_absorption")
    w, h, d_h, d_c, d_q, d_r, n = 10, 3, 4, 6, 5, 2, 7
    layer, x = d.MLA(w, h, d_h, d_c, d_q, d_r), torch.randn(n, w, dtype=torch.float64)

    def rms(c):
        return c / (c.square().mean() + torch.finfo(c.dtype).eps).sqrt()

    def turned(v, t):                                       # one pair, frequency 1
        a = torch.tensor(float(t), dtype=v.dtype)
        return torch.stack((v[0] * a.cos() - v[1] * a.sin(), v[0] * a.sin() + v[1] * a.cos()))

    want = torch.zeros(n, w, dtype=torch.float64)
    for t in range(n):
        c_q = rms(layer.w_dq @ x[t])
        for i in range(h):
            q = torch.cat((layer.w_uq[i] @ c_q, turned(layer.w_qr[i] @ c_q, t)))
            c = [rms(layer.w_dkv @ x[j]) for j in range(t + 1)]
            k = [torch.cat((layer.w_uk[i] @ c[j], turned(layer.w_kr @ x[j], j))) for j in range(t + 1)]
            p = torch.stack([q @ key for key in k]).div((d_h + d_r) ** 0.5).softmax(0)
            want[t] += layer.w_o[i] @ sum(p[j] * (layer.w_uv[i] @ c[j]) for j in range(t + 1))
    q, kv = layer.queries(x), layer.cache(x)
    assert torch.allclose(layer.output(layer.explicit(q, kv)), want, rtol=1e-10)
    assert torch.allclose(layer.output(layer.absorbed(q, kv)), want, rtol=1e-10)


def test_attend_is_pytorchs_attention(demo):
    """The last queries over all keys, with the scale of d_h + d_r, as scaled_dot_product_attention with that mask."""
    layer = demo("attention/mla_absorption").MLA(8, 3, 6, 4, 5, 2)
    q, k, v = (torch.randn(n, 3, d, dtype=torch.float64) for n, d in ((4, 8), (9, 8), (9, 6)))
    mask = torch.ones(4, 9, dtype=torch.bool).tril(5)
    want = F.scaled_dot_product_attention(*(t.transpose(0, 1) for t in (q, k, v)), attn_mask=mask, scale=8**-0.5)
    assert torch.allclose(layer.attend(q, k, v), want.transpose(0, 1))


def test_rope_is_multiplication_by_a_turning_complex_number(demo):
    """Pair i at position m is multiplied by e^(i m θ_i), and `start` moves the positions."""
    rope = demo("attention/mla_absorption").rope
    x = torch.randn(5, 3, 8)
    angle = torch.arange(5)[:, None, None] * 10000.0 ** (-torch.arange(0, 8, 2) / 8)
    want = torch.view_as_real(torch.view_as_complex(x.view(5, 3, 4, 2)) * torch.polar(torch.ones_like(angle), angle)).flatten(2)
    assert torch.allclose(rope(x), want, atol=1e-5)
    assert torch.allclose(rope(x[3:], 3), want[3:], atol=1e-5)


def test_flops_of_both_forms_by_hand(demo):
    """2 queries over 5 tokens, h = 3, d_h = 4, d_c = 6, d_r = 2: the maps 2·n·3·(2·4·6), the core 2·2·5·3·(10 or 14)."""
    d = demo("attention/mla_absorption")
    layer, x = d.on_meta((10, 3, 4, 6, 5, 2), 5)
    q, kv = layer.queries(x[:2]), layer.cache(x)
    assert d.flops(layer.explicit, q, kv) == 2 * 5 * 3 * 48 + 2 * 2 * 5 * 3 * (4 + 2 + 4)
    assert d.flops(layer.absorbed, q, kv) == 2 * 2 * 3 * 48 + 2 * 2 * 5 * 3 * (6 + 2 + 6)
