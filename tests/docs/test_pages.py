"""README and the pages of the site: their code runs, their commands parse, their links lead somewhere.

The code runs on scikit-learn's small digits under the name of MNIST, in a directory of its own.
"""

import argparse
import doctest
import os
import re
import runpy
import shlex
import subprocess
import sys
from itertools import dropwhile
from pathlib import Path
from unittest import mock

import pytest
from data_files import write_idx_set, write_records

import mnist_keras as mk
from mnist_keras.cli.main import _parser

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = {DOCS / "api.md", DOCS / "gallery.md"}  # by docs/conf.py
SITE = sorted(page for page in DOCS.rglob("*.md") if page not in GENERATED)
PAGES = [ROOT / "README.md", *SITE]
PROSE = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "examples" / "README.md"]
OTHER_PROGRAMS = {".", "npm", "pip", "python3", ".venv/bin/pre-commit", ".venv/bin/python"}
BRITISH = (
    r"grey(?!_(?:dilation|erosion|opening|closing))|colour|behaviour|favour|neighbour|labell|centre|licence|learnt|analyse"
    r"|(?:normal|standard|custom|optim|visual|recogn|initial|summar|general|real|util|quant|synchron|regular|serial)"
    r"is(?:e|ing|ation)"
)
COMMAND = re.compile(r"^    python ([^[\n]*[^[\n\\])$", re.MULTILINE)  # in a script
SCRIPTS = [
    path
    for folder in ("benchmarks", "docs", "tools")
    for path in sorted((ROOT / folder).glob("*.py"))
    if COMMAND.search(path.read_text("utf-8"))
]
OF_THEIR_OWN = {"devices.md"}  # set up TensorFlow's devices, which this process has done already


def parametrize(pages):
    return pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(ROOT)))


def blocks_of(page: Path, language: str) -> list[str]:
    """Returns the code blocks of a page that are in one language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands_of(page: Path) -> list[list[str]]:
    """Returns the commands of a page, each as its words, without comments and variables."""
    lines = "\n".join(blocks_of(page, "console")).splitlines()
    commands = [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ ")]
    return [list(dropwhile(lambda word: "=" in word, words)) for words in commands]


@pytest.fixture(scope="module")
def small_mnist(tmp_path_factory):
    """A directory where MNIST is looked for, with scikit-learn's digits in MNIST's files."""
    (images, labels), (test_images, test_labels) = mk.load_data("digits")
    keys = ("train_images", "train_labels", "test_images", "test_labels")
    arrays = (images, labels.astype("uint8"), test_images, test_labels.astype("uint8"))
    directory = tmp_path_factory.mktemp("data")
    write_idx_set(directory / "mnist", dict(zip(keys, arrays, strict=True)))
    return directory


@pytest.fixture
def workplace(small_mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("MNIST_KERAS_DATA_DIR", str(small_mnist))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@parametrize([page for page in PAGES if page.name not in OF_THEIR_OWN])
def test_the_code_runs(page, workplace):
    names: dict = {}
    if page.name == "data.md":
        (images, labels), (test_images, test_labels) = mk.load_data("digits")
        splits = {"train": (images, labels), "test": (test_images, test_labels)}
        write_records(workplace / "array_records", splits, name="mnist")
    for number, code in enumerate(blocks_of(page, "python")):
        if not code.startswith(">>>"):
            exec(compile(code, f"{page.name}, block {number}", "exec"), names)
            continue
        session = doctest.DocTestParser().get_doctest(code, names, page.name, str(page), 0)
        if page.name == "README.md":  # prints what MNIST gives, see test_readme.py
            for example in session.examples:
                exec(compile(example.source, page.name, "single"), names)
        else:
            assert doctest.DocTestRunner(verbose=False).run(session, clear_globs=False).failed == 0


@pytest.mark.slow
@parametrize([page for page in PAGES if page.name in OF_THEIR_OWN])
def test_the_code_runs_in_a_process_of_its_own(page, workplace):
    script = workplace / "page.py"
    script.write_text("\n".join(blocks_of(page, "python")), encoding="utf-8")
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "2 replicas" in result.stdout


@parametrize([page for page in PAGES if page != DOCS / "index.md"])  # it includes README's
def test_a_page_has_something_to_run(page):
    assert blocks_of(page, "python") or commands_of(page)


@parametrize(PROSE)
def test_the_commands_are_understood(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for program, *words in commands_of(page):
        if program == "mnist-keras":
            _parser().parse_args(words)
        elif program == "make":
            targets = [word for word in words if "=" not in word]
            assert all(f"\n{target}:" in makefile for target in targets), words
        elif program == "python":
            check_options(*words)
        else:
            assert program in OTHER_PROGRAMS, program


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(ROOT)))
def test_the_commands_of_a_script_are_understood(script):
    """Those at its top, but for summaries of options in brackets and commands of several lines."""
    for line in COMMAND.findall(script.read_text("utf-8")):
        check_options(*shlex.split(line, comments=True))


class StoppedError(Exception):
    """In place of what a script does once its options are understood."""


def check_options(script: str, *options: str) -> None:
    """Checks that there is such a script and that its parser takes the options."""
    path = ROOT / script
    assert path.is_file()
    if "Parser(" not in path.read_text("utf-8"):
        assert not options, f"{script} takes no options"
        return
    understand = argparse.ArgumentParser.parse_args

    def parse_args(parser, *_):
        understand(parser, options)
        raise StoppedError

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", parse_args),
        mock.patch.object(sys, "path", [str(path.parent), *sys.path]),
        mock.patch.dict(os.environ),  # --stand-in changes it
        pytest.raises(StoppedError),
    ):
        runpy.run_path(str(path))["main"]()


@parametrize(PROSE)
def test_the_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path) if path else page
        if place in GENERATED:
            continue
        assert place.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_reference_has_every_public_name():
    page = runpy.run_path(str(DOCS / "conf.py"))["api_page"]()
    listed = re.findall(r"^   (\w+)$", page, re.MULTILINE)
    assert sorted(listed) == mk.__all__


def test_every_page_of_the_guide_is_in_its_table():
    listed = re.search(r"```{toctree}\n.*?\n\n(.*?)```", (DOCS / "guide.md").read_text(), re.DOTALL)
    assert listed
    names = {f"{name}.md" for name in listed[1].split()}
    assert names == {page.name for page in DOCS.glob("*.md")} - {
        *(page.name for page in GENERATED),
        *("index.md", "guide.md"),
    }


@parametrize(PROSE)
def test_the_words_are_those_of_the_field(page):
    """The spelling is American, as Keras's is, and a percentage is written without a space."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    assert not re.findall(rf"\d %|\b(data sets?|nets?|to be had)\b|{BRITISH}", text, re.IGNORECASE)


def test_the_code_is_spelled_in_american_english():
    """Names of SciPy and TensorFlow stay as they are: `grey_dilation`, `CancelledError`."""
    sources = [ROOT / "setup.py", ROOT / "Makefile"]
    for folder in ("mnist_keras", "tests", "benchmarks", "tools", "examples", "docs"):
        found = (ROOT / folder).rglob("*")
        sources += [path for path in found if path.suffix in {".py", ".js", ".html", ".toml"}]
    assert len(sources) > 200
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in sources
        if path != Path(__file__)
        and (found := re.findall(BRITISH, path.read_text("utf-8"), re.IGNORECASE))
    }
    assert wrong == {}
