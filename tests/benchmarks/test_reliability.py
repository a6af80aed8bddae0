"""What a run survives, with real processes: three kills, and in the full suite every fault at its full count."""

import numpy as np
import pytest


@pytest.fixture
def reliability(benchmark, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    return benchmark("reliability")


def test_a_run_that_is_killed_three_times_ends_with_the_same_bits(reliability, tmp_path):
    short = {"recipe": {"epochs": 1}}
    reference = reliability.Reference(tmp_path / "undisturbed", **short)
    row = reliability.kills(tmp_path / "kill", reference, 3, **short)
    assert (row["times"], row["good"]) == (3, 3)


def test_a_kill_in_the_middle_of_a_save_is_recognized(reliability, tmp_path):
    saved = tmp_path / "checkpoint"
    saved.mkdir()
    for name in ("state-0000000001.npz", "state-0000000001.json"):
        (saved / name).touch()
    assert not reliability.faults.is_torn(tmp_path)
    (saved / "state-0000000002.npz").touch()
    assert reliability.faults.is_torn(tmp_path)
    (saved / "state-0000000002.npz").unlink()
    (saved / ".writing-0.npz").touch()
    assert reliability.faults.is_torn(tmp_path)


def test_cases_that_go_wrong_are_counted(reliability, tmp_path):
    def case(run_dir, reference, rng):
        run_dir.mkdir()
        run_dir.with_name("case.log").touch()
        number = rng.integers(1000)
        assert number == np.random.default_rng([0, len(done)]).integers(1000)
        done.append(number)
        return len(done) != 2, f"{len(done)}.5"

    done: list = []
    row = reliability.repeated(case, tmp_path, None, 3)
    assert row == {"times": 3, "good": 2, "remark": "4 s at most"}
    assert not list(tmp_path.iterdir())


def test_what_the_machine_does_not_allow_is_not_tried(reliability, tmp_path):
    def case(*_):
        raise PermissionError("This machine mounts no file systems for this user.")

    row = reliability.repeated(case, tmp_path, None, 3)
    assert (row["times"], row["good"]) == (0, 0)
    assert row["remark"] == ("not allowed here: This machine mounts no file systems for this user.")


@pytest.mark.full
def test_every_fault_at_its_full_count(reliability, tmp_path):
    cases = reliability.make_cases(tmp_path, once=False)
    rows = {name: case() for name, case in cases.items()}
    assert {name for name, row in rows.items() if row["good"] < row["times"]} == set(), rows
    assert rows["`kill -9` at a random moment"]["times"] == 30
