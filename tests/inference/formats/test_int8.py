"""The integer layers of an int8 LiteRT file give its answers."""

import keras
import numpy as np
import pytest
from scipy.special import softmax

import mnist_keras as mk
from mnist_keras.inference import export
from mnist_keras.inference.export import export_model
from mnist_keras.inference.formats import c, litert


@pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors:UserWarning")
def test_litert_rounds_hidden_classes_before_it_adds_them_up_and_c_does_not(
    tmp_path, digits, monkeypatch
):
    from ai_edge_litert.interpreter import Interpreter

    monkeypatch.setattr(export, "LEAST_ACCURACY", 0)  # nothing is trained here
    keras.utils.set_random_seed(0)
    owners = [*range(10), 1, 1, 7, 7, 9, -1]
    model = mk.build_deep_cnn([[2]], hidden_units=0, hidden_classes=owners)
    paths = [tmp_path / "x.c", tmp_path / "x.tflite"]
    for path, format in zip(paths, ("c_int8", "litert_int8"), strict=True):
        export_model(model, path, format=format, data=digits)
    images = digits[0][:100]

    reader = Interpreter(str(paths[1]), experimental_preserve_all_tensors=True)
    reader.allocate_tensors()
    (pixels,), (answer,) = reader.get_input_details(), reader.get_output_details()
    found = [x for x in reader.get_tensor_details() if x["shape"].tolist() == [1, len(owners)]]
    logits, hidden = sorted(found, key=lambda x: x["quantization"] == (1 / 256, -128))
    read = []
    for image in images:
        reader.set_tensor(pixels["index"], image.reshape(pixels["shape"]))
        reader.invoke()
        numbers = [reader.get_tensor(x["index"])[0].astype(float) for x in (logits, hidden)]
        scaled = [
            (number - x["quantization"][1]) * x["quantization"][0]
            for number, x in zip(numbers, (logits, hidden), strict=True)
        ]
        read.append([*scaled, reader.get_tensor(answer["index"])[0]])
    logits, rounded, answers = (np.stack(part) for part in zip(*read, strict=True))

    exact, shares = softmax(logits, axis=1), model.layers[-1].kernel.numpy()
    assert 0.4 < 256 * abs(rounded - exact).max() < 0.501
    np.testing.assert_allclose(answers, rounded @ shares, atol=1.01 / 256)
    np.testing.assert_allclose(c.run(paths[0], images), exact @ shares, atol=1e-5)


def test_layers_without_a_bias_go_into_int8(tmp_path, digits, monkeypatch):
    monkeypatch.setattr(export, "LEAST_ACCURACY", 0)  # nothing is trained here
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(2, 5, strides=3, use_bias=False),
            layers.Flatten(),
            layers.Dense(10, use_bias=False),
        ]
    )
    paths = [tmp_path / "x.c", tmp_path / "x.tflite"]
    for path, format in zip(paths, ("c_int8", "litert_int8"), strict=True):
        export_model(model, path, format=format, data=digits)
    images = digits[0][:100]
    expected = litert.run(paths[1], images)
    np.testing.assert_allclose(c.run(paths[0], images), expected, atol=1.01 / 256)


@pytest.mark.slow
def test_a_crop_in_int8(tmp_path, digits):
    export_model(mk.load_model("cnn_fast"), tmp_path / "x.c", format="c_int8", data=digits)
