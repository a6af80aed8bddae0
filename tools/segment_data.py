"""What the cuts of `read_number` make of rows of digits: candidates, and how nearly each is one whole digit.

Rows are strips as benchmarks/strips.py draws them, of MNIST's training images, digits drawn by strokes, printed digits
and letters, scribbles and signs. The fonts are those of tools/rendered_fonts.py, half of them held out. The candidates
of a strip are a pure function of (seed, index of the strip).
"""

import functools
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from real_world_data import RealWorldData
from strips import SHARED, SPACINGS, draw_strip

from mnist_keras import load_data
from mnist_keras.data.augmentation.strokes import draw_scribble, make_strokes
from mnist_keras.data.readers.pictures import frame
from mnist_keras.inference.numbers.pieces import Pieces, cut_pieces, find_own, make_candidates
from mnist_keras.inference.numbers.rows import INK, Row, find_rows
from mnist_keras.inference.pictures import load_picture

HELD_OUT = 10_000  # last training images, which are kept to choose on
# Drawn beside MNIST's 50,000; beside the 10,000 that are held out, a fifth of each.
STROKES, SCRIBBLES, SIGNS = 7_000, 1_200, 2_000
PRINTED, LETTERS = 5_000, 2_500
MIN_INK = 45  # pixels of 784; thinner strokes vanish in a strip
SHARES = (0.25, 0.15, 0.40, 0.20)  # of the spacings
LENGTHS = range(1, 9)
STEEP = 0.2  # share of strips that rise or fall
FALL = 15.0  # degrees, at most
CONNECTED = 0.5  # share of strips whose faint and thin strokes are drawn by a thin pen
# What a candidate has in common with a digit, of what both cover: from MAYBE to SURE it is one more and more.
MAYBE, SURE = 0.6, 0.85
SIGN_SHARE = 0.4  # of a sign; a candidate that holds more of it is no digit
WHOLE, OTHERS = 3, 1.5  # candidates of a strip for each digit: whole ones at most, and others
HARD = 0.3  # in common with a digit; others that have more are drawn four times as often
CHUNK = 25  # strips


class Windows(NamedTuple):
    """Candidates to learn from.

    Attributes:
        windows: uint8 array of shape `(n, 28, 28, 2)`, see `Candidate`.
        digits: uint8 array of shape `(n,)`, the digit that each has most in common with.
        shares: float32 array of shape `(n,)`, how nearly it is that whole digit, in [0, 1].
    """

    windows: np.ndarray
    digits: np.ndarray
    shares: np.ndarray


def make_windows(data_dir: Path, seed: int, strips: Iterable[int], *, held_out: bool) -> Windows:
    """Returns the candidates of some strips, of held-out images or of the others."""
    strips = list(strips)
    chunks = [strips[i : i + CHUNK] for i in range(0, len(strips), CHUNK)]
    make = functools.partial(_make_chunk, data_dir, seed, held_out)
    with ProcessPoolExecutor() as workers:
        parts = list(workers.map(make, chunks))
    return Windows(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _make_chunk(data_dir: Path, seed: int, held_out: bool, strips: list[int]) -> Windows:
    images, characters = _sources(data_dir, seed, held_out)
    parts = [windows_of(images, characters, (seed, held_out, index)) for index in strips]
    return Windows(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


@functools.cache
def _sources(data_dir: Path, seed: int, held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns images to put into strips, and the character that each is: "x" for a letter or a scribble."""
    train = load_data("mnist", data_dir=data_dir).train
    rows = range(len(train) - HELD_OUT, len(train)) if held_out else range(len(train) - HELD_OUT)
    digits, labels = train.take(rows).read(range(len(rows)))
    share = 5 if held_out else 1
    rng = np.random.default_rng((seed, held_out))
    strokes, ways = make_strokes(seed, held_out * STROKES, STROKES // share)
    glyphs = RealWorldData(seed, None, held_out=held_out)
    printed, names_of_printed = glyphs.make("fonts", PRINTED // share, worn=0)
    letters, _ = glyphs.make("letter", LETTERS // share, worn=0)
    scribbles = np.stack([frame(draw_scribble(rng)) for _ in range(SCRIBBLES // share)])
    names = rng.choice(list(".,-"), SIGNS // share)
    signs = [draw_sign(name, rng) for name in names]
    images = np.concatenate([digits, strokes, printed, letters, scribbles, signs])
    characters = [
        *map(str, labels),
        *(str(way.digit) for way in ways),
        *(str(-1 - label) for label in names_of_printed),
        *"x" * (len(letters) + len(scribbles)),
        *names,
    ]
    clear = (images > 160).sum(axis=(1, 2)) >= MIN_INK
    clear[: len(digits)] = clear[-len(signs) :] = True
    return images[clear], np.array(characters)[clear]


def draw_sign(name: str, rng: np.random.Generator) -> np.ndarray:
    """Returns a point, a comma or a minus as a uint8 array of shape `(28, 28)`, not framed."""
    y, x = np.mgrid[:28, :28] - 13.5
    if name == ".":
        distance = np.hypot(x, y) - rng.uniform(1.6, 2.4)
    elif name == ",":
        half, lean = rng.uniform(2.0, 3.2), rng.uniform(0.2, 0.7)
        along = np.clip(y, -half, half)
        distance = np.hypot(x + lean * along, y - along) - rng.uniform(1.3, 1.8)
    else:
        half = rng.uniform(3.5, 5.5)
        distance = np.hypot(x - np.clip(x, -half, half), y) - rng.uniform(1.2, 1.7)
    return (255 * np.clip(0.5 - distance, 0, 1)).astype(np.uint8)


def windows_of(images: np.ndarray, characters: np.ndarray, seed: tuple) -> Windows:
    """Returns the candidates of one strip, and how nearly each is one whole digit."""
    rng = np.random.default_rng([int(x) for x in seed])
    spacing, length = rng.choice(SPACINGS, p=SHARES), int(rng.choice(LENGTHS))
    fall = rng.uniform(-FALL, FALL) if rng.random() < STEEP else 0.0
    connected = rng.random() < CONNECTED
    strip = draw_strip(images, characters, length, spacing, rng, fall=fall, connected=connected)
    rows = find_rows(load_picture(strip.picture))[0]
    if not rows:
        return _nothing()
    row = max(rows, key=lambda row: row.ink.sum())
    pieces = cut_pieces(row.ink)
    candidates = make_candidates(pieces)
    if not candidates:
        return _nothing()
    counts, totals = count_owners(pieces, find_owners(row, strip.owners), candidates, length)
    common = counts / np.maximum(counts.sum(axis=1)[:, None] + totals - counts, 1)
    best = common.argmax(axis=1)
    share = np.clip((common.max(axis=1) - MAYBE) / (SURE - MAYBE), 0, 1)
    is_digit = np.array([x.isdigit() for x in strip.text])
    is_sign = np.array([x in ".,-" for x in strip.text])
    share[~is_digit[best]] = 0
    share[(counts[:, is_sign] > SIGN_SHARE * totals[is_sign]).any(axis=1)] = 0
    kept = choose(share, common.max(axis=1), best, rng)
    digits = [int(strip.text[best[i]]) if share[i] else 0 for i in kept]
    return Windows(
        np.stack([candidates[i].window for i in kept]),
        np.array(digits, np.uint8),
        share[kept].astype(np.float32),
    )


def _nothing() -> Windows:
    return Windows(
        np.zeros((0, 28, 28, 2), np.uint8), np.zeros(0, np.uint8), np.zeros(0, np.float32)
    )


def find_owners(row: Row, owners: np.ndarray) -> np.ndarray:
    """Returns which digit each pixel of a row belongs to, also for the soft edges around a digit."""
    y, x = np.indices(row.ink.shape) + 0.5
    x, y = row.to_picture(x, y)
    columns = np.clip(x.astype(int), 0, owners.shape[1] - 1)
    mapped = owners[np.clip(y.astype(int), 0, owners.shape[0] - 1), columns]
    distance, (y, x) = ndimage.distance_transform_edt(mapped == 0, return_indices=True)
    return np.where(distance <= 4, mapped[y, x], 0)


def count_owners(
    pieces: Pieces, owners: np.ndarray, candidates, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pixels that each candidate, and the row, has of each digit; not those of two digits."""
    owners = np.where((pieces.values > 255 * INK) & (owners != SHARED), owners, 0)
    counts = np.zeros((len(candidates), length))
    for count, candidate in zip(counts, candidates, strict=True):
        own, left = find_own(pieces, candidate.start, candidate.stop)
        inside = owners[:, left : left + own.shape[1]][own]
        count[:] = np.bincount(inside, minlength=length + 1)[1:]
    return counts, np.bincount(owners.ravel(), minlength=length + 1)[1:]


def choose(share, common, best, rng: np.random.Generator) -> np.ndarray:
    """Returns which candidates of a strip are learned from: some for each digit, and some others."""
    kept: list[int] = []
    for digit in np.unique(best):
        whole = np.flatnonzero((best == digit) & (share > 0))
        if len(whole):
            first = whole[common[whole].argmax()]
            rest = rng.permutation(whole[whole != first])
            kept += [first, *rest[: WHOLE - 1]]
    others = np.flatnonzero(share == 0)
    if len(others):
        odds = np.where(common[others] > HARD, 4.0, 1.0)
        count = min(len(others), int(OTHERS * (len(kept) + 2)))
        kept += list(rng.choice(others, count, replace=False, p=odds / odds.sum()))
    return np.array(kept, int)
