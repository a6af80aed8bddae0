"""Strategies, precision and XLA: what is chosen on which machine, with machines that are made up."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import mnist_keras as mk
from mnist_keras import _cpu
from mnist_keras._validation import InputError
from mnist_keras.training.devices import (
    GROWTH_VARIABLE,
    check_replicas,
    choose_jit,
    choose_precision,
    describe_devices,
    get_strategy,
    precision_policy,
)


class Device:
    """Stands for a device of TensorFlow's."""

    def __init__(self, name, device_type):
        self.name, self.device_type = name, device_type


def pretend_gpus(monkeypatch, *details):
    """Lets TensorFlow report one GPU for each dictionary of details."""
    cpus = tf.config.list_logical_devices("CPU")
    logical = [Device(f"/device:GPU:{i}", "GPU") for i in range(len(details))]
    physical = [Device(f"/physical_device:GPU:{i}", "GPU") for i in range(len(details))]
    of_type = {"GPU": logical, "CPU": cpus, None: [*cpus, *logical]}
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: of_type[kind])
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: physical)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: physical)
    monkeypatch.setattr(tf.config, "get_logical_device_configuration", lambda device: None)
    grown = []
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda device, on: grown.append((device, on))
    )
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda device: details[int(device.name.rsplit(":", 1)[1])],
    )
    return physical, grown


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_memory_grows_on_every_gpu_unless_the_program_has_said_otherwise(monkeypatch, count):
    monkeypatch.delenv(GROWTH_VARIABLE, raising=False)
    gpus, grown = pretend_gpus(monkeypatch, *[{}] * count)
    get_strategy("none")
    assert grown == [(gpu, True) for gpu in gpus]
    monkeypatch.setenv(GROWTH_VARIABLE, "false")
    get_strategy("none")
    assert len(grown) == count


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Physical devices cannot be modified after being initialized"),
        ValueError("Cannot set memory growth on device when virtual devices configured"),
    ],
)
def test_a_gpu_that_is_in_use_stays_as_it_is(monkeypatch, error):
    monkeypatch.delenv(GROWTH_VARIABLE, raising=False)
    pretend_gpus(monkeypatch, {})

    def fail(*args):
        raise error

    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", fail)
    get_strategy("none")


@pytest.mark.parametrize("name", ["none", "auto"])
def test_one_device_is_the_default(name):
    strategy = get_strategy(name)
    assert strategy.num_replicas_in_sync == 1
    assert not isinstance(strategy, tf.distribute.MirroredStrategy)


def test_mirrored_takes_each_logical_cpu_where_there_is_no_gpu():
    strategy = get_strategy("mirrored")
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 4
    assert get_strategy("mirrored") is strategy


@pytest.mark.parametrize(
    ("num_gpus", "name", "expected"),
    [
        (1, "auto", None),
        (2, "auto", ["/device:GPU:0", "/device:GPU:1"]),
        (1, "mirrored", ["/device:GPU:0"]),
        (2, "none", None),
    ],
)
def test_auto_takes_several_gpus(monkeypatch, num_gpus, name, expected):
    taken = []
    pretend_gpus(monkeypatch, *[{}] * num_gpus)
    monkeypatch.setattr("mnist_keras.training.devices._mirrored", taken.append)
    get_strategy(name)
    assert taken == ([] if expected is None else [tuple(expected)])


def test_an_unknown_strategy_is_an_error():
    with pytest.raises(InputError) as caught:
        get_strategy("tpu")
    assert str(caught.value) == (
        "Invalid `strategy`. Expected one of: auto, none, mirrored, multi_worker. Received: 'tpu'."
    )


ONE = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}


@pytest.mark.parametrize(
    "config", ["", "{}", json.dumps(ONE), '{"cluster": {"ps": ["a:1", "b:1"]}}']
)
def test_one_worker_is_this_machine_alone(monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    assert get_strategy().num_replicas_in_sync == 1


def test_replicas_divide_the_batch():
    check_replicas(128, 4)
    check_replicas(3, 1)
    for batch_size, hint in ((130, "Use 128 or 132."), (2, "Use 4.")):
        with pytest.raises(InputError) as caught:
            check_replicas(batch_size, 4)
        assert str(caught.value) == (
            "Invalid `batch_size`. Expected a multiple of the 4 replicas; it counts the images of all "
            f"replicas together. Received: {batch_size}. {hint}"
        )


def test_gradients_are_not_accumulated_over_replicas():
    optimizer = {"class_name": "SGD", "config": {"gradient_accumulation_steps": 2}}
    check_replicas(128, 1, optimizer)
    check_replicas(128, 2, {"class_name": "SGD", "config": {}})
    with pytest.raises(InputError) as caught:
        check_replicas(128, 2, optimizer)
    assert str(caught.value) == (
        "Invalid `optimizer`. Expected one without gradient_accumulation_steps over 2 replicas. "
        f"Received: {optimizer!r}. Take a larger batch_size."
    )


AMPERE, TURING, VOLTA, PASCAL = (
    {"compute_capability": capability} for capability in ((8, 0), (7, 5), (7, 0), (6, 1))
)


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ([], "float32"),
        ([AMPERE], "mixed_bfloat16"),
        ([AMPERE, {"compute_capability": (9, 0)}], "mixed_bfloat16"),
        ([VOLTA], "mixed_float16"),
        ([AMPERE, TURING], "mixed_float16"),
        ([PASCAL], "float32"),
        ([AMPERE, PASCAL], "float32"),
        ([{}], "float32"),
    ],
)
def test_auto_precision(monkeypatch, gpus, expected):
    pretend_gpus(monkeypatch, *gpus)
    assert choose_precision("auto", wide=False) == expected
    for precision in ("float32", "mixed_bfloat16", "mixed_float16"):
        assert choose_precision(precision, wide=True) == precision


@pytest.mark.parametrize(
    ("flags", "wide", "expected"),
    [
        ("avx2 avx512_bf16", True, "mixed_bfloat16"),
        ("avx2 amx_bf16", True, "mixed_bfloat16"),
        ("avx2 avx512f", True, "float32"),
        ("avx2 avx512_bf16 amx_bf16", False, "float32"),
        (None, True, "float32"),
    ],
)
def test_auto_precision_on_cpu(monkeypatch, tmp_path, flags, wide, expected):
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(_cpu, "CPU_INFO", str(tmp_path / "cpuinfo"))
    monkeypatch.delenv(_cpu.LIMIT_VARIABLE, raising=False)
    assert choose_precision("auto", wide=wide) == expected


WIDE = (1024,)  # 814,090 parameters


def compiled(model, optimizer="adam"):
    model.compile(optimizer)
    return model


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        (lambda: mk.build_mlp(WIDE), {}, True),
        (lambda: mk.build_mlp((128,)), {}, False),
        (lambda: mk.build_mlp(WIDE), {"num_replicas": 2}, False),
        (lambda: mk.build_mlp(WIDE), {"augmented": True}, False),
        (lambda: mk.build_mlp(WIDE, dropout=0.2), {}, False),
        (lambda: mk.build_cnn((400,)), {}, False),
        (lambda: keras.Sequential([mk.build_cnn((400,)), keras.layers.Dense(10)]), {}, False),
    ],
)
def test_auto_jit(model, options, expected):
    options = {"num_replicas": 1, **options}
    assert choose_jit("auto", compiled(model()), **options) is expected
    assert choose_jit(False, compiled(model()), **options) is False
    assert choose_jit(True, compiled(model()), **{**options, "num_replicas": 1}) is True


def test_several_replicas_are_not_compiled():
    with pytest.raises(InputError) as caught:
        choose_jit(True, compiled(mk.build_mlp()), num_replicas=2)
    assert str(caught.value) == (
        "Invalid `jit`. Expected False or 'auto' with 2 replicas. Received: True."
    )


def test_auto_jit_on_cpu_is_for_float32():
    with precision_policy("mixed_bfloat16"):
        assert not choose_jit("auto", compiled(mk.build_mlp(WIDE)), num_replicas=1)


def test_auto_jit_on_a_gpu_is_what_keras_decides(monkeypatch):
    pretend_gpus(monkeypatch, AMPERE)
    model = compiled(mk.build_cnn((8,), dropout=0.2))
    assert choose_jit("auto", model, num_replicas=1, augmented=True)
    assert not choose_jit("auto", model, num_replicas=2)
    assert not choose_jit(False, model, num_replicas=1)
    model.layers[1].supports_jit = False
    assert not choose_jit("auto", compiled(model), num_replicas=1)
    assert not choose_jit("auto", compiled(mk.build_mlp(), "adafactor"), num_replicas=1)


def test_auto_jit_leaves_out_an_optimizer_that_xla_turns_into_nan():
    assert not choose_jit("auto", compiled(mk.build_mlp(WIDE), "adafactor"), num_replicas=1)


def test_the_precision_policy_ends_with_the_block():
    with pytest.raises(RuntimeError), precision_policy("mixed_bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


def test_describe_devices(monkeypatch):
    cpus = [{"name": f"CPU:{i}", "type": "CPU", "model": None} for i in range(4)]
    assert describe_devices() == cpus
    pretend_gpus(monkeypatch, {"device_name": "NVIDIA H100"}, {})
    assert describe_devices() == [
        *cpus,
        {"name": "GPU:0", "type": "GPU", "model": "NVIDIA H100"},
        {"name": "GPU:1", "type": "GPU", "model": None},
    ]
    json.dumps(describe_devices())


def test_a_gpu_that_is_hidden_or_split_does_not_shift_the_names(monkeypatch):
    gpus, _ = pretend_gpus(monkeypatch, *[{"device_name": name} for name in ("T4", "H100", "A100")])
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: gpus[1:])
    halves = {gpus[1]: [None, None]}
    monkeypatch.setattr(tf.config, "get_logical_device_configuration", halves.get)
    models = [device["model"] for device in describe_devices() if device["type"] == "GPU"]
    assert models == ["H100", "H100", "A100"]


@pytest.mark.slow
def test_compile_and_fit_in_the_scope_of_a_strategy():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (64, 8, 8), np.uint8), rng.integers(0, 10, 64)
    weights = []
    for name in ("none", "mirrored"):
        keras.utils.set_random_seed(0)
        with get_strategy(name).scope():
            model = mk.build_mlp((16,), input_shape=(8, 8, 1))
            model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        batches = mk.make_dataset(images, labels, batch_size=16, training=True)
        model.fit(batches, steps_per_epoch=4, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for one, four in zip(*weights, strict=True):
        np.testing.assert_allclose(one, four, atol=1e-5)
