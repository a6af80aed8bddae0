"""What times and memory depend on: the machine, the versions, and how busy it was."""

import functools
import importlib.metadata
import os
import platform
import resource
import sys
import time

VERSIONS = ("mnist-keras", "tensorflow", "keras", "torch", "scikit-learn", "numpy")
QUIET_LOAD = 0.3  # processes that wanted a core in the minute before; above, PyTorch's threads wait for each other
PATIENCE = 300  # seconds


def wait_for_quiet() -> None:
    """Returns once the load is low, or after some minutes."""
    end = time.monotonic() + PATIENCE
    while os.getloadavg()[0] > QUIET_LOAD and time.monotonic() < end:
        time.sleep(5)
    print(f"load: {os.getloadavg()[0]:.2f}", flush=True)


@functools.cache
def facts() -> dict[str, str]:
    """Returns what is known of the machine and the versions, by name."""
    from mnist_keras.cli.doctor import examine

    cpu = examine()["cpu"]
    installed = {distribution.name for distribution in importlib.metadata.distributions()}
    return {
        "cpu": cpu["model"],
        "cores": str(cpu["cores"]),
        "instructions": " ".join(x for x, there in (cpu["instructions"] or {}).items() if there),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in VERSIONS if name in installed},
    }


def summary() -> str:
    """Returns the facts in one cell: only results with the same summary can be compared."""
    return "; ".join(f"{name} {value}" for name, value in facts().items() if value)


def peak_megabytes(who: int = resource.RUSAGE_SELF) -> float:
    """Returns the peak resident set of this process, or of its largest child so far, in 10**6 bytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(who).ru_maxrss * unit / 1e6
