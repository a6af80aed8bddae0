"""The processor's class, and whether TensorFlow computes through oneDNN: chosen before TensorFlow is loaded.

TensorFlow reads `TF_ENABLE_ONEDNN_OPTS` once, when it is loaded. By default, it leaves oneDNN off on CPUs with AVX2 or
plain AVX-512, where convolutional models train two to three times faster with oneDNN. Dense models gain up to 1.3 times
on AVX-512, and little or nothing on AVX2 (benchmarks/results/choices.csv). If the user has set the variable, it is left
unchanged.
"""

import os
import sys

CPU_INFO = "/proc/cpuinfo"  # only Linux has it
VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
LIMIT_VARIABLE = "ONEDNN_MAX_CPU_ISA"  # oneDNN's own: the newest instructions it may use
CLASSES = {  # class -> the instruction that defines it, fastest first
    "amx": "amx_bf16",
    "avx512_bf16": "avx512_bf16",
    "avx512": "avx512f",
    "avx2": "avx2",
    "arm": "asimd",
}
BFLOAT16_CLASSES = ("amx", "avx512_bf16")  # they have bfloat16 instructions
LIMITS = {  # value of the limit -> the best class that it allows; other values allow all
    "SSE41": "unknown",
    "AVX": "unknown",
    "AVX2": "avx2",
    "AVX2_VNNI": "avx2",
    "AVX2_VNNI_2": "avx2",
    "AVX512_CORE": "avx512",
    "AVX512_CORE_VNNI": "avx512",
    "AVX512_CORE_BF16": "avx512_bf16",
    "AVX512_CORE_FP16": "avx512_bf16",
}
# TensorFlow 2.21 computes through oneDNN by default where the CPU has one of these (port.cc).
ON_BY_DEFAULT = {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}
SWITCHES = {"1": True, "true": True, "0": False, "false": False}

_chosen: dict[str, str] = {}  # what this module put into the environment


def instructions() -> frozenset[str]:
    """Returns the instruction sets of the first CPU, by Linux's names; empty if the system does not list them."""
    try:
        # pathlib would take longer than all else on `import mnist_keras`.
        with open(CPU_INFO, encoding="utf-8") as file:  # noqa: PTH123
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() in ("flags", "Features"):  # x86, ARM
                    return frozenset(value.split())
    except (OSError, UnicodeDecodeError):
        pass
    return frozenset()


def cpu_class(limit: str | None = None) -> str:
    """Returns the CPU's class, a key of `CLASSES`, or "unknown".

    Args:
        limit: The most that oneDNN may use; the user's ONEDNN_MAX_CPU_ISA if None.
    """
    limit = os.environ.get(LIMIT_VARIABLE, "") if limit is None else limit
    names, there = [*CLASSES, "unknown"], instructions()
    best = names.index(LIMITS.get(limit.upper(), names[0]))
    return next((name for name in names[best:] if CLASSES.get(name) in there), "unknown")


def best_onednn(*, convolutional: bool) -> bool | None:
    """Returns True if oneDNN trains a model faster and may be off by default; None to leave it to TensorFlow.

    Measured: benchmarks/results/choices.csv.
    """
    here = cpu_class()
    return True if here == "avx512" or (convolutional and here == "avx2") else None


def choose_onednn(*, convolutional: bool = True) -> None:
    """Turns oneDNN on for TensorFlow if TensorFlow's own default is slower.

    Does nothing if the user has set the variable, TensorFlow is already loaded, or nothing was measured on such a CPU.

    Args:
        convolutional: Whether the model has convolutions; True if the model is not known yet.
    """
    if "tensorflow" in sys.modules or os.environ.get(VARIABLE) != _chosen.get(VARIABLE):
        return
    forget_choice()
    wanted = best_onednn(convolutional=convolutional)
    if wanted is not None and wanted is not uses_onednn():
        _chosen[VARIABLE] = os.environ[VARIABLE] = str(int(wanted))


def forget_choice() -> None:
    """Restores the environment that the user set, for processes that must not inherit what was chosen here."""
    if _chosen and os.environ.get(VARIABLE) == _chosen.pop(VARIABLE):
        del os.environ[VARIABLE]


def uses_onednn() -> bool | None:
    """Returns whether TensorFlow computes through oneDNN, or will once it is loaded; None if that is unknown."""
    given = SWITCHES.get(os.environ.get(VARIABLE, "").lower())
    if given is None and (there := instructions()) and "asimd" not in there:
        return not ON_BY_DEFAULT.isdisjoint(there)
    return given


def describe_onednn() -> str:
    """Returns whether TensorFlow computes through oneDNN, and why, in words."""
    state = {True: "on", False: "off", None: "TensorFlow's own choice"}[uses_onednn()]
    given = os.environ.get(VARIABLE)
    if given is not None and given == _chosen.get(VARIABLE):
        return f"{state}, chosen because convolutional models train faster with it on {cpu_class()}"
    if given is not None:
        return f"{state}, as {VARIABLE}={given} says"
    return f"{state}, TensorFlow's default on this CPU"
