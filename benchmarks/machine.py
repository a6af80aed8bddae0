"""What times and memory depend on: the machine, the versions, and how busy it was."""

import functools
import importlib.metadata
import os
import platform
import resource
import sys
import time

import psutil

from mnist_keras import _cpu

VERSIONS = ("mnist-keras", "tensorflow", "keras", "torch", "scikit-learn", "numpy")
QUIET_LOAD = 0.3  # cores; if others keep more of them busy, PyTorch's threads wait for each other
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
    """Makes processes started from now on compute as on a CPU of a slower class; returns its name."""
    os.environ.update(STAND_INS.get(name, {}))
    return name


def environment(module: str, *, convolutional: bool) -> dict[str, str]:
    """Returns how a module sets oneDNN: as the command line does, or for Keras by TensorFlow's default."""
    if module == "ours" and _cpu.best_onednn(convolutional=convolutional):
        return {_cpu.VARIABLE: "1"}
    if module in ("ours", "peers_keras") and cpu().endswith(STOOD_IN):
        return {_cpu.VARIABLE: str(int(_cpu.cpu_class() in _cpu.BFLOAT16_CLASSES))}
    return {}


def wait_for_quiet() -> None:
    """Waits until the load is low, for some minutes at most."""
    end = time.monotonic() + PATIENCE
    while (busy := load()) > QUIET_LOAD and time.monotonic() < end:
        time.sleep(5)
    print(f"load: {busy:.2f}", flush=True)


def load() -> float:
    """Returns how many cores other processes keep busy: the mean of two seconds."""
    return psutil.cpu_count() * psutil.cpu_percent(2.0) / 100


@functools.cache
def facts() -> dict[str, str]:
    """Returns facts about the machine and the versions of libraries, by name."""
    from mnist_keras.cli.doctor import examine

    cpu = examine()["cpu"]
    instructions = " ".join(name for name, there in (cpu["instructions"] or {}).items() if there)
    system, python = f"{platform.system()} {platform.machine()}", platform.python_version()
    found = {"cpu": cpu["model"], "cores": str(cpu["cores"]), "instructions": instructions}
    installed = {distribution.name for distribution in importlib.metadata.distributions()}
    versions = {name: importlib.metadata.version(name) for name in VERSIONS if name in installed}
    return {**found, "system": system, "python": python, **versions}


def summary() -> str:
    """Returns the facts in one cell: only results with the same summary can be compared."""
    return "; ".join(f"{name} {value}" for name, value in facts().items() if value)


def peak_megabytes(who: int = resource.RUSAGE_SELF) -> float:
    """Returns the peak resident set of this process, or of its largest child so far, in 10**6 bytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(who).ru_maxrss * unit / 1e6
