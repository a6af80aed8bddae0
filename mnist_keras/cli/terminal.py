"""What the command does to its terminal: printing that cannot fail, and TensorFlow's chatter kept off it."""

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator

PROGRAM = "mnist-keras"


def prepare_streams() -> None:
    """Makes printing safe where a stream is closed, or its encoding lacks a character of a class's name."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # the next file to be opened would get its number
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if number else "r"))
        elif number and isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


ERRORS_ONLY = "2"  # TensorFlow's log level


@contextlib.contextmanager
def quiet_startup() -> Iterator[None]:
    """Keeps TensorFlow's chatter off the terminal while it starts; shows it if the start fails.

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
        except ImportError:
            chatter.seek(0)
            os.write(terminal, chatter.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
