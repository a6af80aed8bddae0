"""Puts the weights of `cnn_real_world`, rounded to float16, and their model card into the package.

    python tools/package_real_world.py RUN --held-out RUN --data-dir DIR

RUN was trained by train_real_world.py on all training images; the other one with `--hold-out`. Temperature and the
threshold of "not a digit" are chosen with the second run, on the 10,000 training images that it has not seen, the
threshold also on these as scans and photos change them.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from command import load_published  # noqa: E402
from package_weights import (  # noqa: E402
    LICENSES,
    describe_model,
    save_rounded,
    score,
    write_package,
)
from real_world_data import RealWorldData  # noqa: E402
from train_real_world import COUNTS, MNIST_COPIES, NAME, READABLE  # noqa: E402

from mnist_keras import create_model, fit_temperature, load_model  # noqa: E402
from mnist_keras.cli.doctor import examine  # noqa: E402
from mnist_keras.cli.terminal import typed_path  # noqa: E402
from mnist_keras.inference.prediction import predict_probabilities  # noqa: E402
from mnist_keras.models.pretrained import WEIGHTS_DIRECTORY  # noqa: E402
from mnist_keras.models.recipes import get_recipe  # noqa: E402
from mnist_keras.models.ways import DIGITS, HIDDEN_CLASSES, NOT_A_DIGIT  # noqa: E402
from mnist_keras.training.run_directory import RunDirectory  # noqa: E402

HELD_OUT = 10_000  # last training images
REJECTED = (
    0.002  # share of held-out digits that the threshold rejects: the goal for the test images
)
CHANGED_SEED = 7  # of the held-out digits that are changed as scans and photos change them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=typed_path, metavar="RUN", help="run directory of the weights")
    parser.add_argument(
        "--held-out", type=typed_path, required=True, metavar="RUN", help="the other run"
    )
    parser.add_argument(
        "--data-dir", type=typed_path, required=True, help="directory of MNIST's files"
    )
    args = parser.parse_args()
    card = package(args.run, args.held_out, args.data_dir)
    print(json.dumps({key: card[key] for key in ("results", "held_out", "not_a_digit")}, indent=2))


def package(run: Path, held_out: Path, data_dir: Path) -> dict:
    """Writes the weights of a run and their card; returns the card."""
    data = load_published("mnist", data_dir)
    config, metrics = RunDirectory(run).read_config(), RunDirectory(run).read_metrics()
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory) / f"{NAME}.weights.h5"
        save_rounded(with_sums(load_model(run)), scratch)
        model, content = create_model(NAME, weights=scratch), scratch.read_bytes()
    card = {
        "name": NAME,
        "dataset": "mnist",
        **describe_model(model, content),
        "hidden_classes": list(HIDDEN_CLASSES),
        "training_data": describe_data(),
        "recipe": get_recipe(NAME).to_dict(),
        "seed": config["seed"],
        "command": f"python tools/train_real_world.py --data-dir DIR --out OUT --seed {config['seed']}",
        "results": score(model, data),
        **choose_on_held_out(load_model(held_out), data),
        "data_license": f"{LICENSES['mnist']}; fonts: benchmarks/results/fonts.csv",
        "versions": config["versions"],
        "hardware": f"{examine()['cpu']['model']}, shared",
        "train_seconds": metrics["train_seconds"],
    }
    write_package(WEIGHTS_DIRECTORY / f"{NAME}.weights.h5", content, card)
    return card


def with_sums(trained):
    """Returns the registered model with the weights of one that was trained on the hidden classes."""
    model = create_model(NAME)
    sums = model.get_layer("predictions").get_weights()
    model.set_weights([*trained.get_weights(), *sums])
    return model


def choose_on_held_out(trained, data) -> dict:
    """Returns temperature and threshold, and what they do on the held-out training images."""
    images, labels = data.train_images[-HELD_OUT:], data.train_labels[-HELD_OUT:]
    changed, _ = RealWorldData(CHANGED_SEED, (images, labels)).make("mnist", HELD_OUT)
    no_digit, of_changed = (
        predict_probabilities(trained, digits)[:, NOT_A_DIGIT] for digits in (images, changed)
    )
    probabilities = predict_probabilities(with_sums(trained), images)
    # MNIST's clean images alone make a threshold that rejects many more of people's own pictures.
    threshold = float(np.quantile([no_digit, of_changed], 1 - REJECTED))
    return {
        "temperature": fit_temperature(labels, probabilities),
        "not_a_digit": {
            "hidden_class": NOT_A_DIGIT,
            "threshold": threshold,
            "meaning": "a picture is no digit where this hidden class has at least this probability",
        },
        "held_out": {
            "images": HELD_OUT,
            "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
            "rejected": float((no_digit >= threshold).mean()),
            "rejected_of_changed": float((of_changed >= threshold).mean()),
        },
    }


def describe_data() -> str:
    made = ", ".join(f"{count:,} {kind}" for kind, count in COUNTS.items())
    return (
        f"MNIST's training images, {MNIST_COPIES} times in an epoch, and images generated by tools/real_world_data.py: "
        f"{made}. strokes: digits drawn in the ways of American and European schools. fonts: digits of freely licensed "
        "fonts, half of whose packages are held out. mnist: MNIST's digits, changed as scans and photos change them; a "
        "few are hollow, shaken, or crossed by a dotted line. "
        f"The others are no digits; fragments and scribbles that cnn_accurate reads with a probability of {READABLE} "
        "are left out. A small model that was trained on the drawn digits found the ways of writing of the others: "
        f"{len(set(DIGITS)) - 1} digits in {len(HIDDEN_CLASSES) - 1} ways."
    )


if __name__ == "__main__":
    main()
