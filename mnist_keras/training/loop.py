"""The one training loop, for every strategy: compiled steps, Keras's callbacks, and a state that can be saved anywhere.

`Model.fit` cannot resume within an epoch, weights uneven last batches wrongly under `MirroredStrategy`, fails under
several workers, and is several times slower on small models. The loop keeps its meaning.
"""

import contextlib
import dataclasses
import functools
import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from mnist_keras._validation import InputError
from mnist_keras.data.batches import BatchSource, get_batch, to_input
from mnist_keras.data.splits import Split
from mnist_keras.data.windows import Windows
from mnist_keras.models.inspection import input_scale
from mnist_keras.training.callbacks import CallbackStates, wants_every_step
from mnist_keras.training.checkpoints import Checkpoint
from mnist_keras.training.devices import copy_to_replicas
from mnist_keras.training.fused_ops import fused_kernels
from mnist_keras.training.signals import Chunk, Interrupted, Signals

VALIDATION_BATCH_SIZE = 500  # images
COLUMNS = ("epoch", "learning_rate", "seconds")  # of the history, beside what Keras logs


@dataclasses.dataclass
class Progress:
    """How far a run is.

    Attributes:
        step: Global steps done.
        loss_sum: Sum of the batch losses of the epoch under way.
        num_correct: Right answers among the images of the epoch under way.
        seconds: Wall time of the training so far.
        stopped: Whether a callback ended the training.
        history: Values of each finished epoch by name.
    """

    step: int = 0
    loss_sum: float = 0.0
    num_correct: int = 0
    seconds: float = 0.0
    stopped: bool = False
    history: dict[str, list[float]] = dataclasses.field(default_factory=dict)


class TrainingLoop:
    """Trains a compiled model on batches that are pure functions of (seed, step).

    Args:
        model: Compiled within `strategy.scope()`, loss on integer labels or, if `one_hot`, on one-hot rows.
        strategy: The replicas; the batch size must be a multiple of their number.
        source: The training images.
        seed: Of batches, augmentation and dropout.
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
        self.validation, self.one_hot = validation, one_hot
        self.num_classes = model.output_shape[-1]
        self.progress = Progress()
        self._callback_states = CallbackStates(())
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
            self._windows = Windows(source, seed, functools.partial(copy_to_replicas, strategy))

    def run(
        self,
        epochs: int,
        *,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: int = 0,
        checkpoint: Checkpoint | None = None,
        save: Callable[[Checkpoint], None] | None = None,
    ) -> Progress:
        """Trains until `epochs` are done or a callback stops it.

        Args:
            epochs: Number of epochs, those of the checkpoint included.
            callbacks: Keras callbacks. Batch hooks are called once per compiled chunk of steps, but after every step
                if a callback defines one.
            verbose: 0 silent, 1 progress bar, 2 a line per epoch.
            checkpoint: State to go on from.
            save: Called with the state after each epoch, and when SIGINT or SIGTERM comes.

        Returns:
            How far it came, with the history of all epochs.

        Raises:
            Interrupted: After SIGINT or SIGTERM, at the next chunk's end.
            InputError: If records can no longer be read; the state after the last step before is saved.
            FloatingPointError: If the loss is no longer finite; the last finite epoch stays saved.
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
        chunk = Chunk(fixed=1 if any(map(wants_every_step, callbacks)) else None)
        self.model.stop_training = False
        hooks.on_train_begin()
        self._callback_states = CallbackStates(callbacks)
        if checkpoint is not None:
            epoch, steps_done = divmod(checkpoint.step, steps_per_epoch)
            if steps_done:  # what this changes is in the state that is restored
                hooks.on_epoch_begin(epoch)
            self._restore(checkpoint)
        progress = self.progress
        closing, fused = contextlib.closing(self._windows), fused_kernels(self.model)
        with Signals() as signals, fused, closing:
            while progress.step < last_step and not (progress.stopped or signals.received):
                started, seconds_before = time.perf_counter(), progress.seconds
                epoch, steps_done = divmod(progress.step, steps_per_epoch)
                if not steps_done:
                    hooks.on_epoch_begin(epoch)
                try:
                    logs = self._epoch(epoch, hooks, chunk, signals)
                except InputError:  # records that can no longer be read
                    progress.seconds = seconds_before + time.perf_counter() - started
                    self._save(save, finished=False)
                    raise
                cut_off = signals.received and progress.step < (epoch + 1) * steps_per_epoch
                if not cut_off:
                    logs |= self._validate(hooks)
                    hooks.on_epoch_end(epoch, logs)
                    progress.stopped = bool(self.model.stop_training)
                    progress.loss_sum, progress.num_correct = 0.0, 0
                progress.seconds = seconds_before + time.perf_counter() - started
                if not cut_off:
                    _check_finite(epoch, logs)
                    self._append_history(epoch, logs)
                self._save(save, finished=not cut_off)
        if signals.received:
            raise Interrupted(signals.received)
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        values = {name: x[-1] for name, x in progress.history.items() if name not in COLUMNS}
        hooks.on_train_end(values)
        return progress

    def _save(self, save, *, finished):
        """Saves the state after the last step; none after `on_epoch_begin` alone, which would be called once more."""
        if save is None or not (finished or self.progress.step % self.source.steps_per_epoch):
            return
        arrays = {
            f"variable/{index}": tf.convert_to_tensor(variable).numpy()
            for index, variable in enumerate(self._state_variables())
        }
        states, callback_arrays = self._callback_states.save()
        arrays |= {f"callback/{name}": array for name, array in callback_arrays.items()}
        state = {**dataclasses.asdict(self.progress), "callbacks": states}
        save(Checkpoint(self.progress.step, arrays, state))

    def _restore(self, checkpoint):
        with self.strategy.scope():
            for index, variable in enumerate(self._state_variables()):
                variable.assign(checkpoint.arrays[f"variable/{index}"])
        callback_arrays = {
            name.removeprefix("callback/"): array
            for name, array in checkpoint.arrays.items()
            if name.startswith("callback/")
        }
        state = dict(checkpoint.state)
        self._callback_states.restore(state.pop("callbacks"), callback_arrays)
        self.progress = Progress(**state)

    def _state_variables(self):
        return [*self.model.weights, *self.model.optimizer.variables]

    def _epoch(self, epoch, hooks, chunk, signals):
        """Runs an epoch's remaining steps; returns its logs."""
        progress, steps_per_epoch = self.progress, self.source.steps_per_epoch
        logs: dict[str, float] = {}
        while progress.step < (epoch + 1) * steps_per_epoch and not signals.received:
            first = progress.step - epoch * steps_per_epoch
            window = self._windows.at(progress.step)
            num_steps = min(chunk.num_steps, window.end - progress.step)
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
            chunk.adapt(num_steps, time.perf_counter() - begun)
            if self.model.stop_training:  # a batch hook asked for it
                break
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
            # The next batch hangs on nothing that this step changes, so that both are worked on at a time.
            next_batch = make_batch(tf.minimum(step + 1, end - 1))
            loss, correct = self.strategy.run(self._replica_step, args=(batch, step))
            loss_sum += self.strategy.reduce(total, loss, axis=None)
            num_correct += self.strategy.reduce(total, correct, axis=None)
            return step + 1, next_batch, loss_sum, num_correct

        # Not `tf.range`, whose limits XLA wants to know: it would compile again for every chunk.
        start = first_step, make_batch(first_step), loss_sum, num_correct
        return tf.while_loop(lambda step, *_: step < end, add_step, start)[2:]

    def _replica_batch(self, rows, step):
        """Returns a replica's share of the images, as the model takes them, and of the labels."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        num_rows = self.source.batch_size // self.strategy.num_replicas_in_sync
        x, y = get_batch(self.source, self.seed, step, replica * num_rows, num_rows, rows=rows)
        return self._as_model_input(x), y

    def _replica_step(self, batch, step):
        """One step of one replica; returns its share of the loss and its number of right answers."""
        model, (x, y) = self.model, batch
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        for variable, key in self._seed_states:
            # Room for 1,024 draws of a layer in a step, and for 1,024 replicas.
            draw = step * 2**20 + tf.cast(replica, tf.int64) * 2**10
            variable.assign(tf.stack([tf.constant(key, tf.int64), draw]))
        weights = None if self.class_weights is None else tf.gather(self.class_weights, y)
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = model.compute_loss(x, self._targets(y), outputs, weights)
            scaled = model.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss, _count_correct(y, outputs)

    def _validate(self, hooks):
        if self.validation is None:
            return {}
        loss_sum, num_correct, logs = 0.0, 0, {}
        hooks.on_test_begin()
        for batch, start in enumerate(range(0, len(self.validation), VALIDATION_BATCH_SIZE)):
            rows = range(start, min(start + VALIDATION_BATCH_SIZE, len(self.validation)))
            hooks.on_test_batch_begin(batch)
            loss, correct = self._validate_batch(*self.validation.read(rows))
            loss_sum, num_correct = loss_sum + float(loss), num_correct + int(correct)
            done = rows.stop
            logs = {"loss": loss_sum / done, "accuracy": num_correct / done}
            hooks.on_test_batch_end(batch, dict(logs))
        hooks.on_test_end(dict(logs))
        return {f"val_{name}": value for name, value in logs.items()}

    def _validation_sums(self, images, labels):
        outputs = self.model(self._as_model_input(to_input(images)), training=False)
        loss = self.model.loss(self._targets(labels), outputs) + sum(self.model.losses)
        return loss * tf.cast(tf.shape(labels)[0], loss.dtype), _count_correct(labels, outputs)

    def _build_metrics(self):
        """Lets callbacks see from the metrics whether more or less of a value is better."""
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
    # Of the logits that Keras keeps behind a softmax: leaving the softmax out takes 10% off a narrow model's step.
    outputs = getattr(outputs, "_keras_logits", outputs)
    predictions = tf.argmax(outputs, axis=-1, output_type=tf.int64)
    return tf.reduce_sum(tf.cast(predictions == tf.cast(labels, tf.int64), tf.int64))


def _layer_key(seed: int, index: int) -> int:
    # Not (seed, step) plain: two layers would share a mask.
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:7], "big")
