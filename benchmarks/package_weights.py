"""Puts a finished run's weights, rounded to float16, and their model card into the package.

    python benchmarks/package_weights.py runs/accuracy/lenet5-1a2b3c4d-0 --data-dir DIR

The card's scores are those of the rounded weights. What was trained on Fashion-MNIST is stored as NET-fashion_mnist.
"""

import argparse
import hashlib
import json
from pathlib import Path

from mnist_keras.doctor import examine
from mnist_keras.pretrained import WEIGHTS_DIRECTORY, stem
from mnist_keras.recipes import RECIPES

LICENSES = {
    "mnist": "MNIST: Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0",
    "fashion_mnist": "Fashion-MNIST: Zalando SE; MIT",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="directory of the data's files"
    )
    args = parser.parse_args()
    for run in args.runs:
        card = package(run, args.data_dir)
        print(f"{card['name']}: {card['results']['test_accuracy']:.2%}")


def package(run: Path, data_dir: Path) -> dict:
    """Writes a run's weights and their card; returns the card."""
    from mnist_keras import create_model, evaluate, load_data, load_model
    from mnist_keras.prediction import measure_accuracy

    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    name, dataset = config["model"]["name"], config["data"]["name"]
    if dataset not in LICENSES:
        raise SystemExit(f"{run} was trained on {dataset}. Expected one of: {', '.join(LICENSES)}.")
    command = train_command(name, dataset, config)
    data = load_data(dataset, data_dir=data_dir)
    path = WEIGHTS_DIRECTORY / f"{stem(name, dataset)}.weights.h5"
    save_rounded(load_model(run), path)
    model = create_model(name, weights=path)
    evaluation = evaluate(model, data.test_images, data.test_labels)
    cpu = examine()["cpu"]
    card = {
        "name": name,
        "dataset": dataset,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "num_parameters": model.count_params(),
        "input": {
            "shape": list(model.input_shape[1:]),
            "dtype": "float32",
            "range": [0, 1],
            "ink": "light on dark",
        },
        "output": {"shape": [10], "dtype": "float32", "meaning": "class probabilities"},
        "recipe": config["recipe"],
        "seed": config["seed"],
        "command": command,
        "results": {
            "test_accuracy": evaluation.accuracy,
            "test_accuracy_ci95": list(evaluation.accuracy_ci95),
            "train_accuracy": measure_accuracy(model, data.train_images, data.train_labels),
            "negative_log_likelihood": evaluation.negative_log_likelihood,
            "brier_score": evaluation.brier_score,
            "expected_calibration_error": evaluation.expected_calibration_error,
        },
        "data_license": LICENSES[dataset],
        "versions": config["versions"],
        "hardware": f"{cpu['model']}, {cpu['cores']} cores",
        "train_seconds": json.loads((run / "metrics.json").read_text())["train_seconds"],
    }
    text = json.dumps(card, indent=2) + "\n"
    path.with_name(f"{stem(name, dataset)}.json").write_text(text, encoding="utf-8")
    return card


def train_command(name: str, dataset: str, config: dict) -> str:
    """Returns the command that repeats the training; its recipe must be a registered one."""
    names = [key for key, recipe in RECIPES.items() if recipe.to_dict() == config["recipe"]]
    if not names:
        raise SystemExit(f"The recipe of {name}'s run is not a registered one.")
    by = "" if name in names else f" --recipe {names[0]}"
    return f"mnist-keras train {name} --data {dataset}{by} --seed {config['seed']}"


def save_rounded(model, path: Path) -> None:
    """Saves a registered net's weights in float16, half the size; they are loaded into float32 variables."""
    from mnist_keras import get_model_spec
    from mnist_keras.distribution import precision_policy

    with precision_policy("float16"):
        rounded = get_model_spec(model.name).build()
    rounded.set_weights(model.get_weights())
    rounded.save_weights(path)


if __name__ == "__main__":
    main()
