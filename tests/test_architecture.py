"""The layout: small rooms, imports that point down only, one owner for each heavy dependency."""

import ast
import sys
from pathlib import Path

import pytest

import mnist_keras

PACKAGE = Path(mnist_keras.__file__).parent
ROOMS = sorted(path.stem for path in PACKAGE.glob("*.py"))

# From the top; a room may import any room on a lower line, none on its own line.
LINES = [
    {"__main__"},
    {"cli", "app", "launch"},
    {"training", "numbers", "export", "doctor"},
    {"loop"},
    {"prediction", "run_directory", "plotting", "hooks"},
    {"checkpoints", "loading"},
    {"registry", "pipeline"},
    {"recipes", "pretrained", "ensemble", "batches", "evaluation"},
    {
        "models",
        "datasets",
        "records",
        "augmentation",
        "preprocessing",
        "distribution",
        "kernels",
        "calibration",
    },
    {"readers", "downloads", "pictures", "signatures", "terminal"},
    {"_validation"},
    {"__init__"},  # the lazy table of names; holds the version
]
HEIGHT = {room: len(LINES) - number for number, line in enumerate(LINES) for room in line}

OWNERS = {  # heavy dependency -> the rooms that may import it
    "tensorflow_datasets": {"downloads"},
    "matplotlib": {"plotting"},
    "seaborn": {"plotting"},
    "gradio": {"app"},
    "onnx": {"export"},
    "tf2onnx": {"export"},
    "onnxruntime": {"export"},
    "ai_edge_litert": {"export"},
}


def imports_of(room: str) -> set[str]:
    """Returns the dotted names that a room imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, ["mnist_keras" * bool(node.level), node.module]))
            if module == "mnist_keras":  # `from mnist_keras import name`: the name's room
                names |= {f"{module}.{room_of(alias.name)}" for alias in node.names}
            else:
                names.add(module)
    return names


def room_of(name: str) -> str:
    return mnist_keras._MODULES.get(name, name if name in ROOMS else "__init__")


def packages_of(room: str) -> set[str]:
    return {name.split(".")[0] for name in imports_of(room)}


def rooms_of(room: str) -> set[str]:
    return {name.split(".")[1] for name in imports_of(room) if name.startswith("mnist_keras.")}


def test_every_room_has_its_place():
    assert set(ROOMS) <= set(HEIGHT)
    assert len(ROOMS) <= 32
    assert not {"utils", "helpers", "common", "misc"} & set(ROOMS)
    assert not list(PACKAGE.glob("*/__init__.py")), "the package is flat"


def test_contributing_shows_the_same_lines():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    picture = text.partition("Imports point down only:\n\n```\n")[2].partition("\n```")[0]
    shown = [set(line.split()) for line in picture.splitlines()]
    assert shown == [line & set(ROOMS) for line in LINES[1:-1]]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_read_in_one_sitting(room):
    assert len((PACKAGE / f"{room}.py").read_text(encoding="utf-8").splitlines()) <= 350


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_down_only(room):
    upward = {other for other in rooms_of(room) if HEIGHT[other] >= HEIGHT[room]}
    assert not upward, f"{room} imports {sorted(upward)}, which stand on its own line or above"


@pytest.mark.parametrize("dependency", OWNERS)
def test_a_heavy_dependency_has_one_owner(dependency):
    assert {room for room in ROOMS if dependency in packages_of(room)} <= OWNERS[dependency]


@pytest.mark.parametrize("room", ["models", "signatures", "ensemble"])
def test_a_room_of_builders_imports_only_keras(room):
    ours = packages_of(room) - sys.stdlib_module_names
    assert ours == {"keras", "mnist_keras"}
    assert rooms_of(room) <= {"_validation", "signatures"}


@pytest.mark.parametrize(
    "room", ["_validation", "calibration", "evaluation", "datasets", "plotting"]
)
def test_a_room_that_must_work_without_tensorflow_does_not_import_it(room):
    assert packages_of(room).isdisjoint({"tensorflow", "keras"})


@pytest.mark.parametrize("room", ROOMS)
def test_keras_is_the_package_keras(room):
    assert not {name for name in imports_of(room) if name.startswith("tensorflow.keras")}
    assert "tf.keras" not in (PACKAGE / f"{room}.py").read_text(encoding="utf-8")
