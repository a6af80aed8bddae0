"""The README's numbers are those of the committed results, and its session says what it prints."""

import csv
import doctest
import re
import shlex
import statistics
from pathlib import Path

import pytest
from data_files import write_records

import mnist_keras as mk
from mnist_keras.cli.main import _parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)  # language, text
SESSION, EMBEDDING, RECORDS = (text for language, text in BLOCKS if language == "python")
INSTALLATION, COMMANDS = (text for language, text in BLOCKS if not language)


@pytest.fixture(scope="module")
def accuracy(benchmark):
    return benchmark("accuracy")


def rows_of(name):
    with (ROOT / "benchmarks" / "results" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_is_made_from_the_results(benchmark):
    tables = benchmark("tables")
    assert tables.with_accuracy(README, tables.RESULTS) == README


def test_the_tables_of_the_page_on_accuracy_are_made_from_the_results(benchmark):
    tables = benchmark("tables")
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.with_tables(page, tables.RESULTS) == page
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", page):
        assert (tables.PAGE.parent / target).exists(), target


def test_the_block_on_speed_is_made_from_the_results(benchmark):
    results = ROOT / "benchmarks" / "results"
    report = benchmark("report")
    block = report.make_block(*(report.read_rows(results / name) for name in report.SOURCES))
    assert report.with_block(README, "speed.csv", block) == README
    assert "](benchmarks/results/speed.png)" in README


def test_every_recipe_was_measured_as_it_is_and_reaches_its_claim(accuracy):
    rows = accuracy.read_rows(accuracy.RESULTS)
    trained = {}
    for entry in accuracy.ENTRIES:
        own = [row for row in rows if entry.key.items() <= row.items()]
        assert len(own) == (1 if entry.spec.member else entry.seeds), entry
        means = {
            column: statistics.mean(float(row[column]) for row in own)
            for column in ("accuracy", "train_accuracy")
        }
        assert means["accuracy"] >= (mk.get_model_spec(entry.net).claimed_accuracy or 0)
        trained[entry.net, entry.recipe_name] = means
    assert len(rows) == sum(1 if entry.spec.member else entry.seeds for entry in accuracy.ENTRIES)
    assert trained["mlp_128_64_dropout", "mlp_128_64_dropout"]["train_accuracy"] >= 0.9803
    assert trained["mlp_1024_128", "mlp_1024_128"]["accuracy"] >= 0.98


def test_the_footprint_is_what_was_measured():
    footprint = {row["what"]: float(row["measured"]) for row in rows_of("footprint.csv")}
    for sentence in (
        f"`import mnist_keras` takes {footprint['import_mnist_keras_seconds']:.3f} s",
        f"`mnist-keras --help` {footprint['help_seconds']:.3f} s",
        f"{footprint['train_mlp_128_extra_peak_megabytes']:.0f} MB above `import tensorflow`",
    ):
        assert sentence in " ".join(README.split()), sentence


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


def test_the_session_prints_what_it_says(data_dir):
    test = doctest.DocTestParser().get_doctest(SESSION, {}, "README.md", "README.md", 0)
    assert len(test.examples) == 6
    assert doctest.DocTestRunner(NearlyEqual(), verbose=False).run(test).failed == 0


def test_the_code_of_the_embedding_runs(data_dir):
    code = EMBEDDING.replace("epochs=5", "epochs=1, verbose=0")
    exec(code, {"mk": mk, "data": mk.load_data("mnist")})


def test_the_code_for_records_runs(tmp_path, monkeypatch):
    (images, labels), (test_images, test_labels) = mk.load_data("digits")
    write_records(
        tmp_path / "array_records",
        {"train": (images, labels), "test": (test_images, test_labels)},
        name="mnist",
    )
    monkeypatch.chdir(tmp_path)
    names = {"mk": mk}
    exec(RECORDS, names)
    assert names["run"].metrics["num_examples"] == len(test_images)


def test_the_commands_are_understood():
    lines = [line.split("  ")[0] for line in COMMANDS.splitlines()]
    parsed = [_parser().parse_args(shlex.split(line)[1:]) for line in lines]
    assert {args.command for args in parsed} == {
        "models",
        "demo",
        "train",
        "evaluate",
        "compare",
        "doctor",
    }
    assert INSTALLATION.splitlines()[-1].startswith("mnist-keras demo ")


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
