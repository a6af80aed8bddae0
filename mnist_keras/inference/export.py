"""`export_model`: a trained model as a file for another runtime, compared there with Keras.

Importing this module does not import Keras, so that a command line can check a format and a path at once.
"""

import contextlib
import importlib
import importlib.util
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnist_keras._files import (
    TEMPORARY,
    check_path,
    check_writable,
    input_errors,
    make_directory,
    replace_file,
)
from mnist_keras._validation import (
    InputError,
    check_class_names,
    invalid,
    missing_extra,
    unknown,
)
from mnist_keras.data.datasets import resolve_data
from mnist_keras.data.image_data import ImageData

if TYPE_CHECKING:
    import keras

COMPARED = 1_000  # images on which an export is compared with Keras
COMPARED_INT8 = 10_000  # images; with 1,000, one image would be all that int8 may lose
CALIBRATION = 1_000  # training images from which int8 takes its ranges
MOST_LOST = 0.001  # of the accuracy, lost to rounding
LEAST_ACCURACY = 0.5  # of Keras's model, on images that measure the cost of rounding
OTHER_PATH = "Choose another path."
OWN_DATA = "Pass what it was trained on: data=(images, labels) or a dataset's name, on the command line --data."


@dataclass(frozen=True)
class ExportFormat:
    """What `export_model` can write.

    Attributes:
        name: The name of the format.
        description: What it is, in a line.
        suffix: The end of the path; "" for a directory.
        module: The module of `inference.formats` that writes it and runs it.
        precision: What its weights are stored in.
        tolerance: Largest allowed difference of a probability from Keras's; None if only the accuracy counts.
        needs: Packages of the extra "export" that writing or running it needs.
    """

    name: str
    description: str
    suffix: str
    module: str
    precision: str = "float32"
    tolerance: float | None = 1e-5
    needs: tuple[str, ...] = ()


_LITERT, _ONNX = ("ai_edge_litert",), ("onnx", "tf2onnx", "onnxruntime")
EXPORT_FORMATS: dict[str, ExportFormat] = {
    format.name: format
    for format in (
        ExportFormat("saved_model", "TensorFlow's SavedModel, a directory", "", "saved_model"),
        ExportFormat("litert", "LiteRT in float32", ".tflite", "litert", needs=_LITERT),
        ExportFormat(
            *("litert_float16", "LiteRT, weights in float16", ".tflite", "litert"),
            *("float16", 0.01, _LITERT),
        ),
        ExportFormat(
            *("litert_int8", "LiteRT, all in int8", ".tflite", "litert", "int8", None, _LITERT)
        ),
        ExportFormat("onnx", "ONNX in float32", ".onnx", "onnx", needs=_ONNX),
        ExportFormat("onnx_int8", "ONNX in int8", ".onnx", "onnx", "int8", None, _ONNX),
        ExportFormat("c", "one C99 file in float32", ".c", "c"),
        ExportFormat("c_int8", "one C99 file in int8", ".c", "c", "int8", None, _LITERT),
        ExportFormat(
            *("web", "one page that reads drawings and pictures in a browser", ".html", "web"),
            *("24 bits", 1e-4, ("py_mini_racer",)),
        ),
        ExportFormat("hub", "a folder for the Hugging Face Hub: Keras's files, a card", "", "hub"),
    )
}


@dataclass(frozen=True)
class Export:
    """A written file, and how it compares with Keras.

    Attributes:
        path: The file, or the directory.
        format: Name of its format.
        num_bytes: Its size.
        num_images: Number of images on which it was compared with Keras.
        num_other_labels: Number of them whose label differs from Keras's.
        largest_difference: Largest difference of a probability.
        accuracy: Its accuracy on these images.
        keras_accuracy: The accuracy of the model in Keras.
    """

    path: Path
    format: str
    num_bytes: int
    num_images: int
    num_other_labels: int
    largest_difference: float
    accuracy: float
    keras_accuracy: float

    def report(self) -> str:
        """Returns the comparison in two lines."""
        return (
            f"{self.path}: {self.format}, {self.num_bytes:,} bytes\n"
            f"On {self.num_images:,} images: {self.num_other_labels} labels differ from Keras's, accuracy "
            f"{self.accuracy:.2%} (Keras {self.keras_accuracy:.2%}), largest difference of a probability "
            f"{self.largest_difference:.1e}"
        )


def export_model(
    model: "keras.Model",
    path: str | Path,
    *,
    format: str = "saved_model",
    data="auto",
    class_names=None,
) -> Export:
    """Writes a classifier as a file for another runtime, and checks that it gives the same answers there as in Keras.

    The file takes pixels from 0 to 255 of shape `(n, height, width)`, light ink on a dark background, and returns
    probabilities: their normalization, and the softmax after logits, are inside. It holds no class of this package.
    The file is run in its own runtime on 1,000 images and compared with Keras: the labels must be the same and the
    probabilities within 1e-5 (1e-4 for "web", 0.01 in float16). In int8 only the accuracy is compared, on up to 10,000
    images. It may be lower by 0.1 percentage points; with few images, by two standard deviations of chance if that is
    more. If the check fails, the file is removed.

    Args:
        model: A classifier of gray images. A mixed-precision model is exported and compared in float32.
        path: File or directory to write, which must not exist yet. It ends in the format's suffix.
        format: A name in `EXPORT_FORMATS`: "saved_model", "litert", "litert_float16", "litert_int8", "onnx",
            "onnx_int8", "c", "c_int8", "web" or "hub".
        data: Images of the model's task: an `ImageData`, what `load_data` takes, or arrays `(images, labels)`. Test
            images are compared, and training images determine the ranges of int8.
        class_names: Name of each class, for the file; None for the data's.

    Returns:
        The path, the size, and the result of the comparison.

    Raises:
        InputError: If an argument is invalid, the format does not support a layer, the check fails, or the path
            cannot be written.
        MissingExtraError: If a package is missing that writes or runs the format.

    Example:
        export_model(load_model("cnn_tiny"), "digits.tflite", format="litert_int8", data="mnist")
    """
    spec = check_export(path, format)
    from mnist_keras.inference.prediction import predict_probabilities
    from mnist_keras.models.inspection import check_classifier, check_input_shape

    check_classifier(model)
    data = resolve_data(data)
    check_input_shape(model, data.input_shape[:2], name="data", hint=OWN_DATA)
    num_classes = model.output_shape[-1]
    if data.num_classes > num_classes:
        raise invalid(
            "data",
            expected=f"images of at most {num_classes} classes, as the model has",
            received=f"{data.num_classes} classes in {data.name}",
            hint=OWN_DATA,
        )
    if class_names is None and num_classes == data.num_classes:
        class_names = data.class_names
    if class_names is None and data.num_classes < num_classes:  # as of a model without its top
        raise invalid(
            "data",
            expected=f"images of the model's {num_classes} classes",
            received=f"{data.num_classes} classes in {data.name}",
            hint="If the model has classes that the data lack, pass `class_names`.",
        )
    names = check_class_names(class_names, num_classes=num_classes)
    model = _in_float32(model)
    images, labels = _compared(data, COMPARED_INT8 if spec.tolerance is None else COMPARED)
    expected = predict_probabilities(model, images)
    if spec.tolerance is None:
        _check_reads(expected, labels, data)
    module = importlib.import_module(f"mnist_keras.inference.formats.{spec.module}")
    with tempfile.TemporaryDirectory(prefix="mnist_keras-") as directory:
        file = Path(directory) / f"exported{spec.suffix}"
        module.write(
            model,
            file,
            image_shape=data.input_shape[:2],
            class_names=names,
            precision=spec.precision,
            calibration_images=data.train_images[:CALIBRATION],
            data=data,
        )
        received = module.run(file, images)
        export = _compare(Path(path), spec, _size(file), expected, received, labels)
        _check(export, spec, expected, received)
        with input_errors(path, "written", OTHER_PATH):
            _publish(file, Path(path))
    return export


def check_export(path: str | Path, format: str) -> ExportFormat:
    """Returns the format of that name, after the checks that do not need the model.

    Raises:
        InputError: If there is no such format, or the path exists, has another suffix, or cannot be written.
        MissingExtraError: If a package is missing that writes or runs the format.
    """
    if not isinstance(format, str) or format not in EXPORT_FORMATS:
        raise unknown("export format", format, EXPORT_FORMATS)
    spec = EXPORT_FORMATS[format]
    kind = f"a path that ends in {spec.suffix}" if spec.suffix else "the path of a new directory"
    path = check_path("path", path, expected=kind)
    with input_errors(path, "written", OTHER_PATH):
        if path.exists():
            raise invalid(
                "path",
                expected="a path that does not exist yet",
                received=f"{path}, which exists",
                hint="Choose another path, or delete it first.",
            )
        check_writable(path.parent)
    if spec.suffix and path.suffix != spec.suffix:
        raise invalid("path", expected=kind, received=repr(str(path)))
    if not all(map(importlib.util.find_spec, spec.needs)):
        raise missing_extra(f"export_model(format={format!r})", "export")
    return spec


def _compared(data: ImageData, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns `count` test images, followed by training images if there are too few, with labels."""
    assert data.test_labels is not None  # `with_test_split` made sure of that
    images = np.concatenate([data.test_images, data.train_images])[:count]
    return images, np.concatenate([data.test_labels, data.train_labels])[:count]


def _in_float32(model):
    from mnist_keras.models.inspection import as_float32, flatten_layers

    if all(layer.compute_dtype == "float32" for layer in flatten_layers(model)):
        return model
    # A custom class may not be made from its configuration.
    with contextlib.suppress(TypeError, ValueError):
        model = as_float32(model)
    others = {layer.compute_dtype for layer in flatten_layers(model)} - {"float32"}
    if others:
        raise invalid(
            "model",
            expected="a float32 model, or a Sequential or functional model, which can be converted to float32",
            received=f"{model.name!r} ({type(model).__name__}), which computes in {', '.join(others)}",
        )
    return model


def _check_reads(probabilities, labels, data) -> None:
    accuracy = np.mean(probabilities.argmax(axis=1) == labels)
    if accuracy < LEAST_ACCURACY:
        raise invalid(
            "data",
            expected="images like the model's training data, to measure the accuracy lost in int8",
            received=f"{data.name}, on which its accuracy is {accuracy:.1%}",
            hint=OWN_DATA,
        )


def _compare(path, spec, num_bytes, expected, received, labels) -> Export:
    answers, right = received.argmax(axis=1), expected.argmax(axis=1)
    return Export(
        path=path,
        format=spec.name,
        num_bytes=num_bytes,
        num_images=len(labels),
        num_other_labels=int((answers != right).sum()),
        largest_difference=float(abs(received - expected).max()),
        accuracy=float(np.mean(answers == labels)),
        keras_accuracy=float(np.mean(right == labels)),
    )


def _check(export: Export, spec: ExportFormat, expected, received) -> None:
    """Raises an error if an export is wrong; it says what is wrong."""
    lost = round((export.keras_accuracy - export.accuracy) * export.num_images)
    found = ""
    if not np.isfinite(received).all():
        found = "some of its probabilities are not finite"
    elif spec.tolerance is None and lost > _may_lose(export):
        found = f"it labels {lost} fewer images right"
    elif spec.tolerance is not None and export.largest_difference > spec.tolerance:
        row = int(abs(received - expected).max(axis=1).argmax())
        found = f"the probabilities of image {row} differ by {export.largest_difference:.1e}"
    elif spec.precision != "float16" and spec.tolerance and export.num_other_labels:
        row = int((received.argmax(axis=1) != expected.argmax(axis=1)).argmax())
        found = (
            f"image {row} has label {received[row].argmax()} rather than {expected[row].argmax()}"
        )
    if found:
        raise InputError(
            f"The export to {spec.name!r} gives different answers than Keras, so it was removed: of "
            f"{export.num_images:,} images {export.num_other_labels} have another label, and {found}. Accuracy "
            f"{export.accuracy:.2%}, in Keras {export.keras_accuracy:.2%}."
        )


def _may_lose(export: Export) -> float:
    """Returns how many fewer images an int8 export may label right.

    With few images, 0.1 percentage points are less than chance: if each changed label were randomly better or worse,
    the standard deviation of the loss would be the square root of the number of changed labels.
    """
    chance = 2 * export.num_other_labels**0.5 if export.num_images < COMPARED_INT8 else 0.0
    return max(MOST_LOST * export.num_images, chance)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _publish(source: Path, path: Path) -> None:
    """Moves a finished file or directory to its place, so that it is complete or absent."""
    if source.is_file():
        with replace_file(path) as temporary:
            shutil.copyfile(source, temporary)
        return
    make_directory(path.parent)
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        shutil.copytree(source, temporary)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
