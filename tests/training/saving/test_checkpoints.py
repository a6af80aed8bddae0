"""Checkpoints survive a kill between any two writes, damage and a full disk."""

import errno
import functools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from errors import error_of

from mnist_keras._validation import InputError
from mnist_keras.training.saving import checkpoints
from mnist_keras.training.saving.checkpoints import Checkpoint, load_checkpoint, save_checkpoint

IDENTITY = {"seed": "a0", "model": "b1"}
save_checkpoint = functools.partial(save_checkpoint, identity=IDENTITY)
load_checkpoint = functools.partial(load_checkpoint, identity=IDENTITY)


def checkpoint(step):
    arrays = {
        "variable/0": np.full((3, 4), step, np.float32),
        "variable/1": np.array([2**63 - 1, -step]),
        "callback/0/best/0": np.array(0.1, np.float64),
    }
    state = {"loss_sum": 0.1 * step, "history": {"loss": [1 / 3, float("inf")]}, "stopped": False}
    return Checkpoint(step, arrays, state)


def assert_same(a, b):
    assert a.step == b.step
    assert a.state == b.state
    assert a.arrays.keys() == b.arrays.keys()
    for name, array in a.arrays.items():
        assert array.dtype == b.arrays[name].dtype
        np.testing.assert_array_equal(array, b.arrays[name])


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def pair(step):
    return [f"state-{step:010d}.json", f"state-{step:010d}.npz"]


def save_both(directory):
    save_checkpoint(directory, checkpoint(10))
    save_checkpoint(directory, checkpoint(20))


def test_round_trip(tmp_path):
    assert load_checkpoint(tmp_path) is None
    assert load_checkpoint(tmp_path / "nowhere") is None
    save_both(tmp_path / "new" / "checkpoint")
    assert_same(load_checkpoint(tmp_path / "new" / "checkpoint"), checkpoint(20))


def test_the_two_newest_are_kept(tmp_path):
    for step in (9, 10, 100, 1000):
        save_checkpoint(tmp_path, checkpoint(step))
    assert names(tmp_path) == pair(100) + pair(1000)


class Killed(BaseException):
    """Stands for a process that ends without any clean-up of its own."""


@pytest.mark.parametrize("file", ["arrays", "record"])
@pytest.mark.parametrize("moment", ["while writing", "before the move"])
def test_a_kill_at_any_write_leaves_the_state_before(tmp_path, monkeypatch, file, moment):
    save_both(tmp_path)
    suffix = {"arrays": ".npz", "record": ".json"}[file]

    write_bytes = Path.write_bytes

    def killed_write(path, content, **options):
        write_bytes(path, b"the first half")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *args, **kwargs: None)  # a dead process tidies nothing
        if moment == "before the move":
            replace = Path.replace

            def killed_replace(path, target):
                if path.suffix == suffix:
                    raise Killed
                return replace(path, target)

            patch.setattr(Path, "replace", killed_replace)
        else:
            patch.setattr(Path, "write_bytes" if file == "arrays" else "write_text", killed_write)
        with pytest.raises(Killed):
            save_checkpoint(tmp_path, checkpoint(30))

    assert len(names(tmp_path)) > 4, "the killed process left something"
    assert_same(load_checkpoint(tmp_path), checkpoint(20))
    save_checkpoint(tmp_path, checkpoint(40))
    assert names(tmp_path) == pair(20) + pair(40)  # what was left is gone
    assert_same(load_checkpoint(tmp_path), checkpoint(40))


@pytest.mark.parametrize("method", ["write_bytes", "write_text"])
def test_a_full_disk_leaves_the_state_before_and_nothing_else(tmp_path, monkeypatch, method):
    save_both(tmp_path)

    def fail(path, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, fail)
        with pytest.raises(OSError, match="No space left"):
            save_checkpoint(tmp_path, checkpoint(30))
    assert names(tmp_path) == pair(10) + pair(20)
    assert_same(load_checkpoint(tmp_path), checkpoint(20))


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def replace_by_other_json(path):
    path.write_text("[1, 2]", encoding="utf-8")


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize(
    "damage", [truncate, flip_a_bit, empty, Path.unlink, replace_by_other_json]
)
def test_a_damaged_newest_falls_back_to_the_one_before(tmp_path, capsys, suffix, damage):
    save_both(tmp_path)
    damage((tmp_path / pair(20)[0]).with_suffix(suffix))
    assert_same(load_checkpoint(tmp_path), checkpoint(10))
    said = capsys.readouterr().err
    if (tmp_path / pair(20)[0]).exists():
        assert said == (
            f"mnist_keras: the newest state in {tmp_path} is damaged (state-0000000020); the run goes on from step 10\n"
        )


def test_a_record_of_another_step_is_damaged(tmp_path):
    save_both(tmp_path)
    path = tmp_path / pair(20)[0]
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "step": 21}))
    assert load_checkpoint(tmp_path).step == 10


@pytest.mark.parametrize("keep", [1, 3])
def test_as_many_are_kept_as_asked_for(tmp_path, keep):
    for step in range(1, 6):
        save_checkpoint(tmp_path, checkpoint(step), keep=keep)
    assert names(tmp_path) == sorted(name for step in range(6 - keep, 6) for name in pair(step))


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    save_both(tmp_path)
    path = tmp_path / pair(20)[0]
    text = error_of(load_checkpoint, tmp_path, identity={"seed": "a1", "model": "b2"})
    assert text == (
        f"The checkpoint {path} belongs to another run. These differ: model, seed. Remove it, or start the run again "
        "with --overwrite (overwrite=True)."
    )


def test_names_reach_the_disk_before_the_next_file_is_written(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def note(number):
        synced.append(Path(f"/proc/self/fd/{number}").readlink())
        fsync(number)

    monkeypatch.setattr(os, "fsync", note)
    save_checkpoint(tmp_path / "run" / "checkpoint", checkpoint(10))
    directory = tmp_path / "run" / "checkpoint"
    assert [path for path in synced if path.is_dir()] == [directory, directory.parent, directory]


def test_a_changed_number_in_the_record_is_damage(tmp_path):
    save_both(tmp_path)
    path = tmp_path / pair(20)[0]
    path.write_text(path.read_text().replace('"loss_sum": 2.0', '"loss_sum": 3.0'))
    assert_same(load_checkpoint(tmp_path), checkpoint(10))


def test_arrays_with_pickles_are_damage(tmp_path):
    save_both(tmp_path)
    path = tmp_path / pair(20)[1]
    np.savez(path, a=np.array([{}], dtype=object))
    record = json.loads(path.with_suffix(".json").read_text())
    record["sha256"] = checkpoints._digest(path.read_bytes(), record["run"], record["state"])
    path.with_suffix(".json").write_text(json.dumps(record))
    assert_same(load_checkpoint(tmp_path), checkpoint(10))


def test_all_damaged_is_an_error_that_says_what_to_do(tmp_path):
    save_both(tmp_path)
    for path in tmp_path.glob("*.npz"):
        truncate(path)
    with pytest.raises(InputError) as caught:
        load_checkpoint(tmp_path)
    assert str(caught.value) == (
        f"All 2 checkpoints in {tmp_path} are damaged. Start the run again with --overwrite (overwrite=True)."
    )
