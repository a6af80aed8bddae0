"""Measures how a difference of one rounding grows during training.

    python benchmarks/rounding.py --data-dir DIR           # two minutes on two cores; results/rounding.csv
    python benchmarks/rounding.py --data-dir DIR --quick   # a few images; runs/rounding

`mlp_128` is trained for two epochs at batch 128, in float32, three times for each seed: on one replica; with two
replicas on logical CPUs, which sum the same gradients in another order; and with each initial weight moved to a
neighboring float. A row counts, for the second and third training, the ReLUs that up to this step were on for some
image in one training and off in the other.
"""

import keras
import machine
import numpy as np
from command import load_images, make_parser, results_directory, run_command
from tabular import write_rows

SEEDS = (0, 1, 2)
EPOCHS = 2
BATCH_SIZE = 128
STEPS = (1, 10, 100, 200, 300, 400, 500, 600, 700, 800, 936)


def main() -> None:
    args = make_parser(__doc__, quick=True).parse_args()
    path = results_directory(args, "rounding") / "rounding.csv"
    split_the_cpu()
    data = load_images(args)
    rows = []
    for seed in SEEDS[: 1 if args.quick else None]:
        reference = weights_of_training(data, seed)
        for change in ("two replicas", "moved weights"):
            other = weights_of_training(data, seed, change)
            rows += compare(data, seed, reference, other, change)
            print(rows[-1], flush=True)
    write_rows(path, rows)


def split_the_cpu() -> None:
    """Makes two logical CPUs, before TensorFlow first uses the CPU."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    if tf.config.get_logical_device_configuration(cpu) is None:
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)


class Recorder(keras.callbacks.Callback):
    """Keeps the weights before each step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_begin(self, batch, logs=None):
        self.weights.append([weight.numpy() for weight in self.model.trainable_variables])

    def on_train_end(self, logs=None):
        self.on_train_batch_begin(None)


def weights_of_training(data, seed: int, change: str = "") -> list[list[np.ndarray]]:
    """Returns the weights before each step, and after the last one."""
    from mnist_keras import create_model, get_model_spec, get_strategy, train

    strategy = "mirrored" if change == "two replicas" else "none"
    keras.utils.set_random_seed(seed)
    with get_strategy(strategy).scope():
        model = create_model("mlp_128")
    if change == "moved weights":
        rng = np.random.default_rng(seed)
        for weight in model.trainable_variables:
            toward = np.where(rng.random(weight.shape) < 0.5, -np.inf, np.inf)
            weight.assign(np.nextafter(weight.numpy(), toward.astype(np.float32)))
    recipe = get_model_spec("mlp_128").recipe.replace(
        epochs=EPOCHS, batch_size=BATCH_SIZE, precision="float32", jit=False
    )
    recorder = Recorder()
    train(
        model,
        data,
        recipe=recipe,
        strategy=strategy,
        callbacks=[recorder],
        seed=seed,
        verbose=0,
    )
    return recorder.weights


def compare(data, seed: int, reference: list, other: list, change: str) -> list[dict]:
    """Returns the rows of the recorded steps."""
    from mnist_keras import make_dataset

    batches = iter(
        make_dataset(
            data.train_images, data.train_labels, training=True, batch_size=BATCH_SIZE, seed=seed
        )
    )
    rows, flips = [], 0
    for step in range(1, len(reference)):
        images = next(batches)[0].numpy().reshape(BATCH_SIZE, -1)
        on = [
            images @ weights[step - 1][0] + weights[step - 1][1] > 0
            for weights in (reference, other)
        ]
        flips += int(np.count_nonzero(on[0] != on[1]))
        if step in STEPS:
            pairs = zip(reference[step], other[step], strict=True)
            rows.append(
                {
                    "seed": seed,
                    "change": change,
                    "step": step,
                    "largest_difference": f"{max(np.abs(a - b).max() for a, b in pairs):.1e}",
                    "relus_that_differ": flips,
                    "machine": machine.summary(),
                }
            )
    return rows


if __name__ == "__main__":
    run_command(main)
