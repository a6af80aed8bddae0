"""Measures the parts of a training step of two models: how long each takes, and at which rate it computes.

    python benchmarks/roofline.py --data-dir DIR                   # two minutes; results/roofline.csv
    python benchmarks/roofline.py --data-dir DIR --stand-in avx2   # as on a CPU of a slower class

Each part runs alone on data of the step's shapes, many times inside one compiled function. The whole step is that of
`train`. `share` is the part's time divided by the step's. If the shares add up to less than 1, the rest is the loop and
the optimizer; if to more, the step overlaps its parts. The ceiling is `gflops` of a matrix product in the same
precision. That product has no share, because it is not part of the step. Neither do the sparse product and those with
717 columns, which show what a first layer without the blank pixels would take.
"""

import statistics

import machine
import pandas as pd
from command import Parser, load_to_time, run_command, update_class
from turns import OwnProcess, seconds_of

from mnist_keras import _cpu

REPEATS = 15
CALLS = 20  # of a part inside one function; half of that where a call takes milliseconds
INKED = 717  # pixels that are not zero in all training images
COLUMNS = ["model", "precision", "part", "microseconds", "gflops", "share"]
APART = ("matrix product", "dense 717", "sparse")  # what is no part of the step begins like this
BATCH = {"mlp_128": 128, "cnn_2conv": 64}


def main() -> None:
    args = Parser(__doc__, quick=True, stand_in=True).parse_args()
    data, rows = load_to_time(args), []
    for model, precision in (
        ("mlp_128", "float32"),
        ("cnn_2conv", "float32"),
        ("cnn_2conv", "mixed_bfloat16"),
    ):
        if precision != "float32" and _cpu.cpu_class() not in _cpu.BFLOAT16_CLASSES:
            continue
        environment = machine.environment("ours", convolutional=model == "cnn_2conv")
        with OwnProcess("roofline", data, environment) as process:
            rows += process.call("take_apart", model=model, precision=precision)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["microseconds"] = (1e6 * table["microseconds"]).map("{:.1f}".format)
    table["gflops"] = (table["gflops"].astype(float) / 1e9).map("{:.0f}".format).replace("nan", "")
    table["share"] = table["share"].astype(float).map("{:.3f}".format).replace("nan", "")
    update_class(args.out / "roofline.csv", table)
    print(table.to_string(index=False))


def take_apart(data, *, model: str, precision: str) -> list[tuple]:
    """Returns the rows of a model's step and of its parts, in seconds and operations a second."""
    import tensorflow as tf
    from ours import Ours

    dtype = tf.bfloat16 if precision != "float32" else tf.float32
    ours = Ours(model, data.train, batch_size=BATCH[model], precision=precision, jit=False)
    steps = ours.loop.source.steps_per_epoch
    ours.epoch()
    step = min(seconds_of(ours.epoch) for _ in range(2 if steps > 600 else 3)) / steps
    rows = [(model, precision, "step", step, None, 1.0)]
    for part, (function, arguments, operations) in parts_of(model, dtype, data).items():
        seconds = time_part(function, arguments)
        share = None if part.startswith(APART) else seconds / step
        rows.append((model, precision, part, seconds, operations / seconds, share))
    return rows


def time_part(function, arguments) -> float:
    """Returns the median seconds of a call: of many in one function, each of which waits for the one before."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def many(*arguments):
        def again(i, total):
            with tf.control_dependencies([total]):
                result = function(*map(tf.identity, arguments))
            return i + 1, total + tf.cast(tf.reshape(result, [-1])[0], tf.float32)

        return tf.while_loop(lambda i, _: i < CALLS, again, (0, 0.0), parallel_iterations=1)[1]

    float(many(*arguments))
    return (
        statistics.median(seconds_of(lambda: float(many(*arguments))) for _ in range(REPEATS))
        / CALLS
    )


def parts_of(model: str, dtype, data) -> dict:
    """Returns the parts of a step: a function, its arguments and its operations, by name."""
    import tensorflow as tf

    from mnist_keras.data.batches import to_input

    n = BATCH[model]

    def draw(*shape):
        return tf.cast(tf.random.normal(shape), dtype)

    def product(rows, inner, columns, **options):
        shapes = (rows, inner), (inner, columns)
        flipped = [
            shape[::-1] if options.get(f"transpose_{x}") else shape
            for shape, x in zip(shapes, "ab", strict=True)
        ]
        multiply = lambda a, b: tf.matmul(a, b, **options)  # noqa: E731
        return multiply, [draw(*shape) for shape in flipped], 2 * rows * inner * columns

    images = tf.constant(data.train.images)
    rows = tf.random.uniform((n,), 0, len(data.train.images), tf.int64)
    parts = {
        "matrix product, 1024": product(1024, 1024, 1024),
        "gather and scale": (lambda x, r: to_input(tf.gather(x, r)), [images, rows], 0),
    }
    if model == "mlp_128":
        weights, zeros = draw(784, 128), tf.zeros((784, 128))
        state = [tf.Variable(zeros) for _ in range(3)]
        options = dict(zip(("var", "m", "v"), (x.handle for x in state), strict=True))
        options |= {"beta1_power": 0.9, "beta2_power": 0.99, "lr": 0.001, "epsilon": 1e-7}

        def adam(gradient):
            update = tf.raw_ops.ResourceApplyAdam(**options, beta1=0.9, beta2=0.99, grad=gradient)
            with tf.control_dependencies([update]):
                return tf.zeros(1)

        return parts | {
            "dense 784-128, forward": product(n, 784, 128),
            "dense 784-128, by weights": product(784, n, 128, transpose_a=True),
            "dense 717-128, forward": product(n, INKED, 128),
            "dense 717-128, by weights": product(INKED, n, 128, transpose_a=True),
            "sparse 784-128, forward": (sparse_product(data.train.images[:n]), [weights], 0),
            "dense 128-10, all three": (
                lambda a, b, c: (
                    tf.reduce_sum(tf.matmul(a, b))
                    + tf.reduce_sum(tf.matmul(c, b, transpose_b=True))
                    + tf.reduce_sum(tf.matmul(a, c, transpose_a=True))
                ),
                [draw(n, 128), draw(128, 10), draw(n, 10)],
                3 * 2 * n * 128 * 10,
            ),
            "Adam, fused, 784-128": (adam, [weights], 0),
        }
    first, second = (n, 28, 28, 1), (n, 26, 26, 32)
    for name, shape, filters in (
        ("first", first, (3, 3, 1, 32)),
        ("second", second, (3, 3, 32, 32)),
    ):
        x, w, dy = draw(*shape), draw(*filters), draw(n, shape[1] - 2, shape[2] - 2, 32)
        operations = 2 * n * (shape[1] - 2) * (shape[2] - 2) * 9 * filters[2] * 32
        options = {"strides": [1, 1, 1, 1], "padding": "VALID"}
        parts[f"{name} convolution, forward"] = (
            lambda x, w, options=options: tf.raw_ops.Conv2D(input=x, filter=w, **options),
            [x, w],
            operations,
        )
        parts[f"{name} convolution, by weights"] = (
            lambda x, dy, filters=filters, options=options: tf.raw_ops.Conv2DBackpropFilter(
                input=x, filter_sizes=filters, out_backprop=dy, **options
            ),
            [x, dy],
            operations,
        )
        if name == "second":
            parts["second convolution, by input"] = (
                lambda w, dy, shape=shape, options=options: tf.raw_ops.Conv2DBackpropInput(
                    input_sizes=shape, filter=w, out_backprop=dy, **options
                ),
                [w, dy],
                operations,
            )
    big = draw(n, 24, 24, 32)
    return parts | {
        "ReLU and max-pool": (lambda x: tf.nn.max_pool2d(tf.nn.relu(x), 2, 2, "VALID"), [big], 0),
        "max-pool and ReLU, by input": (max_pool_gradient, [big], 0),
    }


def sparse_product(images):
    """Returns a function that multiplies the pixels that are not zero, a fifth of all, by weights."""
    import tensorflow as tf

    rows = tf.sparse.from_dense(tf.reshape(tf.cast(images, tf.float32), [len(images), -1]))
    return lambda weights: tf.sparse.sparse_dense_matmul(rows, weights)


def max_pool_gradient(x):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.max_pool2d(tf.nn.relu(x), 2, 2, "VALID")
    return tape.gradient(y, x)


if __name__ == "__main__":
    run_command(main)
