"""Rates that no peer sets: the matrix product's ceiling, the pipeline by itself, and prediction."""

import dataclasses
import time
from pathlib import Path
from unittest import mock

import numpy as np
import tensorflow as tf
from accuracy import NETS
from goals import AUGMENTED
from ours import Ours
from stopwatch import seconds_of

from mnist_keras import create_model, get_model_spec, make_dataset
from mnist_keras.data import windows
from mnist_keras.data.batches import epoch_rows, get_batch, make_batch_source
from mnist_keras.inference.prediction import BATCH_SIZE, predict_probabilities
from mnist_keras.training import loop

TRANSFORMS = {  # the pipeline's rate with each alone, at the strength of the presets or a usual one
    "plain": None,
    "rotation": {"rotation": 10.0},
    "shift": {"shift": 2.0},
    "zoom": {"zoom": 0.1},
    "shear": {"shear": 10.0},
    "elastic_alone": {"elastic_alpha": 24.0},
    "erasing": {"erasing": 0.5},
    "affine": "affine",
    "elastic": "elastic",
}
MAX_PAIRS = 60  # of epochs with batches and with one batch made before
STATUS = Path("/proc/self/status")  # only Linux has it


def matrix_rate(dtype: str, *, sizes, seconds: float) -> float:
    """Returns the best rate of TensorFlow's matrix product over several sizes, in operations a second."""
    product, best = tf.function(tf.matmul), 0.0
    for rows, inner, columns in sizes:
        a = tf.cast(tf.random.normal((rows, inner)), dtype)
        b = tf.cast(tf.random.normal((inner, columns)), dtype)
        product(a, b)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            duration = seconds_of(lambda a=a, b=b: product(a, b))  # returns when it is done
            best = max(best, 2 * rows * inner * columns / duration)
    return best


def matrix_rates(data, *, sizes, seconds: float) -> dict[str, float]:
    """Returns the rate of each dtype; `data` is not looked at."""
    return {
        dtype: matrix_rate(dtype, sizes=sizes, seconds=seconds) for dtype in ("float32", "bfloat16")
    }


def measure_pipeline(results, data, work) -> None:
    """Notes images a second at batch 128, and the share of a step of each registered recipe."""
    for name in work.transforms or TRANSFORMS:
        augmentation = TRANSFORMS[name]
        source = make_batch_source(data.train, batch_size=128, augmentation=augmentation)
        steps = min(work.num_steps, source.steps_per_epoch)
        gather = _batch_maker(source, steps)
        batches = iter(
            make_dataset(
                data.train_images,
                data.train_labels,
                batch_size=128,
                training=True,
                augmentation=augmentation,
            )
        )

        def iterate(batches=batches, steps=steps):
            for _ in range(steps):
                next(batches)

        for contestant, run in {"ours": gather, "ours_make_dataset": iterate}.items():
            run()
            for _ in range(work.repeats):
                rate = steps * 128 / seconds_of(run)
                results.add(f"pipeline_{name}", contestant, "images_per_second", rate)
    for name in work.nets or sorted(NETS):
        _measure_share(results, f"pipeline_share_{name}", name, data, work)
    for name in work.transforms or TRANSFORMS:
        task = f"pipeline_share_{AUGMENTED}_{name}"
        _measure_share(results, task, AUGMENTED, data, work, augmentation=TRANSFORMS[name])


def _measure_share(results, task, name, data, work, **changes):
    """Notes how much of a step the loop waits for batches: its epochs against such with one batch made before."""
    recipe = get_model_spec(name).recipe
    steps = min(work.num_steps, len(data.train_images) // recipe.batch_size)
    part = dataclasses.replace(data, train=data.train.take(range(steps * recipe.batch_size)))
    real, fixed = Ours(name, part, **changes), Ours(name, part, **changes)
    fixed_epoch = _fixed_epoch(fixed)
    gather = _batch_maker(real.source, steps)
    runs = [real.epoch, fixed_epoch, gather]
    for run in runs:
        run()
    begun, pairs = time.perf_counter(), 0
    while pairs < work.repeats or (
        pairs < MAX_PAIRS and time.perf_counter() - begun < work.share_seconds
    ):
        order = runs[:: 1 if pairs % 2 else -1]  # what runs first may find the machine otherwise
        seconds = {run: seconds_of(run) for run in order}
        real_seconds, fixed_seconds, batch_seconds = (seconds[run] for run in runs)
        pairs += 1
        results.add(task, "ours", "step_ms", 1000 * real_seconds / steps)
        results.add(task, "ours", "fixed_batch_step_ms", 1000 * fixed_seconds / steps)
        results.add(task, "ours", "batch_ms", 1000 * batch_seconds / steps)
        results.add(task, "ours", "share_of_step", 1 - fixed_seconds / real_seconds)
        results.add(task, "ours", "batch_ms_over_step_ms", batch_seconds / real_seconds)
    shares = results.values[task, "ours", "share_of_step"]
    for end, quantile in (("lower", 0.25), ("upper", 0.75)):
        share = float(np.quantile(shares, quantile))
        results.add(task, "ours", f"share_of_step_{end}_quartile", share)


def _fixed_epoch(ours):
    """Returns what runs an epoch of the same loop, in which every step is given the same batch."""
    rows = epoch_rows(ours.source, 0, 0)
    batch = get_batch(ours.source, 0, 0, rows=rows)

    def epoch():
        with (
            mock.patch.object(windows, "epoch_order", lambda *_: rows.order),
            mock.patch.object(loop, "get_batch", lambda *_, **__: batch),
        ):
            ours.epoch()

    return epoch


def _batch_maker(source, num_steps):
    """Returns what makes the batches of an epoch as the training loop does, and looks at one pixel of each."""
    rows = epoch_rows(source, 0, 0)

    @tf.function
    def make(steps):
        step, total = tf.constant(0, tf.int64), 0.0
        while step < steps:
            total = _add_pixel(total, get_batch(source, 0, step, rows=rows))
            step += 1
        return total

    return lambda: make(tf.constant(num_steps, tf.int64)).numpy()


def _add_pixel(total, batch):
    images, labels = batch
    return total + images[0, 0, 0, 0] + tf.cast(labels[0], tf.float32)


def measure_prediction(results, data, work) -> None:
    """Notes milliseconds for one image, images a second for the test set, and the memory of many calls."""
    image, images = data.test_images[:1], data.test_images
    inputs = tf.constant(images[..., None], tf.float32) / 255
    for name in work.predicting:
        model = create_model(name)
        compiled = tf.function(
            lambda x, model=model: model(x, training=False),
            input_signature=[tf.TensorSpec((None, 28, 28, 1))],
        )

        def run_compiled(compiled=compiled):
            for start in range(0, len(images), BATCH_SIZE):
                compiled(inputs[start : start + BATCH_SIZE]).numpy()

        one = {
            "ours": lambda model=model: predict_probabilities(model, image),
            "compiled": lambda compiled=compiled: compiled(inputs[:1]).numpy(),
            "model_predict": lambda model=model: model.predict(inputs[:1], verbose=0),
        }
        many = {
            "ours": lambda model=model: predict_probabilities(model, images),
            "compiled": run_compiled,
            "model_predict": lambda model=model: model.predict(
                inputs, batch_size=BATCH_SIZE, verbose=0
            ),
        }
        for _ in range(3):
            for run in (*one.values(), *many.values()):
                run()
        for contestant, run in one.items():
            for _ in range(work.num_calls // (20 if contestant == "model_predict" else 1)):
                results.add(f"predict_one_{name}", contestant, "ms", 1000 * seconds_of(run))
        for _ in range(5 * work.repeats):
            for contestant, run in many.items():
                rate = len(images) / seconds_of(run)
                results.add(f"predict_all_{name}", contestant, "images_per_second", rate)
        rates = {
            who: results.median(f"predict_all_{name}", who, "images_per_second") for who in many
        }
        share = rates["ours"] / rates["compiled"]
        results.add(f"predict_all_{name}", "ours", "share_of_compiled", share)
        _measure_memory(results, name, one["ours"], num_calls=20 * work.num_calls)


def _measure_memory(results, name, run, *, num_calls):
    if not STATUS.exists():
        return
    before = _resident_megabytes()
    for _ in range(num_calls):
        run()
    growth = _resident_megabytes() - before
    results.add(f"predict_one_{name}", "ours", f"growth_mb_over_{num_calls}_calls", growth)


def _resident_megabytes():
    line = next(x for x in STATUS.read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6
