"""Units, cuts and windows of a row of digits."""

import numpy as np
from drawn_numbers import pieces_of, write

from mnist_keras.inference.numbers.pieces import find_own, image_of, make_candidates


def units_of(pieces):
    """Returns the borders between which each unit lies."""
    begins = [place for place, border in enumerate(pieces.borders) if border.columns is None]
    return list(zip(begins, [*begins[1:], len(pieces.borders)], strict=True))


def test_units_make_up_all_ink():
    row, pieces = pieces_of(write("36", gap=-4)[0])
    assert np.count_nonzero((row.ink > 0.3) & (pieces.labels == 0)) < 20
    candidates = make_candidates(pieces)
    assert set(units_of(pieces)) <= {(c.start, c.stop) for c in candidates}


def test_two_halves_of_a_cut_unit_have_its_ink():
    _, pieces = pieces_of(write("36", gap=-4)[0])
    ends = {(c.start, c.stop) for c in make_candidates(pieces)}
    assert len(pieces.boxes) == 1
    end = len(pieces.borders)
    halves = [cut for cut in range(1, end) if {(0, cut), (cut, end)} <= ends]
    assert halves
    for cut in halves:
        sizes = [find_own(pieces, *ends)[0].sum() for ends in ((0, cut), (cut, end), (0, end))]
        assert sizes[0] + sizes[1] == sizes[2] == np.count_nonzero(pieces.labels)


def test_a_window_shows_a_digit_as_high_as_mnists_and_its_neighbors():
    _, pieces = pieces_of(write("808")[0])
    units = units_of(pieces)
    first, middle, last = (c for c in make_candidates(pieces) if (c.start, c.stop) in units)
    for candidate in (first, middle, last):
        own = candidate.window[..., 0]
        rows, columns = (
            np.flatnonzero((own > 60).any(axis=1)),
            np.flatnonzero((own > 60).any(axis=0)),
        )
        assert 18 <= np.ptp(rows) + 1 <= 22
        assert abs(rows.mean() - 13.5) <= 1.5
        assert abs(columns.mean() - 13.5) <= 1.5
        shown = candidate.window.sum(axis=2)
        assert shown.max() <= 255
        assert np.abs(image_of(candidate, pieces).astype(int) - own).mean() < 40
    others = [candidate.window[..., 1].any(axis=0) for candidate in (first, middle, last)]
    assert not others[0][:12].any()
    assert others[0][-2:].any()
    assert others[1][:2].any()
    assert others[1][-2:].any()
    assert not others[2][-12:].any()
