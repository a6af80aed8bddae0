"""Makes the tables of docs/results/accuracy.md, and the README's table of models, from the files of results.

    python benchmarks/tables.py

The commands that write these files are accuracy.py, packaged.py, trial.py and baselines.py; nothing is measured here.
"""

import argparse
import json
import statistics
from pathlib import Path

from accuracy import ENTRIES, SCORES, Entry, make_table
from command import run_command
from tabular import README, RESULTS, ROOT, markdown_table, read_rows, with_block

from mnist_keras.models.recipes import Recipe
from mnist_keras.models.registry import get_model_spec

PAGE = ROOT / "docs" / "results" / "accuracy.md"
GOALS = {  # goal, and aim beyond the goal
    Entry("cnn_accurate", "cnn_accurate"): (0.9970, 0.9975),
    Entry("cnn_accurate_ensemble", "cnn_accurate"): (0.9978, 0.9982),
    Entry("cnn_tiny", "cnn_tiny"): (0.9940, None),
    Entry("mlp_deep", "mlp_deep_elastic"): (0.9930, 0.9950),
    Entry("cnn_accurate", "cnn_accurate_fashion", data="fashion_mnist"): (0.945, None),
}
NAMES = dict.fromkeys(("net", "recipe", "data"), "left")  # columns of what was packaged
Rows = list[dict[str, str]]


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_tables(page, RESULTS), encoding="utf-8")
    README.write_text(with_accuracy(README.read_text(encoding="utf-8"), RESULTS), "utf-8")


def with_accuracy(readme: str, results: Path) -> str:
    """Returns the README with the table of models made anew."""
    return with_block(readme, "accuracy.csv", models_table(read_rows(results / "accuracy.csv")))


def with_tables(page: str, results: Path) -> str:
    """Returns the page with every table between its markers made anew."""
    for name, (source, make) in TABLES.items():
        page = with_block(page, name, make(read_rows(results / source)))
    return page


def models_table(rows: Rows) -> str:
    """Returns the short table of models, from accuracy.csv."""
    columns = {"model": "left"}
    columns |= dict.fromkeys(("parameters", "test accuracy", "seconds to train"), "right")
    found = {entry: entry.rows_in(rows) for entry in ENTRIES}
    cells = [
        (
            entry.title,
            f"{entry.spec.num_parameters:,}",
            f"{100 * mean_accuracy(own):.2f}%",
            f"{statistics.median(float(row['train_seconds']) for row in own):,.0f}",
        )
        for entry, own in found.items()
        if own
    ]
    return markdown_table(columns, cells)


def seeds_table(rows: Rows) -> str:
    """Returns what each seed reached, from accuracy.csv."""
    columns = dict.fromkeys(("net", "data", "recipe"), "left")
    columns |= dict.fromkeys(("errors of each seed", "mean accuracy, %"), "right")
    found = {entry: entry.rows_in(rows) for entry in ENTRIES}
    cells = [
        (
            f"`{entry.net}`",
            entry.data,
            f"`{entry.recipe_name}`",
            ", ".join(row["errors"] for row in own),
            f"{100 * mean_accuracy(own):.3f}",
        )
        for entry, own in found.items()
        if own
    ]
    return markdown_table(columns, cells)


def goals_table(rows: Rows) -> str:
    """Returns what was to be reached, and whether the means in accuracy.csv do."""
    columns = dict.fromkeys(("net", "recipe"), "left")
    columns |= dict.fromkeys(("goal, %", "aim, %", "mean, %"), "right") | {"reached": "left"}
    cells = []
    for entry, (goal, aim) in GOALS.items():
        targets = {"the goal": goal} | ({"the aim": aim} if aim else {})
        mean, verdict = "", "not measured"
        if own := entry.rows_in(rows):
            reached = round(mean_accuracy(own), 6)
            mean = f"{100 * reached:.3f}"
            verdict = ", ".join(
                f"{name} {'yes' if reached >= target else '**MISSED**'}"
                for name, target in targets.items()
            )
        shown = f"{100 * aim:.2f}" if aim else ""
        names = f"`{entry.net}`", f"`{entry.recipe_name}`"
        cells.append((*names, f"{100 * goal:.2f}", shown, mean, verdict))
    return markdown_table(columns, cells)


def mean_accuracy(rows: Rows) -> float:
    return statistics.mean(float(row["accuracy"]) for row in rows)


def packaged_table(rows: Rows) -> str:
    """Returns what packaged.py measured: accuracy, the comparison with lenet5, views."""
    measures = (
        *("accuracy, %", "95% interval", "errors in images 0 to 4999, 5000 to 9999"),
        "right where `lenet5` is wrong, and the reverse",
        *("McNemar's p", "with shifted views, %"),
    )
    cells = [
        (
            *name_cells(row),
            percent(row["accuracy"]),
            f"{percent(row['ci95_low'])} to {percent(row['ci95_high'])}",
            f"{row['errors_in_first_half']}, {row['errors_in_second_half']}",
            ", ".join(filter(None, [row["only_this_right"], row["only_lenet5_right"]])),
            row["mcnemar_p_value"],
            percent(row["accuracy_of_views"]),
        )
        for row in rows
    ]
    return markdown_table(NAMES | dict.fromkeys(measures, "right"), cells)


def calibration_table(rows: Rows) -> str:
    """Returns what packaged.py measured of the probabilities, as they are and at the temperature."""
    measures = ("negative log-likelihood", "Brier score", "calibration error", "temperature")
    cells = []
    for row in rows:
        plain = [f"{float(row[name]):.4f}" for name in SCORES]
        scaled = [row[f"{name}_at_temperature"] for name in SCORES]
        cooled = ", ".join(f"{float(value):.4f}" for value in scaled if value)
        cells.append((*name_cells(row), *plain, row["temperature"], cooled))
    columns = NAMES | dict.fromkeys((*measures, "the three at the temperature"), "right")
    return markdown_table(columns, cells)


def name_cells(row: dict[str, str]) -> tuple[str, str, str]:
    """Returns the cells of the columns `NAMES`."""
    return f"`{row['net']}`", f"`{row['recipe']}`", row["data"]


def trials_table(rows: Rows) -> str:
    """Returns the trials, in the order in which they were run."""
    columns = dict.fromkeys(("net", "data", "recipe", "precision"), "left")
    columns |= dict.fromkeys(("parameters", "held-out errors"), "right")
    columns |= dict.fromkeys(("negative log-likelihood", "at its temperature"), "right")
    cells = [
        (
            ", ".join([f"`{row['net']}`", *describe(json.loads(row["arguments"]))]),
            row["data"],
            ", ".join(describe(json.loads(row["recipe"]))),
            row["precision"],
            f"{int(row['parameters']):,}",
            f"{row['held_out_errors']} of {int(row['held_out']):,}",
            row["negative_log_likelihood"],
            row["likelihood_at_temperature"],
            f"{row['seconds']} ({row['cores']})",
        )
        for row in rows
    ]
    return markdown_table(columns | {"seconds (cores)": "right"}, cells)


def changes_table(rows: Rows) -> str:
    """Returns the trials of `cnn_accurate` on MNIST, each by what it changes of the net as it ships."""
    spec = get_model_spec("cnn_accurate")
    shipped = {**spec.arguments, **spec.recipe.to_dict(), "seed": 0}
    columns = {"changed": "left"} | dict.fromkeys(
        ("held-out errors", "negative log-likelihood at its temperature"), "right"
    )
    cells = []
    for row in rows:
        if (row["net"], row["data"]) != ("cnn_accurate", "mnist"):
            continue
        recipe = Recipe.from_dict(json.loads(row["recipe"])).to_dict()
        settings = {**json.loads(row["arguments"]), **recipe, "seed": int(row["seed"])}
        changed = {key: value for key, value in settings.items() if value != shipped.get(key)}
        words = ", ".join(describe(changed)) or "nothing"
        cells.append((words, row["held_out_errors"], row["likelihood_at_temperature"]))
    return markdown_table(columns, cells)


def baselines_table(rows: Rows) -> str:
    """Returns what baselines.py measured: scikit-learn's classifiers, and nets beside them."""
    columns = dict.fromkeys(("classifier", "settings"), "left")
    columns |= dict.fromkeys(("test accuracy, %", "fit, s", "predict 10,000, s"), "right")
    cells = [
        (
            row["classifier"],
            row["settings"],
            percent(row["test_accuracy"]),
            f"{float(row['fit_seconds']):.3g}",
            f"{float(row['predict_seconds']):.2g}",
        )
        for row in rows
    ]
    return markdown_table(columns, cells)


def describe(settings: dict) -> list[str]:
    """Returns settings in words; those of an augmentation in brackets."""
    return [f"{key} {_value_in_words(value)}" for key, value in settings.items()]


def _value_in_words(value):
    if isinstance(value, dict):
        return f"({', '.join(describe(value))})"
    return "none" if value is None else json.dumps(value).replace('"', "")


def percent(share: str) -> str:
    return f"{100 * float(share):.2f}"


TABLES = {  # markers' name -> file of results, and what makes the table of its rows
    "accuracy.csv": ("accuracy.csv", make_table),
    "goals": ("accuracy.csv", goals_table),
    "seeds": ("accuracy.csv", seeds_table),
    "packaged": ("packaged.csv", packaged_table),
    "calibration": ("packaged.csv", calibration_table),
    "trials": ("trials.csv", trials_table),
    "changes": ("trials.csv", changes_table),
    "baselines": ("baselines.csv", baselines_table),
}


if __name__ == "__main__":
    run_command(main)
