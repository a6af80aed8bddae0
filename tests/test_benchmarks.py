"""The benchmark of speed: what it counts, and that every contestant runs."""

import csv
import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_files import write_idx_set

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch):
    """Lets the benchmarks' files be imported."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_a_ratio_is_over_ours(benchmarks):
    from speed import Results

    results = Results()
    for value in (3.0, 1.0, 2.0):
        results.add("epoch", "ours", "seconds", value)
    results.add("epoch", "fit", "seconds", 5.0)
    results.add("matrix_product", "float32", "gflops", 200.0)
    assert results.rows() == [
        ("epoch", "ours", "seconds", "2", "1.000", 3),
        ("epoch", "fit", "seconds", "5", "2.500", 1),
        ("matrix_product", "float32", "gflops", "200", "", 1),
    ]


def test_contestants_take_turns_while_patience_lasts(benchmarks, monkeypatch):
    import speed

    now, calls = [0.0], []

    def spend(name, seconds):
        calls.append(name)
        now[0] += seconds

    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    runs = {"ours": lambda _: spend("ours", 1), "slow": lambda _: spend("slow", speed.PATIENCE)}
    speed.take_turns(runs, 3)
    assert calls == ["ours", "slow", "ours", "ours"]


def test_the_stopwatch_stands_still_during_an_evaluation(benchmarks, monkeypatch):
    import stopwatch

    now = [10.0]

    def predict():
        now[0] += 100.0
        return np.array([1, 2, 3, 0])

    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    watch = stopwatch.Stopwatch(predict, np.array([1, 2, 3, 4]))
    now[0] += 2.0
    assert watch.look() == 0.75
    now[0] += 3.0
    with watch.pause():
        now[0] += 50.0
    watch.look()
    assert watch.curve == [(2.0, 0.75), (5.0, 0.75)]
    assert stopwatch.seconds_to(0.75, watch.curve) == 2.0
    assert math.isinf(stopwatch.seconds_to(0.99, watch.curve))


def test_operations_of_a_training_step(benchmarks):
    from rates import training_operations

    # 2 x 3 weights without a gradient of the images, 3 x 4 weights with one of their inputs.
    assert training_operations((2, 3, 4)) == 2 * (6 + 6) + 2 * (12 + 12 + 12)


@pytest.fixture
def random_mnist(tmp_path):
    """Directory with 256 images to train on and 256 to test on, under the names of MNIST's files."""
    rng = np.random.default_rng(0)
    arrays = {
        f"{split}_{kind}": array
        for split in ("train", "test")
        for kind, array in {
            "images": rng.integers(0, 256, (256, 28, 28), dtype=np.uint8),
            "labels": np.arange(256, dtype=np.uint8) % 10,
        }.items()
    }
    return write_idx_set(tmp_path / "data", arrays)


def test_growth_is_over_the_first_size(benchmarks):
    from growth import rows

    values = {
        ("memory", 10, "microseconds_per_image"): [3.0, 1.0, 2.0],
        ("memory", 20, "microseconds_per_image"): [2.1],
        ("records", 10, "peak_megabytes"): [500.0],
        ("records", 100, "peak_megabytes"): [510.0],
    }
    assert rows(values) == [
        ("memory", 10, "microseconds_per_image", "2", "1.000", "1.10", 3),
        ("memory", 20, "microseconds_per_image", "2.1", "1.050", "1.10", 1),
        ("records", 10, "peak_megabytes", "500", "1.000", "1.10", 1),
        ("records", 100, "peak_megabytes", "510", "1.020", "1.10", 1),
        ("records", 100, "growth_megabytes", "10.0", "", "", 1),
    ]


@pytest.mark.slow
def test_the_benchmark_of_growth_runs(random_mnist, tmp_path):
    command = [sys.executable, BENCHMARKS / "growth.py", "--data-dir", random_mnist, "--quick"]
    result = subprocess.run(
        [*command, "--out", tmp_path], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    with (tmp_path / "growth.csv").open(newline="", encoding="utf-8") as file:
        rows = {(row["data"], row["images"], row["metric"]): row for row in csv.DictReader(file)}
    for data in ("memory", "records"):
        for images in ("256", "512"):
            for metric in ("microseconds_per_image", "peak_megabytes"):
                assert float(rows[data, images, metric]["median"]) > 0


@pytest.mark.slow
def test_the_benchmark_of_speed_runs(random_mnist, tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip('PyTorch is not installed: pip install "mnist-keras[bench]"')
    out = tmp_path / "out"
    command = [sys.executable, BENCHMARKS / "speed.py", "--data-dir", random_mnist, "--quick"]
    result = subprocess.run(
        [*command, "--out", out],
        capture_output=True,
        text=True,
        check=False,
        # One thread for PyTorch: two that wait for each other crawl where other tests run.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "speed.csv",
        "speed.png",
        "speed_curves.csv",
    ]
    with (out / "speed.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    contestants = {(row["task"], row["contestant"]) for row in rows}
    assert contestants >= {
        ("machine", ""),
        ("to_99_percent", "ours"),
        ("to_99_percent", "keras_example"),
        ("to_99_percent", "pytorch_example"),
        ("epoch_mlp_128", "scikit_learn"),
        ("epoch_mlp_1024_128", "ours_bfloat16"),
        ("epoch_cnn_2conv", "pytorch_dataloader"),
        ("matrix_product", "bfloat16"),
        ("pipeline_affine", "ours_make_dataset"),
        ("pipeline_share_mlp_128", "ours"),
        ("predict_one_mlp_128", "model_predict"),
    }
    assert all(float(row["median"]) > 0 for row in rows if row["metric"].endswith("seconds"))
