"""`KerasImageClassifier`: `train` as a scikit-learn classifier."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from mnist_keras._validation import check_images, check_polarity, check_seed, invalid
from mnist_keras.data.splits import ArraySplit
from mnist_keras.inference.prediction import predict_checked
from mnist_keras.models.inspection import as_float32
from mnist_keras.training.plan import choose_recipe, initial_seed
from mnist_keras.training.train import train

ROUNDING = 1e-6  # by which a scaler's pixels may leave [0, 1]


class KerasImageClassifier(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier of gray images that trains a Keras model with `train`.

    It works wherever scikit-learn takes a classifier: `cross_val_score`, `GridSearchCV`, `CalibratedClassifierCV`, a
    `Pipeline`. Equal data, parameters and seeds give equal predictions. Nothing is written to disk.

    Images are an array of shape `(n, height, width)` or `(n, height, width, 1)`, or a table of flat square images, of
    shape `(n, 784)` for 28x28 pixels: uint8, or numbers from 0 to 255 or in [0, 1]. Labels are strings or numbers of
    any kind that scikit-learn accepts as classes.

    Args:
        model: Name of a registered model, see `list_models`; or a function that takes `num_classes` and
            `input_shape=(height, width, 1)` and returns a `keras.Model`, such as `build_mlp` or
            `functools.partial(build_cnn, dropout=0.5)`.
        epochs: Passes over the images; from the model's recipe if None.
        batch_size: Images per step; from the model's recipe if None. With fewer images, one batch holds all of them.
        learning_rate: Learning rate; from the model's recipe if None.
        seed: Seed of initial weights, batches, augmentation and dropout.
        verbose: 0 silent, 1 progress bar, 2 one line per epoch, "auto" 1 in a terminal and otherwise 2.

    Attributes:
        classes_: The labels in order, of shape `(num_classes,)`.
        n_features_in_: The number of pixels of one image.
        feature_names_in_: The names of a DataFrame's columns; only set if `fit` was given one.
        image_shape_: Height and width of the images.
        model_: The trained `keras.Model`, not compiled.
        history_: Values of each epoch, see `TrainingRun.history`.

    Example:
        >>> from sklearn.model_selection import cross_val_score
        >>> (images, labels), _ = load_data("digits")
        >>> cross_val_score(KerasImageClassifier("mlp_128", epochs=5), images, labels, cv=3)
    """

    def __init__(
        self,
        model: str | Callable[..., keras.Model] = "cnn_fast",
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        seed: int = 0,
        verbose: int | str = 0,
    ):
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.seed = seed
        self.verbose = verbose

    def fit(self, X, y) -> KerasImageClassifier:  # noqa: N803  (scikit-learn's name)
        """Trains a new model.

        Args:
            X: Images, as the class takes them.
            y: Labels of shape `(n,)`, of at least two classes.

        Returns:
            The classifier itself.

        Raises:
            InputError: If a parameter, the images or the labels are invalid.
            ValueError: From scikit-learn, if values are missing or lengths differ.
        """
        images, y = self._check_training(X, y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise invalid(
                "y",
                expected="labels of at least two classes",
                received=f"one class, {self.classes_.tolist()[0]!r}",
            )
        names = tuple(map(str, range(len(self.classes_))))
        split = ArraySplit(images, labels.astype(np.int64), names)
        model = self.model if isinstance(self.model, str) else self._build()
        recipe = choose_recipe(
            model,
            None,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
        )
        run = train(
            model,
            # `train` scores test images, but here all images are for training, so one of them has to do.
            (split, split.take(range(1))),
            recipe=recipe.replace(batch_size=min(recipe.batch_size, len(images))),
            strategy="none",
            seed=self.seed,
            verbose=self.verbose,
        )
        self.model_, self.history_ = as_float32(run.model), run.history
        return self

    def predict_proba(self, X) -> np.ndarray:  # noqa: N803
        """Returns the class probabilities, float32 of shape `(n, num_classes)`; columns in the order of `classes_`.

        Raises:
            InputError: If the images are invalid, or of a different size than in `fit`.
            ValueError: From scikit-learn, if values are missing or the number of columns differs.
        """
        check_is_fitted(self)
        images = self._check_images(X)
        check_polarity(images)
        return predict_checked(self.model_, images)

    def predict(self, X) -> np.ndarray:  # noqa: N803
        """Returns the most probable label of each image, of shape `(n,)`; raises what `predict_proba` raises."""
        most_probable = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_probable]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {**state, "model_": _to_bytes(self.model_)} if "model_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "model_" in state:
            self.model_ = _from_bytes(state["model_"])

    def _build(self) -> keras.Model:
        """Returns a new model of the user's function, its weights drawn from the seed."""
        if isinstance(self.model, keras.Model) or not callable(self.model):
            raise invalid(
                "model",
                expected="a registered name, or a function that builds one",
                received=repr(self.model),
                hint="list_models() lists the names. Each fit trains a new model.",
            )
        with initial_seed(check_seed(self.seed)):
            return self.model(num_classes=len(self.classes_), input_shape=(*self.image_shape_, 1))

    def _check_training(self, X, y) -> tuple[np.ndarray, np.ndarray]:  # noqa: N803
        """Returns images and labels, checked, and notes the size of the images."""
        table, shape = _to_table(X)
        table, y = validate_data(self, table, y)
        self.image_shape_ = shape or self._find_shape(table)
        return self._to_images(table), y

    def _check_images(self, X) -> np.ndarray:  # noqa: N803
        table, shape = _to_table(X)
        if shape not in (None, self.image_shape_):
            height, width = self.image_shape_
            raise invalid(
                "X",
                expected=f"images of {height}x{width} pixels, as in fit",
                received=f"images of {shape[0]}x{shape[1]} pixels",
            )
        return self._to_images(validate_data(self, table, reset=False))

    def _find_shape(self, table: np.ndarray) -> tuple[int, int]:
        """Returns height and width of flat images."""
        num_columns = table.shape[1]
        if _is_square(num_columns):
            return (math.isqrt(num_columns),) * 2
        raise invalid(
            "X",
            expected="shape (n, height, width), (n, height, width, 1), or flat square images such as (n, 784)",
            received=f"shape={table.shape}",
            hint="If the first column is the label, pass X[:, 1:]."
            if _is_square(num_columns - 1)
            else "",
        )

    def _to_images(self, table: np.ndarray) -> np.ndarray:
        if table.dtype.kind == "f" and 0 < max(-table.min(), table.max() - 1) <= ROUNDING:
            table = table.clip(0, 1)
        return check_images(table.reshape(-1, *self.image_shape_), name="X")


def _to_table(images) -> tuple[Any, tuple[int, int] | None]:
    """Returns images with a row of pixels each, and their height and width if these are known."""
    shape = images.shape if hasattr(images, "shape") else np.asarray(images).shape
    if len(shape) < 3:  # already flat, perhaps a DataFrame; or something that scikit-learn rejects
        return images, None
    images = check_images(images, name="X")
    return images.reshape(len(images), -1), images.shape[1:]


def _is_square(number: int) -> bool:
    return math.isqrt(number) ** 2 == number


def _to_bytes(model: keras.Model) -> bytes:
    """Returns the content of a model's .keras file."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.keras"
        model.save(path)
        return path.read_bytes()


def _from_bytes(content: bytes) -> keras.Model:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.keras"
        path.write_bytes(content)
        return keras.models.load_model(path, compile=False)
