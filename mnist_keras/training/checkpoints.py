"""Atomic, checksummed, resumable state of a run.

A checkpoint is a pair of files, `state-STEP.npz` with the arrays and `state-STEP.json` with the rest and the SHA-256 of
both. The JSON file is written last, so a pair is whole or not there; the two newest are kept.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mnist_keras._files import TEMPORARY, replace_file
from mnist_keras._validation import InputError

KEPT = 2  # the one before the newest, should a disk fail while the newest is read


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """State of a run before the step `step`.

    Attributes:
        step: Number of steps done.
        arrays: Named arrays, among them the weights.
        state: What JSON can hold.
    """

    step: int
    arrays: Mapping[str, np.ndarray]
    state: Mapping[str, Any]


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint and removes all but the two newest, and what a killed process left half-written.

    Raises:
        OSError: If the disk is full or not writable; earlier checkpoints are left as they were.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **checkpoint.arrays)  # type: ignore[arg-type]
    content = buffer.getvalue()
    stem = directory / f"state-{checkpoint.step:010d}"
    with replace_file(stem.with_suffix(".npz")) as path:
        path.write_bytes(content)
    record = {
        "step": checkpoint.step,
        "sha256": _digest(content, checkpoint.state),
        "state": checkpoint.state,
    }
    try:
        with replace_file(stem.with_suffix(".json")) as path:
            path.write_text(json.dumps(record), encoding="utf-8")
    except OSError:
        _remove_old(directory)
        raise
    _remove_old(directory)


def _remove_old(directory: Path) -> None:
    kept = sorted(directory.glob("state-*.json"))[-KEPT:]
    for path in sorted(directory.glob("state-*")):  # a pair's JSON file before its arrays
        if path.with_suffix(".json") not in kept:
            path.unlink()
    for path in directory.glob(f"{TEMPORARY}*"):
        path.unlink()


def _digest(content: bytes, state: Mapping[str, Any]) -> str:
    return hashlib.sha256(content + json.dumps(state, sort_keys=True).encode()).hexdigest()


def load_checkpoint(directory: Path) -> Checkpoint | None:
    """Returns the newest undamaged checkpoint, or None if there was never one.

    Raises:
        InputError: If there are checkpoints and all are damaged.
    """
    records = sorted(directory.glob("state-*.json"), reverse=True)
    for path in records:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            content = path.with_suffix(".npz").read_bytes()
            if _digest(content, record["state"]) != record["sha256"]:
                continue
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return Checkpoint(record["step"], dict(arrays), record["state"])
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            continue
    if records:
        raise InputError(
            f"All {len(records)} checkpoints in {directory} are damaged. Start the run again with --overwrite "
            "(overwrite=True)."
        )
    return None
