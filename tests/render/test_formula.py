"""Formulas as a reader meets them."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from studyapp.render.formula import WIDTH, formula, formula_problem
from studyapp.render.tex import DEEPEST, prepared, revealed


def drawn(tex: str) -> str:
    return "\n".join(row.rstrip() for row in formula(tex))


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"J = \mathrm{diag}(p) - p p^{\top}", "J = diag(p) - ppᵀ"),
        (r"H(p, q) = -\sum_x p \log q", "H(p, q) = -Σₓ p log q"),
        (r"\det P = \prod_{t=1}^{n} P_{tt} > 0", "det P = Πₜ₌₁ⁿ Pₜₜ > 0"),
        (r"2 \cdot b \cdot d_{head} \cdot w", "2⋅b⋅d_head⋅w"),
        (r"Q = X W_Q, \quad W_Q W_K^T", "Q = XW_Q,  W_Q W_Kᵀ"),
        (r"k_{t,i} = [W_{UK,i}\, c_t;\ k^R_t]", "k_{t,i} = [W_{UK,i} cₜ; kₜᴿ]"),
        (r"\sigma_Q^2 \, \theta_i", "σ_Q² θᵢ"),
        (r"q^T R_m^T R_n k", "qᵀRₘᵀRₙk"),
        (r"\log \mathrm{softmax}(z)_i = z_i - m", "log softmax(z)ᵢ = zᵢ - m"),
        (r"\mathrm{Var}(q \cdot k / \sqrt{d_k}) = 1", "Var(q⋅k/√dₖ) = 1"),
        (r"\sqrt{1/t} + \sqrt{d_h + d_r}", "√(1/t) + √(dₕ + dᵣ)"),
        (r"M_{ij} = -\infty \; (j > i)", "Mᵢⱼ = -∞ (j > i)"),
        (r"m' = \max(m, \max_j s_j)", "m' = max(m, maxⱼ sⱼ)"),
        (r"\theta_i = b^{-2i/d}", "θᵢ = b⁻²ⁱᐟᵈ"),
        (r"2.5 \times)", "2.5×)"),
    ],
)
def test_a_formula_in_one_line_reads_as_it_is_said(tex: str, text: str) -> None:
    """Room round operators and functions, Σ in one cell, a subscript that Unicode lacks written out, no script lost."""
    assert drawn(tex) == text


def test_a_fraction_takes_three_rows_of_one_width() -> None:
    """Two-dimensional where the formula is, and every row the same number of cells."""
    rows = formula(r"\mathrm{softmax}\left(\frac{QK^\top}{\sqrt{d_k}}\right)V")
    assert [row.strip() for row in rows] == ["⎛ QKᵀ ⎞", "softmax⎜╶───╴⎟V", "⎝ √dₖ ⎠"]
    assert len(set(map(cell_len, rows))) == 1


def test_an_exponent_that_is_a_row_stands_a_row_higher() -> None:
    """What has no raised form in most fonts is not drawn in one: e to zⱼ - m, and q with a C above."""
    assert drawn(r"e^{z_j - m}").splitlines() == [" zⱼ-m", "e"]
    assert drawn(r"q_m^C").splitlines() == ["  C", "qₘ"]


def test_a_formula_too_wide_with_room_is_drawn_without() -> None:
    """Room is given up before the formula is refused."""
    tex = " + ".join(["ab"] * 17)
    assert formula_problem(tex) is None and " " not in drawn(tex)


@pytest.mark.parametrize("tex", [r"\boldsymbol{x}", r"\frac{a", "", r"a + " * 60 + "b", r"a}{b", "a_{b", r"\frac{1}"])
def test_a_formula_that_cannot_stand_on_a_card_says_why(tex: str) -> None:
    """Unknown commands, unbalanced braces, nothing and too wide a formula are problems, never exceptions."""
    assert formula_problem(tex)
    assert formula(tex)


@pytest.mark.parametrize("tex", [r"\sqrt{" * 600 + "x" + "}" * 600, r"\frac{1}{" * 300 + "x" + "}" * 300, "x+" * 5000])
def test_a_formula_that_would_take_seconds_is_refused_at_once(tex: str) -> None:
    """Depth and length have limits, for TeXicode's time grows with the cube of the depth."""
    began = time.process_time()
    assert formula_problem(tex)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("command", ["frac{1}", "sqrt"])
def test_the_deepest_formula_that_is_drawn_takes_little_time(command: str) -> None:
    """At the limit a formula costs less than a frame or two."""
    tex = f"\\{command}{{" * (DEEPEST - 1) + "x" + "}" * (DEEPEST - 1)
    formula(r"x")
    began = time.process_time()
    formula(tex)
    assert time.process_time() - began < 0.5


LETTERS = st.sampled_from(["x", "d", "W", "Q", r"\theta", r"\sigma", "3", "p"])
FORMULAS = st.recursive(
    LETTERS,
    lambda inner: st.one_of(
        st.tuples(LETTERS, inner).map(lambda p: f"{p[0]}_{{{p[1]}}}"),
        st.tuples(LETTERS, inner).map(lambda p: f"{p[0]}^{{{p[1]}}}"),
        st.tuples(LETTERS, inner, inner).map(lambda p: f"{p[0]}_{{{p[1]}}}^{{{p[2]}}}"),
        st.tuples(inner, inner).map(lambda p: rf"\frac{{{p[0]}}}{{{p[1]}}}"),
        st.tuples(inner, st.sampled_from(["+", "-", "=", r"\cdot", ",", r"\le"]), inner).map(" ".join),
        inner.map(lambda p: rf"\sqrt{{{p}}}"),
        inner.map(lambda p: rf"\log {p}"),
        inner.map(lambda p: rf"\sum_i {p}"),
        inner.map(lambda p: rf"\left({p}\right)"),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(FORMULAS)
def test_any_formula_of_the_bank_s_grammar_is_drawn_or_explained(tex: str) -> None:
    """Rows of one width and within the card, or a reason; nothing hidden from TeXicode is left hidden."""
    rows = formula(tex)
    if formula_problem(tex) is None:
        assert len(set(map(cell_len, rows))) == 1 and cell_len(rows[0]) <= WIDTH
        assert not any("\uac00" <= c <= "\ud7a3" for row in rows for c in row)
        assert "\\" not in "".join(rows)


@given(FORMULAS)
def test_what_is_hidden_comes_back(tex: str) -> None:
    """Only letters of the formula's own are left once what was written out is revealed."""
    assert not any("\uac00" <= c <= "\ud7a3" for c in revealed(prepared(tex)))
