"""Several trained models as one `keras.Model`, the mean of their probabilities."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

from collections.abc import Sequence

import keras

from mnist_keras._validation import invalid
from mnist_keras.models.inspection import check_classifier, input_scale, returns_logits


def build_ensemble(members: Sequence[keras.Model], *, name: str | None = None) -> keras.Model:
    """Builds one model from several trained ones; it returns the mean of their class probabilities.

    You can save, export and evaluate it like any other model. The members' weights are copied.

    Args:
        members: At least two models that return probabilities, with the same input shape and number of classes.
        name: Name of the model.

    Returns:
        A `keras.Model` with the members' input and output shape; the output is float32.

    Raises:
        InputError: If there are fewer than two models, they do not match, or one returns logits.

    Reference:
        Hansen and Salamon, 1990, "Neural Network Ensembles"; here the mean of probabilities replaces their vote.

    Example:
        members = [train("lenet5", data, seed=seed).model for seed in range(3)]
        model = build_ensemble(members)
    """
    members = list(members) if isinstance(members, Sequence) else [members]
    if len(members) < 2 or not all(isinstance(member, keras.Model) for member in members):
        received = ", ".join(type(member).__name__ for member in members) or "nothing"
        raise invalid("members", expected="at least two keras.Models", received=received)
    for member in members:
        check_classifier(member)
    signatures = [(member.input_shape, member.output_shape) for member in members]
    if len(set(signatures)) > 1:
        raise invalid(
            "members",
            expected="models of one input and one output shape",
            received=", ".join(f"{given} to {returned}" for given, returned in signatures),
        )
    if logits := [member.name for member in members if returns_logits(member)]:
        raise invalid(
            "members",
            expected="models that return probabilities",
            received=f"logits from {', '.join(logits)}",
            hint='Build them with classifier_activation="softmax".',
        )
    if len({input_scale(member) for member in members}) > 1:
        raise invalid(
            "members",
            expected="models with the same pixel range",
            received="models with and without a Rescaling layer",
        )
    inputs = keras.Input(members[0].input_shape[1:], name="image")
    outputs = [_copy(member, f"member_{i}")(inputs) for i, member in enumerate(members, start=1)]
    mean = keras.layers.Average(dtype="float32", name="predictions")(outputs)
    return keras.Model(inputs, mean, name=name or "ensemble")


def _copy(member, name):
    """Returns the model under another name: a model's layers must not share one."""
    copy = type(member).from_config({**member.get_config(), "name": name})
    copy.set_weights(member.get_weights())
    return copy
