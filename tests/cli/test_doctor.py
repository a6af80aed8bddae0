"""`mnist-keras doctor`: what it finds out, and how it says it."""

import json
import platform
import subprocess
import sys

import pytest

from mnist_keras import _cpu
from mnist_keras.cli import doctor

CPU_INFO = """processor\t: 0
model name\t: Example CPU 9000
flags\t\t: fpu sse2 avx2 avx512f
processor\t: 1
model name\t: Another CPU
"""


@pytest.fixture(scope="module")
def facts():
    return doctor.examine()


def test_examine_tells_every_fact_as_plain_values(facts):
    assert list(facts) == [
        *("versions", "tensorflow_error", "backend", "system", "cpu", "memory_bytes"),
        *("devices", "gpu", "data", "extras"),
    ]
    assert json.loads(json.dumps(facts)) == facts
    assert facts["versions"]["python"] == platform.python_version()
    assert facts["versions"]["tensorflow"]
    assert facts["tensorflow_error"] is None
    assert facts["cpu"]["cores"] >= 1
    assert any(device["type"] == "CPU" for device in facts["devices"])
    assert facts["extras"]["test"] == []


def test_it_fits_one_screen(facts):
    lines = doctor.render(facts).splitlines()
    assert len(lines) <= 24
    words_too_long = [line for line in lines if len(line) > 80 and "/" not in line]
    assert not words_too_long  # a long path stays whole, so that it can be copied


def test_a_tensorflow_that_cannot_be_imported_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "mnist_keras.training.devices", None)
    facts = doctor.examine()
    assert facts["tensorflow_error"].startswith("ModuleNotFoundError: ")
    assert facts["gpu"] is None
    assert "TensorFlow can't be imported. ModuleNotFoundError" in doctor.render(facts)


def test_the_processor_is_read_from_linux(monkeypatch, tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(CPU_INFO, encoding="utf-8")
    monkeypatch.setattr(doctor, "CPU_INFO", path)
    monkeypatch.setattr(_cpu, "CPU_INFO", str(path))
    cpu = doctor._cpu()
    assert (cpu["model"], cpu["class"]) == ("Example CPU 9000", "avx512")
    assert cpu["instructions"] == {
        **{"avx2": True, "avx512f": True},
        **{"avx512_bf16": False, "amx_bf16": False},
    }


def test_other_systems_do_not_tell_the_instructions(facts, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "CPU_INFO", tmp_path / "none")
    monkeypatch.setattr(_cpu, "CPU_INFO", str(tmp_path / "none"))
    cpu = doctor._cpu()
    assert cpu["instructions"] is None
    assert cpu["model"]
    assert "avx2" not in doctor.render({**facts, "cpu": cpu})


def test_it_says_whether_onednn_is_used_and_why(facts, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    text = doctor.render({**facts, "cpu": doctor._cpu()})
    assert "oneDNN         off, as TF_ENABLE_ONEDNN_OPTS=0 says" in text.splitlines()


def test_a_container_limits_the_memory(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(doctor, "MEMORY_LIMIT", limit)
    limit.write_text("max\n", encoding="ascii")
    machine = doctor._memory_bytes()
    limit.write_text("1048576\n", encoding="ascii")
    assert doctor._memory_bytes() == 1048576 < machine


def why(monkeypatch, *, driver=None, missing=(), cuda=True, system="linux", hidden=None):
    import tensorflow as tf

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(doctor, "_missing", lambda *_: list(missing))
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: cuda)
    if hidden is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    return doctor._why_no_gpu(driver)


GPU = ["NVIDIA H100, 550.54"]


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        ({"system": "win32"}, "on Windows, TensorFlow uses GPUs only inside WSL2"),
        ({"system": "darwin"}, "TensorFlow's builds for macOS don't use GPUs"),
        ({"driver": GPU, "hidden": "-1"}, "CUDA_VISIBLE_DEVICES='-1' hides every GPU; unset it"),
        ({"driver": GPU, "cuda": False}, "this TensorFlow is built without CUDA"),
        ({}, "no NVIDIA driver responds (nvidia-smi); if there is a GPU, install its driver"),
        (
            {"driver": GPU, "missing": ["nvidia-cudnn-cu12"]},
            "CUDA libraries are missing (nvidia-cudnn-cu12); install them with: "
            'pip install "tensorflow[and-cuda]"',
        ),
        ({"driver": GPU}, "the driver and CUDA libraries are there, but TensorFlow finds no GPU"),
    ],
)
def test_it_says_why_no_gpu_is_used(monkeypatch, machine, text):
    assert why(monkeypatch, **machine).startswith(text)


def test_the_driver_is_asked_for_its_gpus(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    answer = subprocess.CompletedProcess([], 0, stdout="NVIDIA H100, 550.54\n")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: answer)
    gpu = doctor._gpu([{"type": "GPU", "name": "GPU:0"}])
    assert gpu == {"used": 1, "driver": GPU, "reason": None}


def test_data_that_is_found_and_data_that_is_not(facts, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("MNIST_KERAS_DATA_DIR", str(tmp_path / "data"))
    data = doctor._data("mnist")
    assert data["found"] is None
    assert data["looked_in"][0] == str(tmp_path / "data")
    text = " ".join(doctor.render({**facts, "data": {"mnist": data}}).split())
    assert f"mnist not found in {tmp_path / 'data'}, " in text
    found = {"found": ["idx", "/data/mnist"], "problem": None, "looked_in": []}
    assert "found in /data/mnist (idx)" in doctor.render({**facts, "data": {"mnist": found}})
    monkeypatch.setenv("MNIST_KERAS_DATA_DIR", "x" * 300)
    problem = doctor._data("mnist")
    text = doctor.render({**facts, "data": {"mnist": problem}})
    assert "cannot be read: File name too long." in " ".join(text.split())


def test_a_missing_extra_comes_with_its_pip_command(facts):
    text = doctor.render({**facts, "extras": {"app": ["gradio"], "test": []}})
    assert text.splitlines()[-2:] == [
        '[app]          lacks gradio: pip install "mnist-keras[app]"',
        "[test]         installed",
    ]


def test_requirements_of_an_extra_are_found_missing(monkeypatch):
    requirements = ["numpy>=1", 'no-such-thing>=2; extra == "app"', "pytest; extra == 'app'"]
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda _: requirements)
    assert doctor._missing("mnist-keras", "app") == ["no-such-thing"]
    assert doctor._missing("mnist-keras", "test") == []
