"""Ours as its users run it: a registered model and its recipe, an epoch at a time or to the last step."""

import tensorflow as tf
from turns import Stopwatch, best_rates

from mnist_keras import get_model_spec
from mnist_keras.data.batches import make_batch_source
from mnist_keras.inference.prediction import predict_probabilities
from mnist_keras.training.compile import compile_model
from mnist_keras.training.devices import choose_jit
from mnist_keras.training.loop import TrainingLoop
from mnist_keras.training.plan import make_plan

tf.get_logger().setLevel("ERROR")  # every model is traced on purpose


class Ours:
    """A registered model in the loop that `train` runs, by its own recipe but for some fields.

    `precision` and `jit` are what was chosen where the recipe says "auto".
    """

    def __init__(self, name, images, *, seed=0, **changes):
        recipe = get_model_spec(name).recipe.replace(**changes)
        plan = make_plan(name, recipe, strategy="none", seed=seed)
        self.precision, self.model = plan.policy, plan.build(name, images)
        source = make_batch_source(
            images, batch_size=recipe.batch_size, augmentation=recipe.augmentation
        )
        compile_model(self.model, recipe, recipe.epochs * source.steps_per_epoch)
        augmented, one_hot = source.augmentation is not None, recipe.label_smoothing > 0
        self.jit = choose_jit(recipe.jit, self.model, num_replicas=1, augmented=augmented)
        options = {"seed": seed, "one_hot": one_hot, "jit": self.jit}
        self.loop = TrainingLoop(self.model, plan.strategy, source, **options)

    def epoch(self) -> None:
        """Trains an epoch more, always in the order of the first: `run` starts anew, and the weights go on."""
        self.loop.run(1)

    def predict(self, images):
        return predict_probabilities(self.model, images).argmax(axis=1)


def train_cnn_fast(data, *, seed: int) -> list[tuple[float, float]]:
    """Trains `cnn_fast` by its recipe to the last step; returns the curve, one point."""
    watch = Stopwatch(lambda: ours.predict(data.test.images), data.test.labels)
    ours = Ours("cnn_fast", data.train, seed=seed)
    ours.loop.run(get_model_spec("cnn_fast").recipe.epochs)
    watch.look()
    return watch.curve


def matrix_rates(data, **work) -> dict[str, float]:
    def draw(shape, dtype):
        return tf.cast(tf.random.normal(shape), dtype)

    return best_rates(tf.function(tf.matmul), draw, **work)  # it returns when it is done


def _maker(name, **changes):
    return lambda data: Ours(name, data.train, **changes)


CONTESTANTS = {
    "epoch_mlp_128": {
        "ours": _maker("mlp_128", batch_size=128),
        "ours_xla": _maker("mlp_128", batch_size=128, jit=True),
    },
    "epoch_mlp_1024_128": {
        "ours": _maker("mlp_1024_128", batch_size=128, precision="float32"),
        "ours_bfloat16": _maker("mlp_1024_128", batch_size=128, precision="mixed_bfloat16"),
    },
    "epoch_cnn_2conv": {
        "ours": _maker("cnn_2conv", batch_size=64),
        "ours_bfloat16": _maker("cnn_2conv", batch_size=64, precision="mixed_bfloat16"),
    },
}
