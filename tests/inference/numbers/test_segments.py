"""The small model that tells whole digits from parts of digits."""

import numpy as np
from drawn_numbers import pieces_of, write
from errors import error_of

from mnist_keras.inference.numbers import segments
from mnist_keras.inference.numbers.pieces import make_candidates


def test_the_model_of_candidates_tells_a_digit_from_a_half_and_from_two():
    _, pieces = pieces_of(write("36", gap=-4)[0])
    candidates = make_candidates(pieces)
    answers = segments.read_segments(np.stack([c.window for c in candidates]))
    assert answers.shape == (len(candidates), 11)
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    whole = {
        (c.start, c.stop): answer[:10].sum() for c, answer in zip(candidates, answers, strict=True)
    }
    end = len(pieces.borders)
    assert whole[0, end] < 0.5
    assert max(min(whole.get((0, k), 0), whole.get((k, end), 0)) for k in range(1, end)) > 0.5


def test_weights_that_are_damaged_are_named(monkeypatch, tmp_path):
    (path := tmp_path / "segments.weights.h5").write_bytes(b"no weights")
    monkeypatch.setattr(segments, "WEIGHTS", path)
    text = error_of(segments._predictor.__wrapped__)
    assert text.startswith(f"The packaged weights {path} are damaged. Expected SHA-256 ")
