"""What the workers of a training send each other, over the strategy's own collectives."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mnist_keras._validation import InputError, differing

UNAVAILABLE = (  # what collectives raise if a worker is gone
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class LostWorkerError(ConnectionError):
    """Another worker is gone, so that no step can be finished; the text names it."""


class Workers:
    """The processes that train one model together; each makes the same calls in the same order.

    Args:
        strategy: Any strategy; it means a single process, unless it is a `MultiWorkerMirroredStrategy` over several.

    Attributes:
        count: Number of workers.
        index: Which one this is; 0 is the chief, who writes.
        addresses: Where they are; empty for a single process.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy = strategy
        self.count, self.index, self.addresses, self._num_chiefs = 1, 0, (), 0
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = strategy.cluster_resolver
            jobs = resolver.cluster_spec().as_dict()
            chiefs, workers = jobs.get("chief", []), jobs.get("worker", [])
            if len(chiefs) + len(workers) > 1:
                self.addresses = (*chiefs, *workers)
                self.count, self._num_chiefs = len(self.addresses), len(chiefs)
                self.index = self._place(resolver.task_type, resolver.task_id)

    def _place(self, job: str, number: int) -> int:
        """Returns which of all workers a job's task is; the chief, if there is one, comes first."""
        return number + (self._num_chiefs if job == "worker" else 0)

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Returns the sum of all workers' arrays of one shape: int32, int64, float32 or float64."""
        if self.count == 1:
            return array

        def own(context):
            """Returns the array for the first replica of this worker, and zeros for its others."""
            first = context.replica_id_in_sync_group % num_local == 0
            return tf.constant(array if first else np.zeros_like(array))

        num_local = len(self._strategy.extended.worker_devices)
        values = self._strategy.experimental_distribute_values_from_function(own)
        return self._strategy.reduce("SUM", values, axis=None).numpy()

    def gather(self, value: Any) -> list[Any]:
        """Returns each worker's value, in their order; JSON must hold it."""
        if self.count == 1:
            return [value]
        text = np.frombuffer(json.dumps(value).encode(), np.uint8)
        lengths = np.zeros(self.count, np.int64)
        lengths[self.index] = len(text)
        lengths = self.sum(lengths)
        texts = np.zeros((self.count, lengths.max()), np.int32)
        texts[self.index, : len(text)] = text
        rows = self.sum(texts).astype(np.uint8)
        return [json.loads(row[:n].tobytes()) for row, n in zip(rows, lengths, strict=True)]

    def from_chief(self, make: Callable[[], Any]) -> Any:
        """Returns what the chief's `make` returns, which JSON must hold; all workers raise its `InputError`."""
        if self.count == 1:
            return make()
        answer: dict[str, Any] = {}
        caught = None
        if self.is_chief:
            try:
                answer = {"value": make()}
            except InputError as error:
                answer, caught = {"error": str(error)}, error
        answer = self.gather(answer)[0]
        if "error" in answer:
            raise caught or InputError(answer["error"])
        return answer["value"]

    def arrays_from_chief(self, arrays: dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
        """Returns the chief's arrays by name; the others pass None."""
        if self.count == 1:
            assert arrays is not None
            return arrays
        shapes = {name: (x.dtype.str, x.shape) for name, x in (arrays or {}).items()}
        shapes = self.from_chief(lambda: shapes)
        received = {}
        for name, (dtype, shape) in shapes.items():
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            words = np.zeros(-(-size // 4), np.int32)  # collectives cannot add bytes
            if arrays is not None:
                words.view(np.uint8)[:size] = np.frombuffer(arrays[name].tobytes(), np.uint8)
            content = self.sum(words).view(np.uint8)[:size].tobytes()
            received[name] = np.frombuffer(content, dtype).reshape(shape).copy()
        return received

    def wait(self) -> None:
        """Waits until all workers have called it."""
        self.sum(np.zeros(1, np.int32))

    def check_agreement(self, terms: Mapping[str, Any]) -> None:
        """Checks that all workers have been started with the same terms.

        Raises:
            InputError: By all of them, if some were not; names each difference.
        """
        chief, *others = self.gather(dict(terms))
        lines = [
            f"worker {index} ({self.addresses[index]}) has {name} {its!r}, the chief {value!r}"
            for index, theirs in enumerate(others, start=1)
            for name, value, its in differing(chief, theirs)
        ]
        if lines:
            raise InputError(
                f"The workers were started with different settings: {'; '.join(lines)}. Start all of them with one "
                "command, on the same data, with the same versions."
            )

    @contextlib.contextmanager
    def naming_the_lost(self) -> Iterator[None]:
        """Turns TensorFlow's error for a lost worker into a readable message.

        Raises:
            LostWorkerError: Names the worker, if TensorFlow does.
        """
        try:
            yield
        except UNAVAILABLE as error:
            if self.count == 1:
                raise
            named = re.findall(r"/job:(chief|worker)(?:/replica:0)?/task:(\d+)", str(error))
            found = {self._place(job, int(number)) for job, number in named}
            lost = sorted(found - {self.index})  # TensorFlow also names this one
            who = f"Worker {lost[0]} ({self.addresses[lost[0]]})" if lost else "Another worker"
            raise LostWorkerError(
                f"{who} is gone, and the others cannot go on without it"
            ) from error
