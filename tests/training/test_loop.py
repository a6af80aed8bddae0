"""The loop keeps Keras's meaning under callbacks, replicas, XLA and half precision, and goes on after any end."""

import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from small_runs import StopAt, distance, mirrored

import mnist_keras as mk
from mnist_keras.data.batches import make_batch_source
from mnist_keras.data.splits import as_split
from mnist_keras.training import loop, train as train_module
from mnist_keras.training.compile import compile_model
from mnist_keras.training.train import train

callbacks = keras.callbacks


@pytest.fixture(scope="module")
def data():
    """256 digits to train on, 100 to test on."""
    (images, labels), (test_images, test_labels) = mk.load_data("digits")
    return (images[:256], labels[:256]), (test_images[:100], test_labels[:100])


@pytest.fixture(scope="module")
def two_cpus():
    return mirrored(2)


def net(*, regularizer=None, dropout=0.0, policy="float32"):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
        layers += [keras.layers.Dense(16, "relu", kernel_regularizer=regularizer)]
        layers += [keras.layers.Dropout(dropout)] * bool(dropout)
        layers += [keras.layers.Dense(10, "softmax", dtype="float32")]
        return keras.Sequential(layers)
    finally:
        keras.config.set_dtype_policy("float32")


def fit(model, optimizer, data, epochs, **options):
    """Trains with Keras as `train` does with batches of 32; returns the history."""
    (images, labels), held_out = data
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model.fit(
        mk.make_dataset(images, labels, batch_size=32, training=True),
        steps_per_epoch=8,
        epochs=epochs,
        validation_data=mk.make_dataset(*held_out, batch_size=30),
        shuffle=False,
        verbose=0,
        **options,
    ).history


class Recorder(callbacks.Callback):
    """Notes every hook that is called, with its index and logs."""

    def __init__(self):
        super().__init__()
        self.calls = []
        for name in dir(callbacks.Callback):
            if name.startswith("on_"):
                setattr(self, name, self._noting(name))

    def _noting(self, name):
        def hook(*args, logs=None):
            index = [x for x in args if isinstance(x, int)]
            logs = next((x for x in args if isinstance(x, dict)), logs) or {}
            self.calls.append((name, index, {key: float(x) for key, x in logs.items()}))

        return hook


def test_the_hooks_are_those_of_fit(data, monkeypatch):
    monkeypatch.setattr(loop, "VALIDATION_BATCH_SIZE", 30)  # four batches, the last of ten images
    ours, theirs = Recorder(), Recorder()
    recipe = mk.Recipe(batch_size=32, epochs=2)
    train(net(), data, recipe=recipe, validation_data=data[1], callbacks=[ours], verbose=0)
    fit(net(), "adam", data, 2, callbacks=[theirs])
    assert len(ours.calls) == 2 + 2 * (2 + 8 * 2 + 2 + 4 * 2)
    for our, their in zip(ours.calls, theirs.calls, strict=True):
        assert our[:2] == their[:2]
        assert our[2] == pytest.approx(their[2], rel=1e-4), our[0]


def test_a_batch_hook_ends_the_training_where_it_ends_fit(data):
    def end(batch, logs):
        if batch == 2:
            model.stop_training = True

    stopping = callbacks.LambdaCallback(on_train_batch_end=end)
    recipe = mk.Recipe(batch_size=32, epochs=2)
    model = ours = net()
    run = train(ours, data, recipe=recipe, callbacks=[stopping], verbose=0)
    model = theirs = net()
    history = fit(theirs, "adam", data, 2, callbacks=[stopping])
    assert distance(ours, theirs) < 1e-6
    assert run.history["loss"] == pytest.approx(history["loss"], rel=1e-5)
    assert run.history["epoch"] == [1]


def test_averaged_weights_are_validated_where_a_callback_swaps_them_in(data):
    recipe = mk.Recipe(batch_size=32, epochs=2, ema_momentum=0.9)
    run = train(
        net(),
        data,
        recipe=recipe,
        validation_data=data[1],
        callbacks=[callbacks.SwapEMAWeights()],
        verbose=0,
    )
    model = net()
    optimizer = keras.optimizers.Adam(use_ema=True, ema_momentum=0.9)
    history = fit(model, optimizer, data, 2, callbacks=[callbacks.SwapEMAWeights()])
    np.testing.assert_allclose(run.history["val_loss"], history["val_loss"], rtol=1e-4)
    assert distance(run.model, model) < 1e-6


def test_half_precision_scales_the_loss_as_fit_does(data):
    model = net(policy="mixed_float16")
    optimizer = keras.optimizers.SGD(0.1)
    run = train(
        net(policy="mixed_float16"),
        data,
        recipe=mk.Recipe(optimizer="sgd", learning_rate=0.1, batch_size=32, epochs=2),
        verbose=0,
    )
    history = fit(model, optimizer, data, 2)
    assert isinstance(run.model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert distance(run.model, model) < 1e-6
    np.testing.assert_allclose(run.history["loss"], history["loss"], rtol=1e-5)


REPLICAS = {
    "penalty": ({"regularizer": keras.regularizers.L2(1e-2)}, {}, {}),
    "class weights": ({}, {}, {"class_weight": {3: 4.0, 5: 0.25}}),
    "label smoothing": ({}, {"label_smoothing": 0.1}, {}),
    "half precision": ({"policy": "mixed_float16"}, {}, {}),
}


@pytest.mark.parametrize("case", REPLICAS)
def test_two_replicas_have_the_losses_of_one(data, two_cpus, case):
    arguments, fields, options = REPLICAS[case]
    recipe = mk.Recipe(optimizer="sgd", learning_rate=0.1, batch_size=32, epochs=2, **fields)
    options = {**options, "recipe": recipe, "validation_data": data[1], "verbose": 0}
    one = train(net(**arguments), data, **options)
    with two_cpus.scope():
        model = net(**arguments)
    two = train(model, data, **options)
    tolerance = 1e-3 if "policy" in arguments else 1e-6
    assert distance(one.model, two.model) < tolerance
    for key in ("loss", "val_loss"):
        np.testing.assert_allclose(one.history[key], two.history[key], rtol=max(tolerance, 1e-5))


def test_each_replica_has_the_images_on_its_device(data, two_cpus):
    (images, labels), _ = data
    with two_cpus.scope():
        model = net()
        compile_model(model, mk.Recipe(), 1)
        source = make_batch_source(as_split(images, labels), batch_size=32)
    steps = loop.TrainingLoop(model, two_cpus, source, seed=0)
    for values in steps._windows.at(0).rows[:2]:
        copies = two_cpus.experimental_local_results(values)
        assert [copy.device[-5:] for copy in copies] == ["CPU:0", "CPU:1"]


def weights_that_move(model, *, batch_size, seed=0):
    """Trains a softmax on dropped-out pixels with two equal images; returns which pixels' weights moved."""
    images, labels = np.full((2, 28, 28), 255, np.uint8), np.zeros(2, np.int64)
    before = model.get_weights()[0]
    recipe = mk.Recipe(optimizer="sgd", learning_rate=1e-6, batch_size=batch_size, epochs=1)
    train(model, ((images, labels), (images, labels)), recipe=recipe, seed=seed, verbose=0)
    return model.get_weights()[0][:, 0] != before[:, 0]


def dropped_pixels():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    top = layers.Dense(2, "softmax", kernel_initializer="zeros")
    return keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dropout(0.5), top])


def test_each_replica_step_and_seed_has_a_dropout_mask_of_its_own(two_cpus):
    # One mask moves half of the weights, two independent ones three quarters.
    moved = weights_that_move(dropped_pixels(), batch_size=1)
    assert moved.mean() == pytest.approx(0.75, abs=0.1)
    other_seed = weights_that_move(dropped_pixels(), batch_size=1, seed=1)
    assert (moved != other_seed).mean() == pytest.approx(2 * 0.75 * 0.25, abs=0.1)
    with two_cpus.scope():
        model = dropped_pixels()
    assert weights_that_move(model, batch_size=2).mean() == pytest.approx(0.75, abs=0.1)


def assert_same_run(a, b):
    for x, y in zip(a.model.get_weights(), b.model.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
    for key in ("epoch", "loss", "accuracy", "learning_rate"):
        assert a.history[key] == b.history[key]


@pytest.mark.parametrize("kind", ["two replicas", "XLA", "half precision"])
def test_a_resumed_run_has_the_bits_of_one_left_alone(data, two_cpus, tmp_path, no_pictures, kind):
    strategy = two_cpus if kind == "two replicas" else mk.get_strategy("none")
    policy = "mixed_float16" if kind == "half precision" else "float32"

    def run(**options):
        with strategy.scope():
            model = net(dropout=0.2, policy=policy)
        return train(model, data, recipe=recipe, verbose=0, **options)

    recipe = mk.Recipe(batch_size=32, epochs=3, ema_momentum=0.9, jit=kind == "XLA")
    whole = run()  # in chunks of many steps, the others step by step
    with pytest.raises(KeyboardInterrupt):
        run(run_dir=tmp_path / "run", callbacks=[StopAt(13)])
    assert_same_run(whole, run(run_dir=tmp_path / "run", resume=True))


class StopAsEpochBegins(callbacks.Callback):
    """Sends this process a signal before the first step of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("stop", [lambda: StopAt(13), StopAsEpochBegins])
def test_an_epoch_begins_once_for_a_resumed_callback(data, tmp_path, no_pictures, stop):
    def halving():
        return callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)

    options = {"recipe": mk.Recipe(batch_size=32, epochs=3), "verbose": 0}
    whole = train(net(), data, callbacks=[halving()], **options)
    run_dir = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(net(), data, run_dir=run_dir, callbacks=[stop(), halving()], **options)
    resumed = train(net(), data, run_dir=run_dir, callbacks=[halving()], resume=True, **options)
    assert_same_run(whole, resumed)


def test_a_run_that_stopped_early_and_died_in_the_evaluation_is_finished(
    data, tmp_path, monkeypatch, no_pictures
):
    recipe = mk.Recipe(batch_size=32, epochs=9, ema_momentum=0.9)

    def run(**options):
        # No epoch is better than the first by 9.
        stopping = callbacks.EarlyStopping(
            "loss", patience=2, min_delta=9, restore_best_weights=True
        )
        return train(net(), data, recipe=recipe, callbacks=[stopping], verbose=0, **options)

    def die(*args):
        raise KeyboardInterrupt

    whole = run()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train_module, "finish", die)
        run(run_dir=tmp_path / "run")
    resumed = run(run_dir=tmp_path / "run", resume=True)
    assert resumed.history["epoch"] == [1, 2, 3]
    assert_same_run(whole, resumed)
    assert (tmp_path / "run" / "metrics.json").is_file()


@pytest.mark.full  # a process of its own; that the steps are traced once is tested below
def test_xla_compiles_the_steps_once_whatever_the_chunk(tmp_path):
    script = """
import numpy as np
import mnist_keras as mk

rng = np.random.default_rng(0)
images, labels = rng.integers(0, 256, (200, 8, 8), np.uint8), rng.integers(0, 10, 200)
recipe = mk.Recipe(batch_size=8, epochs=4, jit=True)  # 25 steps: chunks of 16, 9 and 25
mk.train("softmax_regression", (images, labels), recipe=recipe, verbose=0)
"""
    flags = f"--xla_dump_to={tmp_path} --xla_dump_hlo_as_text=true"
    subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        check=True,
        timeout=200,
    )
    compiled = [path.name for path in tmp_path.glob("*inference__steps*.before_optimizations.txt")]
    assert len(compiled) == 1, compiled


@pytest.mark.slow
def test_many_trainings_in_one_process_are_each_traced_once_and_nothing_is_said_of_it(data, caplog):
    traces = []

    class Counting(keras.layers.Layer):
        def call(self, x, training=None):
            if training:
                traces.append(self.name)
            return x

    for number in range(6):
        model = keras.Sequential([keras.Input((28, 28, 1)), Counting(), *net().layers])
        augmentation = {"shift": 1 + number / 10}
        recipe = mk.Recipe(epochs=2, batch_size=64, augmentation=augmentation)
        train(model, data, recipe=recipe, validation_data=data[1], verbose=0)
        assert len(traces) == number + 1
    assert "retracing" not in caplog.text
