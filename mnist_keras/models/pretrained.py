"""Finds, verifies and describes the packaged weights.

Each model `NAME` trained on MNIST has the files `weights/NAME.weights.h5` and `weights/NAME.json`, its model card. For
another dataset, the file names begin with `NAME-DATASET`.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnist_keras._validation import InputError

DATASETS = ("mnist", "fashion_mnist")
WEIGHTS_DIRECTORY = Path(__file__).with_name("weights")


def list_weights(dataset: str = "mnist") -> list[str]:
    """Returns the names of the models that have packaged weights for a dataset, sorted."""
    cards = [load_card_file(path) for path in sorted(WEIGHTS_DIRECTORY.glob("*.json"))]
    return sorted(card["name"] for card in cards if card["dataset"] == dataset)


def load_card(name: str, dataset: str = "mnist", *, trainable: str | None = None) -> dict[str, Any]:
    """Returns the model card of a model's packaged weights.

    Args:
        name: Name in the registry.
        dataset: Dataset that the weights were trained on.
        trainable: The model to train if there are no weights: a member if `name` is an ensemble.

    Raises:
        InputError: If there are no weights of this model for this dataset.
    """
    path = WEIGHTS_DIRECTORY / f"{stem(name, dataset)}.json"
    if not path.is_file():
        there = ", ".join(list_weights(dataset)) or "none"
        raise InputError(
            f"There are no packaged weights of {name!r} for {dataset!r}. Models that have them: {there}. "
            f"Train {(trainable or name)!r} with: mnist-keras train {trainable or name} --data {dataset}"
        )
    return load_card_file(path)


def load_card_file(path: Path) -> dict[str, Any]:
    """Returns the model card in a file.

    Raises:
        InputError: If the file is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"The model card {path} is damaged: {error}. Install mnist-keras again."
        ) from error


def find_weights(name: str, dataset: str = "mnist", *, trainable: str | None = None) -> Path:
    """Returns the path of a model's packaged weights after checking their SHA-256.

    Raises:
        InputError: If there are no weights, or the file is damaged.
    """
    card = load_card(name, dataset, trainable=trainable)
    return check_weights(weights_path(name, dataset), card)


def check_weights(path: Path, card: Mapping[str, Any]) -> Path:
    """Returns the path of packaged weights after checking the SHA-256 in their model card.

    Raises:
        InputError: If the file is damaged.
    """
    received = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if received != card["sha256"]:
        raise InputError(
            f"The packaged weights {path} are damaged. Expected SHA-256 {card['sha256']}. Received: {received}. "
            "Install mnist-keras again."
        )
    return path


def weights_path(name: str, dataset: str) -> Path:
    """Returns the path of a model's packaged weights."""
    return WEIGHTS_DIRECTORY / f"{stem(name, dataset)}.weights.h5"


def stem(name: str, dataset: str) -> str:
    """Returns the common prefix of the names of the weights file and its card."""
    return name if dataset == "mnist" else f"{name}-{dataset}"
