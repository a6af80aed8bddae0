"""The benchmark of speed: what it counts, and that every contestant runs."""

import contextlib
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

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NO_TORCH = 'PyTorch is not installed: pip install "mnist-keras[bench]"'


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


def test_a_ratio_is_over_ours(benchmark):
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


def test_contestants_take_turns_while_patience_lasts(benchmark, monkeypatch):
    import speed

    now, calls = [0.0], []

    def spend(name, seconds):
        calls.append(name)
        now[0] += seconds

    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    runs = {
        "ours": (lambda _: spend("ours", 1), 3),
        "twice": (lambda _: spend("twice", 1), 2),
        "slow": (lambda _: spend("slow", 10), 3),
    }
    monkeypatch.setattr(speed, "REST", 0.0)
    speed.take_turns(runs, patience=10)
    assert calls == ["ours", "twice", "slow", "ours", "twice", "ours"]


def test_our_seconds_are_the_whole_recipe_and_a_peers_end_at_the_target(benchmark, monkeypatch):
    import own_process
    import speed

    ours = {0: (4.0, 0.992), 1: (2.0, 0.988), 2: (3.0, 0.993)}
    curves_of = {
        "ours": lambda seed: [ours[seed]],
        "peers_keras": lambda seed: [(9.0, 0.98)],
        "peers_torch": lambda seed: [(50.0, 0.98), (100.0 + seed, 0.991), (150.0, 0.993)],
    }
    order = []

    class Process(contextlib.nullcontext):
        def __init__(self, module, data):
            super().__init__(self)
            self.module = module

        def call(self, function, *, seed, target=None):
            order.append((self.module, seed))
            return curves_of[self.module](seed)

    monkeypatch.setattr(own_process, "OwnProcess", Process)
    monkeypatch.setattr(speed, "REST", 0.0)
    results, work = speed.Results(), speed.Work(repeats=2, seeds=3)
    curves = speed.time_to_target(results, None, work)

    def value(contestant, metric):
        return results.median("to_99_percent", contestant, metric)

    assert value("ours", "seconds") == 3.0
    assert value("ours", "test_accuracy_mean") == pytest.approx(0.991)
    assert value("pytorch_example", "times_slower_than_ours") == pytest.approx(100.5 / 3)
    assert math.isinf(value("keras_example", "times_slower_than_ours"))
    assert ("ours", 1, 2.0, 0.988) in curves
    turns = ["ours", "ours", "peers_keras", "peers_torch", "ours", "peers_keras", "peers_torch"]
    assert [module for module, _ in order] == turns


@pytest.mark.parametrize("module", ["peers_torch", "peers_sklearn"])
def test_a_peer_is_timed_in_a_process_without_tensorflow(benchmark, module):
    if module == "peers_torch" and importlib.util.find_spec("torch") is None:
        pytest.skip(NO_TORCH)
    from own_process import OwnProcess
    from speed import first_images

    from mnist_keras import load_data

    data = first_images(load_data("digits").with_test_split(), 256)
    with OwnProcess(module, data) as process:
        contestants = process.contestants("epoch_mlp_128")
        assert contestants
        for contestant in contestants.values():
            assert contestant.time_epoch() > 0
            assert contestant.predict(data.test_images[:5]).shape == (5,)
        assert process.contestants("another_task") == {}
        assert process.modules().isdisjoint({"tensorflow", "keras"})


def test_the_stopwatch_stands_still_during_an_evaluation(benchmark, monkeypatch):
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


def test_operations_of_a_training_step(benchmark):
    from speed import training_operations

    # 2 x 3 weights without a gradient of the images, 3 x 4 weights with one of their inputs.
    assert training_operations((2, 3, 4)) == 2 * (6 + 6) + 2 * (12 + 12 + 12)


def test_ours_is_what_train_does(benchmark, random_mnist):
    from ours import Ours

    import mnist_keras as mk

    data = mk.load_data("mnist", data_dir=random_mnist)
    ours = Ours("mlp_128_64_dropout", data, seed=3, epochs=2)
    ours.loop.run(2)
    recipe = mk.get_model_spec("mlp_128_64_dropout").recipe.replace(epochs=2)
    run = mk.train("mlp_128_64_dropout", data, recipe=recipe, seed=3, verbose=0)
    for a, b in zip(ours.model.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_loop_without_a_pipeline_gets_one_batch(benchmark, random_mnist):
    import rates
    from ours import Ours

    from mnist_keras import load_data
    from mnist_keras.data import batches

    data = load_data("mnist", data_dir=random_mnist)
    ours = Ours("mlp_128", data, batch_size=64)
    epoch = rates._fixed_epoch(ours)
    for _ in range(15):
        epoch()
    assert ours.loop.progress.history["accuracy"][-1] == 1.0
    assert (ours.predict(data.train_images) == data.train_labels).mean() < 0.5, "it saw others too"
    assert rates.loop.get_batch is batches.get_batch


def test_a_choice_is_compared_with_the_fastest(benchmark):
    from choices import Training, make_rows

    chosen = {"auto": ("mixed_bfloat16", False), "recipe": ("float32", False)}

    def run(seconds):
        return Training(100, 50, 1.0, seconds, 0.002, chosen)

    rows = make_rows(
        {
            ("net", "float32", False): [run(3.0), run(9.0), run(4.0)],
            ("net", "float32", True): [run(2.0)],
            ("net", "mixed_bfloat16", False): [run(1.0)],
            ("another", "float32", False): [run(0.5)],
        }
    )
    columns = ("chosen_by", "seconds", "ratio_to_best", "ratio_to_best_of_precision", "repeats")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("recipe", "4.000", "4.000", "2.000", "3"),
        ("", "2.000", "2.000", "1.000", "1"),
        ("auto", "1.000", "1.000", "1.000", "1"),
        ("recipe", "0.500", "1.000", "1.000", "1"),
    ]


def run_quickly(script, data_dir, out):
    command = [sys.executable, BENCHMARKS / script, "--data-dir", data_dir, "--quick"]
    result = subprocess.run(
        [*command, "--out", out],
        capture_output=True,
        text=True,
        check=False,
        # One thread for PyTorch: two that wait for each other crawl where other tests run.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr


def read_rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_growth_is_over_the_first_size(benchmark):
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
    out = tmp_path / "out"
    run_quickly("growth.py", random_mnist, out)
    rows = {
        (row["data"], row["images"], row["metric"]): row for row in read_rows(out / "growth.csv")
    }
    for data in ("memory", "records"):
        for images in ("256", "512"):
            for metric in ("microseconds_per_image", "peak_megabytes"):
                assert float(rows[data, images, metric]["median"]) > 0


def test_the_ceiling_is_the_better_of_both_libraries(benchmark, monkeypatch):
    import own_process
    import speed

    rates = {
        "rates": {"float32": 1e9, "bfloat16": 5e9},
        "peers_torch": {"float32": 2e9, "bfloat16": 4e9},
    }

    class Process(contextlib.nullcontext):
        def __init__(self, module, data):
            super().__init__(self)
            self.module = module

        def call(self, function, **_):
            return rates[self.module]

    monkeypatch.setattr(own_process, "OwnProcess", Process)
    results = speed.Results()
    assert speed.matrix_rates(results, None, speed.QUICK) == {"float32": 2e9, "bfloat16": 5e9}
    assert results.median("matrix_product", "float32", "gflops") == 2.0


def test_a_busy_machine_is_waited_for(benchmark, monkeypatch):
    import machine

    loads = iter([2.0, 1.0, 0.2])
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (next(loads), 0, 0))
    monkeypatch.setattr(machine.time, "sleep", lambda _: None)
    assert machine.wait_for_quiet() == 0.2
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (2.0, 0, 0))
    monkeypatch.setattr(machine, "PATIENCE", 0)
    assert machine.wait_for_quiet() == 2.0


@pytest.mark.slow
def test_the_baselines_run(random_mnist, tmp_path):
    run_quickly("baselines.py", random_mnist, tmp_path / "out")
    rows = read_rows(tmp_path / "out" / "baselines.csv")
    assert len(rows) == 8
    assert all(0 <= float(row["test_accuracy"]) <= 1 for row in rows)


@pytest.mark.slow
def test_the_benchmark_of_choices_runs(random_mnist, tmp_path):
    out = tmp_path / "out"
    run_quickly("choices.py", random_mnist, out)
    rows = read_rows(out / "choices.csv")
    assert [(row["net"], row["xla"]) for row in rows] == [("mlp_128", "no"), ("mlp_128", "yes")]
    assert "recipe" in rows[0]["chosen_by"].split()
    assert rows[0]["steps_trained"] == rows[0]["steps"] == "20"  # ten epochs of two


@pytest.mark.slow
def test_the_benchmark_of_speed_runs(random_mnist, tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip(NO_TORCH)
    out = tmp_path / "out"
    run_quickly("speed.py", random_mnist, out)
    assert sorted(path.name for path in out.iterdir()) == [
        "speed.csv",
        "speed.png",
        "speed_curves.csv",
    ]
    rows = read_rows(out / "speed.csv")
    contestants = {(row["task"], row["contestant"]) for row in rows}
    assert contestants >= {
        ("machine", ""),
        ("to_99_percent", "ours"),
        ("to_99_percent", "keras_example"),
        ("to_99_percent", "pytorch_example"),
        ("epoch_mlp_128", "scikit_learn"),
        ("epoch_mlp_128", "ours_xla"),
        ("epoch_mlp_128", "fit_32_steps"),
        ("epoch_mlp_1024_128", "fit"),
        ("epoch_mlp_1024_128", "ours_bfloat16"),
        ("epoch_mlp_1024_128", "pytorch_dataloader"),
        ("epoch_cnn_2conv", "ours_bfloat16"),
        ("epoch_cnn_2conv", "pytorch_dataloader"),
        ("matrix_product", "bfloat16"),
        ("matrix_product_pytorch", "float32"),
        ("pipeline_affine", "ours_make_dataset"),
        ("pipeline_share_mlp_128", "ours"),
        ("pipeline_share_lenet5_affine", "ours"),
        ("predict_one_mlp_128", "model_predict"),
    }
    assert all(float(row["median"]) > 0 for row in rows if row["metric"].endswith("seconds"))
