"""The cost model of the all-reduce: fitted to what it would give, projected, drawn."""

import pandas as pd
import pytest


@pytest.fixture
def scaling(benchmark):
    return benchmark("scaling")


LINK = {"seconds_per_message": 2e-4, "bytes_per_second": 3e8}


def test_a_ring_of_four_sends_six_messages_and_half_as_much_again(scaling):
    seconds = scaling.ring_seconds(4, 3e6, LINK)
    assert seconds == pytest.approx(6 * 2e-4 + 1.5 * 3e6 / 3e8)
    assert scaling.ring_seconds(1, 3e6, LINK) == 0


def test_the_fit_finds_the_link_that_was_measured(scaling):
    rows = [
        {"processes": n, "bytes": size, "seconds": scaling.ring_seconds(n, size, LINK)}
        for n in (2, 4)
        for size in scaling.SIZES
    ]
    assert scaling.fit_ring(rows) == pytest.approx(LINK, rel=1e-6)


ROWS = [
    {"model": "mlp_128", "processes": n, "together": yes, "step_milliseconds": milliseconds}
    for n, yes, milliseconds in ((1, "yes", 2.0), (2, "yes", 4.0), (2, "no", 3.0))
]


def test_the_share_of_the_all_reduce_is_what_processes_lose_together(scaling):
    one, two = scaling.shares(ROWS)
    assert (one["share_of_all_reduce"], two["share_of_all_reduce"]) == (0, 0.25)
    assert two["apart_milliseconds"] == 3.0


def test_the_projection_gains_what_the_all_reduce_leaves(scaling):
    free = {"seconds_per_message": 0.0, "bytes_per_second": 1e30}
    table = pd.DataFrame(scaling.project(ROWS, {"free": free, "slow": LINK}))
    assert len(table) == 2 * 2 * len(scaling.WORKERS)
    ideal = table.query("link == 'free'")
    assert (ideal["times_as_fast"] == ideal["workers"]).all()
    slow = table.query("link == 'slow' and batch == '128 per worker' and workers == 2")
    reduced = scaling.ring_seconds(2, 4 * 101_770, LINK) + scaling.ring_seconds(2, 8, LINK)
    assert slow["times_as_fast"].item() == round(2 * 2e-3 / (2e-3 + reduced), 2)
    fixed = table.query("link == 'slow' and batch == '1,024 in all'").set_index("workers")
    assert fixed["times_as_fast"].idxmax() < 256, "at last there is too little to divide"


def test_the_picture_has_a_panel_for_each_model(scaling, tmp_path):
    rows = scaling.project([*ROWS, {**ROWS[0], "model": "cnn_2conv"}], {"this machine": LINK})
    scaling.draw(pd.DataFrame(rows), tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 20_000


@pytest.mark.full
def test_the_command_runs(scaling, tmp_path, monkeypatch, data_dir):
    command = ["scaling.py", "--data-dir", data_dir, "--quick", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", command)
    scaling.main()
    table = pd.read_csv(tmp_path / "scaling.csv")
    assert list(table["processes"]) == [1, 2]
    assert (tmp_path / "scaling.png").exists()
