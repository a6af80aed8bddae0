"""What a run leaves on disk: nothing of the user's is overwritten, every refusal says why."""

import errno
import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from errors import error_of
from small_runs import CONFIG, changed

import mnist_keras as mk
from mnist_keras._files import TEMPORARY
from mnist_keras._validation import InputError
from mnist_keras.training.run_directory import RunDirectory, claim_run_directory, versions


def test_each_claim_gets_a_directory_of_its_own_and_an_unused_one_goes(tmp_path):
    (tmp_path / "mlp_128-1").mkdir()
    (tmp_path / "mlp_128-3").touch()
    with claim_run_directory("mlp_128", tmp_path) as second:
        with claim_run_directory("mlp_128", tmp_path) as fourth:
            assert second == tmp_path / "mlp_128-2" and fourth == tmp_path / "mlp_128-4"
            (fourth / "config.json").touch()
        assert second.is_dir()
    assert not second.exists()
    assert fourth.is_dir()
    with claim_run_directory("mlp_128", tmp_path / "new" / "runs") as first:
        assert first == tmp_path / "new" / "runs" / "mlp_128-1"


def test_a_place_where_no_directory_can_be_made_is_refused(tmp_path):
    (tmp_path / "runs").touch()
    text = error_of(claim_run_directory("mlp_128", tmp_path / "runs").__enter__)
    path = tmp_path / "runs" / "mlp_128-1"
    assert text == (f"The run directory {path} cannot be written: File exists. Choose another one.")


def test_start_writes_the_configuration(run):
    assert run.has_run and not run.is_finished
    assert run.read_config() == CONFIG
    assert [path.name for path in run.path.iterdir()] == ["config.json"]


def test_start_removes_what_an_earlier_run_left_and_nothing_else(run):
    run.write_history({"epoch": [1], "loss": [0.5]})
    run.write_metrics({"accuracy": 0.9})
    run.model.write_bytes(b"model")
    run.checkpoints.mkdir()
    (run.checkpoints / "state-0000000001.json").write_text("{}")
    run.plots.mkdir()
    (run.path / "notes.txt").write_text("mine")
    run.start(changed(seed=1))
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "notes.txt"]
    assert run.read_config()["seed"] == 1


def test_metrics_make_a_run_finished(run):
    run.write_metrics({"accuracy": 0.9812, "per_class": [{"label": "0"}]})
    assert run.is_finished
    assert run.read_metrics() == {"accuracy": 0.9812, "per_class": [{"label": "0"}]}


def test_history_keeps_every_bit(run):
    rng = np.random.default_rng(0)
    history = {
        "epoch": [1.0, 2.0, 3.0],
        "loss": [float(x) for x in rng.normal(size=3)],
        "val_loss": [1 / 3, 5e-324, float("inf")],
        "learning_rate": [1.7976931348623157e308, 1e-3, -0.0],
    }
    run.write_history(history)
    read = run.read_history()
    assert list(read) == list(history)
    assert [np.array(x).tobytes() for x in read.values()] == [
        np.array(x).tobytes() for x in history.values()
    ]


def test_history_without_an_epoch_is_empty(run):
    run.write_history({"epoch": [], "loss": []})
    assert run.read_history() == {}


def test_check_accepts_a_new_an_empty_and_a_known_directory(run, tmp_path):
    RunDirectory(tmp_path / "new").check()
    (tmp_path / "empty").mkdir()
    RunDirectory(tmp_path / "empty").check(resume=True)
    run.check(resume=True)
    run.check(overwrite=True)
    assert not (tmp_path / "new").exists(), "a check writes nothing"


def test_check_refuses_a_run_without_a_flag(run):
    text = (
        f"The run directory {run.path} holds {{}} run. Resume it (--resume, resume=True), "
        "replace it (--overwrite, overwrite=True) or choose another directory."
    )
    assert error_of(run.check) == text.format("an unfinished")
    run.write_metrics({})
    assert error_of(run.check) == text.format("a finished")


@pytest.mark.parametrize("flags", [{}, {"resume": True}, {"overwrite": True}])
def test_check_refuses_what_holds_no_run(tmp_path, flags):
    (tmp_path / "cat.jpg").write_text("meow")
    assert error_of(RunDirectory(tmp_path).check, **flags) == (
        f"The directory {tmp_path} is not empty and holds no run. Choose another one, so that your files "
        "are not overwritten."
    )
    file = tmp_path / "cat.jpg"
    assert error_of(RunDirectory(file).check, **flags) == (
        f"The run directory {file} is a file. Choose another one."
    )


def test_check_refuses_both_flags(run):
    text = error_of(run.check, resume=True, overwrite=True)
    assert text == "Give `resume` or `overwrite`, not both."


def test_what_is_no_path_is_refused():
    text = "Invalid `run_dir`. Expected the path of a directory. Received: 5."
    assert error_of(RunDirectory, 5) == text


def test_a_name_that_is_too_long_is_refused(tmp_path):
    path = tmp_path / ("x" * 300)
    expected = f"The run directory {path} cannot be {{}}: File name too long. Choose another one."
    assert error_of(RunDirectory(path).check) == expected.format("read")
    assert error_of(RunDirectory(path).start, CONFIG) == expected.format("written")


def test_a_directory_below_a_file_is_refused(tmp_path):
    (tmp_path / "cat.jpg").touch()
    path = tmp_path / "cat.jpg" / "run"
    assert error_of(RunDirectory(path).start, CONFIG) == (
        f"The run directory {path} cannot be written: Not a directory. Choose another one."
    )


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("step", ["mkdir", "unlink", "write_text"])
def test_what_cannot_be_written_is_refused(tmp_path, monkeypatch, number, step):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, step, fail)
    path = tmp_path / "run"
    assert error_of(RunDirectory(path).start, CONFIG) == (
        f"The run directory {path} cannot be written: {os.strerror(number)}. Choose another one."
    )


def test_an_old_checkpoint_that_cannot_be_removed_is_an_error(run, monkeypatch):
    run.checkpoints.mkdir()

    def fail(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", fail)
    assert "cannot be written: Permission denied" in error_of(run.start, CONFIG)


def test_a_directory_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", fail)
    assert error_of(RunDirectory(tmp_path).check) == (
        f"The run directory {tmp_path} cannot be read: Permission denied. Choose another one."
    )


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere"
)
def test_a_read_only_directory_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    assert "cannot be written: Permission denied" in error_of(
        RunDirectory(tmp_path / "run").start, CONFIG
    )


def test_a_run_of_another_user_can_only_be_resumed_if_finished(run, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    expected = (
        f"The run directory {run.path} cannot be written: Permission denied. Choose another one."
    )
    assert error_of(run.check, resume=True) == expected
    run.write_metrics({})
    run.check(resume=True)
    assert error_of(run.check, overwrite=True) == expected


def test_a_full_disk_is_not_bad_input(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        RunDirectory(tmp_path / "run").start(CONFIG)
    assert not isinstance(caught.value, InputError)
    assert not list((tmp_path / "run").iterdir())


def test_writing_keeps_others_out_and_leaves_no_empty_directory(tmp_path):
    directory = RunDirectory(tmp_path / "new" / "run")
    with directory.writing():
        assert "in use by process" in error_of(RunDirectory(directory.path).check)
        assert "in use by process" in error_of(directory.writing().__enter__)
        assert directory.path.is_dir()
    assert not directory.path.exists()
    with directory.writing():
        directory.start(CONFIG)
    assert [path.name for path in directory.path.iterdir()] == ["config.json"]
    text = error_of(directory.writing().__enter__)
    assert "holds an unfinished run" in text, "another process may have started one after the check"


def test_a_run_trained_on_arrays_asks_for_data(run):
    assert run.read_data_name() == "mnist"
    run.start(changed(data={"name": "arrays", "source": "memory", "sha256": {}}))
    assert error_of(run.read_data_name) == (
        f"The run in {run.path} was trained from Python on arrays, which are not saved with the run. Use --data "
        "to name the images."
    )


def test_a_damaged_configuration_is_an_error(run):
    (run.path / "config.json").write_text('{"model": ')
    text = error_of(run.read_config)
    assert text.startswith(f"{run.path / 'config.json'} cannot be read: Expecting value")
    assert text.endswith("Start the run again with --overwrite.")


@pytest.mark.parametrize("content", ["[]", "null", '"words"', "5"])
def test_json_of_another_kind_is_an_error(run, content):
    foreign = (
        "cannot be read: it has the wrong kind of content. Start the run again with --overwrite."
    )
    for name, call in {"config.json": run.read_data_name, "metrics.json": run.read_metrics}.items():
        (run.path / name).write_text(content)
        assert error_of(call) == f"{run.path / name} {foreign}"


@pytest.mark.parametrize("content", ["{}", '{"data": null}', '{"model": {}}', '{"model": 5}'])
def test_a_configuration_that_lacks_something_is_an_error(run, content):
    (run.path / "config.json").write_text(content)
    for call in (run.read_data_name, lambda: run.check_same_run(CONFIG)):
        assert "config.json cannot be read: it has the wrong kind of content." in error_of(call)


def test_the_name_of_the_data_is_read(run):
    assert run.read_data_name() == "mnist"


@pytest.mark.parametrize(
    "content", [b"epoch,loss\n1\n", b"epoch\nx\n", b"epoch\n1,2\n", b"\xff\n1", None]
)
def test_a_damaged_history_is_an_error(run, content):
    if content is not None:
        (run.path / "history.csv").write_bytes(content)
    text = error_of(run.read_history)
    assert text.startswith(f"{run.path / 'history.csv'} cannot be read: ")
    assert text.endswith(". Start the run again with --overwrite.")


def test_check_empty(run, tmp_path):
    RunDirectory(tmp_path / "new").check_empty()
    (tmp_path / "empty").mkdir()
    RunDirectory(tmp_path / "empty").check_empty()
    assert error_of(run.check_empty) == (
        f"The directory {run.path} is not empty. Choose another one, so that your files are not overwritten."
    )
    assert "is a file" in error_of(RunDirectory(run.path / "config.json").check_empty)


def test_filling_leaves_nothing_if_it_fails(tmp_path):
    directory = RunDirectory(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt), directory.filling():
        directory.write_metrics({})
        raise KeyboardInterrupt
    assert not directory.path.exists()
    with directory.filling():
        directory.write_metrics({})
    assert directory.is_finished


def test_what_a_killed_process_left_half_written_is_no_hindrance(tmp_path):
    (tmp_path / f"{TEMPORARY}1234.json").touch()
    directory = RunDirectory(tmp_path)
    directory.check()
    directory.start(CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_start_that_fails_leaves_a_run_that_can_be_replaced(run, monkeypatch):
    run.write_metrics({})

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="No space"):
        run.start(CONFIG)
    assert run.has_run and not run.is_finished
    run.check(overwrite=True)


def test_a_kill_while_the_metrics_are_written_leaves_the_run_unfinished(run, monkeypatch):
    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(KeyboardInterrupt):
        run.write_metrics({"accuracy": 0.9})
    assert not run.is_finished
    assert [path.name for path in run.path.iterdir()] == ["config.json"]


def test_versions_are_those_of_the_packages():
    assert versions()["keras"] == keras.__version__
    assert versions()["mnist_keras"] == mk.__version__
    assert {"pillow", "scipy", "scikit-learn"} < set(
        versions()
    )  # they compute the pixels of "digits"
    json.dumps(versions())


def test_a_configuration_that_is_nested_too_deep_is_an_error(tmp_path):
    directory = RunDirectory(tmp_path)
    (tmp_path / "config.json").write_text("[" * 100_000 + "]" * 100_000)
    assert "config.json cannot be read: " in error_of(directory.read_config)
