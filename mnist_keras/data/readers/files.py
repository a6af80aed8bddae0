"""What every reader returns, and how a damaged file is reported."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnist_keras._validation import InputError

DEFLATE_RATIO = 1032  # bytes out per byte in, at most; zlib.net/zlib_tech.html


class RawData(NamedTuple):
    """Arrays as a source holds them; None for missing test images, and for the labels of unlabeled ones."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None


def wrong_length(path: Path, what: str, expected: int, received: str) -> InputError:
    return InputError(
        f"{path} is cut off or damaged. Its header says {expected:,} bytes of {what}. "
        f"Received: {received}. Copy or download it again."
    )
