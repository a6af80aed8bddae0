"""The summary of a dataset: counts, ranges, polarity, empty and repeated images, images that are in two splits."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mnist_keras._arrays import looks_inverted
from mnist_keras.data.splits import Split

AT_ONCE = 2048  # images that are read at a time
CELLS = 7  # along each side; the near hash marks each of the 49 cells with more than half of the darkest one's ink
NEAR = 0.1  # near-duplicates differ by at most this share of an image's ink
SHOWN = 5  # rows that a line of the report names


@dataclass(frozen=True)
class SplitSummary:
    """The summary of one split.

    Attributes:
        images: Number of images.
        counts: Number of images in each class; None without labels.
        height: Height of the images in pixels.
        width: Width of the images in pixels.
        minimum: Lowest pixel value.
        maximum: Highest pixel value.
        mean: Mean pixel value.
        looks_inverted: Whether most images are brighter at the border than inside.
        empty: Rows of images whose pixels are all the same.
        repeated: Rows of images that equal an earlier image in the split.
        contradicted: Rows of repeated images with a different label than the earlier image.
    """

    images: int
    counts: tuple[int, ...] | None
    height: int
    width: int
    minimum: float
    maximum: float
    mean: float
    looks_inverted: bool
    empty: tuple[int, ...]
    repeated: tuple[int, ...]
    contradicted: tuple[int, ...]


@dataclass(frozen=True)
class DataSummary:
    """The summary of a dataset; print it to see a report.

    Attributes:
        headline: The first line of the report.
        name: The dataset's name, or its path.
        source: The reader that was used.
        files: The files that were read.
        left_out: The files that were skipped.
        class_names: The name of each class.
        splits: The summary of each split that has images: "train", "validation", "test".
        shared: Pairs of rows: a test image and a training image that are equal.
        nearly_shared: Pairs of rows: a test image and a training image whose difference has at most a tenth of its ink.
            A cheap hash finds the candidates, so some pairs may be missing.
        notices: Sentences about the labels.
    """

    headline: str
    name: str
    source: str
    files: tuple[str, ...]
    left_out: tuple[str, ...]
    class_names: tuple[str, ...]
    splits: Mapping[str, SplitSummary]
    shared: tuple[tuple[int, int], ...]
    nearly_shared: tuple[tuple[int, int], ...]
    notices: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns the content as plain types, for JSON."""
        return asdict(self)

    def report(self) -> str:
        """Returns the report, one line for each finding."""
        lines = [self.headline]
        lines += [f"read: {_some(self.files)}"] if self.files else []
        lines += [f"skipped: {_some(self.left_out)}"] if self.left_out else []
        for part, split in self.splits.items():
            lines += _lines(part, split, self.class_names)
        if {"train", "test"} <= set(self.splits):
            lines.append(_pairs("in both training and test", self.shared))
            lines.append(_pairs("nearly the same in training and test", self.nearly_shared))
        return "\n".join([*lines, *self.notices])

    __str__ = report


def summarize(
    splits: Mapping[str, Split], *, headline: str, name: str, source: str, files: Any, left_out: Any
) -> DataSummary:
    """Examines all images of a dataset; see `ImageData.summary`."""
    looks = {part: _look(split) for part, split in splits.items() if len(split)}
    shared: tuple[tuple[int, int], ...] = ()
    near: tuple[tuple[int, int], ...] = ()
    if {"train", "test"} <= set(looks):
        train, test = looks["train"], looks["test"]
        first = {digest: row for row, digest in reversed(list(enumerate(train.digests)))}
        shared = tuple((row, first[x]) for row, x in enumerate(test.digests) if x in first)
        near = _near_pairs(splits["train"], splits["test"], train, test, {row for row, _ in shared})
    return DataSummary(
        headline,
        name,
        source,
        tuple(files),
        tuple(left_out),
        splits["train"].class_names,
        {part: look.summary for part, look in looks.items()},
        shared,
        near,
        tuple(label_notices(splits)),
    )


def label_notices(splits: Mapping[str, Split]) -> list[str]:
    """Returns a sentence for each problem with the labels that would hurt training."""
    train, test = splits["train"], splits.get("test")
    if not (len(train) and train.in_memory and train.is_labeled):
        return []
    names = train.class_names
    counts = np.bincount(train.labels, minlength=len(names))
    tested = np.zeros(len(names), int)
    if test is not None and len(test) and test.in_memory and test.is_labeled:
        tested = np.bincount(test.labels, minlength=len(names))
    missing, single = np.flatnonzero(counts == 0), np.flatnonzero(counts == 1)
    only_test = [label for label in missing if tested[label]]
    gaps = [int(label) for label in missing if not tested[label]]
    lines = []
    if np.count_nonzero(counts) == 1:
        lines.append(
            f"All training images are of the class {names[counts.argmax()]}: there is nothing to learn."
        )
    if gaps:
        lines.append(
            f"No image has the label {_some(gaps)}, so a model for these labels has {len(names)} classes, {len(gaps)} "
            "of them without examples. np.unique(labels, return_inverse=True)[1] closes the gap."
        )
    if only_test:
        lines.append(
            f"Test images have the class {_some([names[x] for x in only_test])}, but no training image does."
        )
    if len(single):
        lines.append(
            f"There is only one training image of the class {_some([names[x] for x in single])}."
        )
    return lines


class _Look:
    """The results of one pass through a split."""

    def __init__(
        self, summary: SplitSummary, digests: list[bytes], cells: np.ndarray, halves: np.ndarray
    ):
        self.summary, self.digests, self.cells, self.halves = summary, digests, cells, halves


def _look(split: Split) -> _Look:
    n, height, width = split.shape
    counts = np.zeros(split.num_classes, np.int64)
    digests: list[bytes] = []
    cells: list[np.ndarray] = []
    halves: list[np.ndarray] = []
    empty: list[int] = []
    repeated, contradicted = [], []
    first: dict[bytes, tuple[int, int]] = {}
    low, high, total = np.inf, -np.inf, 0.0
    inverted: list[bool] = []
    for start in range(0, n, AT_ONCE):
        images, labels = split.read(range(start, min(start + AT_ONCE, n)))
        flat = images.reshape(len(images), -1)
        lowest, highest = flat.min(axis=1), flat.max(axis=1)
        low, high = min(low, float(lowest.min())), max(high, float(highest.max()))
        total += float(flat.sum(dtype=np.float64))
        empty += (start + np.flatnonzero(lowest == highest)).tolist()
        inverted.append(looks_inverted(images))
        cells.append(_cells(images))
        halves.append(_halves(images))
        if split.is_labeled:
            counts += np.bincount(labels, minlength=len(counts))
        for row, image in enumerate(flat, start=start):
            digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
            digests.append(digest)
            label = int(labels[row - start]) if split.is_labeled else 0
            _, known = first.setdefault(digest, (row, label))
            if first[digest][0] != row:
                repeated.append(row)
                contradicted += [row] if known != label else []
    return _Look(
        SplitSummary(
            n,
            tuple(counts.tolist()) if split.is_labeled else None,
            height,
            width,
            low,
            high,
            total / (n * height * width),
            sum(inverted) > len(inverted) / 2,
            tuple(empty),
            tuple(repeated),
            tuple(contradicted),
        ),
        digests,
        np.concatenate(cells),
        np.concatenate(halves),
    )


def _cells(images: np.ndarray) -> np.ndarray:
    """Returns a number of 49 bits for each image: which cells of a 7x7 grid have much ink."""
    n, height, width = images.shape
    rows = np.linspace(0, height, CELLS + 1).astype(int)[:-1]
    columns = np.linspace(0, width, CELLS + 1).astype(int)[:-1]
    sums = np.add.reduceat(images, rows, axis=1, dtype=np.float32)
    sums = np.add.reduceat(sums, columns, axis=2).reshape(n, -1)
    bits = sums > sums.max(axis=1, keepdims=True) / 2
    return bits @ (1 << np.arange(bits.shape[1], dtype=np.int64))


def _halves(images: np.ndarray) -> np.ndarray:
    """Returns the ink of the upper, lower, left and right half of each image, of shape `(n, 4)`."""
    rows = images.sum(axis=2, dtype=np.float32)
    columns = images.sum(axis=1, dtype=np.float32)
    parts = [
        half.sum(axis=1) for lines in (rows, columns) for half in np.array_split(lines, 2, axis=1)
    ]
    return np.stack(parts, axis=1)


def _near_pairs(
    train: Split, test: Split, in_train: _Look, in_test: _Look, known: set[int]
) -> tuple[tuple[int, int], ...]:
    """Returns pairs of a test and a training image that are nearly the same, for test images not in `known`."""
    order = np.argsort(in_train.cells, kind="stable")
    values = in_train.cells[order]
    starts = np.searchsorted(values, in_test.cells, "left")
    ends = np.searchsorted(values, in_test.cells, "right")
    skipped = set(in_test.summary.empty) | known
    pairs = []
    for row in np.flatnonzero(ends > starts):
        if row in skipped:
            continue
        candidates = np.sort(order[starts[row] : ends[row]])
        half = in_test.halves[row]
        ink = half[:2].sum()
        # The difference of two images is at least that of their halves.
        apart = np.abs(in_train.halves[candidates] - half).reshape(-1, 2, 2).sum(axis=2).max(axis=1)
        candidates = candidates[apart <= NEAR * ink]
        if not len(candidates):
            continue
        image = test.read([int(row)])[0].astype(np.float32)
        differences = np.abs(train.read(candidates)[0] - image).sum(axis=(1, 2)) / ink
        if differences.min() <= NEAR:
            pairs.append((int(row), int(candidates[differences.argmin()])))
    return tuple(pairs)


def _lines(part: str, split: SplitSummary, names: tuple[str, ...]) -> list[str]:
    title = {"train": "training", "validation": "validation", "test": "test"}[part]
    counts = "without labels"
    if split.counts is not None:
        shown = [f"{name} {count:,}" for name, count in zip(names, split.counts, strict=True)]
        counts = ", ".join(
            shown if len(shown) <= 20 else [*shown[:19], f"... ({len(shown)} classes)"]
        )
    polarity = "light ink on a dark background"
    if split.looks_inverted:
        polarity = "dark ink on a light background: looks inverted; pass 255 - images"
    mean = f"{split.mean:.1f}" if split.maximum > 1 else f"{split.mean:.3f}"
    lines = [
        f"{title}: {split.images:,} images ({counts})",
        f"{title}: pixels from {split.minimum:g} to {split.maximum:g}, mean {mean}; {polarity}",
    ]
    for what, rows in (
        ("empty", split.empty),
        ("equal to an earlier image", split.repeated),
        ("equal to an earlier image with another label", split.contradicted),
    ):
        lines += [f"{title}: {len(rows):,} {what}: rows {_some(rows)}"] if rows else []
    return lines


def _pairs(what: str, pairs: tuple[tuple[int, int], ...]) -> str:
    if not pairs:
        return f"{what}: no image"
    shown = _some([f"{test} ({train})" for test, train in pairs])
    noun = "image" if len(pairs) == 1 else "images"
    return f"{what}: {len(pairs):,} {noun}; test row (training row): {shown}"


def _some(items: Any) -> str:
    shown = [str(item) for item in items[:SHOWN]]
    return ", ".join([*shown, "..."] if len(items) > SHOWN else shown)
