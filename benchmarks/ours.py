"""Ours as its users run it: a registered net and its recipe, an epoch at a time or to the last step."""

import keras
import numpy as np
import tensorflow as tf
from stopwatch import Stopwatch, Timed

from mnist_keras import get_model_spec
from mnist_keras.data.batches import make_batch_source
from mnist_keras.inference.prediction import predict_probabilities
from mnist_keras.training.compile import compile_model
from mnist_keras.training.devices import choose_jit, choose_precision, precision_policy
from mnist_keras.training.loop import TrainingLoop

tf.get_logger().setLevel("ERROR")  # every net is traced on purpose


class Ours(Timed):
    """A registered net and its recipe in the loop that `train` runs.

    Args:
        name: Name in the registry.
        data: An `ImageData`.
        seed: Of weights and batches.
        **changes: Fields of the recipe that are other than the net's own.

    Attributes:
        precision: Policy of the net's layers, chosen if the recipe says "auto".
        jit: Whether XLA compiles the steps, chosen likewise.
    """

    def __init__(self, name, data, *, seed=0, **changes):
        spec = get_model_spec(name)
        recipe = spec.recipe.replace(**changes)
        self.precision = choose_precision(recipe.precision, wide=get_model_spec(name).is_wide)
        keras.utils.set_random_seed(seed)
        with precision_policy(self.precision):
            self.model = spec.build()
        self.source = make_batch_source(
            data.train,
            batch_size=recipe.batch_size,
            augmentation=recipe.augmentation,
        )
        compile_model(self.model, recipe, recipe.epochs * self.source.steps_per_epoch)
        self.jit = choose_jit(
            recipe.jit,
            self.model,
            num_replicas=1,
            augmented=self.source.augmentation is not None,
        )
        self.loop = TrainingLoop(
            self.model,
            tf.distribute.get_strategy(),
            self.source,
            seed=seed,
            one_hot=recipe.label_smoothing > 0,
            jit=self.jit,
        )
        self.epochs_done = 0

    def epoch(self) -> None:
        self.epochs_done += 1
        self.loop.run(self.epochs_done)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return predict_probabilities(self.model, images).argmax(axis=1)


def train_cnn_fast(data, *, seed: int) -> list[tuple[float, float]]:
    """Trains `cnn_fast` by its recipe to the last step; returns the curve, one point."""
    watch = Stopwatch(lambda: ours.predict(data.test_images), data.test_labels)
    ours = Ours("cnn_fast", data, seed=seed)
    ours.loop.run(get_model_spec("cnn_fast").recipe.epochs)
    watch.look()
    return watch.curve


def _make(name, **changes):
    return lambda data: Ours(name, data, **changes)


CONTESTANTS = {
    "epoch_mlp_128": {
        "ours": _make("mlp_128", batch_size=128),
        "ours_xla": _make("mlp_128", batch_size=128, jit=True),
    },
    "epoch_mlp_1024_128": {
        "ours": _make("mlp_1024_128", batch_size=128, precision="float32"),
        "ours_bfloat16": _make("mlp_1024_128", batch_size=128, precision="mixed_bfloat16"),
    },
    "epoch_cnn_2conv": {
        "ours": _make("cnn_2conv", batch_size=64),
        "ours_bfloat16": _make("cnn_2conv", batch_size=64, precision="mixed_bfloat16"),
    },
}
