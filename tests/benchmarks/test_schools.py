"""The table by school of writing: its writers, its looks, and that the command runs."""

import csv

import numpy as np
import pytest

from mnist_keras.data.augmentation.strokes import WAYS
from mnist_keras.models.ways import DIGITS, HIDDEN_CLASSES


def test_a_writer_has_one_way_of_each_digit(benchmark):
    schools = benchmark("schools")
    hands = [schools.choose_hand("european", np.random.default_rng(i)) for i in range(30)]
    assert all([way.digit for way in hand] == list(range(10)) for hand in hands)
    assert sum(hand[1].group == "1 flagged" for hand in hands) > 15
    american = [schools.choose_hand("american", np.random.default_rng(i))[1] for i in range(30)]
    assert sum(way.group == "1 bare" for way in american) > 15


def test_held_out_ways_are_other_ones(benchmark):
    held_out = benchmark("schools").HELD_OUT
    assert not {way.strokes for way in held_out} & {way.strokes for way in WAYS}
    for way in held_out:
        assert DIGITS[HIDDEN_CLASSES.index(way.group)] == way.digit


@pytest.mark.slow
def test_the_command_writes_both_tables(benchmark, monkeypatch, tmp_path):
    schools = benchmark("schools")
    monkeypatch.setattr(schools, "QUICK_WRITERS", 1)
    monkeypatch.setattr("sys.argv", ["schools.py", "--quick", "--out", str(tmp_path)])
    schools.main()
    with (tmp_path / "schools.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["group"] for row in rows} == {"american", "european", "held out", "digits"}
    assert {row["look"] for row in rows} == {"scan", "photo", "16x16", "8x8"}
    assert {row["reading"] for row in rows} == {"cnn_accurate", "no school", "auto", "school given"}
    assert (tmp_path / "schools_ones_and_sevens.csv").is_file()
