"""The README's numbers are those of the committed results, and its session says what it prints."""

import csv
import doctest
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from mnist_keras.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def documented():
    spec = importlib.util.spec_from_file_location("documented", ROOT / "benchmarks/documented.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(name):
    with (ROOT / "benchmarks" / "results" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_is_made_from_the_results(documented):
    assert documented.with_table(README, documented.read_rows()) == README


def test_every_net_reaches_its_claim(documented):
    rows = {row["net"]: row for row in documented.read_rows()}
    assert list(rows) == list(documented.NETS)
    for row in rows.values():
        assert float(row["mean"]) >= float(row["claim"] or 0)
    assert float(rows["mlp_128_64_dropout"]["train_accuracy"]) >= 0.9803
    assert float(rows["mlp_1024_128"]["mean"]) >= 0.98


def test_the_speed_is_what_was_measured():
    epoch = {row["loop"]: row for row in rows_of("epoch.csv")}
    footprint = {row["what"]: float(row["measured"]) for row in rows_of("footprint.csv")}
    ours, fits = float(epoch["train"]["epoch_seconds"]), float(epoch["fit"]["epoch_seconds"])
    for sentence in (
        f"takes {ours:.2f} s where `fit` takes {fits:.2f} s",
        f"(ratio {float(epoch['train']['ratio_to_fit']):.2f}",
        f"`import mnist_keras` takes {footprint['import_mnist_keras_seconds']:.3f} s",
        f"`mnist-keras --help` {footprint['help_seconds']:.3f} s",
        f"{footprint['train_mlp_128_extra_peak_megabytes']:.0f} MB above `import tensorflow`",
    ):
        assert sentence in " ".join(README.split()), sentence


class NearlyEqual(doctest.OutputChecker):
    """Takes an accuracy within half a point: another kind of CPU rounds otherwise."""

    def check_output(self, want, got, optionflags):
        words = want.split(), got.split()
        return len(words[0]) == len(words[1]) and all(map(self.same_word, *words))

    def same_word(self, want, got):
        if not want.endswith("%,"):
            return got.isdigit() if want.isdigit() else want == got
        return abs(float(want[:-2]) - float(got[:-2])) <= 0.5


def test_the_session_prints_what_it_says(data_dir):
    session = next(x for x in re.findall(r"```python\n(.*?)```", README, re.S) if ">>>" in x)
    test = doctest.DocTestParser().get_doctest(session, {}, "README.md", "README.md", 0)
    assert doctest.DocTestRunner(NearlyEqual(), verbose=False).run(test).failed == 0


def test_the_code_of_the_embedding_runs(data_dir):
    code = next(x for x in re.findall(r"```python\n(.*?)```", README, re.S) if ">>>" not in x)
    import mnist_keras as mk

    exec(code.replace("epochs=5", "epochs=1, verbose=0"), {"mk": mk, "data": mk.load_data("mnist")})


def test_the_commands_exist(capsys):
    block = next(x for x in re.findall(r"```\n(.*?)```", README, re.S) if "doctor" in x)
    commands = {shlex.split(line)[1] for line in block.splitlines()}
    for command in commands:
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert end.value.code == 0
    assert commands == {"models", "demo", "train", "evaluate", "compare", "doctor"}


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
