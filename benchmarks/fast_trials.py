"""Tries to reach 99% with fewer operations than train_mnist_fast's model: trains on 50,000 images, scores 10,000.

    python benchmarks/fast_trials.py --data-dir DIR                   # some minutes; results/fast_trials.csv
    python benchmarks/fast_trials.py --data-dir DIR --stand-in avx2   # as on a CPU of a slower class

`cnn_fast` is the variant cropped to 24x24 with 16 filters. Variants take turns, a seed at a time. `relative_seconds` is
the median over the seeds of a variant's seconds relative to the first variant's in the same turn. Seconds include
tracing, but not the evaluation.
"""

from unittest import mock

import pandas as pd
from command import Parser, load_to_time, run_command, update_class

HELD_OUT = 10_000
VARIANTS: dict[str, dict] = {
    "none": {},
    "cropped to 24x24": {"crop": 2},
    "16 filters in the first layer": {"filters": (16, 32)},
    "cropped to 24x24, 16 filters": {"crop": 2, "filters": (16, 32)},
    "first convolution with stride 2, no pool": {"first": "stride 2"},
    "half resolution, no first pool": {"first": "half resolution"},
    "first convolution as a product of patches": {"first": "patches"},
    "first layer fixed: principal components": {"first": "principal components"},
    "batch 512": {"batch_size": 512},
    "batch 512, learning rate 0.02": {"batch_size": 512, "learning_rate": 0.02},
    "three quarters of the images": {"part": 0.75},
    "half of the images": {"part": 0.5},
    "cropped to 24x24, three quarters of the images": {"crop": 2, "part": 0.75},
    "cropped to 24x24, 16 filters, three quarters": {"crop": 2, "filters": (16, 32), "part": 0.75},
    "steps on the half of a batch with the largest losses": {"largest": 0.5},
    "steps on the three quarters with the largest losses": {"largest": 0.75},
}


def main() -> None:
    parser = Parser(__doc__, quick=True, stand_in=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    args = parser.parse_args()
    data = load_to_time(args)
    trainings: list[dict] = []
    train_variant(data, {}, seed=0)  # the first training of a process takes longer
    for seed in range(args.seeds):
        for name in args.variants:
            accuracy, seconds = train_variant(data, VARIANTS[name], seed=seed)
            trainings.append(
                {"variant": name, "seed": seed, "accuracy": accuracy, "seconds": seconds}
            )
            print(f"{name}, seed {seed}: {accuracy:.2%} in {seconds:.2f} s", flush=True)
        update_class(args.out / "fast_trials.csv", make_rows(trainings))


def make_rows(trainings: list[dict]) -> pd.DataFrame:
    """Returns a row for each variant."""
    table = pd.DataFrame(trainings)
    plain = table[table["variant"] == "none"].set_index("seed")["seconds"]
    table["ratio"] = table["seconds"] / table["seed"].map(plain)
    groups = table.groupby("variant", sort=False)
    rows = pd.DataFrame(
        {
            "seeds": groups.size().astype(str),
            "held_out_accuracy": groups["accuracy"].mean().map("{:.4f}".format),
            "deviation": groups["accuracy"].std().map("{:.4f}".format),
            "seconds": groups["seconds"].median().map("{:.2f}".format),
            "relative_seconds": groups["ratio"].median().map("{:.2f}".format),
        }
    )
    return rows.reset_index()


def train_variant(data, variant: dict, *, seed: int) -> tuple[float, float]:
    """Returns the accuracy on the held-out images, and the seconds of the training."""
    import keras

    import mnist_keras as mk
    from mnist_keras.training.devices import choose_precision, precision_policy

    changes = {key: x for key, x in variant.items() if key in ("batch_size", "learning_rate")}
    recipe = mk.get_model_spec("cnn_fast").recipe.replace(**changes)
    count = len(data.train) - min(HELD_OUT, len(data.train) // 2)
    used = int(count * variant.get("part", 1))
    splits = data.train.take(range(used)), data.train.take(range(count, len(data.train)))
    recipe = recipe.replace(batch_size=min(recipe.batch_size, used))  # fewer in a smoke test
    keras.utils.set_random_seed(seed)
    with precision_policy(choose_precision(recipe.precision, wide=True)):
        parts = ("crop", "filters", "first")
        model = build(data, **{key: variant[key] for key in parts if key in variant})
    with mock.patch("mnist_keras.training.train.TrainingLoop", loop_on(variant.get("largest"))):
        run = mk.train(model, splits, recipe=recipe, seed=seed, verbose=0)
    return run.evaluation.accuracy, run.metrics["train_seconds"]


def loop_on(part: float | None):
    """Returns the training loop, or one whose steps use the images with the largest losses alone.

    Reference: Jiang et al., 2019, "Accelerating Deep Learning by Focusing on the Biggest Losers".
    """
    import keras
    import tensorflow as tf

    from mnist_keras.training.loop import TrainingLoop

    class OnLargestLosses(TrainingLoop):
        def _replica_step(self, batch, step):
            x, y = batch
            outputs = tf.cast(self.model(x, training=False), tf.float32)
            losses = keras.losses.sparse_categorical_crossentropy(y, outputs)
            rows = tf.math.top_k(losses, int(part * self.source.batch_size), sorted=False).indices
            return super()._replica_step((tf.gather(x, rows), tf.gather(y, rows)), step)

    return OnLargestLosses if part else TrainingLoop


def build(data, *, crop: int = 0, filters=(24, 32), first: str = "convolution"):
    """Returns train_mnist_fast's model, with another first layer, or behind a crop of the border."""
    import keras

    layers, count = keras.layers, filters[0]
    pool = [layers.MaxPooling2D(2)]
    convolution = layers.Conv2D(count, 5, trainable=first != "principal components")
    begin = {
        "stride 2": [layers.Conv2D(count, 5, strides=2)],
        "half resolution": [layers.AveragePooling2D(2), layers.Conv2D(count, 3)],
        "patches": [
            layers.Lambda(lambda x: keras.ops.image.extract_patches(x, 5, strides=1)),
            layers.Conv2D(count, 1),
            *pool,
        ],
    }.get(first, [convolution, *pool])
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *([layers.Cropping2D(crop)] if crop else []),
            *begin,
            layers.ReLU(),
            layers.Conv2D(filters[1], 3),
            layers.MaxPooling2D(2),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(10, activation="softmax", dtype="float32"),
        ]
    )
    if first == "principal components":
        convolution.set_weights(principal_components(data.train.images[:500], count))
    return model


def principal_components(images, count: int):
    """Returns weights and biases of a 5x5 convolution: directions in which patches vary most, scaled to variance 1."""
    import numpy as np

    patches = np.lib.stride_tricks.sliding_window_view(images / 255.0, (5, 5), axis=(1, 2))
    patches = patches.reshape(-1, 25)
    variances, directions = np.linalg.eigh(np.cov(patches.T))
    kernels = (directions / np.sqrt(variances + 1e-2))[:, ::-1][:, :count]
    return [kernels.reshape(5, 5, 1, count), -(patches.mean(0) @ kernels)]


if __name__ == "__main__":
    run_command(main)
