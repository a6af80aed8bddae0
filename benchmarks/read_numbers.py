"""How many numbers are read right to the last digit, by how many digits they have and how far these stand apart.

    python benchmarks/read_numbers.py --data-dir DIR            # some minutes; results/numbers.csv, numbers_time.csv
    python benchmarks/read_numbers.py --data-dir DIR --quick    # few strips; runs/numbers
    python benchmarks/read_numbers.py --data-dir DIR --fit      # prints the weights of the lattice

Strips of MNIST's test images side by side as a photo shows them, of random slant, size, thickness and noise. "apart"
leaves a gap, "close" less than two pixels of 28; "touching" lets the ink of neighbors meet, "overlapping" pushes them
one to two pixels into one another. The time is that of a page of ten rows, and of a strip of four digits. `--fit` draws
strips of the last 10,000 training images and learns the weights with which they are read best.
"""

import time

import numpy as np
import pandas as pd
from command import load_published, make_parser, results_directory, run_command
from lattice_fit import Example, fit_weights
from strips import SPACINGS, Strip, draw_strip
from tabular import write_rows

LENGTHS = range(1, 9)
COUNT, QUICK_COUNT = 12, 1  # strips of each length and spacing
MORE = 6  # times as many of four digits, for which there is a goal
SEED = 3
FIT_STRIPS = {  # seed: the strips of each spacing and length
    500: {
        ("touching", 4): 60,
        ("touching", 2): 40,
        ("apart", 4): 25,
        ("apart", 1): 15,
        ("overlapping", 4): 15,
    },
    501: {
        ("touching", 4): 50,
        ("touching", 3): 40,
        ("close", 4): 25,
        ("apart", 3): 15,
        ("overlapping", 2): 30,
    },
    502: {("apart", 4): 70, ("apart", 2): 20},
    503: {("close", 4): 45, ("apart", 6): 20},
}


def main() -> None:
    parser = make_parser(__doc__, quick=True)
    parser.add_argument("--fit", action="store_true", help="print the weights of the lattice")
    args = parser.parse_args()
    data = load_published("mnist", args.data_dir)
    if args.fit:
        images, labels = data.train.take(range(50_000, 60_000)).read(range(10_000))
        print(fit(images, labels))
        return
    images, labels = data.test.read(range(len(data.test)))
    out, count = results_directory(args, "numbers"), QUICK_COUNT if args.quick else COUNT
    table = measure(images, labels, count)
    write_rows(out / "numbers.csv", table)
    print(table.pivot_table("exact", "length", "spacing").round(3).to_string())
    times = measure_time(images, labels)
    write_rows(out / "numbers_time.csv", times)
    print(times.to_string())


def measure(images, labels, count: int) -> pd.DataFrame:
    """Returns the share of strips that are read right, for each length and spacing."""
    from mnist_keras import read_number

    rows = []
    for spacing in SPACINGS:
        for length in LENGTHS:
            strips = count * MORE if length == 4 else count
            right = 0
            for number in range(strips):
                strip = draw_strip(
                    images, labels, length, spacing, _random(SEED, length, spacing, number)
                )
                lines = read_number(strip.picture)
                right += [line.text for line in lines] == [strip.text]
            rows.append((spacing, length, strips, round(right / strips, 4)))
    return pd.DataFrame(rows, columns=["spacing", "length", "strips", "exact"])


def _random(seed: int, length: int, spacing: str, number: int) -> np.random.Generator:
    return np.random.default_rng((seed, length, SPACINGS.index(spacing), number))


def measure_time(images, labels) -> pd.DataFrame:
    """Returns the seconds for a strip and for a page, the middle of five runs after one."""
    from mnist_keras import read_number

    strip = draw_strip(images, labels, 4, "touching", _random(SEED, 4, "touching", 0)).picture
    rows = []
    for name, picture in (
        ("strip of 4 touching digits", strip),
        ("page of 10 rows", draw_page(images, labels)),
    ):
        seconds = []
        for _ in range(6):
            start = time.perf_counter()
            lines = read_number(picture)
            seconds.append(time.perf_counter() - start)
        digits = sum(len(line.digits) for line in lines)
        size = f"{picture.shape[1]}x{picture.shape[0]}"
        rows.append((name, size, digits, round(float(np.median(seconds[1:])), 3)))
    return pd.DataFrame(rows, columns=["picture", "pixels", "digits", "seconds"])


def draw_page(images, labels) -> np.ndarray:
    """Returns a photo of ten numbers of six digits, one below the other."""
    strips = [
        draw_strip(images, labels, 6, "close", _random(SEED, 6, "close", i)) for i in range(10)
    ]
    height, width = (max(strip.picture.shape[axis] for strip in strips) for axis in (0, 1))
    page = np.full((10 * height, width + 40), 200, np.uint8)
    for number, strip in enumerate(strips):
        ink = strip.picture.astype(float) / np.median(strip.picture)
        part = page[number * height :][: ink.shape[0], 20 : 20 + ink.shape[1]]
        part[:] = np.clip(200 * ink, 0, 255)
    return page


def fit(images, labels) -> str:
    """Returns the weights of the lattice that read strips of training images best."""
    strips = [
        draw_strip(images, labels, length, spacing, _random(seed, length, spacing, number))
        for seed, counts in FIT_STRIPS.items()
        for (spacing, length), count in counts.items()
        for number in range(count)
    ]
    return ", ".join(f"{weight:.3f}" for weight in fit_weights(lattices_of(strips)))


def lattices_of(strips: list[Strip]) -> list[Example]:
    """Returns the lattices of the strips that are found to be one row."""
    from mnist_keras import DigitClassifier
    from mnist_keras.inference.numbers.lattice import DUST, describe, is_small, is_unit
    from mnist_keras.inference.numbers.pieces import cut_pieces, make_candidates
    from mnist_keras.inference.numbers.rows import find_rows
    from mnist_keras.inference.pictures import load_picture

    scorer = DigitClassifier.from_pretrained().scorer
    examples = []
    for strip in strips:
        rows = find_rows(load_picture(strip.picture))[0]
        if len(rows) != 1:
            continue
        pieces = cut_pieces(rows[0].ink)
        candidates = make_candidates(rows[0].ink, pieces)
        if not candidates:
            continue
        likeness, answers = scorer.score(np.stack([c.image for c in candidates]))
        digits = scorer.add_up(answers)
        small = np.array([is_unit(c, pieces) and is_small(c) for c in candidates])
        examples.append(
            Example(
                strip.text,
                len(pieces.borders),
                np.array([(c.start, c.stop) for c in candidates]),
                describe(candidates, pieces, digits, likeness),
                digits,
                np.where(small, DUST, -np.inf),
            )
        )
    return examples


if __name__ == "__main__":
    run_command(main)
