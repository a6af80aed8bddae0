import json
import math
import re
import subprocess
import sys

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics

from mnist_keras._validation import InputError
from mnist_keras.evaluation.metrics import (
    compare,
    evaluate_predictions,
    most_confused,
    wilson_interval,
)

LABELS = [0, 0, 1, 2]
PROBABILITIES = [  # predicts 0, 1, 1, 0: two errors
    [0.5, 0.25, 0.25],
    [0.25, 0.75, 0.0],
    [0.0, 1.0, 0.0],
    [0.5, 0.25, 0.25],
]
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker")


def random_predictions(*, num_examples, num_classes, seed=0, signal=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, num_examples)
    logits = rng.normal(size=(num_examples, num_classes))
    logits[np.arange(num_examples), labels] += signal
    probabilities = np.exp(logits)
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def test_scores_of_four_examples_by_hand():
    scores = evaluate_predictions(LABELS, PROBABILITIES, dataset="tiny").to_dict()
    assert scores["dataset"] == "tiny"
    assert scores["split"] == "test"
    assert scores["num_examples"] == 4
    assert scores["accuracy"] == scores["error_rate"] == 0.5
    assert scores["num_errors"] == 2
    assert scores["confusion_matrix"] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]  # rows are true classes
    expected_nll = (math.log(2) + math.log(4) + 0.0 + math.log(4)) / 4
    assert scores["negative_log_likelihood"] == pytest.approx(expected_nll)
    brier = [0.25 + 2 * 0.0625, 0.5625 + 0.5625, 0.0, 0.25 + 0.0625 + 0.5625]
    assert scores["brier_score"] == pytest.approx(sum(brier) / 4)
    # Confidences 0.5 (one of two right), 0.75 (wrong) and 1.0 (right), each in a bin of its own.
    assert scores["expected_calibration_error"] == pytest.approx(0.75 / 4)
    assert scores["per_class"] == [
        {"label": 0, "name": "0", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2},
        {
            "label": 1,
            "name": "1",
            "precision": 0.5,
            "recall": 1.0,
            "f1": pytest.approx(2 / 3),
            "support": 1,
        },
        {"label": 2, "name": "2", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
    ]
    assert scores["macro_avg"]["recall"] == pytest.approx(0.5)
    assert scores["weighted_avg"]["precision"] == pytest.approx((2 * 0.5 + 0.5 + 0) / 4)
    assert scores["most_confused"] == [
        {"true": 0, "predicted": 1, "count": 1},
        {"true": 2, "predicted": 0, "count": 1},
    ]


@pytest.mark.parametrize("num_classes", [2, 10, 47])
def test_scores_agree_with_scikit_learn(num_classes):
    labels, probabilities = random_predictions(num_examples=500, num_classes=num_classes)
    evaluation = evaluate_predictions(labels, probabilities)
    predictions = evaluation.predictions
    np.testing.assert_array_equal(predictions, probabilities.argmax(axis=1))
    assert evaluation.accuracy == sklearn.metrics.accuracy_score(labels, predictions)
    assert evaluation.negative_log_likelihood == pytest.approx(
        sklearn.metrics.log_loss(labels, probabilities, labels=range(num_classes))
    )
    assert evaluation.macro_avg["f1"] == pytest.approx(
        sklearn.metrics.f1_score(labels, predictions, average="macro")
    )
    np.testing.assert_array_equal(
        evaluation.confusion_matrix, sklearn.metrics.confusion_matrix(labels, predictions)
    )
    one_hot = np.eye(num_classes)[labels]
    assert evaluation.brier_score == pytest.approx(
        ((probabilities - one_hot) ** 2).sum(axis=1).mean()
    )


def test_metrics_are_json_of_the_documented_keys():
    scores = evaluate_predictions(LABELS, np.float32(PROBABILITIES)).to_dict()
    assert json.loads(json.dumps(scores)) == scores
    assert list(scores) == [
        "dataset",
        "split",
        "num_examples",
        "accuracy",
        "accuracy_ci95",
        "error_rate",
        "num_errors",
        "negative_log_likelihood",
        "brier_score",
        "expected_calibration_error",
        "per_class",
        "macro_avg",
        "weighted_avg",
        "confusion_matrix",
        "most_confused",
    ]


def test_classes_without_examples_score_zero_without_warnings():
    evaluation = evaluate_predictions([3, 3], np.eye(10)[[3, 4]])
    assert evaluation.per_class[0] == {
        "label": 0,
        "name": "0",
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 0,
    }
    assert evaluation.per_class[4]["recall"] == 0.0
    assert evaluation.macro_avg["recall"] == pytest.approx(0.05)
    assert evaluation.confusion_matrix.shape == (10, 10)


def test_one_certain_error_leaves_the_likelihood_finite():
    evaluation = evaluate_predictions([0], [[0.0, 1.0]])
    assert evaluation.negative_log_likelihood == pytest.approx(87.34, abs=0.01)
    assert evaluation.brier_score == 2.0


def test_half_precision_rows_count_as_probabilities():
    labels, probabilities = random_predictions(num_examples=200, num_classes=47)
    assert evaluate_predictions(labels, probabilities.astype(np.float16)).num_examples == 200


def test_most_confused_is_sorted_and_leaves_out_what_never_happened():
    matrix = np.array([[9, 1, 0], [0, 5, 7], [1, 0, 3]])
    assert most_confused(matrix) == [
        {"true": 1, "predicted": 2, "count": 7},
        {"true": 0, "predicted": 1, "count": 1},
        {"true": 2, "predicted": 0, "count": 1},
    ]
    assert most_confused(np.diag([3, 4])) == []


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [  # the score equation solved by hand with z = 1.959964
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (5, 10, 0.236593, 0.763407),
        (9800, 10000, 0.977066, 0.982565),
    ],
)
def test_wilson_interval_against_the_formula(successes, total, low, high):
    assert wilson_interval(successes, total) == pytest.approx((low, high), abs=1e-6)


def test_wilson_interval_of_nothing_is_an_error():
    with pytest.raises(InputError, match=r"Invalid `total`\. Expected an integer of at least 1"):
        wilson_interval(0, 0)
    with pytest.raises(InputError, match=r"Expected at most the total of 4\. Received: 5"):
        wilson_interval(5, 4)


@st.composite
def classified(draw):
    num_classes = draw(st.integers(2, 6))
    num_examples = draw(st.integers(1, 30))
    weights = draw(
        hnp.arrays(np.float64, (num_examples, num_classes), elements=st.floats(0.0, 1.0))
    )
    weights[weights.sum(axis=1) < 0.01] = 1.0
    labels = draw(hnp.arrays(np.int64, num_examples, elements=st.integers(0, num_classes - 1)))
    return labels, weights / weights.sum(axis=1, keepdims=True)


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(classified())
def test_scores_stay_within_their_bounds(pair):
    labels, probabilities = pair
    evaluation = evaluate_predictions(labels, probabilities)
    low, high = evaluation.accuracy_ci95
    assert 0.0 <= low <= evaluation.accuracy <= high <= 1.0
    assert 0.0 <= evaluation.expected_calibration_error <= 1.0
    assert 0.0 <= evaluation.brier_score <= 2.0 + 1e-12
    assert evaluation.negative_log_likelihood >= 0.0
    assert evaluation.confusion_matrix.sum() == evaluation.num_examples
    assert evaluation.weighted_avg["recall"] == pytest.approx(evaluation.accuracy)
    order = np.random.default_rng(0).permutation(len(labels))
    shuffled = evaluate_predictions(labels[order], probabilities[order])
    assert shuffled.brier_score == pytest.approx(evaluation.brier_score)
    assert shuffled.expected_calibration_error == pytest.approx(
        evaluation.expected_calibration_error
    )


def test_compare_is_mcnemars_exact_test():
    labels = np.zeros(20, int)
    a, b = labels.copy(), labels.copy()
    a[:1] = 1  # only b is right once, only a nine times
    b[1:10] = 1
    comparison = compare(labels, a, b)
    assert (comparison.only_a_correct, comparison.only_b_correct) == (9, 1)
    assert (comparison.accuracy_a, comparison.accuracy_b) == (0.95, 0.55)
    assert comparison.p_value == pytest.approx(2 * (1 + 10) / 2**10)  # binomial tails, by hand
    assert "significant at the 5% level" in comparison.report()
    assert compare(labels, b, a).p_value == comparison.p_value


def test_compare_takes_probabilities_and_classes():
    same = compare(LABELS, PROBABILITIES, np.argmax(PROBABILITIES, axis=1))
    assert same.only_a_correct == same.only_b_correct == 0
    assert same.p_value == 1.0
    report = same.report("mlp_128", "a very long name " * 5)
    assert "p = 1.0000. The difference may be chance." in report
    assert max(map(len, report.splitlines())) <= 80


@pytest.mark.parametrize(
    ("a", "text"),
    [
        ([0, 1], "Invalid `predictions_a`. Expected 4 labels, one for each image. Received: 2."),
        (PROBABILITIES[:3], "Invalid `predictions_a`. Expected 4 labels, one for each image."),
        ([0.0, 1.0, 1.0, 0.0], "Invalid `predictions_a`. Expected integer class labels."),
        (np.ones((4, 3)), "Invalid `predictions_a`. Expected values in [0, 1] and rows that sum"),
    ],
)
def test_compare_names_the_wrong_argument(a, text):
    with pytest.raises(InputError, match=re.escape(text)):
        compare(LABELS, a, LABELS)


def test_compare_needs_an_example():
    with pytest.raises(InputError, match=r"Invalid `labels`\. Expected at least one label"):
        compare(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int))


@pytest.mark.parametrize(
    ("labels", "probabilities", "text"),
    [
        (np.eye(3)[LABELS] / 2, PROBABILITIES, "one-hot rows of exactly one 1"),
        ([0, 0, 1, 3], PROBABILITIES, "Expected values in [0, 2]. Received: minimum=0, maximum=3"),
        ([0, 0, 1, -1], PROBABILITIES, "Received: minimum=-1, maximum=1"),
        ([0, 0, 1], PROBABILITIES, "Expected 4 labels, one for each image. Received: 3"),
        ([0.0, 0.0, 1.0, 2.0], PROBABILITIES, "Expected integer class labels"),
        ([], np.zeros((0, 3)), "at least one row and two classes. Received: shape=(0, 3)"),
        (LABELS, LABELS, "Invalid `probabilities`. Expected shape (n, num_classes)"),
        ([0], [[1.0]], "Expected shape (n, num_classes), at least one row and two classes"),
        ([0], [[1, 0]], "Expected a float dtype, a probability for each class"),
        ([0, 0], [[0.5, 0.5], [np.nan, 1.0]], "NaN or infinity in 1 of 2 rows, first row 1"),
        ([0, 0], [[0.5, 0.5], [0.9, 0.9]], "row 1 with minimum 0.9 and sum 1.8. Turn logits into"),
        ([0], [[-1.0, 2.0]], "Expected values in [0, 1] and rows that sum to 1"),
    ],
)
def test_bad_input_is_named(labels, probabilities, text):
    with pytest.raises(InputError, match=re.escape(text)):
        evaluate_predictions(labels, probabilities)


def test_class_names_must_fit():
    with pytest.raises(InputError, match=r"Expected 3 names, one for each class\. Received: 2\."):
        evaluate_predictions(LABELS, PROBABILITIES, class_names=["a", "b"])


def test_report_is_an_aligned_table():
    labels, probabilities = random_predictions(num_examples=300, num_classes=8)
    evaluation = evaluate_predictions(labels, probabilities, class_names=FASHION, dataset="fashion")
    report = evaluation.report()
    assert report.startswith("Evaluation on 300 test images of fashion\n")
    low, high = evaluation.accuracy_ci95
    assert re.search(rf"95% interval of the accuracy +{low:.2%} to {high:.2%}\n", report)
    head, *rows = report.split("\n\n")[2].splitlines()
    assert head.split() == ["class", "precision", "recall", "F1", "support"]
    assert len(rows) == 8 + 2
    assert len({len(row) for row in [head, *rows]}) == 1
    assert rows[0].startswith("T-shirt/top")
    worst = evaluation.most_confused[0]
    assert re.search(
        rf"{FASHION[worst['true']]} +{FASHION[worst['predicted']]} +{worst['count']}\n", report
    )


@pytest.mark.parametrize(
    ("dataset", "split", "text"),
    [
        ("mnist", "test", "4 test images of mnist"),
        (
            "my/pictures",
            "test, views shifted by 2",
            "4 test images of my/pictures, views shifted by 2",
        ),
        ("arrays", "test", "4 test images"),
        ("", "", "4 images"),
    ],
)
def test_a_title_is_a_phrase_for_every_kind_of_data(dataset, split, text):
    evaluation = evaluate_predictions(LABELS, PROBABILITIES, dataset=dataset, split=split)
    assert evaluation.report().splitlines()[0] == f"Evaluation on {text}"


def test_report_fits_80_columns_whatever_the_names():
    labels, probabilities = random_predictions(num_examples=50, num_classes=3, signal=0.0)
    names = ["x" * 100, "two\nlines", "y" * 33]
    evaluation = evaluate_predictions(labels, probabilities, class_names=names, dataset="d" * 200)
    report = evaluation.report()
    assert max(map(len, report.splitlines())) <= 80
    assert "two lines" in report


def test_report_without_errors_has_no_table_of_errors():
    report = evaluate_predictions([0, 1], [[1.0, 0.0], [0.0, 1.0]]).report()
    assert "0 of 2" in report
    assert "-0" not in report
    assert "confused" not in report


def test_markdown_tables_have_even_rows():
    names = ["a|b", "c", "d"]
    text = evaluate_predictions(LABELS, PROBABILITIES, class_names=names).to_markdown()
    assert text.startswith("## Evaluation on 4 test images\n\n| measure | value |\n|---|---:|\n")
    for table in text.strip().split("\n\n")[1:]:
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(widths) == 1
    assert r"| a\|b | 0.5000 | 0.5000 | 0.5000 | 2 |" in text


def test_import_loads_no_heavy_package():
    heavy = "{'tensorflow', 'keras', 'matplotlib', 'sklearn', 'scipy'}"
    code = f"import sys, mnist_keras.evaluation; print({heavy} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_an_evaluation_is_a_line_at_a_prompt_and_a_table_in_a_notebook():
    evaluation = evaluate_predictions(
        [0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], class_names=["<b>", "c"], dataset="<i>"
    )
    line = "Evaluation(1 error in 3 test images of <i>: accuracy 66.67%, 95% interval 20.77% to 93.85%)"
    assert repr(evaluation) == line
    shown = evaluation._repr_html_()
    assert shown.startswith("<p>Evaluation on 3 test images of &lt;i&gt;</p>\n<table>")
    assert ">accuracy</td>" in shown and ">66.67%</td>" in shown
    assert len(shown) < 1500


def test_a_comparison_of_nothing_is_refused():
    with pytest.raises(
        InputError, match=r"Invalid `labels`\. Expected at least one label\. Received: none\."
    ):
        compare([], [], [])
