"""Makes the marked blocks of README.md and docs from the result files, and shows missed goals as missed.

    python benchmarks/tables.py

A block stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`; tables.md holds its text by that name. goals.csv
says what was to be reached. A goal's `rows`, and the rows that it is divided by or that are subtracted, are regular
expressions for the key cells of a file, joined by slashes. The worst of several rows counts, named by its class of CPU
and what a group in the expression matches; rows of several seeds count as their mean.
"""

import argparse
import json
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
from command import run_command
from entries import ENTRIES
from exports import without_busy_times
from tabular import RESULTS, ROOT, matching, read_rows

from mnist_keras._validation import InputError
from mnist_keras.data.readers import READERS
from mnist_keras.evaluation.metrics import wilson_interval
from mnist_keras.inference.export import EXPORT_FORMATS
from mnist_keras.models.recipes import Recipe
from mnist_keras.models.registry import get_model_spec

GOALS = Path(__file__).with_name("goals.csv")
TEXTS = Path(__file__).with_suffix(".md")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NUM_TEST_IMAGES = 10_000
KEYS = {  # of the files that goals.csv names
    "accuracy.csv": ["net", "recipe", "data"],
    "choices.csv": ["class", "chosen_by", "net"],
    "growth.csv": ["data", "metric", "images"],
    "numbers.csv": ["spacing", "length"],
    "preparation_time.csv": ["source"],
    "real_pictures.csv": ["group", "kind", "model", "preparation"],
    "speed.csv": ["class", "task", "contestant", "metric"],
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for page in PAGES:
        text = page.read_text("utf-8")
        if (made := remake(text, RESULTS)) != text:
            page.write_text(made, "utf-8")
            print(page.relative_to(ROOT))


def remake(text: str, results: Path) -> str:
    """Returns a page with the blocks between its markers made anew."""
    for name in re.findall("<!-- (.*): begin -->", text):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if name not in BLOCKS:
            raise InputError(
                f"Unknown block {name!r} in a page. Expected one of: {', '.join(BLOCKS)}."
            )
        if (text.count(begin), text.count(end)) != (1, 1):
            raise InputError(f"The page must have the markers {begin} and {end}, once each.")
        before, after = text.split(begin, maxsplit=1)[0], text.split(end)[1]
        text = f"{before}{begin}\n{fill(name, BLOCKS[name](results))}\n{end}{after}"
    return text


def fill(name: str, rows: pd.DataFrame) -> str:
    """Returns a Markdown table: the texts that tables.md has for it, its last line once for each row."""
    section = TEXTS.read_text("utf-8").split(f"\n## {name}\n")[1].split("\n\n")[0]
    *head, line = section.splitlines()
    cells = rows.astype(object).where(rows.notna(), Blank())
    return "\n".join([*head, *(line.format(**row) for row in cells.to_dict("records"))])


class Blank:
    """The value of an empty cell, in any format."""

    def __format__(self, spec: str) -> str:
        return ""


def entries(results: Path) -> pd.DataFrame:
    """Returns a row for each entry that was trained as it is now."""
    rows, found = read_rows(results / "accuracy.csv"), []
    for entry in ENTRIES:
        own, spec = matching(rows, entry.key), entry.spec
        if not len(own):
            continue
        accuracies = own["accuracy"].astype(float)
        low, high = wilson_interval(round(accuracies.mean() * NUM_TEST_IMAGES), NUM_TEST_IMAGES)
        found.append(
            {
                "title": entry.title,
                "layers": spec.description,
                "parameters": spec.num_parameters,
                "mean": accuracies.mean(),
                "deviation": f" ± {accuracies.std():.2%}" if len(own) > 1 else "",
                "low": low,
                "high": high,
                "errors": ", ".join(own["errors"]),
                "trained": own["train_accuracy"].astype(float).mean(),
                "seconds": own["train_seconds"].astype(float).median(),
                "cores": ", ".join(sorted(set(own["cores"]))),
                "claim": spec.claimed_accuracy,
            }
        )
    return pd.DataFrame(found)


def goals(results: Path, page: str) -> pd.DataFrame:
    """Returns what was to be reached on a page, and what was measured."""
    rows = read_rows(GOALS).query("page == @page").to_dict("records")
    return pd.DataFrame([judge(goal, results) for goal in rows])


def judge(goal: dict[str, str], results: Path) -> dict[str, str]:
    """Returns the cells of a goal."""
    text, at_least = goal["text"].format, goal["bound"] == "at least"
    targets = [float(goal[name]) for name in ("limit", "aim") if goal[name]]
    cells = {
        "goal": goal["goal"],
        "limit": f"{goal['bound']} {text(targets[0])}",
        "aim": text(targets[1]) if goal["aim"] else "",
    }
    values = find(goal, "rows", results)
    for column, combine in (("divided_by", pd.Series.div), ("minus", pd.Series.sub)):
        if goal[column]:  # of the same class of CPU
            values = combine(values, find(goal, column, results).droplevel("name"), level="class")
    if values.dropna().empty:
        return {**cells, "measured": "not measured", "reached": ""}
    values = values.dropna()
    worst = values.idxmin() if at_least else values.idxmax()
    value = round(values[worst], 6)  # a mean of decimal fractions is not exact
    reached = [
        math.isfinite(value) and (value >= target if at_least else value <= target)
        for target in targets
    ]
    words = ["yes" if yes else "**MISSED**" for yes in reached]
    verdict = words[0] if len(words) == 1 else f"goal {words[0]}, aim {words[1]}"
    worst = " on ".join(f"`{word}`" for word in reversed(worst) if word)
    which = f" ({worst}, the worst of {len(values)})" if len(values) > 1 else ""
    return {**cells, "measured": text(value) + which, "reached": verdict}


def find(goal: dict[str, str], rows: str, results: Path) -> pd.Series:
    """Returns the values in a goal's column, by the class of CPU and by what the groups in the expression match."""
    table = keyed(results / goal["file"])
    expression = f"^(.*)/{goal[rows]}()$" if "class" in table else f"^()(?:){goal[rows]}()$"
    names = pd.Series(table.index, dtype=str).str.extract(expression)[[0, 1]]
    values = pd.Series(table[goal["column"]].to_numpy(), [names[0], names[1]])
    values = values[names[1].notna().to_numpy()].astype(float)
    values.index.names = ["class", "name"]
    if goal["needs"]:
        values = values[values.index.get_level_values("class") == goal["needs"]]
    return values.groupby(level=[0, 1]).mean()


def keyed(path: Path) -> pd.DataFrame:
    """Returns the rows of a file by their key cells; of accuracy.csv, those of the entries as they are now."""
    table = read_rows(path)
    if path.name == "accuracy.csv":
        table = pd.concat([matching(table, entry.key) for entry in ENTRIES])
    return table.set_index(table[KEYS[path.name]].agg("/".join, axis=1))


def trials(results: Path) -> pd.DataFrame:
    rows = pd.read_csv(results / "trials.csv")
    for column in ("arguments", "recipe"):
        rows[column] = rows[column].map(lambda text: describe(json.loads(text)))
    return rows


def changes(results: Path) -> pd.DataFrame:
    """Returns the trials of `cnn_accurate` on MNIST, each by what it changes in the model as it ships."""
    spec = get_model_spec("cnn_accurate")
    shipped = {**spec.arguments, **spec.recipe.to_dict(), "seed": 0}

    def changed(row):
        recipe = Recipe.from_dict(json.loads(row["recipe"])).to_dict()
        settings = {**json.loads(row["arguments"]), **recipe, "seed": row["seed"]}
        other = {key: value for key, value in settings.items() if value != shipped.get(key)}
        return describe(other) or "nothing"

    rows = pd.read_csv(results / "trials.csv").query("net == 'cnn_accurate' and data == 'mnist'")
    return rows.assign(changed=[changed(row) for row in rows.to_dict("records")])


def describe(settings: dict) -> str:
    """Returns settings in words; those of an augmentation in parentheses."""

    def words(value):
        if isinstance(value, dict):
            return f"({describe(value)})"
        return "none" if value is None else json.dumps(value).replace('"', "")

    return ", ".join(f"{key} {words(value)}" for key, value in settings.items())


def pivot(results: Path, pattern: str, column: str = "median") -> pd.DataFrame:
    """Returns a column of speed.csv as a table of each class of CPU; the groups `row` and `column` of an expression for
    the other keys span it.
    """
    rows = keyed(results / "speed.csv")
    cells = rows.index.to_series().str.extract(f"^(?P<cpu>[^/]*)/{pattern}$")
    cells["value"] = pd.to_numeric(rows[column], errors="coerce")
    cells = cells.dropna(subset="row")
    table = cells.pivot(index=["cpu", "row"], columns="column", values="value")
    return table.reindex(pd.MultiIndex.from_frame(cells[["cpu", "row"]]).unique()).reset_index()


def training(results: Path) -> pd.DataFrame:
    pattern = "to_99_percent/(?P<row>.*)/(?P<column>.*)"
    table = pivot(results, pattern)
    return table.assign(repeats=pivot(results, pattern, "repeats")["seconds"].astype(int))


def pipeline(results: Path) -> pd.DataFrame:
    rates = pivot(results, "pipeline_(?P<row>(?!share).*)/(?P<column>.*)/images_per_second")
    shares = pivot(results, "pipeline_share_lenet5_(?P<row>.*)/ours/(?P<column>share_of_step)")
    table = rates.merge(shares, on=["cpu", "row"])
    return table.assign(row=table["row"].str.replace("_", " "))


def prediction(results: Path) -> pd.DataFrame:
    one = pivot(results, "predict_one_(?P<row>.*)/(?P<column>.*)/ms")
    many = pivot(results, "predict_all_(?P<row>.*)/(?P<column>.*)/images_per_second")
    return one.merge(many, on=["cpu", "row"], suffixes=("", "_of_many"))


def headlines(results: Path) -> pd.DataFrame:
    """Returns for each class of CPU the seconds to 99%, and how many times as long as ours the peers take."""
    target = pivot(results, "to_99_percent/(?P<row>.*)/(?P<column>seconds|times_slower_than_ours)")
    target = target.pivot(index="cpu", columns="row")
    columns = {
        "seconds": target["seconds", "ours"],
        "example": target["times_slower_than_ours", "pytorch_example"],
    }
    epochs = pivot(results, "epoch_(?P<column>.*)/(?P<row>.*)/epoch_seconds").set_index(
        ["cpu", "row"]
    )
    for model in epochs:
        seconds = epochs[model].unstack("row")
        ours = seconds.filter(regex="^ours(?!_xla)").min(axis=1)  # in the faster precision
        columns |= {
            f"{model}_{peer}": seconds[name] / ours
            for peer, name in (("fit", "fit"), ("torch", "pytorch_dataloader"))
        }
    table = pd.DataFrame(columns).loc[epochs.index.unique("cpu")]
    ratios = table.drop(columns="seconds").apply(
        lambda column: column.map("{:.1f}x".format, na_action="ignore")
    )
    return table[["seconds"]].join(ratios).reset_index(names="cpu")


def choices(results: Path) -> pd.DataFrame:
    """Returns what is chosen on each class of CPU, and the fastest of what was measured."""
    rows = pd.read_csv(results / "choices.csv", keep_default_na=False)
    best = rows.loc[rows.groupby(["class", "net"], sort=False)["seconds"].idxmin()]
    ways = ["precision", "onednn", "xla", "seconds"]
    chosen = rows[rows["chosen_by"].str.contains("auto")]
    table = chosen.merge(best[["class", "net", *ways]], on=["class", "net"], suffixes=("", "_best"))
    return table.rename(columns={"class": "cpu"})


def growth(results: Path) -> pd.DataFrame:
    rows = pd.read_csv(results / "growth.csv")
    table = rows.pivot(index=["data", "images"], columns="metric", values="median").reset_index()
    return table.replace("records", "files")


def rounding(results: Path) -> pd.DataFrame:
    rows = pd.read_csv(results / "rounding.csv").query("change == 'two replicas'")
    values = ["largest_difference", "relus_that_differ"]
    table = rows.pivot(index="step", columns="seed", values=values)
    table.columns = [f"{value}_{seed}" for value, seed in table.columns]
    return table.astype(dict.fromkeys(table.filter(like="relus"), int)).reset_index()


def machine(results: Path) -> pd.DataFrame:
    """Returns what the times of each class of CPU depend on; one class is measured on one machine."""
    rows = read_rows(results / "speed.csv").query("task == 'machine'")
    facts = rows.pivot(index="class", columns="metric", values="median")
    choices = read_rows(results / "choices.csv").groupby("class")["machine"].unique()
    for cpu, summary in facts["summary"].items():
        if len(names := {summary, *choices.get(cpu, ())}) > 1:
            raise InputError(
                f"The results of the class {cpu} are from different machines or versions. Run speed.py and choices.py "
                "on one:\n" + "\n".join(sorted(names))
            )
    facts = facts.loc[rows["class"].unique()].reset_index(names="class_of_cpu")
    return facts.rename(columns=lambda name: name.replace("-", "_"))


def robustness(results: Path) -> pd.DataFrame:
    words = {"fgsm": "FGSM", "pgd": "PGD", "shift": "shift, pixels", "mnist_c": "MNIST-C"}
    words["rotation"] = "rotation, degrees"
    rows = pd.read_csv(results / "robustness.csv", dtype={"strength": str}, keep_default_na=False)
    table = rows.pivot_table("accuracy", ["change", "strength"], "model", sort=False).reset_index()
    table["strength"] = table["strength"].str.replace("_", " ")
    return table.assign(change=table["change"].replace(words))


def exports(results: Path, column: str) -> pd.DataFrame:
    """Returns a column of exports.csv: a row for each model, a column for each format."""
    rows = without_busy_times(read_rows(results / "exports.csv"))
    rows["kilobytes"] = rows["bytes"].astype(float) / 1e3
    rows[column] = pd.to_numeric(rows[column])
    table = rows.pivot(index="model", columns="format", values=column)
    table = table.reindex(rows["model"].unique()).reset_index()
    return table.reindex(columns=["model", *EXPORT_FORMATS])


def proofs(results: Path) -> pd.DataFrame:
    """Returns for each format the model whose probabilities differ most from Keras's, and the most that is allowed."""
    rows = pd.read_csv(results / "exports.csv")
    worst = rows.loc[rows.groupby("format", sort=False)["largest_difference"].idxmax()]
    allowed = worst["format"].map(lambda name: EXPORT_FORMATS[name].tolerance)
    lost = rows.groupby("format")["other_labels"].max()
    return worst.assign(allowed=allowed, most_labels=worst["format"].map(lost))


def flash(results: Path) -> pd.DataFrame:
    rows = pd.read_csv(results / "exports.csv").dropna(subset="flash_bytes")
    rows["flash"] = rows["flash_bytes"] / 1e3
    return rows.pivot_table("flash", "model", "format", sort=False).reset_index()


def pictures(results: Path) -> pd.DataFrame:
    """Returns the mean accuracy of each model over the kinds of each group."""
    rows = pd.read_csv(results / "real_pictures.csv", keep_default_na=False)
    words = {"resized and inverted": "inverted", "to_mnist_image": "prepared"}
    groups = rows["group"].replace("MNIST-C", "corrupted") + "_"
    rows["column"] = groups + rows["preparation"].replace(words)
    return rows.pivot_table("accuracy", "model", "column", sort=False).reset_index()


def kinds(results: Path) -> pd.DataFrame:
    """Returns the accuracy on each kind of picture: resized, and prepared for some models."""
    rows = pd.read_csv(results / "real_pictures.csv", keep_default_na=False)
    prepared = rows[rows["preparation"] == "to_mnist_image"]
    table = prepared.pivot_table("accuracy", ["group", "kind"], "model", sort=False).reset_index()
    plain = rows[(rows["preparation"] == "resized") & (rows["model"] == "cnn_accurate")]
    table["resized"] = plain["accuracy"].to_numpy()
    names = table["kind"].str.replace("_", " ")
    table["kind"] = names.where(table["group"] != "MNIST-C", "MNIST-C: " + names)
    return table


def numbers(results: Path) -> pd.DataFrame:
    rows = pd.read_csv(results / "numbers.csv")
    return rows.pivot_table("exact", "length", "spacing").reset_index()


def errors_by_digit(results: Path) -> pd.DataFrame:
    """Returns the seeds' mean errors on each digit of MNIST's test images."""
    rows = pd.read_csv(results / "real_world.csv").drop(columns=["seed", "accuracy"])
    means = rows.groupby("model").mean().T.rename(lambda name: name.removeprefix("errors_of_"))
    means.loc["all"] = means.sum()
    return means.rename_axis("digit").reset_index()


def formats(results: Path) -> pd.DataFrame:
    return pd.DataFrame([{"name": reader.name, "layout": reader.layout} for reader in READERS])


def read(results: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(results / name)


BLOCKS: dict[
    str, Callable[[Path], pd.DataFrame]
] = {  # name -> its rows, from the directory of results
    "accuracy.csv": entries,
    "details": entries,
    "goals of accuracy": partial(goals, page="accuracy"),
    "packaged": partial(read, name="packaged.csv"),
    "calibration": partial(read, name="packaged.csv"),
    "trials": trials,
    "changes": changes,
    "baselines": partial(read, name="baselines.csv"),
    "robustness.csv": robustness,
    "training": training,
    "headlines": headlines,
    "choices": choices,
    "goals of speed": partial(goals, page="speed"),
    "epochs": partial(pivot, pattern="epoch_(?P<column>.*)/(?P<row>.*)/epoch_seconds"),
    "pipeline": pipeline,
    "prediction": prediction,
    "growth": growth,
    "machine": machine,
    "errors by digit": errors_by_digit,
    "reliability.csv": partial(read, name="reliability.csv"),
    "rounding.csv": rounding,
    "export proofs": proofs,
    "export sizes": partial(exports, column="kilobytes"),
    "export times": partial(exports, column="one_image_ms"),
    "export rates": partial(exports, column="images_per_second"),
    "export accuracy": partial(exports, column="accuracy"),
    "export flash": flash,
    "pictures": pictures,
    "kinds of pictures": kinds,
    "numbers": numbers,
    "preparation": partial(read, name="preparation_time.csv"),
    "goals of pictures": partial(goals, page="pictures"),
    "formats": formats,
    "app.csv": partial(read, name="app.csv"),
    "readers.csv": partial(read, name="readers.csv"),
}


if __name__ == "__main__":
    run_command(main)
