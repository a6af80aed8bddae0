"""`train()`: from a model, data and a recipe to a trained, evaluated model and its run directory."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import dataclasses
import functools
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mnist_keras._html import escape, table
from mnist_keras._validation import check_seed, invalid
from mnist_keras.data.batches import make_batch_source
from mnist_keras.data.datasets import resolve_data
from mnist_keras.data.image_data import ImageData
from mnist_keras.data.splits import Split
from mnist_keras.evaluation.evaluate import evaluate_test, measure_accuracy
from mnist_keras.evaluation.metrics import Evaluation
from mnist_keras.evaluation.plotting import save_plots
from mnist_keras.evaluation.report import write_report
from mnist_keras.models.inspection import check_backend
from mnist_keras.models.loading import load_model
from mnist_keras.models.recipes import Recipe
from mnist_keras.training.callbacks import check_callbacks, choose_verbosity
from mnist_keras.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from mnist_keras.training.compile import compile_model
from mnist_keras.training.devices import choose_jit
from mnist_keras.training.loop import Progress, TrainingLoop
from mnist_keras.training.plan import (
    check_class_weight,
    check_fit,
    choose_recipe,
    hold_out,
    make_plan,
    say_what_is_odd,
)
from mnist_keras.training.run_directory import RunDirectory
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

    def __repr__(self) -> str:
        facts = [f"{name} {fact}" for name, fact in self._facts().items() if name != "model"]
        return f"TrainingRun({self.model.name}: {', '.join(facts)})"

    def _repr_html_(self) -> str:
        return table([(name, escape(fact)) for name, fact in self._facts().items()])

    def _facts(self) -> dict[str, str]:
        evaluation = self.evaluation
        low, high = evaluation.accuracy_ci95
        subject = " ".join(filter(None, [evaluation.dataset, evaluation.split]))
        facts = {
            "model": self.model.name,
            "epochs": str(len(self.history.get("epoch", ()))),
            "seconds": f"{self.metrics['train_seconds']:,.1f}",
            f"accuracy on {subject}": f"{evaluation.accuracy:.2%} (95% interval {low:.2%} to {high:.2%})",
        }
        return facts if self.run_dir is None else facts | {"run_dir": str(self.run_dir)}


def train(
    model: str | keras.Model,
    data="auto",
    *,
    recipe: Recipe | str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    strategy: str | tf.distribute.Strategy = "auto",
    precision: str | None = None,
    seed: int = 0,
    run_dir: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    validation_data: Sequence[Any] | Split | None = None,
    validation_size: int | None = None,
    class_weight: Mapping[int, float] | None = None,
    data_dir: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    verbose: int | str = "auto",
    command: Sequence[str] | None = None,
) -> TrainingRun:
    """Trains a model and evaluates it on the test images.

    The order of the images, their augmentation and dropout depend on the seed and the step alone. Two runs on one
    machine agree to the bit, even if one of them was interrupted and resumed.

    Args:
        model: Name of a registered model, or a `keras.Model` for gray images that returns class probabilities or
            logits. The recipe compiles it again.
        data: An `ImageData`; what `load_data` takes; or arrays `(images, labels)` or
            `((train_images, train_labels), (test_images, test_labels))`, images uint8 or floats in [0, 1]. Without
            labeled test images, 20% of the images are held out for the test. For data larger than memory, pass
            `(train_records, test_records)`; either can be `Records`, see `open_records`, or `(images, labels)`. The
            weights equal those of training on the same images in memory.
        recipe: A `Recipe` or the name of one; if None, a registered model's own, or `Recipe()`.
        epochs: Passes over the training images; the recipe's if None.
        batch_size: Images per step over all replicas together; the recipe's if None.
        learning_rate: The recipe's if None.
        strategy: "auto", "none" or "mirrored", see `get_strategy`, or a strategy; a model built under a strategy is
            trained by it.
        precision: "float32", "mixed_bfloat16", "mixed_float16" or "auto"; the recipe's if None. A given model keeps
            its own.
        seed: Seed of a registered model's initial weights, of batches, augmentation and dropout.
        run_dir: Directory for configuration, history, metrics, model, checkpoints and plots; nothing is written if
            None.
        callbacks: Keras callbacks; their batch hooks are called as with `steps_per_execution`. In a resumed run, each
            callback gets back what the first of its class had changed in itself, the second what the second had, and
            so on.
        validation_data: `(images, labels)`, or a split, to validate on after each epoch.
        validation_size: Number of the last training images to hold out for validation; the recipe's if None.
        class_weight: Weight of each class in the loss, by label; 1 for labels that are left out.
        data_dir: Directory of the dataset's files, if `data` is a name.
        resume: Whether to continue the run in `run_dir`; starts one if there is none.
        overwrite: Whether to replace the run in `run_dir`.
        verbose: 0 silent, 1 progress bar, 2 one line per epoch, "auto" 1 in a terminal and otherwise 2.
        command: Command line to note in config.json.

    Returns:
        The trained model, its history and its metrics.

    Raises:
        InputError: If an argument is not legal, and nothing is written; or if records can no longer be read, once the
            state is saved.
        FloatingPointError: If the loss is no longer finite.
        OSError: If the disk is full; what was saved before stays whole.
        KeyboardInterrupt: After Ctrl-C, once the state is saved.
        SystemExit: With status 143 after SIGTERM, or 129 after SIGHUP, once the state is saved.

    Example:
        run = train("mlp_128", "mnist", run_dir="runs/first")
        print(run.evaluation.report())
    """
    check_backend("train")
    recipe = choose_recipe(
        model,
        recipe,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        precision=precision,
        validation_size=validation_size,
    )
    plan = make_plan(model, recipe, strategy=strategy, seed=check_seed(seed))
    verbose = choose_verbosity(verbose)
    check_callbacks(callbacks, recipe.schedule)
    directory = _check_directory(run_dir, resume=resume, overwrite=overwrite)
    data = resolve_data(data, data_dir)
    say_what_is_odd(model, data)
    if isinstance(model, keras.Model):  # it may know more classes than the data has
        data = data.with_class_names(tuple(map(str, range(model.output_shape[-1]))))
    train_split, validation = hold_out(data, recipe, validation_data)
    with plan.strategy.scope():
        model = plan.build(model, data)
        check_fit(model, data.train, data.test, *([validation] if validation else []))
        class_weight = check_class_weight(class_weight, model.output_shape[-1])
        source = make_batch_source(
            train_split, batch_size=recipe.batch_size, augmentation=recipe.augmentation
        )
        compile_model(model, recipe, recipe.epochs * source.steps_per_epoch)
    jit = choose_jit(
        recipe.jit,
        model,
        num_replicas=plan.strategy.num_replicas_in_sync,
        augmented=source.augmentation is not None,
    )
    checkpoint = None
    if directory is not None:
        config = plan.config(model, data, validation, class_weight=class_weight, jit=jit)
        config["command"] = list(command) if command else None
        if resume and directory.has_run:
            directory.check_same_run(config)
            if directory.is_finished:
                return _load_finished(directory, data)
            checkpoint = load_checkpoint(directory.checkpoints)
        else:
            directory.start(config)
    loop = TrainingLoop(
        model,
        plan.strategy,
        source,
        seed=plan.seed,
        validation=validation,
        class_weight=class_weight,
        one_hot=recipe.label_smoothing > 0,
        jit=jit,
    )
    progress = _run(
        loop,
        recipe.epochs,
        callbacks=callbacks,
        verbose=verbose,
        checkpoint=checkpoint,
        save=functools.partial(_save, directory) if directory else None,
    )
    return _finish(model, data, train_split, progress, directory)


def _check_directory(run_dir, *, resume, overwrite) -> RunDirectory | None:
    if run_dir is not None:
        directory = RunDirectory(run_dir)
        directory.check(resume=resume, overwrite=overwrite)
        return directory
    if resume or overwrite:
        raise invalid("run_dir", expected="a directory to resume or overwrite", received="None")
    return None


def _run(loop: TrainingLoop, epochs: int, **options: Any) -> Progress:
    """Runs the loop; a signal ends the process as it does elsewhere, once the state is saved."""
    try:
        return loop.run(epochs, **options)
    except Interrupted as interruption:
        if interruption.signal_number == signal.SIGINT:
            raise KeyboardInterrupt from interruption
        raise SystemExit(128 + interruption.signal_number) from interruption  # as shells count


def _save(directory: RunDirectory, checkpoint: Checkpoint) -> None:
    save_checkpoint(directory.checkpoints, checkpoint)
    if checkpoint.state["history"]:
        directory.write_history(checkpoint.state["history"])


def _finish(model, data, train_split, progress: Progress, directory) -> TrainingRun:
    evaluation = evaluate_test(model, data)
    metrics = {
        **evaluation.to_dict(),
        "train_accuracy": measure_accuracy(model, train_split),
        "train_seconds": round(progress.seconds, 3),
    }
    if directory is not None:
        directory.write_history(progress.history)
        directory.save_model(model)
        save_plots(
            directory.plots, history=progress.history, examples=data.test, evaluation=evaluation
        )
        write_report(
            directory.report,
            evaluation,
            data.test,
            history=progress.history,
            config=directory.read_config(),
            metrics=metrics,
        )
        directory.write_metrics(metrics)
    return TrainingRun(
        model, progress.history, metrics, evaluation, directory.path if directory else None
    )


def _load_finished(directory: RunDirectory, data: ImageData) -> TrainingRun:
    model = load_model(directory.path)
    return TrainingRun(
        model,
        directory.read_history(),
        directory.read_metrics(),
        evaluate_test(model, data),
        directory.path,
    )
