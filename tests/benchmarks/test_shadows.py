"""Drawn shadows: how much light they take, and that the command counts what is read."""

import numpy as np
import pandas as pd
import pytest


def test_a_shadow_takes_its_share_of_the_light(benchmark):
    shadows = benchmark("shadows")
    for strength in shadows.STRENGTHS.values():
        (least, most), _ = strength
        for seed in range(10):
            light = shadows.cast((120, 160), strength, np.random.default_rng(seed))
            assert light.shape == (120, 160)
            assert 1 - most <= light.min() <= light.max() <= 1
            assert light.min() < 1 - least / 2


@pytest.mark.parametrize(("shown", "length"), [("blank", 0), ("digit", 1), ("number", 4)])
def test_a_picture_shows_what_it_should(benchmark, shown, length):
    images = np.zeros((3, 28, 28), np.uint8)
    images[:, 4:24, 8:20] = 255
    rng = np.random.default_rng(0)
    picture, text = benchmark("shadows").draw(images, np.array([3, 5, 7]), shown, "strong", rng)
    assert picture[:2] == b"\xff\xd8"  # a JPEG
    assert len(text) == length and set(text) <= set("357")


@pytest.mark.slow
def test_the_command_counts(benchmark, data_dir, monkeypatch, tmp_path):
    argv = ["shadows.py", "--data-dir", str(data_dir), "--quick", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", argv)
    benchmark("shadows").main()
    rows = pd.read_csv(tmp_path / "shadows.csv").set_index(["shadows", "shown"])
    assert len(rows) == 6 and (rows["pictures"] == 3).all()
    blank = rows.xs("blank", level="shown")
    assert (blank["read_as_number"] + blank["right_numbers"] == 3).all()
    assert (blank["read_as_digit"] + blank["right_digits"] == 3).all()
