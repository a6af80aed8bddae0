"""The training loop: equal to `fit`, resumable to the bit, the same on any number of replicas."""

import csv
import dataclasses
import functools
import json
import os
import random
import shutil
import signal
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.data.datasets import load_data
from mnist_keras.data.image_data import from_arrays
from mnist_keras.data.pipeline import make_dataset
from mnist_keras.training import train as train_module
from mnist_keras.training.devices import precision_policy
from mnist_keras.training.train import train

L2 = keras.regularizers.L2(1e-3)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def small_data(digits, n=256):
    return from_arrays(
        digits.train_images[:n],
        digits.train_labels[:n],
        digits.test_images,
        digits.test_labels,
        digits.class_names,
        name="digits",
        source="memory",
    )


def dense_net(*, regularizer=None, batch_norm=False, dropout=0.0, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
    layers += [keras.layers.Dense(16, activation="relu", kernel_regularizer=regularizer)]
    if batch_norm:
        layers.append(keras.layers.BatchNormalization())
    if dropout:
        layers += [
            keras.layers.Dropout(dropout),
            keras.layers.Dense(16),
            keras.layers.Dropout(dropout),
        ]
    return keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])


def distance(a, b):
    return max(
        float(np.abs(x - y).max()) for x, y in zip(a.get_weights(), b.get_weights(), strict=True)
    )


def assert_same_bits(a, b):
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


PARITY = {
    "adam": ({}, {}, lambda: keras.optimizers.Adam(1e-3)),
    "l2": ({"regularizer": L2}, {}, lambda: keras.optimizers.Adam(1e-3)),
    "batch_norm": ({"batch_norm": True}, {}, lambda: keras.optimizers.SGD(0.05, momentum=0.9)),
    "clipping": ({}, {}, lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.5)),
    "averaging": ({}, {}, lambda: keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.9)),
    "weight_decay": ({}, {}, lambda: keras.optimizers.AdamW(1e-3, weight_decay=0.01)),
    "class_weight": ({}, {3: 4.0, 5: 0.25}, lambda: keras.optimizers.Adam(1e-3)),
}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("case", PARITY)
def test_same_weights_as_fit(digits, case, jit):
    arguments, class_weight, make_optimizer = PARITY[case]
    optimizer = make_optimizer()
    data = small_data(digits)
    recipe = mk.Recipe(
        optimizer=keras.optimizers.serialize(optimizer),
        learning_rate=float(optimizer.learning_rate),
        batch_size=32,
        epochs=2,
        jit=jit,
    )
    run = train(
        dense_net(**arguments), data, recipe=recipe, seed=3, class_weight=class_weight, verbose=0
    )

    model = dense_net(**arguments)
    model.compile(
        optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=jit
    )
    batches = make_dataset(
        data.train_images, data.train_labels, batch_size=32, training=True, seed=3
    )
    if class_weight:  # fit takes no class weights with some labels left out
        weights = tf.constant([class_weight.get(label, 1.0) for label in range(10)])
        batches = batches.map(lambda x, y: (x, y, tf.gather(weights, y)))
    history = model.fit(batches, steps_per_epoch=8, epochs=2, shuffle=False, verbose=0).history

    assert distance(run.model, model) < 1e-6
    np.testing.assert_allclose(run.history["loss"], history["loss"], rtol=1e-5)
    np.testing.assert_allclose(run.history["accuracy"], history["accuracy"], rtol=1e-5)


def test_a_net_with_batch_norm_gets_the_weights_of_fit(digits):
    # Few small steps, and weights with which no maximum of a pool lies within rounding of another: where one flips,
    # two trainings part.
    data = small_data(digits)
    keras.utils.set_random_seed(0)
    recipe = mk.Recipe(optimizer="sgd", learning_rate=0.01, batch_size=64, epochs=1)
    run, model = (mk.build_deep_cnn(((4,), (6,)), batch_norm=True, dropout=0) for _ in range(2))
    model.set_weights(run.get_weights())
    run = train(run, data, recipe=recipe, verbose=0).model
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    batches = make_dataset(data.train_images, data.train_labels, batch_size=64, training=True)
    model.fit(batches, steps_per_epoch=4, epochs=1, shuffle=False, verbose=0)
    assert distance(run, model) < 1e-5


def test_validation_logs_are_those_of_fit(digits):
    data = small_data(digits)
    held_out = (data.test_images, data.test_labels)
    recipe = mk.Recipe(batch_size=64, epochs=2)
    run = train(dense_net(regularizer=L2), data, recipe=recipe, validation_data=held_out, verbose=0)
    model = dense_net(regularizer=L2)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        make_dataset(data.train_images, data.train_labels, batch_size=64, training=True),
        validation_data=make_dataset(*held_out, batch_size=100),
        steps_per_epoch=4,
        epochs=2,
        shuffle=False,
        verbose=0,
    ).history
    np.testing.assert_allclose(run.history["val_loss"], history["val_loss"], rtol=1e-4)
    np.testing.assert_allclose(run.history["val_accuracy"], history["val_accuracy"], rtol=1e-5)


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


@functools.cache  # TensorFlow's collectives of a second strategy collide with the first one's
def mirrored(replicas):
    # Collective groups of two sizes cannot live in one process, so replicas reduce on one device.
    return tf.distribute.MirroredStrategy(
        [f"CPU:{index}" for index in range(replicas)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


def test_a_batch_that_replicas_do_not_divide_is_refused(digits):
    strategy = mirrored(4)
    with strategy.scope():
        model = dense_net()
    with pytest.raises(
        InputError, match=r"a multiple of the 4 replicas.*Received: 30. Use 28 or 32"
    ):
        train(model, small_data(digits), recipe=mk.Recipe(batch_size=30), verbose=0)


class StopAt(keras.callbacks.Callback):
    """Sends this process a signal at a step."""

    def __init__(self, step, number):
        super().__init__()
        self.at, self.number, self.seen = step, number, 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), self.number)


def test_interrupted_and_resumed_has_the_same_bits(digits, tmp_path, no_pictures):
    data = small_data(digits, 64)  # four steps an epoch
    recipe = mk.Recipe(
        batch_size=16, epochs=2, schedule="cosine", ema_momentum=0.9, augmentation="affine"
    )
    options = {"recipe": recipe, "verbose": 0}
    whole = train("mlp_128_64_dropout", data, **options)
    options |= {"run_dir": tmp_path / "run", "resume": True}
    for step, number, error in (
        (1, signal.SIGINT, KeyboardInterrupt),
        (4, signal.SIGTERM, SystemExit),  # the last of an epoch
        (6, signal.SIGTERM, SystemExit),
    ):
        with pytest.raises(error) as caught:
            train("mlp_128_64_dropout", data, callbacks=[StopAt(step, number)], **options)
        if error is SystemExit:
            assert caught.value.code == 128 + number
        newest = max((tmp_path / "run" / "checkpoint").glob("*.json"))
        assert newest.stem == f"state-{step:010}"
    resumed = train("mlp_128_64_dropout", data, **options)
    assert_same_bits(whole.model, resumed.model)
    for key in ("loss", "accuracy", "learning_rate"):
        assert whole.history[key] == resumed.history[key]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_resume_keeps_the_patience_of_early_stopping(digits, tmp_path, no_pictures):
    data, recipe = small_data(digits), mk.Recipe(batch_size=64, epochs=9)

    def stopping():
        # No epoch is better than the first by 9, so the patience of 4 ends in the fifth.
        return keras.callbacks.EarlyStopping(
            "val_loss", patience=4, min_delta=9, restore_best_weights=True
        )

    options = {"recipe": recipe, "validation_size": 50, "verbose": 0}
    whole = train(dense_net(), data, callbacks=[stopping()], **options)
    with pytest.raises(KeyboardInterrupt):
        train(
            dense_net(),
            data,
            run_dir=tmp_path / "run",
            callbacks=[stopping(), StopAt(8, signal.SIGINT)],
            **options,
        )
    resumed = train(
        dense_net(),
        data,
        run_dir=tmp_path / "run",
        callbacks=[stopping()],
        resume=True,
        **options,
    )
    assert whole.history["epoch"] == resumed.history["epoch"] == [1, 2, 3, 4, 5]
    assert_same_bits(whole.model, resumed.model)


def test_resume_of_a_finished_run_returns_it(digits, tmp_path, no_pictures):
    data, recipe = small_data(digits), mk.Recipe(epochs=1)
    options = {"recipe": recipe, "run_dir": tmp_path / "run", "verbose": 0}
    run = train("mlp_128", data, **options)
    again = train("mlp_128", data, resume=True, **options)
    assert_same_bits(run.model, again.model)
    assert again.metrics == run.metrics
    assert again.history == run.history


def test_a_finished_run_goes_on_to_more_epochs_with_the_bits_of_a_longer_one(
    digits, tmp_path, no_pictures
):
    data, recipe = small_data(digits), mk.Recipe(batch_size=64, ema_momentum=0.9)
    options = {"recipe": recipe, "verbose": 0}
    whole = train("mlp_128_64_dropout", data, epochs=3, **options)
    train("mlp_128_64_dropout", data, epochs=2, run_dir=tmp_path / "run", **options)
    options |= {"run_dir": tmp_path / "run", "resume": True}
    extended = train("mlp_128_64_dropout", data, epochs=3, **options)
    assert_same_bits(whole.model, extended.model)
    assert extended.history["loss"] == whole.history["loss"]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["recipe"]["epochs"] == 3
    again = train("mlp_128_64_dropout", data, epochs=3, **options)
    assert again.metrics == extended.metrics


def test_a_checkpoint_of_another_run_is_refused_and_stays(digits, tmp_path, no_pictures):
    data = small_data(digits)
    options = {"recipe": mk.Recipe(batch_size=64, epochs=2), "verbose": 0}
    for seed in (0, 1):
        train("mlp_128", data, seed=seed, run_dir=tmp_path / str(seed), **options)
    (tmp_path / "0" / "metrics.json").unlink()
    shutil.rmtree(tmp_path / "0" / "checkpoint")
    shutil.copytree(tmp_path / "1" / "checkpoint", tmp_path / "0" / "checkpoint")
    with pytest.raises(
        InputError, match=r"belongs to another run\. These differ: seed\. Remove it"
    ) as caught:
        train("mlp_128", data, run_dir=tmp_path / "0", resume=True, **options)
    assert len(str(caught.value)) < 400
    assert len(list((tmp_path / "0" / "checkpoint").iterdir())) == 4


def test_the_images_of_each_replica_are_printed(digits, capsys):
    options = {"recipe": mk.Recipe(batch_size=64, epochs=1), "verbose": 2}
    train("softmax_regression", small_data(digits), strategy="mirrored", **options)
    assert "4 replicas: 64 images in each step, 16 on each\n" in capsys.readouterr().out
    train("softmax_regression", small_data(digits), strategy="none", **options)
    assert "replicas" not in capsys.readouterr().out


def test_states_are_saved_within_an_epoch_by_steps_and_by_seconds(
    digits, tmp_path, monkeypatch, no_pictures
):
    data, recipe = small_data(digits), mk.Recipe(batch_size=32, epochs=2)
    saved = []
    save = train_module.save_checkpoint

    def note(directory, checkpoint, **options):
        saved.append(checkpoint.step)
        save(directory, checkpoint, **options)

    monkeypatch.setattr(train_module, "save_checkpoint", note)
    options = {"recipe": recipe, "verbose": 0}
    whole = train("mlp_128", data, **options)
    options["run_dir"] = tmp_path / "run"
    run = train("mlp_128", data, checkpoint_steps=3, keep_checkpoints=3, **options)
    assert saved == [3, 6, 8, 9, 12, 15, 16]
    assert len(list((tmp_path / "run" / "checkpoint").glob("*.npz"))) == 3
    assert_same_bits(whole.model, run.model)
    saved.clear()
    every_step = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    options |= {"overwrite": True, "callbacks": [every_step]}
    train("mlp_128", data, checkpoint_seconds=1e-9, **options)
    assert saved == list(range(1, 17))


def test_resume_starts_a_run_where_there_is_none(digits, tmp_path, no_pictures):
    run = train(
        "softmax_regression",
        small_data(digits),
        recipe=mk.Recipe(epochs=1),
        run_dir=tmp_path / "new",
        resume=True,
        verbose=0,
    )
    assert (run.run_dir / "metrics.json").is_file()


DIFFERENT = {
    "seed": ({"seed": 1}, "seed: 0 there, 1 here"),
    "recipe": (
        {"recipe": mk.Recipe(epochs=1, batch_size=64)},
        "recipe.batch_size: 128 there, 64 here",
    ),
    "net": (
        {"model": "softmax_regression"},
        "model: 'mlp_128' there, 'softmax_regression' with other layers here",
    ),
    "precision": (
        {"precision": "mixed_bfloat16"},
        "precision: 'float32' there, 'mixed_bfloat16' here",
    ),
    "data": ({"n": 255}, "data.sha256.train_images: "),
    "class_weight": ({"class_weight": {1: 2.0}}, "class_weight"),
    "validation": (
        {"validation_data": (np.zeros((1, 28, 28), np.uint8), [0])},
        "validation: None there, ['",
    ),
}


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    """Directory of a finished run, which refusals leave as it is."""
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    train("mlp_128", small_data(digits), recipe=mk.Recipe(epochs=1), run_dir=run_dir, verbose=0)
    return run_dir


@pytest.mark.parametrize("what", DIFFERENT)
def test_resume_with_another_run_is_refused_and_loses_nothing(digits, finished, what):
    changes, text = DIFFERENT[what]
    arguments = {"model": "mlp_128", "recipe": mk.Recipe(epochs=1), "n": 256} | changes
    before = (finished / "metrics.json").read_bytes()
    data = small_data(digits, arguments.pop("n"))
    with pytest.raises(InputError, match="cannot be resumed") as caught:
        train(arguments.pop("model"), data, run_dir=finished, resume=True, verbose=0, **arguments)
    assert text in str(caught.value)
    assert (finished / "metrics.json").read_bytes() == before


def test_run_directory_explains_the_run(digits, tmp_path):
    run = train(
        "mlp_128",
        small_data(digits),
        recipe=mk.Recipe(epochs=2, schedule="cosine"),
        run_dir=tmp_path / "run",
        command=["mnist-keras", "train", "mlp_128"],
        verbose=0,
    )
    config = json.loads((run.run_dir / "config.json").read_text())
    assert config["model"]["name"] == "mlp_128"
    assert config["recipe"] == mk.Recipe(epochs=2, schedule="cosine").to_dict()
    assert config["command"] == ["mnist-keras", "train", "mlp_128"]
    assert config["versions"]["keras"] == keras.__version__
    assert config["jit"] is False and config["precision"] == "float32"
    assert set(config["data"]["sha256"]) >= {"train_images", "test_labels"}
    with (run.run_dir / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["learning_rate"]) == pytest.approx(0, abs=1e-9)
    metrics = json.loads((run.run_dir / "metrics.json").read_text())
    assert metrics["accuracy"] == run.evaluation.accuracy
    assert metrics["train_accuracy"] > 0.5 and metrics["train_seconds"] > 0
    assert {path.name for path in (run.run_dir / "plots").iterdir()} >= {
        "confusion_matrix.png",
        "history.png",
    }
    assert_same_bits(mk.load_model(run.run_dir), run.model)


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


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_learns_and_is_saved_in_float32(digits, tmp_path, no_pictures, precision):
    data = from_arrays(
        *(digits.train_images[:256], digits.train_labels[:256]),
        *(digits.test_images[:64], digits.test_labels[:64]),
        digits.class_names,
        name="digits",
        source="memory",
    )
    run = train(
        "mlp_128",
        data,
        recipe=mk.Recipe(epochs=4, batch_size=32),
        precision=precision,
        run_dir=tmp_path / "run",
        verbose=0,
    )
    assert run.metrics["accuracy"] > 0.7
    assert run.model.output.dtype == "float32"
    saved = keras.models.load_model(tmp_path / "run" / "model.keras")
    assert {layer.compute_dtype for layer in saved.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_a_given_model_keeps_its_precision(digits, tmp_path, no_pictures):
    with precision_policy("mixed_bfloat16"):
        model = mk.build_mlp((8,))
    options = {"recipe": mk.Recipe(epochs=1), "run_dir": tmp_path / "run", "verbose": 0}
    with pytest.raises(InputError) as caught:
        train(model, digits, precision="float32", **options)
    assert str(caught.value) == (
        "Invalid `precision`. Expected None or 'mixed_bfloat16', in which the model was built. "
        "Received: 'float32'."
    )
    train(model, digits, **options)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["precision"] == config["recipe"]["precision"] == "mixed_bfloat16"


def test_a_model_of_another_strategy_is_refused(digits):
    with pytest.raises(InputError, match="The model was built outside the strategy"):
        train(dense_net(), small_data(digits), strategy=mirrored(2), verbose=0)


def test_label_smoothing_and_logits_learn(digits):
    model = mk.build_mlp((32,), classifier_activation=None)
    run = train(model, digits, recipe=mk.Recipe(epochs=5, label_smoothing=0.1), verbose=0)
    assert run.metrics["accuracy"] > 0.85


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


BAD = {
    "checkpoint steps": (
        ("mlp_128", {"checkpoint_steps": 0}),
        "Invalid `checkpoint_steps`. Expected an integer of at least 1. Received: 0.",
    ),
    "checkpoint seconds": (
        ("mlp_128", {"checkpoint_seconds": 0}),
        "Invalid `checkpoint_seconds`. Expected a number above 0. Received: 0.",
    ),
    "kept checkpoints": (("mlp_128", {"keep_checkpoints": 0}), "Invalid `keep_checkpoints`."),
    "model name": (("mlp128", {}), "Unknown model 'mlp128'. Did you mean 'mlp_128'?"),
    "model type": ((5, {}), "Invalid `model`. Expected a keras.Model, or a registered name"),
    "recipe name": (("mlp_128", {"recipe": "mlp128"}), "Unknown recipe 'mlp128'"),
    "recipe type": (("mlp_128", {"recipe": 5}), "Invalid `recipe`"),
    "strategy": (("mlp_128", {"strategy": "tpu"}), "Invalid `strategy`. Expected one of: auto"),
    "precision": (("mlp_128", {"precision": "float8"}), "Invalid `precision`"),
    "seed": (("mlp_128", {"seed": -1}), "Invalid `seed`. Expected an integer of at least 0"),
    "large seed": (("mlp_128", {"seed": 2**32}), "at most 4294967295. Received: 4294967296."),
    "verbose": (("mlp_128", {"verbose": 3}), "Invalid `verbose`. Expected 0, 1, 2 or 'auto'."),
    "callback": (
        ("mlp_128", {"callbacks": keras.callbacks.EarlyStopping()}),
        "Invalid `callbacks`. Expected a list of keras.callbacks.Callback objects. Received: <",
    ),
    "validation": (("mlp_128", {"validation_size": 10**6}), "fewer than the 256 training images"),
    "batch": (
        ("mlp_128", {"recipe": mk.Recipe(batch_size=300)}),
        "at most the 256 training images",
    ),
    "resume": (("mlp_128", {"resume": True}), "Invalid `run_dir`"),
    "class weight": (
        ("mlp_128", {"class_weight": {10: 1.0}}),
        "Invalid `class_weight`. Expected a dictionary with labels in [0, 9] as keys. Received: [10].",
    ),
    "class weights": (("mlp_128", {"class_weight": [1, 2]}), "Received: [1, 2]."),
    "negative class weight": (
        ("mlp_128", {"class_weight": {3: -1.0}}),
        "Invalid `class_weight[3]`. Expected a number of at least 0. Received: -1.0.",
    ),
    "validation images alone": (
        ("mlp_128", {"validation_data": np.zeros((1, 28, 28))}),
        "Invalid `validation_data`. Expected (images, labels). Received: ndarray.",
    ),
    "validation labels": (
        ("mlp_128", {"validation_data": (np.zeros((1, 28, 28)), [10])}),
        "Expected images of at most 10 classes, as the model has. Received: 11 classes in validation data.",
    ),
    "validation image size": (
        ("mlp_128", {"validation_data": (np.zeros((1, 20, 20)), [1])}),
        "Expected images of the model's input shape (28, 28, 1). Received: images of shape (20, 20).",
    ),
    "augmentation": (("mlp_128", {"recipe": mk.Recipe(augmentation="flip")}), "augmentation"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_have_a_clear_error(digits, tmp_path, case):
    (model, options), text = BAD[case]
    run_dir = None if "resume" in options else tmp_path / "run"
    with pytest.raises(InputError) as caught:
        train(model, small_data(digits), **{"verbose": 0, "run_dir": run_dir, **options})
    assert text in str(caught.value)
    assert not (tmp_path / "run").exists(), "nothing may be written"


def test_bad_data_has_a_clear_error(digits):
    (x, y), _ = digits
    for data, text in [
        ((x.astype(np.float32) / 127.5 - 1, y), "Map them from [-1, 1] to [0, 1]: "),
        ((x, keras.utils.to_categorical(y) / 2), "argmax"),
        ((x, y[:-1]), "one for each image"),
        ((x[:0], y[:0]), "at least one image"),
        (np.zeros(3), "Invalid `data`"),
        (((x, y, x), (x, y)), "Invalid `data`. Expected a name, a path, an ImageData, (images, "),
        ("mnits", "Unknown dataset 'mnits'. Did you mean 'mnist'?"),
    ]:
        with pytest.raises(InputError) as caught:
            train("mlp_128", data, verbose=0)
        assert text in str(caught.value)
    with pytest.raises(InputError, match="input shape"):
        train(dense_net(), (x[:, :20, :20], y), verbose=0)
    narrow = mk.build_mlp((8,), num_classes=5)
    with pytest.raises(
        InputError, match=r"at most 5 classes, as the model has\. Received: 10 classes in digits"
    ):
        train(narrow, digits, verbose=0)


def test_progress_bar_shows_loss_and_accuracy(digits, capsys):
    train("mlp_128", small_data(digits), recipe=mk.Recipe(epochs=2, batch_size=32), verbose=1)
    shown = capsys.readouterr().out
    assert "Epoch 2/2" in shown and "8/8" in shown
    assert "accuracy" in shown and "loss" in shown


def test_a_run_is_a_line_at_a_prompt_and_a_table_in_a_notebook(digits, tmp_path, no_pictures):
    data, model = small_data(digits), dense_net()
    run = train(model, data, epochs=1, verbose=0, run_dir=tmp_path / "run")
    line = repr(run)
    assert line.startswith(f"TrainingRun({model.name}: epochs 1, seconds ")
    assert f"accuracy on digits test {run.evaluation.accuracy:.2%} (95% interval " in line
    assert line.endswith(f", run_dir {tmp_path / 'run'})")
    assert len(line) < 200 + len(str(tmp_path))
    assert f">{run.evaluation.accuracy:.2%} (95%" in run._repr_html_()
    assert "run_dir" not in repr(dataclasses.replace(run, run_dir=None))


def test_the_callers_random_generators_stay_as_they_are(digits):
    def draws():
        return random.random(), np.random.rand(), float(keras.random.uniform(()))

    keras.utils.set_random_seed(7)
    expected = draws()
    keras.utils.set_random_seed(7)
    train("mlp_128", small_data(digits), recipe=mk.Recipe(epochs=1, batch_size=32), verbose=0)
    assert draws() == expected


def test_a_recipes_fields_are_arguments_too(digits):
    run = train(
        "mlp_128", small_data(digits), epochs=2, batch_size=64, learning_rate=0.01, verbose=0
    )
    assert len(run.history["loss"]) == 2
    assert run.history["learning_rate"] == pytest.approx([0.01, 0.01])
    options = {"epochs": 1, "batch_size": 64, "scale_learning_rate": True}
    run = train("mlp_128", small_data(digits), verbose=0, **options)
    assert run.history["learning_rate"] == pytest.approx([0.0005]), "the recipe's 1e-3 is for 128"
