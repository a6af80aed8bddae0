"""Arrays of images and labels in other layouts: unambiguous ones are converted, and for the rest there is advice.

Advice is one expression with the argument's name in it. Run on the array, it returns what was probably meant.
"""

from typing import Any

import numpy as np

LUMA = (19595, 38470, 7471)  # red, green and blue in 65,536ths; ITU-R 601, as in Pillow
STANDARDIZED = (0.1307, 0.3081)  # mean and deviation of MNIST's pixels, as in PyTorch's example
FULL_INK = 128  # integers with a maximum of at least this go to 255; scikit-learn's digits, with 16, do not
_AT_ONCE = 1024  # images that are converted at a time, which keeps memory low
INSPECTED = 500  # images that are examined to judge polarity


def to_array(values: Any) -> np.ndarray:
    """Returns values as an array, even a PyTorch tensor with a gradient or on a GPU; bfloat16 becomes float32.

    Raises:
        RuntimeError, TypeError or ValueError: If they cannot become one.
    """
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # which NumPy does not know
            values = values.float()
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def is_picture_in_color(array: np.ndarray) -> bool:
    """Tells whether an array is one picture in color rather than images of 3 or 4 columns."""
    return array.ndim == 3 and array.shape[2] in (3, 4) and min(array.shape[:2]) >= 8


def fold_images(array: np.ndarray) -> np.ndarray:
    """Returns images as `(n, height, width)` if their shape is unambiguous; colors become gray.

    These are unambiguous: 1 or 3 channels, first or last; flat images of 784 pixels; a single image of 28x28.
    """
    if array.ndim == 4:
        if array.shape[1] in (1, 3) and array.shape[3] not in (1, 3):  # channels first
            array = np.moveaxis(array, 1, 3)
        if array.shape[3] == 1:
            return array[..., 0]
        if array.shape[3] == 3 and array.dtype.kind in "uif" and len(array):
            return _gray(array)
    if array.ndim == 3 and array.shape[2] == 1 < min(array.shape[:2]):
        return array[None, ..., 0]
    if array.shape == (28, 28):
        return array[None]
    if array.ndim == 2 and array.shape[1] == 784 != array.shape[0]:
        return array.reshape(-1, 28, 28)
    return array


def fold_rows(array: np.ndarray, num_examples: int) -> np.ndarray:
    """Returns flat images of another size folded, if there is a row for each label."""
    side = round(array.shape[-1] ** 0.5) if array.ndim else 0
    flat = array.ndim == 2 and len(array) == num_examples and side**2 == array.shape[1]
    return array.reshape(-1, side, side) if flat else array


def _gray(images: np.ndarray) -> np.ndarray:
    whole = images.dtype == np.uint8
    gray = np.empty(images.shape[:3], np.uint8 if whole else np.float32)
    for start in range(0, len(images), _AT_ONCE):
        part = images[start : start + _AT_ONCE]
        if whole:
            gray[start : start + _AT_ONCE] = (
                part.astype(np.uint32) @ np.array(LUMA, np.uint32) + 0x8000
            ) >> 16
        else:
            gray[start : start + _AT_ONCE] = part @ (np.array(LUMA) / 65536)
    return gray


def to_bytes(array: np.ndarray) -> np.ndarray:
    """Returns pixels of another dtype as uint8, if they clearly go from 0 to 255 or are booleans."""
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf" or array.dtype == np.uint8 or not array.size:
        return array
    low, high = float(array.min()), float(array.max())
    blank = low == high == 0 and array.dtype.kind != "f"
    if not (low >= 0 and (blank or FULL_INK <= high <= 255)):
        return array
    pixels = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), _AT_ONCE):
        part = array[start : start + _AT_ONCE]
        pixels[start : start + _AT_ONCE] = part
        if array.dtype.kind == "f" and (pixels[start : start + _AT_ONCE] != part).any():
            return array
    return pixels


def shape_advice(array: np.ndarray, name: str) -> str:
    """Returns how to convert images of another shape; nothing if that is not known."""
    side = round(array.shape[-1] ** 0.5) if array.ndim else 0
    if array.ndim == 1 and side**2 == array.size > 1:
        return f"Fold a single flat image: {name}.reshape(1, {side}, {side})."
    if is_picture_in_color(array):
        return (
            f"Add an axis to a single picture in color: {name}[None, ..., :3]. For photos use DigitClassifier.predict, "
            "which makes them like MNIST."
        )
    if array.ndim == 2 and side**2 == array.shape[1]:
        return f"Add an axis to a single image, {name}[None]; fold flat rows, {name}.reshape(-1, {side}, {side})."
    if array.ndim == 2:
        return f"Add an axis to a single image, {name}[None]."
    if array.ndim == 4 and array.shape[-1] == 4:
        return f"Drop the alpha channel: {name}[..., :3]."
    return ""


def pixel_advice(array: np.ndarray, name: str) -> str:
    """Returns how to convert pixels of another dtype or range; nothing if their scale is not known."""
    low, high = float(array.min()), float(array.max())
    if not np.isfinite(low + high):
        return ""
    ways = _ways_of_floats(low, high) if array.dtype.kind == "f" else _ways_of_integers(low, high)
    # Rounded to be shown, the highest pixel might no longer be the highest.
    full = f"{high:g}" if float(f"{high:g}") == high else f"{name}.max()"
    return next((text.format(images=name, full=full) for applies, text in ways if applies), "")


def _ways_of_integers(low: float, high: float) -> tuple[tuple[bool, str], ...]:
    """Returns pieces of advice and whether each applies; only the first that applies is given."""
    move = "If they start at -128, shift them: ({images}.astype('int16') + 128).astype('uint8')."
    scale = (
        "If {full} is full ink, scale them: ({images} * (255 / {full})).round().astype('uint8')."
    )
    return (
        (-128 <= low < 0 and high < 128, move),
        (low < 0, ""),
        (high < 2**15, scale),  # 12 bits, for example
        (high < 2**16, "Scale 16 bits: ({images} // 257).astype('uint8')."),
        (True, "Scale them: ({images} / {images}.max() * 255).round().astype('uint8')."),
    )


def _ways_of_floats(low: float, high: float) -> tuple[tuple[bool, str], ...]:
    mean, deviation = STANDARDIZED
    lowest, highest = -mean / deviation - 1e-3, (1 - mean) / deviation + 1e-3
    undo = f"If they are standardized, undo it: ({{images}} * {deviation} + {mean}).clip(0, 1)."
    return (
        (low >= 0 and high <= 16, "If {full} is full ink, scale them: {images} / {full}."),
        (low >= 0 and high <= 255, "Scale them: {images} / 255."),
        (-0.5 <= low < lowest and high <= 0.5, "Shift them from [-0.5, 0.5]: {images} + 0.5."),
        (-1 <= low < lowest and high <= 1, "Map them from [-1, 1] to [0, 1]: ({images} + 1) / 2."),
        (lowest <= low < 0 and high <= highest, undo),
    )


def flatten_labels(array: np.ndarray) -> np.ndarray:
    """Returns labels of shape `(n, 1)`, and one-hot rows, as `(n,)`."""
    if array.ndim != 2:
        return array
    if array.shape[1] == 1:
        return array[:, 0]
    if array.shape[1] > 1 and array.dtype.kind in "biuf":
        ones = array == 1
        if (ones.sum(axis=1) == 1).all() and np.count_nonzero(array) == len(array):
            return ones.argmax(axis=1)
    return array


def looks_inverted(images: np.ndarray) -> bool:
    """Tells whether nearly all images, `(n, height, width)`, are clearly brighter at the border than inside."""
    _, height, width = images.shape
    if min(height, width) < 8:
        return False  # too small to have an inside
    some = images[:: max(1, len(images) // INSPECTED)].astype(np.float32)
    ring = np.ones((height, width), bool)
    ring[2:-2, 2:-2] = False
    full = 255 if images.dtype == np.uint8 else 1
    brighter = some[:, ring].mean(axis=1) > some[:, ~ring].mean(axis=1) + full / 20
    return len(some) > 0 and bool(brighter.mean() > 0.9)
