"""Argument checks, the wording of errors about arguments, and notices on stderr.

Bad input raises an `InputError`, so that a program can tell it from a bug. Its text says what is wrong, what was
expected, what was received and, if possible, what to do.
"""

import difflib
import functools
import numbers
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mnist_keras._arrays import (
    flatten_labels,
    fold_images,
    is_picture_in_color,
    looks_inverted,
    pixel_advice,
    shape_advice,
    to_array,
    to_bytes,
)


class InputError(ValueError):
    """An argument or a file is not usable; the text says what to pass instead.

    Attributes:
        fault_of_input: False if the input was fine, and a network or a server failed.
    """

    fault_of_input = True


class MissingExtraError(ImportError):
    """An optional dependency is not installed; the text names the pip command."""


def invalid(name: str, *, expected: str, received: object, hint: str = "") -> InputError:
    """Returns the error "Invalid `name`. Expected .... Received: .... hint"."""
    text = f"Invalid `{name}`. Expected {expected}. Received: {received}."
    return InputError(f"{text} {hint}" if hint else text)


def unknown(kind: str, name: object, choices: Iterable[str]) -> InputError:
    """Returns the error "Unknown kind 'name'. Did you mean ...? Expected one of: ..."."""
    choices = sorted(choices)
    close = difflib.get_close_matches(str(name).lower(), choices, n=1)
    did_you_mean = f" Did you mean {close[0]!r}?" if close else ""
    return InputError(
        f"Unknown {kind} {name!r}.{did_you_mean} Expected one of: {', '.join(choices)}."
    )


def missing_extra(feature: str, extra: str) -> MissingExtraError:
    """Returns the error that names the pip command for `feature`'s dependencies."""
    return MissingExtraError(
        f"{feature} needs the extra '{extra}'. Install it with: pip install \"mnist-keras[{extra}]\""
    )


def differing(there: Any, here: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yields the dotted name and both values of each difference between two nested dictionaries."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted({*there, *here}):
            yield from differing(there.get(key), here.get(key), f"{name}.{key}" if name else key)
    elif there != here:
        yield name, there, here


def say(text: str) -> None:
    """Prints a notice to stderr."""
    print(f"mnist_keras: {text}", file=sys.stderr)


@functools.cache
def say_once(text: str) -> None:
    """Prints a notice to stderr, once in a process."""
    say(text)


def check_polarity(images: np.ndarray) -> None:
    """Prints a notice, once in a process, if images look inverted: MNIST has light ink on a dark background."""
    if looks_inverted(images):
        full = 255 if images.dtype == np.uint8 else 1
        say_once(
            f"The images look inverted (dark ink on a light background). Pass {full} - images. A model that was "
            "trained on light ink reads them wrongly."
        )


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """Returns `value` if it is one of `choices`."""
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        raise invalid(name, expected=f"one of: {', '.join(choices)}", received=repr(value))
    return value


def check_flags(**flags: object) -> None:
    """Checks that each argument is True or False: a text counts as true, even "no"."""
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool_):
            raise invalid(name, expected="True or False", received=repr(value))


def check_integer(
    name: str, value: object, *, minimum: int, maximum: int | None = None, hint: str = ""
) -> int:
    """Returns `value` as an `int` if it is an integer of at least `minimum` and at most `maximum`."""
    legal = (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and int(value) >= minimum
        and (maximum is None or int(value) <= maximum)
    )
    if not legal:
        high = "" if maximum is None else f" and at most {maximum}"
        raise invalid(
            name,
            expected=f"an integer of at least {minimum}{high}",
            received=repr(value),
            hint=hint,
        )
    return int(value)  # type: ignore[call-overload]


def check_seed(seed: object) -> int:
    """Returns `seed` as an `int` if NumPy, Keras and TensorFlow all take it."""
    return check_integer("seed", seed, minimum=0, maximum=2**32 - 1)


def check_number(
    name: str, value: object, *, minimum: float, maximum: float = float("inf"), above: bool = False
) -> float:
    """Returns `value` as a `float` if it is finite and in `[minimum, maximum]`, or `(minimum, maximum]` if `above`."""
    low = f"above {minimum:g}" if above else f"of at least {minimum:g}"
    high = f" and at most {maximum:g}" if np.isfinite(maximum) else ""
    number = float("nan")
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # an integer beyond the largest float
            number = float("inf")
    above_low = number > minimum if above else number >= minimum
    if not (np.isfinite(number) and above_low and number <= maximum):
        raise invalid(name, expected=f"a number {low}{high}", received=repr(value))
    return number


def _as_array(name: str, values: object) -> np.ndarray:
    try:
        return to_array(values)
    except ValueError as error:  # nested lists of unequal lengths
        raise invalid(
            name, expected="an array, or lists of equal lengths", received=f"{error}".rstrip(".")
        ) from error
    # A sparse tensor, or one whose memory was freed.
    except (RuntimeError, TypeError) as error:
        received = f"{type(values).__name__} ({str(error).rstrip('.')})"
        raise invalid(name, expected="an array", received=received) from error


def _in_code(name: str) -> str:
    """Returns what an expression calls the images: the argument, or for a file "images"."""
    return name if name.isidentifier() else "images"


def check_images(images: object, *, name: str = "images", may_be_empty: bool = False) -> np.ndarray:
    """Returns images as an array of shape `(n, height, width)` in `uint8` or in `float32`.

    Args:
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: `uint8` in [0, 255], or a float
            type with finite values in [0, 1]. Unambiguous inputs are converted: 1 or 3 channels, first or last, flat
            images of 784 pixels, one image of 28x28, other dtypes with values from 0 to 255, booleans.
        name: The argument's name, for the error.
        may_be_empty: Whether an array without images is allowed.

    Raises:
        InputError: If the rank, the number of channels, the dtype or the range is wrong, or there is no image.
    """
    if isinstance(images, str | os.PathLike):
        raise invalid(
            name,
            expected="an array of images",
            received=repr(str(images)),
            hint=f"For a dataset pass load_data({str(images)!r}).test; DigitClassifier.predict reads a picture.",
        )
    given = _as_array(name, images)
    shape = f"shape={given.shape}, dtype={given.dtype}"
    array = fold_images(given)
    if array.ndim != 3 or is_picture_in_color(array):
        raise invalid(
            name,
            expected="shape (n, height, width) or (n, height, width, 1)",
            received=shape,
            hint=shape_advice(given, _in_code(name)),
        )
    if 0 in array.shape[may_be_empty:]:
        raise invalid(name, expected="at least one image of at least one pixel", received=shape)
    array = to_bytes(array)
    if array.dtype == np.uint8:
        return array
    legal = "dtype uint8 in [0, 255], or a float dtype in [0, 1]"
    if array.dtype.kind not in "iuf":
        raise invalid(name, expected=legal, received=shape)
    if not len(array):
        return array.astype(np.float32)
    low, high = float(array.min()), float(array.max())  # NaN if any pixel is NaN
    is_float = array.dtype.kind == "f"
    if is_float and low >= 0.0 and high <= 1.0:
        return array.astype(np.float32, copy=False)
    raise invalid(
        name,
        expected="float pixels that are finite and in [0, 1]" if is_float else legal,
        received=f"{shape}, minimum={low:g}, maximum={high:g}",
        hint=pixel_advice(array, _in_code(name)),
    )


def check_labels(
    labels: object,
    *,
    num_examples: int | None = None,
    num_classes: int | None = None,
    name: str = "labels",
) -> np.ndarray:
    """Returns labels as an `int64` array of shape `(num_examples,)`, values in `[0, num_classes)`.

    None means any number. Labels of shape `(n, 1)` and one-hot rows are converted.

    Raises:
        InputError: If they are scores, not integers, of the wrong length or out of range.
    """
    array = _as_array(name, labels)
    shape = f"shape={array.shape}, dtype={array.dtype}"
    array = flatten_labels(array)
    if labels is None:
        raise invalid(name, expected="a label for each image", received=None)
    if array.ndim != 1:
        scores = array.ndim == 2 and array.shape[1] > 1
        raise invalid(
            name,
            expected="integer class labels of shape (n,), or one-hot rows of exactly one 1",
            received=shape,
            hint=f"For the class with the highest score, pass {name}.argmax(axis=-1)."
            if scores
            else "",
        )
    if not len(array):  # an empty list has NumPy's default dtype
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        whole = array.dtype.kind == "f" and bool((array == np.round(array)).all())
        whole |= array.dtype == bool
        hint = f"Convert them to integers with {name}.astype(int)." if whole else ""
        raise invalid(name, expected="integer class labels", received=shape, hint=hint)
    if num_examples is not None and len(array) != num_examples:
        raise invalid(
            name, expected=f"{num_examples} labels, one for each image", received=len(array)
        )
    if len(array) and (array.min() < 0 or (num_classes is not None and array.max() >= num_classes)):
        legal = "0 or above" if num_classes is None else f"in [0, {num_classes - 1}]"
        raise invalid(
            name,
            expected=f"values {legal}",
            received=f"minimum={array.min()}, maximum={array.max()}",
        )
    return array.astype(np.int64, copy=False)


def check_probabilities(probabilities: object, *, name: str = "probabilities") -> np.ndarray:
    """Returns class probabilities as a `float64` array of shape `(n, num_classes)`.

    Raises:
        InputError: If the rank or dtype is wrong, a value is not finite or not in [0, 1], a row
            does not sum to 1 (within 1e-3, the rounding of half precision), or there is no row.
    """
    array = _as_array(name, probabilities)
    shape = f"shape={array.shape}, dtype={array.dtype}"
    if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] < 2:
        raise invalid(
            name,
            expected="shape (n, num_classes), at least one row and two classes",
            received=shape,
        )
    if array.dtype.kind != "f":
        raise invalid(name, expected="a float dtype, a probability for each class", received=shape)
    array = array.astype(np.float64)
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise invalid(
            name,
            expected="finite values",
            received=f"NaN or infinity in {bad.sum()} of {len(array)} rows, first row {bad.argmax()}",
        )
    sums = array.sum(axis=1)
    bad = (array < 0).any(axis=1) | (abs(sums - 1) > 1e-3)
    if bad.any():
        row = int(bad.argmax())
        raise invalid(
            name,
            expected="values in [0, 1] and rows that sum to 1",
            received=f"row {row} with minimum {array[row].min():g} and sum {sums[row]:g}",
            hint="Turn logits into probabilities with scipy.special.softmax(logits, axis=-1).",
        )
    return array


def check_predictions(
    predictions: object,
    *,
    num_examples: int,
    num_classes: int | None = None,
    name: str = "predictions",
) -> np.ndarray:
    """Returns predicted classes as `check_labels` does; takes classes or their probabilities."""
    predictions = _as_array(name, predictions)
    if predictions.ndim == 2:
        predictions = check_probabilities(predictions, name=name).argmax(axis=1)
    return check_labels(predictions, num_examples=num_examples, num_classes=num_classes, name=name)


def check_class_names(class_names: Any, *, num_classes: int | None) -> tuple[str, ...]:
    """Returns one name for each class, by default "0", "1", ...; None as `num_classes` means any number of names."""
    try:
        names = tuple(map(str, range(num_classes or 0) if class_names is None else class_names))
    except TypeError:  # not a sequence
        names = None
    if names is None or num_classes not in (None, len(names)):
        raise invalid(
            "class_names",
            expected=f"{num_classes or 'a list of'} names, one for each class",
            received=repr(class_names) if names is None else f"{len(names)}",
        )
    return names


def check_scores(labels: object, probabilities: object) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels and the class probabilities of the same examples, both checked."""
    checked = check_probabilities(probabilities)
    n, k = checked.shape
    return check_labels(labels, num_examples=n, num_classes=k), checked
