"""Writes the block of docs/results/speed.md from the results of speed.py, choices.py and growth.py.

    python benchmarks/report.py

Goals that are not reached are shown as missed. A goal that was set for a CPU with AMX is not one for another CPU.
"""

import argparse
import math

from command import run_command
from goals import AUGMENTED, EPOCHS, GROWTH, SHARE, Measured, all_goals, percent, points
from tabular import RESULTS, ROOT, read_rows, with_block

from mnist_keras._validation import InputError

SOURCES = ("speed.csv", "choices.csv", "growth.csv")
NAME = SOURCES[0]  # in the block's markers
PAGE = ROOT / "docs" / "results" / "speed.md"
CONTESTANTS = {  # of an epoch
    "ours": "ours",
    "ours_bfloat16": "ours, bfloat16",
    "ours_xla": "ours, XLA",
    "fit": "Keras's `fit`",
    "fit_32_steps": "`fit`, 32 steps an execution",
    "pytorch_dataloader": "PyTorch, `DataLoader`",
    "pytorch_resident": "PyTorch, data resident",
    "pytorch_resident_fused": "the same, fused optimizer",
    "scikit_learn": "scikit-learn",
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    if not (RESULTS / NAME).exists():
        raise InputError(f"{RESULTS / NAME} is missing. Run benchmarks/speed.py first.")
    block = make_block(*(read_rows(RESULTS / name) for name in SOURCES))
    PAGE.write_text(with_block(PAGE.read_text(encoding="utf-8"), NAME, block), encoding="utf-8")


def make_block(
    speed: list[dict[str, str]], choices: list[dict[str, str]], growth: list[dict[str, str]]
) -> str:
    """Returns the page's block: the headline, goals and what was measured, epochs, transforms, the machine."""
    measured = Measured(speed)
    machines = {row["machine"] for row in (*choices, *growth)}
    machines.add(measured.text("machine", "", "summary"))
    if len(machines) > 1:
        raise InputError(
            "The results are of different machines or versions. Run speed.py, choices.py and growth.py on one:\n"
            + "\n".join(sorted(machines))
        )
    parts = [
        _headline(measured),
        "\n".join(
            [
                "| what | goal | measured | reached |",
                "|---|---|--:|---|",
                *(goal.row() for goal in all_goals(measured, choices, growth)),
            ]
        ),
        "Seconds of an epoch, median; one contestant at a time, each library in a process of its own:",
        _epoch_table(measured),
        'Ours at `mlp_1024_128` is compiled by XLA, as jit="auto" chooses; the column "XLA" is for what was asked for.',
        _transforms(measured),
        _growth(growth),
        _machine(measured),
    ]
    return "\n\n".join(filter(None, parts))


def _headline(measured):
    def ours(metric):
        return measured("to_99_percent", "ours", metric)

    seeds = measured.text("to_99_percent", "ours", "test_accuracy", column="repeats")
    return (
        f"`cnn_fast` reaches {percent(ours('test_accuracy_mean'), 2)} on MNIST's test images (mean of {seeds} seeds, "
        f"deviation {points(ours('test_accuracy_deviation'))}, last step) in {ours('seconds'):.2f} s from arrays in "
        "memory to trained weights, in a fresh process each, tracing included (median), in "
        f"{measured.text('machine', '', 'precision_of_cnn_fast')}. On the same machine, in float32, PyTorch's official "
        f"MNIST example takes {_peer(measured, 'pytorch_example')} to its first epoch with 99.0%, Keras's "
        f"`mnist_convnet`, which holds 10% of the images out, {_peer(measured, 'keras_example')}."
    )


def _peer(measured, name):
    seconds = measured("to_99_percent", name, "seconds")
    if math.isinf(seconds):
        return "all its epochs without coming"
    times = measured("to_99_percent", name, "times_slower_than_ours")
    repeats = measured.text("to_99_percent", name, "seconds", column="repeats")
    return f"{seconds:.0f} s ({times:.1f} times as long; median of {repeats})"


def _epoch_table(measured):
    lines = [f"| | {' | '.join(CONTESTANTS.values())} |", f"|---|{'--:|' * len(CONTESTANTS)}"]
    for task, what in EPOCHS.items():
        seconds = [measured(task, name, "epoch_seconds") for name in CONTESTANTS]
        cells = ["" if math.isnan(value) else f"{value:.3g}" for value in seconds]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _transforms(measured):
    prefix, parts = f"{SHARE}{AUGMENTED}_", []
    for task in measured.tasks:
        if task.startswith(prefix):
            name = task.removeprefix(prefix)
            rate = measured(f"pipeline_{name}", "ours", "images_per_second")
            share = percent(measured(task, "ours", "share_of_step"))
            parts.append(f"{name.replace('_', ' ')} {rate:,.0f} ({share})")
    datasets = ", ".join(
        f"{name} {measured(f'pipeline_{name}', 'ours_make_dataset', 'images_per_second'):,.0f}"
        for name in ("plain", "affine")
    )
    return (
        "Images a second that come through a transform alone at batch 128, in brackets the share of a step that "
        f"`{AUGMENTED}` spends waiting for them: {', '.join(parts)}; by its recipe "
        f"{percent(measured(SHARE + AUGMENTED, 'ours', 'share_of_step'))}. As a dataset of `make_dataset`: {datasets}."
    )


def _growth(growth):
    values = {(row["data"], row["images"], row["metric"]): row["median"] for row in growth}
    parts = []
    for (data, metric), what in GROWTH.items():
        counts = [count for place, count, name in values if (place, name) == (data, metric)]
        unit = "MB" if metric.endswith("megabytes") else "µs"
        sizes = (f"{_round(values[data, n, metric])} {unit} with {int(n):,}" for n in counts)
        if counts:
            parts.append(f"{what}: {', '.join(sizes)}")
    return f"Training `mlp_128` on more and more images: {'; '.join(parts)}." if parts else ""


def _round(value):
    return f"{float(value):.3g}" if float(value) < 1000 else f"{float(value):,.0f}"


def _machine(measured):
    def fact(name):
        return measured.text("machine", "", name)

    versions = ", ".join(
        f"{label} {fact(name)}"
        for name, label in {
            "tensorflow": "TensorFlow",
            "keras": "Keras",
            "torch": "PyTorch",
            "scikit-learn": "scikit-learn",
            "numpy": "NumPy",
            "python": "Python",
        }.items()
    )
    return (
        f"Machine: {fact('cpu')}, {fact('cores')} cores, {fact('instructions') or 'instructions unknown'}; "
        f"{fact('system')}; {versions}. One of its cores was wanted by {fact('load_average_before')} other processes "
        "on average in the minute before; where that is above 0.3, PyTorch's and scikit-learn's times are too long. "
        "`python benchmarks/speed.py "
        "--data-dir DIR`, likewise `choices.py` and `growth.py`, repeat it and write "
        "[the results](../../benchmarks/results/speed.csv), of which `python benchmarks/report.py` makes this block."
    )


if __name__ == "__main__":
    run_command(main)
