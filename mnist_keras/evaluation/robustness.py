"""The accuracy of a model on images that were changed: attacked, shifted, rotated, corrupted."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from scipy import ndimage

from mnist_keras._validation import check_labels, check_seed
from mnist_keras.data.augmentation.corruptions import CORRUPTIONS, corrupt_pixels, rotate
from mnist_keras.data.splits import as_split
from mnist_keras.evaluation.metrics import text_table, wilson_interval
from mnist_keras.inference.prediction import Predictor
from mnist_keras.inference.saliency import as_floats, log_odds_gradients
from mnist_keras.models.inspection import check_input_shape

NUM_IMAGES = 1000  # at most; enough to tell accuracies 3 points apart, in minutes
ATTACKS = (0.02, 0.05, 0.1, 0.2, 0.3)  # changes of a pixel in [0, 1]; Madry et al., 2018, use 0.3
PGD_STEPS = 20
PGD_REACH = 2.5  # sum of all steps over the size of the attack, so that any corner is reached
SHIFTS = (1, 2, 3, 4)  # pixels; MNIST's digits have 4 pixels of margin
ROTATIONS = (10, 20, 30, 40)  # degrees; a 6 that is turned further comes close to a 9
CHANGES = {  # in words, with the unit of the strength
    "none": "none",
    "fgsm": "FGSM, largest change of a pixel",
    "pgd": "PGD, largest change of a pixel",
    "shift": "shift, pixels",
    "rotation": "rotation, degrees",
    "mnist_c": "corruption of MNIST-C",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Robustness:
    """A model's accuracy on changed images.

    Attributes:
        dataset: Name of the dataset.
        num_images: Number of images.
        rows: One dictionary for each change, the unchanged images first: `change` ("none", "fgsm", "pgd", "shift",
            "rotation" or "mnist_c"), `strength` (largest change of a pixel, pixels, degrees, or the corruption's name)
            and `accuracy`.
    """

    dataset: str
    num_images: int
    rows: list[dict[str, Any]]

    def accuracies(self, change: str) -> dict[Any, float]:
        """Returns the accuracy under each strength of one change."""
        return {row["strength"]: row["accuracy"] for row in self.rows if row["change"] == change}

    def report(self) -> str:
        """Returns the accuracies as text for a terminal of 80 columns."""
        low, high = wilson_interval(round(self.num_images / 2), self.num_images)
        points = 50 * (high - low)
        note = f"The 95% interval of an accuracy is at most {points:.1f} points to either side."
        title = f"Robustness on {self.num_images:,} images"
        return "\n\n".join([title, text_table(self.table()), note])

    def table(self) -> list[tuple[str, str, str]]:
        """Returns the accuracies in words; the first row is the head."""
        rows = [
            (CHANGES[row["change"]], str(row["strength"]), f"{row['accuracy']:.1%}")
            for row in self.rows
        ]
        return [("change", "strength", "accuracy"), *rows]

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as plain values for JSON."""
        return dataclasses.asdict(self)

    def __repr__(self) -> str:
        clean = self.accuracies("none")[""]
        worst = min(self.rows, key=lambda row: row["accuracy"])
        return (
            f"Robustness({self.num_images:,} images, accuracy {clean:.1%} unchanged, {worst['accuracy']:.1%} under "
            f"{worst['change']} at {worst['strength']})"
        )


def evaluate_robustness(
    model: keras.Model, images: Any, labels: Any = None, *, seed: int = 0
) -> Robustness:
    """Evaluates a model on images that were attacked, shifted, rotated and corrupted.

    The attacks are FGSM and PGD, white-box attacks with a limit on the change of each pixel; the corruptions are the
    fifteen of MNIST-C. From more than 1,000 images, it takes 1,000 evenly spaced ones. An attacked image counts as
    correct if the model is right before and after the attack. Shifts are averaged over four directions, rotations over
    two.

    Args:
        model: A classifier of gray images.
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1]; or a split,
            such as `data.test`.
        labels: Integer array of shape `(n,)`; None with a split, which has its labels.
        seed: Seed of PGD's random start and of the corruptions.

    Returns:
        The accuracy under each change.

    Raises:
        InputError: If the images or labels are invalid, or not of the size that the model takes.

    Reference:
        Goodfellow et al., 2015, "Explaining and Harnessing Adversarial Examples" (FGSM).
        Madry et al., 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks" (PGD).
        Mu and Gilmer, 2019, "MNIST-C: A Robustness Benchmark for Computer Vision".

    Example:
        print(evaluate_robustness(model, data.test).report())
    """
    examples, seed = as_split(images, labels), check_seed(seed)
    check_input_shape(model, examples.shape[1:])
    count = min(NUM_IMAGES, len(examples))
    chosen = np.linspace(0, len(examples) - 1, count).astype(int)
    pixels, classes = examples.read(chosen)
    classes = check_labels(classes, num_classes=model.output_shape[-1])
    pixels = as_floats(pixels)
    rows = [
        {"change": change, "strength": strength, "accuracy": float(np.mean(right))}
        for change, strength, right in _change(model, pixels, classes, seed)
    ]
    return Robustness(examples.name, count, rows)


def _change(model, pixels, labels, seed) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Yields each change, its strength, and where the model is right."""
    # Not the public function, which would warn about the inverse.
    predict = Predictor(model, pixels.shape[1:3])

    def is_right(changed: np.ndarray) -> np.ndarray:
        return predict.in_batches(changed).argmax(axis=1) == labels

    right = is_right(pixels)
    yield "none", "", right
    gradients, _ = log_odds_gradients(model, pixels, labels)
    for size in ATTACKS:
        attacked = np.clip(pixels - np.float32(size) * np.sign(gradients), 0, 1)
        yield "fgsm", size, right & is_right(attacked)
    survivors = right.copy()
    for size in ATTACKS:  # an image fooled by a smaller change counts as fooled by larger ones
        rows = np.flatnonzero(survivors)
        rng = np.random.default_rng([seed, round(1000 * size)])
        survivors[rows] = _survives_pgd(model, pixels[rows], labels[rows], size, rng)
        yield "pgd", size, survivors.copy()
    for distance in SHIFTS:
        steps = ((0, distance), (0, -distance), (distance, 0), (-distance, 0))
        shifted = [ndimage.shift(pixels, (0, *step), order=0) for step in steps]
        yield "shift", distance, np.stack([is_right(views) for views in shifted])
    for degrees in ROTATIONS:
        rotated = [np.stack([rotate(x, angle) for x in pixels]) for angle in (degrees, -degrees)]
        yield "rotation", degrees, np.stack([is_right(views) for views in rotated])
    for name in CORRUPTIONS:
        yield "mnist_c", name, is_right(corrupt_pixels(pixels.astype(np.float64), name, seed))


def _survives_pgd(model, pixels, labels, size, rng) -> np.ndarray:
    """Returns which images the model still gets right after every step of projected gradient descent."""
    low, high = np.maximum(pixels - size, 0), np.minimum(pixels + size, 1)
    attacked = rng.uniform(low, high).astype(np.float32)
    step = np.float32(PGD_REACH * size / PGD_STEPS)
    alive = np.arange(len(pixels))
    for _ in range(PGD_STEPS + 1):  # the last one only checks the answers
        if not len(alive):
            break
        gradients, predictions = log_odds_gradients(model, attacked[alive], labels[alive])
        stays = predictions == labels[alive]
        alive, gradients = alive[stays], gradients[stays]
        moved = attacked[alive] - step * np.sign(gradients)
        attacked[alive] = np.clip(moved, low[alive], high[alive])
    survives = np.zeros(len(pixels), bool)
    survives[alive] = True
    return survives
