"""What times and memory depend on: the machine, the versions, and how busy it was."""

import functools
import importlib.metadata
import os
import platform
import resource
import sys
import time
from pathlib import Path

from mnist_keras import _cpu

VERSIONS = ("mnist-keras", "tensorflow", "keras", "torch", "scikit-learn", "numpy")
QUIET_LOAD = 0.3  # other processes that want a core; above, PyTorch's threads wait for each other
RUNNING = Path("/proc/loadavg")  # its fourth field; only on Linux
PATIENCE = 300  # seconds
# Class -> the environment in which a faster CPU computes as one of that class; XLA's matrix products stay faster.
STAND_INS = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    },
    "avx512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "XLA_FLAGS": "--xla_cpu_max_isa=AVX512"},
    "avx512_bf16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
}
STOOD_IN = " (stood in for)"
CLASSES = [*(f"{name}{x}" for name in _cpu.CLASSES for x in ("", STOOD_IN)), "unknown"]


def cpu() -> str:
    """Returns the class of the CPU, and whether a faster one stands in for it: one of `CLASSES`."""
    here = _cpu.cpu_class()
    return here if here == _cpu.cpu_class("") else here + STOOD_IN


def stand_in(name: str) -> str:
    """Lets the processes that are started from now on compute as on a CPU of a slower class; returns its name."""
    os.environ.update(STAND_INS.get(name, {}))
    return name


def environment(module: str, *, convolutional: bool) -> dict[str, str]:
    """Returns what the command line sets for a model of ours, and for Keras's what TensorFlow does by default here."""
    if module == "ours" and _cpu.best_onednn(convolutional=convolutional):
        return {_cpu.VARIABLE: "1"}
    if module in ("ours", "peers_keras") and cpu().endswith(STOOD_IN):
        return {_cpu.VARIABLE: str(int(_cpu.cpu_class() in _cpu.BFLOAT16_CLASSES))}
    return {}


def wait_for_quiet() -> None:
    """Returns once the load is low, or after some minutes."""
    end = time.monotonic() + PATIENCE
    while (busy := load()) > QUIET_LOAD and time.monotonic() < end:
        time.sleep(5)
    print(f"load: {busy:.2f}", flush=True)


def load() -> float:
    """Returns how many other processes want a core: the mean of two seconds on Linux, elsewhere of a minute."""
    if not RUNNING.exists():
        return os.getloadavg()[0]
    total = 0
    for _ in range(40):
        time.sleep(0.05)
        total += int(RUNNING.read_text().split()[3].partition("/")[0]) - 1  # itself
    return total / 40


@functools.cache
def facts() -> dict[str, str]:
    """Returns what is known of the machine and the versions, by name."""
    from mnist_keras.cli.doctor import examine

    cpu = examine()["cpu"]
    instructions = " ".join(name for name, there in (cpu["instructions"] or {}).items() if there)
    found = {"cpu": cpu["model"], "cores": str(cpu["cores"]), "instructions": instructions}
    found["system"] = f"{platform.system()} {platform.machine()}"
    found["python"] = platform.python_version()
    installed = {distribution.name for distribution in importlib.metadata.distributions()}
    versions = {name: importlib.metadata.version(name) for name in VERSIONS if name in installed}
    return found | versions


def summary() -> str:
    """Returns the facts in one cell: only results with the same summary can be compared."""
    return "; ".join(f"{name} {value}" for name, value in facts().items() if value)


def peak_megabytes(who: int = resource.RUSAGE_SELF) -> float:
    """Returns the peak resident set of this process, or of its largest child so far, in 10**6 bytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(who).ru_maxrss * unit / 1e6
