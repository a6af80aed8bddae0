"""The page of a run: `report.html`, a single self-contained file.

Images are inline, and charts are SVG in the page's colors, light or dark. Nothing is loaded from elsewhere. The size
does not grow with the data: the page has images of at most `MAX_CELLS` kinds of errors.
"""

import importlib.resources
import json
import shlex
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mnist_keras import __version__
from mnist_keras._files import replace_file
from mnist_keras._html import escape, table
from mnist_keras.data.splits import Split
from mnist_keras.evaluation.figures import BLUE, as_svg, new_axes
from mnist_keras.evaluation.image_plots import GRID_IMAGES, worst_errors
from mnist_keras.evaluation.metrics import SCORES, Evaluation, describe_images
from mnist_keras.evaluation.plotting import draw_reliability, plot_history
from mnist_keras.evaluation.thumbnails import Thumbnails, data_uri

if TYPE_CHECKING:
    from mnist_keras.evaluation.robustness import Robustness

MAX_CELLS, CELL_IMAGES = 60, 6  # cells of the confusion matrix with images, and images in each
TABLE_CLASSES = 62  # classes of EMNIST by class; the matrix of more is a picture
DENSE_CLASSES = 20  # from here on the cells of the matrix are small
HALF_WIDTH_CLASSES = 12  # the matrix of more needs the whole width
LONG_TABLE = 30  # rows; longer tables scroll
SHARE_EXPONENT = 0.4  # of a cell's color; below 1, so that few errors show next to many hits
FULLEST = 65  # percent of a cell's color at most, so that its text stays legible
CURVE_SIZE = {"width": 4.4, "height": 3.1}  # inches; legible even on a phone
RELIABILITY_SIZE = {"width": 5.6, "height": 4.4}

Cell = tuple[int, int]  # true and predicted class
Cells = Mapping[Cell, Sequence[int]]  # the rows of the images in each cell


def write_report(path: str | Path, evaluation: Evaluation, examples: Split, **details: Any) -> None:
    """Writes the page; takes what `render_report` takes."""
    page = render_report(evaluation, examples, **details)
    with replace_file(Path(path)) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")


def render_report(
    evaluation: Evaluation,
    examples: Split,
    *,
    history: Mapping[str, Sequence[float]] | None = None,
    config: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    robustness: "Robustness | None" = None,
) -> str:
    """Returns an evaluation as an HTML page.

    Args:
        evaluation: The result of `evaluate`.
        examples: The images that were evaluated; only those on the page are read.
        history: See `plot_history`; None, or a single epoch, for a page without curves.
        config: The contents of config.json, as far as known: model, recipe, data, versions, command.
        metrics: The contents of metrics.json, for the training time and the training accuracy.
        robustness: The result of `evaluate_robustness`, if there is one.
    """
    config = config or {}
    worst = worst_errors(evaluation.labels, evaluation.probabilities)
    cells = _error_cells(evaluation, worst)
    in_cells = [row for rows in cells.values() for row in rows[:CELL_IMAGES]]
    thumbnails = Thumbnails(evaluation, examples, [*worst[:GRID_IMAGES], *in_cells])
    sections = {
        "Training": _curves(history),
        "Confusion matrix": _confusion_matrix(evaluation, cells, thumbnails),
        "Most confused pairs": _most_confused(evaluation, cells, thumbnails),
        "Worst errors": _worst_errors(worst, thumbnails),
        "Classes": _classes(evaluation),
        "Calibration": _calibration(evaluation),
        "Robustness": _robustness(robustness) if robustness else "",
        "How it was made": _details(config),
    }
    halves = ["Classes", "Calibration"]  # sections beside each other on a wide screen
    if len(evaluation.class_names) <= HALF_WIDTH_CLASSES and evaluation.num_errors:
        halves += ["Confusion matrix", "Most confused pairs"]
    model = config.get("model")
    name = str(model.get("name", "")) if isinstance(model, Mapping) else ""
    page = importlib.resources.files("mnist_keras.evaluation").joinpath("report_page.html")
    return string.Template(page.read_text(encoding="utf-8")).substitute(
        title=escape(f"{name or 'Evaluation'} on {describe_images(evaluation)}"),
        accuracy=f"{evaluation.accuracy:.2%}",
        summary=_summary(evaluation, metrics or {}),
        sections="\n".join(
            f'<section class="{"half" if name in halves else "full"}">\n<h2>{name}</h2>\n{body}\n</section>'
            for name, body in sections.items()
            if body
        ),
        version=escape(__version__),
    )


def _summary(evaluation: Evaluation, metrics: Mapping[str, Any]) -> str:
    low, high = evaluation.accuracy_ci95
    lines = [
        f"<p>accuracy, 95% interval {low:.2%} to {high:.2%}: "
        f"{evaluation.num_errors:,} errors in {evaluation.num_examples:,} images</p>"
    ]
    training = []
    if "train_accuracy" in metrics:
        training.append(f"accuracy on the training images {metrics['train_accuracy']:.2%}")
    if "train_seconds" in metrics:
        training.append(f"trained in {metrics['train_seconds']:,.1f} s")
    if training:
        lines.append(f'<p class="quiet">{", ".join(training)}</p>')
    return "\n".join(lines)


def _curves(history: Mapping[str, Sequence[float]] | None) -> str:
    history = history or {}
    charts = []
    for measure in ("loss", "accuracy"):
        part = {key: history[key] for key in (measure, f"val_{measure}") if history.get(key)}
        if len(part.get(measure, ())) > 1:  # a single epoch gives no curve
            charts.append(as_svg(plot_history(part, ax=new_axes(None, **CURVE_SIZE))))
    return _charts(*charts) if charts else ""


def _confusion_matrix(evaluation: Evaluation, cells: Cells, thumbnails: Thumbnails) -> str:
    hint = "Rows are true classes, columns are predicted classes."
    if len(evaluation.class_names) > TABLE_CLASSES:
        picture = data_uri(_matrix_picture(evaluation.confusion_matrix))
        buttons = [
            _cell_button(
                cell, f"{_in_words(evaluation, cell)}: {evaluation.confusion_matrix[cell]:,}"
            )
            for cell in cells
        ]
        matrix = f'<img class="map" alt="Confusion matrix" src="{picture}">'
        if buttons:
            matrix += (
                f'\n<p>The most frequent errors:</p>\n<div class="list">{"".join(buttons)}</div>'
            )
    else:
        hint += " Click a number to see its images." if cells else ""
        matrix = f'<div class="wide">{_matrix_table(evaluation, cells)}</div>'
    popovers = [_popover(evaluation, cell, rows, thumbnails) for cell, rows in cells.items()]
    return "\n".join([f"<p>{hint}</p>", matrix, *popovers])


def _matrix_table(evaluation: Evaluation, cells: Cells) -> str:
    names = [escape(name) for name in evaluation.class_names]
    dense = " dense" if len(names) > DENSE_CLASSES else ""
    slanted = " slanted" if max(map(len, evaluation.class_names)) > 3 else ""
    head = "".join(f"<th><span>{name}</span></th>" for name in names)
    lines = [
        f'<table class="matrix{dense}{slanted}">',
        f'<thead><tr><th class="corner">true \\ predicted</th>{head}</tr></thead>',
        "<tbody>",
    ]
    for true, (name, counts) in enumerate(zip(names, evaluation.confusion_matrix, strict=True)):
        row = []
        for predicted, count in enumerate(counts):
            if not count:
                row.append("<td></td>")
                continue
            share = round(FULLEST * (count / counts.sum()) ** SHARE_EXPONENT)
            cell, text = (true, predicted), f"{count:,}"
            text = _cell_button(cell, text) if cell in cells else text
            kind = "right" if true == predicted else "wrong"
            row.append(f'<td class="{kind}" style="--share:{share}%">{text}</td>')
        lines.append(f"<tr><th>{name}</th>{''.join(row)}</tr>")
    return "\n".join([*lines, "</tbody>", "</table>"])


def _matrix_picture(matrix: np.ndarray) -> Image.Image:
    """Returns one pixel for each cell, more opaque for a greater share of the true class."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    pixels = np.empty((*matrix.shape, 4), np.uint8)
    pixels[..., :3] = tuple(bytes.fromhex(BLUE.removeprefix("#")))
    pixels[..., 3] = np.rint(255 * share**SHARE_EXPONENT)
    return Image.fromarray(pixels)


def _cell_button(cell: Cell, text: str) -> str:
    return f'<button popovertarget="cell-{cell[0]}-{cell[1]}">{text}</button>'


def _popover(
    evaluation: Evaluation, cell: Cell, rows: Sequence[int], thumbnails: Thumbnails
) -> str:
    title = f"{_in_words(evaluation, cell)}: {len(rows):,} image{'s' if len(rows) > 1 else ''}"
    more = f'<p class="quiet">The {CELL_IMAGES} most confident ones.</p>'
    return (
        f'<div popover id="cell-{cell[0]}-{cell[1]}"><h3>{title}</h3>'
        f"{thumbnails.figures(rows[:CELL_IMAGES])}{more if len(rows) > CELL_IMAGES else ''}</div>"
    )


def _most_confused(evaluation: Evaluation, cells: Cells, thumbnails: Thumbnails) -> str:
    rows = []
    for pair in evaluation.most_confused:
        cell = (pair["true"], pair["predicted"])
        names = (escape(evaluation.class_names[label]) for label in cell)
        strip = f'<div class="strip">{thumbnails.images(cells[cell][:CELL_IMAGES])}</div>'
        rows.append([*names, f"{pair['count']:,}", strip])
    head = ["true class", "taken for", "times", "the most confident ones"]
    return _wide(rows, head=head, numbers={2}) if rows else ""


def _worst_errors(worst: np.ndarray, thumbnails: Thumbnails) -> str:
    if not len(worst):
        return "<p>No errors.</p>"
    shown = worst[:GRID_IMAGES]
    return f"<p>The {len(shown)} most confident of {len(worst):,}.</p>\n{thumbnails.figures(shown)}"


def _classes(evaluation: Evaluation) -> str:
    classes, hint = evaluation.per_class, ""
    if len(classes) > LONG_TABLE:
        classes, hint = sorted(classes, key=lambda row: row["f1"]), "<p>The lowest F1 first.</p>\n"
    named = [(escape(row["name"]), row) for row in classes]
    named.append(("macro average", evaluation.macro_avg))
    named.append(("weighted average", evaluation.weighted_avg))
    rows = [
        [name, *(f"{row[key]:.4f}" for key in SCORES), f"{row['support']:,}"] for name, row in named
    ]
    head = ["class", "precision", "recall", "F1", "images"]
    return hint + _wide(rows, head=head, numbers=range(1, len(head)))


def _calibration(evaluation: Evaluation) -> str:
    ax = new_axes(None, **RELIABILITY_SIZE)
    draw_reliability(evaluation.labels, evaluation.probabilities, ax=ax)
    scores = [
        ("expected calibration error", f"{evaluation.expected_calibration_error:.4f}"),
        ("negative log-likelihood", f"{evaluation.negative_log_likelihood:.4f}"),
        ("Brier score", f"{evaluation.brier_score:.4f}"),
    ]
    return f"{_charts(as_svg(ax))}\n{table(scores, numbers={1}, kind='plain')}"


def _robustness(robustness: "Robustness") -> str:
    from mnist_keras.evaluation.model_plots import plot_robustness

    head, *rows = robustness.table()
    cells = [[escape(cell) for cell in row] for row in rows]
    chart = f'<div class="wide"><div class="large chart">{as_svg(plot_robustness(robustness))}</div></div>'
    numbers = _wide(cells, head=head, numbers={1, 2})
    return f"{chart}\n<details><summary>In numbers</summary>\n{numbers}\n</details>"


def _details(config: Mapping[str, Any]) -> str:
    """Returns config.json in tables: one for each part of it, and one for the rest."""
    rest = dict(config)
    command = rest.pop("command", None)
    tables = {}
    for name in ("recipe", "data", "versions"):
        if isinstance(rest.get(name), Mapping):
            tables[name.capitalize()] = _facts(rest.pop(name))
    if rest:
        tables["Run"] = _facts(rest)
    parts = [f"<div><h3>{title}</h3>\n{facts}</div>" for title, facts in tables.items()]
    page = f'<div class="facts">{"".join(parts)}</div>' if parts else ""
    if command:
        page += f"\n<h3>Command</h3>\n<pre><code>{escape(shlex.join(command))}</code></pre>"
    return page


def _facts(values: Mapping[str, Any]) -> str:
    flat: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat += [(f"{key} {inner}", x) for inner, x in value.items()]
        elif value is not None:
            flat.append((key, value))
    rows = []
    for key, value in flat:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        rows.append((escape(key.replace("_", " ")), f"<code>{escape(text)}</code>"))
    return table(rows, kind="plain")


def _error_cells(evaluation: Evaluation, worst: np.ndarray) -> dict[Cell, list[int]]:
    """Returns the rows of the images in the fullest cells of errors, the most confident first."""
    cells: dict[Cell, list[int]] = {}
    predictions = evaluation.predictions
    for row in worst.tolist():
        cells.setdefault((int(evaluation.labels[row]), int(predictions[row])), []).append(row)
    fullest = sorted(cells, key=lambda cell: (-len(cells[cell]), cell))
    return {cell: cells[cell] for cell in fullest[:MAX_CELLS]}


def _in_words(evaluation: Evaluation, cell: Cell) -> str:
    true, predicted = (escape(evaluation.class_names[label]) for label in cell)
    return f"{true} taken for {predicted}"


def _charts(*charts: str) -> str:
    inner = "".join(f'<div class="chart">{chart}</div>' for chart in charts)
    return f'<div class="charts">{inner}</div>'


def _wide(rows: Sequence[Sequence[str]], **options: Any) -> str:
    """Returns a table that scrolls if it is wider than the page, or long."""
    kind = "wide long" if len(rows) > LONG_TABLE else "wide"
    return f'<div class="{kind}">{table(rows, kind="plain", **options)}</div>'
