"""`mnist-keras doctor`: versions, processor, memory, GPUs, data and extras, on one screen."""

import contextlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mnist_keras._cpu import cpu_class, describe_onednn, instructions
from mnist_keras._validation import InputError
from mnist_keras.data.datasets import DATA_DIR_VARIABLE, find_data
from mnist_keras.data.downloads import expand_home, keras_cache, tfds_cache

DISTRIBUTIONS = ("mnist-keras", "tensorflow", "keras", "numpy", "tensorflow-datasets")
DATASETS = ("mnist", "fashion_mnist")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # the last two make bfloat16 fast
DRIVER_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
CPU_INFO = Path("/proc/cpuinfo")  # only Linux has it
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # a container's, if there is one
LABEL_WIDTH = 15  # columns


def examine() -> dict[str, Any]:
    """Collects what matters for training here.

    Returns:
        `versions`, `tensorflow_error` (None if it imports), `system`, `cpu`, `memory_bytes`,
        `devices`, `backend`, `gpu`, `data` and `extras`. A fact is None if this system does not report it.
    """
    error, devices = None, []
    try:
        from mnist_keras.training.devices import describe_devices

        devices = describe_devices()
    except Exception as failure:  # any failure: this command exists to report it
        error = f"{type(failure).__name__}: {failure}"
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "tensorflow_error": error,
        "backend": _backend(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu(),
        "memory_bytes": _memory_bytes(),
        "devices": devices,
        "gpu": _gpu(devices) if error is None else None,
        "data": {name: _data(name) for name in DATASETS},
        "extras": _extras(),
    }


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _backend() -> str:
    """Returns Keras's backend, and what does not work on it."""
    try:
        import keras

        backend = keras.backend.backend()
    except Exception as failure:  # any failure: this command exists to report it
        return f"Keras can't be imported. {type(failure).__name__}: {failure}"
    return backend if backend == "tensorflow" else f"{backend}; train and evaluate need tensorflow"


def _cpu() -> dict[str, Any]:
    names, flags = [], instructions()
    with contextlib.suppress(OSError):
        lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
        names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    affinity = getattr(os, "sched_getaffinity", None)  # what this process may use; Linux only
    return {
        "model": next(iter(names), "") or platform.processor() or platform.machine(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "instructions": {name: name in flags for name in INSTRUCTIONS} if flags else None,
        "class": cpu_class(),
        "onednn": describe_onednn(),
    }


def _memory_bytes() -> int | None:
    """Returns the memory that this process may use: the machine's, or its container's limit."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    with contextlib.suppress(OSError, ValueError):  # "max" if there is no limit
        total = min(total, int(MEMORY_LIMIT.read_text(encoding="ascii")))
    return total


def _gpu(devices: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the driver's view of the GPUs and, if TensorFlow uses none, the reason."""
    driver = None
    if shutil.which(DRIVER_QUERY[0]):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                DRIVER_QUERY, capture_output=True, text=True, check=True, timeout=20
            )
            driver = done.stdout.strip().splitlines()
    used = sum(device["type"] == "GPU" for device in devices)
    return {"used": used, "driver": driver, "reason": None if used else _why_no_gpu(driver)}


def _why_no_gpu(driver: list[str] | None) -> str:
    import tensorflow as tf

    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    missing = _missing("tensorflow", "and-cuda")
    reasons = {  # the first that holds
        "on Windows, TensorFlow uses GPUs only inside WSL2": sys.platform == "win32",
        "TensorFlow's builds for macOS don't use GPUs": sys.platform == "darwin",
        f"CUDA_VISIBLE_DEVICES={hidden!r} hides every GPU; unset it": hidden in ("", "-1"),
        "this TensorFlow is built without CUDA": not tf.test.is_built_with_cuda(),
        "no NVIDIA driver responds (nvidia-smi); if there is a GPU, install its driver": not driver,
        f"CUDA libraries are missing ({', '.join(missing)}); install them with: "
        'pip install "tensorflow[and-cuda]"': bool(missing),
        "the driver and CUDA libraries are there, but TensorFlow finds no GPU; read its own "
        "messages: TF_CPP_MIN_LOG_LEVEL=0 mnist-keras doctor": True,
    }
    return next(reason for reason, holds in reasons.items() if holds)


def _data(name: str) -> dict[str, Any]:
    """Returns where a dataset was found, as its format and place, and the places to put it."""
    given = os.environ.get(DATA_DIR_VARIABLE)
    places = [expand_home(given)] if given else []
    found, problem = None, None
    try:
        found = find_data(name)
    except InputError as error:
        problem = str(error)
    return {
        "found": found and [found[0], str(found[1])],
        "problem": problem,
        "looked_in": [str(place) for place in (*places, keras_cache(), tfds_cache())],
    }


def _extras() -> dict[str, list[str]]:
    """Returns the missing distributions of each extra of this package."""
    extras = importlib.metadata.metadata("mnist-keras").get_all("Provides-Extra") or []
    return {extra: _missing("mnist-keras", extra) for extra in sorted(extras)}


def _missing(distribution: str, extra: str) -> list[str]:
    """Returns the requirements of `distribution[extra]` that are not installed, by name."""
    missing = []
    for requirement in importlib.metadata.requires(distribution) or []:
        name = re.match(r"[\w.-]+", requirement)
        if name and re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", requirement):
            try:
                importlib.metadata.version(name[0])
            except importlib.metadata.PackageNotFoundError:
                missing.append(name[0])
    return missing


def render(facts: dict[str, Any]) -> str:
    """Returns the facts of `examine` as text for a terminal of 80 columns."""
    lines = list(_system_lines(facts))
    for name, data in facts["data"].items():
        if data["found"]:
            text = f"found in {data['found'][1]} ({data['found'][0]})"
        elif data["problem"]:
            text = data["problem"]
        else:
            text = (
                f"not found in {', '.join(data['looked_in'])}; it would be downloaded. "
                f"Is it elsewhere? Set {DATA_DIR_VARIABLE} to its folder."
            )
        lines.append((name, text))
    for extra, missing in facts["extras"].items():
        command = f'pip install "mnist-keras[{extra}]"'
        text = f"lacks {', '.join(missing)}: {command}" if missing else "installed"
        lines.append((f"[{extra}]", text))
    return "\n".join(_paragraph(label, text) for label, text in lines)


def _system_lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    versions = [f"{name}\xa0{version or 'missing'}" for name, version in facts["versions"].items()]
    yield "versions", ", ".join(versions)
    if facts["tensorflow_error"]:
        yield "", f"TensorFlow can't be imported. {facts['tensorflow_error']}"
    yield "Keras backend", facts["backend"]
    yield "system", facts["system"]
    cpu = facts["cpu"]
    yield "CPU", f"{cpu['model']}, {cpu['cores']} cores, class {cpu['class']}"
    if cpu["instructions"]:
        there = [f"{name} {'yes' if has else 'no'}" for name, has in cpu["instructions"].items()]
        yield "", ", ".join(there)
    memory = facts["memory_bytes"]
    yield "oneDNN", cpu["onednn"]
    yield "memory", f"{memory / 2**30:.1f} GiB" if memory else "unknown"
    for device in facts["devices"]:
        if device["type"] == "GPU":
            yield "GPU", f"{device['model']} ({device['name']})"
    if facts["gpu"] and facts["gpu"]["reason"]:
        yield "GPU", f"none: {facts['gpu']['reason']}"


def _paragraph(label: str, text: str) -> str:
    """Returns a labeled paragraph; lines do not break at a no-break space, which is printed as a space."""
    filled = textwrap.fill(
        text,
        width=80,
        initial_indent=label.ljust(LABEL_WIDTH),
        subsequent_indent=" " * LABEL_WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace("\xa0", " ")
