"""Trains the model that tells `read_number` which cuts make whole digits, and puts its weights into the package.

    python tools/train_segments.py --data-dir DIR --out runs/segments    # about 45 minutes on two cores

Candidates are generated once for a seed and kept in OUT. MNIST's last 10,000 training images are left out: the card
says how well the model does on strips of these. Test images are never looked at.
"""

import argparse
import hashlib
import time
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from package_weights import LICENSES, describe_hardware, write_package
from segment_data import Windows, make_windows

from mnist_keras.cli.terminal import typed_path
from mnist_keras.inference.numbers.segments import NOT_ONE_DIGIT, WEIGHTS, build_segment_model
from mnist_keras.training.devices import choose_precision, precision_policy

STRIPS, HELD_OUT_STRIPS = 16_000, 400
EPOCHS, BATCH_SIZE = 8, 256
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 0.01
TURN, SHEAR, ZOOM, SHIFT = 0.1, 0.1, 0.08, 1.0  # of each window: radians, slope, share, pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data-dir", type=typed_path, required=True, help="directory of MNIST's files"
    )
    parser.add_argument(
        "--out", type=typed_path, required=True, help="where the candidates are kept"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    keras.utils.set_random_seed(args.seed)
    begin = time.perf_counter()
    data = load_windows(args.out / "train.npz", args.data_dir, args.seed, held_out=False)
    held_out = load_windows(args.out / "held_out.npz", args.data_dir, args.seed, held_out=True)
    print(f"{len(data.shares):,} candidates in {time.perf_counter() - begin:.0f} s", flush=True)
    begin = time.perf_counter()
    with precision_policy(choose_precision("auto", wide=True)):
        model = build_segment_model()
    fit(model, data, args.seed)
    seconds = time.perf_counter() - begin
    with precision_policy("float16"):
        rounded = build_segment_model()
    rounded.set_weights(model.get_weights())
    scratch = args.out / WEIGHTS.name
    rounded.save_weights(scratch)
    model = build_segment_model()
    model.load_weights(scratch)
    content, results = scratch.read_bytes(), score(model, held_out)
    card = {
        "name": model.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "num_parameters": model.count_params(),
        "input": {
            "shape": list(model.input_shape[1:]),
            "range": [0, 1],
            "meaning": "a candidate's own ink, and the other ink around it",
        },
        "output": {"shape": [NOT_ONE_DIGIT + 1], "meaning": "ten digits, not one whole digit"},
        "training_data": f"{len(data.shares):,} candidates of {STRIPS:,} strips of digits, see tools/segment_data.py: "
        "MNIST's first 50,000 training images, digits drawn by strokes, and printed digits and letters",
        "seed": args.seed,
        "command": f"python tools/train_segments.py --data-dir DIR --out OUT --seed {args.seed}",
        "held_out": results,
        "data_license": f"{LICENSES['mnist']}; fonts: benchmarks/results/fonts.csv",
        "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
        "hardware": f"{describe_hardware()}, shared",
        "train_seconds": round(seconds, 1),
    }
    write_package(WEIGHTS, content, card)
    print(results)


def load_windows(path: Path, data_dir: Path, seed: int, *, held_out: bool) -> Windows:
    """Returns the candidates of the strips, generated if the file is not there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        strips = range(HELD_OUT_STRIPS if held_out else STRIPS)
        np.savez(path, **make_windows(data_dir, seed, strips, held_out=held_out)._asdict())
    with np.load(path) as file:
        return Windows(*(file[name] for name in Windows._fields))


def fit(model: keras.Model, data: Windows, seed: int) -> None:
    """Trains a model on candidates, each turned and moved a little."""
    steps = EPOCHS * (len(data.shares) // BATCH_SIZE)
    schedule = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / 25,
        steps - steps // 5,
        warmup_target=LEARNING_RATE,
        warmup_steps=steps // 5,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    batches = (
        tf.data.Dataset.from_tensor_slices(tuple(data))
        .shuffle(len(data.shares), seed=seed)
        .batch(BATCH_SIZE, drop_remainder=True)
        .enumerate()
        .map(lambda step, batch: _example(*batch, seed=tf.stack([step, seed])))
        .prefetch(4)
    )
    model.fit(batches, epochs=EPOCHS, verbose=2)


def _example(windows, digits, shares, *, seed):
    """Returns images in [0, 1] and what the model should say of them."""
    targets = shares[:, None] * tf.one_hot(digits, NOT_ONE_DIGIT + 1)
    targets += (1 - shares)[:, None] * tf.one_hot(NOT_ONE_DIGIT, NOT_ONE_DIGIT + 1)
    return _moved(tf.cast(windows, tf.float32) / 255, seed), targets


def _moved(images, seed):
    """Returns images, each turned, sheared, zoomed and shifted at random."""
    ranges = tf.constant([TURN, SHEAR, ZOOM, ZOOM, SHIFT, SHIFT])
    draws = tf.random.stateless_uniform((tf.shape(images)[0], 6), seed, -1, 1) * ranges
    turn, shear, wide, high, right, down = tf.unstack(draws, axis=1)
    cosine, sine = tf.cos(turn), tf.sin(turn)
    a, b = (1 + wide) * cosine, shear - sine
    d, e = sine, (1 + high) * cosine
    middle = (images.shape[1] - 1) / 2
    c, f = middle * (1 - a - b) + right, middle * (1 - d - e) + down
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, c, d, e, f, zero, zero], axis=1),
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def score(model: keras.Model, data: Windows) -> dict[str, float]:
    """Returns how well a model tells whole digits from others, and the digits from one another."""
    from sklearn.metrics import roc_auc_score

    answers = model.predict(data.windows / np.float32(255), batch_size=500, verbose=0)
    whole, clear = data.shares == 1, (data.shares == 1) | (data.shares == 0)
    digits = answers[whole, :NOT_ONE_DIGIT].argmax(axis=1)
    one = 1 - answers[:, NOT_ONE_DIGIT]
    return {
        "candidates": len(data.shares),
        "digits_right": round(float((digits == data.digits[whole]).mean()), 4),
        "area_under_curve": round(float(roc_auc_score(whole[clear], one[clear])), 4),
        "told_right": round(float(((one > 0.5) == whole)[clear].mean()), 4),
    }


if __name__ == "__main__":
    main()
