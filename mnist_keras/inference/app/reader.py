"""Reads what is on a sheet with any of the models."""

import base64
import io
import threading
from typing import IO, Any

import numpy as np

from mnist_keras._validation import InputError
from mnist_keras.inference.app.answers import (
    answer_html,
    bars_html,
    color_saliency,
    number_html,
    second_best,
    sureness,
    views_html,
)
from mnist_keras.inference.classifier import DEFAULT_MODEL, DigitClassifier
from mnist_keras.inference.numbers.reader import read_number
from mnist_keras.inference.saliency import as_floats, log_odds_gradients
from mnist_keras.inference.writing import hidden_model
from mnist_keras.models.pretrained import list_weights

MAX_BYTES = 20_000_000  # of one picture; a phone's photo has 2 to 8 MB


class Reader:
    """Reads what is on a sheet with any of the models, and answers in HTML.

    Args:
        model: The model at the start; None for the default.

    Raises:
        InputError: If there is no such model, or it takes other images.
    """

    def __init__(self, model: str | None = None):
        self.models = list_weights()
        self.model = model or DEFAULT_MODEL
        if self.model not in self.models:
            self.models.insert(0, self.model)
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, str], DigitClassifier] = {}
        self._read(np.eye(28, dtype=np.uint8) * 255, self.model, "auto")  # compiles

    def classifier(self, model: str, writing: str) -> DigitClassifier:
        """Returns a model's classifier, loaded once."""
        key = model, writing
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = DigitClassifier(model, writing=writing)
            return self._loaded[key]

    def knows_schools(self, model: str) -> bool:
        """Tells whether a model distinguishes American and European handwriting."""
        return hidden_model(self.classifier(model, "auto").model) is not None

    def read_digit(self, sheet: Any, model: str, writing: str) -> str:
        """Returns what a model reads on the sheet."""
        if not sheet:
            return answer_html("?", "The answer appears here.") + bars_html() + views_html()
        try:
            prediction, looked = self._read(_picture(sheet), model, writing)
        except InputError as error:
            return answer_html("!", str(error), role="alert") + bars_html() + views_html()
        names = self.classifier(model, writing).class_names
        if prediction.label is None:
            answer = answer_html("?", f"{prediction.reason[0].upper()}{prediction.reason[1:]}.")
        else:
            more = second_best(prediction.probabilities, names)
            answer = answer_html(prediction.class_name, sureness(prediction.confidence), more)
        return answer + bars_html(names, prediction) + views_html(prediction.image, looked)

    def read_number(self, sheet: Any, model: str, writing: str) -> str:
        """Returns the numbers that a model reads on the sheet."""
        if not sheet:
            return answer_html("?", "The number appears here.")
        try:
            classifier = self.classifier(model, writing)
            lines = read_number(_picture(sheet), classifier=classifier, writing=writing)
        except InputError as error:
            return answer_html("!", str(error), role="alert")
        if not lines:
            return answer_html("?", "There is no digit in the picture.")
        return "".join(map(number_html, lines))

    def _read(self, source: Any, model: str, writing: str) -> tuple[Any, np.ndarray | None]:
        """Returns the prediction, and an RGB image of where the model looked."""
        classifier = self.classifier(model, writing)
        prediction: Any = classifier.predict(source)
        if prediction.probabilities is None:
            return prediction, None
        pixels = as_floats(prediction.image)
        label = np.array([prediction.probabilities.argmax()])
        gradients, _ = log_odds_gradients(classifier.model, pixels[None], label)
        return prediction, color_saliency(pixels, gradients[0] * pixels)


def _picture(sheet: Any) -> IO[bytes]:
    """Returns the picture that the browser sent, as a file object with its name.

    Raises:
        InputError: If it is too large, or the page did not send it.
    """
    name, uri = str(sheet.get("name", "")) or "The picture", sheet.get("picture")
    if not uri and (size := sheet.get("size", 0)) > MAX_BYTES:
        raise InputError(f"{name} has {size:,} bytes. Expected a picture of at most {MAX_BYTES:,}.")
    content = uri.partition(";base64,")[2] if isinstance(uri, str) else ""
    file = _NamedFile(base64.b64decode(content))
    file.name = name
    return file


class _NamedFile(io.BytesIO):
    name: str
