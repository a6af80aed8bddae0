"""Training images for the world outside MNIST, each a pure function of (seed, index).

Ink of four kinds (MNIST's digits, digits drawn by strokes, glyphs of fonts, and what is no digit) is worn as photos and
small scans wear it, and framed. A label is an index in `HIDDEN_CLASSES`, or -1 - d for a digit d whose way of
writing isn't known.
"""

import numpy as np
from PIL import Image
from rendered_fonts import DIGITS, LETTERS, read_faces, render
from scipy import ndimage

from mnist_keras.data.augmentation.strokes import draw_ink, draw_scribble, draw_way
from mnist_keras.data.readers.pictures import frame
from mnist_keras.models.ways import HIDDEN_CLASSES, NOT_A_DIGIT

CANVAS = 80  # pixels; ink is about 56 high
INK = 56
HOLLOW = 4.0  # pixels from the rim to the middle of a stroke that is drawn hollow, at least
REJECTS = ("letter", "pair", "fragment", "scribble", "noise", "blank", "inverse")
REJECT_SHARES = (0.40, 0.15, 0.12, 0.15, 0.08, 0.03, 0.07)


class RealWorldData:
    """Draws images of one part.

    Args:
        seed: Integer.
        digits: MNIST's images and labels to draw from.
        held_out: Whether glyphs are those of the fonts kept for testing.
    """

    def __init__(self, seed, digits, *, held_out=False):
        self.seed, self.digits = seed, digits
        self.families = sorted(read_faces(held_out).values())

    def make(self, kind: str, count: int, *, worn: float = 0.6, first: int = 0):
        """Returns images of one kind and their labels; a share of them is worn."""
        stream = sum(kind.encode()) * 1000 + len(kind)
        images, labels = np.zeros((count, 28, 28), np.uint8), np.zeros(count, np.int64)
        for i in range(count):
            for attempt in range(20):
                random = np.random.default_rng((self.seed, stream, first + i, attempt))
                ink, label = getattr(self, f"_{kind}")(random)
                framed = ink if ink.shape == (28, 28) and kind == "noise" else None
                if framed is None:
                    ink = to_canvas(ink)
                    framed = frame(wear(ink, random) if random.random() < worn else ink)
                if framed.max() > 60 or label == NOT_A_DIGIT:
                    break
            images[i], labels[i] = framed, label
        return images, labels

    def _mnist(self, random):
        images, labels = self.digits
        i = random.integers(len(images))
        return enlarge(images[i]), -1 - int(labels[i])

    def _strokes(self, random):
        way = draw_way(random)
        return draw_ink(way, random), HIDDEN_CLASSES.index(way.group)

    def _glyph(self, random, characters):
        while True:
            paths = self.families[random.integers(len(self.families))]
            character = characters[random.integers(len(characters))]
            glyph = render(paths[random.integers(len(paths))], character)
            if glyph is not None:
                return glyph, character

    def _fonts(self, random):
        glyph, character = self._glyph(random, DIGITS)
        return glyph, -1 - int(character)

    def _digit(self, random):
        draw = (self._mnist, self._strokes, self._fonts)[random.choice(3, p=(0.5, 0.25, 0.25))]
        return draw(random)[0]

    def _reject(self, random):
        return getattr(self, f"_{REJECTS[random.choice(len(REJECTS), p=REJECT_SHARES)]}")(random)

    def _letter(self, random):
        return self._glyph(random, LETTERS)[0], NOT_A_DIGIT

    def _pair(self, random):
        left, right = (crop(to_canvas(self._digit(random))) for _ in range(2))
        gap = int(random.integers(-4, 16))
        height, width = max(len(left), len(right)), left.shape[1] + right.shape[1] + gap
        ink = np.zeros((height, max(width, right.shape[1], left.shape[1])), np.uint8)
        shift = [(height - len(x)) // 2 for x in (left, right)]
        ink[shift[0] : shift[0] + len(left), : left.shape[1]] = left
        place = ink[shift[1] : shift[1] + len(right), -right.shape[1] :]
        np.maximum(place, right, out=place)
        return ink, NOT_A_DIGIT

    def _fragment(self, random):
        # Parts of these digits are no other digits, as half an 8 is a 0 and half a 4 a 1.
        digit = int(random.choice((2, 3, 5, 7, 4)))
        images, labels = self.digits
        rows = self._rows_of(digit, labels)
        ink = enlarge(images[rows[random.integers(len(rows))]])
        y, x = np.mgrid[-1 : 1 : len(ink) * 1j, -1 : 1 : ink.shape[1] * 1j]
        lower = {2: (-0.6, 0.6), 3: (2.6, 3.7), 5: (2.6, 3.7), 7: (0.9, 2.2), 4: (-0.3, 1.2)}[digit]
        angle = random.uniform(*lower)
        return np.where(
            x * np.cos(angle) + y * np.sin(angle) > random.uniform(-0.1, 0.15), ink, 0
        ), NOT_A_DIGIT

    def _rows_of(self, digit, labels):
        if not hasattr(self, "_rows"):
            self._rows = [np.flatnonzero(labels == d) for d in range(10)]
        return self._rows[digit]

    def _scribble(self, random):
        return draw_scribble(random), NOT_A_DIGIT

    def _noise(self, random):
        kind = random.integers(4)
        if kind == 0:
            image = random.random((28, 28)) * random.uniform(40, 255)
        elif kind == 1:
            image = ndimage.gaussian_filter(random.random((28, 28)), random.uniform(0.7, 3))
            image = (image - image.min()) / np.ptp(image) * 255
        elif kind == 2:
            image = (random.random((28, 28)) < random.uniform(0.01, 0.3)) * 255.0
        else:
            image = ndimage.gaussian_filter(random.random((28, 28)), random.uniform(1, 3))
            image = np.clip((image - np.quantile(image, random.uniform(0.5, 0.9))) * 5000, 0, 255)
        return image.astype(np.uint8), NOT_A_DIGIT

    def _blank(self, random):
        image = np.zeros((28, 28), np.uint8)
        for _ in range(random.integers(0, 4)):
            y, x = random.integers(2, 25, 2)
            image[y : y + random.integers(1, 4), x : x + random.integers(1, 4)] = random.integers(
                60, 255
            )
        return enlarge(image) if image.any() else np.zeros((60, 60), np.uint8), NOT_A_DIGIT

    def _inverse(self, random):
        ink = crop(to_canvas(self._digit(random)))
        margin = int(random.integers(0, 12))
        return 255 - np.pad(ink, margin), NOT_A_DIGIT


def enlarge(image: np.ndarray) -> np.ndarray:
    """Returns an MNIST image with its digit as high as the canvas's ink."""
    return np.asarray(Image.fromarray(image).resize((78, 78), Image.Resampling.BICUBIC))


def crop(ink: np.ndarray) -> np.ndarray:
    """Returns the part that holds ink, of at least one pixel."""
    dark = ink > 40
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    if not len(rows):
        return ink[:1, :1]
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def to_canvas(ink: np.ndarray) -> np.ndarray:
    """Returns ink in the middle of the canvas, `INK` pixels high or wide."""
    ink = crop(ink)
    scale = INK / max(ink.shape)
    size = [max(2, round(side * scale)) for side in ink.shape[::-1]]
    ink = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC))
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    top, left = (CANVAS - ink.shape[0]) // 2, (CANVAS - ink.shape[1]) // 2
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return canvas


def wear(ink: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns ink as a pen, a camera or a scanner changes it."""
    if random.random() < 0.35:
        ink = tilt(ink, random)
    if random.random() < 0.6:
        ink = thicken(ink, random)
    if random.random() < 0.45:
        ink = _shrink(ink, random)
    elif random.random() < 0.06:
        ink = outline(ink, random)
    if random.random() < 0.05:
        ink = dot(ink, random)
    if random.random() < 0.3:
        ink = ndimage.gaussian_filter(ink, random.uniform(0.5, 3.0))
    if random.random() < 0.08:
        ink = shake(ink, random)
    if random.random() < 0.1:
        ink = np.clip(ink + random.normal(0, random.uniform(5, 20), ink.shape) * (ink > 20), 0, 255)
    peak = ink.max()
    return np.clip(ink * (random.uniform(170, 255) / max(peak, 1)), 0, 255).astype(np.uint8)


def tilt(ink, random):
    corners = np.array([[0, 0], [0, CANVAS], [CANVAS, CANVAS], [CANVAS, 0]], float)
    corners += random.normal(0, 4.5, corners.shape)  # pixels; a photo from a slight angle
    return np.asarray(
        Image.fromarray(ink).transform(
            (CANVAS, CANVAS),
            Image.Transform.QUAD,
            tuple(corners.ravel()),
            Image.Resampling.BILINEAR,
        )
    )


def thicken(ink, random):
    """Moves the edge of the ink out or in: a blur, cut at another level."""
    blurred = ndimage.gaussian_filter(ink.astype(np.float32), random.uniform(1.5, 4.0))
    peak = blurred.max()
    if peak < 1:
        return ink
    level = random.choice((random.uniform(0.2, 0.42), random.uniform(0.4, 0.62)), p=(0.65, 0.35))
    return np.clip((blurred / peak - level) * random.uniform(2, 8) + 0.5, 0, 1) * 255


def outline(ink, random):
    """Returns the rim of ink, as hollow digits have it; thin ink, which leaves no hollow, as it is."""
    inside = np.asarray(ink) > 0.4 * np.max(ink)
    depth = ndimage.distance_transform_edt(inside)
    if depth.max() < HOLLOW:
        return ink
    width = random.uniform(1.2, 2.2)  # pixels on each side of the edge
    distance = depth + ndimage.distance_transform_edt(~inside)
    return np.clip(width - distance + 0.5, 0, 1) * 255


def dot(ink, random):
    """Adds a dotted line through ink, as the pattern of dotted or squared paper leaves one."""
    ink = np.asarray(ink, np.float32)
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]]
    angle, step = random.uniform(0, np.pi), random.uniform(5, 14)  # pixels from dot to dot
    middle = np.array(ink.shape) / 2 + random.uniform(-15, 15, 2)
    along = np.arange(-random.uniform(20, 40), random.uniform(20, 40), step)
    radius = random.uniform(1.0, 3.0)
    for place in along:
        top, left = middle + place * np.array([np.sin(angle), np.cos(angle)])
        ink = np.maximum(ink, 255 * np.clip(radius + 0.5 - np.hypot(y - top, x - left), 0, 1))
    return ink


def shake(ink, random):
    """Blurs ink along a line, as a camera does that moves."""
    length = int(random.integers(4, 16))  # pixels
    angle = random.uniform(0, np.pi)
    along = np.linspace(-length / 2, length / 2, length)
    ink = np.asarray(ink, np.float32)
    moved = [ndimage.shift(ink, (a * np.sin(angle), a * np.cos(angle)), order=1) for a in along]
    return np.mean(moved, axis=0)


def _shrink(ink, random):
    """Brings ink to few pixels and back, in gray or in black and white."""
    ink = crop(np.asarray(ink).astype(np.uint8))
    side = int(random.integers(8, 21))
    height, width = ink.shape
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if random.random() < 0.25:  # a scan that fills its box, as 16x16 sets do
        size = (side, side) if width > 0.35 * height else size
    small = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX))
    if random.random() < 0.5:
        small = np.where(small > random.uniform(0.25, 0.55) * small.max(), 255, 0).astype(np.uint8)
    ways = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
    size = [max(2, round(x * INK / side)) for x in small.shape[::-1]]
    large = Image.fromarray(small).resize(size, ways[random.integers(3)])
    return np.pad(np.asarray(large), 4).astype(np.float32)
