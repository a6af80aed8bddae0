"""Atomic, checksummed, resumable state of a run.

A checkpoint is a pair of files, `state-STEP.npz` with the arrays and `state-STEP.json` with the rest, the identity of
its run, and the SHA-256 of all. The JSON file is written last, so a pair is either complete or absent.
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
from mnist_keras._validation import InputError, say

KEPT = 2  # by default: the newest, and the one before it in case the newest is damaged


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


def save_checkpoint(
    directory: Path, checkpoint: Checkpoint, *, identity: Mapping[str, str], keep: int = KEPT
) -> None:
    """Writes a checkpoint; removes all but the newest, and any half-written files of a killed process.

    Args:
        directory: Where the run has its checkpoints.
        checkpoint: The state.
        identity: Digests that distinguish the run from others, by name.
        keep: How many of the newest checkpoints are kept.

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
        "run": dict(identity),
        "sha256": _digest(content, checkpoint.step, identity, checkpoint.state),
        "state": checkpoint.state,
    }
    try:
        with replace_file(stem.with_suffix(".json")) as path:
            path.write_text(json.dumps(record), encoding="utf-8")
    except OSError:
        _remove_old(directory, keep)
        raise
    _remove_old(directory, keep)


def _remove_old(directory: Path, keep: int) -> None:
    kept = sorted(directory.glob("state-*.json"))[-keep:]
    for path in sorted(directory.glob("state-*")):  # a pair's JSON file before its arrays
        if path.with_suffix(".json") not in kept:
            path.unlink()
    for path in directory.glob(f"{TEMPORARY}*"):
        path.unlink()


def _digest(content: bytes, *parts: Any) -> str:
    return hashlib.sha256(content + json.dumps(parts, sort_keys=True).encode()).hexdigest()


def load_checkpoint(directory: Path, *, identity: Mapping[str, str]) -> Checkpoint | None:
    """Returns the newest undamaged checkpoint, or None if there was never one; says which ones are damaged.

    Raises:
        InputError: If there are checkpoints and all are damaged, or the newest whole one belongs to another run.
    """
    records = sorted(directory.glob("state-*.json"), reverse=True)
    for number, path in enumerate(records):
        if (found := _read(path)) is None:
            continue
        checkpoint, run = found
        if differences := sorted(x for x in {*run, *identity} if run.get(x) != identity.get(x)):
            raise InputError(
                f"The checkpoint {path} belongs to another run. These differ: {', '.join(differences)}. Remove it, or "
                "start the run again with --overwrite (overwrite=True)."
            )
        if damaged := [record.stem for record in records[:number]]:
            say(
                f"the newest state in {directory} is damaged ({', '.join(damaged)}); the run goes on from step "
                f"{checkpoint.step}"
            )
        return checkpoint
    if records:
        raise InputError(
            f"All {len(records)} checkpoints in {directory} are damaged. Start the run again with --overwrite "
            "(overwrite=True)."
        )
    return None


def _read(path: Path) -> tuple[Checkpoint, dict[str, str]] | None:
    """Returns a checkpoint and its run's identity, or None if it is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        content = path.with_suffix(".npz").read_bytes()
        if (
            _digest(content, *(record[part] for part in ("step", "run", "state")))
            != record["sha256"]
        ):
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return Checkpoint(record["step"], dict(arrays), record["state"]), record["run"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
