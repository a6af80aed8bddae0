"""Training on a GPU, where there is one: `pytest -m gpu`. What is chosen there is tested in test_devices.py."""

import json

import pytest
import tensorflow as tf

import mnist_keras as mk

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="there is no GPU"),
]


@pytest.mark.parametrize("name", ["mlp_128_64_dropout", "cnn_tiny"])
@pytest.mark.parametrize("precision", ["auto", "float32", "mixed_float16"])
def test_a_gpu_trains_and_a_finished_run_is_loaded(tmp_path, no_pictures, name, precision):
    options = {"run_dir": tmp_path / "run", "precision": precision, "epochs": 3, "verbose": 0}
    run = mk.train(name, "digits", **options)
    assert run.metrics["accuracy"] > 0.8
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert any(device["type"] == "GPU" for device in config["devices"])
    assert "GPU" in run.model.weights[0].value.device
    again = mk.train(name, "digits", resume=True, **options)
    assert again.metrics == run.metrics
