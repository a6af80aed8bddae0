"""From a recipe to a compiled model: optimizer, learning-rate schedule and loss."""

import inspect

import keras

from mnist_keras._validation import InputError, invalid
from mnist_keras.models.inspection import returns_logits
from mnist_keras.models.recipes import Recipe

WARM_UP = 0.25  # of the steps of "one_cycle"
START_DIVISOR = 25  # of the highest learning rate, where "one_cycle" starts; Smith and Topin's code


def compile_model(model: keras.Model, recipe: Recipe, num_steps: int) -> None:
    """Compiles a model as a recipe says: cross-entropy on integer labels, or on one-hot rows with label smoothing.

    Args:
        model: A model that returns class probabilities or logits; the loss gets its untouched output, from which Keras
            recovers the logits behind a softmax.
        recipe: How it is trained.
        num_steps: Steps of the whole training, for the schedule.

    Raises:
        InputError: If Keras cannot create the optimizer.
    """
    logits = returns_logits(model)
    if recipe.label_smoothing:
        loss = keras.losses.CategoricalCrossentropy(
            from_logits=logits, label_smoothing=recipe.label_smoothing
        )
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    optimizer = _make_optimizer(recipe, num_steps)
    model.compile(optimizer, loss, metrics=["accuracy"])


def _make_optimizer(recipe, num_steps):
    given = recipe.optimizer
    name, arguments = (
        (given, {}) if isinstance(given, str) else (given["class_name"], given["config"])
    )
    arguments = {**arguments, "learning_rate": _make_schedule(recipe, num_steps)}
    if recipe.weight_decay:
        arguments["weight_decay"] = recipe.weight_decay
    if recipe.ema_momentum is not None:
        arguments |= {"use_ema": True, "ema_momentum": recipe.ema_momentum}
    try:
        optimizer = keras.optimizers.get({"class_name": name, "config": arguments})
    except (TypeError, ValueError) as error:
        raise InputError(f"Keras cannot create the recipe's optimizer: {error}") from error
    # Keras accepts non-numeric values here and only fails on the first step.
    parameters = inspect.signature(type(optimizer)).parameters
    for key, value in arguments.items():
        is_number = key in parameters and type(parameters[key].default) in (int, float, type(None))
        if is_number and key != "name" and isinstance(value, str | list | tuple | dict):
            raise invalid("optimizer", expected=f"a number for {key}", received=repr(value))
    return optimizer


def _make_schedule(recipe, num_steps):
    schedules = keras.optimizers.schedules
    if recipe.schedule == "cosine":
        return schedules.CosineDecay(recipe.learning_rate, num_steps)
    if recipe.schedule == "one_cycle":
        warm_up = max(1, round(WARM_UP * num_steps))
        return schedules.CosineDecay(
            recipe.learning_rate / START_DIVISOR,
            max(1, num_steps - warm_up),
            warmup_target=recipe.learning_rate,
            warmup_steps=warm_up,
        )
    return recipe.learning_rate
