"""The numbers of README and docs are those of the committed results, and README's session says what it prints.

benchmarks/test_tables.py tests that tables are made from the results, docs/test_pages.py that code runs, commands parse
and links lead somewhere.
"""

import csv
import doctest
import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SPEED = (ROOT / "docs" / "results" / "speed.md").read_text(encoding="utf-8")
MAX_LINES = 130  # what somebody reads who only wants to know what this is


@pytest.fixture(scope="module")
def entries(benchmark):
    return benchmark("accuracy")


def rows_of(name):
    with (ROOT / "benchmarks" / "results" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_claim_is_what_was_measured():
    measured = {
        (row["task"], row["contestant"], row["metric"]): float(row["median"])
        for row in rows_of("speed.csv")
        if (row["class"], row["task"]) == ("amx", "to_99_percent")
    }
    ours = {metric: value for (_, name, metric), value in measured.items() if name == "ours"}
    theirs = measured["to_99_percent", "pytorch_example", "seconds"]
    claim = " ".join(README.split("\n\n")[1].split())
    for words in (
        f"in {ours['seconds']:.1f} seconds on two CPU cores",
        f"to {ours['test_accuracy_mean']:.1%} accuracy on MNIST's test images",
        f"takes {theirs:.0f} seconds to reach 99.0%",
    ):
        assert words in claim, words


def test_the_accuracies_in_both_precisions_are_after_as_many_epochs():
    key = {"class": "avx512_bf16", "task": "epoch_mlp_1024_128", "metric": "epochs_trained"}
    epochs = {
        row["contestant"]: row["median"]
        for row in rows_of("speed.csv")
        if key.items() <= row.items()
    }
    assert epochs["ours"] == epochs["ours_bfloat16"]


def test_the_readme_is_short_and_in_order():
    assert len(README.splitlines()) <= MAX_LINES
    order = ["# mnist_keras", "](docs/_static/strip.png)", "## Install", "```python", "## Models"]
    order += ["## What else it does", "## Limits", "## License"]
    places = [README.find(part) for part in order]
    assert -1 not in places
    assert places == sorted(places)


def test_every_recipe_was_measured_as_it_is_and_reaches_its_claim(entries):
    rows = pd.read_csv(ROOT / "benchmarks" / "results" / "accuracy.csv", dtype=str)
    found = entries.entries().merge(rows).astype({"accuracy": float, "train_accuracy": float})
    assert len(found) == len(rows)
    groups = found.groupby(["net", "recipe"])
    assert len(groups) == len(entries.ENTRIES)
    for _, own in groups:
        assert len(own) == max(1, own["seeds"].iloc[0])
        assert own["accuracy"].mean() >= (own["claim"].fillna(0).iloc[0])
    trained = groups[["accuracy", "train_accuracy"]].mean()
    assert trained.loc[("mlp_128_64_dropout", "mlp_128_64_dropout"), "train_accuracy"] >= 0.9803
    assert trained.loc[("mlp_1024_128", "mlp_1024_128"), "accuracy"] >= 0.98


def test_the_footprint_is_what_was_measured():
    footprint = {row["what"]: float(row["measured"]) for row in rows_of("footprint.csv")}
    for sentence in (
        f"`import mnist_keras` takes {footprint['import_mnist_keras_seconds']:.3f} s",
        f"`mnist-keras --help` {footprint['help_seconds']:.3f} s",
        f"{footprint['train_mlp_128_extra_peak_megabytes']:.0f} MB above `import tensorflow`",
    ):
        assert sentence in " ".join(SPEED.split()), sentence


class NearlyEqual(doctest.OutputChecker):
    """Takes an accuracy within 0.2 points and a count within 20: another kind of CPU rounds otherwise."""

    def check_output(self, want, got, optionflags):
        words = want.split(), got.split()
        return len(words[0]) == len(words[1]) and all(map(self.same_word, *words))

    def same_word(self, want, got):
        if re.fullmatch(r"\d+\.\d+%?,?", want):
            unit = 100 if "%" in want else 1
            return abs(float(want.rstrip("%,")) - float(got.rstrip("%,"))) <= 0.002 * unit
        if want.isdigit() and got.isdigit():
            return abs(int(want) - int(got)) <= 20
        return want == got


@pytest.mark.slow
def test_the_session_prints_what_it_says(data_dir):
    (session,) = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(session, {}, "README.md", "README.md", 0)
    assert len(test.examples) == 6
    assert doctest.DocTestRunner(NearlyEqual(), verbose=False).run(test).failed == 0
