"""A CPU's class, with machines that are made up; when oneDNN is chosen, and that runs repeat with it and without."""

import os
import subprocess
import sys

import pandas as pd
import pytest

from mnist_keras import _cpu, get_model_spec
from mnist_keras.cli import train as train_command
from mnist_keras.training import devices
from mnist_keras.training.saving.identity import differences

AVX2 = "fpu sse2 avx2 fma"
AVX512 = f"{AVX2} avx512f avx512bw"
FLAGS = {
    "amx": f"{AVX512} avx512_vnni avx512_bf16 amx_tile amx_bf16",
    "avx512_bf16": f"{AVX512} avx512_vnni avx512_bf16",
    "avx512": AVX512,
    "avx2": AVX2,
    "arm": "fp asimd aes",
    "unknown": "fpu sse2",
}


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Returns what pretends to be a machine before TensorFlow is loaded, by its flags, or by a system without them."""
    for name in (_cpu.VARIABLE, _cpu.LIMIT_VARIABLE):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    monkeypatch.setattr(_cpu, "_chosen", {})

    def pretend(flags, key="flags"):
        monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
        path = tmp_path / "cpuinfo"
        if flags is not None:
            path.write_text(f"processor\t: 0\nmodel name\t: A CPU\n{key}\t\t: {flags}\n")
        monkeypatch.setattr(_cpu, "CPU_INFO", str(path))

    return pretend


@pytest.mark.parametrize("name", FLAGS)
def test_the_class_is_that_of_the_best_instructions(machine, name):
    machine(FLAGS[name])
    assert _cpu.cpu_class() == name


def test_arm_has_a_class_of_its_own(machine):
    machine("fp asimd aes", key="Features")
    assert (_cpu.cpu_class(), _cpu.uses_onednn()) == ("arm", None)


def test_a_system_that_tells_no_instructions_is_left_as_it_is(machine):
    machine(None)
    _cpu.choose_onednn()
    assert (_cpu.cpu_class(), _cpu.uses_onednn()) == ("unknown", None)
    assert _cpu.VARIABLE not in os.environ
    assert _cpu.describe_onednn() == "TensorFlow's own choice, TensorFlow's default on this CPU"


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("SSE41", "unknown"),
        ("AVX2", "avx2"),
        ("AVX2_VNNI_2", "avx2"),
        ("avx512_core", "avx512"),
        ("AVX512_CORE_BF16", "avx512_bf16"),
        ("ALL", "amx"),
    ],
)
def test_the_class_is_no_better_than_the_users_limit(machine, monkeypatch, limit, expected):
    machine(FLAGS["amx"])
    monkeypatch.setenv(_cpu.LIMIT_VARIABLE, limit)
    assert (_cpu.cpu_class(), _cpu.cpu_class("")) == (expected, "amx")


def test_onednn_is_switched_on_where_tensorflow_leaves_it_off(machine):
    machine(AVX2)
    assert _cpu.uses_onednn() is False
    assert _cpu.describe_onednn() == "off, TensorFlow's default on this CPU"
    _cpu.choose_onednn()
    assert os.environ[_cpu.VARIABLE] == "1" and _cpu.uses_onednn() is True
    assert _cpu.describe_onednn().startswith("on, chosen because convolutional ")
    _cpu.choose_onednn(convolutional=False)  # the command line knows the model now
    assert _cpu.VARIABLE not in os.environ and _cpu.uses_onednn() is False
    _cpu.choose_onednn()
    _cpu.forget_choice()
    assert _cpu.VARIABLE not in os.environ


def test_on_avx512_onednn_is_switched_on_for_dense_models_too(machine):
    machine(AVX512)
    _cpu.choose_onednn(convolutional=False)
    assert os.environ[_cpu.VARIABLE] == "1"


@pytest.mark.parametrize("name", ["amx", "avx512_bf16", "unknown"])
def test_elsewhere_nothing_is_changed(machine, name):
    machine(FLAGS[name])
    for convolutional in (True, False):
        _cpu.choose_onednn(convolutional=convolutional)
        assert _cpu.VARIABLE not in os.environ
    assert _cpu.uses_onednn() is (name != "unknown")


def test_the_users_environment_stays(machine, monkeypatch):
    machine(AVX2)
    monkeypatch.setenv(_cpu.VARIABLE, "0")
    _cpu.choose_onednn()
    _cpu.forget_choice()
    assert os.environ[_cpu.VARIABLE] == "0"
    assert _cpu.describe_onednn() == "off, as TF_ENABLE_ONEDNN_OPTS=0 says"


def test_a_loaded_tensorflow_is_left_alone(machine, monkeypatch):
    machine(AVX2)
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    _cpu.choose_onednn()
    assert _cpu.VARIABLE not in os.environ


@pytest.mark.parametrize(("model", "expected"), [("cnn_fast", "1"), ("mlp_128", None)])
def test_the_command_line_chooses_by_the_model(machine, monkeypatch, model, expected):
    import mnist_keras.training.train as module

    machine(AVX2)
    _cpu.choose_onednn()
    monkeypatch.setattr(module, "train", lambda *_, **__: os.environ.get(_cpu.VARIABLE))
    assert train_command._call_train(model, None) == expected


def test_a_run_is_not_resumed_under_another_setting():
    (phrase,) = differences("onednn", True, False)
    assert phrase == (
        "onednn: True there, False here, and TF_ENABLE_ONEDNN_OPTS=1 in the environment makes it the same"
    )
    assert differences("onednn", True, True) == []
    # The run was left to TensorFlow, whose choice nobody knows.
    (phrase,) = differences("onednn", None, True)
    assert phrase.endswith("and no TF_ENABLE_ONEDNN_OPTS in the environment makes it the same")


def test_what_is_chosen_is_nearly_the_fastest_of_what_was_measured(machine, benchmark, monkeypatch):
    """Every row of choices.csv is judged by the code as it is, on a machine of the row's class."""
    table = pd.read_csv(benchmark("command").RESULTS / "choices.csv", keep_default_na=False)
    chosen, judged = table["chosen_by"].str.split(), set()
    for (cpu, model), rows in table.groupby(["class", "net"]):
        spec, name = get_model_spec(model), cpu.partition(" ")[0]
        machine(FLAGS[name])
        on = _cpu.best_onednn(convolutional=spec.convolutional) or _cpu.uses_onednn()
        onednn = "yes" if on else "no"
        precision = devices.choose_precision("auto", wide=spec.is_wide)
        ours = rows[[("auto" in who) for who in chosen[rows.index]]]
        assert ours["precision"].tolist() == [precision], (cpu, model)
        if cpu != "avx2":  # by AVX_VNNI, TensorFlow's own default differs within the class
            assert ours["onednn"].tolist() == [onednn], (cpu, model)
        ratio, seconds = ours["ratio_to_best"].item(), ours["seconds"].item()
        assert ratio <= 1.15 or seconds * (1 - 1 / ratio) < 0.5, (cpu, model)
        judged.add(cpu)
    assert {"amx", "avx512_bf16", "avx512 (stood in for)", "avx2 (stood in for)"} <= judged


# Two runs in one process, and TensorFlow's own word on oneDNN on stderr.
REPEAT = """
import hashlib, sys
import numpy as np
import mnist_keras as mk
from mnist_keras._cpu import uses_onednn

rng = np.random.default_rng(0)
images, labels = rng.integers(0, 256, (256, 28, 28), np.uint8), rng.integers(0, 10, 256)
data = (images, labels), (images[:16], labels[:16])
for name in ("cnn_fast", "mlp_128"):
    for _ in range(2):
        recipe = mk.get_model_spec(name).recipe.replace(batch_size=32, epochs=1)
        run = mk.train(name, data, recipe=recipe, seed=1, verbose=0)
        weights = b"".join(x.tobytes() for x in run.model.get_weights())
        print(hashlib.sha256(weights).hexdigest())
print(uses_onednn())
"""


@pytest.mark.parametrize(
    ("onednn", "limit"),
    [("0", None), ("1", None), ("1", "AVX512_CORE_BF16"), ("1", "AVX512_CORE"), ("1", "AVX2")],
)
def test_two_runs_with_one_seed_agree_on_each_class_of_cpu(onednn, limit):
    """A limit above what the CPU has changes nothing."""
    environment = {**os.environ, _cpu.VARIABLE: onednn, "TF_CPP_MIN_LOG_LEVEL": "0"}
    if limit:
        environment[_cpu.LIMIT_VARIABLE] = limit
    command = [sys.executable, "-c", REPEAT]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    *digests, said = done.stdout.split()
    assert digests[0] == digests[1] != digests[2] == digests[3]
    assert said == str(onednn == "1") == str("oneDNN custom operations are on" in done.stderr)
