"""The wording of errors about arguments, and that each array is checked once; other tests hold the rest."""

import functools
import sys

import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras import _validation as checks
from mnist_keras._validation import InputError
from mnist_keras.training.train import train  # imports every module whose checks are counted

CASES = {
    "ragged images": (
        lambda: checks.check_images([[1, 2], [3]]),
        "Invalid `images`. Expected an array, or lists of equal lengths. Received: setting an array",
    ),
    "ragged labels": (lambda: checks.check_labels([0, [1]]), "Invalid `labels`. Expected an array"),
    "ragged predictions": (
        lambda: checks.check_predictions([[0.5, 0.5], [1.0]], num_examples=2),
        "Invalid `predictions`. Expected an array, or lists of equal lengths.",
    ),
    "flat images": (
        lambda: checks.check_images(np.zeros((60, 400), np.uint8)),
        "Received: shape=(60, 400), dtype=uint8. Add an axis to a single image, images[None]; "
        "fold flat rows, images.reshape(-1, 20, 20).",
    ),
    "float labels": (
        lambda: checks.check_labels([0.0, 1.0], name="test_labels"),
        "Invalid `test_labels`. Expected integer class labels. Received: shape=(2,), dtype=float64. "
        "Convert them to integers with test_labels.astype(int).",
    ),
    "words as labels": (
        lambda: checks.check_labels(["cat", "dog"]),
        "Invalid `labels`. Expected integer class labels. Received: shape=(2,), dtype=<U3.",
    ),
    "seed": (
        lambda: checks.check_seed(2**32),
        "Invalid `seed`. Expected an integer of at least 0 and at most 4294967295. "
        "Received: 4294967296.",
    ),
    "text for a truth value": (
        lambda: checks.check_flags(resume=False, overwrite="no"),
        "Invalid `overwrite`. Expected True or False. Received: 'no'.",
    ),
    "truth value": (
        lambda: checks.check_integer("epochs", True, minimum=1),
        "Invalid `epochs`. Expected an integer of at least 1. Received: True.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_has_a_clear_error(case):
    call, text = CASES[case]
    with pytest.raises(InputError) as caught:
        call()
    assert text in str(caught.value)


def test_an_integer_beyond_the_largest_float_is_no_number():
    with pytest.raises(InputError, match=r"Invalid `zoom`\. Expected a number of at least 0"):
        checks.check_number("zoom", 10**400, minimum=0)


IMAGES = np.zeros((4, 28, 28), np.uint8)
FLAGS = {
    "include_top": [mk.build_mlp, mk.build_deep_cnn, functools.partial(mk.create_model, "mlp_128")],
    "include_rescaling": [mk.build_lenet5, functools.partial(mk.create_model, "cnn_tiny")],
    "batch_norm": [mk.build_deep_cnn],
    "training": [functools.partial(mk.make_dataset, IMAGES)],
    "standardize": [functools.partial(mk.make_dataset, IMAGES)],
    "transposed": [functools.partial(mk.Records, [(IMAGES[0], 1)])],
    "streamed": [lambda **flag: mk.load_data("digits").with_strokes(0.5, **flag)],
    "normalize": [functools.partial(mk.plot_confusion_matrix, [0, 1], [0, 1])],
    "scale_learning_rate": [functools.partial(mk.train, "mlp_128", "digits")],
    "resume": [functools.partial(mk.train, "mlp_128", "digits")],
    "overwrite": [functools.partial(mk.train, "mlp_128", "digits")],
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_text_is_no_flag(name):
    for call in FLAGS[name]:
        expected = f"Invalid `{name}`. Expected True or False. Received: 'no'."
        assert error_of(call, **{name: "no"}) == expected


def test_the_flags_of_numpy_are_taken():
    checks.check_flags(resume=np.bool_(False), overwrite=np.bool_(True))


def test_numbers_of_numpy_become_pythons():
    assert type(checks.check_seed(np.int64(3))) is int
    assert type(checks.check_number("zoom", np.float32(0.5), minimum=0)) is float


@pytest.fixture
def checked(monkeypatch):
    """The names of the checks of arrays, in the order in which they are called."""
    calls = []

    def counting(name, check):
        def count(*args, **kwargs):
            calls.append(name)
            return check(*args, **kwargs)

        return count

    for name in ("images", "labels", "probabilities", "predictions"):
        count = counting(name, getattr(checks, f"check_{name}"))
        for module in [sys.modules[key] for key in sys.modules if key.startswith("mnist_keras.")]:
            if f"check_{name}" in vars(module):
                monkeypatch.setattr(module, f"check_{name}", count)
    return calls


def test_training_and_evaluation_check_each_array_once(checked, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    labels = np.arange(40) % 10
    data = (images, labels), (images[:20], labels[:20])
    options = {"epochs": 1, "batch_size": 20, "verbose": 0, "run_dir": tmp_path / "run"}
    run = train("softmax_regression", data, **options)
    assert (tmp_path / "run" / "report.html").exists()
    assert sorted(checked) == ["images", "images", "labels", "labels"], "of two splits"
    checked.clear()
    mk.evaluate(run.model, images, labels)
    assert sorted(checked) == ["images", "labels"]


@pytest.mark.parametrize(
    ("plot", "expected"),
    [
        (
            "confusion_matrix",
            ["labels", "labels", "predictions"],
        ),  # the predictions are labels, too
        ("errors", ["images", "labels", "probabilities"]),
        ("predictions", ["images", "labels", "probabilities"]),
        ("reliability", ["labels", "probabilities"]),
    ],
)
def test_plots_check_each_array_once(checked, plot, expected):
    images, labels, probabilities = np.zeros((2, 8, 8), np.uint8), [0, 1], np.eye(2)
    arguments = {
        "confusion_matrix": (labels, labels),
        "errors": (images, labels, probabilities),
        "predictions": (images, probabilities),
        "reliability": (labels, probabilities),
    }[plot]
    options = {"labels": labels} if plot == "predictions" else {}
    getattr(mk, f"plot_{plot}")(*arguments, **options)
    assert sorted(checked) == expected


def test_a_temperature_is_fitted_to_scores_that_are_checked_once(checked):
    mk.fit_temperature([0, 1, 0], np.array([[0.7, 0.3], [0.4, 0.6], [0.1, 0.9]]))
    assert sorted(checked) == ["labels", "probabilities"]
