"""`train()`: from a model, data and a recipe to a trained, evaluated model and its run directory."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import contextlib
import functools
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mnist_keras._validation import check_flags, check_seed, invalid
from mnist_keras.data.batches import make_batch_source
from mnist_keras.data.datasets import resolve_data
from mnist_keras.data.splits import Split
from mnist_keras.models.inspection import check_backend
from mnist_keras.models.recipes import Recipe
from mnist_keras.training.callbacks import check_callbacks, choose_verbosity, for_worker
from mnist_keras.training.compile import compile_model
from mnist_keras.training.devices import choose_jit
from mnist_keras.training.loop import TrainingLoop
from mnist_keras.training.outcome import TrainingRun, finish, load_finished
from mnist_keras.training.pace import Cadence, Interrupted
from mnist_keras.training.plan import (
    Plan,
    check_class_weight,
    check_fit,
    choose_recipe,
    hold_out,
    make_plan,
    say_what_is_odd,
)
from mnist_keras.training.run_directory import RunDirectory
from mnist_keras.training.saving.checkpoints import (
    KEPT,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from mnist_keras.training.saving.identity import digests
from mnist_keras.training.saving.state import Progress, send_checkpoint
from mnist_keras.training.workers.exchange import Workers


def train(
    model: str | keras.Model,
    data="auto",
    *,
    recipe: Recipe | str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    scale_learning_rate: bool = False,
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
    checkpoint_steps: int | None = None,
    checkpoint_seconds: float | None = None,
    keep_checkpoints: int = KEPT,
    verbose: int | str = "auto",
    command: Sequence[str] | None = None,
) -> TrainingRun:
    """Trains a model and evaluates it on the test images.

    The order of the images, their augmentation and dropout depend only on the seed and the step. Two runs on one
    machine agree bit for bit, even if one of them was interrupted and resumed.

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
        learning_rate: Learning rate; the recipe's if None.
        scale_learning_rate: Whether another `batch_size` scales the recipe's learning rate in proportion, see
            `Recipe.for_batch_size`.
        strategy: "auto", "none", "mirrored" or "multi_worker", see `get_strategy`, or a strategy; a model built under
            a strategy is trained by it. With several workers, each makes the same call, and only the chief reads and
            writes the run directory.
        precision: "float32", "mixed_bfloat16", "mixed_float16" or "auto"; the recipe's if None. A given model keeps
            its own.
        seed: Seed of a registered model's initial weights, of batches, augmentation and dropout.
        run_dir: Directory for configuration, history, metrics, model, checkpoints and plots; nothing is written if
            None.
        callbacks: Keras callbacks; their batch hooks are called as with `steps_per_execution`. In a resumed run, the
            state of each callback is restored; callbacks of the same class are matched in order.
        validation_data: `(images, labels)`, or a split, to validate on after each epoch.
        validation_size: Number of the last training images to hold out for validation; the recipe's if None.
        class_weight: Weight of each class in the loss, by label; 1 for labels that are left out.
        data_dir: Directory of the dataset's files, if `data` is a name.
        resume: Whether to continue the run in `run_dir`; starts one if there is none. A finished run is extended if
            `epochs` has grown and its schedule is "constant"; it ends with the same bits as a run that had this number
            of epochs from the start.
        overwrite: Whether to replace the run in `run_dir`.
        checkpoint_steps: Also save the state after each multiple of this many steps, not only after each epoch.
        checkpoint_seconds: Also save the state once this many seconds have passed since the last save.
        keep_checkpoints: How many of the newest states are kept on disk.
        verbose: 0 silent, 1 progress bar, 2 one line per epoch, "auto" 1 in a terminal and otherwise 2.
        command: Command line to note in config.json.

    Returns:
        The trained model, its history and its metrics.

    Raises:
        InputError: If an argument is invalid, and nothing is written; or if records can no longer be read, once the
            state is saved.
        FloatingPointError: If the loss is no longer finite.
        OSError: If the disk is full; earlier checkpoints stay intact. With several workers, also if one is lost; the
            message names it.
        KeyboardInterrupt: After Ctrl-C, once the state is saved.
        SystemExit: With status 143 after SIGTERM, or 129 after SIGHUP, once the state is saved.

    Example:
        run = train("mlp_128", "mnist", run_dir="runs/first")
        print(run.evaluation.report())
    """
    check_backend("train")
    check_flags(scale_learning_rate=scale_learning_rate, resume=resume, overwrite=overwrite)
    recipe = choose_recipe(
        model,
        recipe,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        scale_learning_rate=scale_learning_rate,
        precision=precision,
        validation_size=validation_size,
    )
    seed, verbose = check_seed(seed), choose_verbosity(verbose)
    check_callbacks(callbacks, recipe.schedule)
    cadence = Cadence(checkpoint_steps, checkpoint_seconds, keep_checkpoints)
    plan = make_plan(model, recipe, strategy=strategy, seed=seed)
    workers = Workers(plan.strategy)
    with workers.naming_the_lost(), contextlib.ExitStack() as stack:
        files = _Files(workers, run_dir, resume=resume, overwrite=overwrite)
        data = resolve_data(data, data_dir)
        if workers.is_chief:
            say_what_is_odd(model, data)
            if verbose:
                plan.print_batch()
        if isinstance(model, keras.Model):  # the model may know more classes than the data has
            data = data.with_class_names(tuple(map(str, range(model.output_shape[-1]))))
        data = hold_out(data, recipe, validation_data)
        workers.check_agreement(plan.terms(model, data, class_weight, callbacks, cadence))
        model = plan.build(model, data)
        check_fit(model, data)
        class_weight = check_class_weight(class_weight, model.output_shape[-1])
        loop = make_loop(plan, model, data.train, data.validation, class_weight)
        config = plan.config(model, data, class_weight=class_weight, jit=loop.jit)
        config["command"] = list(command) if command else None
        checkpoint = files.open(config, stack)
        if files.directory and files.is_finished:
            return load_finished(model, data, files.directory, workers)
        progress = _run(
            loop,
            recipe.epochs,
            callbacks=for_worker(callbacks, is_chief=workers.is_chief),
            verbose=verbose if workers.is_chief else 0,
            checkpoint=checkpoint,
            save=files.saver(config, keep_checkpoints),
            cadence=cadence,
        )
        return finish(model, data, progress, files.directory, workers)


def make_loop(
    plan: Plan,
    model: keras.Model,
    images: Split,
    validation: Split | None = None,
    class_weight: Mapping[int, float] | None = None,
) -> TrainingLoop:
    """Compiles a model as a plan says, and returns the loop that trains it."""
    recipe, strategy = plan.recipe, plan.strategy
    with strategy.scope():
        source = make_batch_source(
            images, batch_size=recipe.batch_size, augmentation=recipe.augmentation
        )
        compile_model(model, recipe, recipe.epochs * source.steps_per_epoch)
    replicas, augmented = strategy.num_replicas_in_sync, source.augmentation is not None
    return TrainingLoop(
        model,
        strategy,
        source,
        seed=plan.seed,
        validation=validation,
        class_weight=class_weight,
        one_hot=recipe.label_smoothing > 0,
        jit=choose_jit(recipe.jit, model, num_replicas=replicas, augmented=augmented),
    )


class _Files:
    """The files of a run, if it has a directory. Each worker makes the same calls; the chief alone reads and writes.

    Attributes:
        directory: The run directory, or None.
        is_finished: Whether `open` found a finished run.

    Raises:
        InputError: If no run may be written there.
    """

    def __init__(
        self, workers: Workers, run_dir: str | Path | None, *, resume: bool, overwrite: bool
    ):
        if run_dir is None and (resume or overwrite):
            raise invalid("run_dir", expected="a directory to resume or overwrite", received="None")
        self._workers, self._resume, self._overwrite = workers, resume, overwrite
        path = workers.from_chief(functools.partial(self._check, run_dir))
        self.directory = RunDirectory(path) if path else None
        self.is_finished = False

    def _check(self, run_dir: str | Path | None) -> str | None:
        if run_dir is None:
            return None
        directory = RunDirectory(run_dir)
        directory.check(resume=self._resume, overwrite=self._overwrite)
        return str(directory.path)

    def open(self, config: Mapping[str, Any], stack: contextlib.ExitStack) -> Checkpoint | None:
        """Starts, continues or extends the run; `stack` keeps the directory locked.

        Returns:
            The state to continue from, if there is one.
        """
        directory, checkpoint = self.directory, None
        if directory is None:
            return None

        def open_it() -> bool:
            nonlocal checkpoint
            if self._resume and directory.is_finished:  # perhaps another user's, so it is only read
                directory.check_same_run(config)
                if not directory.is_extended_by(config):
                    return True
            stack.enter_context(directory.writing(resume=self._resume, overwrite=self._overwrite))
            if not (self._resume and directory.has_run):
                directory.start(config)
                return False
            directory.check_same_run(config)
            extended = directory.is_extended_by(config)
            if directory.is_finished and not extended:
                return True
            checkpoint = load_checkpoint(directory.checkpoints, identity=digests(config))
            if extended:
                directory.extend(config, checkpoint)
            return False

        self.is_finished = self._workers.from_chief(open_it)
        return send_checkpoint(self._workers, checkpoint)

    def saver(self, config: Mapping[str, Any], keep: int) -> Callable[[Checkpoint], None] | None:
        """Returns what saves a state and keeps the newest; None without a directory, or for another worker."""
        directory = self.directory
        if directory is None or not self._workers.is_chief:
            return None
        identity = digests(config)

        def save(checkpoint: Checkpoint) -> None:
            save_checkpoint(directory.checkpoints, checkpoint, identity=identity, keep=keep)
            if checkpoint.state["history"]:
                directory.write_history(checkpoint.state["history"])

        return save


def _run(loop: TrainingLoop, epochs: int, **options: Any) -> Progress:
    """Runs the loop; a signal ends the process as it does elsewhere, once the state is saved."""
    try:
        return loop.run(epochs, **options)
    except Interrupted as interruption:
        if interruption.signal_number == signal.SIGINT:
            raise KeyboardInterrupt from interruption
        raise SystemExit(128 + interruption.signal_number) from interruption  # as shells report it
