"""How many numbers are read without an error, by their length and by the distance between their digits.

    python benchmarks/read_numbers.py --data-dir DIR               # results/numbers*.csv; 10 minutes
    python benchmarks/read_numbers.py --data-dir DIR --quick       # few strips; runs/read_numbers
    python benchmarks/read_numbers.py --data-dir DIR --held-out    # training images, to choose on; runs/numbers

A strip shows some of MNIST's test images side by side as a photo shows them, with random slant, size, thickness and
noise. "apart" leaves a gap, "close" less than two pixels of 28; "touching" digits share ink, "overlapping" ones are
pushed one or two pixels into each other; "steep" ones are apart, in a row that rises or falls by up to 15 degrees.

Faint and thin strokes are "connected", as a pen draws them; strips of four digits are also drawn with strokes that are
"broken" where MNIST's images are faint, as all strips were in earlier results. `draw_strip` says how.

The times are for a page of ten rows and for a strip of four digits. The last 10,000 training images are held out: the
model that scores pieces of ink has not seen them.
"""

import time
from typing import NamedTuple

import numpy as np
import pandas as pd
from command import RESULTS, ROOT, Parser, load_published, run_command, write_rows
from strips import SPACINGS, Strip, draw_strip

LENGTHS = range(1, 9)
ROWS = (*SPACINGS, "steep")
STROKES = ("connected", "broken")
FALL = 15.0  # degrees of steep rows, at most
COUNT, QUICK_COUNT = 20, 1  # strips of each length and spacing
MORE = 25  # times as many of four digits, for which there is a goal
SEED, HELD_OUT_SEED = 3, 40
HELD_OUT = 10_000  # last training images


def main() -> None:
    parser = Parser(__doc__, quick=True)
    parser.add_argument("--held-out", action="store_true", help="strips of training images")
    args = parser.parse_args()
    data = load_published("mnist", args.data_dir)
    count = QUICK_COUNT if args.quick else COUNT
    if args.held_out:
        if args.out == RESULTS:
            args.out = ROOT / "runs" / "numbers"
            args.out.mkdir(parents=True, exist_ok=True)
        held_out = data.train.take(range(len(data.train) - HELD_OUT, len(data.train)))
        images, labels = held_out.read(range(HELD_OUT))
    else:
        images, labels = data.test.read(range(len(data.test)))
    answers = read_strips(images, labels, count, HELD_OUT_SEED if args.held_out else SEED)
    tables = {
        "numbers": count_right(answers),
        "numbers_confidence": measure_confidence(answers),
        "numbers_time": measure_time(images, labels),
    }
    for name, table in tables.items():
        write_rows(args.out / f"{name}.csv", table)
        print(table.to_string())


class Answer(NamedTuple):
    """What was read of a strip.

    Attributes:
        strokes: One of `STROKES`.
        spacing: One of `ROWS`.
        text: The digits of the strip.
        lines: The answer of `read_number`.
    """

    strokes: str
    spacing: str
    text: str
    lines: list

    @property
    def is_right(self) -> bool:
        return [line.text for line in self.lines] == [self.text]


def read_strips(images, labels, count: int, seed: int) -> list[Answer]:
    """Returns what is read of strips of each length and spacing."""
    from mnist_keras import read_number

    answers = []
    for strokes in STROKES:
        for spacing in ROWS:
            for length in LENGTHS if strokes == "connected" else [4]:
                for number in range(count * MORE if length == 4 else count):
                    strip = draw(images, labels, length, spacing, (seed, number), strokes=strokes)
                    lines = read_number(strip.picture)
                    answers.append(Answer(strokes, spacing, strip.text, lines))
    return answers


def draw(
    images, labels, length: int, spacing: str, seed: tuple[int, int], *, strokes: str = "connected"
) -> Strip:
    """Returns a strip with a spacing of `ROWS`; the seed is two numbers."""
    rng = np.random.default_rng((seed[0], length, ROWS.index(spacing), seed[1]))
    fall = rng.uniform(-FALL, FALL) if spacing == "steep" else 0.0
    spacing = "apart" if spacing == "steep" else spacing
    connected = strokes == "connected"
    return draw_strip(images, labels, length, spacing, rng, fall=fall, connected=connected)


def count_right(answers: list[Answer]) -> pd.DataFrame:
    """Returns the share of strips that are read without an error, for each kind of strokes, spacing and length."""
    rows = [(x.strokes, x.spacing, len(x.text), x.is_right) for x in answers]
    keys = ["strokes", "spacing", "length"]
    groups = pd.DataFrame(rows, columns=[*keys, "right"]).groupby(keys, sort=False)["right"]
    return groups.agg(strips="size", exact="mean").round(4).reset_index()


def measure_confidence(answers: list[Answer]) -> pd.DataFrame:
    """Returns the mean confidence of numbers of four digits and of their digits, beside how many are right.

    Digits count only in numbers in which four were found.
    """
    from mnist_keras.evaluation.calibration import expected_calibration_error

    rows = []
    for spacing in ROWS:
        own = [
            x for x in answers if (x.strokes, x.spacing, len(x.text)) == ("connected", spacing, 4)
        ]
        confidence = np.mean([x.lines[0].confidence if len(x.lines) == 1 else 0.0 for x in own])
        digits = [
            (int(label), digit.probabilities)
            for x in own
            if len(x.lines) == 1 and len(x.lines[0].digits) == 4
            for label, digit in zip(x.text, x.lines[0].digits, strict=True)
        ]
        labels, probabilities = (np.array(values) for values in zip(*digits, strict=True))
        figures = (
            np.mean([x.is_right for x in own]),
            confidence,
            (probabilities.argmax(axis=1) == labels).mean(),
            probabilities.max(axis=1).mean(),
            expected_calibration_error(labels, probabilities),
        )
        rows.append((spacing, len(own), len(labels), *(round(float(x), 4) for x in figures)))
    columns = ["spacing", "strips", "digits", "exact", "confidence", "digits_right"]
    return pd.DataFrame(rows, columns=[*columns, "digit_confidence", "calibration_error"])


def measure_time(images, labels) -> pd.DataFrame:
    """Returns the seconds for a strip and for a page, the median of five runs after one."""
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
