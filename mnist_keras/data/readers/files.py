"""The input and output of readers: the files at a place, and arrays; errors about damaged and oversized files."""

import os
import stat
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from mnist_keras._validation import InputError

DEFLATE_RATIO = 1032  # bytes out per byte in, at most; zlib.net/zlib_tech.html
MAX_DEPTH = (
    5  # folders below the one that is read: an archive's own, split, "images", class, one to spare
)
MAX_ENTRIES = 2_000_000  # files and folders; QMNIST's 402,953 pictures are the most in use

# What file managers leave in folders and archives.
_IGNORED = {"__MACOSX", "Thumbs.db", "desktop.ini"}


class RawData(NamedTuple):
    """Arrays as a source holds them.

    Attributes:
        train_images: Array of shape `(n, height, width)`; n is 0 where there are only test images.
        train_labels: Array of shape `(n,)`: integers, or strings.
        test_images: None if there are none.
        test_labels: None if there are none.
        class_names: The name of each label, if the source says so.
        validation_images: None if there are none.
        validation_labels: None if there are none.
        files: What was read, relative to the place.
        left_out: What was not read, and why, relative to the place.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    validation_images: np.ndarray | None = None
    validation_labels: np.ndarray | None = None
    files: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Place:
    """A file or a directory that data is read from.

    Names are kept as strings relative to `root`: as paths, those of 70,000 pictures need as much memory as the pixels.

    Args:
        path: The file or the directory.

    Attributes:
        path: The same.
        root: The directory, or the file's.
    """

    def __init__(self, path: Path):
        self.path = path
        self.root = path if path.is_dir() else path.parent
        self._irregular: list[str] = []

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Regular files at or below the path, sorted; hidden files and the clutter of file managers are skipped.

        Raises:
            InputError: If the path is a pipe or a device, or there are too many files.
        """
        if self.root != self.path:
            if not is_regular(self.path):
                raise InputError(
                    f"{self.path} is not a regular file. Expected a file or a directory."
                )
            return (self.path.name,)
        found: list[str] = []
        num_entries = 0
        for directory, folders, names in os.walk(self.path, followlinks=True, onerror=_refuse):
            here = os.path.relpath(directory, self.path)
            depth = 0 if here == os.curdir else here.count(os.sep) + 1
            num_entries += len(folders) + len(names)
            if num_entries > MAX_ENTRIES:
                raise InputError(
                    f"{self.path} holds more than {MAX_ENTRIES:,} files. Pass the directory of one dataset."
                )
            folders[:] = [
                x
                for x in folders
                if depth < MAX_DEPTH and not _is_hidden(x) and not _leads_up(directory, x)
            ]
            for name in names:
                if not _is_hidden(name):
                    relative = f"{here}{os.sep}{name}" if depth else name
                    regular = is_regular(f"{directory}{os.sep}{name}")
                    (found if regular else self._irregular).append(relative)
        return tuple(sorted(found))

    def named(self, *suffixes: str) -> list[str]:
        """Returns the names that end in one of the suffixes, in lower or upper case."""
        return [name for name in self.names if name.lower().endswith(suffixes)]

    def files(self, *suffixes: str) -> list[Path]:
        """Returns the files whose names end in one of the suffixes."""
        return [self.root / name for name in self.named(*suffixes)]

    def relative(self, path: Path) -> str:
        """Returns a path as it is shown, relative to the place."""
        return str(path.relative_to(self.root))

    def others(self, used: Iterable[Path | str]) -> tuple[str, ...]:
        """Returns the files that were not read."""
        known = {self.relative(x) if isinstance(x, Path) else x for x in used}
        return tuple(name for name in (*self.names, *self._irregular) if name not in known)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _IGNORED


def _leads_up(directory: str, folder: str) -> bool:
    """Tells whether a folder is a link to one that contains it, whose files would be listed endlessly."""
    path = Path(directory, folder)
    return path.is_symlink() and Path(directory).resolve().is_relative_to(path.resolve())


def _refuse(error: OSError) -> None:
    raise error


def is_regular(path: str | Path) -> bool:
    """Tells whether a path is a regular file; reading a pipe or a device might never end."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116  (of 70,000 strings, in half the time)
    except OSError:  # a broken link
        return False


def wrong_length(path: Path, what: str, expected: int, received: str) -> InputError:
    return InputError(
        f"{path} is truncated or damaged. Its header says {expected:,} bytes of {what}. "
        f"Received: {received}. Copy or download it again."
    )


def check_memory(path: Path, size: int) -> None:
    """Rejects data that is larger than the free memory, before it is allocated.

    Raises:
        InputError: With the size and the free memory.
    """
    if size > (free := psutil.virtual_memory().available):
        raise too_large(path, size, free)


def too_large(path: Path, size: int | None = None, free: int | None = None) -> InputError:
    """Returns the error for a file that does not fit into memory."""
    free = psutil.virtual_memory().available if free is None else free
    needed = (
        "more memory than the machine has" if size is None else f"{size / 2**30:,.1f} GiB of memory"
    )
    return InputError(
        f"{path} needs {needed}; {free / 2**30:,.1f} GiB are free. Write its images as records and open them with "
        "open_records(), which reads them from disk."
    )


def allocate(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Returns an array for the pixels of a file, if they fit into memory."""
    check_memory(path, int(np.prod(shape, dtype=np.int64)))
    return np.empty(shape, np.uint8)


def assemble(
    place: Place,
    arrays: Mapping[str, np.ndarray | None],
    *,
    files: Iterable[str],
    left_out: Iterable[str] = (),
    class_names: tuple[str, ...] | None = None,
) -> RawData:
    """Returns the arrays that a reader found, as one.

    Args:
        place: Where they are from.
        arrays: "train_images", "train_labels", "validation_images" and so on, as far as they exist. Images without any
            labels are test images.
        files: The files that were read.
        left_out: The files that were skipped.
        class_names: The name of each label, if they are known.

    Raises:
        InputError: If labels lack images, training or validation images lack labels, or their numbers differ.
    """
    found = {key: array for key, array in arrays.items() if array is not None}
    if set(found) == {"train_images"}:
        found = {"test_images": found["train_images"]}
    for split in ("train", "validation", "test"):
        images, labels = found.get(f"{split}_images"), found.get(f"{split}_labels")
        if labels is not None and images is None:
            raise InputError(f"{place.path} holds labels but no images for the {split} split.")
        if images is not None and labels is None and split != "test":
            raise InputError(
                f"{place.path} holds {split} images without labels. Expected a label for each image."
            )
        if images is not None and labels is not None and len(images) != len(labels):
            raise InputError(
                f"{place.path} holds {len(images)} images and {len(labels)} labels of the {split} split. Expected as "
                "many of both."
            )
    if not found:
        raise InputError(f"{place.path} holds no images.")
    some = next(array for key, array in found.items() if key.endswith("images"))
    found.setdefault("train_images", some[:0])
    found.setdefault("train_labels", np.empty(0, np.int64))
    return RawData(**found, class_names=class_names, files=tuple(files), left_out=tuple(left_out))
