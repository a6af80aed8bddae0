"""Rates that no peer sets: the input pipeline by itself, and prediction; parts of speed.py."""

import os
import tempfile
import time
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import tensorflow as tf
from entries import DOCUMENTED
from ours import Ours
from turns import seconds_of

from mnist_keras import (
    DigitClassifier,
    create_model,
    export_model,
    get_model_spec,
    make_dataset,
)
from mnist_keras.data import windows
from mnist_keras.data.batches import epoch_rows, get_batch, make_batch_source
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
REPEATS, CALLS, SHARE_SECONDS = (3, 1), (500, 20), (20.0, 0.0)  # in full, and with --quick
QUICK_MODELS, QUICK_TRANSFORMS = ["mlp_128"], ["plain", "affine"]
PICTURES = 1000  # that are prepared as pictures of any size
MAX_STEPS = 300  # of an epoch of the pipeline
MAX_PAIRS = 60  # of epochs with batches and with one batch made before
STATUS = Path("/proc/self/status")  # only on Linux


def measure_pipeline(results, data, quick: bool) -> None:
    """Notes images a second at batch 128, and the share of a step that each model waits for its batches."""
    transforms = QUICK_TRANSFORMS if quick else list(TRANSFORMS)
    for name in transforms:
        options = {"batch_size": 128, "augmentation": TRANSFORMS[name]}
        source = make_batch_source(data.train, **options)
        steps = min(MAX_STEPS, source.steps_per_epoch)
        batches = iter(make_dataset(data.train, training=True, **options))

        def iterate(batches=batches, steps=steps):
            for _ in range(steps):
                next(batches)

        runs = {"ours": _gather(source, steps), "ours_make_dataset": iterate}
        for contestant, run in runs.items():
            run()
            for _ in range(REPEATS[quick]):
                rate = steps * 128 / seconds_of(run)
                results.add(f"pipeline_{name}", contestant, images_per_second=rate)
    for name in QUICK_MODELS if quick else sorted(DOCUMENTED):
        _measure_share(results, name, name, data, quick)
    for name in transforms:
        changes = {"augmentation": TRANSFORMS[name]}
        _measure_share(results, f"{AUGMENTED}_{name}", AUGMENTED, data, quick, **changes)


def _measure_share(results, title, name, data, quick, **changes):
    """Notes how much of a step the loop waits for batches: its epochs against those with one batch made before."""
    batch_size = get_model_spec(name).recipe.batch_size
    steps = min(MAX_STEPS, len(data.train) // batch_size)
    images = data.train.take(range(steps * batch_size))
    real, fixed = Ours(name, images, **changes), Ours(name, images, **changes)
    runs = [real.epoch, _fixed_epoch(fixed), _gather(real.loop.source, steps)]
    for run in runs:
        run()
    task, end, pairs = f"pipeline_share_{title}", time.perf_counter() + SHARE_SECONDS[quick], 0
    while pairs < REPEATS[quick] or (pairs < MAX_PAIRS and time.perf_counter() < end):
        order = runs[:: 1 if pairs % 2 else -1]  # what runs first may find the machine otherwise
        seconds = {run: seconds_of(run) for run in order}
        step, fixed_step, batch = (1000 * seconds[run] / steps for run in runs)
        times = {"step_ms": step, "fixed_batch_step_ms": fixed_step, "batch_ms": batch}
        shares = {"share_of_step": 1 - fixed_step / step, "batch_ms_over_step_ms": batch / step}
        results.add(task, "ours", **times, **shares)
        pairs += 1
    share = results.of(task, "ours", "share_of_step")
    quartiles = {"lower": share.quantile(0.25), "upper": share.quantile(0.75)}
    results.add(task, "ours", **{f"share_of_step_{x}_quartile": y for x, y in quartiles.items()})


def _fixed_epoch(ours):
    """Returns what runs an epoch of the same loop, in which every step gets the same batch."""
    rows = epoch_rows(ours.loop.source, 0, 0)
    batch = get_batch(ours.loop.source, 0, 0, rows=rows)

    def epoch():
        with (
            mock.patch.object(windows, "epoch_order", lambda *_: rows.order),
            mock.patch.object(loop, "get_batch", lambda *_, **__: batch),
        ):
            ours.epoch()

    return epoch


def _gather(source, num_steps):
    """Returns what makes the batches of an epoch as the training loop does, and reads a pixel and a label of each."""
    rows = epoch_rows(source, 0, 0)

    def add(step, total):
        images, labels = get_batch(source, 0, step, rows=rows)
        return step + 1, total + images[0, 0, 0, 0] + tf.cast(labels[0], tf.float32)

    @tf.function(autograph=False)
    def make(steps):
        return tf.while_loop(lambda step, _: step < steps, add, (tf.constant(0, tf.int64), 0.0))

    return lambda: float(make(tf.constant(num_steps, tf.int64))[1])


def measure_prediction(results, data, quick: bool) -> None:
    """Notes milliseconds for one image, images a second for the test set, and the memory of many calls."""
    images, calls = data.test.images, CALLS[quick]
    inputs = tf.constant(images[..., None], tf.float32) / 255
    for name in QUICK_MODELS if quick else ("mlp_128", "cnn_fast"):
        model = create_model(name)
        signature = [tf.TensorSpec((None, 28, 28, 1))]
        compiled = tf.function(lambda x, model=model: model(x, training=False), signature)

        def run_compiled(count, compiled=compiled):
            for start in range(0, count, BATCH_SIZE):
                compiled(inputs[start : min(start + BATCH_SIZE, count)]).numpy()

        def run_keras(count, model=model):
            model.predict(inputs[:count], batch_size=BATCH_SIZE, verbose=0)

        def run_ours(count, model=model):
            predict_probabilities(model, images[:count])

        runs = {"ours": run_ours, "compiled": run_compiled, "model_predict": run_keras}
        one, every = f"predict_one_{name}", f"predict_all_{name}"
        for run in 3 * list(runs.values()):
            for count in (1, len(images)):
                run(count)
        for contestant, run in runs.items():
            for _ in range(calls // (20 if contestant == "model_predict" else 1)):
                results.add(one, contestant, ms=1000 * seconds_of(lambda run=run: run(1)))
        for contestant, run in 5 * REPEATS[quick] * list(runs.items()):
            rate = len(images) / seconds_of(lambda run=run: run(len(images)))
            results.add(every, contestant, images_per_second=rate)
        rates = {x: results.of(every, x, "images_per_second").median() for x in runs}
        results.add(every, "ours", share_of_compiled=rates["ours"] / rates["compiled"])
        before = _resident_megabytes()
        for _ in range(20 * calls):
            run_ours(1)
        if before:
            grown = _resident_megabytes() - before
            results.add(one, "ours", **{f"growth_mb_over_{20 * calls}_calls": grown})


def measure_throughput(results, data, quick: bool) -> None:
    """Notes images a second of all training images: ours beside ONNX Runtime and LiteRT on the same model."""
    images, pictures = data.train.images, list(data.test.images[:PICTURES])
    for name in ("mlp_128", "cnn_fast"):
        model, task = create_model(name, weights="mnist"), f"predict_60000_{name}"
        classifier = DigitClassifier(model)
        with tempfile.TemporaryDirectory() as directory:
            runs = {
                "ours": partial(predict_probabilities, model),
                "classifier_predict_proba": classifier.predict_proba,
                "model_predict": lambda x, model=model: model.predict(
                    x[..., None].astype("float32") / 255, batch_size=BATCH_SIZE, verbose=0
                ),
                **_other_runtimes(model, Path(directory), data),
            }
            for turn in range(1 + REPEATS[quick]):
                for contestant, run in runs.items():
                    part = images if turn else images[: 2 * BATCH_SIZE]  # the first time to warm up
                    rate = len(part) / seconds_of(lambda run=run, part=part: run(part))
                    if turn:
                        results.add(task, contestant, images_per_second=rate)
        seconds = seconds_of(lambda classifier=classifier: classifier.predict(pictures))
        rate = len(pictures) / seconds
        results.add(task, "classifier_predict", images_per_second=rate)


def _other_runtimes(model, directory: Path, data) -> dict:
    """Returns what predicts batches in other runtimes with as many threads as cores, by name."""
    import onnxruntime
    from ai_edge_litert.interpreter import Interpreter

    names = {"onnx": str(directory / "model.onnx"), "litert": str(directory / "model.tflite")}
    for name, path in names.items():
        export_model(model, path, format=name, data=(data.test.images, data.test.labels))
    session = onnxruntime.InferenceSession(names["onnx"], providers=["CPUExecutionProvider"])
    interpreter = Interpreter(names["litert"], num_threads=os.cpu_count())
    runner = interpreter.get_signature_runner()
    dtypes = {
        "onnx": np.float32,
        "litert": next(iter(runner.get_input_details().values()))["dtype"],
    }
    answers = {
        "onnx": lambda pixels: session.run(["probabilities"], {"pixels": pixels}),
        "litert": lambda pixels: runner(pixels=pixels),
    }

    def run(name, images):
        for start in range(0, len(images), BATCH_SIZE):
            answers[name](images[start : start + BATCH_SIZE].astype(dtypes[name]))

    return {name: partial(run, name) for name in names}


def _resident_megabytes():
    """Returns the resident memory, or 0 where the system does not tell."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    return sum(int(x.split()[1]) * 1024 / 1e6 for x in lines if x.startswith("VmRSS"))
