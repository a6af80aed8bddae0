"""The command line in a test: what a command prints, in this process or in a fresh one."""

import os
import shlex
import subprocess
import sys

TRAIN = ("train", "mlp_128", "--data", "digits", "--epochs", "1")


def output_of(result) -> str:
    status, out, err = result
    assert err == ""
    assert status == 0
    return out


def python(code: str) -> subprocess.CompletedProcess:
    """Runs code in a fresh interpreter, in an environment that does not silence TensorFlow."""
    environment = {key: x for key, x in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )


def out_of_next(run, out):
    """Runs the command that the last line of an output ends with, as printed; returns what that prints."""
    command = out.splitlines()[-1].partition("mnist-keras ")[2]
    return output_of(run(*shlex.split(command)))
