"""How a benchmark runs as a command."""

import os
import sys
from collections.abc import Callable

from mnist_keras._validation import InputError


def run_command(main: Callable[[], None]) -> None:
    """Runs a benchmark's `main`, with TensorFlow's errors alone; bad input ends it with what is wrong, as status 2.

    A file that cannot be read or written ends it with status 1.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
