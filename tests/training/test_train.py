"""The training loop: equal to `fit`, resumable to the bit, the same on any number of replicas."""

import random
import threading

import keras
import numpy as np
import pytest
from small_runs import assert_same_bits, dense_net, distance, mirrored, small_data

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.training.train import train


def test_one_seed_same_bits_another_seed_others(digits):
    recipe = mk.Recipe(batch_size=32, epochs=1)
    first, second, third = (
        train("mlp_128_64_dropout", small_data(digits), recipe=recipe, seed=seed, verbose=0).model
        for seed in (1, 1, 2)
    )
    assert_same_bits(first, second)
    assert distance(first, third) > 1e-3


def test_dropout_layers_have_masks_of_their_own():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((28, 28, 1))
    x = keras.layers.Flatten()(inputs)
    first = keras.layers.Dropout(0.5)(x)
    second = keras.layers.Dropout(0.5)(x)
    difference = keras.ops.sum(keras.ops.abs(first - second), axis=-1, keepdims=True)
    scaled = keras.layers.Rescaling(1e-3)(difference)  # a saturated softmax has no gradient
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(scaled))
    images = np.full((8, 28, 28), 255, np.uint8)
    labels = np.zeros(8, np.int64)
    before = model.get_weights()
    run = train(
        model,
        ((images, labels), (images, labels)),
        recipe=mk.Recipe(optimizer="sgd", learning_rate=1e-3, batch_size=8, epochs=1),
        verbose=0,
    )
    # Equal masks would make the difference, and with it the kernel's gradient, exactly 0.
    assert np.abs(run.model.get_weights()[0] - before[0]).max() > 0


def norm_net():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            # The gradient of a bias would be rounding alone.
            layers.Conv2D(4, 5, strides=4, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(8, use_bias=False),
            layers.BatchNormalization(),
            layers.Dense(10, activation="softmax"),
        ]
    )


@pytest.mark.parametrize(
    ("build", "augmentation", "counts"), [(dense_net, "affine", [3]), (norm_net, None, [2, 3])]
)
def test_replicas_agree_with_one_device(digits, build, augmentation, counts):
    data = small_data(digits, 96)
    recipe = mk.Recipe(
        optimizer="sgd", learning_rate=0.05, batch_size=24, epochs=2, augmentation=augmentation
    )
    one = train(build(), data, recipe=recipe, verbose=0)
    for replicas in counts:
        strategy = mirrored(replicas)
        with strategy.scope():
            model = build()
        config = model.get_config()
        several = train(model, data, recipe=recipe, strategy=strategy, verbose=0)
        assert distance(one.model, several.model) < 1e-5
        np.testing.assert_allclose(one.history["loss"], several.history["loss"], rtol=1e-5)
        assert one.history["accuracy"] == several.history["accuracy"]
        assert model.get_config() == config, "synchronized while it is trained, and saved as it was"


@pytest.mark.parametrize("replicas", [2, 4])
@pytest.mark.parametrize("n", [129, 130])
def test_uneven_data_neither_crash_nor_turn_into_nan(digits, replicas, n):
    strategy = mirrored(replicas)
    with strategy.scope():
        model = dense_net(batch_norm=True)
    run = train(
        model,
        small_data(digits, n),
        recipe=mk.Recipe(batch_size=64, epochs=2),
        strategy=strategy,
        verbose=0,
    )
    assert all(np.isfinite(x).all() for x in run.model.get_weights())
    assert len(run.history["loss"]) == 2


def test_an_existing_run_or_foreign_directory_is_not_touched(digits, tmp_path, no_pictures):
    data, recipe = small_data(digits), mk.Recipe(epochs=1)
    options = {"recipe": recipe, "verbose": 0}
    train("softmax_regression", data, run_dir=tmp_path / "run", **options)
    with pytest.raises(InputError, match="holds a finished run"):
        train("softmax_regression", data, run_dir=tmp_path / "run", **options)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("meow")
    for flags in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match="is not empty and holds no run"):
            train("softmax_regression", data, run_dir=tmp_path / "photos", **options, **flags)
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "meow"
    with pytest.raises(InputError, match="is a file"):
        train("softmax_regression", data, run_dir=tmp_path / "photos" / "cat.jpg", **options)
    with pytest.raises(InputError, match="cannot be written"):
        train("softmax_regression", data, run_dir=tmp_path / "photos" / "cat.jpg" / "x", **options)
    run = train("softmax_regression", data, run_dir=tmp_path / "run", overwrite=True, **options)
    assert run.history["epoch"] == [1]


def test_keras_callbacks_work(digits, tmp_path):
    seen = []
    callbacks = [
        keras.callbacks.ModelCheckpoint(
            str(tmp_path / "best.keras"), "val_accuracy", save_best_only=True
        ),
        keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=9),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch)),
    ]
    run = train(
        dense_net(),
        small_data(digits),
        recipe=mk.Recipe(epochs=4, batch_size=64),
        validation_size=56,
        callbacks=callbacks,
        verbose=0,
    )
    assert seen == [0, 1, 2] * 4  # after every step, as in fit
    assert run.history["learning_rate"][-1] < 1e-3
    assert keras.models.load_model(tmp_path / "best.keras").count_params() == 12730
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 5


def test_a_model_that_rescales_gets_pixels_to_255(digits):
    model = mk.build_mlp((32,), include_rescaling=True)
    run = train(model, digits, recipe=mk.Recipe(epochs=5), verbose=0)
    assert run.metrics["accuracy"] > 0.85


def test_arrays_as_keras_users_have_them(digits):
    (x_train, y_train), (x_test, y_test) = digits
    floats = x_train[..., None] / np.float32(255)
    recipe = mk.Recipe(epochs=1)
    assert train("mlp_128", ((x_train, y_train), (x_test, y_test)), recipe=recipe, verbose=0)
    run = train("mlp_128", (floats, y_train), recipe=recipe, verbose=0)
    assert run.evaluation.num_examples == round(0.2 * len(floats))


def test_a_training_that_diverges_says_so(digits, tmp_path):
    recipe = mk.Recipe(optimizer="sgd", learning_rate=1e30, epochs=3, batch_size=32)
    with pytest.raises(FloatingPointError, match="diverged: the loss is nan in epoch 1"):
        train("mlp_128", small_data(digits), recipe=recipe, run_dir=tmp_path / "run", verbose=0)
    assert not list((tmp_path / "run").glob("checkpoint/*"))


def test_works_outside_the_main_thread(digits):
    runs = []
    thread = threading.Thread(
        target=lambda: runs.append(
            train("mlp_128", small_data(digits), recipe=mk.Recipe(epochs=1), verbose=0)
        )
    )
    thread.start()
    thread.join()
    assert len(runs) == 1


def test_progress_bar_shows_loss_and_accuracy(digits, capsys):
    train("mlp_128", small_data(digits), recipe=mk.Recipe(epochs=2, batch_size=32), verbose=1)
    shown = capsys.readouterr().out
    assert "Epoch 2/2" in shown and "8/8" in shown
    assert "accuracy" in shown and "loss" in shown


def test_the_callers_random_generators_stay_as_they_are(digits):
    def draws():
        return random.random(), np.random.rand(), float(keras.random.uniform(()))

    keras.utils.set_random_seed(7)
    expected = draws()
    keras.utils.set_random_seed(7)
    train("mlp_128", small_data(digits), recipe=mk.Recipe(epochs=1, batch_size=32), verbose=0)
    assert draws() == expected
