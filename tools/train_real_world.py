"""Trains `cnn_real_world` on MNIST, drawn digits, printed digits, degraded digits, and images that are not digits.

    apt-get install fonts-...                # the packages in benchmarks/results/fonts.csv
    python tools/train_real_world.py --data-dir DIR --out runs/real_world --seed 0

Images are generated once for a seed and kept beside OUT; a run that was stopped goes on from its last epoch. With
`--hold-out` the last 10,000 training images of MNIST are left out, to choose on. With `--without-strokes` the digits
drawn by strokes are left out, to measure what they change.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from real_world_data import RealWorldData

from mnist_keras import load_data, load_model, train
from mnist_keras.cli.terminal import typed_path
from mnist_keras.data.image_data import ImageData, from_arrays
from mnist_keras.inference.prediction import predict_probabilities
from mnist_keras.models.builders import build_deep_cnn, build_fast_cnn
from mnist_keras.models.recipes import get_recipe
from mnist_keras.models.registry import get_model_spec
from mnist_keras.models.ways import DIGITS, HIDDEN_CLASSES, NOT_A_DIGIT
from mnist_keras.training.devices import choose_precision, precision_policy

NAME = "cnn_real_world"
MNIST_COPIES = 3  # of MNIST itself beside what is generated: 40% of all images
COUNTS = {  # generated images of each kind
    "strokes": 90_000,
    "fonts": 50_000,
    "mnist": 50_000,
    **{"letter": 15_000, "pair": 6_000, "fragment": 6_000, "scribble": 5_000},
    **{"noise": 3_000, "blank": 1_000, "inverse": 3_000},
}
READABLE = 0.85  # a fragment or scribble that `cnn_accurate` reads so surely is left out: it may be a digit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data-dir", type=typed_path, required=True, help="directory of MNIST's files"
    )
    parser.add_argument("--out", type=typed_path, required=True, help="run directory")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hold-out", action="store_true", help="leave 10,000 training images out")
    parser.add_argument("--without-strokes", action="store_true", help="leave drawn digits out")
    args = parser.parse_args()
    held_out = 10_000 if args.hold_out else 0
    data = make_data(args.data_dir, args.out, args.seed, held_out, strokes=not args.without_strokes)
    keras.utils.set_random_seed(args.seed)
    with precision_policy(choose_precision("auto", wide=True)):
        options = {k: v for k, v in get_model_spec(NAME).arguments.items() if k != "hidden_classes"}
        model = build_deep_cnn(num_classes=len(HIDDEN_CLASSES), **options, name=NAME)
    recipe = get_recipe(NAME)
    train(model, data, recipe=recipe, seed=args.seed, run_dir=args.out, resume=True, verbose=2)


def make_data(
    data_dir: Path, out: Path, seed: int, held_out: int, *, strokes: bool = True
) -> ImageData:
    """Returns MNIST and generated images, labeled with hidden classes; the test images are MNIST's."""
    mnist = load_data("mnist", data_dir=data_dir)
    kept = len(mnist.train_images) - held_out
    images, labels = mnist.train_images[:kept], mnist.train_labels[:kept]
    cache = out.with_name(f"{out.name}-data.npz")
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, **_generate(seed, images, labels))
    with np.load(cache) as generated:
        more, more_labels = generated["images"], generated["labels"]
    drawn = (more_labels >= 0) & (more_labels != NOT_A_DIGIT)  # by strokes: their ways are known
    teacher = _train_teacher(more[drawn], more_labels[drawn], seed)
    if not strokes:
        more, more_labels = more[~drawn], more_labels[~drawn]
    known = name_ways(teacher, images, -1 - labels)
    return from_arrays(
        np.concatenate([*[images] * MNIST_COPIES, more]),
        np.concatenate([*[known] * MNIST_COPIES, name_ways(teacher, more, more_labels)]),
        mnist.test_images,
        name_ways(teacher, mnist.test_images, -1 - mnist.test_labels),
        HIDDEN_CLASSES,
        name="mnist and more",
        source="memory",
    )


def _generate(seed: int, images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    source, reader = RealWorldData(seed + 1, (images, labels)), load_model("cnn_accurate")
    parts = []
    for kind, count in COUNTS.items():
        made, kinds = source.make(kind, count)
        if kind in ("fragment", "scribble"):
            unclear = predict_probabilities(reader, made).max(axis=1) < READABLE
            made, kinds = made[unclear], kinds[unclear]
        parts.append((made, kinds))
        print(f"{len(made)} {kind}", flush=True)
    return {
        "images": np.concatenate([x for x, _ in parts]),
        "labels": np.concatenate([y for _, y in parts]),
    }


def _train_teacher(images: np.ndarray, labels: np.ndarray, seed: int) -> keras.Model:
    """Returns a small model of drawn digits, which tells the ways of digits whose label is known."""
    keras.utils.set_random_seed(seed)
    model = build_fast_cnn(num_classes=len(HIDDEN_CLASSES))
    augmentation = {"rotation": 8.0, "shift": 1.5, "zoom": 0.1}
    recipe = get_recipe("cnn_fast").replace(epochs=3, augmentation=augmentation)
    split = len(images) // 20
    held_out = images[:split], labels[:split]
    run = train(
        model, ((images[split:], labels[split:]), held_out), recipe=recipe, seed=seed, verbose=0
    )
    print(f"The teacher tells {run.evaluation.accuracy:.2%} of the ways.", flush=True)
    return model


def name_ways(teacher: keras.Model, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns hidden classes: a label of -1 - d becomes the likeliest way of the digit d."""
    labels, rows = labels.copy(), np.flatnonzero(labels < 0)
    if len(rows):
        of_digit = np.array(DIGITS) == (-1 - labels[rows])[:, None]
        probabilities = predict_probabilities(teacher, images[rows])
        labels[rows] = np.where(of_digit, probabilities + 1e-9, 0).argmax(axis=1)
    return labels


if __name__ == "__main__":
    main()
