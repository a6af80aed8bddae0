"""Sequences of candidates, and what they cost."""

import numpy as np
from drawn_numbers import pieces_of, write

from mnist_keras.inference.numbers.lattice import CUT, find_parts, list_options
from mnist_keras.inference.numbers.pieces import make_candidates


def options_of(scores_of_whole, scores_of_part):
    """Returns the options, candidates and pieces of a digit that can be cut, with a score for it and for its parts."""
    _, pieces = pieces_of(write("8")[0])
    candidates = make_candidates(pieces)
    assert len(candidates) > 1
    ends = [(candidate.start, candidate.stop) for candidate in candidates]
    whole = (0, len(pieces.borders))
    scores = np.array([scores_of_whole if own == whole else scores_of_part for own in ends])
    return list_options(candidates, pieces, scores), candidates, pieces


def test_a_cut_has_a_price():
    parts, score = find_parts(*options_of(2.0, 1.5))
    assert (len(parts), score) == (1, 2.0)  # not the two halves, which have 3.0 together
    parts, score = find_parts(*options_of(-5.0, 1.5))
    assert len(parts) > 1
    assert np.isclose(score, 1.5 * len(parts) - CUT * (len(parts) - 1))
