"""A run that ended early goes on to the bits of one left alone; another run is refused."""

import json
import shutil
import signal

import keras
import numpy as np
import pytest
from small_runs import StopAt, assert_same_bits, dense_net, small_data

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.training import train as train_module
from mnist_keras.training.train import train


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
