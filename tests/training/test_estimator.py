"""`KerasImageClassifier` under scikit-learn's own checks, and in the tools of scikit-learn that users put it into."""

import functools
import pickle

import numpy as np
import pandas as pd
import pytest
from errors import error_of
from scipy.special import expit
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

from mnist_keras import KerasImageClassifier, build_mlp, load_data, train

SMALL = functools.partial(
    KerasImageClassifier, "softmax_regression", epochs=2, batch_size=32, learning_rate=0.05
)


class TableClassifier(KerasImageClassifier):
    """The classifier, for scikit-learn's tables of any width: rows are images one pixel high.

    That replaces the check of their size and range. All else that scikit-learn checks is the classifier's own.
    """

    def _find_shape(self, table):
        return 1, table.shape[1]

    def _to_images(self, table):
        return super()._to_images(expit(table.astype(np.float64)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = False
        return tags


@pytest.fixture(scope="module")
def digits():
    """400 images, 28x28 in uint8, and their labels."""
    (images, labels), _ = load_data("digits")
    return images[:400], labels[:400]


@pytest.fixture(scope="module")
def fitted(digits):
    return SMALL().fit(*digits)


def test_a_scaler_may_leave_the_range_by_rounding(digits):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    images, labels = digits
    pixels = images.reshape(len(images), -1) / 255
    assert MinMaxScaler().fit_transform(pixels).max() > 1
    assert make_pipeline(MinMaxScaler(), SMALL()).fit(pixels, labels).score(pixels, labels) > 0.5


SLOW = {  # they train often, and the quick ones see the same code
    "check_classifier_data_not_an_array",
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_overwrite_params",
    "check_f_contiguous_array_estimator",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_score_takes_y",
    "check_n_features_in",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
}
ON_TABLES = {  # they train on tables of a few columns, which are no square images, or of any numbers
    "check_classifier_data_not_an_array",
    "check_classifiers_classes",
    "check_classifiers_one_label",
    "check_classifiers_regression_target",
    "check_classifiers_train",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_supervised_y_2d",
}


def checks_of(estimator):
    """Returns scikit-learn's checks, each with the estimator that it is for."""
    params = []
    for instance, check in estimator_checks_generator(estimator):
        name = check.func.__name__
        options = [f"{key}={value}" for key, value in check.keywords.items()]
        marks = [pytest.mark.full] if name in SLOW else []
        params.append(pytest.param(instance, check, id=" ".join([name, *options]), marks=marks))
    return pytest.mark.parametrize("estimator, check", params)


@checks_of(TableClassifier("softmax_regression", epochs=20, learning_rate=0.1, batch_size=32))
def test_tables_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@checks_of(KerasImageClassifier("softmax_regression", epochs=1))
def test_images_pass_the_checks_that_need_no_table(estimator, check):
    if check.func.__name__ not in ON_TABLES:
        check(estimator)
        return
    with pytest.raises((AssertionError, ValueError)):
        check(estimator)


def test_images_in_every_shape_train_the_same_model(digits, fitted):
    images, labels = digits
    expected = fitted.predict_proba(images)
    assert expected.shape == (400, 10)
    assert expected.dtype == np.float32
    forms = [
        images[..., None],
        images.reshape(-1, 784),
        images.reshape(-1, 784).astype(float),
        pd.DataFrame(images.reshape(-1, 784)),
        images.tolist(),
    ]
    for form in forms:
        np.testing.assert_array_equal(fitted.predict_proba(form), expected)
        again = SMALL().fit(form, labels)
        np.testing.assert_array_equal(again.predict_proba(images), expected)
        assert again.n_features_in_ == 784
        assert again.image_shape_ == (28, 28)
    in_unit = images.reshape(-1, 784) / 255
    np.testing.assert_allclose(fitted.predict_proba(in_unit), expected, atol=1e-6)


def test_images_need_not_be_square(digits):
    images, labels = digits
    clf = SMALL().fit(images[:, 4:24], labels)
    assert clf.image_shape_ == (20, 28)
    flat = images[:, 4:24].reshape(-1, 560)
    np.testing.assert_array_equal(clf.predict(flat), clf.predict(images[:, 4:24]))


def test_all_images_are_trained_on_as_train_does(digits, fitted):
    images, labels = digits
    run = train(
        "softmax_regression",
        ((images, labels), (images, labels)),
        epochs=2,
        batch_size=32,
        learning_rate=0.05,
        verbose=0,
    )
    for ours, theirs in zip(fitted.model_.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert fitted.history_["loss"] == run.history["loss"]


@pytest.mark.parametrize(
    "names",
    [
        np.array([f"digit {i}" for i in range(10)]),
        np.array(list("zyxwvutsrq"), dtype=object),
        np.array([-3, 0, 1, 2, 50, 51, 60, 70, 800, 10**12]),
        np.arange(10) / 2.0 * 2,
        np.arange(10, dtype=np.uint8),
    ],
    ids=["strings", "objects, in another order", "numbers with gaps", "floats", "bytes"],
)
def test_classes_are_labels_of_any_kind(digits, fitted, names):
    images, labels = digits
    clf = SMALL().fit(images, names[labels])
    np.testing.assert_array_equal(clf.classes_, np.sort(names))
    predicted = clf.predict(images)
    assert set(predicted) <= set(names)
    assert np.mean(predicted == names[labels]) == clf.score(images, names[labels]) > 0.5


def test_two_classes_and_fewer_images_than_a_batch(digits):
    images, labels = digits
    rows = np.flatnonzero(labels < 2)[:40]
    clf = SMALL().set_params(epochs=10).fit(images[rows], labels[rows] == 1)
    assert clf.classes_.tolist() == [False, True]
    assert clf.score(images[rows], labels[rows] == 1) == 1


def test_the_seed_decides(digits, fitted):
    images, labels = digits
    again = clone(fitted).fit(images, labels)
    np.testing.assert_array_equal(again.predict_proba(images), fitted.predict_proba(images))
    other = clone(fitted).set_params(seed=1).fit(images, labels)
    assert not np.array_equal(other.predict_proba(images), fitted.predict_proba(images))


def test_a_function_builds_the_model_from_the_seed(digits):
    images, labels = digits
    builder = functools.partial(build_mlp, (16,))
    weights = [
        KerasImageClassifier(builder, epochs=1, seed=3).fit(images, labels).model_.get_weights()
        for _ in range(2)
    ]
    assert weights[0][0].shape == (784, 16)
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_pickle_holds_the_model(digits, fitted):
    images, _ = digits
    content = pickle.dumps(fitted)
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.predict_proba(images), fitted.predict_proba(images))
    assert again.get_params() == fitted.get_params()
    assert again.__getstate__()["model_"][:2] == b"PK"  # a .keras file is a zip archive
    assert len(content) < 100_000


def test_it_works_in_the_tools_of_scikit_learn(digits):
    images, labels = digits
    flat = images.reshape(-1, 784) / 255
    assert cross_val_score(SMALL(), images, labels, cv=2).min() > 0.6
    shifted = make_pipeline(FunctionTransformer(lambda x: np.clip(x, 0.1, 0.9)), SMALL())
    assert shifted.fit(flat, labels).score(flat, labels) > 0.6
    calibrated = CalibratedClassifierCV(SMALL(), cv=2).fit(flat, labels)
    np.testing.assert_allclose(calibrated.predict_proba(flat[:9]).sum(axis=1), 1)


def test_a_grid_search_finds_the_better_learning_rate(digits):
    images, labels = digits
    search = GridSearchCV(
        KerasImageClassifier("softmax_regression", epochs=1),
        {"learning_rate": [1e-6, 0.05]},
        cv=2,
    )
    search.fit(images, labels)
    assert search.best_params_ == {"learning_rate": 0.05}
    assert search.best_estimator_.predict(images[:3]).shape == (3,)


def test_errors_say_what_to_give_instead(digits, fitted):
    images, labels = digits
    assert "Did you mean 'cnn_fast'" in error_of(KerasImageClassifier("cnn_fst").fit, *digits)
    for no_builder in (fitted.model_, 7):
        text = error_of(KerasImageClassifier(no_builder).fit, *digits)
        assert "Invalid `model`. Expected a registered name, or a function that builds one" in text
        assert "Each fit trains a new model." in text
    assert "Invalid `epochs`" in error_of(KerasImageClassifier(epochs=0).fit, *digits)
    one = error_of(SMALL().fit, images, np.ones(400))
    assert "Invalid `y`. Expected labels of at least two classes. Received: one class, 1.0." in one
    kaggle = np.column_stack([labels, images.reshape(-1, 784)])
    text = error_of(SMALL().fit, kaggle, labels)
    assert "or flat square images such as (n, 784). Received: shape=(400, 785)." in text
    assert "If the first column is the label, pass X[:, 1:]." in text
    assert "column" not in error_of(SMALL().fit, kaggle[:, :700], labels)
    assert "Invalid `X`. Expected float pixels that are finite and in [0, 1]" in error_of(
        SMALL().fit, images.reshape(-1, 784) / 16, labels
    )
    other_size = error_of(fitted.predict, images[:, 4:24])
    assert "Expected images of 28x28 pixels, as in fit. Received: images of 20x28" in other_size
    with pytest.raises(ValueError, match="X has 700 features, but KerasImageClassifier is expect"):
        fitted.predict(kaggle[:, :700])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SMALL().fit(images, labels[:-1])
    with pytest.raises(NotFittedError):
        SMALL().predict(images)
