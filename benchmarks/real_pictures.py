"""How well models read digits in the pictures that people bring, with and without preparation.

    python benchmarks/real_pictures.py --data-dir DIR [--images N] [--split test|held_out] [--out OUT]
    python benchmarks/real_pictures.py --data-dir DIR --time    # results/preparation_time.csv alone

MNIST digits are drawn as photos, scans and drawings, and read in three ways: only resized, resized and inverted if the
border is light, and prepared by `to_mnist_image`. Further groups are digits printed in fonts that no
model was trained on (results/fonts.csv lists them), and the fifteen corruptions of MNIST-C (Mu and Gilmer, 2019), which
are images of 28x28. Writes OUT/real_pictures.csv and a picture of examples before and after.

`--split held_out` takes the last 10,000 training images, on which the preparation was tuned, not test images.
`--time` measures one core's processor time: of `to_mnist_image` for a photo of 1000x1000 pixels, the median of 30 runs,
and of one digit drawn by strokes, the mean of 1,000.
"""

import argparse
import io
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from command import write_rows
from picture_kinds import PICTURES, ink_of, photo, place, printed
from PIL import Image, ImageDraw

import mnist_keras as mk
from mnist_keras.cli.terminal import typed_path
from mnist_keras.data.augmentation.corruptions import CORRUPTIONS, corrupt
from mnist_keras.data.augmentation.strokes import make_strokes
from mnist_keras.inference.preprocessing import to_mnist_image

MODELS = (
    *("mlp_128", "lenet5", "cnn_tiny", "cnn_accurate", "cnn_accurate_ensemble"),
    "cnn_real_world",
)
COLUMNS = ("group", "kind", "model", "preparation", "num_images", "accuracy")
FONTS, CORRUPTED = "fonts", "MNIST-C"  # groups beside "pictures"
GROUPS = {
    **dict.fromkeys(PICTURES, "pictures"),
    "printed": FONTS,
    **dict.fromkeys(CORRUPTIONS, CORRUPTED),
}
RUNS = 30  # of `to_mnist_image`, whose middle is taken
DRAWN = 1000  # digits


def as_array(picture: np.ndarray | bytes) -> np.ndarray:
    """Returns the gray picture as software that ignores transparency sees it."""
    image = (
        Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else Image.fromarray(picture)
    )
    return np.asarray(image.convert("RGB").convert("L"))


def resized(picture) -> np.ndarray:
    return np.asarray(
        Image.fromarray(as_array(picture)).resize((28, 28), Image.Resampling.BILINEAR)
    )


def inverted(picture) -> np.ndarray:
    image = resized(picture)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return 255 - image if np.median(border) > 127 else image


PREPARATIONS = {
    "resized": resized,
    "resized and inverted": inverted,
    "to_mnist_image": to_mnist_image,
}


def measure(images, labels, models, kinds) -> pd.DataFrame:
    rows = []
    for kind in kinds:
        pictures, digits = draw_kind(kind, images, labels)
        for preparation, prepare in PREPARATIONS.items():
            prepared = np.stack([prepare(picture) for picture in pictures])
            for name, model in models.items():
                answers = mk.predict_probabilities(model, prepared).argmax(axis=1)
                accuracy = round(float((answers == digits).mean()), 4)
                rows.append((GROUPS[kind], kind, name, preparation, len(images), accuracy))
    return pd.DataFrame(rows, columns=COLUMNS)


def draw_kind(kind: str, images, labels) -> tuple[list, np.ndarray]:
    """Returns a picture of that kind for each image, and the digits that they show."""
    if kind in CORRUPTIONS:
        return list(corrupt(images, kind)), labels
    drawn = [
        (printed if kind == "printed" else PICTURES[kind])(image, np.random.default_rng(i))
        for i, image in enumerate(images)
    ]
    if kind == "printed":
        return [picture for picture, _ in drawn], np.array([digit for _, digit in drawn])
    return drawn, labels


def measure_time(image) -> pd.DataFrame:
    """Returns milliseconds of processor time on one core: to prepare a photo, and to draw one digit by strokes."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rng = np.random.default_rng(0)
    picture = photo(place(ink_of(image, 700), (1000, 1000), rng), rng)
    Image.fromarray(picture).convert("RGB").save(file := io.BytesIO(), "JPEG", quality=90)
    rows = []
    for source, given in (("array", np.dstack([picture] * 3)), ("JPEG", file.getvalue())):
        seconds = []
        for _ in range(RUNS + 3):  # the first ones warm up
            start = time.process_time()
            to_mnist_image(given)
            seconds.append(time.process_time() - start)
        milliseconds = round(1000 * float(np.median(seconds[3:])), 1)
        rows.append((source, "1000x1000", milliseconds))
    start = time.process_time()
    make_strokes(0, 0, DRAWN)
    rows.append(("strokes", "28x28", round(1000 * (time.process_time() - start) / DRAWN, 2)))
    return pd.DataFrame(rows, columns=["source", "pixels", "milliseconds"])


def draw(images, path: Path, kinds) -> None:
    """Writes a grid of each kind's picture above what the model sees of it."""
    size, columns = 112, 8
    grid = Image.new(
        "L", (columns * (size + 8) + 8, -(-len(kinds) // columns) * (2 * size + 30)), 255
    )
    pen = ImageDraw.Draw(grid)
    for i, kind in enumerate(kinds):
        row, column = divmod(i, columns)
        picture = PICTURES[kind](images[i], np.random.default_rng(i))
        x, y = 8 + column * (size + 8), row * (2 * size + 30)
        before = Image.fromarray(as_array(picture))
        if kind == "transparent_png":  # of one color: its ink is in the alpha channel alone
            gray = Image.new("RGBA", before.size, "gray")
            before = Image.alpha_composite(gray, Image.fromarray(picture)).convert("L")
        before.thumbnail((size, size))
        grid.paste(before, (x, y + 14))
        grid.paste(
            Image.fromarray(to_mnist_image(picture)).resize((size, size), 0), (x, y + size + 18)
        )
        pen.text((x, y + 1), kind.replace("_", " "), fill=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--images", type=int, default=1000, help="of each kind; default: 1000")
    parser.add_argument("--split", choices=("test", "held_out"), default="test")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--kinds", nargs="+", choices=tuple(GROUPS), default=tuple(GROUPS))
    parser.add_argument("--time", action="store_true", help="time the preparation alone")
    parser.add_argument("--out", type=typed_path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    data = mk.load_data("mnist", data_dir=args.data_dir)
    split = data.test if args.split == "test" else data.train.take(range(50_000, 60_000))
    images, labels = split.take(range(args.images)).read(range(args.images))
    args.out.mkdir(parents=True, exist_ok=True)
    if args.time:
        times = measure_time(images[0])
        write_rows(args.out / "preparation_time.csv", times)
        print(times.to_string())
        return
    models = {name: mk.load_model(name) for name in args.models}
    table = measure(images, labels, models, args.kinds)
    write_rows(args.out / "real_pictures.csv", table)
    draw(images, args.out / "real_pictures.png", [kind for kind in args.kinds if kind in PICTURES])
    ours = table[table["preparation"] == "to_mnist_image"]
    print(ours.pivot_table("accuracy", ["group", "kind"], "model").round(4).to_string())


if __name__ == "__main__":
    main()
