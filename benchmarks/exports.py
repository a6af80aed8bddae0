"""Measures every export of every packaged model: size, speed, accuracy, and how far from Keras it is.

    python benchmarks/exports.py --data-dir DIR                                   # results/exports.csv, about an hour
    python benchmarks/exports.py --data-dir DIR --models lenet5 --formats c web   # these rows alone

Each model is exported and proved on MNIST's test images, then loaded in its own runtime with that runtime's default
number of threads: LiteRT, C and JavaScript (V8) take one core, the others all. One image is timed as the median of
calls, the rate in batches of 500 where the runtime takes batches. Accuracy is that of all 10,000 test images; a format
in float32 that needs more than a minute for them gets the first 1,000, as the file says. Each row has the load of the
machine; where it was busy, plot and tables leave the times out. The picture of docs/results/exports.md is made from the
file; `tables.py` makes the tables.
"""

import base64
import contextlib
import ctypes
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import machine
import numpy as np
import pandas as pd
from command import RESULTS, ROOT, Parser, load_published, read_rows, run_command, update_rows

from mnist_keras.inference.export import EXPORT_FORMATS
from mnist_keras.models.pretrained import list_weights

KEYS = ["model", "format"]
PICTURE = ROOT / "docs" / "results" / "exports.png"
BATCH_SIZE = 500  # images
CALLS, PATIENCE = 200, 3.0  # calls with one image, and seconds after which no more are made
TIMES = ("one_image_ms", "images_per_second")  # the cells of times
BUSY = 0.75  # of the cores; if others keep so many of them busy, times are left out
LONG, FEW = 60.0, 1_000  # seconds for all test images; above them, so many images are read

Predict = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    models = list_weights()
    parser = Parser(__doc__)
    parser.add_argument("--models", nargs="+", choices=models, default=models, metavar="MODEL")
    names = list(EXPORT_FORMATS)
    parser.add_argument("--formats", nargs="+", choices=names, default=names, metavar="FORMAT")
    args = parser.parse_args()
    data = load_published("mnist", args.data_dir)

    from mnist_keras import load_model

    order = [(model, name) for model in models for name in names]
    for model in args.models:
        for name in args.formats:
            row = {"model": model, "format": name, **measure(load_model(model), name, data)}
            print(
                ", ".join(f"{key} {value}" for key, value in row.items() if key != "machine"),
                flush=True,
            )
            update_rows(args.out / "exports.csv", [row], keys=KEYS, order=order)
    draw(args.out / "exports.csv", PICTURE if args.out == RESULTS else args.out / "exports.png")


def measure(model, name: str, data) -> dict[str, str]:
    """Returns the cells of a model in a format."""
    from mnist_keras import export_model

    spec, load = EXPORT_FORMATS[name], machine.load()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"exported{spec.suffix}"
        export = export_model(model, path, format=name, data=data)
        with RUNTIMES[spec.module](path) as predict:
            seconds = time_one(predict, data.test_images)
            images, labels = data.test_images, data.test_labels
            predict(images[:BATCH_SIZE])  # the first batch of a size may take longer
            start = time.perf_counter()
            predict(images[:BATCH_SIZE])
            if (time.perf_counter() - start) / BATCH_SIZE * len(images) > LONG:
                images, labels = images[:FEW], labels[:FEW]
            start = time.perf_counter()
            batches = range(0, len(images), BATCH_SIZE)
            answers = [predict(images[first : first + BATCH_SIZE]) for first in batches]
            rate = len(images) / (time.perf_counter() - start)
        accuracy = float(np.mean(np.concatenate(answers).argmax(axis=1) == labels))
        if export.num_images > len(labels):  # the proof of int8 reads all of them
            accuracy, labels = export.accuracy, data.test_labels
        flash = flash_bytes(path) if spec.module == "c" else ""
    return {
        "bytes": str(export.num_bytes),
        "flash_bytes": str(flash),
        "largest_difference": f"{export.largest_difference:.1e}",
        "other_labels": str(export.num_other_labels),
        "proof_images": str(export.num_images),
        "accuracy": f"{accuracy:.4f}",
        "accuracy_images": str(len(labels)),
        "one_image_ms": f"{1000 * seconds:.3g}",
        "images_per_second": f"{rate:.3g}",
        "load": f"{load:.1f}",
        "machine": machine.summary(),
    }


def time_one(predict: Predict, images: np.ndarray) -> float:
    """Returns the median seconds of a call with one image."""
    for image in images[:3]:
        predict(image[None])
    times: list[float] = []
    end = time.perf_counter() + PATIENCE
    while len(times) < CALLS and (time.perf_counter() < end or len(times) < 3):
        start = time.perf_counter()
        predict(images[len(times)][None])
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def flash_bytes(path: Path) -> int:
    """Returns the code and the constants of a C file, compiled for size."""
    program = path.with_suffix(".o")
    subprocess.run(["gcc", "-std=c99", "-Os", "-c", path, "-o", program], check=True)
    sizes = subprocess.run(["size", program], capture_output=True, text=True, check=True).stdout
    return sum(map(int, sizes.splitlines()[1].split()[:2]))


@contextlib.contextmanager
def saved_model(path: Path) -> Iterator[Predict]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["uint8"]
    yield lambda images: serve(tf.constant(images))["probabilities"].numpy()


@contextlib.contextmanager
def litert(path: Path) -> Iterator[Predict]:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path)).get_signature_runner()
    (pixels,) = runner.get_input_details().values()
    (name,) = runner.get_output_details()
    yield lambda images: runner(pixels=images.astype(pixels["dtype"]))[name]


@contextlib.contextmanager
def onnx(path: Path) -> Iterator[Predict]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    yield lambda images: session.run(["probabilities"], {"pixels": images.astype(np.float32)})[0]


@contextlib.contextmanager
def c(path: Path) -> Iterator[Predict]:
    library = path.with_suffix(".so")
    options = ["-std=c99", "-O3", "-shared", "-fPIC"]
    subprocess.run(["gcc", *options, "-o", library, path, "-lm"], check=True)
    function = ctypes.CDLL(str(library)).mnist_predict

    def predict(images):
        images = np.ascontiguousarray(images)
        answers = np.zeros((len(images), 10), np.float32)
        for image, answer in zip(images, answers, strict=True):
            function(ctypes.c_void_p(image.ctypes.data), ctypes.c_void_p(answer.ctypes.data))
        return answers

    yield predict


@contextlib.contextmanager
def web(path: Path) -> Iterator[Predict]:
    from py_mini_racer import MiniRacer

    from mnist_keras.inference.formats.web import script_of

    with MiniRacer() as engine:
        engine.eval(script_of(path, "library"))
        engine.eval(f"const model = {script_of(path, 'model')};")
        engine.eval(f"const weights = decodeWeights({json.dumps(script_of(path, 'weights'))});")

        def predict(images):
            text = json.dumps(base64.b64encode(np.ascontiguousarray(images)).decode())
            engine.eval(f"var images = decodeBase64({text});")
            answers = engine.eval(
                "JSON.stringify(Array.from({length: images.length / 784}, (_, i) =>"
                "Array.from(predict(model, weights, images.subarray(784 * i, 784 * (i + 1))))))"
            )
            return np.array(json.loads(str(answers)))

        yield predict


@contextlib.contextmanager
def hub(path: Path) -> Iterator[Predict]:
    import keras

    model = keras.saving.load_model(path)
    yield lambda images: model.predict_on_batch(images[..., None].astype(np.float32))


RUNTIMES = {function.__name__: function for function in (saved_model, litert, onnx, c, web, hub)}


def without_busy_times(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns rows of text without the times that were taken on a busy machine."""
    cores = pd.to_numeric(rows["machine"].str.extract(r"cores (\d+)", expand=False))
    is_busy = ~(pd.to_numeric(rows["load"]) < BUSY * cores)
    return rows.assign(**{name: rows[name].mask(is_busy, "") for name in TIMES})


def times(results: Path, values: str) -> pd.DataFrame:
    """Returns a row for each model with the times in a column by format, except those of a busy machine."""
    rows = without_busy_times(read_rows(results / "exports.csv"))
    rows[values] = pd.to_numeric(rows[values])
    table = rows.pivot(index="model", columns="format", values=values)
    return table.loc[rows["model"].unique()].reset_index()


def draw(rows: Path, path: Path) -> None:
    """Draws size and time of one image, a line for each model and a point for each format."""
    from mnist_keras.evaluation.figures import COLORS, new_axes

    table = without_busy_times(read_rows(rows))
    models = list(dict.fromkeys(table["model"]))[::-1]
    ax = new_axes(None, height=0.42 * len(models) + 1.4, width=10)
    figure = ax.figure
    figure.clear()
    columns = {"bytes": (1e3, "size, kB"), "one_image_ms": (1, "one image, ms")}
    columns = {name: column for name, column in columns.items() if table[name].ne("").any()}
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for panel, (column, (unit, title)) in zip(panels, columns.items(), strict=True):
        for number, name in enumerate(EXPORT_FORMATS):
            own = table[(table["format"] == name) & (table[column] != "")]
            places = [models.index(model) for model in own["model"]]
            panel.plot(
                own[column].astype(float) / unit,
                places,
                MARKERS[number],
                label=name,
                color=COLORS[number % (len(COLORS) - 1)],
                markersize=6,
                alpha=0.85,
            )
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter("{x:g}" if len(models) == 1 else "")
        panel.set_xlabel(title)
        panel.grid(axis="both", color="#e5e5e5")
        panel.set_axisbelow(True)
    panels[0].set_yticks(range(len(models)), models)
    panels[0].set_ylim(-0.6, len(models) - 0.4)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, frameon=False)
    figure.savefig(path)


MARKERS = ("o", "s", "s", "s", "D", "D", "^", "^", "*", "P")


def proofs(results: Path) -> pd.DataFrame:
    """Returns for each format the model whose probabilities differ most from Keras's, and the most that is allowed."""
    rows = pd.read_csv(results / "exports.csv")
    formats = rows.groupby("format", sort=False)
    rows["most_labels"] = formats["other_labels"].transform("max")
    rows["allowed"] = rows["format"].map(lambda name: EXPORT_FORMATS[name].tolerance)
    return rows.loc[formats["largest_difference"].idxmax()]


if __name__ == "__main__":
    run_command(main)
