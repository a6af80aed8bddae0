"""ONNX: float32, or int8 by ONNX Runtime's static quantization."""

import contextlib
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from mnist_keras.inference.formats.graph import constant_function, unknown_operations

OPSET = 17  # ONNX Runtime reads it since 1.12, of July 2022
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
    """Writes a model as an ONNX file: float32 "pixels" from 0 to 255 in, "probabilities" out."""
    import onnx

    function = constant_function(model, image_shape)
    with tempfile.TemporaryDirectory() as directory, _quiet():
        plain = Path(directory) / "float32.onnx"
        _convert(function, plain)
        exported = onnx.load(plain)
        nodes = exported.graph.node
        if unknown := {x.op_type for x in nodes if not onnx.defs.has(x.op_type, x.domain)}:
            raise unknown_operations(function, "ONNX", sorted(unknown))
        if precision == "int8":
            _quantize(plain, path, calibration_images)
            exported = onnx.load(path)
    names = exported.metadata_props.add()
    names.key, names.value = "class_names", json.dumps(list(class_names))
    onnx.checker.check_model(exported, full_check=True)
    onnx.save(exported, path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides warnings that the caller cannot act on, for example that tf2onnx calls what TensorFlow deprecates."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _convert(function, path: Path) -> None:
    import tf2onnx

    tf2onnx.convert.from_graph_def(
        function.graph.as_graph_def(),
        input_names=[function.inputs[0].name],
        output_names=[function.outputs[0].name],
        tensors_to_rename={
            function.inputs[0].name: "pixels",
            function.outputs[0].name: "probabilities",
        },
        opset=OPSET,
        output_path=str(path),
    )


def _quantize(source: Path, target: Path, images: np.ndarray) -> None:
    from onnxruntime import quantization

    class Images(quantization.CalibrationDataReader):
        def __init__(self):
            starts = range(0, len(images), BATCH_SIZE)
            self._batches = iter([images[start : start + BATCH_SIZE] for start in starts])

        def get_next(self):
            batch = next(self._batches, None)
            return None if batch is None else {"pixels": batch.astype(np.float32)}

    quantization.quantize_static(
        source,
        target,
        Images(),
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,  # x86 without VNNI overflows on int8 pairs
        weight_type=quantization.QuantType.QInt8,
    )


def run(path: Path, images: np.ndarray) -> np.ndarray:
    """Returns the probabilities that an ONNX file gives for uint8 images, in batches, the last image on its own."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    pixels = images.astype(np.float32)
    starts = range(0, len(pixels) - 1, BATCH_SIZE)
    batches = [pixels[start : min(start + BATCH_SIZE, len(pixels) - 1)] for start in starts]
    answers = [session.run(["probabilities"], {"pixels": x})[0] for x in [*batches, pixels[-1:]]]
    return np.concatenate(answers)
