"""Trains with this library as its users do: a registered model by its recipe, one epoch at a time or all of them."""

from functools import partial

import tensorflow as tf
from turns import Trainer

from mnist_keras import get_model_spec
from mnist_keras.inference.prediction import predict_probabilities
from mnist_keras.training.plan import make_plan
from mnist_keras.training.train import make_loop

tf.get_logger().setLevel("ERROR")  # every model is traced on purpose
PRODUCT = tf.function(tf.matmul), tf.random.normal  # the product returns when it is done


class Ours:
    """A registered model in the training loop of `train`, with some fields of its recipe changed.

    `precision` and `jit` are resolved where the recipe says "auto".
    """

    def __init__(self, name, images, *, seed=0, **changes):
        recipe = get_model_spec(name).recipe.replace(**changes)
        plan = make_plan(name, recipe, strategy="none", seed=seed)
        self.precision, self.model = plan.policy, plan.build(name, images)
        self.loop = make_loop(plan, self.model, images)
        self.jit, self.epochs = self.loop.jit, recipe.epochs

    def epoch(self, count: int = 1) -> None:
        """Trains the weights further; `run` starts over each time, so all epochs have the order of the first."""
        self.loop.run(count)

    def predict(self, images):
        return predict_probabilities(self.model, images).argmax(axis=1)


def make(data, model: str, **changes) -> Trainer:
    """A registered model; the other libraries use the batch size of its recipe, too."""
    ours = Ours(model, data.train, **changes)
    return Trainer(ours.epoch, ours.predict)


def make_example(data, *, seed: int) -> Trainer:
    """`cnn_fast` by its recipe, always trained to the last step."""
    ours = Ours("cnn_fast", data.train, seed=seed)
    return Trainer(partial(ours.epoch, ours.epochs), ours.predict)
