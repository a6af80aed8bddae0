"""What makes two runs the same, and descriptions of what differs."""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mnist_keras._cpu import VARIABLE
from mnist_keras._validation import differing

IDENTITY = (
    "model",
    "recipe",
    "data",
    "validation",
    "seed",
    "precision",
    "jit",
    "onednn",
    "class_weight",
)
# The packages that compute the pixels of "digits", "strokes" and pictures: another version may round them differently.
DATA_MAKERS = ("numpy", "pillow", "scipy", "scikit-learn")


def digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns a digest of each part of a run's identity, for its checkpoints.

    It leaves out the epochs of a recipe with a constant learning rate, which may grow, and `jit`, which may change with
    the number of replicas.
    """
    parts = {key: config[key] for key in IDENTITY if key != "jit"}
    parts["model"], parts["data"] = parts["model"]["architecture"], parts["data"]["sha256"]
    parts["recipe"] = dict(parts["recipe"])
    if parts["recipe"]["schedule"] == "constant":
        parts["recipe"].pop("epochs")
    return {
        key: hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:16]
        for key, part in parts.items()
    }


def is_extended(there: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Returns whether a configuration asks for more epochs than a run has, both with a constant learning rate."""
    old, new = there["recipe"], here["recipe"]
    constant = old["schedule"] == new["schedule"] == "constant"
    return constant and new["epochs"] > old["epochs"]


def run_differences(there: dict[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Returns a phrase for each difference that makes a configuration one of another run; more epochs need a reason."""
    there = copy.deepcopy(there)
    here = json.loads(json.dumps(here))  # as JSON returns it: tuples become lists
    if is_extended(there, here):
        there["recipe"]["epochs"] = here["recipe"]["epochs"]
    if there.get("num_replicas") != here.get("num_replicas"):
        there["jit"] = here.get("jit")  # the number of replicas decides it
    lines = [line for key in IDENTITY for line in differences(key, there.get(key), here.get(key))]
    schedule = there["recipe"]["schedule"]
    if schedule != "constant" and here["recipe"]["epochs"] > there["recipe"]["epochs"]:
        lines.append(
            f"the schedule {schedule!r} is laid out over all epochs, so a run with more epochs is a different run"
        )
    return lines + _reasons(there, here)


def _reasons(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Returns a phrase for each version that may have changed data of the same name."""
    old, new = there["data"], here["data"]
    if old["sha256"] == new["sha256"] or old["name"] != new["name"]:
        return []
    versions = [config.get("versions", {}) for config in (there, here)]
    known = [name for name in DATA_MAKERS if all(name in part for part in versions)]
    made = [{name: part[name] for name in known} for part in versions]
    found = differences("versions", *made)
    return [f"{line}, which may be why the data differ" for line in found]


def differences(key: str, there: Any, here: Any) -> list[str]:
    """Returns a phrase for each difference between two parts of a configuration."""
    if key == "model":
        if there["architecture"] == here["architecture"]:
            return []
        return [f"model: {there['name']!r} there, {here['name']!r} with other layers here"]
    if key == "data":  # the same pixels and labels from another place count as the same data
        return differences("data.sha256", there["sha256"], here["sha256"])
    if key == "onednn" and there != here:
        setting = f"no {VARIABLE}" if there is None else f"{VARIABLE}={int(there)}"
        return [
            f"onednn: {there!r} there, {here!r} here, and {setting} in the environment makes it the same"
        ]
    return [
        f"{name}: {old!r} there, {new!r} here" for name, old, new in differing(there, here, key)
    ]
