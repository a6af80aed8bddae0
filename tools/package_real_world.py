"""Puts the weights of `cnn_real_world`, rounded to float16, and their model card into the package.

    python tools/package_real_world.py RUN --held-out RUN --data-dir DIR

RUN was trained by train_real_world.py on all training images; the other one with `--hold-out`. Temperature and the
threshold of "not a digit" are chosen by the second on the 10,000 training images that it has not seen.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from command import load_published  # noqa: E402
from package_weights import LICENSES, save_rounded  # noqa: E402
from train_real_world import COUNTS, MNIST_COPIES, NAME, READABLE  # noqa: E402

from mnist_keras import create_model, evaluate, fit_temperature, load_model  # noqa: E402
from mnist_keras._files import replace_file  # noqa: E402
from mnist_keras.cli.doctor import examine  # noqa: E402
from mnist_keras.evaluation.evaluate import measure_accuracy  # noqa: E402
from mnist_keras.inference.prediction import predict_probabilities  # noqa: E402
from mnist_keras.models.pretrained import WEIGHTS_DIRECTORY  # noqa: E402
from mnist_keras.models.recipes import get_recipe  # noqa: E402
from mnist_keras.models.ways import DIGITS, HIDDEN_CLASSES, NOT_A_DIGIT  # noqa: E402
from mnist_keras.training.run_directory import RunDirectory  # noqa: E402

HELD_OUT = 10_000  # last training images
REJECTED = 0.001  # share of held-out digits that the threshold rejects; the goal is 0.002 of the test images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory of the weights")
    parser.add_argument("--held-out", type=Path, required=True, metavar="RUN", help="the other run")
    parser.add_argument("--data-dir", type=Path, required=True, help="directory of MNIST's files")
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
    evaluation = evaluate(model, data.test_images, data.test_labels)
    card = {
        "name": NAME,
        "dataset": "mnist",
        "sha256": hashlib.sha256(content).hexdigest(),
        "num_parameters": model.count_params(),
        "input": {
            "shape": list(model.input_shape[1:]),
            "dtype": "float32",
            "range": [0, 1],
            "ink": "light on dark",
        },
        "output": {"shape": [10], "dtype": "float32", "meaning": "class probabilities"},
        "hidden_classes": list(HIDDEN_CLASSES),
        "training_data": describe_data(),
        "recipe": get_recipe(NAME).to_dict(),
        "seed": config["seed"],
        "command": f"python tools/train_real_world.py --data-dir DIR --out OUT --seed {config['seed']}",
        "results": {
            "test_accuracy": evaluation.accuracy,
            "test_accuracy_ci95": list(evaluation.accuracy_ci95),
            "train_accuracy": measure_accuracy(model, data.train),
            "negative_log_likelihood": evaluation.negative_log_likelihood,
            "brier_score": evaluation.brier_score,
            "expected_calibration_error": evaluation.expected_calibration_error,
        },
        **choose_on_held_out(load_model(held_out), data),
        "data_license": f"{LICENSES['mnist']}; fonts: benchmarks/results/fonts.csv",
        "versions": config["versions"],
        "hardware": f"{examine()['cpu']['model']}, shared",
        "train_seconds": metrics["train_seconds"],
    }
    path = WEIGHTS_DIRECTORY / f"{NAME}.weights.h5"
    with replace_file(path) as temporary:
        temporary.write_bytes(content)
    with replace_file(path.with_name(f"{NAME}.json")) as temporary:
        temporary.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
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
    hidden = predict_probabilities(trained, images)
    probabilities = predict_probabilities(with_sums(trained), images)
    threshold = float(np.quantile(hidden[:, NOT_A_DIGIT], 1 - REJECTED))
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
            "rejected": float((hidden[:, NOT_A_DIGIT] >= threshold).mean()),
        },
    }


def describe_data() -> str:
    made = ", ".join(f"{count:,} {kind}" for kind, count in COUNTS.items())
    return (
        f"MNIST's training images, {MNIST_COPIES} times in an epoch, and images generated by tools/real_world_data.py: "
        f"{made}. strokes: digits drawn in the ways of American and European schools. fonts: digits of freely licensed "
        "fonts, half of whose packages are held out. mnist: MNIST's digits, worn as scans and photos wear them. The "
        f"others are no digits; fragments and scribbles that cnn_accurate reads with a probability of {READABLE} are "
        f"left out. Ways of writing ({len(set(DIGITS)) - 1} digits in {len(HIDDEN_CLASSES) - 1} ways) of MNIST's and "
        "the fonts' digits were told by a small model of the drawn ones."
    )


if __name__ == "__main__":
    main()
