"""How many numbers are read right to the last digit, by how many digits they have and how far these stand apart.

    python benchmarks/read_numbers.py --data-dir DIR               # results/numbers.csv, numbers_time.csv; ten minutes
    python benchmarks/read_numbers.py --data-dir DIR --quick       # few strips; runs/numbers
    python benchmarks/read_numbers.py --data-dir DIR --held-out    # of training images, to choose on; runs/numbers

Strips of MNIST's test images side by side as a photo shows them, of random slant, size, thickness and noise. "apart"
leaves a gap, "close" less than two pixels of 28; "touching" lets the ink of neighbors meet, "overlapping" pushes them
one to two pixels into one another; "steep" digits are apart, in a row that rises or falls by up to 15 degrees. The time
is that of a page of ten rows, and of a strip of four digits. The last 10,000 training images are held out: the model of
candidates has not seen them.
"""

import time

import numpy as np
import pandas as pd
from command import RESULTS, ROOT, Parser, load_published, run_command, write_rows
from strips import SPACINGS, Strip, draw_strip

LENGTHS = range(1, 9)
ROWS = (*SPACINGS, "steep")
FALL = 15.0  # degrees of steep rows, at most
COUNT, QUICK_COUNT = 6, 1  # strips of each length and spacing
MORE = 34  # times as many of four digits, for which there is a goal
SEED, HELD_OUT_SEED = 3, 40
HELD_OUT = 10_000  # last training images


def main() -> None:
    parser = Parser(__doc__, quick=True)
    parser.add_argument("--held-out", action="store_true", help="strips of training images")
    args = parser.parse_args()
    data = load_published("mnist", args.data_dir)
    held_out = data.train.take(range(len(data.train) - HELD_OUT, len(data.train)))
    count = QUICK_COUNT if args.quick else COUNT
    if args.held_out:
        if args.out == RESULTS:
            args.out = ROOT / "runs" / "numbers"
            args.out.mkdir(parents=True, exist_ok=True)
        images, labels = held_out.read(range(HELD_OUT))
    else:
        images, labels = data.test.read(range(len(data.test)))
    table = measure(images, labels, count, HELD_OUT_SEED if args.held_out else SEED)
    write_rows(args.out / "numbers.csv", table)
    print(table.pivot_table("exact", "length", "spacing", sort=False).round(3).to_string())
    times = measure_time(images, labels)
    write_rows(args.out / "numbers_time.csv", times)
    print(times.to_string())


def measure(images, labels, count: int, seed: int) -> pd.DataFrame:
    """Returns the share of strips that are read right, for each length and spacing."""
    from mnist_keras import read_number

    rows = []
    for spacing in ROWS:
        for length in LENGTHS:
            strips = count * MORE if length == 4 else count
            right = 0
            for number in range(strips):
                strip = draw(images, labels, length, spacing, (seed, number))
                lines = read_number(strip.picture)
                right += [line.text for line in lines] == [strip.text]
            rows.append((spacing, length, strips, round(right / strips, 4)))
    return pd.DataFrame(rows, columns=["spacing", "length", "strips", "exact"])


def draw(images, labels, length: int, spacing: str, seed: tuple[int, int]) -> Strip:
    """Returns a strip of a row of `ROWS`; the seed is two numbers."""
    rng = np.random.default_rng((seed[0], length, ROWS.index(spacing), seed[1]))
    if spacing != "steep":
        return draw_strip(images, labels, length, spacing, rng)
    return draw_strip(images, labels, length, "apart", rng, fall=rng.uniform(-FALL, FALL))


def measure_time(images, labels) -> pd.DataFrame:
    """Returns the seconds for a strip and for a page, the middle of five runs after one."""
    from mnist_keras import read_number

    strip = draw(images, labels, 4, "touching", (SEED, 0)).picture
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
    strips = [draw(images, labels, 6, "close", (SEED, number)) for number in range(10)]
    height, width = (max(strip.picture.shape[axis] for strip in strips) for axis in (0, 1))
    page = np.full((10 * height, width + 40), 200, np.uint8)
    for number, strip in enumerate(strips):
        ink = strip.picture.astype(float) / np.median(strip.picture)
        part = page[number * height :][: ink.shape[0], 20 : 20 + ink.shape[1]]
        part[:] = np.clip(200 * ink, 0, 255)
    return page


if __name__ == "__main__":
    run_command(main)
