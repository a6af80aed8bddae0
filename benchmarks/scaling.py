"""Measures training with 1, 2 and 4 processes, fits the cost of their all-reduce, and projects it to 256 workers.

    python benchmarks/scaling.py --data-dir DIR           # five minutes; results/scaling*.csv and scaling.png
    python benchmarks/scaling.py --data-dir DIR --quick   # a few images; runs/scaling

Each process computes with one thread and takes 128 images of each batch. "apart" means that the same number of
processes each train their own model at the same time; the extra time of training together is that of the all-reduce. It
is modeled as a ring of n workers: 2 (n - 1) messages, one after another, and 2 (n - 1) / n of the gradients over each
link (Patarasuk and Yuan, 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations").
"""

import json
import os
import time
from pathlib import Path

import faults
import machine
import numpy as np
import pandas as pd
from command import Parser, run_command, write_rows

COUNTS = (1, 2, 4)
BATCH = 128  # images of each process
STEPS = {"mlp_1024_128": 100, "cnn_2conv": 15}  # of an epoch, a second or two
EPOCHS = 4  # the first one, with tracing, is not counted
SIZES = (1_000, 30_000, 300_000, 3_000_000, 30_000_000)  # bytes of an all-reduce
REPEATS = 20  # of each
SCORES = 8  # bytes of a step's second all-reduce: the loss, and the number of right answers
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# 10 Gbit/s within a rack: assumed, not measured.
ETHERNET = {"seconds_per_message": 50e-6, "bytes_per_second": 1.25e9}
NO_THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}


def main() -> None:
    args = Parser(__doc__, quick=True).parse_args()
    os.environ |= NO_THREADS
    steps, counts = ({"mlp_1024_128": 2}, (1, 2)) if args.quick else (STEPS, COUNTS)
    rows = [
        measure(args.data_dir, model, count, steps[model], together=together)
        for model in steps
        for count in counts
        for together in ((True, False) if count > 1 else (True,))
    ]
    reduced = [row for count in counts if count > 1 for row in measure_reduce(count)]
    links = {"this machine": fit_ring(reduced), "10 Gbit/s Ethernet": ETHERNET}
    write_rows(args.out / "scaling.csv", shares(rows))
    write_rows(
        args.out / "scaling_reduce.csv", [{**row, "machine": machine.summary()} for row in reduced]
    )
    write_rows(
        args.out / "scaling_links.csv", [describe(name, link) for name, link in links.items()]
    )
    projected = project(rows, links)
    write_rows(args.out / "scaling_projected.csv", projected)
    draw(pd.DataFrame(projected), args.out / "scaling.png")


def measure(data_dir: Path, model: str, count: int, steps: int, *, together: bool) -> dict:
    """Returns the throughput of several processes that train one model together, or one each."""
    context = faults.CONTEXT
    queue = context.Queue()
    configs = faults.workers(count) if together and count > 1 else [None] * count
    processes = [
        context.Process(target=_train, args=(queue, config, data_dir, model, steps), daemon=True)
        for config in configs
    ]
    for process in processes:
        process.start()
    seconds = [queue.get(timeout=faults.PATIENCE) for _ in processes]
    for process in processes:
        process.join()
    step = float(np.median(seconds)) / steps
    row = {
        "model": model,
        "processes": count,
        "together": "yes" if together else "no",
        "step_milliseconds": round(step * 1e3, 3),
        "images_per_second": round(count * BATCH / step),
    }
    print(row, flush=True)
    return row


def _train(queue, tf_config, data_dir, model, steps) -> None:
    count = len(tf_config["cluster"]["worker"]) if tf_config else 1
    if tf_config:
        os.environ["TF_CONFIG"] = json.dumps(tf_config)
    from mnist_keras import get_model_spec, get_strategy, load_data, train

    strategy = get_strategy("auto")
    data = load_data("mnist", data_dir=data_dir)
    images = BATCH * count * steps
    rows = np.arange(images) % len(data.train_images)
    recipe = get_model_spec(model).recipe.replace(
        batch_size=BATCH * count, epochs=EPOCHS, precision="float32", jit=False, validation_size=0
    )
    few = data.test_images[:BATCH], data.test_labels[:BATCH]
    arrays = (data.train_images[rows], data.train_labels[rows]), few
    run = train(model, arrays, recipe=recipe, strategy=strategy, verbose=0)
    queue.put(float(np.median(np.diff(run.history["seconds"]))))


def measure_reduce(count: int) -> list[dict]:
    """Returns the seconds of an all-reduce between processes by its size."""
    context = faults.CONTEXT
    queue = context.Queue()
    processes = [
        context.Process(target=_reduce, args=(queue, config), daemon=True)
        for config in faults.workers(count)
    ]
    for process in processes:
        process.start()
    seconds = [queue.get(timeout=faults.PATIENCE) for _ in processes]
    for process in processes:
        process.join()
    rows = [
        {"processes": count, "bytes": size, "seconds": round(float(np.median(times)), 6)}
        for size, times in zip(SIZES, np.transpose(seconds), strict=True)
    ]
    print(*rows, sep="\n", flush=True)
    return rows


def _reduce(queue, tf_config) -> None:
    os.environ["TF_CONFIG"] = json.dumps(tf_config)
    import tensorflow as tf

    from mnist_keras import get_strategy

    strategy = get_strategy("multi_worker")
    medians = []
    for size in SIZES:
        tensor = tf.ones(size // 4)

        @tf.function
        def add_up(tensor):
            return strategy.reduce("SUM", strategy.run(tf.identity, args=(tensor,)), axis=None)

        add_up(tensor)
        times = []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            add_up(tensor)
            times.append(time.perf_counter() - begun)
        medians.append(float(np.median(times)))
    queue.put(medians)


def fit_ring(rows: list[dict]) -> dict[str, float]:
    """Fits the ring's time per message and its bytes per second to the measured all-reduces.

    Least squares of the relative error, so that small messages count as much as large ones.
    """
    from scipy.optimize import nnls

    count, size, seconds = (
        np.array([row[key] for row in rows], float) for key in ("processes", "bytes", "seconds")
    )
    terms = np.stack([2 * (count - 1), 2 * (count - 1) / count * size], axis=1)
    (message, byte), _ = nnls(terms / seconds[:, None], np.ones(len(rows)))
    return {"seconds_per_message": float(message), "bytes_per_second": float(1 / max(byte, 1e-15))}


def describe(name: str, link: dict[str, float]) -> dict:
    return {
        "link": name,
        "microseconds_per_message": round(link["seconds_per_message"] * 1e6, 1),
        "megabytes_per_second": round(link["bytes_per_second"] / 1e6, 1),
    }


def ring_seconds(count: int, size: float, link: dict[str, float]) -> float:
    """Returns the time of an all-reduce over a ring of workers.

    Args:
        count: Number of workers.
        size: Bytes of the gradients.
        link: `seconds_per_message` and `bytes_per_second` between two neighbors.
    """
    messages, share = 2 * (count - 1), 2 * (count - 1) / count
    return messages * link["seconds_per_message"] + share * size / link["bytes_per_second"]


def shares(rows: list[dict]) -> list[dict]:
    """Returns the rows of processes that train together, with the share of a step that is the all-reduce."""
    apart = {
        (row["model"], row["processes"]): row["step_milliseconds"]
        for row in rows
        if row["together"] == "no"
    }
    found = []
    for row in rows:
        if row["together"] == "yes":
            alone = apart.get((row["model"], row["processes"]), row["step_milliseconds"])
            share = max(0.0, 1 - alone / row["step_milliseconds"])
            values = {"apart_milliseconds": alone, "share_of_all_reduce": round(share, 3)}
            found.append({**row, **values, "machine": machine.summary()})
    return found


def project(rows: list[dict], links: dict[str, dict[str, float]]) -> list[dict]:
    """Returns the speedup by model, link and number of workers, each with its own core.

    With a growing batch, each worker has 128 images; a fixed batch of 1,024 is divided among the workers.
    """
    from mnist_keras import get_model_spec

    found = []
    for row in rows:
        if row["processes"] > 1:
            continue
        size = 4 * get_model_spec(row["model"]).num_parameters
        image = row["step_milliseconds"] / 1e3 / BATCH
        for link, facts in links.items():
            for batch in ("128 per worker", "1,024 in all"):
                for count in WORKERS:
                    per_worker = BATCH if batch.startswith("128") else 1024 / count
                    computing = image * per_worker
                    step = computing + sum(ring_seconds(count, n, facts) for n in (size, SCORES))
                    speedup = count * per_worker / step * image
                    found.append(
                        {
                            "model": row["model"],
                            "link": link,
                            "batch": batch,
                            "workers": count,
                            "times_as_fast": round(speedup, 2),
                            "share_of_all_reduce": round(1 - computing / step, 3),
                        }
                    )
    return found


def draw(projected: pd.DataFrame, path: Path) -> None:
    """Draws the projected speed over the number of workers, a panel for each model."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    models = list(projected["model"].unique())
    figure = Figure(figsize=(4.2 * len(models), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, model in zip(figure.subplots(1, len(models), squeeze=False)[0], models, strict=True):
        axes.plot(WORKERS, WORKERS, color="0.8", label="without all-reduce")
        own = projected[projected["model"] == model]
        for (link, batch), rows in own.groupby(["link", "batch"], sort=False):
            style = "-" if batch.startswith("128") else "--"
            color = "tab:blue" if link == "this machine" else "tab:orange"
            label = f"{link}, batch {batch}"
            axes.plot(rows["workers"], rows["times_as_fast"], style, color=color, label=label)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_xticks(WORKERS, map(str, WORKERS))
        axes.set_yticks(WORKERS, map(str, WORKERS))
        axes.set_ylim(0.25, 300)
        axes.set(title=model, xlabel="workers", ylabel="times as fast as one")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, loc="upper left", frameon=False)
    figure.savefig(path, dpi=140)


if __name__ == "__main__":
    run_command(main)
