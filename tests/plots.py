"""A case to plot, and whether what a plot says can be read."""

import numpy as np

FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"]
FASHION += ["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
HISTORY = {
    "loss": [0.5, 0.25],
    "accuracy": [0.9, 0.95],
    "val_loss": [0.4, 0.3],
    "val_accuracy": [0.92, 0.94],
    "learning_rate": [0.1, 0.01],
}


def random_case(*, num_examples=300, num_classes=10, seed=0, signal=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, num_examples)
    logits = rng.normal(size=(num_examples, num_classes))
    logits[np.arange(num_examples), labels] += signal
    probabilities = np.exp(logits)
    images = rng.integers(0, 256, (num_examples, 28, 28), dtype=np.uint8)
    return images, labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def overlapping(artists, renderer):
    boxes = [artist.get_window_extent(renderer) for artist in artists]
    return [
        (artists[i].get_text(), artists[j].get_text())
        for i in range(len(boxes))
        for j in range(i)
        # Neighbors may touch by a pixel of anti-aliasing.
        if boxes[i].padded(-1).overlaps(boxes[j].padded(-1))
    ]


def assert_text_is_apart(ax):
    """Draws the figure and checks that no caption, tick label or title covers another one."""
    figure = ax.figure
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    titles = [text for text in (ax.title, ax.xaxis.label, ax.yaxis.label) if text.get_text()]
    for group in ([*ax.texts, *titles], [*ax.get_yticklabels(), *titles]):
        assert not overlapping(group, renderer)
    if not ax.get_xticklabels() or ax.get_xticklabels()[0].get_rotation() == 0:
        assert not overlapping(ax.get_xticklabels(), renderer)
