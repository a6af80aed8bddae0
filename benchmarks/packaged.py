"""Scores the packaged nets on their test images: intervals, McNemar's test, calibration, shifted views.

    python benchmarks/packaged.py --data-dir DIR                # results/packaged.csv, two minutes
    python benchmarks/packaged.py --data-dir DIR --nets lenet5  # its rows alone

Nothing is trained. Nets for MNIST are compared with `lenet5` on the same images. A net's temperature is that of the
last trial of just its architecture and recipe in results/trials.csv: fitted to training images held out, on a net that
was not trained on them. `accuracy_of_views` averages over each image and its eight neighbours shifted by a pixel.
"""

import argparse
from pathlib import Path

from accuracy import (
    ENTRIES,
    SCORES,
    errors_by_half,
    load_published,
    net_digest,
    recipe_name,
    score_cells,
)
from command import run_command
from tabular import RESULTS, read_rows, write_rows

from mnist_keras.models.recipes import Recipe

REFERENCE = "lenet5"
HELD_OUT = 10_000  # images, in trials that give a temperature


def main() -> None:
    nets = list(dict.fromkeys(entry.net for entry in ENTRIES))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="directory with mnist/ and fashion_mnist/"
    )
    parser.add_argument("--nets", nargs="+", choices=nets, default=nets, metavar="NET")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the results")
    args = parser.parse_args()

    from mnist_keras import create_model, evaluate
    from mnist_keras.models.pretrained import DATASETS, list_weights

    path = args.out / "packaged.csv"
    rows = {(row["net"], row["data"]): row for row in read_rows(path)}
    for dataset in DATASETS:
        packaged = list_weights(dataset)
        nets_here = [net for net in args.nets if net in packaged]
        if not nets_here:
            continue
        data = load_published(dataset, args.data_dir)
        reference = None
        if dataset == "mnist":
            lenet5 = create_model(REFERENCE, weights=dataset)
            reference = evaluate(lenet5, data.test_images, data.test_labels).predictions
        for net in nets_here:
            rows[net, dataset] = make_row(net, data, reference)
            order = sorted(rows, key=lambda key: (DATASETS.index(key[1]), nets.index(key[0])))
            write_rows(path, [rows[key] for key in order], columns=rows[net, dataset])
            print(f"{net} on {dataset}: {float(rows[net, dataset]['accuracy']):.2%}", flush=True)


def make_row(net: str, data, reference) -> dict[str, str]:
    """Returns a net's row: shares, nats, and for the comparison numbers of images."""
    from mnist_keras import (
        apply_temperature,
        compare,
        create_model,
        evaluate,
        evaluate_predictions,
    )
    from mnist_keras.models.pretrained import load_card

    card, labels = load_card(net, data.name), data.test_labels
    model = create_model(net, weights=data.name)
    scores = evaluate(model, data.test_images, labels)
    of_views = evaluate(model, data.test_images, labels, shift=1)
    first_half, second_half = errors_by_half(scores)
    row = {
        "net": net,
        "data": data.name,
        "recipe": recipe_name(net, card["recipe"]),
        "seed": str(card["seed"]),
        "accuracy": f"{scores.accuracy:.4f}",
        "ci95_low": f"{scores.accuracy_ci95[0]:.4f}",
        "ci95_high": f"{scores.accuracy_ci95[1]:.4f}",
        "errors_in_first_half": str(first_half),
        "errors_in_second_half": str(second_half),
        "accuracy_of_views": f"{of_views.accuracy:.4f}",
        "only_this_right": "",
        "only_lenet5_right": "",
        "mcnemar_p_value": "",
        **score_cells(scores),
        "temperature": "",
        **{f"{name}_at_temperature": "" for name in SCORES},
    }
    if reference is not None and net != REFERENCE:
        comparison = compare(labels, scores.predictions, reference)
        row["only_this_right"] = str(comparison.only_a_correct)
        row["only_lenet5_right"] = str(comparison.only_b_correct)
        row["mcnemar_p_value"] = f"{comparison.p_value:.2g}"
    if temperature := find_temperature(net, card):
        row["temperature"] = temperature
        scaled = apply_temperature(scores.probabilities, float(temperature))
        cells = score_cells(evaluate_predictions(labels, scaled))
        row |= {f"{name}_at_temperature": cell for name, cell in cells.items()}
    return row


def find_temperature(net: str, card: dict) -> str:
    """Returns the temperature of the last trial of just this net and recipe; nothing if there is none."""
    wanted = net_digest(net, Recipe.from_dict(card["recipe"]))
    trials = read_rows(RESULTS / "trials.csv")
    key = {"data": card["dataset"], "digest": wanted, "held_out": str(HELD_OUT)}
    found = [trial for trial in trials if key.items() <= trial.items()]
    return found[-1]["temperature"] if found else ""


if __name__ == "__main__":
    run_command(main)
