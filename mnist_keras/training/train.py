"""`train()`: from a net, data and a recipe to a trained, evaluated model and its run directory."""

import dataclasses
import functools
import os
import platform
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mnist_keras._validation import (
    InputError,
    check_images,
    check_labels,
    check_number,
    check_seed,
    invalid,
)
from mnist_keras.data.batches import make_batch_source
from mnist_keras.data.catalog import idx_sha256
from mnist_keras.data.datasets import ImageData, load_data, make_image_data
from mnist_keras.data.records import Records, describe_splits
from mnist_keras.evaluation.evaluate import evaluate_test, measure_accuracy
from mnist_keras.evaluation.metrics import Evaluation
from mnist_keras.evaluation.plotting import GRID_IMAGES, save_plots, worst_errors
from mnist_keras.models.inspection import architecture, check_input_shape
from mnist_keras.models.loading import load_model
from mnist_keras.models.recipes import Recipe
from mnist_keras.models.registry import get_model_spec, is_wide
from mnist_keras.training import devices
from mnist_keras.training.callbacks import check_callbacks, choose_verbosity
from mnist_keras.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from mnist_keras.training.compile import choose_recipe, compile_model
from mnist_keras.training.loop import Progress, TrainingLoop
from mnist_keras.training.run_directory import RunDirectory, versions
from mnist_keras.training.signals import Interrupted


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingRun:
    """What a training leaves.

    Attributes:
        model: The trained model; compiled, unless the run was finished before and only loaded.
        history: Values of each epoch: epoch, loss, accuracy, val_loss and val_accuracy with validation data,
            learning_rate at its end, seconds since the training's start.
        metrics: The content of metrics.json.
        evaluation: The evaluation on the test images.
        run_dir: The run directory, or None.
    """

    model: keras.Model
    history: dict[str, list[float]]
    metrics: dict[str, Any]
    evaluation: Evaluation
    run_dir: Path | None


def train(
    model: str | keras.Model,
    data="auto",
    *,
    recipe: Recipe | str | None = None,
    strategy: str | tf.distribute.Strategy = "auto",
    precision: str | None = None,
    seed: int = 0,
    run_dir: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    validation_data: tuple | None = None,
    validation_size: int | None = None,
    class_weight: Mapping[int, float] | None = None,
    data_dir: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    verbose: int | str = "auto",
    command: Sequence[str] | None = None,
) -> TrainingRun:
    """Trains a net and evaluates it on the test images.

    The order of the images, their augmentation and dropout depend on the seed and the step alone: two runs agree to
    the bit on one machine, also when one of them was interrupted and resumed.

    Args:
        model: Name of a registered net, or a `keras.Model` for grey images that returns class probabilities or
            logits. It is compiled anew, by the recipe.
        data: An `ImageData`; what `load_data` takes; or arrays `(images, labels)` or
            `((train_images, train_labels), (test_images, test_labels))`, images uint8 or floats in [0, 1]. Without
            labelled test images, 20 % of the images are held out for the test. For data larger than memory
            `(train_records, test_records)`, either of them `Records`, see `open_records`, or `(images, labels)`; the
            weights are those of training on the same images in memory.
        recipe: A `Recipe` or the name of one; a registered net's own, or `Recipe()`, if None.
        strategy: "auto", "none" or "mirrored", see `get_strategy`, or a strategy; a model built under a strategy is
            trained by that.
        precision: "float32", "mixed_bfloat16", "mixed_float16" or "auto"; the recipe's if None. A model that is given
            keeps its own.
        seed: Of the initial weights of a registered net, and of batches, augmentation and dropout.
        run_dir: Directory for configuration, history, metrics, model, checkpoints and plots; nothing is written if
            None.
        callbacks: Keras callbacks; their batch hooks are called as with `steps_per_execution`. In a resumed run each
            gets back what the first one of its class had changed in itself, the second one the second's, and so on.
        validation_data: `(images, labels)` to validate on after each epoch.
        validation_size: Number of the last training images to hold out for that; the recipe's if None.
        class_weight: Weight of each class in the loss, by label; 1 for those left out.
        data_dir: Directory of the data set's files, if `data` is a name.
        resume: Whether to go on with the run in `run_dir`; starts one if there is none.
        overwrite: Whether to replace the run in `run_dir`.
        verbose: 0 silent, 1 progress bar, 2 a line per epoch, "auto" 1 in a terminal and else 2.
        command: Command line to note in config.json.

    Returns:
        The trained model, its history and its metrics.

    Raises:
        InputError: If an argument is not legal, and nothing is written; or if records can no longer be read, once the
            state is saved.
        FloatingPointError: If the loss is no longer finite.
        OSError: If the disk is full; what was saved before stays whole.
        KeyboardInterrupt: After Ctrl-C, once the state is saved.
        SystemExit: With status 143 after SIGTERM, once the state is saved.

    Example:
        run = train("mlp_128", "mnist", run_dir="runs/first")
        print(run.evaluation.report())
    """
    recipe = choose_recipe(model, recipe, precision, validation_size)
    seed, verbose = check_seed(seed), choose_verbosity(verbose)
    check_callbacks(callbacks)
    directory = None if run_dir is None else RunDirectory(run_dir)
    if directory is not None:
        directory.check(resume=resume, overwrite=overwrite)
    elif resume or overwrite:
        raise invalid("run_dir", expected="a directory to resume or overwrite", received="None")
    data = _choose_data(data, data_dir)
    strategy = devices.choose_strategy(strategy, model)
    devices.check_replicas(recipe.batch_size, strategy.num_replicas_in_sync, recipe.optimizer)
    train_images, train_labels, validation = _split(data, recipe, validation_data)

    policy = devices.choose_precision(recipe.precision, wide=is_wide(model))
    with strategy.scope():
        model = _choose_model(model, data, policy, seed)
        class_weight = _check_classes(model, data, validation, class_weight)
        source = make_batch_source(
            train_images,
            train_labels,
            batch_size=recipe.batch_size,
            augmentation=recipe.augmentation,
        )
        compile_model(model, recipe, recipe.epochs * source.steps_per_epoch)
    jit = devices.choose_jit(
        recipe.jit,
        model,
        num_replicas=strategy.num_replicas_in_sync,
        augmented=source.augmentation is not None,
    )
    config = {
        "model": {"name": model.name, "architecture": architecture(model)},
        "recipe": recipe.to_dict(),
        "data": {"name": data.name, "source": data.source, "sha256": dict(data.sha256)},
        "validation": None if validation_data is None else [idx_sha256(x) for x in validation],
        "seed": seed,
        "precision": policy,
        "jit": jit,
        "class_weight": {str(label): weight for label, weight in class_weight.items()},
        "strategy": type(strategy).__name__,
        "num_replicas": strategy.num_replicas_in_sync,
        "devices": devices.describe_devices(),
        "versions": versions(),
        "platform": platform.platform(),
        "command": list(command) if command else None,
    }
    checkpoint = None
    if directory is not None:
        if resume and directory.has_run:
            directory.check_same_run(config)
            if directory.is_finished:
                return _load_finished(directory, data)
            checkpoint = load_checkpoint(directory.checkpoints)
        else:
            directory.start(config)
    loop = TrainingLoop(
        model,
        strategy,
        source,
        seed=seed,
        validation=validation,
        class_weight=class_weight,
        one_hot=recipe.label_smoothing > 0,
        jit=jit,
    )

    try:
        progress = loop.run(
            recipe.epochs,
            callbacks=callbacks,
            verbose=verbose,
            checkpoint=checkpoint,
            save=functools.partial(_save, directory) if directory else None,
        )
    except Interrupted as interruption:
        if interruption.signal_number == signal.SIGTERM:
            raise SystemExit(143) from interruption
        raise KeyboardInterrupt from interruption
    return _finish(model, data, (train_images, train_labels), progress, directory)


def _choose_data(data, data_dir) -> ImageData:
    if isinstance(data, str | os.PathLike):
        return load_data(data, data_dir=data_dir).with_test_split()
    if data_dir is not None:
        raise invalid("data_dir", expected="None with data in memory", received=repr(data_dir))
    if isinstance(data, ImageData):
        return data.with_test_split()
    if isinstance(data, tuple | list) and any(isinstance(x, Records) for x in data):
        arrays_or_records, names, sha256 = describe_splits(*data)
        name = next(x.name for x in data if isinstance(x, Records))
        return ImageData(*arrays_or_records, names, name, "records", sha256)
    try:
        first, second = data
        splits = data if isinstance(first, tuple | list) else [(first, second)]
        arrays = [array for images, labels in splits for array in (images, labels)]
    except (TypeError, ValueError) as error:
        raise invalid(
            "data",
            expected="a name, a path, an ImageData, (images, labels) or (train, test), each of those two "
            "(images, labels) or Records",
            received=type(data).__name__,
        ) from error
    arrays[::2] = [check_images(images) for images in arrays[::2]]
    return make_image_data(*arrays, name="arrays", source="memory").with_test_split()


def _choose_model(model, data, policy, seed) -> keras.Model:
    if isinstance(model, str):
        spec = get_model_spec(model)
        keras.utils.set_random_seed(seed)
        with devices.precision_policy(policy):
            return spec.build(num_classes=data.num_classes, input_shape=data.input_shape)
    if not isinstance(model, keras.Model):
        raise invalid("model", expected="a registered name or a keras.Model", received=repr(model))
    return model


def _split(data, recipe, validation_data):
    """Returns training images and labels, and validation images and labels or None."""
    images, labels = data.train_images, data.train_labels
    if validation_data is not None:
        if recipe.validation_size:
            raise InputError("Give `validation_data` or `validation_size`, not both.")
        try:
            held_images, held_labels = validation_data
        except (TypeError, ValueError) as error:
            received = type(validation_data).__name__
            raise invalid(
                "validation_data", expected="(images, labels)", received=received
            ) from error
        held_images = check_images(held_images, name="validation_data")
        held_labels = check_labels(
            held_labels, num_examples=len(held_images), name="validation_data"
        )
        return images, labels, (held_images, held_labels)
    size = recipe.validation_size
    if size >= len(images):
        raise invalid(
            "validation_size",
            expected=f"fewer than the {len(images)} training images",
            received=size,
        )
    if size and isinstance(images, Records):
        held = images.read(range(len(images) - size, len(images)))
        return images.without_last(size), None, held
    if size:
        return images[:-size], labels[:-size], (images[-size:], labels[-size:])
    return images, labels, None


def _check_classes(model, data, validation, class_weight) -> dict[int, float]:
    """Checks that the images and labels are those of the model; returns the class weights by plain labels."""
    for images, labels in (*data, *([validation] if validation else [])):
        check_input_shape(model, images.shape[1:])
        if not isinstance(images, Records):
            check_labels(labels, num_classes=model.output_shape[-1])
        elif images.num_classes > model.output_shape[-1]:
            raise invalid(
                "data",
                expected=f"records of at most {model.output_shape[-1]} classes, as the model has",
                received=f"{images.num_classes} classes in {images.name}",
            )
    legal = range(model.output_shape[-1])
    class_weight = {} if class_weight is None else class_weight
    if not isinstance(class_weight, Mapping) or any(label not in legal for label in class_weight):
        received = list(class_weight) if isinstance(class_weight, Mapping) else repr(class_weight)
        expected = f"a dictionary with labels in [0, {legal[-1]}] as keys"
        raise invalid("class_weight", expected=expected, received=received)
    return {
        int(label): check_number(f"class_weight[{label}]", weight, minimum=0)
        for label, weight in class_weight.items()
    }


def _save(directory: RunDirectory, checkpoint: Checkpoint) -> None:
    save_checkpoint(directory.checkpoints, checkpoint)
    if checkpoint.state["history"]:
        directory.write_history(checkpoint.state["history"])


def _finish(model, data, train_split, progress: Progress, directory) -> TrainingRun:
    evaluation = evaluate_test(model, data)
    metrics = {
        **evaluation.to_dict(),
        "train_accuracy": measure_accuracy(model, *train_split),
        "train_seconds": round(progress.seconds, 3),
    }
    if directory is not None:
        directory.write_history(progress.history)
        directory.save_model(model)
        save_plots(
            directory.plots,
            history=progress.history,
            images=_shown_images(data.test_images, evaluation),
            evaluation=evaluation,
        )
        directory.write_metrics(metrics)
    return TrainingRun(
        model, progress.history, metrics, evaluation, directory.path if directory else None
    )


def _shown_images(images, evaluation):
    """Returns images as `save_plots` takes them; of records only those that it shows are read."""
    if not isinstance(images, Records):
        return images
    worst = worst_errors(evaluation.labels, evaluation.probabilities)[:GRID_IMAGES]
    return images.sparse([*range(min(GRID_IMAGES, len(images))), *worst])


def _load_finished(directory, data) -> TrainingRun:
    model = load_model(directory.path)
    return TrainingRun(
        model,
        directory.read_history(),
        directory.read_metrics(),
        evaluate_test(model, data),
        directory.path,
    )
