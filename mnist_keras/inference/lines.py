"""The lines of ruled and squared paper in a picture's ink."""

import numpy as np
from scipy import ndimage


def remove_lines(values: np.ndarray) -> np.ndarray:
    """Returns ink without the lines of ruled or squared paper: thin, straight, and from one border to the other."""
    mask = (values > 0.1).astype(np.uint8)
    lines = find_lines(mask) | find_lines(mask.T).T
    if not lines.any():
        return values
    lines = ndimage.binary_dilation(lines)
    # Where a stroke crossed a line, its ink goes on.
    closed = ndimage.grey_closing(np.where(lines, 0, values), size=(7, 7))
    return np.where(lines, closed, values)


def find_lines(mask: np.ndarray) -> np.ndarray:
    """Returns where level lines are in a mask of 0 and 1; they may be turned by a degree or two."""
    length = mask.shape[1]
    lines = np.zeros(mask.shape, bool)
    margin = max(1, round(0.03 * length))
    if not (mask[:, :margin].any() and mask[:, -margin:].any()):
        return lines
    thick = max(4, round(0.025 * length))
    thin = mask & (1 - _opened(mask, thick + 1, axis=0))
    tall = ndimage.maximum_filter1d(thin, 3, axis=0)
    near = _opened(tall, thick + 1, axis=1)  # without the remains of crossing lines
    near[:, :margin], near[:, -margin:] = tall[:, :margin], tall[:, -margin:]
    runs = _opened(_closed(near, max(1, length // 6)), max(9, length // 10), axis=1)
    labels, _ = ndimage.label(_joined(runs, mask), np.ones((3, 3)))
    for place, where in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = where
        crosses = columns.start <= margin and columns.stop >= length - margin
        if crosses and rows.stop - rows.start <= 0.1 * length + thick:
            lines[where] |= (labels[where] == place) & (thin[where] > 0)
    return lines


def _opened(mask: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Returns where a mask of 0 and 1 holds runs of at least `size` along an axis."""
    size |= 1  # an odd window has a middle
    eroded = ndimage.minimum_filter1d(mask, size, axis=axis, mode="constant")
    return ndimage.maximum_filter1d(eroded, size, axis=axis, mode="constant")


def _closed(mask: np.ndarray, gap: int) -> np.ndarray:
    """Returns a mask of 0 and 1 with the gaps of less than `gap` in its rows filled; the border closes none."""
    gap |= 1
    padded = ndimage.maximum_filter1d(np.pad(mask, ((0, 0), (gap, gap))), gap, axis=1)
    return ndimage.minimum_filter1d(padded, gap, axis=1)[:, gap:-gap]


def _joined(runs: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns level runs joined where one continues after another with hardly anything but ink in between: a line runs
    behind a digit there.
    """
    labels, _ = ndimage.label(runs, np.ones((3, 3)))
    ends = [
        (
            columns.start,
            columns.stop,
            *(_middle(labels[:, x] == place) for x in (columns.start, columns.stop - 1)),
        )
        for place, (_, columns) in enumerate(ndimage.find_objects(labels), start=1)
    ]
    tall, joined = ndimage.maximum_filter1d(mask, 3, axis=0), runs.copy()
    for _, left, _, start in ends:
        for right, _, stop, _ in ends:
            if left < right and abs(stop - start) <= 2 + 0.04 * (right - left):
                columns = np.arange(left, right)
                rows = np.linspace(start, stop, right - left).round().astype(int)
                if tall[rows, columns].mean() > 0.8:
                    joined[rows, columns] = 1
    return joined


def _middle(column: np.ndarray) -> float:
    return float(np.flatnonzero(column).mean())
