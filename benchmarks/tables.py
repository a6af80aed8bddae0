"""Makes the marked blocks of README.md and docs from the result files, and shows missed goals as missed.

    python benchmarks/tables.py

A block stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`; tables.toml says which rows it has and how each
is written. goals.csv says what was to be reached. A goal's `rows`, and the rows that it is divided by or that are
subtracted, are regular expressions for the key cells of a file, joined by slashes. The worst of several rows counts,
named by its class of CPU and what a group in the expression matches; rows of several seeds count as their mean.
"""

import argparse
import json
import math
import re
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
from command import RESULTS, ROOT, read_rows, run_command
from entries import KEY, entries as trained
from exports import without_busy_times

from mnist_keras._validation import InputError, unknown
from mnist_keras.data.readers import READERS
from mnist_keras.evaluation.metrics import wilson_interval
from mnist_keras.inference.export import EXPORT_FORMATS
from mnist_keras.models.recipes import Recipe
from mnist_keras.models.registry import get_model_spec

GOALS = Path(__file__).with_name("goals.csv")
BLOCKS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NUM_TEST_IMAGES = 10_000
KEYS = {  # of the files whose rows are looked up
    "accuracy.csv": ["net", "recipe", "data"],
    "choices.csv": ["class", "chosen_by", "net"],
    "growth.csv": ["data", "metric", "images"],
    "not_a_digit.csv": ["model", "score", "kind"],
    "numbers.csv": ["spacing", "length"],
    "preparation_time.csv": ["source"],
    "real_pictures.csv": ["group", "kind", "model", "preparation"],
    "schools_ones_and_sevens.csv": ["group", "look", "reading"],
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
            raise unknown("block of a page", name, BLOCKS)
        if (text.count(begin), text.count(end)) != (1, 1):
            raise InputError(f"The page must have the markers {begin} and {end}, once each.")
        options = {key: value for key, value in BLOCKS[name].items() if key != "text"}
        rows = globals()[options.pop("rows", "read")](results, **options)
        text = f"{text.split(begin, maxsplit=1)[0]}{begin}\n{fill(name, rows)}\n{end}{text.split(end)[1]}"
    return text


def fill(name: str, rows: pd.DataFrame) -> str:
    """Returns a Markdown table: the text of a block, its last line once for each row."""
    *head, line = BLOCKS[name]["text"].splitlines()
    cells = rows.astype(object).where(rows.notna(), Blank())
    return "\n".join([*head, *(line.format(**row) for row in cells.to_dict("records"))])


class Blank:
    """The value of an empty cell, in any format."""

    def __format__(self, spec: str) -> str:
        return ""


def keyed(path: Path) -> pd.DataFrame:
    """Returns the rows of a file with their key; of accuracy.csv, those of the entries as they are now."""
    table = read_rows(path)
    if path.name == "accuracy.csv":
        table = trained()[KEY].merge(table)
    return table.assign(key=table[KEYS[path.name]].agg("/".join, axis=1))


def read(results: Path, file: str) -> pd.DataFrame:
    return pd.read_csv(results / file)


def spread(results, file, index, columns, values="median", *, where="", keys="", words=(), unit=1):
    """Returns the rows of a file spread as the head of tables.toml says."""
    rows = keyed(results / file) if keys else pd.read_csv(results / file, keep_default_na=False)
    if keys:
        found = rows["key"].str.extract(f"^[^/]*/{keys}$").dropna()
        rows = rows.loc[found.index].assign(**found)
    if file == "exports.csv":
        rows = without_busy_times(rows.astype(str))
    rows = (rows.query(where) if where else rows).replace(dict(words), regex=True)
    numbers = rows[np.atleast_1d(values)].apply(pd.to_numeric, errors="coerce") / unit
    table = rows.assign(**numbers).groupby([*index, *columns])[values].mean().unstack(columns)
    table.columns = ["_".join(map(str, np.atleast_1d(name))) for name in table.columns]
    return table.loc[rows.set_index(index).index.unique()].reset_index()


def entries(results: Path) -> pd.DataFrame:
    """Returns a row for each entry that was trained as it is now."""
    rows = trained().merge(read_rows(results / "accuracy.csv"))
    numbers = dict.fromkeys(["accuracy", "train_accuracy", "train_seconds"], float)
    rows = rows.astype({**numbers, "parameters": int})
    table = rows.groupby(["title", "layers", "parameters", "claim"], sort=False, dropna=False).agg(
        mean=("accuracy", "mean"),
        deviation=("accuracy", "std"),
        trained=("train_accuracy", "mean"),
        seconds=("train_seconds", "median"),
        errors=("errors", ", ".join),
        cores=("cores", lambda cores: ", ".join(sorted(set(cores)))),
    )
    table["deviation"] = table["deviation"].map(" ± {:.2%}".format, na_action="ignore")
    bounds = [wilson_interval(round(x * NUM_TEST_IMAGES), NUM_TEST_IMAGES) for x in table["mean"]]
    return table.assign(**pd.DataFrame(bounds, table.index, ["low", "high"])).reset_index()


def goals(results: Path, page: str) -> pd.DataFrame:
    """Returns what was to be reached on a page, and what was measured."""
    rows = read_rows(GOALS).query("page == @page").to_dict("records")
    return pd.DataFrame([judge(goal, results) for goal in rows])


def judge(goal: dict[str, str], results: Path) -> dict[str, str]:
    """Returns the cells of a goal."""
    text, at_least = goal["text"].format, goal["bound"] == "at least"
    targets = [float(goal[name]) for name in ("limit", "aim") if goal[name]]
    limit, aim, *_ = [*map(text, targets), ""]
    cells = {"goal": goal["goal"], "limit": f"{goal['bound']} {limit}", "aim": aim}
    values = find(goal, "rows", results)
    for column, combine in (("divided_by", pd.Series.div), ("minus", pd.Series.sub)):
        if goal[column]:  # of the same class of CPU
            values = combine(values, find(goal, column, results).droplevel("name"), level="class")
    values = values.dropna()
    if values.empty:
        return {**cells, "measured": "not measured", "reached": ""}
    worst = values.idxmin() if at_least else values.idxmax()
    value = round(values[worst], 6)  # a mean of decimal fractions is not exact
    reached = [value >= target if at_least else value <= target for target in targets]
    words = ["yes" if yes and math.isfinite(value) else "**MISSED**" for yes in reached]
    verdict = words[0] if len(words) == 1 else f"goal {words[0]}, aim {words[1]}"
    worst = " on ".join(f"`{word}`" for word in reversed(worst) if word)
    which = f" ({worst}, the worst of {len(values)})" if len(values) > 1 else ""
    return {**cells, "measured": text(value) + which, "reached": verdict}


def find(goal: dict[str, str], rows: str, results: Path) -> pd.Series:
    """Returns the values in a goal's column, by the class of CPU and by what the groups in the expression match."""
    table = keyed(results / goal["file"])
    names = table["key"].str.extract(f"^{'(.*)/' if 'class' in table else '()'}{goal[rows]}()$")
    values = pd.to_numeric(table[goal["column"]], errors="coerce")
    values = values.groupby([names[0].rename("class"), names[1].rename("name")]).mean()
    return values[values.index.get_level_values("class").str.fullmatch(goal["needs"] or ".*")]


def trials(results: Path) -> pd.DataFrame:
    settings = dict.fromkeys(["arguments", "recipe"], lambda text: describe(json.loads(text)))
    return pd.read_csv(results / "trials.csv", converters=settings)


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
    return rows.assign(changed=rows.apply(changed, axis=1))


def describe(settings: dict) -> str:
    """Returns settings in words; those of an augmentation in parentheses."""
    text = json.dumps(settings)[1:-1].replace("null", "none")
    return text.translate(str.maketrans("{}", "()", '":'))


def headlines(results: Path) -> pd.DataFrame:
    """Returns for each class of CPU the seconds to 99%, and how many times as long as ours the peers take."""
    epochs = {"keys": "epoch_(?P<model>.*)/(?P<contestant>.*)/epoch_seconds"}
    table = spread(results, "speed.csv", ["class"], ["model", "contestant"], **epochs)
    for model in ("mlp_128", "mlp_1024_128", "cnn_2conv"):
        ours = table.filter(regex=f"^{model}_ours(_bfloat16)?$").min(axis=1)  # the faster precision
        for peer in ("fit", "pytorch_dataloader"):
            table[f"{model}_{peer}"] /= ours
    to_target = {"keys": "to_99_percent/(?P<contestant>.*)/(?P<metric>seconds|times.*)"}
    target = spread(results, "speed.csv", ["class"], ["contestant", "metric"], **to_target)
    return table.merge(target, on="class")


def choices(results: Path) -> pd.DataFrame:
    """Returns what is chosen on each class of CPU, and the fastest of what was measured."""
    rows, keys = read_rows(results / "choices.csv").astype({"seconds": float}), ["class", "net"]
    best = rows.loc[rows.groupby(keys)["seconds"].idxmin()]
    chosen = rows[rows["chosen_by"].str.contains("auto")]
    return chosen.merge(best, on=keys, suffixes=("", "_best"))


def machine(results: Path) -> pd.DataFrame:
    """Returns what the times of each class of CPU depend on; one class is measured on one machine."""
    rows = read_rows(results / "speed.csv").query("task == 'machine'")
    facts = rows.pivot(index="class", columns="metric", values="median")
    machines = read_rows(results / "choices.csv").groupby("class")["machine"].unique()
    for cpu, summary in facts["summary"].items():
        if len(names := {summary, *machines.get(cpu, ())}) > 1:
            raise InputError(
                f"The results of the class {cpu} are from different machines or versions. Run speed.py and choices.py "
                "on one:\n" + "\n".join(sorted(names))
            )
    return facts.loc[rows["class"].unique()].reset_index()


def errors_by_digit(results: Path) -> pd.DataFrame:
    """Returns the seeds' mean errors on each digit of MNIST's test images."""
    means = pd.read_csv(results / "real_world.csv").groupby("model").mean()
    means = means.filter(like="errors_of_").T
    means.loc["errors_of_all"] = means.sum()
    return means.rename(lambda name: name.removeprefix("errors_of_")).reset_index(names="digit")


def proofs(results: Path) -> pd.DataFrame:
    """Returns for each format the model whose probabilities differ most from Keras's, and the most that is allowed."""
    rows = pd.read_csv(results / "exports.csv")
    formats = rows.groupby("format", sort=False)
    rows["most_labels"] = formats["other_labels"].transform("max")
    rows["allowed"] = rows["format"].map(lambda name: EXPORT_FORMATS[name].tolerance)
    return rows.loc[formats["largest_difference"].idxmax()]


def formats(results: Path) -> pd.DataFrame:
    return pd.DataFrame([{"name": reader.name, "layout": reader.layout} for reader in READERS])


if __name__ == "__main__":
    run_command(main)
