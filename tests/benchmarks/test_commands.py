"""The commands that measure times: what they count, and that each runs on a few images."""

import ast
import graphlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from data_files import small_arrays, write_idx_set
from errors import error_of

import mnist_keras as mk

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NO_TORCH = 'PyTorch is not installed: pip install "mnist-keras[bench]"'


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


def test_ours_is_what_train_does(benchmark, data):
    name = "mlp_128_64_dropout"
    ours = benchmark("ours").Ours(name, data.train, seed=3, epochs=2)
    ours.loop.run(2)
    recipe = mk.get_model_spec(name).recipe.replace(epochs=2)
    run = mk.train(name, data, recipe=recipe, seed=3, verbose=0)
    for a, b in zip(ours.model.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


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


def test_no_benchmark_imports_one_that_imports_it():
    files = {path.stem: ast.parse(path.read_text("utf-8")) for path in BENCHMARKS.glob("*.py")}
    imported = {}
    for name, tree in files.items():
        nodes = list(ast.walk(tree))
        names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        names |= {x.name for node in nodes if isinstance(node, ast.Import) for x in node.names}
        imported[name] = names & set(files)
    graphlib.TopologicalSorter(imported).prepare()  # raises CycleError
