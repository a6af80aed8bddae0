"""The one training loop, for every strategy: compiled steps, Keras's callbacks, and a state that can be saved anywhere.

`Model.fit` cannot resume within an epoch, weights uneven last batches wrongly under `MirroredStrategy`, fails under
several workers, and is several times slower on small models. This loop gives the same results.
"""

import contextlib
import functools
import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from mnist_keras._validation import InputError
from mnist_keras.data.batches import BatchSource, get_batch, to_input
from mnist_keras.data.splits import Split
from mnist_keras.data.windows import Windows
from mnist_keras.models.inspection import input_scale
from mnist_keras.training.callbacks import wants_every_step
from mnist_keras.training.devices import copy_to_replicas, synchronized_batch_norm
from mnist_keras.training.fused_ops import fused_kernels
from mnist_keras.training.pace import EACH_EPOCH, Cadence, Interrupted, Pace, Signals
from mnist_keras.training.saving.checkpoints import Checkpoint
from mnist_keras.training.saving.state import Progress, TrainingState
from mnist_keras.training.workers.exchange import Workers

VALIDATION_BATCH_SIZE = 500  # images
COLUMNS = ("epoch", "learning_rate", "seconds")  # of the history, in addition to what Keras logs


class TrainingLoop:
    """Trains a compiled model on batches that are pure functions of (seed, step).

    Args:
        model: Compiled within `strategy.scope()`, loss on integer labels or, if `one_hot`, on one-hot rows.
        strategy: The replicas; the batch size must be a multiple of their number.
        source: The training images.
        seed: Seed of batches, augmentation and dropout.
        validation: The validation images, or None.
        class_weight: Weight of each class in the loss, or None.
        one_hot: Whether the loss wants one-hot rows.
        jit: Whether XLA compiles the steps.
    """

    def __init__(
        self,
        model: keras.Model,
        strategy: tf.distribute.Strategy,
        source: BatchSource,
        *,
        seed: int,
        validation: Split | None = None,
        class_weight: Mapping[int, float] | None = None,
        one_hot: bool = False,
        jit: bool = False,
    ):
        self.model, self.strategy, self.source, self.seed = model, strategy, source, seed
        self.validation, self.one_hot, self.jit = validation, one_hot, jit
        self.num_classes = model.output_shape[-1]
        self.workers = Workers(strategy)
        self.scale = input_scale(model)
        self.class_weights = (
            tf.constant([class_weight.get(label, 1.0) for label in range(self.num_classes)])
            if class_weight
            else None
        )
        self._seed_states = [
            (variable, _layer_key(seed, index))
            for index, variable in enumerate(
                v for v in model.variables if v.path.endswith("seed_generator_state")
            )
        ]
        # Without AutoGraph, which Keras does not use either: it would read and rewrite every function called here.
        compiled = functools.partial(tf.function, autograph=False)
        # Partials: TensorFlow counts the traces of methods by their code, and would warn when a process trains often.
        steps = functools.partial(self._steps)
        steps.__name__ = "_steps"  # type: ignore[attr-defined]  # in TensorFlow's and XLA's own output
        self._run_steps = compiled(steps, jit_compile=jit)
        self._validate_batch = compiled(
            functools.partial(self._validation_sums), reduce_retracing=True
        )
        with strategy.scope():
            model.optimizer.build(model.trainable_variables)
            self._build_metrics()
            share = source.batch_size // self.workers.count
            self._windows = Windows(
                source,
                seed,
                functools.partial(copy_to_replicas, strategy),
                rows=range(self.workers.index * share, (self.workers.index + 1) * share),
            )
        self._state = TrainingState(model, strategy, ())

    @property
    def progress(self) -> Progress:
        return self._state.progress

    def run(
        self,
        epochs: int,
        *,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: int = 0,
        checkpoint: Checkpoint | None = None,
        save: Callable[[Checkpoint], None] | None = None,
        cadence: Cadence = EACH_EPOCH,
    ) -> Progress:
        """Trains until `epochs` are done or a callback stops it.

        Args:
            epochs: Number of epochs, those of the checkpoint included.
            callbacks: Keras callbacks. Batch hooks are called once per compiled chunk of steps, but after every step
                if a callback defines one.
            verbose: 0 silent, 1 progress bar, 2 a line per epoch.
            checkpoint: State to continue from.
            save: Called with the state after each epoch, and when SIGINT or SIGTERM comes.
            cadence: How often it is called within an epoch.

        Returns:
            How far it got, with the history of all epochs.

        Raises:
            Interrupted: After SIGINT or SIGTERM, at the next chunk's end.
            InputError: If records can no longer be read; the state after the last step before is saved.
            FloatingPointError: If the loss is no longer finite; the last finite epoch stays saved.
            LostWorkerError: If another worker is gone.
        """
        steps_per_epoch = self.source.steps_per_epoch
        self._windows.num_steps = last_step = epochs * steps_per_epoch
        hooks = keras.callbacks.CallbackList(
            list(callbacks),
            add_history=True,
            add_progbar=verbose > 0,
            model=self.model,
            verbose=verbose,
            epochs=epochs,
            steps=steps_per_epoch,
        )
        self.model.stop_training = False
        hooks.on_train_begin()
        self._state = TrainingState(self.model, self.strategy, callbacks)
        if checkpoint is not None:
            epoch, steps_done = divmod(checkpoint.step, steps_per_epoch)
            if steps_done:  # the restored state overwrites what this changes
                hooks.on_epoch_begin(epoch)
            self._state.restore(checkpoint)
        progress, every_step = self.progress, any(map(wants_every_step, callbacks))
        self._start = time.perf_counter() - progress.seconds
        closing, fused = contextlib.closing(self._windows), fused_kernels(self.model)
        synchronized = synchronized_batch_norm(self.model, self.strategy)  # not fused
        with Signals() as signals, synchronized, fused, closing:
            pace = Pace(signals, self.workers, cadence, fixed=1 if every_step else None)
            pace.look()
            while progress.step < last_step and not (progress.stopped or pace.signal):
                epoch, steps_done = divmod(progress.step, steps_per_epoch)
                if not steps_done:
                    hooks.on_epoch_begin(epoch)
                try:
                    logs = self._epoch(epoch, hooks, pace, save)
                except InputError:  # records that can no longer be read
                    self._save(save)
                    raise
                if pace.signal and progress.step < (epoch + 1) * steps_per_epoch:
                    self._save(save)
                    break
                logs |= self._validate(hooks)
                hooks.on_epoch_end(epoch, logs)
                pace.look(stop=self.model.stop_training)
                progress.stopped = pace.stop
                progress.loss_sum, progress.num_correct = 0.0, 0
                progress.seconds = time.perf_counter() - self._start
                _check_finite(epoch, logs)
                self._append_history(epoch, logs)
                if save is not None:
                    save(self._state.save())
                pace.saved()
            pace.look()  # for a signal during the last save
        if pace.signal:
            raise Interrupted(pace.signal)
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        values = {name: x[-1] for name, x in progress.history.items() if name not in COLUMNS}
        hooks.on_train_end(values)
        return progress

    def _save(self, save):
        """Saves the state within an epoch; not right after `on_epoch_begin`, which would be called again."""
        if save is not None and self.progress.step % self.source.steps_per_epoch:
            self.progress.seconds = time.perf_counter() - self._start
            save(self._state.save())

    def _epoch(self, epoch, hooks, pace, save):
        """Runs an epoch's remaining steps; returns its logs."""
        progress, steps_per_epoch = self.progress, self.source.steps_per_epoch
        end = (epoch + 1) * steps_per_epoch
        logs: dict[str, float] = {}
        while progress.step < end:
            first = progress.step - epoch * steps_per_epoch
            window = self._windows.at(progress.step)
            num_steps = pace.num_steps(progress.step, window.end)
            begun = time.perf_counter()
            hooks.on_train_batch_begin(first)
            loss_sum, num_correct = self._run_steps(
                window.rows,
                tf.constant(progress.step, tf.int64),
                tf.constant(num_steps, tf.int64),
                tf.constant(progress.loss_sum, tf.float32),
                tf.constant(progress.num_correct, tf.int64),
            )
            del window  # its memory is free when the next one is read
            progress.loss_sum, progress.num_correct = float(loss_sum), int(num_correct)
            progress.step += num_steps
            done = first + num_steps
            logs = {
                "loss": progress.loss_sum / done,
                "accuracy": progress.num_correct / (done * self.source.batch_size),
            }
            hooks.on_train_batch_end(done - 1, dict(logs))
            pace.adapt(num_steps, time.perf_counter() - begun)
            pace.look(stop=self.model.stop_training)
            if pace.stop or pace.signal:
                break
            if progress.step < end and pace.save_is_due(progress.step):
                self._save(save)
                pace.saved()
        return logs

    def _append_history(self, epoch, logs):
        history = self.progress.history
        values = {"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}}
        values["learning_rate"] = float(tf.convert_to_tensor(self.model.optimizer.learning_rate))
        values["seconds"] = round(self.progress.seconds, 3)
        for key, value in values.items():
            history.setdefault(key, []).append(value)

    def _steps(self, rows, first_step, num_steps, loss_sum, num_correct):
        end, total = first_step + num_steps, tf.distribute.ReduceOp.SUM

        def make_batch(step):
            return self.strategy.run(self._replica_batch, args=(rows, step))

        def add_step(step, batch, loss_sum, num_correct):
            # The next batch does not depend on what this step changes, so both run at the same time.
            next_batch = make_batch(tf.minimum(step + 1, end - 1))
            scores = self.strategy.run(self._replica_step, args=(batch, step))
            loss, correct = tf.unstack(self.strategy.reduce(total, scores, axis=None))
            return step + 1, next_batch, loss_sum + loss, num_correct + tf.cast(correct, tf.int64)

        # Not `tf.range`: XLA needs its limits, and would compile again for every chunk.
        start = first_step, make_batch(first_step), loss_sum, num_correct
        return tf.while_loop(lambda step, *_: step < end, add_step, start)[2:]

    def _replica_batch(self, rows, step):
        """Returns a replica's share of the images, as the model takes them, and of the labels."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        num_rows = self.source.batch_size // self.strategy.num_replicas_in_sync
        x, y = get_batch(self.source, self.seed, step, replica * num_rows, num_rows, rows=rows)
        return self._as_model_input(x), y

    def _replica_step(self, batch, step):
        """One step of one replica; returns its share of the loss and its number of right answers, as one tensor."""
        model, (x, y) = self.model, batch
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        for variable, key in self._seed_states:
            # Distinct for 1,024 draws of a layer in a step, and for 1,024 replicas.
            draw = step * 2**20 + tf.cast(replica, tf.int64) * 2**10
            variable.assign(tf.stack([tf.constant(key, tf.int64), draw]))
        weights = None if self.class_weights is None else tf.gather(self.class_weights, y)
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = model.compute_loss(x, self._targets(y), outputs, weights)
            scaled = model.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return tf.stack([loss, tf.cast(_count_correct(y, outputs), loss.dtype)])

    def _validate(self, hooks):
        """Returns what callbacks and history get; each worker computes its share of the batches."""
        if self.validation is None:
            return {}
        starts = range(0, len(self.validation), VALIDATION_BATCH_SIZE)
        sums, logs = np.zeros((len(starts), 2)), {}
        hooks.on_test_begin()
        for batch, start in enumerate(starts):
            hooks.on_test_batch_begin(batch)
            rows = range(start, min(start + VALIDATION_BATCH_SIZE, len(self.validation)))
            if batch % self.workers.count == self.workers.index:
                loss, correct = self._validate_batch(*self.validation.read(rows))
                sums[batch] = float(loss), int(correct)
            if self.workers.count > 1 and batch == len(starts) - 1:
                sums = self.workers.sum(sums)
            loss_sum, num_correct = sums.sum(axis=0)
            logs = {"loss": loss_sum / rows.stop, "accuracy": num_correct / rows.stop}
            hooks.on_test_batch_end(batch, dict(logs))
        hooks.on_test_end(dict(logs))
        return {f"val_{name}": float(value) for name, value in logs.items()}

    def _validation_sums(self, images, labels):
        outputs = self.model(self._as_model_input(to_input(images)), training=False)
        loss = self.model.loss(self._targets(labels), outputs) + sum(self.model.losses)
        return loss * tf.cast(tf.shape(labels)[0], loss.dtype), _count_correct(labels, outputs)

    def _build_metrics(self):
        """Builds the metrics, from which callbacks see whether higher or lower is better."""
        guess = tf.fill((1, self.num_classes), 1 / self.num_classes)
        self.model.compute_metrics(None, self._targets(tf.zeros(1, tf.int64)), guess)
        self.model.reset_metrics()

    def _as_model_input(self, x):
        return tf.reshape(x * self.scale, (-1, *self.model.input_shape[1:]))

    def _targets(self, labels):
        return tf.one_hot(labels, self.num_classes) if self.one_hot else labels


def _check_finite(epoch, logs):
    if not math.isfinite(logs["loss"]):
        raise FloatingPointError(
            f"The training diverged: the loss is {logs['loss']} in epoch {epoch + 1}. Lower the learning rate."
        )


def _count_correct(labels, outputs):
    # Uses the logits that Keras keeps behind a softmax: skipping the softmax saves 10% of a narrow model's step.
    outputs = getattr(outputs, "_keras_logits", outputs)
    predictions = tf.argmax(outputs, axis=-1, output_type=tf.int64)
    return tf.reduce_sum(tf.cast(predictions == tf.cast(labels, tf.int64), tf.int64))


def _layer_key(seed: int, index: int) -> int:
    # The key differs by layer: with only (seed, step), two layers would share a mask.
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:7], "big")
