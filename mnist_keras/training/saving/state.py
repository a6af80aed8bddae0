"""The parts of a training that are saved and restored: weights, optimizer, progress, callbacks' state."""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from mnist_keras.training.callbacks import CallbackStates
from mnist_keras.training.saving.checkpoints import Checkpoint
from mnist_keras.training.workers.exchange import Workers

CALLBACK = "callback/"  # begins the names of the callbacks' arrays


@dataclasses.dataclass
class Progress:
    """The progress of a run.

    Attributes:
        step: Global steps done.
        loss_sum: Sum of the batch losses in the current epoch.
        num_correct: Right answers among the images of the current epoch.
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


class TrainingState:
    """The state of a training.

    Args:
        model: A compiled model whose optimizer is built.
        strategy: The replicas.
        callbacks: The callbacks, right after `on_train_begin`.

    Attributes:
        progress: How far the run has progressed.
    """

    def __init__(
        self,
        model: keras.Model,
        strategy: tf.distribute.Strategy,
        callbacks: Sequence[keras.callbacks.Callback],
    ):
        self.progress = Progress()
        self._strategy = strategy
        self._variables = [*model.weights, *model.optimizer.variables]
        self._callbacks = CallbackStates(callbacks)

    def save(self) -> Checkpoint:
        """Returns the state."""
        arrays = {
            f"variable/{index}": tf.convert_to_tensor(variable).numpy()
            for index, variable in enumerate(self._variables)
        }
        states, callback_arrays = self._callbacks.save()
        arrays |= {f"{CALLBACK}{name}": array for name, array in callback_arrays.items()}
        state = {**dataclasses.asdict(self.progress), "callbacks": states}
        return Checkpoint(self.progress.step, arrays, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restores what `save` returned."""
        with self._strategy.scope():
            for index, variable in enumerate(self._variables):
                variable.assign(checkpoint.arrays[f"variable/{index}"])
        callback_arrays = {
            name.removeprefix(CALLBACK): array
            for name, array in checkpoint.arrays.items()
            if name.startswith(CALLBACK)
        }
        state = dict(checkpoint.state)
        self._callbacks.restore(state.pop("callbacks"), callback_arrays)
        self.progress = Progress(**state)


def send_checkpoint(workers: Workers, checkpoint: Checkpoint | None) -> Checkpoint | None:
    """Returns the chief's checkpoint, or None if it has none: the others need no access to its disk."""
    if workers.count == 1:
        return checkpoint
    facts = workers.from_chief(
        lambda: checkpoint and {"step": checkpoint.step, "state": dict(checkpoint.state)}
    )
    if facts is None:
        return None
    arrays = workers.arrays_from_chief(dict(checkpoint.arrays) if checkpoint else None)
    return Checkpoint(facts["step"], arrays, facts["state"])
