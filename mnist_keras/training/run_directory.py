"""What a run leaves on disk.

config.json    model, recipe, data with SHA-256, seed, versions, device, precision, jit, command
history.csv    a row per epoch
metrics.json   the evaluation; written last, so its presence means a finished run
model.keras    the trained model, in float32
checkpoint/    state to resume from
plots/         pictures of the evaluation
report.html    all of it on one page
"""

import contextlib
import csv
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_keras import __version__
from mnist_keras._files import TEMPORARY, check_path, check_writable, input_errors, replace_file
from mnist_keras._validation import InputError
from mnist_keras.training.saving.identity import DATA_MAKERS, is_extended, run_differences
from mnist_keras.training.saving.lock import LOCK, check_unlocked, lock_directory

if TYPE_CHECKING:
    import keras

    from mnist_keras.training.saving.checkpoints import Checkpoint


@contextlib.contextmanager
def claim_run_directory(name: str, root: str | Path = "runs") -> Iterator[Path]:
    """Makes the first of `root/name-1`, `root/name-2`, ... that does not exist; removes it if it stays empty.

    Each of several simultaneous processes gets its own directory.

    Raises:
        InputError: If no directory can be made there.
    """
    number, root_is_new = 1, not Path(root).exists()
    while True:
        path = Path(root) / f"{name}-{number}"
        with input_errors(f"The run directory {path}", "written", "Choose another one."):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                break
        number += 1
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):  # it is not empty
            path.rmdir()
            if root_is_new:
                Path(root).rmdir()


class RunDirectory:
    """The directory of one run."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = check_path("run_dir", path, expected="the path of a directory")
        self.checkpoints = self.path / "checkpoint"
        self.plots = self.path / "plots"
        self.model = self.path / "model.keras"
        self.report = self.path / "report.html"

    @property
    def has_run(self) -> bool:
        return (self.path / "config.json").is_file()

    @property
    def is_finished(self) -> bool:
        return (self.path / "metrics.json").is_file()

    def check(self, *, resume: bool = False, overwrite: bool = False) -> None:
        """Checks that a run may be written here.

        Raises:
            InputError: If both flags are given, or another process writes here, or the directory holds a run and
                neither is given, or holds something else, or is a file, or cannot be read, or holds a run to continue
                and cannot be written.
        """
        if resume and overwrite:
            raise InputError("Give `resume` or `overwrite`, not both.")
        with self._usable("read"):
            check_unlocked(self.path)
            self._check_content(resume or overwrite)
            goes_on = self.has_run and (overwrite or not self.is_finished)
        with self._usable("written"):
            if goes_on:
                check_writable(self.path)

    def check_empty(self) -> None:
        """Checks that nothing is written here yet, and that something can be.

        Raises:
            InputError: If something is, or the directory is a file, or cannot be read or written.
        """
        with self._usable("read"):
            if self._holds_something():
                raise InputError(
                    f"The directory {self.path} is not empty. Choose another one, so that your files are not "
                    "overwritten."
                )
        with self._usable("written"):
            check_writable(self.path)

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """Removes the directory, which was empty before, if what is written into it fails.

        Raises:
            InputError: If it cannot be written.
        """
        try:
            with self._usable("written"):
                yield
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    def _holds_something(self) -> bool:
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"The run directory {self.path} is a file. Choose another one.")
        return self.path.is_dir() and any(
            not entry.name.startswith((TEMPORARY, LOCK)) for entry in self.path.iterdir()
        )

    def _check_content(self, may_hold_run: bool) -> None:
        holds_something = self._holds_something()
        if self.has_run:
            if not may_hold_run:
                state = "a finished" if self.is_finished else "an unfinished"
                raise InputError(
                    f"The run directory {self.path} holds {state} run. Resume it (--resume, resume=True), "
                    "replace it (--overwrite, overwrite=True) or choose another directory."
                )
        elif holds_something:
            raise InputError(
                f"The directory {self.path} is not empty and holds no run. Choose another one, so that your "
                "files are not overwritten."
            )

    @contextlib.contextmanager
    def writing(self, *, resume: bool = False, overwrite: bool = False) -> Iterator[None]:
        """Makes the directory and keeps other processes from writing here; checks again what is in it.

        Raises:
            InputError: If another process writes here, or as `check` does.
        """
        with self._usable("written"):
            is_new = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
        try:
            with contextlib.ExitStack() as stack:
                with self._usable("written"):
                    stack.enter_context(lock_directory(self.path))
                with self._usable("read"):
                    self._check_content(resume or overwrite)
                yield
        finally:
            if is_new:
                with contextlib.suppress(OSError):  # it is not empty
                    self.path.rmdir()

    def start(self, config: Mapping[str, Any]) -> None:
        """Removes an earlier run and writes the configuration of the new one.

        Raises:
            InputError: If the directory cannot be written.
        """
        with self._usable("written"):
            for name in ("metrics.json", "history.csv", "model.keras", "report.html"):
                (self.path / name).unlink(missing_ok=True)
            for directory in (self.checkpoints, self.plots):
                if directory.exists():  # an old checkpoint left there might be resumed later
                    shutil.rmtree(directory)
            for path in self.path.glob(f"{TEMPORARY}*"):  # left by a killed process
                path.unlink()
            # Replaced, never missing: without it, this directory would not be recognized as a run.
            self._write_json("config.json", config)

    def _usable(self, verb: str) -> contextlib.AbstractContextManager[None]:
        return input_errors(f"The run directory {self.path}", verb, "Choose another one.")

    def check_same_run(self, config: Mapping[str, Any]) -> None:
        """Checks that the run here is the one that `config` describes.

        Under a constant learning rate, more epochs do not make a different run: see `extend`.

        Raises:
            InputError: If the model, the recipe, the data, the precision or the seed differ; names each difference.
        """
        with self._readable("config.json"):
            lines = run_differences(self.read_config(), config)
        if lines:
            raise InputError(
                f"The run in {self.path} is a different run and cannot be resumed: {'; '.join(lines)}. "
                "Repeat its arguments, replace it (--overwrite, overwrite=True) or choose another directory."
            )

    def is_extended_by(self, config: Mapping[str, Any]) -> bool:
        """Returns whether `config` asks for more epochs of the run here, and its schedule allows them."""
        with self._readable("config.json"):
            return is_extended(self.read_config(), config)

    def extend(self, config: Mapping[str, Any], checkpoint: "Checkpoint | None") -> None:
        """Extends a run to more epochs from a checkpoint; a finished one becomes unfinished.

        Raises:
            InputError: If a callback ended the run, or a finished run has no checkpoint.
        """
        if self.is_finished and checkpoint is None:
            raise InputError(
                f"The finished run in {self.path} has no checkpoint left to continue from. Train again in another "
                "directory."
            )
        if checkpoint is not None and checkpoint.state["stopped"]:
            last = len(checkpoint.state["history"].get("epoch", ()))
            raise InputError(
                f"A callback ended the run in {self.path} after epoch {last}, so more epochs change nothing. Train "
                "again in another directory, without the callback."
            )
        with self._usable("written"):
            (self.path / "metrics.json").unlink(missing_ok=True)  # first: it marks a finished run
            self._write_json("config.json", config)

    def read_config(self) -> dict[str, Any]:
        return self._read_json("config.json")

    def read_data_name(self) -> str:
        """Returns the name or the path of the data that the run was trained on.

        Raises:
            InputError: If it was trained on arrays or records, which cannot be loaded by name.
        """
        with self._readable("config.json"):
            data = self.read_config()["data"]
            name, source = str(data["name"]), data.get("source")
        if source in {"memory", "records"}:
            raise InputError(
                f"The run in {self.path} was trained from Python on {name}, which are not saved with the run. Use "
                "--data to name the images."
            )
        return name

    def read_metrics(self) -> dict[str, Any]:
        return self._read_json("metrics.json")

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        self._write_json("metrics.json", metrics)

    def read_history(self) -> dict[str, list[float]]:
        with self._readable("history.csv"):
            with (self.path / "history.csv").open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            return {key: [float(row[key]) for row in rows] for key in rows[0]} if rows else {}

    def write_history(self, history: Mapping[str, Sequence[float]]) -> None:
        """Writes one row per epoch; numbers in full precision, so that reading gives the same bits."""
        with replace_file(self.path / "history.csv") as path, path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(history)
            writer.writerows(zip(*history.values(), strict=True))

    def save_model(self, model: "keras.Model") -> None:
        """Writes the model in float32, not compiled: the optimizer's state is in the checkpoints."""
        with replace_file(self.model) as path:
            from mnist_keras.models.inspection import as_float32

            as_float32(model).save(path)

    def _read_json(self, name: str) -> dict[str, Any]:
        with self._readable(name):
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise TypeError
            return content

    def _readable(self, name: str) -> contextlib.AbstractContextManager[None]:
        advice = "Start the run again with --overwrite."
        damage = (ValueError, LookupError, TypeError, RecursionError)
        return input_errors(self.path / name, "read", advice, also=damage)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        with replace_file(self.path / name) as path:
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Returns the versions that a result depends on."""
    packages = ("tensorflow", "keras", *DATA_MAKERS)
    return {
        "mnist_keras": __version__,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
    }
