"""Measures how the difference of a single rounding grows during training.

    python benchmarks/rounding.py --data-dir DIR           # two minutes on two cores; results/rounding.csv
    python benchmarks/rounding.py --data-dir DIR --quick   # a few images; runs/rounding

`mlp_128` is trained for two epochs at batch 128, in float32, three times for each seed: on one replica; with two
replicas on logical CPUs, which sum the same gradients in another order; and with each initial weight moved to a
neighboring float. A row is for the second or third training. It counts the cases up to this step
in which an image switched a ReLU on in this training and off in the first, or the other way round.
"""

import keras
import machine
import numpy as np
import pandas as pd
from command import Parser, load_to_time, run_command, write_rows

SEEDS = (0, 1, 2)
FIELDS = {"epochs": 2, "batch_size": 128, "precision": "float32", "jit": False}  # of the recipe
STEPS = (1, 10, 100, 200, 300, 400, 500, 600, 700, 800, 936)
COLUMNS = ["seed", "change", "step", "largest_difference", "relus_that_differ"]


def main() -> None:
    args = Parser(__doc__, quick=True).parse_args()
    split_the_cpu()
    data, rows = load_to_time(args), []
    for seed in SEEDS[: 1 if args.quick else None]:
        reference = weights_of_training(data, seed)
        for change in ("two replicas", "moved weights"):
            other = weights_of_training(data, seed, change)
            rows += [(seed, change, *cells) for cells in compare(data, seed, reference, other)]
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows, columns=COLUMNS).assign(machine=machine.summary())
    write_rows(args.out / "rounding.csv", table)


def split_the_cpu() -> None:
    """Makes two logical CPUs, before TensorFlow first uses the CPU."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    if tf.config.get_logical_device_configuration(cpu) is None:
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)


def weights_of_training(data, seed: int, change: str = "") -> list[list[np.ndarray]]:
    """Returns the weights before the first step and after each one."""
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
    weights: list[list[np.ndarray]] = []

    def note(*_, **__):
        weights.append([weight.numpy() for weight in model.trainable_variables])

    noting = keras.callbacks.LambdaCallback(on_train_begin=note, on_train_batch_end=note)
    options = {"recipe": get_model_spec("mlp_128").recipe.replace(**FIELDS), "seed": seed}
    train(model, data, strategy=strategy, callbacks=[noting], verbose=0, **options)
    return weights


def compare(data, seed: int, reference: list, other: list):
    """Yields step, largest difference of a weight, and number of ReLUs that differed, for the recorded steps."""
    from mnist_keras import make_dataset

    size, flips = FIELDS["batch_size"], 0
    batches = make_dataset(data.train, training=True, batch_size=size, seed=seed)
    for step, (images, _) in zip(range(1, len(reference)), batches, strict=False):
        x = images.numpy().reshape(size, -1)
        on = [x @ weights[step - 1][0] + weights[step - 1][1] > 0 for weights in (reference, other)]
        flips += np.count_nonzero(on[0] != on[1])
        if step in STEPS:
            pairs = zip(reference[step], other[step], strict=True)
            yield step, f"{max(np.abs(a - b).max() for a, b in pairs):.1e}", flips


if __name__ == "__main__":
    run_command(main)
