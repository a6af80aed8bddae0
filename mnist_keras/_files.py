"""Atomic writes, so that readers never see a half-written file, and errors of the file system as plain messages."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from mnist_keras._validation import InputError, invalid

TEMPORARY = ".writing-"  # begins the names of unfinished files


def check_path(name: str, path: object, *, expected: str = "a path", hint: str = "") -> Path:
    """Returns `path` as a `Path` if a file can have such a name; whether there is one is not looked at.

    Args:
        name: The argument's name, for the error.
        path: What the caller passed.
        expected: What is legal, for the error.
        hint: What to do, for the error.

    Raises:
        InputError: If it is neither a string nor a path, is empty, or has a character that no path can have.
    """
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise invalid(name, expected=expected, received=repr(path), hint=hint)
    try:
        is_legal = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # half of a surrogate pair
        is_legal = False
    if not is_legal:
        received = f"{str(path)!r}, with a character that no path can have"
        raise invalid(name, expected=expected, received=received, hint=hint)
    return Path(path)


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, of the same suffix, and moves it there if the block succeeds.

    A reader of `path` sees either the old or the new content, even if the process or the machine dies in between.
    """
    is_new = not path.parent.exists()
    make_directory(path.parent)
    if path.is_dir():  # its own error would name the temporary file
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
        if is_new:
            _sync_directory(path.parent.parent)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(directory: Path) -> None:
    """Checks that files can be written into a directory, or that it can be made, before the work that needs it.

    Raises:
        NotADirectoryError: If there is a file in its place.
        PermissionError: If permissions forbid it.
    """
    there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def make_directory(path: Path) -> None:
    """Makes a directory and those above it, unless they exist.

    Raises:
        NotADirectoryError: If there is a file of that name, of which the system says only that it exists.
        OSError: If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(
            errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename
        ) from error


def _sync_directory(path: Path) -> None:
    """Flushes a file's new name to the disk; syncing the file alone does not."""
    if os.name != "posix":  # Windows opens no directories
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def input_errors(
    place: object,
    verb: str = "read",
    advice: str = "",
    *,
    also: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turns errors of the file system into `InputError`, except for a full disk, which is not the input's fault.

    Args:
        place: What the message is about; without advice, the file that the error names is named instead.
        verb: What cannot be done with it: "read" or "written".
        advice: A sentence that says what to do about it.
        also: Further exceptions that mean that the content is invalid.

    Raises:
        InputError: "PLACE cannot be VERB: reason. advice".
    """
    try:
        yield
    except InputError:
        raise
    except (OSError, *also) as error:  # type: ignore[misc]
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise
        named = None if advice else getattr(error, "filename", None)
        other_content = isinstance(error, LookupError | TypeError)  # whose text is for programmers
        reason = "it has the wrong kind of content" if other_content else str(error)
        reason = getattr(error, "strerror", None) or reason
        sentence = f"{named or place} cannot be {verb}: {reason.rstrip('.')}."
        raise InputError(f"{sentence} {advice}" if advice else sentence) from error


@contextlib.contextmanager
def content_errors(
    place: object, kind: str, advice: str, *, unexplained: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turns what libraries raise on damaged content, a dozen types each, into `InputError`.

    What the file system refuses is raised as it is, for `input_errors`.

    Args:
        place: What the message is about.
        kind: What it was taken for: "picture", "NPZ file".
        advice: A sentence that says what is expected or what to do.
        unexplained: Exceptions whose text tells the user nothing.

    Raises:
        InputError: "PLACE is not a readable KIND (reason). advice".
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename:
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = "" if isinstance(error, unexplained) else f" ({reason})"
        raise InputError(f"{place} is not a readable {kind}{reason}. {advice}") from error
