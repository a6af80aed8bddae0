"""The answers as HTML: words and bars agree, and names are shown as they are."""

import numpy as np
import pytest

from mnist_keras._html import escape
from mnist_keras.inference.app.answers import (
    BLUE,
    ORANGE,
    answer_html,
    bars_html,
    color_saliency,
    percent,
    sureness,
)
from mnist_keras.inference.classifier import Prediction


def test_names_are_shown_as_they_are():
    assert "&lt;b&gt;" in answer_html("!", "<b>.png is not a readable picture")
    assert "&lt;b&gt;" in bars_html(["<b>", "shoe"])


@pytest.mark.parametrize(
    ("score", "shown", "says", "short"),
    [
        (1.0, ">99.9%", "over 99.9% sure", ">99%"),
        (0.9996, ">99.9%", "over 99.9% sure", ">99%"),
        (0.9994, "99.9%", "99.9% sure", ">99%"),
        (0.994, "99.4%", "99.4% sure", "99%"),
        (0.0, "0.0%", "0.0% sure", "0%"),
    ],
)
def test_the_bar_and_the_words_agree(score, shown, says, short):
    prediction = Prediction(0, "0", score, np.array([score, 1 - score]), None, "picture 0")
    assert f"<span>{escape(shown)}</span>" in bars_html("01", prediction)
    assert sureness(score) == says
    assert percent(score, decimals=0) == short


def test_where_it_looked_is_in_two_colors():
    image, saliency = np.ones((2, 2), np.float32), np.array([[2.0, -2.0], [0.0, 0.0]])
    colors = color_saliency(image, saliency)
    assert tuple(colors[0, 0]) == ORANGE and tuple(colors[0, 1]) == BLUE
    assert (colors[1] == colors[1, 0, 0]).all()  # gray
    assert not color_saliency(image * 0, saliency * 0).any()
