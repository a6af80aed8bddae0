"""The machine: waited for until it is quiet, and made to stand in for a slower one."""

import time
import types


def test_a_busy_machine_is_waited_for(benchmark, monkeypatch):
    machine, loads, waited = benchmark("machine"), [0.2, 0.2, 1.0, 2.0], []
    monkeypatch.setattr(machine, "load", loads.pop)
    clock = types.SimpleNamespace(sleep=waited.append, monotonic=time.monotonic)
    monkeypatch.setattr(machine, "time", clock)  # the module's own: other threads sleep, too
    machine.wait_for_quiet()
    assert len(waited) == 2
    loads[:] = [2.0, 2.0]
    monkeypatch.setattr(machine, "PATIENCE", 0)
    machine.wait_for_quiet()
    assert len(waited) == 2, "not for ever"


def test_a_stand_in_limits_what_the_libraries_may_use(benchmark, monkeypatch):
    machine = benchmark("machine")
    monkeypatch.setattr(machine.os, "environ", {})
    monkeypatch.setattr(machine._cpu, "instructions", lambda: {"avx2", "avx512f", "amx_bf16"})
    assert machine.cpu() == "amx"
    assert machine.environment("peers_keras", convolutional=False) == {}
    machine.stand_in("avx2")
    assert machine.cpu() == "avx2 (stood in for)"
    for module, convolutional, onednn in (
        ("ours", True, "1"),
        ("ours", False, "0"),
        ("peers_keras", True, "0"),
    ):
        environment = machine.environment(module, convolutional=convolutional)
        assert environment == {"TF_ENABLE_ONEDNN_OPTS": onednn}
    assert machine.environment("peers_torch", convolutional=True) == {}
