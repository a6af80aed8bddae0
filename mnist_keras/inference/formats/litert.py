"""LiteRT, formerly TensorFlow Lite: float32, weights in float16, or int8 throughout."""

import io
import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mnist_keras.inference.formats.graph import constant_function, unknown_operations

CLASS_NAMES = "labels.txt"  # in a zip archive after the model, like TensorFlow Lite's metadata
BATCH_SIZE = 500  # images


def write(
    model: keras.Model,
    path: Path,
    *,
    image_shape: tuple[int, int],
    class_names: Sequence[str],
    precision: str,
    calibration_images: np.ndarray,
    **_,  # the data, which this format does not need
) -> None:
    """Writes a model as a LiteRT file; its input is "pixels" from 0 to 255, float32, or uint8 for int8."""
    content = convert(constant_function(model, image_shape), precision, calibration_images)
    names = io.BytesIO()
    with zipfile.ZipFile(names, "w") as archive:
        archive.writestr(CLASS_NAMES, "".join(f"{name}\n" for name in class_names))
    path.write_bytes(content + names.getvalue())


def convert(function, precision: str, calibration_images: np.ndarray) -> bytes:
    """Returns a concrete function of pixels as a LiteRT model."""
    module = tf.Module()
    module.function = function
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.representative_dataset = lambda: (
            {"pixels": image[None].astype(np.float32)} for image in calibration_images
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
    # TensorFlow warns about its own interpreter, which calibrates.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*tf.lite.Interpreter is deprecated", UserWarning)
        try:
            return converter.convert()
        except Exception as error:  # TensorFlow has no public name for its class
            if unknown := _unknown_in(str(error)):
                raise unknown_operations(function, "LiteRT", unknown) from None
            raise


def _unknown_in(text: str) -> list[str]:
    """Returns the types of operations that an error of the converter names: in a list, or each in a line of its own."""
    if custom := re.search(r"^Custom ops: (.+)$", text, re.MULTILINE):
        return custom[1].split(", ")
    return sorted(set(re.findall(r"error: .*?'tf\.(\w+)'", text)))


def run(path: Path, images: np.ndarray) -> np.ndarray:
    """Returns the probabilities that a LiteRT file gives for uint8 images, in batches, the last image on its own."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path)).get_signature_runner()
    (pixels,) = runner.get_input_details().values()
    (probabilities,) = runner.get_output_details()
    images = images.astype(pixels["dtype"])
    starts = range(0, len(images) - 1, BATCH_SIZE)
    batches = [images[start : min(start + BATCH_SIZE, len(images) - 1)] for start in starts]
    return np.concatenate(
        [runner(pixels=batch)[probabilities] for batch in [*batches, images[-1:]]]
    )
