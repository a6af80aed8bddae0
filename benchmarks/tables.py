"""Writes the tables of README.md and docs from the result files, and marks missed goals.

    python benchmarks/tables.py

A table is the block between `<!-- NAME: begin -->` and `<!-- NAME: end -->`; tables.toml says which rows it has and how
each is written. goals.csv lists the goals. The columns `rows`, `divided_by` and `minus` of a goal are regular
expressions for the key cells of a file, joined by slashes. The worst of several rows counts, and is named by its class
of CPU and by what a group in the expression matches; rows of several seeds count as their mean.
"""

import argparse
import importlib
import math
import re
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import KEY, entries
from command import RESULTS, ROOT, read_rows, run_command

from mnist_keras._validation import InputError, unknown

GOALS = Path(__file__).with_name("goals.csv")
BLOCKS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
KEYS = {  # of the files whose rows are looked up
    "accuracy.csv": ["net", "recipe", "data"],
    "choices.csv": ["class", "chosen_by", "net"],
    "growth.csv": ["data", "metric", "images"],
    "not_a_digit.csv": ["model", "score", "kind"],
    "numbers.csv": ["strokes", "spacing", "length"],
    "preparation_time.csv": ["source"],
    "real_pictures.csv": ["group", "kind", "model", "preparation"],
    "real_world.csv": ["model", "seed"],
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
    """Returns a page whose blocks are written from the results."""
    for name in re.findall("<!-- (.*): begin -->", text):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if name not in BLOCKS:
            raise unknown("block of a page", name, BLOCKS)
        if (text.count(begin), text.count(end)) != (1, 1):
            raise InputError(f"The page must have the markers {begin} and {end}, once each.")
        options = {key: value for key, value in BLOCKS[name].items() if key != "text"}
        module, _, function = options.pop("rows", "tables.read").rpartition(".")
        rows = getattr(importlib.import_module(module), function)(results, **options)
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
    """Returns the rows of a file with their key; of accuracy.csv, those of the current models and recipes."""
    table = read_rows(path)
    if path.name == "accuracy.csv":
        table = entries()[KEY].merge(table)
    return table.assign(key=table[KEYS[path.name]].agg("/".join, axis=1))


def read(results: Path, file: str) -> pd.DataFrame:
    return pd.read_csv(results / file)


def spread(results, file, index, columns, values="median", *, where="", keys="", words=(), unit=1):
    """Returns the rows of a file spread as the head of tables.toml says."""
    rows = keyed(results / file) if keys else pd.read_csv(results / file, keep_default_na=False)
    if keys:
        found = rows["key"].str.extract(f"^[^/]*/{keys}$").dropna()
        rows = rows.loc[found.index].assign(**found)
    rows = (rows.query(where) if where else rows).replace(dict(words), regex=True)
    numbers = rows[np.atleast_1d(values)].apply(pd.to_numeric, errors="coerce") / unit
    table = rows.assign(**numbers).groupby([*index, *columns])[values].mean().unstack(columns)
    table.columns = ["_".join(map(str, np.atleast_1d(name))) for name in table.columns]
    return table.loc[rows.set_index(index).index.unique()].reset_index()


def goals(results: Path, page: str) -> pd.DataFrame:
    """Returns the goals of a page, and what was measured."""
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


if __name__ == "__main__":
    run_command(main)
