"""What is read under shadows: on blank paper, where nothing should be read, and of digits and numbers.

    python benchmarks/shadows.py --data-dir DIR               # results/shadows.csv; 3 minutes
    python benchmarks/shadows.py --data-dir DIR --quick       # few pictures; runs/shadows
    python benchmarks/shadows.py --data-dir DIR --held-out    # other pictures, to choose on; runs/held_out_shadows

Each picture is a JPEG of paper in uneven light. A shadow falls on it, or two if they are strong: of an edge, a phone, a
head, a hand or a broad bar. "moderate" shadows are soft and take 20 to 40% of the light; "strong" ones are sharper and
take 40 to 70%. The pictures are blank, or show one of MNIST's test images, or four of them in a row.

`read_as_digit` counts the pictures in which `DigitClassifier` sees a digit, `read_as_number` those in which
`read_number` finds a number. `right_digits` and `right_numbers` count the right answers; on blank paper,
no answer is right.
"""

import io

import numpy as np
import pandas as pd
from command import RESULTS, ROOT, Parser, load_published, run_command, write_rows
from picture_kinds import ink_of, photo, place
from PIL import Image
from scipy import ndimage
from strips import draw_strip

# Share of the light that a shadow takes, and its soft edge in shares of the picture's side.
STRENGTHS = {"moderate": ((0.2, 0.4), (0.005, 0.04)), "strong": ((0.4, 0.7), (0.002, 0.02))}
SHOWN = ("blank", "digit", "number")
COUNT, QUICK_COUNT = 200, 3  # pictures of each kind
SEED, HELD_OUT_SEED = 60, 70


def main() -> None:
    parser = Parser(__doc__, quick=True)
    parser.add_argument("--held-out", action="store_true", help="pictures of training images")
    args = parser.parse_args()
    data = load_published("mnist", args.data_dir)
    if args.held_out and args.out == RESULTS:
        args.out = ROOT / "runs" / "held_out_shadows"
        args.out.mkdir(parents=True, exist_ok=True)
    split = data.train.take(range(50_000, 60_000)) if args.held_out else data.test
    images, labels = split.read(range(len(split)))
    table = measure(
        images,
        labels,
        QUICK_COUNT if args.quick else COUNT,
        HELD_OUT_SEED if args.held_out else SEED,
    )
    write_rows(args.out / "shadows.csv", table)
    print(table.to_string())


def measure(images, labels, count: int, seed: int) -> pd.DataFrame:
    """Returns how many pictures of each kind are read as a digit and as a number, and how many of them are right."""
    from mnist_keras import DigitClassifier, read_number

    classifier = DigitClassifier.from_pretrained()
    rows = []
    for strength in STRENGTHS:
        for shown in SHOWN:
            drawn = [
                draw(images, labels, shown, strength, np.random.default_rng([seed, number]))
                for number in range(count)
            ]
            digits, numbers = [], []
            for picture, _ in drawn:
                digits.append(classifier.predict(picture).class_name or "")
                lines = read_number(picture, classifier=classifier)
                numbers.append(" ".join(line.text for line in lines))
            row = {"shadows": strength, "shown": shown, "pictures": count}
            for name, answers in (("digit", digits), ("number", numbers)):
                row[f"read_as_{name}"] = sum(map(bool, answers))
                row[f"right_{name}s"] = sum(
                    answer == text for answer, (_, text) in zip(answers, drawn, strict=True)
                )
            rows.append(row)
    return pd.DataFrame(rows)


def draw(images, labels, shown: str, strength: str, rng: np.random.Generator) -> tuple[bytes, str]:
    """Returns a photo under shadows, and the digits that it shows."""
    if shown == "number":
        strip = draw_strip(images, labels, 4, "apart", rng, connected=True)
        picture, text = strip.picture, strip.text
    else:
        size = tuple(int(side) for side in rng.integers(300, 900, 2))
        ink, text = np.zeros(size, np.float32), ""
        if shown == "digit":
            row = rng.integers(len(images))
            side = int(min(size) * rng.uniform(0.5, 0.9))
            ink, text = place(ink_of(images[row], side), size, rng, spread=0.5), str(labels[row])
        picture = photo(ink, rng)
    light = np.ones(picture.shape)
    for _ in range(1 if strength == "moderate" else rng.integers(1, 3)):
        light *= cast(picture.shape, STRENGTHS[strength], rng)
    Image.fromarray((picture * light).astype(np.uint8)).save(
        file := io.BytesIO(), "JPEG", quality=85
    )
    return file.getvalue(), text


def cast(size: tuple[int, int], strength, rng: np.random.Generator) -> np.ndarray:
    """Returns the light that one shadow leaves, at most 1; what casts it comes from outside of the picture."""
    side = max(size)
    y, x = np.mgrid[: size[0], : size[1]] / side
    angle = rng.uniform(0, 2 * np.pi)
    # Distance along the direction in which the shadow points, from where it enters, and across it.
    middle = np.array(size) / side / 2
    away, aside = (y - middle[0], x - middle[1])
    along = away * np.sin(angle) + aside * np.cos(angle) + rng.uniform(-0.2, 0.3)
    across = aside * np.sin(angle) - away * np.cos(angle) + rng.uniform(-0.2, 0.2)
    shape = SHAPES[rng.choice(sorted(SHAPES))]
    depth, blur = rng.uniform(*strength[0]), rng.uniform(*strength[1])
    return 1 - depth * ndimage.gaussian_filter(shape(along, across, rng).astype(float), blur * side)


def edge(along, across, rng) -> np.ndarray:
    return along < 0


def phone(along, across, rng) -> np.ndarray:
    return (along < 0) & (np.abs(across) < rng.uniform(0.1, 0.25))


def head(along, across, rng) -> np.ndarray:
    radius = rng.uniform(0.12, 0.3)
    shoulders = (along + 1.2 * radius < 0) & (np.abs(across) < 2 * radius)
    return (np.hypot(along / 1.2, across) < radius) | shoulders


def hand(along, across, rng) -> np.ndarray:
    """Returns a palm with fingers that are spread by up to 15 degrees."""
    width = rng.uniform(0.03, 0.07)
    shadow = (along < -0.3) & (np.abs(across) < 4.5 * width)
    for finger, length in zip((-3, -1, 1, 3), rng.uniform(0.8, 1, 4), strict=True):
        turn = finger * rng.uniform(0, np.deg2rad(5))
        lean = across - width * finger * 1.1 - np.tan(turn) * (along + 0.3)
        shadow |= (np.abs(lean) < width) & (along < -0.3 + 0.5 * length)
    return shadow


def bar(along, across, rng) -> np.ndarray:
    return np.abs(across) < rng.uniform(0.05, 0.12)


SHAPES = {shape.__name__: shape for shape in (edge, phone, head, hand, bar)}


if __name__ == "__main__":
    run_command(main)
