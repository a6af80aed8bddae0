"""The layout: small modules in small packages, imports that point down only, one owner for each heavy dependency."""

import ast
import re
import sys
from pathlib import Path

import pytest

import mnist_keras

ROOT = Path(mnist_keras.__file__).parent
MODULES = {  # "data.readers.idx" -> its file; a package's is its __init__.py
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}

MAX_LINES, MAX_MODULES = 350, 11  # of a module, and of a package

# From the top. A package may import the packages on lower lines, none beside it.
PACKAGES = [
    {"__main__"},
    {"cli"},
    {"training"},
    {"evaluation"},
    {"inference"},
    {"models", "data"},
    {"_files"},
    {"_validation", "_html"},
    {"_arrays", "_cpu"},
    {"__init__"},  # the lazy table of public names; holds the version
]

# Inside a package, again from the top.
LAYERS = {
    "cli": ["main", "app data doctor evaluate export launch models predict train", "terminal"],
    "training": [
        "estimator",
        "train",
        "outcome loop plan",
        "pace run_directory",
        "saving",
        "compile callbacks devices fused_ops",
        "workers",
    ],
    "training.saving": ["state", "checkpoints identity lock"],
    "training.workers": ["exchange cluster"],
    "evaluation": [
        "report",
        "evaluate model_plots",
        "robustness",
        "plotting thumbnails",
        "image_plots",
        "metrics",
        "calibration sketch figures",
    ],
    "inference": [
        "app",
        "numbers",
        "export classifier",
        "formats saliency preprocessing scoring",
        "ink",
        "prediction pictures polarity lines writing",
    ],
    "inference.app": ["server", "page", "reader", "answers"],
    "inference.numbers": ["reader", "lattice", "pieces segments", "cuts", "rows"],
    "inference.formats": ["saved_model onnx c web hub", "litert int8", "graph", "plain"],
    "models": [
        "loading",
        "registry",
        "recipes pretrained builders ensemble adapting",
        "inspection",
        "layers ways",
    ],
    "data": [
        "datasets array_records pipeline",
        "windows downloads image_data",
        "batches records preview",
        "splits augmentation",
        "readers",
        "catalog",
    ],
    "data.augmentation": ["transforms strokes corruptions"],
    "data.readers": [
        "__init__",
        "arrays parquet named objects",
        "idx pictures",
        "tables",
        "names archives",
        "files labels",
    ],
}

OWNERS = {  # heavy dependency -> the modules that may import it
    "tensorflow_datasets": {"data.downloads"},
    "matplotlib": {
        *("evaluation.plotting", "evaluation.image_plots", "evaluation.model_plots"),
        "evaluation.figures",
    },
    "seaborn": {"evaluation.plotting"},
    "gradio": {"inference.app.page"},
    "onnx": {"inference.formats.onnx"},
    "tf2onnx": {"inference.formats.onnx"},
    "onnxruntime": {"inference.formats.onnx"},
    "py_mini_racer": {"inference.formats.web"},
    "ai_edge_litert": {"inference.formats.litert", "inference.formats.int8"},
}


def imports_of(module: str) -> set[str]:
    """Returns the dotted names that a module imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}".removeprefix("mnist_keras.")
                names.add(f"mnist_keras.{inner}" if inner in MODULES else str(node.module))
    return names


def distributions_of(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports_of(module)}


def own_imports_of(module: str) -> set[str]:
    """Returns our own modules that a module imports, without the package's name; "__init__" for the top."""
    ours = {name for name in imports_of(module) if name.split(".")[0] == "mnist_keras"}
    return {name.removeprefix("mnist_keras").lstrip(".") or "__init__" for name in ours}


def height(module: str) -> tuple[int, ...]:
    """Returns a module's place, comparable within its package: a higher number is nearer to the top."""
    package = module.split(".", maxsplit=1)[0] or "__init__"
    return next(-line for line, names in enumerate(PACKAGES) if package in names)


def layer(package: str, name: str) -> int:
    lines = LAYERS[package]
    return next(-line for line, names in enumerate(lines) if name in names.split())


def points_down(module: str, other: str) -> bool:
    """Tells whether `other` stands below `module`, in the tree of packages or within the one that both are in."""
    if (
        height(module) != height(other)
        or module.split(".", maxsplit=1)[0] != other.split(".", maxsplit=1)[0]
    ):
        return height(module) > height(other)
    here, there = module.split("."), other.split(".")
    shared = 0
    while shared < min(len(here), len(there)) and here[shared] == there[shared]:
        shared += 1
    package = ".".join(here[:shared])
    name, below = (parts[shared] if len(parts) > shared else "__init__" for parts in (here, there))
    return layer(package, name) > layer(package, below)


@pytest.mark.parametrize("package", LAYERS)
def test_a_package_is_small_and_says_what_each_module_is_for(package):
    directory = ROOT / package.replace(".", "/")
    names = {path.stem for path in directory.glob("*.py")} - {"__init__"}
    assert len(names) <= MAX_MODULES
    names |= {path.parent.name for path in directory.glob("*/__init__.py")}
    assert names == set(" ".join(LAYERS[package]).split()) - {"__init__"}
    tree = ast.parse((directory / "__init__.py").read_text(encoding="utf-8"))
    described = re.findall(r"^(\w+)/? {2,}\S", ast.get_docstring(tree) or "", flags=re.MULTILINE)
    assert sorted(described) == sorted(names), "one line of the docstring for each module"
    if package != "data.readers":  # its table of formats
        assert len(tree.body) == 1, "a package imports nothing"


def test_every_package_has_its_place():
    top = {module.split(".")[0] or "__init__" for module in MODULES}
    assert top == set().union(*PACKAGES)
    assert {m.rpartition(".")[0] for m in MODULES if "." in m} == set(LAYERS)
    assert not {"utils", "helpers", "common", "misc"} & {m.split(".")[-1] for m in MODULES}


def test_contributing_shows_the_same_arrows():
    text = (ROOT.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    picture = text.partition("\n```\ncli\n")[2].partition("\n```")[0]
    assert [set(line.split()) for line in ["cli", *picture.splitlines()]] == PACKAGES[1:-1]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_read_in_one_sitting(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


# The table in `__init__` is for type checkers.
@pytest.mark.parametrize("module", sorted(set(MODULES) - {"__init__"}))
def test_imports_point_down_only(module):
    upward = {other for other in own_imports_of(module) if not points_down(module, other)}
    assert not upward, f"{module} imports {sorted(upward)}, which is not below it"


@pytest.mark.parametrize("dependency", OWNERS)
def test_a_heavy_dependency_has_one_owner(dependency):
    assert {m for m in MODULES if dependency in distributions_of(m)} <= OWNERS[dependency]


@pytest.mark.parametrize(
    "module", ["models.builders", "models.layers", "models.inspection", "models.ensemble"]
)
def test_a_module_of_builders_imports_only_keras(module):
    assert distributions_of(module) - sys.stdlib_module_names == {"keras", "mnist_keras"}
    assert own_imports_of(module) <= {"_validation", "models.layers", "models.inspection"}


@pytest.mark.parametrize(
    "module",
    [
        "_validation",
        "evaluation.calibration",
        "evaluation.metrics",
        "evaluation.plotting",
        "data.datasets",
        *(m for m in MODULES if m.startswith("data.readers")),
    ],
)
def test_a_module_that_must_work_without_tensorflow_does_not_import_it(module):
    assert distributions_of(module).isdisjoint({"tensorflow", "keras"})


@pytest.mark.parametrize("module", MODULES)
def test_keras_is_the_package_keras(module):
    assert not {name for name in imports_of(module) if name.startswith("tensorflow.keras")}
    assert "tf.keras" not in MODULES[module].read_text(encoding="utf-8")
