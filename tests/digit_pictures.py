"""Pictures of drawn digits, of each kind that people bring."""

import numpy as np
from PIL import Image

from mnist_keras.data.augmentation.strokes import WAYS, draw_ink


def draw_large(digit: int, seed: int = 0) -> np.ndarray:
    """Returns a large digit: light ink on black, uint8 of shape (h, w), with a margin."""
    way = next(way for way in WAYS if way.digit == digit)
    small = draw_ink(way, np.random.default_rng(seed))
    large = Image.fromarray(small).resize(
        (small.shape[1] * 5, small.shape[0] * 5), Image.Resampling.BICUBIC
    )
    return np.pad(np.asarray(large), 60)


KINDS = {
    "dark on light": lambda ink: 255 - ink,
    "low contrast": lambda ink: 190 - ink // 4,
    "color": lambda ink: np.stack([255 - ink, 255 - ink // 2, 255 - ink // 8], axis=-1),
    "channels first": lambda ink: np.stack([255 - ink] * 3),
    "16 bits": lambda ink: ink.astype(np.uint16) * 257,
    "truth values": lambda ink: ink > 100,
    "a slope of light": lambda ink: ((255 - ink) * np.linspace(1, 0.5, ink.shape[1])).astype(
        np.uint8
    ),
    "a margin": lambda ink: np.pad(255 - ink, 300, constant_values=255),
    "dark and transparent": lambda ink: np.dstack([ink * 0, ink * 0, ink * 0, ink]),
    "light and transparent": lambda ink: np.dstack(
        [ink * 0 + 255, ink * 0 + 255, ink * 0 + 255, ink]
    ),
    "CMYK": lambda ink: Image.fromarray(255 - ink).convert("RGB").convert("CMYK"),
    "palette": lambda ink: Image.fromarray(255 - ink).convert("P"),
}


def distance(image, expected):
    """Returns the mean difference of the pixels."""
    return np.abs(image.astype(int) - expected).mean()
