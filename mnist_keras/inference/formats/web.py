"""One HTML page that reads drawings and pictures in a browser: no server, no network, no library."""

import base64
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mnist_keras._validation import InputError
from mnist_keras.data.readers.pictures import IMAGE_SIZE
from mnist_keras.inference.formats.plain import Step, as_pixels, to_plain

LIBRARY = ("network.js", "images.js", "shadows.js", "prepare.js")
BYTES = 3  # of a float32's four; float16 is too coarse for probabilities within 1e-4


def write(
    model: keras.Model,
    path: Path,
    *,
    image_shape: tuple[int, int],
    class_names: Sequence[str],
    **_,  # precision, images and data, which this format does not need
) -> None:
    """Writes a model as a page."""
    if tuple(image_shape) != (IMAGE_SIZE, IMAGE_SIZE):
        raise InputError(
            f"The page prepares pictures as 28x28 pixels, and {model.name!r} takes {image_shape[0]}x{image_shape[1]}. "
            "Export it to 'onnx', which runs in a browser too: see examples/13_in_a_browser.py."
        )
    plain = to_plain(model)
    arrays: list[np.ndarray] = []
    described = {
        "name": model.name,
        "classNames": [str(name) for name in class_names],
        "scale": plain.scale,
        "offset": plain.offset,
        "branches": [[_describe(step, arrays) for step in steps] for steps in plain.branches],
    }
    page = _template("page.html")
    is_digits = [str(name) for name in class_names] == list("0123456789")
    texts = {
        "title": "Draw a digit" if is_digits else "Draw or open a picture",
        "model": json.dumps(described).replace("<", "\\u003c"),
        "weights": encode_weights(np.concatenate([x.ravel() for x in arrays])),
        "library": "\n".join(map(_template, LIBRARY)).strip(),
        "page": _template("page.js").strip(),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: texts[found[1]], page)
    path.write_text(page, encoding="utf-8")


def encode_weights(weights: np.ndarray) -> str:
    """Returns float32 numbers as base64 text of their upper three bytes, rounded to nearest."""
    bits = np.ascontiguousarray(weights, np.float32).view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x80) >> 8).astype("<u4")
    return base64.b64encode(rounded.view(np.uint8).reshape(-1, 4)[:, :BYTES].tobytes()).decode()


def _describe(step: Step, arrays: list[np.ndarray]) -> dict[str, Any]:
    given, returned = as_pixels(step)
    kind = "weighted" if step.kind in ("conv", "dense") else step.kind
    described: dict[str, Any] = {"kind": kind, "activation": step.activation}
    if step.kind not in ("affine", "activation"):
        window = step.kernel.shape[:2] if step.kind == "conv" else step.size
        described |= {"given": given, "returned": returned, "window": window}
        described |= {"strides": step.strides, "padding": step.padding}
    for key in ("kernel", "bias"):
        array = getattr(step, key)
        if array.size:
            described[key] = (sum(x.size for x in arrays), array.size)
            arrays.append(array)
    return described


def _template(name: str) -> str:
    folder = resources.files("mnist_keras.inference.formats") / "templates"
    return (folder / name).read_text(encoding="utf-8")


def script_of(path: Path, name: str) -> str:
    """Returns the text of one of a page's scripts: "model", "weights" or "library"."""
    page = path.read_text(encoding="utf-8")
    return page.partition(f'<script id="{name}"')[2].partition(">")[2].partition("</script>")[0]


def run(path: Path, images: np.ndarray) -> np.ndarray:
    """Returns the probabilities that a page gives for uint8 images: its own script, run by V8, Chrome's engine."""
    from py_mini_racer import MiniRacer

    with MiniRacer() as engine:  # if left open, it keeps the process alive
        engine.eval(script_of(path, "library"))
        engine.eval(f"const model = {script_of(path, 'model')};")
        engine.eval(f"const weights = decodeWeights({json.dumps(script_of(path, 'weights'))});")
        text = json.dumps(base64.b64encode(images.tobytes()).decode())
        engine.eval(f"const images = decodeBase64({text});")
        answers = engine.eval(
            "JSON.stringify(Array.from({length: images.length / 784}, (_, i) =>"
            "Array.from(predict(model, weights, images.subarray(784 * i, 784 * (i + 1))))))"
        )
    return np.array(json.loads(str(answers)), np.float32)
