"""Accuracy against seconds, for ours and the peers on one axis: speed_curves.csv and speed.png."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullLocator
from tabular import named, write_rows

COLUMNS = ("contestant", "seed", "seconds", "test_accuracy")
STYLES = {  # contestant -> name, colour, marker; colours of Okabe and Ito, 2008, "Color Universal Design"
    "ours": ("mnist_keras: cnn_fast", "#D55E00", "*"),
    "keras_example": ("Keras: mnist_convnet, fit", "#0072B2", "o"),
    "pytorch_example": ("PyTorch: official MNIST example", "#000000", "s"),
}
SIZE, DPI = (8.0, 4.5), 100  # inches, dots an inch: 800 pixels wide, what a README shows
LOWEST = 0.97  # accuracy; what is below is drawn at the edge


def write_curves(path: Path, curves: list[tuple[str, int, float, float]]) -> None:
    rows = [
        (contestant, seed, f"{seconds:.3f}", f"{accuracy:.4f}")
        for contestant, seed, seconds, accuracy in curves
    ]
    write_rows(path, named(COLUMNS, rows), columns=COLUMNS)


def plot_curves(path: Path, curves: list[tuple[str, int, float, float]], *, target: float) -> None:
    """Draws a line per training and a mark per look at the test images."""
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for contestant, (name, color, marker) in STYLES.items():
        seeds = sorted({row[1] for row in curves if row[0] == contestant})
        for seed in seeds:
            points = [row[2:] for row in curves if row[:2] == (contestant, seed)]
            seconds = [point[0] for point in points]
            accuracies = [max(point[1], LOWEST) for point in points]
            axes.plot(
                seconds,
                accuracies,
                color=color,
                marker=marker,
                markersize=13 if contestant == "ours" else 6,
                linewidth=1.5,
                label=name if seed == seeds[0] else None,
                clip_on=False,
            )
    axes.axhline(target, color="0.4", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(LOWEST, 0.9955)
    axes.yaxis.set_major_locator(MultipleLocator(0.005))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.1f} %"))
    axes.set_xlabel("seconds from loaded arrays to trained weights, tracing included")
    axes.set_ylabel("accuracy on the test images")
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path)
