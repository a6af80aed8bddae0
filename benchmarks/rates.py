"""What speed.py measures of this library alone: its input pipeline and its predictions."""

import collections
import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import psutil
import tensorflow as tf
from accuracy import DOCUMENTED
from exports import RUNTIMES
from ours import Ours
from turns import seconds_of

from mnist_keras import DigitClassifier, create_model, export_model, get_model_spec, make_dataset
from mnist_keras.data import windows
from mnist_keras.data.batches import epoch_rows, get_batch, make_batch_source
from mnist_keras.inference.export import EXPORT_FORMATS
from mnist_keras.inference.prediction import BATCH_SIZE, predict_probabilities
from mnist_keras.training import loop

AUGMENTED = "lenet5"  # the documented model whose recipe augments
TRANSFORMS = {  # alone, as strong as in the presets or as usual
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
PREDICTED = ("mlp_128", "cnn_fast")
REPEATS, CALLS = 3, 500
MAX_STEPS = 300  # of an epoch of the pipeline
MAX_PAIRS, SHARE_SECONDS = 60, 20.0  # of epochs with batches and with one ready batch


def note_rates(results, task: str, runs: dict[str, Callable], count: int, repeats: int) -> None:
    """Notes images per second of runs over `count` images that take turns; the first turn is a warm-up."""
    for turn, (name, run) in itertools.product(range(1 + repeats), runs.items()):
        rate = count / seconds_of(run)
        if turn:
            results.add(task, name, images_per_second=rate)


def measure_pipeline(results, data) -> None:
    """Notes images per second at batch size 128, and the share of a step that each model waits for its batches."""
    for name, augmentation in TRANSFORMS.items():
        options = {"batch_size": 128, "augmentation": augmentation}
        source = make_batch_source(data.train, **options)
        steps = min(MAX_STEPS, source.steps_per_epoch)
        batches = iter(make_dataset(data.train, training=True, **options))
        take = partial(itertools.islice, batches, steps)
        runs = {"ours": gather(source, steps)}
        runs["ours_make_dataset"] = lambda take=take: collections.deque(take(), maxlen=0)
        note_rates(results, f"pipeline_{name}", runs, steps * 128, REPEATS)
        measure_share(results, f"{AUGMENTED}_{name}", AUGMENTED, data, augmentation=augmentation)
    for name in sorted(DOCUMENTED):
        measure_share(results, name, name, data)


def measure_share(results, title, name, data, **changes) -> None:
    """Notes the share of a step spent waiting for batches: epochs are compared with epochs of one ready batch."""
    images = MAX_STEPS * get_model_spec(name).recipe.batch_size
    images = data.train.take(range(min(images, len(data.train))))
    with_batches = Ours(name, images, **changes).epoch
    without = fixed_epoch(Ours(name, images, **changes))
    with_batches(), without()
    end = time.perf_counter() + SHARE_SECONDS
    for pair in range(MAX_PAIRS):
        order = (with_batches, without)[:: 1 if pair % 2 else -1]  # the first may be slower
        seconds = {run: seconds_of(run) for run in order}
        share = 1 - seconds[without] / seconds[with_batches]
        results.add(f"pipeline_share_{title}", "ours", share_of_step=share)
        if pair + 1 >= REPEATS and time.perf_counter() > end:
            return


def fixed_epoch(ours: Ours) -> Callable[[], None]:
    """Returns a function that runs an epoch of the same loop, in which every step gets the same batch."""
    rows = epoch_rows(ours.loop.source, 0, 0)
    batch = get_batch(ours.loop.source, 0, 0, rows=rows)

    @mock.patch.object(windows, "epoch_order", lambda *_: rows.order)
    @mock.patch.object(loop, "get_batch", lambda *_, **__: batch)
    def epoch():
        ours.epoch()

    return epoch


def gather(source, num_steps: int) -> Callable[[], float]:
    """Returns a function that makes batches as the training loop does, and reads a pixel and a label of each."""
    rows = epoch_rows(source, 0, 0)

    def add(step, total):
        images, labels = get_batch(source, 0, step, rows=rows)
        return step + 1, total + images[0, 0, 0, 0] + tf.cast(labels[0], tf.float32)

    @tf.function(autograph=False)
    def make(steps):
        return tf.while_loop(lambda step, _: step < steps, add, (tf.constant(0, tf.int64), 0.0))

    return lambda: float(make(tf.constant(num_steps, tf.int64))[1])


def in_batches(predict: Callable, images) -> None:
    for start in range(0, len(images), BATCH_SIZE):
        predict(images[start : start + BATCH_SIZE])


def predictors(model, images) -> dict[str, Callable[[], object]]:
    """Returns ways to predict images; `Model.predict` and the bare function get them as input of the model."""
    inputs = tf.constant(images[..., None], tf.float32) / 255
    compiled = tf.function(lambda x: model(x, training=False), [tf.TensorSpec((None, 28, 28, 1))])
    return {
        "ours": partial(predict_probabilities, model, images),
        "classifier_predict_proba": partial(DigitClassifier(model).predict_proba, images),
        "compiled": partial(in_batches, lambda x: compiled(x).numpy(), inputs),
        "model_predict": partial(model.predict, inputs, BATCH_SIZE, verbose=0),
    }


def measure_prediction(results, data) -> None:
    """Notes milliseconds for one image, images per second for the test set, and how much memory many calls add."""
    images, memory = data.test.images, psutil.Process().memory_info
    for name in PREDICTED:
        model, one, every = create_model(name), f"predict_one_{name}", f"predict_all_{name}"
        note_rates(results, every, predictors(model, images), len(images), 5 * REPEATS)
        ours, bare = (results.median(every, x, "images_per_second") for x in ("ours", "compiled"))
        results.add(every, "ours", share_of_compiled=ours / bare)
        runs = predictors(model, images[:1])
        for way, calls in {"ours": CALLS, "model_predict": CALLS // 20}.items():
            runs[way]()
            for _ in range(calls):
                results.add(one, way, ms=1000 * seconds_of(runs[way]))
        before = memory().rss
        for _ in range(20 * CALLS):
            runs["ours"]()
        grown = (memory().rss - before) / 1e6
        results.add(one, "ours", **{f"growth_mb_over_{20 * CALLS}_calls": grown})


def measure_throughput(results, data, repeats: int) -> None:
    """Notes images per second over all training images, also in Keras, ONNX Runtime and LiteRT with their defaults."""
    images = data.train.images
    for name in PREDICTED:
        model = create_model(name, weights="mnist")
        runs = predictors(model, images)
        with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
            for runtime in ("onnx", "litert"):
                path = Path(directory) / f"model{EXPORT_FORMATS[runtime].suffix}"
                export_model(model, path, format=runtime, data=data)
                predict = stack.enter_context(RUNTIMES[runtime](path))
                runs[runtime] = partial(in_batches, predict, images)
            note_rates(results, f"predict_60000_{name}", runs, len(images), repeats)
