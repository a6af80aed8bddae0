"""Draws images as characters, for a terminal."""

from collections.abc import Sequence

import numpy as np

INK = " .:-=+*#%@"  # from blank paper to full ink
SKETCH_SIZE = (14, 7)  # characters, which are twice as high as wide
SKETCHES = 5  # side by side they fit 80 columns


def sketch(
    images: np.ndarray, labels: np.ndarray, predictions: np.ndarray, class_names: Sequence[str]
) -> str:
    """Returns the first images as characters, above their true classes and a model's answers."""
    from PIL import Image

    columns = []
    for image, label, answer in zip(images[:SKETCHES], labels, predictions, strict=False):
        small = np.asarray(Image.fromarray(image).resize(SKETCH_SIZE, Image.Resampling.BOX))
        rows = ["".join(INK[int(ink) * len(INK) // 256] for ink in row) for row in small]
        verdict = "right" if label == answer else "WRONG"
        rows += [f"true {class_names[label]}", f"says {class_names[answer]}  {verdict}"]
        columns.append([cell.ljust(SKETCH_SIZE[0]) for cell in rows])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))
