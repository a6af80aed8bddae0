"""The graph that LiteRT and ONNX are converted from: float32, and operations that they lack are named."""

import keras
import pytest
from errors import error_of
from exported import export_to

import mnist_keras as mk
from mnist_keras.inference.export import export_model


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_model_of_mixed_precision_is_exported_in_float32(tmp_path, policy):
    from mnist_keras.training.devices import precision_policy

    with precision_policy(policy):
        model = mk.build_cnn((4,))
    assert export_to(tmp_path, "litert", model, data="digits").largest_difference < 1e-5


@pytest.mark.parametrize(("name", "runtime"), [("litert", "LiteRT"), ("onnx", "ONNX")])
def test_an_operation_that_a_format_does_not_know_is_named(tmp_path, name, runtime):
    image = keras.Input((28, 28, 1))
    x = keras.ops.erfinv(keras.layers.Flatten()(image) / 2)
    model = keras.Model(image, keras.layers.Dense(10, "softmax")(x))
    text = error_of(export_to, tmp_path, name, model, data="digits")
    assert text.startswith(f"{runtime} does not know an operation of this model: Erfinv (")
    assert "erfinv/Erfinv)" in text and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "runtime"), [("litert", "LiteRT"), ("onnx", "ONNX")])
def test_the_lists_of_a_recurrent_layer_are_named(tmp_path, name, runtime):
    """LiteRT's converter says it in other words than for an operation like Erfinv."""
    layers = [keras.layers.LSTM(2, name="rows"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((28, 28)), *layers])
    text = error_of(export_to, tmp_path, name, model, data="digits")
    assert text.startswith(
        f"{runtime} does not know an operation of this model: TensorListReserve (rows"
    )
    assert text.endswith("export to 'saved_model', which supports any operation.")
    assert not list(tmp_path.iterdir())


def test_a_model_that_can_only_compute_in_float16_is_refused(tmp_path):
    class Own(keras.Model):
        def __init__(self):
            super().__init__(dtype="mixed_float16", name="own")
            self.flatten = keras.layers.Flatten()
            self.top = keras.layers.Dense(10, "softmax", dtype="mixed_float16")

        def call(self, images):
            return self.top(self.flatten(images))

    inner = Own()
    image = keras.Input((28, 28, 1))
    model = keras.Model(image, inner(image), name="mixed")
    text = error_of(export_model, model, tmp_path / "x.tflite", format="litert", data="digits")
    assert text.startswith(
        "Invalid `model`. Expected a float32 model, or a Sequential or functional model, which can be converted"
    )
