"""Each library trains in a process of its own; what takes turns is timed, and evaluations are not counted."""

import importlib
import importlib.util
import types

import numpy as np
import pytest

NO_TORCH = 'PyTorch is not installed: pip install "mnist-keras[bench]"'


def test_trainers_take_turns_while_patience_lasts(benchmark, monkeypatch):
    turns, now, calls = benchmark("turns"), [0.0], []

    def spend(name, seconds):
        calls.append(name)
        now[0] += seconds

    monkeypatch.setattr(turns.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(turns, "REST", 0.0)
    runs = {
        "ours": (lambda _: spend("ours", 1), 3),
        "twice": (lambda _: spend("twice", 1), 2),
        "slow": (lambda _: spend("slow", 10), 3),
    }
    turns.take_turns(runs, patience=10)
    assert calls == ["ours", "twice", "slow", "ours", "twice", "ours"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["baselines", pytest.param("peers_torch", marks=pytest.mark.full)]
)
def test_another_library_is_timed_in_a_process_without_tensorflow(benchmark, module, data):
    if module == "peers_torch" and importlib.util.find_spec("torch") is None:
        pytest.skip(NO_TORCH)
    with benchmark("turns").OwnProcess(module, data) as process:
        assert process.call("time_epoch", model="mlp_128") > 0
        assert 0 <= process.call("measure_accuracy", model="mlp_128") <= 1
        imported = process.submit(eval, "set(__import__('sys').modules)").result()
    assert imported.isdisjoint({"tensorflow", "keras"})


def test_seconds_to_a_target_leave_out_the_evaluations(benchmark, monkeypatch):
    turns, now, answers = benchmark("turns"), [10.0], [[1, 2, 3, 0], [1, 2, 3, 4], [1, 2, 3, 4]]
    monkeypatch.setattr(turns.time, "perf_counter", lambda: now[0])

    def spend(seconds):
        now[0] += seconds

    def predict(images):
        spend(100.0)
        return np.array(answers.pop(0))

    def make_example(data, *, seed):
        spend(2.0)
        return turns.Trainer(lambda: spend(3.0), predict, max_epochs=3)

    test = types.SimpleNamespace(images=None, labels=np.array([1, 2, 3, 4]))
    module, data = (
        types.SimpleNamespace(make_example=make_example),
        types.SimpleNamespace(test=test),
    )
    monkeypatch.setitem(turns._here, "module", module)
    assert turns.train_to(data, target=0.99, seed=0) == [(5.0, 0.75), (8.0, 1.0)]
    answers[:] = [[0, 0, 0, 0]] * 3
    assert len(turns.train_to(data, target=0.99, seed=0)) == 3
