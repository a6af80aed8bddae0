"""Puts a finished run's weights, rounded to float16, and their model card into the package.

    python tools/package_weights.py runs/accuracy/lenet5-1a2b3c4d-0 --data-dir DIR
    python tools/package_weights.py runs/accuracy/cnn_accurate-1a2b3c4d-? --data-dir DIR \\
        --ensemble cnn_accurate_ensemble    # the runs as its members

The card's scores are those of the rounded weights; its temperature is that of the last trial in trials.csv, null where
there is none. Its hardware is this machine: run it with the cores of the training. What was trained on
Fashion-MNIST is stored as NAME-fashion_mnist.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from accuracy import model_digest, recipe_name
from command import RESULTS, load_published, matching, read_rows, run_command

from mnist_keras._files import replace_file
from mnist_keras._validation import InputError
from mnist_keras.cli.doctor import examine
from mnist_keras.cli.terminal import typed_path
from mnist_keras.models.pretrained import WEIGHTS_DIRECTORY, stem
from mnist_keras.models.recipes import Recipe
from mnist_keras.models.registry import get_model_spec
from mnist_keras.training.run_directory import RunDirectory

LICENSES = {
    "mnist": "MNIST: Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0",
    "fashion_mnist": "Fashion-MNIST: Zalando SE; MIT",
}
HELD_OUT = "10000"  # images, in the trials that give a temperature


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=typed_path, metavar="RUN", help="a run directory")
    parser.add_argument(
        "--data-dir", type=typed_path, required=True, help="directory of the data's files"
    )
    parser.add_argument("--ensemble", metavar="NAME", help="the model whose members the runs are")
    args = parser.parse_args()
    for runs in [args.runs] if args.ensemble else [[run] for run in args.runs]:
        card = package(runs, args.data_dir, ensemble=args.ensemble)
        print(f"{card['results']['test_accuracy']:.2%} by {card['command']}")


def package(runs: list[Path], data_dir: Path, *, ensemble: str | None = None) -> dict:
    """Writes the weights of a run, or of an ensemble of several, and their card; returns the card."""
    from mnist_keras import build_ensemble, create_model, load_model

    configs = [RunDirectory(run).read_config() for run in runs]
    name, dataset = configs[0]["model"]["name"], configs[0]["data"]["name"]
    if dataset not in LICENSES:
        raise InputError(f"{runs[0]} was trained on {dataset}. Expected: {', '.join(LICENSES)}.")
    command = train_command(name, dataset, configs[0])
    seeds = [config["seed"] for config in configs]
    models = [load_model(run) for run in runs]
    if ensemble:
        models = [build_ensemble(models, name=ensemble)]
        name, command = ensemble, ensemble_command(configs)
    data = load_published(dataset, data_dir)
    path = WEIGHTS_DIRECTORY / f"{stem(name, dataset)}.weights.h5"
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory) / path.name
        save_rounded(models[0], scratch)
        model, content = create_model(name, weights=scratch), scratch.read_bytes()
    card = {
        "name": name,
        "dataset": dataset,
        **describe_model(model, content),
        "recipe": configs[0]["recipe"],
        "seed": seeds if ensemble else seeds[0],
        "command": command,
        "results": score(model, data),
        "data_license": LICENSES[dataset],
        "versions": configs[0]["versions"],
        "hardware": describe_hardware(),
        "train_seconds": sum(RunDirectory(run).read_metrics()["train_seconds"] for run in runs),
    }
    card["temperature"] = find_temperature(card)
    write_package(path, content, card)
    return card


def find_temperature(card: dict) -> float | None:
    """Returns the temperature of the last trial of a card's model and recipe; None if there is none.

    It was fitted to held-out images that the model of the trial had not seen. An ensemble has none: that would take as
    many models, trained without them.
    """
    if get_model_spec(card["name"]).trained_as != card["name"]:
        return None
    digest = model_digest(card["name"], Recipe.from_dict(card["recipe"]))
    cells = {"data": card["dataset"], "digest": digest, "held_out": HELD_OUT}
    found = matching(read_rows(RESULTS / "trials.csv"), cells)
    found = found[found["temperature"] != ""]
    return float(found["temperature"].iloc[-1]) if len(found) else None


def describe_model(model, content: bytes) -> dict:
    """Returns what a card says of a model and of the content of its weights' file."""
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "num_parameters": model.count_params(),
        "input": {
            "shape": list(model.input_shape[1:]),
            "dtype": "float32",
            "range": [0, 1],
            "ink": "light on dark",
        },
        "output": {"shape": [10], "dtype": "float32", "meaning": "class probabilities"},
    }


def score(model, data) -> dict:
    """Returns the scores of a card."""
    from mnist_keras import evaluate
    from mnist_keras.evaluation.evaluate import measure_accuracy

    evaluation = evaluate(model, data.test)
    return {
        "test_accuracy": evaluation.accuracy,
        "test_accuracy_ci95": list(evaluation.accuracy_ci95),
        "train_accuracy": measure_accuracy(model, data.train),
        "negative_log_likelihood": evaluation.negative_log_likelihood,
        "brier_score": evaluation.brier_score,
        "expected_calibration_error": evaluation.expected_calibration_error,
    }


def write_package(path: Path, content: bytes, card: dict) -> None:
    """Writes weights, and their card beside them."""
    with replace_file(path) as temporary:
        temporary.write_bytes(content)
    with replace_file(path.with_name(f"{path.name.partition('.')[0]}.json")) as temporary:
        temporary.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def describe_hardware() -> str:
    """Returns the processor, and how many of its cores this process may use."""
    cpu = examine()["cpu"]
    return f"{cpu['model']}, {cpu['cores']} core{'s' if cpu['cores'] > 1 else ''}"


def ensemble_command(configs: list[dict]) -> str:
    """Returns the command that trains the members; they must differ in their seed alone."""
    first = configs[0]
    if any(config[key] != first[key] for config in configs for key in ("model", "recipe", "data")):
        raise InputError("The runs differ in model, recipe or data. Expected one of each.")
    seeds = [config["seed"] for config in configs]
    if seeds != list(range(len(seeds))):
        raise InputError(f"The runs have the seeds {seeds}. Expected: {list(range(len(seeds)))}.")
    recipe = recipe_name(first["model"]["name"], first["recipe"])
    return f"python benchmarks/accuracy.py --data-dir DIR --recipes {recipe} --seeds {len(seeds)} --out OUT"


def train_command(name: str, dataset: str, config: dict) -> str:
    """Returns the command that repeats the training."""
    recipe = recipe_name(name, config["recipe"])
    by = "" if recipe == name else f" --recipe {recipe}"
    return f"mnist-keras train {name} --data {dataset}{by} --seed {config['seed']}"


def save_rounded(model, path: Path) -> None:
    """Saves a registered model's weights in float16, but those of the last layer, a float32 one, in float32.

    All are loaded into float32 variables.
    """
    from mnist_keras.training.devices import precision_policy

    with precision_policy("float16"):
        rounded = get_model_spec(model.name).build()
    arrays = model.get_weights()
    for variable, array in zip(rounded.weights, arrays, strict=True):
        if np.abs(array).max() > np.finfo(variable.dtype).max:
            raise InputError(f"The weights {variable.path} are beyond the range of float16.")
    rounded.set_weights(arrays)
    rounded.save_weights(path)


if __name__ == "__main__":
    run_command(main)
