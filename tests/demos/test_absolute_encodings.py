"""The two position tables of absolute_encodings against the formula in loops, hand-worked entries and counted lengths."""

import math

import pytest
import torch

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def tables(demo):
    return demo("position/absolute_encodings")


def test_the_code_of_width_four_by_hand(tables):
    """At d = 4 the pairs turn by 1 and by 0.01 a position: PE(3) is sin 3, cos 3, sin 0.03, cos 0.03."""
    got = tables.sinusoids(torch.tensor([0, 3]), 4)
    assert got[0].tolist() == [0, 1, 0, 1]
    assert got[1].tolist() == pytest.approx([0.141120008, -0.989992497, 0.029995500, 0.999550034], abs=1e-9)


def test_the_code_equals_the_papers_formula_in_loops(tables):
    """Component 2i is sin(p / 10000^(2i/d)) and 2i + 1 the cosine, for odd pairs and far positions too."""
    got = tables.sinusoids(torch.tensor([7, 100000]), 10)
    for row, p in enumerate((7, 100000)):
        for i in range(5):
            angle = p / 10000 ** (2 * i / 10)
            assert got[row, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-9)
            assert got[row, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-9)


def test_five_apart_at_width_64_is_a_known_figure(tables):
    """PE(p)·PE(p + 5) at d = 64 is Σcos(5·ω_i) = 23.50397, here at p = 900."""
    a, b = tables.sinusoids(torch.tensor([900, 905]), 64)
    assert (a @ b).item() == pytest.approx(sum(math.cos(5 * 10000 ** (-i / 32)) for i in range(32)), abs=1e-9)
    assert (a @ b).item() == pytest.approx(23.50397, abs=1e-5)


def test_a_row_is_reached_by_the_sequences_longer_than_its_position(tables):
    """Lengths 3, 1 and 2 reach position 0 three times, position 1 twice, position 2 once, and no further row."""
    before, after, reached = tables.train(torch.tensor([3, 1, 2]), 5, 8)
    assert reached.tolist() == [3, 2, 1, 0, 0]
    assert torch.equal(before[3:], after[3:])
    assert (before[:3] != after[:3]).any(1).all()


def test_the_table_has_its_last_row_and_no_more(tables):
    """A table of 4 rows has position 3; position 4 raises IndexError inside and reads as missing."""
    assert tables.has(torch.nn.Embedding(4, 2), 3)
    assert not tables.has(torch.nn.Embedding(4, 2), 4)


def test_without_the_cosines_the_claims_break(tables, monkeypatch):
    """Sines alone have neither a fixed norm, nor a shift that is one matrix, nor a product of offsets."""
    code = tables.sinusoids

    def sines(positions, d, base=10000.0):
        return code(positions, d, base)[:, 0::2].repeat_interleave(2, 1)

    monkeypatch.setattr(tables, "sinusoids", sines)
    for claim in (tables.claim_sinusoidal_is_bounded_and_defined_everywhere, tables.claim_shift_is_a_fixed_rotation,
                  tables.claim_dot_product_depends_on_the_offset):
        with pytest.raises(ExpectationError):
            claim()


def test_one_frequency_for_all_pairs_breaks_the_claims(tables, monkeypatch):
    """If every pair turned alike, wavelengths would not grow and codes would nearly repeat."""
    code = tables.sinusoids
    monkeypatch.setattr(tables, "sinusoids", lambda p, d, base=10000.0: code(p, 2, base).repeat(1, d // 2))
    for claim in (tables.claim_wavelengths_stop_short_of_base, tables.claim_sinusoidal_is_bounded_and_defined_everywhere):
        with pytest.raises(ExpectationError):
            claim()


def test_sequences_as_long_as_the_table_leave_no_row_untrained(tables):
    """Trained to its full length the table has no unreached rows, and the claim about them has nothing to judge."""
    with pytest.raises(ValueError, match="nothing to judge"):
        tables.claim_a_row_learns_only_from_sequences_that_reach_it(max_len=16, trained=16, steps=8)
