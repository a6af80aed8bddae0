"""Guesses from the names of files, folders, columns and keys: which split, and images or labels."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from mnist_keras._validation import InputError
from mnist_keras.data.readers.files import Place

SPLITS = {
    "train": {"train", "training", "trainingset", "trainset"},
    "validation": {"validation", "valid", "val", "validationset", "dev"},
    "test": {"test", "testing", "testset", "t10k"},
}
IMAGES = {"images", "image", "imgs", "img", "x", "data", "pixels"}
LABELS = {"labels", "label", "y", "target", "targets", "class", "classes"}
ROW_NUMBERS = {"id", "index", "idx", "imageid", "unnamed: 0", ""}  # columns that count the rows
_TECHNICAL = {
    "idx",
    "idx1",
    "idx2",
    "idx3",
    "ubyte",
    "int",
    "gz",
    "npz",
    "npy",
    "mat",
    "csv",
    "tsv",
    "bin",
}

Role = tuple[str, str | None]  # a split, and "images", "labels" or None
KNOWN_NAMES = (
    "x_train and y_train, train_images and train_labels, X and y, data and target, images and labels; for the other "
    "splits x_val or val_images, x_test or test_images, and so on"
)


def words_of(name: str) -> list[str]:
    """Returns the words of a name in lower case: "x_train" and "xTrain" are x and train."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    name = re.sub(r"^(x|y)(?=train|test|val)", r"\1 ", name.lower())
    return re.findall(r"[a-z0-9]+", name)


def split_of(name: str) -> str | None:
    """Returns "train", "validation" or "test" if a name says so."""
    words = set(words_of(name))
    found = [split for split, known in SPLITS.items() if words & known]
    return found[0] if len(found) == 1 else None


def split_at(place: Place, path: Path) -> str | None:
    """Returns the split that a file's name says, or that of a folder between the place and the file."""
    names = [path.stem, *reversed(path.relative_to(place.root).parent.parts)]
    return next(filter(None, map(split_of, names)), None)


def kind_of(name: str) -> str | None:
    """Returns "images" or "labels" if a name says so."""
    words = words_of(name)
    found = [kind for kind, known in (("images", IMAGES), ("labels", LABELS)) if known & set(words)]
    return found[0] if len(found) == 1 else None


def prefix_of(name: str) -> str:
    """Returns the rest of a name, without split, kind and format: which dataset it is."""
    known = set().union(*SPLITS.values(), IMAGES, LABELS, _TECHNICAL)
    return "-".join(word for word in words_of(name) if word not in known)


def label_column(names: Iterable[str]) -> str | None:
    """Returns the column of the labels.

    Raises:
        InputError: If there are two.
    """
    found = [name for name in names if str(name).strip().lower() in LABELS - {"classes", "targets"}]
    if len(found) > 1:
        raise InputError(
            f"The columns {' and '.join(map(str, found))} could both be the labels. Keep only one of them."
        )
    return found[0] if found else None


def is_row_number(name: object) -> bool:
    """Tells whether a column counts the rows."""
    return str(name).strip().lower() in ROW_NUMBERS


def group_files(
    place: Place, files: Iterable[Path], kind: Callable[[Path], str | None]
) -> dict[str, dict[str, Path]]:
    """Sorts files of one array each: name of a dataset -> "train_images", "train_labels" and so on -> file.

    A dataset is identified by its directory and the rest of the names, without split and kind. If a file exists twice,
    compressed and not, or with a dot instead of a dash, one of the two is used.

    Raises:
        InputError: If two files of a dataset could both be the same array.
    """
    sets: dict[str, dict[str, Path]] = {}
    for path in sorted(files, key=lambda path: (path.suffix.lower() == ".gz", path)):
        if not (what := kind(path)):
            continue
        folder = path.parent
        # A folder with the file's name, or of a split.
        while folder != place.path and (
            words_of(folder.name) == words_of(path.name) or split_of(folder.name)
        ):
            folder = folder.parent
        split = split_at(place, path) or "train"
        shown = [
            str(folder.relative_to(place.path)) if folder != place.path else "",
            prefix_of(path.name),
        ]
        files_of_set = sets.setdefault("/".join(filter(None, shown)), {})
        other = files_of_set.setdefault(f"{split}_{what}", path)
        if _plain(other) != _plain(path):
            raise InputError(
                f"{place.path} holds two files that could be the {what} of the {split} split: {other.name} and "
                f"{path.name}. Expected one."
            )
    return sets


def _plain(path: Path) -> list[str]:
    return [word for word in words_of(path.name) if word != "gz"]


def choose_set(path: Path, sets: Iterable[str], example: object) -> str:
    """Returns the only dataset of a directory.

    Raises:
        InputError: If there are several.
    """
    names = sorted(sets)
    if len(names) > 1:
        shown = ", ".join(name or "one without a name" for name in names)
        raise InputError(
            f"{path} holds {len(names)} datasets: {shown}. Expected one: pass its directory, or one of its files, for "
            f"example {example}."
        )
    return names[0]
