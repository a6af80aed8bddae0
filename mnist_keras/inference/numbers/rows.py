"""Finds the rows of digits on a page, levels each row, and scales it to one height."""

from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_keras.inference.ink import INK, find_strokes
from mnist_keras.inference.lines import remove_lines
from mnist_keras.inference.polarity import DOUBT, look_at, to_gray
from mnist_keras.inference.preprocessing import COARSE_SIDE, crop_page, shrink

PAGE_SIDE = 1600  # pixels; longer side of a page, in which digits should be at least 16 pixels high
MIN_SIDE = 48  # pixels of the shorter side; smaller pictures are enlarged to keep edges smooth
DIGIT_HEIGHT = 60  # pixels; usual height of a digit after scaling, three times MNIST's
DUST = 0.06  # of a digit's height; components smaller than a square of this side are dust
TALL = 0.5  # of the usual height; lower components are not digits on their own
GIANT = 3.0  # of the usual height; higher components are frames or edges of shadows
# Shares of a component's height plus width that lie on the border; set on drawn shadows and tight crops.
RIM = 0.35  # above it, a large component is the rim of a shadow
CORNER = 0.75  # above it, a low component is one too
FRAME = 1.2  # above it, a component is a frame, not one digit in a tight crop
MIN_HEIGHT = 8  # pixels; if the usual height is lower, the page has no digits
MAX_BLOTS = 1000  # components of a page that are kept, the largest ones; limits the time on noise
GAP = 2.5  # usual heights; digits farther apart are separate numbers
BESIDE = 1.5  # usual heights; digits within this distance show where a row's top and bottom are
INSIDE = 0.8  # of the height of half a digit; between that top and bottom
# Below, a row's length and height are the standard deviations of its ink along the row and across it.
LONG = 2.4  # length over height; shorter rows, of three digits or fewer, are not leveled
LEVEL = 0.4  # rise over the length, in heights; less is within the unevenness of level digits
STEEP = 0.36  # slope of the steepest row that is leveled; 20 degrees


class Row(NamedTuple):
    """The ink of one row of digits.

    Attributes:
        ink: float32 array of shape `(height, width)` in [0, 1], leveled and scaled: digits are usually `DIGIT_HEIGHT`
            pixels high.
        left: Column in the picture at which the row begins.
        top: Line in the picture at which the row begins.
        scale: Pixels of the picture per pixel of `ink`.
        angle: Angle in radians by which the row falls to the right in the picture.
    """

    ink: np.ndarray
    left: float
    top: float
    scale: float
    angle: float = 0.0

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """Returns the position in the picture of a point in `ink`."""
        cosine, sine = self.scale * np.cos(self.angle), self.scale * np.sin(self.angle)
        return self.left + cosine * x - sine * y, self.top + sine * x + cosine * y


class Blot(NamedTuple):
    """A connected component of ink: its label, its edges in pixels, and its amount of ink."""

    label: int
    top: int
    bottom: int
    left: int
    right: int
    area: float

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def find_rows(picture: np.ndarray) -> list[list[Row]]:
    """Returns the rows of a picture, from top to bottom and from left to right.

    Args:
        picture: uint8 array of shape `(height, width, 3)`.

    Returns:
        The rows for the likelier polarity (dark or light ink). If the polarity is in doubt, a second list has the rows
        for the other one.
    """
    shrunk = shrink(picture, PAGE_SIDE)
    reduced = enlarge(shrunk)
    is_coarse = reduced is not shrunk or max(reduced.shape) < COARSE_SIDE
    scale = max(picture.shape[:2]) / max(reduced.shape[:2])
    page = crop_page(reduced)
    look = look_at(page.small)
    polarities = (look.balance >= 0, look.balance < 0)[: 1 + (abs(look.balance) < DOUBT)]
    gray = to_gray(page.picture, look.weights)
    return [
        [
            row._replace(
                left=scale * (row.left + page.left),
                top=scale * (row.top + page.top),
                scale=scale * row.scale,
            )
            for row in cut_rows(find_strokes(gray, is_light, is_coarse=is_coarse, clean=clean))
        ]
        for is_light in polarities
    ]


def enlarge(picture: np.ndarray) -> np.ndarray:
    """Returns a small picture enlarged, with smooth edges."""
    height, width = picture.shape[:2]
    factor = min(-(-MIN_SIDE // min(height, width)), PAGE_SIDE // max(height, width))
    if factor <= 1:
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((width * factor, height * factor), Image.Resampling.BICUBIC))


def clean(ink: np.ndarray) -> np.ndarray:
    """Returns ink without the lines of ruled paper; they are searched for in parts about twice as wide as high."""
    count = max(1, round(ink.shape[1] / ink.shape[0] / 2))
    return np.hstack([remove_lines(part) for part in np.array_split(ink, count, axis=1)])


def cut_rows(ink: np.ndarray) -> list[Row]:
    """Returns the rows of a page of ink, in reading order."""
    labels, blots = find_blots(ink)
    if not blots:
        return []
    height = usual_height(blots)
    if height < MIN_HEIGHT:
        return []
    blots = [
        blot for blot in blots if blot.height < GIANT * height and blot.area > (DUST * height) ** 2
    ]
    largest = sorted(blots, key=lambda blot: -blot.area)[:MAX_BLOTS]
    groups = group(largest, height)
    return [cut_row(ink, labels, blots_of_row) for blots_of_row in in_reading_order(groups)]


def find_blots(ink: np.ndarray) -> tuple[np.ndarray, list[Blot]]:
    """Returns the label of each pixel's component, and the components without rims of shadows."""
    labels, count = ndimage.label(ink > INK, np.ones((3, 3)))
    areas = ndimage.sum_labels(ink, labels, np.arange(1, count + 1))
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    touch = np.bincount(border, minlength=count + 1)[1:]
    height, width = ink.shape
    blots, alone = [], []
    for place, (rows, columns) in enumerate(ndimage.find_objects(labels)):
        edge = (rows.start, rows.stop, columns.start, columns.stop)
        blot = Blot(place + 1, *edge, float(areas[place]))
        edges = (
            (rows.start == 0)
            + (columns.start == 0)
            + (rows.stop == height)
            + (columns.stop == width)
        )
        wide = blot.right - blot.left
        share = touch[place] / (blot.height + wide)
        large = wide > 0.5 * width and blot.height > 0.5 * height
        is_rim = (large and share > RIM) or (blot.height < 0.5 * height and share > CORNER)
        if edges < 2 or not is_rim:
            blots.append(blot)
        elif edges == 4 and share < FRAME:
            alone.append(blot)
    # One digit in a tight crop: nothing else is as high as a digit.
    is_alone = all(blot.height < MIN_HEIGHT for blot in blots)
    return labels, blots + alone if is_alone else blots


def usual_height(blots: list[Blot]) -> float:
    """Returns the usual height of digits: half of the ink is in components up to this height, so dust hardly counts."""
    heights = np.array([blot.height for blot in blots], float)
    order = np.argsort(heights)
    areas = np.cumsum(np.array([blot.area for blot in blots])[order])
    return float(heights[order][np.searchsorted(areas, areas[-1] / 2)])


def group(blots: list[Blot], height: float) -> list[list[Blot]]:
    """Returns the components of each row; low components join the nearest row."""
    rows: list[list[Blot]] = []
    for blot in sorted(blots, key=lambda x: x.left):
        if blot.height < TALL * height:
            continue
        reach = {
            place: _overlap(blot, row[-1])
            for place, row in enumerate(rows)
            if blot.left - max(x.right for x in row) < GAP * height
        }
        best = max(reach, key=lambda place: reach[place], default=None)
        if best is None or reach[best] < 0.4:
            rows.append([blot])
        else:
            rows[best].append(blot)
    rows = _join_halves(rows, height)
    for blot in blots:
        if blot.height < TALL * height:
            near = min(rows, key=lambda row: _distance(blot, row), default=None)
            if near and _distance(blot, near) < 0.7 * height:
                near.append(blot)
    return rows


def _join_halves(rows: list[list[Blot]], height: float) -> list[list[Blot]]:
    """Returns the rows; a row of one component joins a row beside it if the next digits there span the same height.

    Such a component is half of a digit whose strokes are broken.
    """
    joined = [row for row in rows if len(row) > 1]
    for row in rows:
        if len(row) > 1:
            continue
        (half,) = row
        for other in joined:
            beside = [x for x in other if _gap(x, half) < BESIDE * height]
            top = min((x.top for x in beside), default=half.bottom)
            bottom = max((x.bottom for x in beside), default=half.top)
            inside = min(bottom, half.bottom) - max(top, half.top)
            if inside >= INSIDE * half.height:
                other.append(half)
                break
        else:
            joined.append(row)
    return joined


def _gap(blot: Blot, other: Blot) -> int:
    """Returns how far apart two components are horizontally, in pixels."""
    return max(blot.left - other.right, other.left - blot.right, 0)


def _overlap(blot: Blot, other: Blot) -> float:
    """Returns how much two components overlap vertically, as a share of the lower component's height."""
    common = min(blot.bottom, other.bottom) - max(blot.top, other.top)
    return common / min(blot.height, other.height)


def _distance(blot: Blot, row: list[Blot]) -> float:
    """Returns the distance in pixels from a low component to a row; vertical distance counts double."""
    return min(_gap(blot, x) + 2 * max(x.top - blot.middle, blot.middle - x.bottom, 0) for x in row)


def in_reading_order(rows: list[list[Blot]]) -> list[list[Blot]]:
    """Returns rows from top to bottom; rows side by side from left to right."""
    ordered: list[list[Blot]] = []
    remaining = sorted(rows, key=lambda row: min(x.top for x in row))
    while remaining:
        first = remaining[0]
        level = np.median([x.middle for x in first])
        beside = [
            row
            for row in remaining
            if row is first or min(x.top for x in row) < level < max(x.bottom for x in row)
        ]
        ordered += sorted(beside, key=lambda row: min(x.left for x in row))
        remaining = [row for row in remaining if all(row is not other for other in beside)]
    return ordered


def cut_row(ink: np.ndarray, labels: np.ndarray, blots: list[Blot]) -> Row:
    """Returns the ink of a row, leveled and scaled."""
    top, left = (max(0, min(getattr(x, side) for x in blots) - 2) for side in ("top", "left"))
    bottom, right = (max(getattr(x, side) for x in blots) + 2 for side in ("bottom", "right"))
    part, numbers = ink[top:bottom, left:right], labels[top:bottom, left:right]
    own = np.isin(numbers, [x.label for x in blots])
    own = ndimage.binary_dilation(own, np.ones((3, 3)), iterations=2) & ((numbers == 0) | own)
    row = Row(np.where(own, part, 0), left, top, 1.0)
    if angle := find_angle(row.ink):
        row = turn(row, angle)
        blots = find_blots(row.ink)[1] or blots
    scale = usual_height(blots) / DIGIT_HEIGHT
    size = [max(1, round(side / scale)) for side in row.ink.shape[::-1]]
    smooth = Image.Resampling.BOX if scale > 1 else Image.Resampling.BICUBIC
    values = np.asarray(Image.fromarray(row.ink).resize(size, smooth))
    return row._replace(ink=np.clip(values, 0, 1), scale=scale)


def find_angle(ink: np.ndarray) -> float:
    """Returns the angle in radians by which a row falls to the right; 0 if it is small or can't be measured."""
    y, x = np.nonzero(ink > INK)
    if len(x) < 2 or not np.ptp(x):
        return 0.0
    slope = np.polyfit(x, y, 1)[0]
    length, spread = x.std(), (y - slope * x).std()
    if length < LONG * spread or abs(slope) * length < LEVEL * spread or abs(slope) > STEEP:
        return 0.0
    return float(np.arctan(slope))


def turn(row: Row, angle: float) -> Row:
    """Returns the row, leveled, when it falls by `angle`."""
    cosine, sine = np.cos(angle), np.sin(angle)
    y, x = np.nonzero(row.ink > 0)
    along, down = cosine * x + sine * y, cosine * y - sine * x
    first, above = along.min() - 1, down.min() - 1
    shape = tuple(int(np.ptp(axis)) + 3 for axis in (down, along))
    begin = np.array([sine * first + cosine * above, cosine * first - sine * above])
    matrix = np.array([[cosine, sine], [-sine, cosine]])
    ink = ndimage.affine_transform(row.ink, matrix, begin, shape, order=1)
    return Row(ink, row.left + begin[1], row.top + begin[0], row.scale, angle)
