"""Digits drawn with a pen, in American and European handwriting: a pure function of (seed, index).

`WAYS` lists the ways of writing. Each has one or more strokes, which are smooth curves through control points. Each
point is drawn at random from a small range, and each digit gets a random slant, aspect ratio, pen and pressure. The
result goes through `frame`, like every other picture that is converted to MNIST's form.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from mnist_keras.data.readers.pictures import frame

CANVAS = 44  # pixels; the digit is 32 high, so that a thick pen and a slant stay inside
DIGIT_HEIGHT = 32.0  # pixels of the canvas
POINTS = 20  # drawn in each span of a curve; the longest span is about 20 pixels of the canvas
SEED_STREAM = 0x57  # keeps these draws apart from others of the same seed
# Pixels of the canvas: 1 to 4 of the 20 that a digit is high in MNIST's frame.
PEN_WIDTH = (1.6, 6.4)
# Pixels: a closed 0's. Whoever draws longer lines takes a finer pen, or they run together.
INK_LENGTH = 2.6 * DIGIT_HEIGHT
TURN = 0.14  # radians, at most
BEND = 0.05  # of the digit's height, at most; a stem that bends more is no 1


@dataclasses.dataclass(frozen=True)
class Way:
    """A way of writing a digit.

    Attributes:
        digit: The digit.
        name: What distinguishes this way from others of the same digit.
        group: The name under which `mnist_keras.models.ways` counts it.
        weight: Share of the digit's drawings that are written so.
        strokes: Text: strokes divided by `|`, control points by `,`; a point is `x y` or `x±dx y±dy` in hundredths
            of the digit's height, y down; `!` behind a point makes it a corner.
    """

    digit: int
    name: str
    group: str
    weight: float
    strokes: str


WAYS = (
    Way(0, "closed", "0", 6,
        "40±8 1±3, 12±5 18±6, 4±3 52±8, 18±5 92±4, 42±6 98±3, 66±4 65±8, 62±5 22±6, 42±7 2±4"),
    Way(0, "open", "0", 1.5,
        "40±5 1±4, 14±4 18±6, 4±3 54±8, 20±5 95±3, 46±5 96±4, 67±3 62±8, 60±4 15±5"),
    Way(0, "overlapping", "0", 1.5,
        "46±6 6±5, 16±4 12±6, 4±3 52±8, 20±5 94±3, 48±5 95±4, 67±3 60±8, 60±5 18±5, 34±7 9±7"),
    Way(0, "curled", "0", 1.5,
        "58±4 12±5, 26±6 4±4, 4±3 50±8, 24±5 97±3, 58±4 82±5, 66±4 40±8, 48±5 6±4, 32±4 14±5, "
        "46±6 26±6"),
    Way(0, "slashed", "0", 1.2,
        "40±6 0±3, 10±5 20±5, 6±3 55±8, 20±5 94±4, 42±5 98±3, 66±4 62±8, 60±5 20±5, "
        "38±5 1±4 | 72±8 4±8, 4±9 96±8"),
    Way(1, "bare", "1 bare", 4, "22±6 0±2, 21±5 50±4, 20±6 100±2"),
    Way(1, "curved", "1 bare", 1, "26±4 0±2, 19±4 45±8, 22±6 100±2"),
    Way(1, "short flag", "1 flagged", 3, "14±5 25±6, 38±3 0±2!, 37±4 50±4, 36±6 100±2"),
    Way(1, "long flag", "1 flagged", 4, "2±7 44±12, 24±5 22±7, 44±3 0±2!, 43±4 50±4, 42±6 100±2"),
    Way(1, "steep flag", "1 flagged", 2.5, "16±5 62±14, 30±4 30±8, 42±3 0±2!, 42±4 50±4, 41±5 100±2"),
    Way(1, "curved flag", "1 flagged", 1.5, "4±6 38±9, 26±5 30±6, 43±4 0±2!, 41±4 50±4, 40±5 100±2"),
    Way(1, "flag and foot", "1 with a foot", 2,
        "12±8 26±9, 36±3 0±2!, 36±3 100±2 | 10±6 100±2, 36±3 100±2, 62±6 99±3"),
    Way(1, "foot", "1 with a foot", 0.8, "34±4 0±2, 33±3 100±2 | 10±6 100±2, 36±3 100±2, 60±6 99±3"),
    Way(2, "plain", "2", 4,
        "6±5 24±8, 24±6 3±3, 52±5 8±5, 56±5 32±6, 32±6 66±6, 3±4 97±3!, 34±5 97±3, 66±6 96±4"),
    Way(2, "looped", "2", 3,
        "6±5 22±8, 26±6 2±3, 54±5 10±5, 50±5 42±6, 22±5 86±5, 6±4 96±3, 3±3 84±4, 16±4 80±4, "
        "36±5 94±4, 66±6 96±5"),
    Way(2, "wavy foot", "2", 2,
        "6±5 26±7, 26±6 2±3, 54±5 12±5, 46±5 46±6, 6±4 94±3!, 22±4 86±3, 46±4 100±3, 70±5 90±5"),
    Way(2, "hook", "2", 1, "14±5 30±5, 8±4 16±5, 30±6 1±3, 56±4 20±6, 30±5 70±6, 2±4 98±3!, 64±6 97±3"),
    Way(3, "round", "3", 4,
        "6±5 14±6, 30±6 0±3, 56±4 16±5, 44±5 40±4, 24±6 47±4!, 50±5 54±4, 62±4 76±5, 34±6 100±3, "
        "2±5 86±6"),
    Way(3, "flat top", "3", 2, "6±5 3±3, 60±5 1±3!, 28±6 38±5!, 54±5 50±4, 62±4 74±5, 34±6 100±3, 2±5 88±6"),
    Way(3, "looped", "3", 1.5,
        "8±5 12±6, 36±6 0±3, 54±4 20±5, 34±4 46±4, 18±4 50±4, 20±3 40±3, 34±4 44±4, 60±4 68±5, "
        "44±5 97±3, 4±6 90±6"),
    Way(3, "smooth", "3", 1.5, "8±6 16±6, 32±6 0±3, 52±4 20±6, 36±5 46±5, 60±4 72±6, 34±6 100±3, 4±5 84±6"),
    Way(4, "open", "4", 4,
        "12±5 2±5, 5±4 34±6, 6±4 56±5!, 34±5 58±4, 68±6 54±5 | 54±5 12±11, 50±4 56±5, 48±6 100±2"),
    Way(4, "closed", "4", 3,
        "50±4 0±2, 26±5 34±5, 3±4 66±4!, 36±4 68±3, 72±5 67±4 | 51±3 1±4, 50±3 50±4, 49±5 100±2"),
    Way(4, "one stroke", "4", 1.5, "50±5 100±2, 52±3 50±4, 52±4 0±2!, 3±4 62±5!, 36±4 64±3, 74±5 62±4"),
    Way(4, "short stem", "4", 1.5,
        "32±5 0±2, 18±4 34±5, 4±4 66±4!, 38±5 66±4, 72±6 62±5 | 52±5 40±6, 48±4 70±4, 44±6 100±2"),
    Way(4, "lightning", "4", 1,
        "30±5 0±2, 16±4 32±5, 4±4 62±4!, 34±4 60±4, 66±5 57±5 | 62±4 34±5, 54±4 66±4, 46±6 100±2"),
    Way(5, "two strokes", "5", 4,
        "18±4 4±4, 13±4 42±4!, 38±5 38±4, 62±4 66±6, 38±6 98±3, 2±5 88±6 | 17±5 4±5, 38±5 3±4, "
        "64±7 2±5"),
    Way(5, "one stroke", "5", 2, "62±6 2±4, 20±5 4±4!, 13±4 44±4!, 40±5 40±4, 62±4 68±6, 36±6 99±3, 2±5 88±6"),
    Way(5, "smooth", "5", 1.5, "62±6 4±5, 26±5 4±4, 14±4 32±5, 46±5 50±4, 58±4 76±6, 34±6 100±3, 2±5 90±6"),
    Way(5, "detached bar", "5", 1,
        "14±4 6±4, 12±4 46±4!, 38±5 42±4, 60±4 68±6, 36±6 99±3, 4±5 86±6 | 26±6 3±5, 72±6 -4±6"),
    Way(6, "round", "6", 4,
        "50±7 2±4, 22±5 26±6, 5±4 64±6, 22±5 97±3, 54±4 86±5, 52±5 60±5, 28±5 56±5, 8±5 76±7"),
    Way(6, "straight", "6", 2, "38±8 0±3, 18±5 34±5, 5±4 72±5, 26±5 99±3, 56±4 80±5, 42±5 56±5, 10±6 74±6"),
    Way(6, "curled", "6", 1.5,
        "60±6 12±6, 38±5 1±3, 10±5 36±6, 6±4 76±5, 32±5 99±3, 58±4 78±5, 40±5 55±5, 18±5 66±6, "
        "22±5 80±5"),
    Way(6, "closed high", "6", 1, "48±6 0±3, 12±5 40±6, 6±4 78±5, 30±5 99±3, 58±4 74±5, 34±5 44±5, 8±5 62±6"),
    Way(7, "plain", "7 plain", 4, "4±5 6±5, 34±5 4±4, 62±4 2±3!, 40±5 50±7, 28±8 100±2"),
    Way(7, "curved", "7 plain", 1.5, "4±5 10±5, 34±5 4±4, 62±4 4±3!, 36±5 44±6, 26±7 100±2"),
    Way(7, "crossed", "7 crossed", 4,
        "4±5 6±5, 34±5 4±4, 62±4 2±3!, 40±5 50±6, 28±7 100±2 | 14±7 52±6, 40±4 50±4, 62±7 48±6"),
    Way(7, "serif", "7 with a serif", 1.5, "5±4 22±6, 8±4 3±3!, 36±5 4±4, 62±4 2±3!, 38±5 52±7, 28±7 100±2"),
    Way(7, "serif and crossed", "7 crossed", 2,
        "4±4 22±6, 8±4 4±3!, 36±5 6±4, 64±4 2±3!, 40±5 50±6, 28±7 100±2 | 12±7 54±6, 60±7 49±6"),
    Way(7, "wavy top", "7 plain", 1.5, "3±5 18±5, 14±4 2±4, 38±5 9±4, 64±4 2±4!, 40±5 50±6, 30±7 100±2"),
    Way(7, "wavy top and crossed", "7 crossed", 1.5,
        "3±5 18±5, 14±4 2±4, 38±5 9±4, 64±4 2±4!, 40±5 50±6, 30±7 100±2 | 16±6 55±5, 62±6 48±6"),
    Way(8, "S first", "8", 3,
        "54±6 12±5, 30±6 0±3, 10±4 20±5, 32±5 46±4, 60±4 74±5, 34±6 100±3, 5±4 78±5, 30±5 48±4, "
        "54±5 22±5, 50±7 8±6"),
    Way(8, "two rings", "8", 2,
        "32±5 0±3, 10±4 22±5, 30±5 45±4, 54±4 22±5, 32±5 1±4 | 32±4 46±4, 4±4 74±5, 32±5 100±3, "
        "62±4 73±5, 33±5 46±5"),
    Way(8, "open top", "8", 1.5,
        "60±6 8±6, 30±6 2±3, 10±4 20±5, 34±5 48±4, 58±4 76±5, 32±6 100±3, 6±4 76±5, 34±5 46±4, "
        "58±5 26±6"),
    Way(8, "from the middle", "8", 1,
        "34±5 50±4, 10±4 26±5, 32±6 0±3, 56±4 20±5, 32±5 48±4, 4±4 76±5, 34±6 100±3, 62±4 72±5, "
        "36±5 50±5"),
    Way(9, "straight", "9 straight", 4,
        "54±5 12±5, 28±6 1±3, 6±4 26±5, 24±5 48±4, 48±4 34±5, 56±4 6±4!, 55±4 50±4, 53±6 100±2"),
    Way(9, "slanting", "9 straight", 2,
        "56±5 14±5, 30±6 0±3, 6±4 24±5, 22±5 46±4, 50±4 30±5, 58±4 14±4, 48±5 56±5, 32±7 100±2"),
    Way(9, "hooked", "9 hooked", 3,
        "56±5 14±5, 30±6 0±3, 6±4 24±5, 24±5 46±4, 50±4 34±5, 58±4 10±4!, 60±4 66±5, 42±5 97±3, "
        "6±6 90±6"),
    Way(9, "curved tail", "9 hooked", 3,
        "54±5 12±5, 28±6 0±3, 6±4 26±5, 28±5 47±4, 54±4 26±5, 62±4 40±5, 54±5 80±5, 30±5 99±3, "
        "4±6 92±6"),
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class _Curve:
    """A stroke's control points: centers and half ranges of shape `(n, 2)`, and which points are corners."""

    center: np.ndarray
    spread: np.ndarray
    corner: np.ndarray


@functools.cache
def _parse(strokes: str) -> list[_Curve]:
    curves = []
    for stroke in strokes.split("|"):
        points = [point.strip() for point in stroke.split(",")]
        numbers = [
            [float(n) for c in p.rstrip("!").split() for n in (c + "±0").split("±")[:2]]
            for p in points
        ]
        table = np.array(numbers) / 100
        corner = np.array([point.endswith("!") for point in points])
        corner[[0, -1]] = True  # a curve ends there
        curves.append(_Curve(table[:, ::2], table[:, 1::2], corner))
    return curves


_WEIGHTS = np.array([way.weight for way in WAYS])
_DIGITS = np.array([way.digit for way in WAYS])
_CUMULATED = np.cumsum(_WEIGHTS / np.bincount(_DIGITS, _WEIGHTS)[_DIGITS])

_T = np.arange(POINTS)[:, None, None] / POINTS
_HERMITE = (  # of the values at both ends of a span and the slopes there
    2 * _T**3 - 3 * _T**2 + 1,
    3 * _T**2 - 2 * _T**3,
    _T**3 - 2 * _T**2 + _T,
    _T**3 - _T**2,
)
_GRID = np.stack(np.meshgrid(np.arange(CANVAS), np.arange(CANVAS)), -1).reshape(-1, 2) + 0.5
_GRID_TERMS = np.column_stack([(_GRID**2).sum(1), _GRID, np.ones(len(_GRID))]).astype(np.float32)
# OpenBLAS spreads a product of more than 2^18 multiplications over all cores, which is slower here, and far slower
# beside a training. So each block has four rows of pixels.
_GRID_BLOCKS = _GRID_TERMS.reshape(CANVAS // 4, 4 * CANVAS, 4)


def make_strokes(seed: int, first: int, count: int) -> tuple[np.ndarray, list[Way]]:
    """Draws digits from the endless sequence of a seed.

    Args:
        seed: Integer from 0.
        first: Index of the first digit.
        count: Number of digits, at least 1.

    Returns:
        uint8 images of shape `(count, 28, 28)`, light ink on a dark background, and the way of each. A digit depends
        only on the seed and its index.
    """
    images, ways = [], []
    for index in range(first, first + count):
        random = np.random.default_rng((SEED_STREAM, seed, index))
        ways.append(draw_way(random))
        images.append(frame(draw_ink(ways[-1], random)))
    return np.stack(images), ways


class StrokesBeside:
    """A source for `Records`: digits that are drawn when they are read, and the images of a split after them.

    Args:
        split: uint8 images of shape `(n, 28, 28)` and the digits that they show.
        count: Number of drawn digits.
        seed: Integer from 0; the digits are those of `make_strokes`.
    """

    def __init__(self, split: Any, count: int, seed: int):
        self._split, self._count, self._seed = split, count, seed

    def __len__(self) -> int:
        return self._count + len(self._split)

    def __getitems__(self, rows: Sequence[int]) -> list[tuple[np.ndarray, int]]:
        others = zip(
            *self._split.read([r - self._count for r in rows if r >= self._count]), strict=True
        )
        return [self._draw(row) if row < self._count else next(others) for row in rows]

    def _draw(self, index: int) -> tuple[np.ndarray, int]:
        images, ways = make_strokes(self._seed, index, 1)
        return images[0], ways[0].digit


def draw_way(random: np.random.Generator) -> Way:
    """Returns one of `WAYS`: each digit is equally frequent, and each of its ways by its weight."""
    return WAYS[np.searchsorted(_CUMULATED, random.random() * _CUMULATED[-1], side="right")]


def draw_ink(way: Way, random: np.random.Generator) -> np.ndarray:
    """Returns a digit's ink before it is framed, uint8 of shape `(CANVAS, CANVAS)`, light on dark."""
    freedom = random.uniform(0.3, 1.0)
    curves = [_run(curve, freedom, random) for curve in _parse(way.strokes)]
    return _ink(_place(curves, random), random)


def draw_scribble(random: np.random.Generator) -> np.ndarray:
    """Returns the ink of a few curves through random points, which is not a digit."""
    curves = []
    for _ in range(random.integers(1, 4)):
        count = random.integers(6, 10)
        corner = random.random(count) < 0.3
        corner[[0, -1]] = True
        curves.append(_Curve(random.random((count, 2)), np.zeros((count, 2)), corner))
    return _ink(_place([_run(curve, 0.0, random) for curve in curves], random), random)


def _run(curve: _Curve, freedom: float, random: np.random.Generator) -> np.ndarray:
    """Returns points along a curve whose control points are drawn from their ranges, of shape `(n, 2)`."""
    points = curve.center + freedom * curve.spread * random.uniform(-1, 1, curve.center.shape)
    step = np.diff(points, axis=0)
    smooth = (step[1:] + step[:-1]) / 2
    # A corner has the slope of the span that it begins or ends.
    leaving = step.copy()
    arriving = step.copy()
    leaving[1:] = np.where(curve.corner[1:-1, None], step[1:], smooth)
    arriving[:-1] = np.where(curve.corner[1:-1, None], step[:-1], smooth)
    h = _HERMITE
    spans = h[0] * points[:-1] + h[1] * points[1:] + h[2] * leaving + h[3] * arriving
    return np.concatenate([spans.transpose(1, 0, 2).reshape(-1, 2), points[-1:]])


def _place(strokes: list[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """Gives the strokes of a digit one slant, turn, aspect and tremor, in pixels of the canvas."""
    turn = np.clip(random.normal(0, 0.07), -TURN, TURN)
    slant = np.clip(random.normal(0.1, 0.18), -0.22, 0.55)
    wide = np.exp(random.normal(0, 0.16))
    cosine, sine = np.cos(turn), np.sin(turn)
    matrix = np.array([[cosine, sine], [-sine, cosine]]) @ np.array([[wide, -slant], [0, 1]])
    bend = np.clip(random.normal(0, 0.025, (2, 2)), -BEND, BEND)
    phase = random.uniform(0, 2 * np.pi, (2, 2))
    placed = []
    for points in strokes:
        waves = np.sin(points @ np.array([[5, 9], [7, 4]]) + phase[0]) @ bend
        placed.append((points - (0.33, 0.5) + waves) @ matrix.T)
    everything = np.concatenate(placed)
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = DIGIT_HEIGHT / max(high - low)
    return [(points - (low + high) / 2) * scale + CANVAS / 2 for points in placed]


def _ink(strokes: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Draws strokes with a pen whose width follows the pressure; uint8 of shape `(CANVAS, CANVAS)`."""
    length = sum(np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes)
    widest = PEN_WIDTH[1] * min(1, INK_LENGTH / length)
    width = np.clip(3.3 * np.exp(random.normal(0, 0.38)), PEN_WIDTH[0], widest)
    pressure, taper = random.uniform(0, 0.3), random.uniform(0, 0.5)
    parts, radii = [], []
    for stroke in strokes:
        along = np.linspace(0, 1, len(stroke))
        varied = 1 + pressure * np.sin(
            2 * np.pi * (random.uniform(0.5, 1.5) * along + random.random())
        )
        varied *= 1 - taper * np.clip(1 - 6 * (1 - along), 0, 1)  # the pen is lifted
        kept = np.ones(len(stroke), bool)
        if random.random() < 0.05:  # the pen skips
            start = random.integers(len(stroke))
            kept[start : start + random.integers(2, 5)] = False
        parts.append(stroke[kept])
        radii.append(varied[kept])
    centers = np.concatenate(parts)
    radius = np.maximum(np.concatenate(radii) * (width / 2), 0.5)
    # Signed distance from a disk, (|p - c|^2 - r^2) / 2r near its rim: matrix products of pixels and disks.
    terms = np.stack([1 / (2 * radius), -centers[:, 0] / radius, -centers[:, 1] / radius,
                      ((centers**2).sum(1) - radius**2) / (2 * radius)]).astype(np.float32)  # fmt: skip
    distance = (_GRID_BLOCKS @ terms).min(axis=-1)
    full = random.uniform(0.75, 1.0) * 255
    return (np.clip(0.5 - distance, 0, 1) * full).astype(np.uint8).reshape(CANVAS, CANVAS)
