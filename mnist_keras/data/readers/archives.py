"""Reads archives (zip, tar) and compressed single files through a temporary folder, which is deleted afterwards."""

import bz2
import contextlib
import errno
import gzip
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from mnist_keras._validation import InputError
from mnist_keras.data.readers.files import MAX_ENTRIES, Place

MAX_BYTES = 20 * 2**30  # unpacked; EMNIST's archive has 3 GiB
MAX_RATIO = (
    200  # bytes out per byte in, beyond `SMALL`; MNIST has 5, its picture files 1, its tables 8
)
SMALL = 100 * 2**20  # bytes that any archive may unpack to
_SINGLE: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_TARS = (".tar", ".tgz", ".tbz2", ".txz", *(f".tar{suffix}" for suffix in _SINGLE))
SUFFIXES = (".zip", *_TARS, *_SINGLE)


class Member(NamedTuple):
    """A file in an archive: its name, its declared size in bytes (None if it is not known), and how it is opened."""

    name: str
    size: int | None
    open: Callable[[], Any]


def find_archives(place: Place) -> list[Path]:
    """Returns the archives at a place."""
    return place.files(*SUFFIXES)


@contextlib.contextmanager
def unpacked(place: Place) -> Iterator[Place]:
    """Unpacks the archives at a place into a temporary folder, which lasts as long as the context.

    Raises:
        InputError: If a member leaves the folder, or an archive is damaged, has a password or is too large. Errors
            raised inside the context name the archive, not the folder.
    """
    archives = find_archives(place)
    with tempfile.TemporaryDirectory(prefix="mnist_keras-") as name:
        folder = Path(name).resolve()
        try:
            for path in archives:
                target = folder if len(archives) == 1 else folder / path.name.partition(".")[0]
                _unpack(path, target)
            yield Place(folder)
        except InputError as error:
            shown = archives[0] if len(archives) == 1 else place.path
            raise InputError(str(error).replace(str(folder), str(shown))) from error


def _unpack(path: Path, folder: Path) -> None:
    limit = max(SMALL, min(MAX_BYTES, path.stat().st_size * MAX_RATIO))
    total = 0
    with _damage_named(path), contextlib.closing(_members(path)) as members:
        for count, member in enumerate(members, start=1):
            target = _inside(path, folder, member.name)
            if count > MAX_ENTRIES or total + (member.size or 0) > limit:
                raise _too_large(path, limit)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                raise InputError(f"{path} has two members named {member.name!r}. Expected one.")
            with member.open() as source, target.open("wb") as file:
                while block := source.read(1 << 20):
                    total += len(block)
                    if total > limit:
                        raise _too_large(path, limit)
                    file.write(block)
            if member.size not in (None, target.stat().st_size):
                raise InputError(
                    f"{path} is truncated or damaged at {member.name!r}. Copy or download it again."
                )


def _too_large(path: Path, limit: int) -> InputError:
    return InputError(
        f"{path} is larger than {limit / 2**30:,.1f} GiB when unpacked, or has more than {MAX_ENTRIES:,} "
        "files, which is too much for a dataset of small images. If you trust it, unpack it yourself and pass the "
        "directory."
    )


def _inside(path: Path, folder: Path, name: str) -> Path:
    """Returns the path to unpack a member to; rejects one that would leave the folder."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0] or "\0" in name:
        raise InputError(
            f"{path} has a member {name!r} with a path outside the archive. Nothing was read from it."
        )
    return folder.joinpath(*parts.parts)


def _members(path: Path) -> Generator[Member, None, None]:
    """Yields the regular files of an archive, except the clutter of file managers and version control."""
    if zipfile.is_zipfile(path):
        yield from _wanted(_zip_members(path))
    elif path.name.lower().endswith(_TARS):
        yield from _wanted(_tar_members(path))
    elif (suffix := path.suffix.lower()) in _SINGLE:
        yield Member(path.stem, None, lambda: _SINGLE[suffix](path, "rb"))
    else:
        raise InputError(
            f"{path} is not a ZIP file, although its name says so, or it is truncated. Copy or download it again."
        )


def _wanted(members: Iterator[Member]) -> Iterator[Member]:
    for member in members:
        parts = PurePosixPath(member.name.replace("\\", "/")).parts
        if not any(part == "__MACOSX" or (part.startswith(".") and part != "..") for part in parts):
            yield member


def _zip_members(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.flag_bits & 1:
                raise InputError(
                    f"{path} is protected by a password. Unpack it yourself and pass the directory."
                )
            if not info.is_dir():
                yield Member(info.filename, info.file_size, lambda info=info: archive.open(info))  # type: ignore[misc]


def _tar_members(path: Path) -> Iterator[Member]:
    with tarfile.open(path, "r:*") as archive:
        for info in archive:
            if info.isfile():  # no links, pipes or devices
                yield Member(info.name, info.size, lambda info=info: archive.extractfile(info))  # type: ignore[misc]


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        lzma.LZMAError,
        zlib.error,
        gzip.BadGzipFile,
    ) as error:
        raise _damaged(path, error) from error
    except (NotImplementedError, RuntimeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(path, error) from error
    except OSError as error:  # bz2 and zip have no type of their own for every kind of damage
        if error.filename or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    reason = str(error) or type(error).__name__
    return InputError(
        f"{path} is truncated, damaged or not an archive ({reason}). Copy or download it again."
    )
