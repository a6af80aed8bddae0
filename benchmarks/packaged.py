"""Scores the packaged nets on their test images: intervals, McNemar's test, calibration, shifted views.

    python benchmarks/packaged.py --data-dir DIR                # results/packaged.csv, two minutes
    python benchmarks/packaged.py --data-dir DIR --nets lenet5  # its rows alone

Nothing is trained. Nets for MNIST are compared with `lenet5` on the same images. A net's temperature is that of the
last trial of just its architecture and recipe in results/trials.csv: fitted to training images held out, on a net that
was not trained on them. `accuracy_of_views` averages over each image and its eight neighbours shifted by a pixel.
"""

import argparse
import os
from pathlib import Path

from accuracy import ENTRIES, digest, write_rows
from report import read_rows

from mnist_keras.recipes import Recipe
from mnist_keras.registry import get_model_spec

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
REFERENCE = "lenet5"
SCORES = ("negative_log_likelihood", "brier_score", "expected_calibration_error")


def main() -> None:
    nets = list(dict.fromkeys(entry.net for entry in ENTRIES))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="directory with mnist/ and fashion_mnist/"
    )
    parser.add_argument("--nets", nargs="+", choices=nets, default=nets, metavar="NET")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the results")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    from mnist_keras import load_data
    from mnist_keras.pretrained import DATASETS, list_weights

    path = args.out / "packaged.csv"
    rows = {(row["net"], row["data"]): row for row in read_rows(path)}
    for dataset in DATASETS:
        data = load_data(dataset, data_dir=args.data_dir)
        reference = predict(REFERENCE, data) if dataset == "mnist" else None
        for net in args.nets:
            if net in list_weights(dataset):
                rows[net, dataset] = make_row(net, data, reference)
                print(
                    f"{net} on {dataset}: {float(rows[net, dataset]['accuracy']):.2%}", flush=True
                )
    order = sorted(rows, key=lambda key: (DATASETS.index(key[1]), nets.index(key[0])))
    write_rows(path, [rows[key] for key in order], columns=list(rows[order[0]]))


def predict(net: str, data, **options):
    from mnist_keras import create_model, predict_probabilities

    return predict_probabilities(create_model(net, weights=data.name), data.test_images, **options)


def make_row(net: str, data, reference) -> dict[str, str]:
    """Returns a net's row: shares, nats, and for the comparison numbers of images."""
    from mnist_keras import apply_temperature, compare, evaluate_predictions
    from mnist_keras.pretrained import load_card

    labels, probabilities = data.test_labels, predict(net, data)
    card = load_card(net, data.name)
    scores = evaluate_predictions(labels, probabilities)
    wrong = scores.predictions != labels
    half = len(wrong) // 2  # of MNIST: students wrote the first one, census staff the second one
    row = {
        "net": net,
        "data": data.name,
        "recipe": recipe_name(card),
        "seed": str(card["seed"]),
        "accuracy": f"{scores.accuracy:.4f}",
        "ci95_low": f"{scores.accuracy_ci95[0]:.4f}",
        "ci95_high": f"{scores.accuracy_ci95[1]:.4f}",
        "errors_in_first_half": str(wrong[:half].sum()),
        "errors_in_second_half": str(wrong[half:].sum()),
        "accuracy_of_views": f"{(predict(net, data, shift=1).argmax(axis=1) == labels).mean():.4f}",
        "only_this_right": "",
        "only_lenet5_right": "",
        "mcnemar_p_value": "",
        **{name: f"{getattr(scores, name):.5f}" for name in SCORES},
        "temperature": "",
        **{f"{name}_at_temperature": "" for name in SCORES},
    }
    if reference is not None and net != REFERENCE:
        comparison = compare(labels, probabilities, reference)
        row["only_this_right"] = str(comparison.only_a_correct)
        row["only_lenet5_right"] = str(comparison.only_b_correct)
        row["mcnemar_p_value"] = f"{comparison.p_value:.2g}"
    if temperature := find_temperature(net, card):
        row["temperature"] = temperature
        scaled = apply_temperature(probabilities, float(temperature))
        calibrated = evaluate_predictions(labels, scaled)
        row |= {f"{name}_at_temperature": f"{getattr(calibrated, name):.5f}" for name in SCORES}
    return row


def find_temperature(net: str, card: dict) -> str:
    """Returns the temperature of the last trial of just this net and recipe; nothing if there is none."""
    spec = get_model_spec(net)
    wanted = digest(spec.builder, spec.arguments, Recipe.from_dict(card["recipe"]))
    trials = read_rows(RESULTS / "trials.csv")
    found = [x for x in trials if (x["data"], x["digest"]) == (card["dataset"], wanted)]
    return found[-1]["temperature"] if found else ""


def recipe_name(card: dict) -> str:
    """Returns the name of a card's recipe: the one that its command asks for, or the net's own."""
    words = card["command"].split()
    named = next(
        (words[i + 1] for i, word in enumerate(words) if word.startswith("--recipe")), None
    )
    return named or card["name"]


if __name__ == "__main__":
    main()
