"""Small images of an evaluation in HTML, each with the model's answer."""

import base64
from collections.abc import Iterable
from io import BytesIO

import numpy as np
from PIL import Image

from mnist_keras._html import escape
from mnist_keras.data.splits import Split
from mnist_keras.evaluation.metrics import Evaluation

LONGER_SIDE = 48  # pixels; larger images are shrunk, so that a page with hundreds stays below 2 MB


class Thumbnails:
    """The images of some rows of an evaluation; only these rows are read.

    Args:
        evaluation: What `evaluate` returned.
        examples: The images that were evaluated.
        rows: The rows to read.
    """

    def __init__(self, evaluation: Evaluation, examples: Split, rows: Iterable[int]):
        distinct = sorted(set(map(int, rows)))
        images = examples.read(distinct)[0] if distinct else ()
        self._images = dict(zip(distinct, images, strict=True))
        self._evaluation = evaluation

    def images(self, rows: Iterable[int]) -> str:
        """Returns the images of rows one after another, without captions."""
        return "".join(self._image(int(row)) for row in rows)

    def figures(self, rows: Iterable[int]) -> str:
        """Returns the images of rows, each with prediction, true class and row."""
        return f'<div class="images">{"".join(self._figure(int(row)) for row in rows)}</div>'

    def _figure(self, row: int) -> str:
        predicted = self._evaluation.probabilities[row].argmax()
        confidence = self._evaluation.probabilities[row, predicted]
        caption = (
            f"<b>{self._name(predicted)}</b> {confidence:.1%}<br>"
            f"true: {self._name(self._evaluation.labels[row])}<br>row {row:,}"
        )
        return f"<figure>{self._image(row)}<figcaption>{caption}</figcaption></figure>"

    def _image(self, row: int) -> str:
        image = self._images[row]
        pixels = image if image.dtype == np.uint8 else np.rint(255 * image).astype(np.uint8)
        picture = Image.fromarray(pixels)
        picture.thumbnail((LONGER_SIDE, LONGER_SIDE))
        text = f"{self._name(self._evaluation.labels[row])}, row {row:,}"
        return f'<img alt="{text}" title="{text}" src="{data_uri(picture)}">'

    def _name(self, label: int) -> str:
        return escape(self._evaluation.class_names[label])


def data_uri(picture: Image.Image) -> str:
    """Returns a picture as a PNG file inside a URI."""
    picture.save(png := BytesIO(), format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
