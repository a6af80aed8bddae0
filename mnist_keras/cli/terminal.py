"""Typed paths, and output: printing that cannot fail, progress and pictures, without TensorFlow's startup messages."""

import argparse
import contextlib
import io
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import numpy as np

PROGRAM = "mnist-keras"


def typed_path(text: str) -> Path:
    """Returns the typed path; rejects an empty one, such as an unset variable gives."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, received ''")
    return Path(text)


def prepare_streams() -> None:
    """Makes printing safe where a stream is closed, or its encoding lacks a character of a class's name."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # the next file to be opened would get its number
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if number else "r"))
        elif number and isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def command_line(*arguments: object) -> str:
    """Returns a command to type here: the program's name where the shell finds it, or else how it was called."""
    return f"{_program()} {shlex.join(map(str, arguments))}"


def _program() -> str:
    called = Path(sys.argv[0])
    if called.parts[-2:] == ("mnist_keras", "__main__.py"):  # python -m mnist_keras
        return f"{shlex.quote(_as_typed(Path(sys.executable), 'python'))} -m mnist_keras"
    if called.name != PROGRAM:  # main() was called in a program
        return PROGRAM
    return shlex.quote(_as_typed(called, PROGRAM))


def _as_typed(path: Path, name: str) -> str:
    """Returns the name if the shell finds this file under it, else the shorter of its paths."""
    found = shutil.which(name)
    if not path.is_file() or (found and Path(found).samefile(path)):
        return name
    return min(os.path.relpath(path), str(path), key=len)


ERRORS_ONLY = "2"  # TensorFlow's log level


@contextlib.contextmanager
def quiet_startup() -> Iterator[None]:
    """Keeps TensorFlow's chatter off the terminal while it starts; shows it if an import fails.

    TensorFlow writes to the file descriptor itself, before its log level counts. Whoever sets TF_CPP_MIN_LOG_LEVEL to 0
    or 1 wants to read it.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", ERRORS_ONLY) in ("0", "1"):
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            yield
            tensorflow = sys.modules.get("tensorflow")
            if tensorflow:
                tensorflow.config.list_physical_devices()  # looks for GPUs, with chatter of its own
        except ImportError as error:
            from mnist_keras._validation import MissingExtraError

            if not isinstance(error, MissingExtraError):  # whose text says it all
                chatter.seek(0)
                os.write(terminal, chatter.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


BAR = 30  # characters
BLACK, WHITE = 232, 255  # the ramp of grays among a terminal's 256 colors
SHOWN_SIDE = 14  # pixels of a picture in a terminal; half of MNIST's


def show_progress(done: int, total: int) -> None:
    """Draws a bar on stderr, and ends its line with the last one."""
    bar = "=" * (BAR * done // total)
    end = "" if done < total else "\n"
    print(f"\r[{bar:<{BAR}}] {done:,} of {total:,}", end=end, file=sys.stderr, flush=True)


def shows_pictures(stream: TextIO) -> bool:
    """Tells whether a stream is a terminal that shows blocks in grays."""
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM", "dumb") == "dumb"
    return stream.isatty() and not plain and "utf" in (stream.encoding or "").lower()


def picture_lines(image: "np.ndarray") -> list[str]:
    """Returns a 28x28 image as seven lines of fourteen blocks; each block is two pixels, one above the other."""
    small = image.reshape(SHOWN_SIDE, 2, SHOWN_SIDE, 2).mean(axis=(1, 3))
    grays = (BLACK + (WHITE - BLACK) * small / 255).round().astype(int)
    return [
        "".join(f"\x1b[38;5;{upper};48;5;{lower}m▀" for upper, lower in zip(*rows, strict=True))
        + "\x1b[0m"
        for rows in zip(grays[::2], grays[1::2], strict=True)
    ]
