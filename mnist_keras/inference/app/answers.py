"""The app's answers in HTML."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from mnist_keras._html import escape
from mnist_keras.inference.classifier import Prediction
from mnist_keras.inference.numbers.reader import NumberLine

DIGITS = tuple("0123456789")
WORTH_SAYING = 0.005  # lowest probability of the second class at which it is named
VIVID = 0.6  # power of the strength of a color; below 1, so that weak pixels show too
ORANGE, BLUE = (230, 159, 0), (86, 180, 233)  # Okabe and Ito, 2008, "Color Universal Design"


def color_saliency(image: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """Returns an image in dim gray, orange for pixels that support the class and blue for pixels against it.

    Args:
        image: float32 array of shape `(height, width)`, in [0, 1].
        saliency: float32 array of the same shape, as `compute_saliency` returns it.

    Returns:
        uint8 array of shape `(height, width, 3)`.
    """
    largest = float(np.abs(saliency).max())
    strength = (np.abs(saliency) / (largest or 1))[..., None] ** VIVID
    color = np.where(saliency[..., None] > 0, ORANGE, BLUE)
    return (strength * color + (1 - strength) * 90 * image[..., None]).round().astype(np.uint8)


def answer_html(big: str, says: str, more: str = "", *, role: str = "status") -> str:
    """Returns the answer: what was read, or a message."""
    kind = "digit none" if big in ("?", "!") else "digit" if len(big) < 3 else "number"
    small = f"<small>{escape(more)}</small>" if more else ""
    return (
        f'<div class="answer" role="{role}"><div class="{kind}">{escape(big)}</div>'
        f'<div class="says">{escape(says)}{small}</div></div>'
    )


def percent(share: float, *, decimals: int = 1, above: str = ">") -> str:
    """Returns a probability in percent; what would be rounded to 100% is above 99.9%, because no model is certain."""
    largest = 1 - 10.0 ** -(2 + decimals)  # the last value below 100%
    is_above = share >= (largest + 1) / 2
    return f"{above}{largest:.{decimals}%}" if is_above else f"{share:.{decimals}%}"


def sureness(confidence: float) -> str:
    """Returns how sure the model is, in words."""
    return f"{percent(confidence, above='over ')} sure"


def second_best(probabilities: np.ndarray, names: Sequence[str]) -> str:
    """Returns which class comes second, if the first is not certain."""
    second = int(np.argsort(probabilities)[-2])
    if probabilities[second] < WORTH_SAYING:
        return ""
    return f"or {names[second]}, {probabilities[second]:.1%}"


def number_html(line: NumberLine) -> str:
    """Returns a number, and what the model saw of each of its digits."""
    cells = "".join(
        f"<figure>{_image(digit.image, digit.class_name)}<figcaption>{escape(digit.class_name) or '?'} "
        f"<small>{escape(percent(digit.confidence, decimals=0))}</small></figcaption></figure>"
        for digit in line.digits
    )
    says = (
        f"{sureness(line.confidence)} of the whole" if line.confidence else "Not all of it is read."
    )
    return (
        f'<div class="answer wide" role="status"><div class="number">{escape(line.text)}</div>'
        f'<div class="says">{says}</div></div><div class="views cells">{cells}</div>'
    )


def bars_html(names: Sequence[str] = DIGITS, prediction: Prediction | None = None) -> str:
    """Returns the probability of each class as a bar; empty ones without a prediction."""
    scores = None if prediction is None else prediction.probabilities
    scores = np.zeros(len(names)) if scores is None else scores
    lines = []
    for label, (name, score) in enumerate(zip(names, scores, strict=True)):
        top = prediction is not None and label == prediction.label
        shown = escape(percent(score)) if scores.any() else ""
        lines.append(
            f'<li class="{"top" if top else ""}"><span>{escape(name)}</span><span class="track">'
            f'<i style="width:{score:.1%}"></i></span><span>{shown}</span></li>'
        )
    short = " short" if max(map(len, names)) == 1 else ""
    return f'<ol class="bars{short}" aria-label="Probabilities">{"".join(lines)}</ol>'


def views_html(image: np.ndarray | None = None, looked: np.ndarray | None = None) -> str:
    """Returns the image that the model saw and where it looked; empty frames without them."""
    saw = "What the model saw: 28x28 pixels"
    where = (
        'Where it looked: <span class="for">for</span> and '
        '<span class="against">against</span> its answer'
    )
    figures = "".join(
        f"<figure>{_image(view, text)}<figcaption>{caption}</figcaption></figure>"
        for view, text, caption in (
            (image, "What the model saw", saw),
            (looked, "Where it looked", where),
        )
    )
    return f'<div class="views">{figures}</div>'


def _image(view: np.ndarray | None, text: str) -> str:
    if view is None:
        return '<div class="empty"></div>'
    Image.fromarray(view).save(file := io.BytesIO(), "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return f'<img alt="{text}" src="{uri}">'
