"""The lock of a run directory: only one process writes to it, and a second one is told which.

The lock is the operating system's (flock), so it ends with its process, however that dies. The file's content is only
for the sentence that the second process prints.
"""

import contextlib
import datetime
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mnist_keras._validation import InputError, say

try:
    import fcntl
except ImportError:  # Windows, where there is no lock
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"  # the file's name in the directory
# Pause in seconds: `check_unlocked` of another process locks for an instant.
TRIES, PAUSE = (10, 0.05)
NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}  # file systems without locks


@contextlib.contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Keeps other processes from writing an existing directory; a dead process's lock is taken over.

    Raises:
        InputError: If another process holds the lock; names it.
    """
    file = _take(directory)
    try:
        record = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        file.truncate(0)
        file.write(json.dumps(record).encode())
        file.flush()
        yield
    finally:
        with contextlib.suppress(OSError):  # the directory may be gone
            (directory / LOCK).unlink()
        file.close()


def check_unlocked(directory: Path) -> None:
    """Checks that no other process writes a directory; leaves nothing there.

    Raises:
        InputError: If one does; names it.
    """
    try:
        file = (directory / LOCK).open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return
    with file:
        if not _try_lock(file, exclusive=False):
            raise _in_use(directory, file)


def _take(directory: Path) -> BinaryIO:
    path, tries = directory / LOCK, 0
    while True:
        file = path.open("a+b")  # keeps the content, which says who holds it
        if _try_lock(file, exclusive=True):
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
            file.close()  # its holder ended and removed it meanwhile
            continue
        tries += 1
        if tries == TRIES:
            with file:
                raise _in_use(directory, file)
        file.close()
        time.sleep(PAUSE)


def _try_lock(file: BinaryIO, *, exclusive: bool) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        if exclusive:
            say(
                f"{file.name} cannot be locked here ({error.strerror}); make sure that no other process writes there."
            )
    return True


def _in_use(directory: Path, file: BinaryIO) -> InputError:
    file.seek(0)
    try:
        record = json.loads(file.read())
        since = datetime.datetime.fromisoformat(record["since"]).strftime("%Y-%m-%d %H:%M:%S")
        holder = f"process {record['pid']} on {record['host']}, since {since}"
    except (ValueError, LookupError, TypeError):  # not written yet
        holder = "another process"
    return InputError(
        f"The run directory {directory} is in use by {holder}. Wait until it ends, or choose another directory."
    )
