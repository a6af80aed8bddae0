"""This library as its users run it: a registered model and its recipe, an epoch at a time or to the last step."""

from functools import partial

import tensorflow as tf
from turns import Trainer

from mnist_keras import get_model_spec
from mnist_keras.data.batches import make_batch_source
from mnist_keras.inference.prediction import predict_probabilities
from mnist_keras.training.compile import compile_model
from mnist_keras.training.devices import choose_jit
from mnist_keras.training.loop import TrainingLoop
from mnist_keras.training.plan import make_plan

tf.get_logger().setLevel("ERROR")  # every model is traced on purpose
PRODUCT = tf.function(tf.matmul), tf.random.normal  # the product returns when it is done


class Ours:
    """A registered model in the loop that `train` runs, by its own recipe but for some fields.

    `precision` and `jit` are what was chosen where the recipe says "auto".
    """

    def __init__(self, name, images, *, seed=0, **changes):
        recipe = get_model_spec(name).recipe.replace(**changes)
        plan = make_plan(name, recipe, strategy="none", seed=seed)
        self.precision, self.model = plan.policy, plan.build(name, images)
        options = {"batch_size": recipe.batch_size, "augmentation": recipe.augmentation}
        source = make_batch_source(images, **options)
        compile_model(self.model, recipe, recipe.epochs * source.steps_per_epoch)
        augmented, one_hot = source.augmentation is not None, recipe.label_smoothing > 0
        self.jit = choose_jit(recipe.jit, self.model, num_replicas=1, augmented=augmented)
        options = {"seed": seed, "one_hot": one_hot, "jit": self.jit}
        self.loop = TrainingLoop(self.model, plan.strategy, source, **options)
        self.epochs = recipe.epochs

    def epoch(self, count: int = 1) -> None:
        """Trains epochs more, always in the order of the first: `run` starts anew, and the weights go on."""
        self.loop.run(count)

    def predict(self, images):
        return predict_probabilities(self.model, images).argmax(axis=1)


def make(data, model: str, **changes) -> Trainer:
    """A model by its recipe, whose batches have as many images as those of the other libraries."""
    ours = Ours(model, data.train, **changes)
    return Trainer(ours.epoch, ours.predict)


def make_example(data, *, seed: int) -> Trainer:
    """`cnn_fast` by its recipe, to the last step whatever the accuracy is before."""
    ours = Ours("cnn_fast", data.train, seed=seed)
    return Trainer(partial(ours.epoch, ours.epochs), ours.predict)
