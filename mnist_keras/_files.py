"""Atomic writes, so that readers never see a half-written file, and errors of the file system as plain messages."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from mnist_keras._validation import InputError

TEMPORARY = ".writing-"  # begins the names of unfinished files


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, of the same suffix, and moves it there if the block succeeds.

    A reader of `path` sees either the old or the new content, even if the process or the machine dies in between.
    """
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
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
