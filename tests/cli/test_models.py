"""`mnist-keras models`: the list of models, for people and as JSON."""

import json
import re

import pytest
from commands import output_of

import mnist_keras

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_models_lists_every_net_in_80_columns(run):
    out = output_of(run("models"))
    assert max(map(len, out.splitlines())) <= 80
    for name in mnist_keras.list_models():
        assert f"\n{name} " in out
    assert "109,386" in out
    others = "cnn_accurate_fashion, mlp_deep_elastic"
    assert out.endswith(f"\nOther recipes for `train --recipe`: {others}\n")
    assert re.search(r"\nlenet5 +99\.19% +73 s +61,706 +155 kB\n", out), "measured first"
    assert "its source reports 99.05%" in out


def test_models_as_json(run):
    out = output_of(run("models", "--json"))
    nets = {net["name"]: net for net in json.loads(out)}
    assert sorted(nets) == mnist_keras.list_models()
    accuracies = [net["test_accuracy"] or 0 for net in nets.values()]
    assert accuracies == sorted(accuracies)
    assert nets["mlp_128_64_dropout"]["num_parameters"] == 109_386
    assert nets["mlp_128_64_dropout"]["recipe"]["batch_size"] == 64
    assert nets["lenet5"]["claimed_accuracy"] == 0.9905
    assert nets["lenet5"]["member"] is None
    assert nets["cnn_accurate_ensemble"]["member"] == "cnn_accurate"
