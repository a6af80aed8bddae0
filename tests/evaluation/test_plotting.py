import re
from types import SimpleNamespace

import numpy as np
import pytest
from errors import error_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from plots import FASHION, HISTORY, assert_text_is_apart, random_case

from mnist_keras._validation import InputError
from mnist_keras.data.splits import as_split
from mnist_keras.evaluation.metrics import evaluate_predictions
from mnist_keras.evaluation.plotting import (
    plot_confusion_matrix,
    plot_history,
    plot_reliability,
    save_plots,
)


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


@pytest.mark.parametrize("num_classes", [2, 10, 47])
def test_reliability_shows_every_bin_that_has_images(num_classes):
    _, labels, probabilities = random_case(num_classes=num_classes)
    ax = plot_reliability(labels, probabilities)
    confidence = probabilities.max(axis=1)
    num_filled = len(np.unique(np.ceil(confidence * 15)))
    assert len(ax.patches) == num_filled
    assert_text_is_apart(ax)


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
