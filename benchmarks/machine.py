"""What the times depend on: the machine, the versions, and how busy it was."""

import functools
import importlib.metadata
import os
import platform
import time

VERSIONS = ("mnist-keras", "tensorflow", "keras", "torch", "scikit-learn", "numpy")
QUIET_LOAD = 0.3  # processes that wanted a core in the minute before
PATIENCE = 300  # seconds


def wait_for_quiet() -> float:
    """Returns the load once it is low, or after some minutes.

    Others' work slows PyTorch and scikit-learn, whose threads wait for each other, far more than TensorFlow: above
    `QUIET_LOAD` the ratios say little.
    """
    end = time.monotonic() + PATIENCE
    while (load := os.getloadavg()[0]) > QUIET_LOAD and time.monotonic() < end:
        time.sleep(5)
    print(f"load: {load:.2f}", flush=True)
    return load


@functools.cache
def facts() -> dict[str, str]:
    """Returns what is known of the machine and the versions, by name."""
    from mnist_keras.cli.doctor import examine

    cpu = examine()["cpu"]
    instructions = [name for name, there in (cpu["instructions"] or {}).items() if there]
    return {
        "cpu": cpu["model"],
        "cores": str(cpu["cores"]),
        "instructions": " ".join(instructions),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in VERSIONS if _installed(name)},
    }


def summary() -> str:
    """Returns the facts in one cell: results of one summary may stand beside each other."""
    return "; ".join(f"{name} {value}" for name, value in facts().items() if value)


def _installed(name):
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
