"""The commands that measure times: what they count, and that each runs on a few images."""

import contextlib
import importlib
import importlib.util
import math
import os
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from data_files import small_arrays, write_idx_set
from errors import error_of

import mnist_keras as mk
from mnist_keras.data import batches

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NO_TORCH = 'PyTorch is not installed: pip install "mnist-keras[bench]"'


@pytest.fixture(scope="module")
def random_mnist(tmp_path_factory):
    """Directory with 256 images to train on and 256 to test on, under the names of MNIST's files."""
    rng = np.random.default_rng(0)
    labels = np.arange(256, dtype=np.uint8) % 10
    arrays = {f"{split}_labels": labels for split in ("train", "test")}
    for split in ("train", "test"):
        arrays[f"{split}_images"] = rng.integers(0, 256, (256, 28, 28), dtype=np.uint8)
    return write_idx_set(tmp_path_factory.mktemp("random"), arrays)


@pytest.fixture(scope="module")
def data(random_mnist):
    return mk.load_data("mnist", data_dir=random_mnist)


@pytest.fixture
def here(benchmark, monkeypatch):
    """Makes every `OwnProcess` this process."""
    turns = benchmark("turns")

    class Here(contextlib.nullcontext):
        def __init__(self, module, data, environment=None):
            super().__init__(self)
            self.module, self.data = importlib.import_module(module), data

        def call(self, function, **arguments):
            return getattr(self.module, function)(self.data, **arguments)

    monkeypatch.setattr(turns, "REST", 0.0)
    for name in ("choices", "growth", "speed"):
        monkeypatch.setattr(benchmark(name), "OwnProcess", Here)
    return Here


@pytest.fixture
def run(benchmark, here, random_mnist, monkeypatch, tmp_path):
    """Runs a command on a few images, in this process; returns its rows."""

    def run(name):
        argv = [f"{name}.py", "--data-dir", str(random_mnist), "--quick", "--out", str(tmp_path)]
        monkeypatch.setattr("sys.argv", argv)
        benchmark(name).main()
        return pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False)

    return run


@pytest.mark.slow
def test_rounding_compares_replicas_and_moved_weights_with_a_plain_training(run):
    rows = run("rounding").set_index(["change", "step"])
    for change in ("two replicas", "moved weights"):
        assert 0 < rows.loc[(change, 1), "largest_difference"] < 1e-5


@pytest.mark.slow
def test_growth_runs_in_memory_and_from_files(run):
    rows = run("growth").set_index(["data", "images", "metric"])["median"]
    for kind in ("memory", "records"):
        for images in (256, 512):
            for metric in ("microseconds_per_image", "peak_megabytes"):
                assert rows[kind, images, metric] > 0


@pytest.mark.slow
def test_choices_run(run, benchmark, monkeypatch):
    way = ("mlp_128", "float32", False)
    monkeypatch.setattr(benchmark("choices"), "variants", lambda models, onednn: [way])
    rows = run("choices")
    assert set(rows["net"]) == {"mlp_128"} and set(rows["onednn"]) == {"no", "yes"}
    assert sum("recipe" in who.split() for who in rows["chosen_by"]) == 1
    assert rows["steps"][0] == rows["steps_trained"][0] == 20  # ten epochs of two


@pytest.mark.full
@pytest.mark.timeout(
    3600
)  # seconds; with its peers one after another, `speed` needs over 300 on a busy machine
@pytest.mark.parametrize("name", ["baselines", "choices", "growth", "speed"])
def test_a_command_runs_in_processes_of_its_own(name, random_mnist, tmp_path):
    if name == "speed" and importlib.util.find_spec("torch") is None:
        pytest.skip(NO_TORCH)
    command = [sys.executable, BENCHMARKS / f"{name}.py", "--data-dir", random_mnist, "--quick"]
    # One thread for PyTorch: two that wait for each other crawl where other tests run.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--out", tmp_path], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    columns = pd.read_csv(BENCHMARKS / "results" / f"{name}.csv").columns
    assert pd.read_csv(tmp_path / f"{name}.csv").columns.tolist() == columns.tolist()


@pytest.mark.parametrize("option", ["--out", "--data-dir"])
def test_an_empty_path_is_refused(option, benchmark, capsys):
    with pytest.raises(SystemExit, match="2"):
        benchmark("command").Parser("What it measures.").parse_args(["--data-dir", "x", option, ""])
    assert f"argument {option}: expected a path, received ''" in capsys.readouterr().err


def test_a_smoke_test_does_not_touch_the_committed_files(benchmark, monkeypatch, tmp_path):
    command = benchmark("command")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["benchmarks/growth.py"])
    parser = command.Parser("What it measures.", quick=True)
    assert parser.parse_args(["--data-dir", "x"]).out == command.RESULTS
    quick = parser.parse_args(["--data-dir", "x", "--quick"])
    assert quick.out == tmp_path / "runs" / "growth" and quick.out.is_dir()


def test_other_data_gets_no_row(benchmark, tmp_path):
    write_idx_set(tmp_path, small_arrays(28))
    message = error_of(benchmark("command").load_published, "mnist", tmp_path)
    assert "holds another mnist than the published one: the SHA-256 of its arrays differ" in message


def test_rows_are_replaced_by_their_keys_and_kept_in_order(benchmark, tmp_path):
    command, path = benchmark("command"), tmp_path / "rows.csv"
    order = [("a",), ("b",)]

    def update(*rows):
        rows = [dict(zip(("name", "seed", "score"), row, strict=True)) for row in rows]
        command.update_rows(path, rows, keys=["name", "seed"], order=order)

    update(("b", "0", "1"), ("gone", "0", "2"))
    update(("a", "0", "3"))
    update(("b", "0", "4"), ("a", "1", ""))
    update(("a", "0", "5"))
    assert path.read_text() == "name,seed,score\na,0,5\na,1,\nb,0,4\n"
    rows = command.matching(command.read_rows(path), {"name": "a", "score": ""})
    assert rows["seed"].tolist() == ["1"]


def test_a_busy_machine_is_waited_for(benchmark, monkeypatch):
    machine, loads, waited = benchmark("machine"), [0.2, 0.2, 1.0, 2.0], []
    monkeypatch.setattr(machine, "load", loads.pop)
    clock = types.SimpleNamespace(sleep=waited.append, monotonic=time.monotonic)
    monkeypatch.setattr(machine, "time", clock)  # the module's own: other threads sleep, too
    machine.wait_for_quiet()
    assert len(waited) == 2
    loads[:] = [2.0, 2.0]
    monkeypatch.setattr(machine, "PATIENCE", 0)
    machine.wait_for_quiet()
    assert len(waited) == 2, "not for ever"


# What is counted.


def test_trainers_take_turns_while_patience_lasts(benchmark, monkeypatch):
    turns, now, calls = benchmark("turns"), [0.0], []

    def spend(name, seconds):
        calls.append(name)
        now[0] += seconds

    monkeypatch.setattr(turns.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(turns, "REST", 0.0)
    runs = {
        "ours": (lambda _: spend("ours", 1), 3),
        "twice": (lambda _: spend("twice", 1), 2),
        "slow": (lambda _: spend("slow", 10), 3),
    }
    turns.take_turns(runs, patience=10)
    assert calls == ["ours", "twice", "slow", "ours", "twice", "ours"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["baselines", pytest.param("peers_torch", marks=pytest.mark.full)]
)
def test_another_library_is_timed_in_a_process_without_tensorflow(benchmark, module, data):
    if module == "peers_torch" and importlib.util.find_spec("torch") is None:
        pytest.skip(NO_TORCH)
    with benchmark("turns").OwnProcess(module, data) as process:
        assert process.call("time_epoch", model="mlp_128") > 0
        assert 0 <= process.call("measure_accuracy", model="mlp_128") <= 1
        imported = process.submit(eval, "set(__import__('sys').modules)").result()
    assert imported.isdisjoint({"tensorflow", "keras"})


def test_seconds_to_a_target_leave_out_the_evaluations(benchmark, monkeypatch):
    turns, now, answers = benchmark("turns"), [10.0], [[1, 2, 3, 0], [1, 2, 3, 4], [1, 2, 3, 4]]
    monkeypatch.setattr(turns.time, "perf_counter", lambda: now[0])

    def spend(seconds):
        now[0] += seconds

    def predict(images):
        spend(100.0)
        return np.array(answers.pop(0))

    def make_example(data, *, seed):
        spend(2.0)
        return turns.Trainer(lambda: spend(3.0), predict, max_epochs=3)

    test = types.SimpleNamespace(images=None, labels=np.array([1, 2, 3, 4]))
    module, data = (
        types.SimpleNamespace(make_example=make_example),
        types.SimpleNamespace(test=test),
    )
    monkeypatch.setitem(turns._here, "module", module)
    assert turns.train_to(data, target=0.99, seed=0) == [(5.0, 0.75), (8.0, 1.0)]
    answers[:] = [[0, 0, 0, 0]] * 3
    assert len(turns.train_to(data, target=0.99, seed=0)) == 3


def test_a_ratio_is_over_ours(benchmark):
    results = benchmark("command").Results()
    for value in (3.0, 1.0, 2.0):
        results.add("epoch", "ours", seconds=value)
    results.add("epoch", "fit", seconds=5.0)
    results.add("matrix_product", "float32", gflops=200.0)
    rows = results.rows(["task", "trainer", "metric", "median", "ratio", "repeats"], "ours")
    assert rows.to_numpy().tolist() == [
        ["epoch", "ours", "seconds", "2", "1.000", "3"],
        ["epoch", "fit", "seconds", "5", "2.500", "1"],
        ["matrix_product", "float32", "gflops", "200", "", "1"],
    ]


@pytest.mark.parametrize("accuracies", [(0.992, 0.991), (0.992, 0.980)])
def test_our_seconds_count_with_the_accuracy_and_a_peers_end_there(
    benchmark, here, monkeypatch, accuracies
):
    speed = benchmark("speed")
    curves = {
        "ours": lambda seed: [(2.0 + 2 * seed, accuracies[seed])],
        "peers_keras": lambda seed: [(9.0, 0.98)],
        "peers_torch": lambda seed: [(50.0, 0.98), (99.0, 0.991)],
    }

    class Process(contextlib.nullcontext):
        def __init__(self, module, data, environment):
            super().__init__(self)
            self.curve = curves[module]

        def call(self, function, *, seed, **_):
            return self.curve(seed)

    monkeypatch.setattr(speed, "OwnProcess", Process)
    results = benchmark("command").Results()
    monkeypatch.setattr(speed, "SEEDS", 2)
    monkeypatch.setattr(speed, "REPEATS", 1)
    rows = speed.train_to_target(results, None, quick=False)
    reached = np.mean(accuracies) >= 0.99

    def median(contestant, metric):
        return results.median("to_99_percent", contestant, metric)

    assert median("ours", "seconds") == (3.0 if reached else math.inf)
    assert median("ours", "test_accuracy_mean") == pytest.approx(np.mean(accuracies))
    ratio = median("pytorch_example", "times_slower_than_ours")
    assert ratio == (33.0 if reached else 0.0), "a missed goal, not one that was not measured"
    expected = math.inf if reached else 0.0
    assert median("keras_example", "times_slower_than_ours") == expected
    assert ["ours", 1, 4.0, accuracies[1]] in rows.to_numpy().tolist()


def test_the_ceiling_is_the_better_of_both_libraries(benchmark, monkeypatch, data):
    speed, rates = benchmark("speed"), {"ours": 1e9, "peers_torch": 2e9}

    class Process(contextlib.nullcontext):
        def __init__(self, module, data):
            super().__init__(self)
            self.call = lambda function, **_: rates[module]

    monkeypatch.setattr(speed, "OwnProcess", Process)
    results = benchmark("command").Results()
    results.add(speed.WIDE, "ours", epoch_seconds=speed.WIDE_OPERATIONS * 256 / 1e9)
    speed.rate_product(results, data)
    assert results["matrix_product", "float32", "gflops"] == [2.0]
    assert results[speed.WIDE, "ours", "share_of_float32_product"] == [pytest.approx(0.5)]


def test_ours_is_what_train_does(benchmark, data):
    name = "mlp_128_64_dropout"
    ours = benchmark("ours").Ours(name, data.train, seed=3, epochs=2)
    ours.loop.run(2)
    recipe = mk.get_model_spec(name).recipe.replace(epochs=2)
    run = mk.train(name, data, recipe=recipe, seed=3, verbose=0)
    for a, b in zip(ours.model.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_loop_without_a_pipeline_gets_one_batch(benchmark, data):
    rates = benchmark("rates")
    ours = rates.Ours("mlp_128", data.train, batch_size=64)
    epoch = rates.fixed_epoch(ours)
    for _ in range(15):
        epoch()
    assert ours.loop.progress.history["accuracy"][-1] == 1.0
    answers = ours.predict(data.train.images)
    assert (answers == data.train.labels).mean() < 0.5, "it saw others too"
    assert rates.loop.get_batch is batches.get_batch


@pytest.fixture
def rates(benchmark, monkeypatch):
    """The module, for one small model and one transform, and few repeats."""
    rates = benchmark("rates")
    small = {"REPEATS": 1, "CALLS": 20, "SHARE_SECONDS": 0.0, "AUGMENTED": "mlp_128"}
    small |= {"TRANSFORMS": {"affine": "affine"}, "DOCUMENTED": [], "PREDICTED": ["mlp_128"]}
    for name, value in small.items():
        monkeypatch.setattr(rates, name, value)
    return rates


@pytest.mark.slow
def test_the_pipeline_and_predictions_are_rated(benchmark, rates, data):
    results = benchmark("command").Results()
    rates.measure_pipeline(results, data)
    rates.measure_prediction(results, data)
    assert results.median("pipeline_share_mlp_128_affine", "ours", "share_of_step") < 1
    for key in (
        ("pipeline_affine", "ours", "images_per_second"),
        ("pipeline_affine", "ours_make_dataset", "images_per_second"),
        ("predict_one_mlp_128", "ours", "ms"),
        ("predict_one_mlp_128", "model_predict", "ms"),
        ("predict_all_mlp_128", "ours", "share_of_compiled"),
    ):
        assert min(results[key]) > 0, key


@pytest.mark.full
def test_other_runtimes_are_rated(benchmark, rates, data):
    results = benchmark("command").Results()
    rates.measure_throughput(results, data, 1)
    for contestant in ("ours", "classifier_predict_proba", "model_predict", "onnx", "litert"):
        assert results.median("predict_60000_mlp_128", contestant, "images_per_second") > 0


def test_a_choice_is_compared_with_the_fastest(benchmark):
    def training(model, precision, xla, chosen_by, seconds):
        cells = {"net": model, "precision": precision, "xla": xla, "chosen_by": chosen_by}
        times = {"seconds": seconds, "first_seconds": 1.0, "step_ms": 2.0}
        cells |= {"class": "avx2", "onednn": "yes"}
        return {**cells, **times, "steps": 100, "steps_trained": 50}

    slow = [("a", "float32", "no", "recipe", seconds) for seconds in (3.0, 9.0, 4.0)]
    others = [("a", "float32", "yes", "", 2.0), ("a", "mixed_bfloat16", "no", "auto", 1.0)]
    others.append(("b", "float32", "no", "recipe", 0.5))
    rows = benchmark("choices").make_rows([training(*x) for x in (*slow, *others)])
    columns = ["chosen_by", "seconds", "ratio_to_best", "ratio_to_best_of_precision", "repeats"]
    assert rows[columns].to_numpy().tolist() == [
        ["recipe", 4.0, 4.0, 2.0, 3],
        ["", 2.0, 2.0, 1.0, 1],
        ["auto", 1.0, 1.0, 1.0, 1],
        ["recipe", 0.5, 1.0, 1.0, 1],
    ]


def test_rows_of_another_class_of_cpu_stay(benchmark, monkeypatch, tmp_path):
    command, machine, path = benchmark("command"), benchmark("machine"), tmp_path / "speed.csv"
    for cpu, value in (("avx2", "1"), ("amx", "2"), ("avx2 (stood in for)", "3"), ("avx2", "4")):
        monkeypatch.setattr(machine, "cpu", lambda cpu=cpu: cpu)
        rows = pd.DataFrame([{"metric": "x", "median": value}])
        command.update_class(path, rows)
    rows = pd.read_csv(path)[["class", "median"]].to_numpy().tolist()
    assert rows == [["amx", 2], ["avx2", 4], ["avx2 (stood in for)", 3]]


def test_a_stand_in_limits_what_the_libraries_may_use(benchmark, monkeypatch):
    machine = benchmark("machine")
    monkeypatch.setattr(machine.os, "environ", {})
    monkeypatch.setattr(machine._cpu, "instructions", lambda: {"avx2", "avx512f", "amx_bf16"})
    assert machine.cpu() == "amx"
    assert machine.environment("peers_keras", convolutional=False) == {}
    machine.stand_in("avx2")
    assert machine.cpu() == "avx2 (stood in for)"
    for module, convolutional, onednn in (
        ("ours", True, "1"),
        ("ours", False, "0"),
        ("peers_keras", True, "0"),
    ):
        environment = machine.environment(module, convolutional=convolutional)
        assert environment == {"TF_ENABLE_ONEDNN_OPTS": onednn}
    assert machine.environment("peers_torch", convolutional=True) == {}


def test_the_parts_of_a_step_have_the_operations_of_its_layers(benchmark, data):
    roofline = benchmark("roofline")
    parts = roofline.parts_of("cnn_2conv", tf.float32, data)
    second = 2 * 64 * 24 * 24 * 9 * 32 * 32  # batch, places, kernel, channels
    for way in ("forward", "by weights", "by input"):
        assert parts[f"second convolution, {way}"][2] == second
    assert "first convolution, by input" not in parts, "nothing is below it"
    for model in ("cnn_2conv", "mlp_128"):
        for function, arguments, _ in roofline.parts_of(model, tf.float32, data).values():
            assert function(*arguments) is not None


def test_a_trial_is_compared_with_the_first_of_its_turn(benchmark):
    trials = [("none", 0, 0.99, 2.0), ("none", 1, 0.991, 4.0)]
    trials += [("batch 512", 0, 0.98, 1.0), ("batch 512", 1, 0.97, 3.0)]
    names = ("variant", "seed", "accuracy", "seconds")
    rows = benchmark("fast_trials").make_rows([dict(zip(names, x, strict=True)) for x in trials])
    assert rows.to_numpy().tolist() == [
        ["none", "2", "0.9905", "0.0007", "3.00", "1.00"],
        ["batch 512", "2", "0.9750", "0.0071", "2.00", "0.62"],
    ]
