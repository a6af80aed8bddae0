import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from errors import error_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mnist_keras._validation import InputError
from mnist_keras.data.splits import as_split
from mnist_keras.evaluation.image_plots import plot_errors, plot_predictions
from mnist_keras.evaluation.metrics import evaluate_predictions
from mnist_keras.evaluation.plotting import (
    plot_confusion_matrix,
    plot_history,
    plot_reliability,
    save_plots,
)

FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"]
FASHION += ["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
HISTORY = {
    "loss": [0.5, 0.25],
    "accuracy": [0.9, 0.95],
    "val_loss": [0.4, 0.3],
    "val_accuracy": [0.92, 0.94],
    "learning_rate": [0.1, 0.01],
}


def random_case(*, num_examples=300, num_classes=10, seed=0, signal=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, num_examples)
    logits = rng.normal(size=(num_examples, num_classes))
    logits[np.arange(num_examples), labels] += signal
    probabilities = np.exp(logits)
    images = rng.integers(0, 256, (num_examples, 28, 28), dtype=np.uint8)
    return images, labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def overlapping(artists, renderer):
    boxes = [artist.get_window_extent(renderer) for artist in artists]
    return [
        (artists[i].get_text(), artists[j].get_text())
        for i in range(len(boxes))
        for j in range(i)
        # Neighbors may touch by a pixel of anti-aliasing.
        if boxes[i].padded(-1).overlaps(boxes[j].padded(-1))
    ]


def assert_text_is_apart(ax):
    """Draws the figure and checks that no caption, tick label or title covers another one."""
    figure = ax.figure
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    titles = [text for text in (ax.title, ax.xaxis.label, ax.yaxis.label) if text.get_text()]
    for group in ([*ax.texts, *titles], [*ax.get_yticklabels(), *titles]):
        assert not overlapping(group, renderer)
    if not ax.get_xticklabels() or ax.get_xticklabels()[0].get_rotation() == 0:
        assert not overlapping(ax.get_xticklabels(), renderer)


def test_confusion_matrix_by_hand():
    ax = plot_confusion_matrix([0, 0, 0, 1], [0, 1, 0, 1], class_names=["a", "b"])
    assert [text.get_text() for text in ax.texts] == ["2", "1", "", "1"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_xlabel() == "predicted class"
    assert ax.get_ylabel() == "true class"
    assert ax.get_title() == "Confusion matrix (counts), errors: 1 of 4"


def test_normalized_confusion_matrix_is_in_percent_of_the_row():
    labels = [0, 0, 0, 2]  # class 1 has no example: its row is blank, without a warning
    ax = plot_confusion_matrix(labels, [0, 1, 0, 2], normalize=True)
    shown = [text.get_text() for text in ax.texts]
    assert shown == ["66.7", "33.3", "", "", "", "", "", "", "100"]


def test_confusion_matrix_takes_probabilities():
    _, labels, probabilities = random_case(num_examples=20, num_classes=4)
    from_classes = plot_confusion_matrix(labels, probabilities.argmax(axis=1))
    from_probabilities = plot_confusion_matrix(labels, probabilities)
    texts = [[text.get_text() for text in ax.texts] for ax in (from_classes, from_probabilities)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    ("num_classes", "names", "annotated"),
    [(2, ["no", "yes"], True), (10, FASHION, True), (26, None, True), (47, None, False)],
)
def test_confusion_matrix_is_readable_at_any_number_of_classes(
    num_classes, names, annotated, normalize
):
    _, labels, probabilities = random_case(num_examples=9000, num_classes=num_classes, signal=5.0)
    ax = plot_confusion_matrix(labels, probabilities, class_names=names, normalize=normalize)
    assert len(ax.get_xticklabels()) == len(ax.get_yticklabels()) == num_classes
    assert bool(ax.texts) == annotated
    assert (len(ax.figure.axes) == 2) != annotated  # a color bar where there are no numbers
    assert_text_is_apart(ax)


def test_history_has_a_panel_for_each_measure():
    ax = plot_history(HISTORY)
    loss, accuracy = ax.child_axes
    assert [loss.get_title(), accuracy.get_title()] == ["loss", "accuracy"]
    training, validation = loss.lines
    np.testing.assert_array_equal(training.get_xdata(), [1, 2])
    np.testing.assert_array_equal(validation.get_ydata(), HISTORY["val_loss"])
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training", "validation"]


def test_history_of_one_epoch_without_validation():
    ax = plot_history({"loss": [0.5]})
    (loss,) = ax.child_axes
    assert len(loss.lines) == 1
    assert loss.lines[0].get_marker() == "o"  # one point makes no line
    ax.figure.draw_without_rendering()
    assert {tick for tick in loss.get_xticks() if 0.9 < tick < 1.1} == {1.0}


def test_history_of_nothing_is_an_error():
    with pytest.raises(InputError, match=r"Invalid `history`\..* Received: learning_rate\."):
        plot_history({"learning_rate": [0.1]})
    with pytest.raises(InputError, match=r"Received: nothing\."):
        plot_history({})


@pytest.mark.parametrize("names", [None, FASHION, ["a rather long class name"] * 10])
def test_predictions_are_captioned(names):
    images, labels, probabilities = random_case()
    ax = plot_predictions(images, probabilities, labels=labels, class_names=names)
    assert len(ax.images) == len(ax.texts) == 24
    assert_text_is_apart(ax)
    wrong = probabilities.argmax(axis=1)[:24] != labels[:24]
    assert [text.get_weight() == "bold" for text in ax.texts] == wrong.tolist()
    if names == FASHION:
        predicted, true = ax.texts[0].get_text().split("\n")
        assert predicted.startswith(FASHION[probabilities[0].argmax()])
        assert true == f"true: {FASHION[labels[0]]}"


def test_predictions_of_few_float_images_without_labels():
    images, _, probabilities = random_case(num_examples=3)
    ax = plot_predictions(images[..., None] / np.float32(255), probabilities)
    assert len(ax.images) == 3
    assert "true" not in ax.texts[0].get_text()
    np.testing.assert_allclose(ax.images[0].get_array() * 255, images[0], atol=1e-4)
    assert ax.images[0].get_clim() == (0, 1)


def test_errors_are_the_most_confident_first():
    images, labels, probabilities = random_case()
    ax = plot_errors(images, labels, probabilities, max_errors=5)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    worst = wrong[np.argsort(-probabilities[wrong].max(axis=1))][:5]
    for shown, index in zip(ax.images, worst, strict=True):
        np.testing.assert_array_equal(shown.get_array(), images[index])
    assert ax.get_title() == f"Most confident errors: 5 of {len(wrong)}"
    assert_text_is_apart(ax)


def test_errors_when_there_are_none():
    ax = plot_errors(np.zeros((2, 8, 8), np.uint8), [0, 1], np.eye(2))
    assert ax.get_title() == "No errors in 2 images"
    assert not ax.images


@pytest.mark.parametrize("num_classes", [2, 10, 47])
def test_reliability_shows_every_bin_that_has_images(num_classes):
    _, labels, probabilities = random_case(num_classes=num_classes)
    ax = plot_reliability(labels, probabilities)
    confidence = probabilities.max(axis=1)
    num_filled = len(np.unique(np.ceil(confidence * 15)))
    assert len(ax.patches) == num_filled
    assert_text_is_apart(ax)


def test_plots_draw_where_they_are_told_to():
    images, labels, probabilities = random_case(num_examples=30)
    axes = Figure(figsize=(12, 8)).subplots(2, 3).flat
    for ax, draw in zip(
        axes,
        [
            lambda ax: plot_confusion_matrix(labels, probabilities, ax=ax),
            lambda ax: plot_history(HISTORY, ax=ax),
            lambda ax: plot_predictions(images, probabilities, ax=ax),
            lambda ax: plot_errors(images, labels, probabilities, ax=ax),
            lambda ax: plot_reliability(labels, probabilities, ax=ax),
        ],
        strict=False,
    ):
        assert draw(ax) is ax


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"images": np.zeros((3, 28, 28, 5))}, "Invalid `images`. Expected shape (n, height"),
        ({"images": np.zeros((2, 28, 28))}, "Expected 3 images, as many as predictions."),
        ({"labels": [0, 1]}, "Expected 3 labels, one for each image. Received: 2."),
        ({"labels": None}, "Invalid `labels`. Expected a label for each image. Received: None."),
        ({"probabilities": np.ones((3, 2))}, "Invalid `probabilities`. Expected values in [0, 1]"),
        ({"class_names": ["a"]}, "Invalid `class_names`. Expected 2 names, one for each class"),
        ({"max_errors": 0}, "Invalid `max_errors`. Expected an integer of at least 1"),
    ],
)
def test_bad_input_is_named(change, text):
    case = {
        "images": np.zeros((3, 28, 28)),
        "labels": [0, 1, 1],
        "probabilities": np.eye(2)[[0, 1, 0]],
    }
    with pytest.raises(InputError, match=re.escape(text)):
        plot_errors(**(case | change))


@pytest.mark.parametrize(
    ("labels", "predictions", "names", "text"),
    [
        ([], [], None, "Invalid `labels`. Expected at least one label"),
        ([0, 2], [0, 1], ["a", "b"], "Expected values in [0, 1]. Received: minimum=0, maximum=2"),
        ([0, 1], [0, 2], ["a", "b"], "Invalid `predictions`. Expected values in [0, 1]."),
        ([0, 1], [0], None, "Invalid `predictions`. Expected 2 labels, one for each image."),
    ],
)
def test_confusion_matrix_names_bad_input(labels, predictions, names, text):
    labels, predictions = np.array(labels, int), np.array(predictions, int)
    with pytest.raises(InputError, match=re.escape(text)):
        plot_confusion_matrix(labels, predictions, class_names=names)


def test_save_plots_writes_png_files(tmp_path):
    images, labels, probabilities = random_case(num_examples=50)
    evaluation = evaluate_predictions(labels, probabilities)
    folder = tmp_path / "run" / "plots"
    paths = save_plots(
        folder, history=HISTORY, examples=as_split(images, labels), evaluation=evaluation
    )
    assert sorted(path.name for path in paths) == [
        "confusion_matrix.png",
        "confusion_matrix_normalized.png",
        "errors.png",
        "history.png",
        "predictions.png",
        "reliability.png",
    ]
    for path in paths:
        assert path.parent == folder
        header = path.read_bytes()[:24]
        assert header.startswith(b"\x89PNG")
        assert int.from_bytes(header[16:20], "big") == 800  # pixels wide, as a README shows it
    assert (
        len(
            save_plots(
                folder, history=None, examples=as_split(images, labels), evaluation=evaluation
            )
        )
        == 5
    )


def test_a_plot_that_cannot_be_written_is_not_left_half(tmp_path, monkeypatch):
    images, labels, probabilities = random_case(num_examples=50)
    evaluation = evaluate_predictions(labels, probabilities)

    def fail(figure, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FigureCanvasAgg, "print_figure", fail)
    with pytest.raises(OSError, match="No space left on device"):
        save_plots(tmp_path, history=None, examples=as_split(images, labels), evaluation=evaluation)
    assert not list(tmp_path.iterdir())


def test_no_figure_is_left_in_pyplot():
    code = """
import numpy as np
import mnist_keras.evaluation.plotting as plotting
plotting.plot_reliability([0, 1], np.eye(2))
plotting.plot_confusion_matrix([0, 1], [0, 1])
import matplotlib.pyplot as plt
print(plt.get_fignums())
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_a_notebook_shows_a_plot_once():
    from IPython.core.formatters import DisplayFormatter

    ax = plot_history(HISTORY)
    for value in (ax, ax.figure):
        shown, _ = DisplayFormatter().format(value)
        assert shown["image/png"].startswith(b"\x89PNG")
    drawn_elsewhere = plot_history(HISTORY, ax=Figure().subplots())  # pyplot shows its own figures
    assert list(DisplayFormatter().format(drawn_elsewhere)[0]) == ["text/plain"]


def test_history_of_what_fit_and_train_return():
    returned = SimpleNamespace(history=HISTORY)  # keras.callbacks.History, TrainingRun
    texts = [
        [line.get_ydata().tolist() for panel in ax.child_axes for line in panel.lines]
        for ax in (plot_history(HISTORY), plot_history(returned))
    ]
    assert texts[0] == texts[1]
    assert error_of(plot_history, [0.5, 0.25]) == (
        "Invalid `history`. Expected what fit or train returns, or lists of values by name. Received: list."
    )
