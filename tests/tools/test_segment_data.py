"""Candidates to learn from: labeled by the digit that they have most in common with."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from mnist_keras.data.augmentation.strokes import make_strokes


@pytest.fixture(scope="module")
def segment_data():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
        yield importlib.import_module("segment_data")


@pytest.fixture(scope="module")
def sources():
    images, ways = make_strokes(0, 0, 60)
    clear = (images > 160).sum(axis=(1, 2)) > 60
    digits = np.array([str(way.digit) for way in ways])
    return images[clear], digits[clear]


def test_whole_digits_and_others_are_told_by_the_ink_in_common(segment_data, sources):
    parts = [segment_data.windows_of(*sources, (5, index)) for index in range(6)]
    shares = np.concatenate([part.shares for part in parts])
    assert (shares == 1).sum() > 6
    assert (shares == 0).sum() > 6
    for part in parts:
        assert part.windows.shape == (len(part.shares), 28, 28, 2)
        assert (part.digits[part.shares == 0] == 0).all()
        ink = part.windows[..., 0].sum(axis=(1, 2), dtype=int)
        assert ink.min() > 0
    again = segment_data.windows_of(*sources, (5, 0))
    assert all(np.array_equal(a, b) for a, b in zip(parts[0], again, strict=True))


@pytest.mark.parametrize("name", [".", ",", "-"])
def test_a_sign_is_no_digit(segment_data, name):
    sign = segment_data.draw_sign(name, np.random.default_rng(0))
    assert 0 < (sign > 128).sum() < 60
    found = segment_data.windows_of(np.stack([sign]), np.array([name]), (0, 3))
    assert (found.shares == 0).all()


def test_ink_is_counted_for_each_digit(segment_data, sources):
    from strips import SHARED, draw_strip

    from mnist_keras.inference.numbers.pieces import cut_pieces, make_candidates
    from mnist_keras.inference.numbers.rows import find_rows
    from mnist_keras.inference.pictures import load_picture

    for fall in (0, 10):
        strip = draw_strip(*sources, 3, "apart", np.random.default_rng(2), fall=fall)
        assert set(np.unique(strip.owners)) <= {0, 1, 2, 3, SHARED}
        (row,) = find_rows(load_picture(strip.picture))[0]
        pieces = cut_pieces(row.ink)
        candidates = make_candidates(pieces)
        owners = segment_data.find_owners(row, strip.owners)
        counts, totals = segment_data.count_owners(pieces, owners, candidates, 3)
        assert (counts <= totals).all()
        for digit in range(3):
            others = counts.sum(axis=1) - counts[:, digit]
            assert ((counts[:, digit] > 0.95 * totals[digit]) & (others < 5)).any()
