"""`DigitClassifier`: reads the digits in files, photos and drawings, with a confidence for each."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from mnist_keras._files import input_errors
from mnist_keras._validation import (
    InputError,
    check_class_names,
    check_images,
    check_integer,
    check_number,
    check_polarity,
    check_probabilities,
    invalid,
    unknown,
)
from mnist_keras.data.readers.pictures import IMAGE_SIZE
from mnist_keras.inference.pictures import SUFFIXES
from mnist_keras.inference.preprocessing import to_mnist_image, to_mnist_images
from mnist_keras.inference.scoring import Scorer
from mnist_keras.inference.writing import Writing, check_writing
from mnist_keras.models.inspection import check_input_shape
from mnist_keras.models.loading import find_model, load_model, read_class_names
from mnist_keras.models.pretrained import load_card
from mnist_keras.models.registry import MODELS

DEFAULT_MODEL = "cnn_real_world"
NO_INK = "there is no ink in the picture"
NO_DIGIT = "this does not look like a digit"


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """The answer for one picture.

    Attributes:
        label: The most probable class; None if nothing was read, see `reason`.
        class_name: Name of the class; empty if there is no label.
        confidence: Calibrated probability of the class, in [0, 1]; 0 if there is no label.
        probabilities: float32 array of shape `(num_classes,)` that sums to 1; None if nothing was read.
        image: uint8 array of shape `(28, 28)`, the model's input; None if the picture could not be loaded.
        source: The path as a string, or the position in the list: "picture 0".
        reason: Why there is no label; empty if there is one.
    """

    label: int | None
    class_name: str
    confidence: float
    probabilities: np.ndarray | None
    image: np.ndarray | None
    source: str
    reason: str = ""

    def __repr__(self) -> str:
        if self.label is None:
            return f"Prediction({self.source}: nothing read, {self.reason})"
        return f"Prediction({self.source}: {self.class_name}, confidence {self.confidence:.3f})"


class DigitClassifier:
    """Reads single digits from pictures.

    Args:
        model: A `keras.Model` that takes 28x28 gray images; a run directory; the path of a `.keras` file; or the name
            of a registered model, which then has its packaged weights.
        class_names: A name for each class; None for the names in a run's data, otherwise "0", "1", ...
        temperature: Divisor of the logits that calibrates the confidence, see `fit_temperature`. None for the
            temperature of the packaged weights, or 1.
        writing: Where the writer learned to write, "american" or "european"; "auto" infers it from the other pictures
            of a call, and `writing_taken` says which one and why. Only for models that know ways of writing
            ("cnn_real_world").
        not_a_digit: A picture gets no label if its probability of "not a digit" is at least this. None for the
            threshold of the packaged weights, or 1. Only for models that have this class ("cnn_real_world").

    Raises:
        InputError: If there is no such model, it takes other images, or the class names don't match it.

    Example:
        classifier = DigitClassifier.from_pretrained()
        prediction = classifier.predict("photo.jpg")
        print(prediction.label, f"{prediction.confidence:.0%}")
        for prediction in classifier.predict("scans/"):
            print(prediction.source, prediction.label, prediction.reason)
    """

    def __init__(
        self,
        model: keras.Model | str | os.PathLike[str],
        *,
        class_names: Sequence[str] | None = None,
        temperature: float | None = None,
        writing: str = "auto",
        not_a_digit: float | None = None,
    ):
        card: dict[str, Any] = {}
        if isinstance(model, str | os.PathLike):
            place = model if isinstance(model, str) else Path(model)
            path = find_model(place)
            if path is None:
                card = load_card(str(place))
            elif isinstance(path, Path):
                class_names = class_names or read_class_names(path)
            model = load_model(place)
        elif not isinstance(model, keras.Model):
            raise invalid(
                "model",
                expected="a keras.Model, a run directory, a .keras file or a registered name",
                received=type(model).__name__,
            )
        check_input_shape(model, (IMAGE_SIZE, IMAGE_SIZE))
        self.model = model
        self.class_names = check_class_names(class_names, num_classes=model.output_shape[-1])
        if temperature is None:
            temperature = card.get("temperature") or 1.0  # an ensemble's card has none
        threshold = card.get("not_a_digit", {"threshold": 1.0})["threshold"]
        self.temperature = check_number("temperature", temperature, minimum=0.001)
        self.not_a_digit = check_number(
            "not_a_digit", threshold if not_a_digit is None else not_a_digit, minimum=0, maximum=1
        )
        self.scorer = Scorer(model, self.temperature)
        self.writing = check_writing(writing, self.scorer.ways, model.name)
        if not_a_digit is not None and self.scorer.ways is None:
            raise InputError(
                f"{model.name!r} cannot recognize non-digits, so it does not support `not_a_digit`. "
                "Expected: the model 'cnn_real_world', or not_a_digit=None."
            )
        self.writing_taken: Writing | None = None

    @classmethod
    def from_pretrained(
        cls, name: str = DEFAULT_MODEL, *, writing: str = "auto"
    ) -> DigitClassifier:
        """Returns the classifier of a registered model with its packaged weights for digits.

        Args:
            name: A name from `list_models`.
            writing: Where the writer learned to write, see `DigitClassifier`.

        Raises:
            InputError: If the name is unknown, it has no packaged weights, or its weights don't know ways of writing.
        """
        if name not in MODELS:
            if str(name).endswith(".keras") or os.path.exists(str(name)):  # noqa: PTH110  (anything)
                raise invalid(
                    "name",
                    expected="the name of a registered model",
                    received=repr(str(name)),
                    hint="For a file or a run directory, call DigitClassifier(path).",
                )
            raise unknown("model", name, MODELS)
        return cls(name, writing=writing)

    def predict(
        self, source: Any, *, progress: Callable[[int, int], None] | None = None
    ) -> Prediction | list[Prediction]:
        """Reads one picture, a list of them, or all picture files in a folder and the folders in it.

        The pictures are prepared in parallel and classified together.

        Args:
            source: A picture, as `to_mnist_image` takes it; a list of pictures; or the path of a folder, whose files
                are read in the order of their paths.
            progress: Called after each prepared picture with the number done and the total.

        Returns:
            A prediction for one picture, otherwise a list. If a picture in a list or a folder can't be loaded, its
            prediction has no label and the error as its reason; the others are read.

        Raises:
            InputError: If a single picture can't be loaded, or the folder has no pictures.
        """
        if isinstance(source, list | tuple):
            return self._read_all(list(source), progress)
        if isinstance(source, str | os.PathLike) and os.path.isdir(source):  # noqa: PTH112  (may be no legal path)
            return self._read_all(list_pictures(Path(source)), progress)
        images = to_mnist_images(source)
        return self._read([images], [name_of(source, 0)], [""])[0]

    def _read_all(self, sources, progress):
        prepared: list[tuple[list[np.ndarray], str]] = []
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
            for answer in threads.map(_prepare, sources):
                prepared.append(answer)
                if progress:
                    progress(len(prepared), len(sources))
        names = [name_of(source, place) for place, source in enumerate(sources)]
        return self._read([images for images, _ in prepared], names, [why for _, why in prepared])

    def _read(self, candidates, names, reasons):
        """Returns a prediction for each list of images: empty if loading failed, otherwise one for each polarity."""
        counts = [len(images) for images in candidates]
        images = [image for images in candidates for image in images]
        self.writing_taken = None
        if not images:
            return [
                Prediction(None, "", 0.0, None, None, *rest)
                for rest in zip(names, reasons, strict=True)
            ]
        scores, answers = self.scorer.score(np.stack(images))
        ends = np.cumsum(counts)
        chosen = [
            end - count + int(scores[end - count : end].argmax())
            for end, count in zip(ends, counts, strict=True)
            if count
        ]
        probabilities, self.writing_taken = self.scorer.weigh(answers[chosen], self.writing)
        no_digit = iter(self.is_no_digit(scores[chosen]))
        weighed = iter(probabilities)
        seen = iter([images[row] for row in chosen])
        return [
            self.answer(next(seen), next(weighed), name, next(no_digit))
            if count
            else Prediction(None, "", 0.0, None, None, name, reason)
            for count, name, reason in zip(counts, names, reasons, strict=True)
        ]

    def is_no_digit(self, likeness: np.ndarray) -> np.ndarray:
        """Tells which images are not digits, by how much they look like one."""
        return (1 - likeness >= self.not_a_digit) & (self.scorer.ways is not None)

    def answer(
        self, image: np.ndarray, probabilities: np.ndarray, name: str, is_no_digit: bool
    ) -> Prediction:
        """Returns the prediction for a scored image."""
        if not image.any():
            return Prediction(None, "", 0.0, None, image, name, NO_INK)
        if is_no_digit:
            return Prediction(None, "", 0.0, probabilities, image, name, NO_DIGIT)
        label = int(probabilities.argmax())
        return Prediction(
            label, self.class_names[label], float(probabilities[label]), probabilities, image, name
        )

    def predict_proba(self, images: ArrayLike) -> np.ndarray:
        """Returns calibrated probabilities for images that are already in MNIST's form, like a scikit-learn classifier.

        Args:
            images: Array of shape `(n, 28, 28)`, `(n, 28, 28, 1)` or `(n, 784)`: uint8, or floats in [0, 1].

        Returns:
            A float32 array of shape `(n, num_classes)`; rows sum to 1.

        Raises:
            InputError: If the images are invalid.
        """
        flat = np.ndim(images) == 2 and np.shape(images)[1] == IMAGE_SIZE**2
        images = check_images(np.reshape(images, (-1, IMAGE_SIZE, IMAGE_SIZE)) if flat else images)
        check_polarity(images)
        _, answers = self.scorer.score(images)
        if self.writing == "auto":  # each image on its own
            return self.scorer.add_up(answers)
        probabilities, self.writing_taken = self.scorer.weigh(answers, self.writing)
        return probabilities


def list_pictures(folder: Path) -> list[Path]:
    """Returns the picture files in a folder and its subfolders, sorted; hidden files are skipped.

    Raises:
        InputError: If there are none, or the folder can't be read.
    """
    with input_errors(folder):
        found = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
    if not found:
        raise InputError(f"{folder} holds no pictures. Expected files named {', '.join(SUFFIXES)}.")
    return found


def _prepare(source: Any) -> tuple[list[np.ndarray], str]:
    """Returns a picture's images, or none and the reason."""
    try:
        return to_mnist_images(source), ""
    except InputError as error:
        return [], str(error)


def name_of(source: Any, place: int) -> str:
    """Returns the path of a picture, or its place in a list."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else f"picture {place}"


def preprocess_input(pictures: Any) -> np.ndarray:
    """Converts pictures into a batch for any registered model.

    Args:
        pictures: One picture as `to_mnist_image` takes it, or a list of them.

    Returns:
        float32 array of shape `(n, 28, 28, 1)` in [0, 1], light ink on black.

    Raises:
        InputError: If a picture can't be loaded.

    Example:
        model = load_model("cnn_accurate")
        probabilities = model.predict(preprocess_input(["a.jpg", "b.png"]))
        print(decode_predictions(probabilities, top=3))
    """
    sources = pictures if isinstance(pictures, list | tuple) else [pictures]
    if not sources:
        raise invalid("pictures", expected="at least one picture", received="an empty list")
    return np.stack([to_mnist_image(source) for source in sources])[..., None] / np.float32(255)


def decode_predictions(
    probabilities: ArrayLike, top: int = 3, *, class_names: Iterable[str] | None = None
) -> list[list[tuple[int, str, float]]]:
    """Returns the most probable classes of each image, as in `keras.applications`.

    Args:
        probabilities: Float array of shape `(n, num_classes)`; rows sum to 1.
        top: Number of classes for each image.
        class_names: A name for each class, for example `ImageData.class_names`; None for "0", "1", ...

    Returns:
        For each image, a list of `(label, class name, probability)`, most probable first.

    Raises:
        InputError: If the probabilities are invalid, `top` exceeds the number of classes, or the names don't match.

    Example:
        >>> decode_predictions([[0.1, 0.7, 0.2]], top=2, class_names=["cat", "dog", "owl"])
        [[(1, 'dog', 0.7), (2, 'owl', 0.2)]]
    """
    checked = check_probabilities(probabilities)
    num_classes = checked.shape[1]
    check_integer("top", top, minimum=1, maximum=num_classes)
    names = check_class_names(class_names, num_classes=num_classes)
    order = np.argsort(-checked, axis=1, kind="stable")[:, :top]
    return [
        [(int(label), names[label], float(row[label])) for label in labels]
        for row, labels in zip(checked, order, strict=True)
    ]
