"""The pictures that people bring, drawn from MNIST's digits and from held-out fonts: photos, scans and drawings."""

import io
import sys
from collections.abc import Callable
from functools import cache

import numpy as np
from command import ROOT
from PIL import Image
from scipy import ndimage

# Neighbors, from north clockwise.
RING = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))
PAPER, INK = 225.0, 45.0  # gray levels of a photo of paper and of a pen


def ink_of(image: np.ndarray, side: int, *, thickness: float = 0.0) -> np.ndarray:
    """Returns a digit's ink in [0, 1] at `side` pixels, sharp as a pen's; `thickness` widens it by pixels of 28."""
    scale = side / 28
    large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    field = ndimage.gaussian_filter(np.asarray(large, np.float32) / 255, 0.3 * scale)
    if thickness:
        inside = field > 0.5
        distance = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
        return np.clip((distance / scale + thickness) * scale / 2 + 0.5, 0, 1).astype(np.float32)
    return np.clip((field - 0.5) * 3 + 0.5, 0, 1)


def place(
    ink: np.ndarray, size: tuple[int, int], rng: np.random.Generator, *, spread: float = 1.0
) -> np.ndarray:
    """Returns ink on a larger blank sheet, somewhere around its middle."""
    sheet = np.zeros(size, np.float32)
    room = np.array(size) - ink.shape
    top, left = (room / 2 + spread * room / 2 * rng.uniform(-1, 1, 2)).astype(int)
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return sheet


def light(size: tuple[int, int], rng: np.random.Generator, strength: float) -> np.ndarray:
    """Returns uneven light: a slope and a broad bump, at most 1."""
    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    slope = np.cos(angle := rng.uniform(0, 2 * np.pi)) * x + np.sin(angle) * y
    bump = np.exp(-(((x - rng.uniform()) ** 2 + (y - rng.uniform()) ** 2) / 0.3))
    field = slope - slope.min() + bump
    return 1 - strength * field / field.max()


def photo(
    ink: np.ndarray,
    rng: np.random.Generator,
    *,
    strength: float = 0.3,
    pen=INK,
    paper=PAPER,
    noise=4.0,
):
    """Returns a gray photo of dark ink on light paper."""
    picture = (paper + (pen - paper) * ink) * light(ink.shape, rng, strength)
    return np.clip(picture + rng.normal(0, noise, ink.shape), 0, 255).astype(np.uint8)


def paper(image, rng):
    return photo(place(ink_of(image, 240), (320, 320), rng), rng, strength=0.1)


def uneven_light(image, rng):
    return photo(place(ink_of(image, 300), (480, 400), rng), rng, strength=0.6)


def shadow(image, rng):
    picture = photo(place(ink_of(image, 300), (420, 420), rng), rng).astype(np.float32)
    y, x = np.mgrid[:420, :420] - 210
    edge = (x * np.cos(a := rng.uniform(0, 2 * np.pi)) + y * np.sin(a)) + rng.uniform(-80, 80)
    return (picture * (1 - 0.4 / (1 + np.exp(-edge / 8)))).astype(np.uint8)


def _ruled(image, rng, *, squared):
    ink = place(ink_of(image, 320), (480, 480), rng, spread=0.5)
    lines, gap = np.zeros_like(ink), int(rng.integers(45, 90))
    lines[int(rng.integers(gap)) :: gap] = 1
    if squared:
        lines[:, int(rng.integers(gap)) :: gap] = 1
    lines = ndimage.rotate(
        ndimage.maximum_filter(lines, 2), rng.uniform(-1, 1), reshape=False, order=1
    )
    return photo(np.maximum(ink, 0.45 * np.clip(lines, 0, 1)), rng)


def ruled_paper(image, rng):
    return _ruled(image, rng, squared=False)


def squared_paper(image, rng):
    return _ruled(image, rng, squared=True)


def colored_pen(image, rng):
    ink = place(ink_of(image, 260), (360, 360), rng)[..., None]
    pens = [(30, 60, 190), (200, 30, 40), (20, 120, 60), (235, 130, 20), (120, 40, 140)]
    sheets = [(245, 245, 240), (250, 235, 140), (215, 235, 250), (250, 215, 225)]
    pen, sheet = np.array(pens[rng.integers(5)]), np.array(sheets[rng.integers(4)])
    picture = (sheet + (pen - sheet) * ink) * light(ink.shape[:2], rng, 0.2)[..., None]
    return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def thinned(mask: np.ndarray) -> np.ndarray:
    """Returns the skeleton of a mask, by Zhang and Suen, 1984, "A Fast Parallel Algorithm for Thinning"."""
    skeleton = np.pad(mask, 1).astype(np.uint8)
    changed = True
    while changed:
        changed = False
        for first, second in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            ring = [np.roll(skeleton, shift, (0, 1)) for shift in RING]
            count = sum(ring)
            turns = sum(
                (a == 0) & (b == 1) for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)
            )
            open_sides = [
                np.prod([ring[i] for i in sides], axis=0) == 0 for sides in (first, second)
            ]
            gone = (
                (skeleton == 1)
                & (count >= 2)
                & (count <= 6)
                & (turns == 1)
                & np.logical_and(*open_sides)
            )
            skeleton[gone] = 0
            changed |= bool(gone.any())
    return skeleton[1:-1, 1:-1].astype(bool)


def thin_stroke(image, rng):
    line = thinned(ink_of(image, 112) > 0.5)
    line = np.asarray(Image.fromarray(line).resize((400, 400)), np.float32)
    ink = np.clip(2 * ndimage.gaussian_filter(ndimage.grey_dilation(line, size=(3, 3)), 1.5), 0, 1)
    return photo(place(ink, (500, 500), rng), rng)


def thick_stroke(image, rng):
    return photo(place(ink_of(image, 260, thickness=0.7), (340, 340), rng), rng)


def off_center(image, rng):
    return photo(place(ink_of(image, 150), (500, 700), rng), rng)


def large(image, rng):
    return photo(ink_of(image, 900)[90:-90, 90:-90], rng)


def tiny(image, rng):
    return photo(place(ink_of(image, 42), (600, 600), rng, spread=0.8), rng, noise=2)


def transparent_png(image, rng):
    alpha = (place(ink_of(image, 200), (280, 280), rng) * 255).astype(np.uint8)
    color = np.full((280, 280, 3), 0 if rng.uniform() < 0.7 else 255, np.uint8)
    return np.dstack([color, alpha])


def jpeg(image, rng):
    Image.fromarray(paper(image, rng)).save(
        file := io.BytesIO(), "JPEG", quality=int(rng.integers(8, 25))
    )
    return file.getvalue()


def blurred(image, rng):
    return ndimage.gaussian_filter(paper(image, rng), rng.uniform(4, 7))


def noisy(image, rng):
    return photo(place(ink_of(image, 240), (320, 320), rng), rng, noise=25)


def rotated(image, rng):
    ink = ndimage.rotate(
        place(ink_of(image, 240), (340, 340), rng, spread=0.3),
        rng.uniform(-12, 12),
        reshape=False,
        order=1,
    )
    return photo(np.clip(ink, 0, 1), rng)


def blackboard(image, rng):
    return photo(place(ink_of(image, 260), (360, 400), rng), rng, pen=225, paper=50, noise=8)


def page_on_table(image, rng):
    sheet = photo(place(ink_of(image, 260), (380, 330), rng, spread=0.4), rng, strength=0.15)
    table = np.full((560, 560), rng.uniform(30, 90), np.float32)
    mask = np.zeros_like(table)
    top, left = rng.integers(60, 120, 2)
    table[top : top + 380, left : left + 330] = sheet
    mask[top : top + 380, left : left + 330] = 1
    angle = rng.uniform(-6, 6)
    turned = ndimage.rotate(table, angle, reshape=False, order=1, mode="nearest")
    return np.clip(turned + rng.normal(0, 4, table.shape), 0, 255).astype(np.uint8)


def tight_crop(image, rng):
    ink = ink_of(image, 280, thickness=0.3)
    rows, columns = np.flatnonzero((ink > 0.5).any(axis=1)), np.flatnonzero((ink > 0.5).any(axis=0))
    return photo(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], rng)


def mouse_drawing(image, rng):
    return (
        (1 - place(ink_of(image, 220, thickness=-0.4), (280, 280), rng, spread=0.6)) * 255
    ).astype(np.uint8)


def low_resolution(image, rng):
    small = Image.fromarray(paper(image, rng)).resize((20, 20), Image.Resampling.BOX)
    return np.asarray(small)


def black_and_white(image, rng):
    small = Image.fromarray(paper(image, rng)).resize((32, 32), Image.Resampling.BOX)
    return (np.asarray(small) > 150).astype(np.uint8) * 255


PICTURES: dict[str, Callable] = {
    f.__name__: f
    for f in (
        *(
            paper,
            uneven_light,
            shadow,
            ruled_paper,
            squared_paper,
            colored_pen,
            thin_stroke,
            thick_stroke,
        ),
        *(off_center, large, tiny, transparent_png, jpeg, blurred, noisy, rotated, blackboard),
        *(page_on_table, tight_crop, mouse_drawing, low_resolution, black_and_white),
    )
}


def printed(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Returns a photo of a digit printed in a font that no model was trained on, and the digit."""
    glyph, character = held_out_fonts()._glyph(rng, "0123456789")
    height = int(rng.integers(60, 200))
    size = (max(8, round(height * glyph.shape[1] / glyph.shape[0])), height)
    ink = np.asarray(Image.fromarray(glyph).resize(size, Image.Resampling.BICUBIC)) / np.float32(
        255
    )
    return photo(place(ink, (320, 320), rng), rng), int(character)


@cache
def held_out_fonts():
    """Returns the source of glyphs of the fonts that are kept for testing."""
    sys.path.insert(0, str(ROOT / "tools"))
    from real_world_data import RealWorldData

    return RealWorldData(0, None, held_out=True)
