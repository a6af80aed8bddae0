"""Several processes train one model: the weights, scores and files of one process, whatever their number."""

import os
import signal

import keras
import numpy as np
import pytest

import mnist_keras as mk

RECIPE = {"batch_size": 60, "epochs": 2, "schedule": "constant", "ema_momentum": None}
RECIPE |= {"augmentation": None, "precision": "float32"}
OPTIONS = {"model": "mlp_128", "recipe": RECIPE, "checkpoint_steps": None}


@pytest.fixture
def faults(benchmark, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    return benchmark("faults")


def finish(faults, run_dir, count, **options):
    """Runs several workers to their end; returns what each of them reached."""
    processes = faults.start_workers(run_dir, count, **{**OPTIONS, **options})
    statuses = [faults.end(process) for process in processes]
    assert statuses == [0] * count, faults.said(run_dir)
    return [np.load(faults.result_path(run_dir, index)) for index in range(count)]


def assert_alike(result, run, tolerance=2e-5):
    weights = [result[name] for name in result.files if name.startswith("weight/")]
    for mine, theirs in zip(weights, run.model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)
    np.testing.assert_allclose(result["losses"], run.history["loss"], rtol=1e-4)
    assert result["accuracy"] == pytest.approx(run.metrics["accuracy"], abs=1 / 360)


@pytest.mark.slow
def test_two_processes_equal_one_and_a_run_goes_on_with_another_number(faults, tmp_path):
    recipe = mk.Recipe(**RECIPE)
    whole = mk.train("mlp_128", "digits", recipe=recipe, strategy="none", verbose=0)
    first = {**OPTIONS, "recipe": {**RECIPE, "epochs": 1}}
    chief, other = finish(faults, tmp_path / "run", 2, **first)
    for name in chief.files:
        np.testing.assert_array_equal(chief[name], other[name])
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"checkpoint", "config.json", "history.csv", "metrics.json", "model.keras"}
    alone = {"run_dir": tmp_path / "run", "resume": True, "strategy": "none", "verbose": 0}
    resumed = mk.train("mlp_128", "digits", recipe=recipe, **alone)
    assert resumed.history["epoch"] == [1, 2]
    for mine, theirs in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5)


def build_batch_norm():
    """Returns a small model whose batch normalization each worker computes over the images of all."""
    with mk.get_strategy().scope():
        keras.utils.set_random_seed(0)
        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                # The gradient of a bias would be rounding alone.
                layers.Conv2D(4, 5, strides=3, use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Flatten(),
                layers.Dense(10, activation="softmax"),
            ]
        )


@pytest.mark.full
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("model", ["mlp_128", build_batch_norm])
def test_processes_agree_with_one_to_rounding(faults, tmp_path, model, count):
    built = model() if callable(model) else model
    recipe = mk.Recipe(**RECIPE)
    alone = mk.train(built, "digits", recipe=recipe, strategy="auto", verbose=0)
    results = finish(faults, tmp_path / "run", count, model=model)
    for result in results:
        assert_alike(result, alone)
        np.testing.assert_array_equal(result["weight/0"], results[0]["weight/0"])


@pytest.mark.full
@pytest.mark.parametrize("count", [1, 3])
def test_a_run_of_two_workers_goes_on_with_one_or_three(faults, tmp_path, count):
    whole = mk.train("mlp_128", "digits", recipe=mk.Recipe(**RECIPE), strategy="none", verbose=0)
    finish(faults, tmp_path / "run", 2, recipe={**RECIPE, "epochs": 1})
    for result in finish(faults, tmp_path / "run", count):
        assert_alike(result, whole)


@pytest.mark.full
def test_early_stopping_acts_the_same_on_every_worker(faults, tmp_path):
    options = {"recipe": {**RECIPE, "epochs": 5}, "callbacks": [[stop_early()], [stop_early()]]}
    results = finish(faults, tmp_path / "run", 2, **options)
    assert [len(result["losses"]) for result in results] == [2, 2]


def stop_early():
    return keras.callbacks.EarlyStopping("loss", min_delta=100, patience=1, mode="min")


DIFFERENT = {
    "seed": ({"seed": [0, 1]}, "has seed 1, the chief 0"),
    "recipe": (
        {"recipe": [RECIPE, {**RECIPE, "learning_rate": 0.5}]},
        "has recipe.learning_rate 0.5, the chief 0.001",
    ),
    "checkpoint_steps": ({"checkpoint_steps": [3, 5]}, "has checkpoint_steps 5, the chief 3"),
}


@pytest.mark.full
@pytest.mark.parametrize("case", DIFFERENT)
def test_workers_that_were_started_differently_all_say_so(faults, tmp_path, case):
    changes, text = DIFFERENT[case]
    processes = faults.start_workers(tmp_path / "run", 2, **{**OPTIONS, **changes})
    assert [faults.end(process) for process in processes] == [2, 2]
    said = faults.said(tmp_path / "run")
    assert said.count(text) == 2
    assert said.count("Start all of them with one command") == 2
    assert not (tmp_path / "run").exists() or not os.listdir(tmp_path / "run")  # noqa: PTH208


@pytest.mark.full
def test_a_signal_to_one_worker_ends_all_of_them_and_the_state_is_saved(faults, tmp_path):
    recipe = {**RECIPE, "epochs": 1000}
    processes = faults.start_workers(tmp_path / "run", 2, **{**OPTIONS, "recipe": recipe})
    faults.wait_for_checkpoint(tmp_path / "run", processes[0])
    faults.send(processes[1], signal.SIGTERM)
    assert [faults.end(process) for process in processes] == [143, 143]
    assert len(faults.checkpoints(tmp_path / "run")) == 2
