"""What a training run does, decided before it starts: recipe, devices, precision, and held-out images."""

import contextlib
import dataclasses
import platform
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from mnist_keras._cpu import uses_onednn
from mnist_keras._validation import InputError, check_number, check_polarity, invalid, say
from mnist_keras.data.image_data import ImageData
from mnist_keras.data.preview import label_notices
from mnist_keras.data.splits import Split, as_split
from mnist_keras.models.inspection import architecture, check_input_shape
from mnist_keras.models.recipes import Recipe, change_recipe, get_recipe
from mnist_keras.models.registry import get_model_spec, get_trainable_spec
from mnist_keras.training import devices
from mnist_keras.training.pace import Cadence
from mnist_keras.training.run_directory import versions


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """How a model is trained here.

    Attributes:
        recipe: Its recipe, with the changes that the caller asked for.
        strategy: The replicas.
        policy: The Keras policy that a registered model is built in.
        seed: Seed of initial weights, batches, augmentation and dropout.
    """

    recipe: Recipe
    strategy: tf.distribute.Strategy
    policy: str
    seed: int

    def build(self, model: str | keras.Model, data: ImageData) -> keras.Model:
        """Returns the model to train: a registered one is built for the data, its weights drawn from the seed.

        Raises:
            InputError: If the registered model cannot be built for images of this size.
        """
        if isinstance(model, str):
            policy = devices.precision_policy(self.policy)
            with self.strategy.scope(), initial_seed(self.seed), policy:
                model = get_model_spec(model).build(
                    num_classes=data.num_classes, input_shape=data.input_shape
                )
        return model

    def print_batch(self) -> None:
        """Prints how the images of a step are divided, if there are several replicas."""
        size, count = self.recipe.batch_size, self.strategy.num_replicas_in_sync
        if count > 1:
            print(
                f"{count} replicas: {size:,} images in each step, {size // count:,} on each",
                flush=True,
            )

    def terms(
        self,
        model: str | keras.Model,
        data: ImageData,
        class_weight: object,
        callbacks: Sequence[keras.callbacks.Callback],
        cadence: Cadence,
    ) -> dict[str, Any]:
        """Returns what must be the same on all workers, by name, as values for JSON."""
        return {
            "model": model if isinstance(model, str) else architecture(model),
            "recipe": self.recipe.to_dict(),
            "data": dict(data.sha256),
            "validation": _validation_digests(data),
            "seed": self.seed,
            "precision": self.policy,
            "onednn": uses_onednn(),
            "class_weight": repr(class_weight),
            "callbacks": [type(callback).__name__ for callback in callbacks],
            "versions": versions(),
            # With other steps between two states, a worker would wait for the others forever.
            "checkpoint_steps": cadence.steps,
            "checkpoint_seconds": cadence.seconds,
        }

    def config(
        self,
        model: keras.Model,
        data: ImageData,
        *,
        class_weight: Mapping[int, float],
        jit: bool,
    ) -> dict[str, Any]:
        """Returns the content of config.json, without the command."""
        return {
            "model": {"name": model.name, "architecture": architecture(model)},
            "recipe": self.recipe.to_dict(),
            "class_names": list(data.class_names),
            "data": {"name": data.name, "source": data.source, "sha256": dict(data.sha256)},
            "validation": _validation_digests(data),
            "seed": self.seed,
            "precision": self.policy,
            "jit": jit,
            "onednn": uses_onednn(),
            "class_weight": {str(label): weight for label, weight in class_weight.items()},
            "strategy": type(self.strategy).__name__,
            "num_replicas": self.strategy.num_replicas_in_sync,
            "devices": devices.describe_devices(),
            "versions": versions(),
            "platform": platform.platform(),
        }


def make_plan(
    model: str | keras.Model,
    recipe: Recipe,
    *,
    strategy: str | tf.distribute.Strategy,
    seed: int,
) -> Plan:
    """Chooses devices and precision for a recipe.

    Raises:
        InputError: If the replicas do not divide the batch size, or an argument is invalid.
    """
    chosen = devices.choose_strategy(strategy, model)
    devices.check_replicas(recipe.batch_size, chosen.num_replicas_in_sync, recipe.optimizer)
    wide = isinstance(model, str) and get_model_spec(model).is_wide
    policy = devices.choose_precision(recipe.precision, wide=wide)
    return Plan(recipe, chosen, policy, seed)


def choose_recipe(
    model: str | keras.Model,
    recipe: Recipe | str | None,
    **changes: Any,
) -> Recipe:
    """Returns how a model is trained: the given recipe, or the model's own, with single fields changed.

    Args:
        model: A registered name or a model.
        recipe: A recipe, the name of one, or None for the model's own.
        changes: What `change_recipe` takes.

    Raises:
        InputError: If there is no such model or recipe, or a model is given that was built in another precision.
    """
    if isinstance(model, str):
        own_recipe = get_trainable_spec(model).recipe
    elif isinstance(model, keras.Model):
        own_recipe = Recipe()
    else:
        raise invalid(
            "model",
            expected="a keras.Model, or a registered name",
            received=repr(model),
            hint="list_models() lists the names.",
        )
    if recipe is None:
        recipe = own_recipe
    elif isinstance(recipe, str):
        recipe = get_recipe(recipe)
    elif not isinstance(recipe, Recipe):
        raise invalid("recipe", expected="a Recipe, a name or None", received=repr(recipe))
    if isinstance(model, keras.Model):
        own, asked = model.dtype_policy.name, changes.get("precision")
        if asked not in (None, "auto", own):
            expected = f"None or {own!r}, in which the model was built"
            raise invalid("precision", expected=expected, received=repr(asked))
        changes["precision"] = own
    return change_recipe(recipe, **changes)


def hold_out(
    data: ImageData, recipe: Recipe, validation_data: Sequence[Any] | Split | None
) -> ImageData:
    """Returns the data with the images to train on, and those to validate on, if any.

    Raises:
        InputError: If both ways to validate are given, or the validation images are invalid.
    """
    size = recipe.validation_size
    if validation_data is not None:
        if size:
            raise InputError("Give `validation_data` or `validation_size`, not both.")
        return dataclasses.replace(data, validation=_as_validation(validation_data))
    if not size:
        return data
    count = len(data.train)
    if size >= count:
        raise invalid(
            "validation_size", expected=f"fewer than the {count} training images", received=size
        )
    held_out = data.train.take(range(count - size, count))
    return dataclasses.replace(data, train=data.train.without_last(size), validation=held_out)


def _validation_digests(data: ImageData) -> list[str] | None:
    """Returns hashes of the validation images, if there are any."""
    return list(data.validation.sha256("validation").values()) if data.validation else None


def _as_validation(validation_data: Sequence[Any] | Split) -> Split:
    if isinstance(validation_data, Split):
        return validation_data
    try:
        images, labels = validation_data
    except (TypeError, ValueError) as error:
        raise invalid(
            "validation_data", expected="(images, labels)", received=type(validation_data).__name__
        ) from error
    return as_split(images, labels, name="validation data", part="validation")


def say_what_is_odd(model: str | keras.Model, data: ImageData) -> None:
    """Prints a line for each problem that hurts training a registered model, and whether images look inverted.

    A model that the caller built has its own number of classes, and may know classes that the data lacks.
    """
    for text in label_notices(data.splits) if isinstance(model, str) else ():
        say(text)
    if data.train.in_memory:
        check_polarity(data.train.images)


def check_fit(model: keras.Model, data: ImageData) -> None:
    """Checks that a model takes the images and has all of their classes.

    Raises:
        InputError: If it does not.
    """
    for split in data.splits.values():
        check_input_shape(model, split.shape[1:])
        if split.num_classes > (num_classes := model.output_shape[-1]):
            raise invalid(
                "data",
                expected=f"images of at most {num_classes} classes, as the model has",
                received=f"{split.num_classes} classes in {split.name or 'the data'}",
            )


def check_class_weight(class_weight: object, num_classes: int) -> dict[int, float]:
    """Returns the weights by plain labels.

    Raises:
        InputError: If it is not a dictionary, a label is not one of the model's, or a weight is negative.
    """
    legal = range(num_classes)
    if class_weight is None:
        return {}
    if not isinstance(class_weight, Mapping) or any(label not in legal for label in class_weight):
        received = list(class_weight) if isinstance(class_weight, Mapping) else repr(class_weight)
        expected = f"a dictionary with labels in [0, {legal[-1]}] as keys"
        raise invalid("class_weight", expected=expected, received=received)
    return {
        int(label): check_number(f"class_weight[{label}]", weight, minimum=0)
        for label, weight in class_weight.items()
    }


@contextlib.contextmanager
def initial_seed(seed: int) -> Iterator[None]:
    """Makes Keras draw initial weights from a seed; Keras draws its layers' seeds from Python's generator."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
