"""How well digits are read if their writer learned them in America or in Europe, or writes them in ways not trained on.

    python benchmarks/schools.py            # some minutes; results/schools.csv and schools_ones_and_sevens.csv
    python benchmarks/schools.py --quick    # few writers; runs/schools

A writer has one way of writing each digit, drawn with the school's frequencies, and writes twenty digits. They are
drawn by strokes of another seed than the training's, as a clean scan, as a photo (tilted, of another thickness,
blurred) and in 16x16 pixels, black and white. `HELD_OUT` are ways that are in no training image. "digits" are
scikit-learn's: real digits of 43 people in Turkey, 8x8 pixels, enlarged (Alpaydin and Kaynak, 1998; CC BY 4.0). Read by
`cnn_accurate`, and by `cnn_real_world` without a school, with the school given, and with "auto" over twenty digits in a
row.
"""

import sys

import numpy as np
import pandas as pd
from command import ROOT, Parser, run_command, write_rows

from mnist_keras.data.augmentation.strokes import WAYS, Way, draw_ink
from mnist_keras.data.readers.pictures import frame

sys.path.insert(0, str(ROOT / "tools"))

WRITERS, QUICK_WRITERS, DIGITS_EACH = 150, 3, 20
SEED = 2020  # another than those of training
LOOKS = ("scan", "photo", "16x16")
HELD_OUT = (
    Way(1, "flag from below", "1 flagged", 1, "0±5 55±8, 10±5 40±6, 40±3 0±2!, 38±3 100±2"),
    Way(1, "flag and hook", "1 flagged", 1, "10±5 28±6, 34±3 0±2!, 33±3 90±3, 38±3 99±2, 45±3 96±3"),
    Way(7, "crossed low", "7 crossed", 1,
        "4±5 4±4, 62±4 3±3!, 36±5 52±6, 26±6 100±2 | 10±6 64±5, 58±6 60±5"),
    Way(7, "tall serif", "7 with a serif", 1, "2±4 34±6, 6±4 2±3!, 62±4 6±3!, 34±6 100±2"),
    Way(7, "wavy bar", "7 crossed", 1,
        "4±5 14±5, 30±5 3±4, 62±4 6±4!, 44±5 40±5, 34±5 100±2 | 18±6 46±5, 40±5 52±5, 64±6 46±5"),
    Way(9, "open loop", "9 straight", 1,
        "56±5 10±5, 26±6 2±4, 6±4 28±5, 26±5 44±4, 52±4 22±5!, 54±4 60±5, 46±6 100±2"),
    Way(9, "like a g", "9 hooked", 1,
        "54±5 10±5, 24±6 4±4, 8±4 30±5, 34±5 46±4, 56±4 12±5!, 58±4 76±5, 34±5 100±3, 4±5 82±5"),
    Way(4, "round and open", "4", 1,
        "10±5 0±3, 6±4 30±5, 14±5 52±4, 40±5 54±4, 62±5 46±5 | 60±4 4±5, 54±4 50±4, 48±5 100±2"),
    Way(4, "open in one stroke", "4", 1, "30±5 0±2, 10±4 50±4!, 58±4 46±4, 60±3 20±5!, 52±4 100±2"),
    Way(2, "like a Z", "2", 1, "6±5 6±5, 34±5 1±3, 56±4 10±4!, 4±4 97±3!, 66±5 96±4"),
    Way(5, "hat on a slope", "5", 1,
        "14±4 4±4, 12±4 42±4!, 42±5 36±4, 60±4 70±6, 30±6 100±3, 2±5 92±5 | 14±4 4±4, 62±6 -8±4"),
    Way(6, "small loop", "6", 1,
        "44±6 0±3, 20±5 30±5, 6±4 78±4, 26±5 99±3, 46±4 82±4, 30±4 64±4, 10±5 74±5"),
    Way(8, "from the bottom", "8", 1,
        "30±5 100±3, 4±4 78±5, 30±5 50±4, 52±4 24±5, 32±5 0±3, 12±4 24±5, 34±5 50±4, 60±4 76±5, 32±5 100±3"),
)  # fmt: skip


def main() -> None:
    args = Parser(__doc__, data=False, quick=True).parse_args()
    rows = []
    count = QUICK_WRITERS if args.quick else WRITERS
    sheets = [(group, look) for group in ("american", "european", "held out") for look in LOOKS]
    for group, look in [*sheets, ("digits", "8x8")]:
        images, labels = load_digits(count) if group == "digits" else write(group, look, count)
        given = group if group in ("american", "european") else None
        for reading, predictions in read(images, given).items():
            answers = {"true": labels.ravel(), "predicted": predictions.ravel()}
            answers |= {"group": group, "look": look, "reading": reading}
            rows.append(pd.DataFrame(answers).sort_values("true"))
    table = pd.concat(rows)
    table["accuracy"] = table["true"] == table["predicted"]
    keys = ["group", "look", "reading"]
    by_digit = table.groupby([*keys, "true"], sort=False)["accuracy"].agg(["size", "mean"])
    by_digit.columns = ["images", "accuracy"]
    pairs = table[table["true"].isin((1, 7))]
    confused = pairs["predicted"] == 8 - pairs["true"]
    swapped = confused.groupby([pairs[key] for key in keys], sort=False).mean().rename("confused")
    write_rows(args.out / "schools.csv", by_digit.round(4).reset_index())
    write_rows(args.out / "schools_ones_and_sevens.csv", swapped.round(4).reset_index())
    print(
        table.pivot_table(index=keys[:2], columns="reading", values="accuracy").round(4).to_string()
    )
    print(swapped.unstack().round(4).to_string())


def write(group: str, look: str, num_writers: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns uint8 images of shape `(writers, 20, 28, 28)` and labels of shape `(writers, 20)`."""
    images = np.zeros((num_writers, DIGITS_EACH, 28, 28), np.uint8)
    labels = np.zeros((num_writers, DIGITS_EACH), np.int64)
    for writer in range(num_writers):
        random = np.random.default_rng((SEED, sum(group.encode()), writer))
        hand = HELD_OUT if group == "held out" else choose_hand(group, random)
        for place in range(DIGITS_EACH):
            way = hand[random.integers(len(hand))]
            labels[writer, place] = way.digit
            images[writer, place] = frame(wear(draw_ink(way, random), look, random))
    return images, labels


def load_digits(num_writers: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns scikit-learn's digits, twenty in a row, as `write` does."""
    from PIL import Image
    from sklearn.datasets import load_digits as load

    small, labels = load(return_X_y=True)
    count = min(num_writers, len(small) // DIGITS_EACH) * DIGITS_EACH
    images = [
        frame(np.asarray(Image.fromarray(x).resize((64, 64), Image.Resampling.BICUBIC)))
        for x in (small[:count].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    ]
    shape = (-1, DIGITS_EACH)
    return np.stack(images).reshape(*shape, 28, 28), labels[:count].reshape(shape)


def choose_hand(school: str, random: np.random.Generator) -> list[Way]:
    """Returns one way for each digit, as someone of that school may write."""
    from mnist_keras.inference.writing import SHARES

    hand = []
    for digit in range(10):
        ways = [way for way in WAYS if way.digit == digit]
        groups = sorted({way.group for way in ways})
        shares = np.array([SHARES[school].get(group, 1.0) for group in groups])
        group = groups[random.choice(len(groups), p=shares / shares.sum())]
        ways = [way for way in ways if way.group == group]
        weights = np.array([way.weight for way in ways])
        hand.append(ways[random.choice(len(ways), p=weights / weights.sum())])
    return hand


def wear(ink: np.ndarray, look: str, random: np.random.Generator) -> np.ndarray:
    """Returns ink as a scan, a photo, or a scan in 16x16 pixels shows it."""
    from PIL import Image
    from real_world_data import crop, thicken, tilt, to_canvas
    from scipy import ndimage

    canvas = to_canvas(ink)
    if look == "scan":
        return canvas
    if look == "photo":
        canvas = ndimage.gaussian_filter(
            thicken(tilt(canvas, random), random), random.uniform(0.5, 2)
        )
        return canvas.astype(np.uint8)
    box = Image.fromarray(crop(canvas))
    scale = 16 / max(box.size)
    small = box.resize([max(1, round(side * scale)) for side in box.size], Image.Resampling.BOX)
    return np.where(np.asarray(small) > 0.4 * np.asarray(small).max(), 255, 0).astype(np.uint8)


def read(images: np.ndarray, school: str | None) -> dict[str, np.ndarray]:
    """Returns predicted digits of shape `(writers, 20)` for each way of reading."""
    import keras

    from mnist_keras import load_model, predict_probabilities
    from mnist_keras.inference.writing import add_up, weigh_ways
    from mnist_keras.models.inspection import find_hidden_layer

    flat = images.reshape(-1, 28, 28)
    before = predict_probabilities(load_model("cnn_accurate"), flat)
    model = load_model("cnn_real_world")
    ways = keras.Model(model.input, find_hidden_layer(model).output)
    hidden = predict_probabilities(ways, flat)
    by_writer = hidden.reshape(*images.shape[:2], -1)
    readings = {
        "cnn_accurate": before,
        "no school": add_up(hidden),
        "auto": np.concatenate([weigh_ways(page, "auto")[0] for page in by_writer]),
    }
    if school:
        readings["school given"] = weigh_ways(hidden, school)[0]
    return {name: x.argmax(axis=1).reshape(images.shape[:2]) for name, x in readings.items()}


if __name__ == "__main__":
    run_command(main)
