"""Scores of a classifier from labels and predicted probabilities; needs no TensorFlow."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mnist_keras._html import escape, table
from mnist_keras._validation import (
    check_class_names,
    check_integer,
    check_labels,
    check_predictions,
    check_scores,
    invalid,
)
from mnist_keras.evaluation.calibration import calibration_error

Table = Sequence[tuple[str, ...]]  # its first row is the head

SCORES = ("precision", "recall", "f1")
NUM_MOST_CONFUSED = 10  # pairs kept in an evaluation; its reports show half of them
NAME_WIDTH = 32  # characters; two names and a count fit in 80 columns


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of a classifier's predictions; `per_class` and other dictionaries have metrics.json's keys.

    The confusion matrix has true classes as rows and predicted classes as columns. A class that was
    never predicted has precision 0, and one without examples has recall 0; both count in the macro average.
    """

    dataset: str
    split: str
    num_examples: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    error_rate: float
    num_errors: int
    negative_log_likelihood: float
    brier_score: float
    expected_calibration_error: float
    per_class: list[dict[str, Any]]
    macro_avg: dict[str, Any]
    weighted_avg: dict[str, Any]
    confusion_matrix: np.ndarray
    most_confused: list[dict[str, int]]
    class_names: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def predictions(self) -> np.ndarray:
        """The most probable class of each example, `int64` of shape `(n,)`."""
        return self.probabilities.argmax(axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Returns the scores as plain values for JSON, without the arrays they were made from."""
        scores = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("class_names", "labels", "probabilities")
        }
        scores["accuracy_ci95"] = list(self.accuracy_ci95)
        scores["confusion_matrix"] = self.confusion_matrix.tolist()
        return scores

    def __repr__(self) -> str:
        low, high = self.accuracy_ci95
        return (
            f"Evaluation({_count(self.num_errors, 'error')} in {describe_images(self)}: "
            f"accuracy {self.accuracy:.2%}, 95% interval {low:.2%} to {high:.2%})"
        )

    def _repr_html_(self) -> str:
        head, *rows = self._tables()[0]
        lines = [[escape(cell) for cell in row] for row in rows]
        return f"<p>{escape(self._title())}</p>\n{table(lines, head=head, numbers={1})}"

    def report(self) -> str:
        """Returns the scores as text for a terminal of 80 columns."""
        return "\n\n".join([self._title(), *map(text_table, self._tables())])

    def to_markdown(self) -> str:
        """Returns the scores as a Markdown section with tables."""
        return "\n\n".join([f"## {self._title()}", *map(_markdown_table, self._tables())]) + "\n"

    def _title(self) -> str:
        return f"Evaluation on {describe_images(self)}"

    def _tables(self) -> list[Table]:
        """Returns the summary, the scores of each class and, if there are any, the errors."""
        low, high = self.accuracy_ci95
        summary = [
            ("measure", "value"),
            ("accuracy", f"{self.accuracy:.2%}"),
            ("95% interval of the accuracy", f"{low:.2%} to {high:.2%}"),
            ("errors", f"{self.num_errors:,} of {self.num_examples:,}"),
            ("negative log-likelihood", f"{self.negative_log_likelihood:.4f}"),
            ("Brier score", f"{self.brier_score:.4f}"),
            ("expected calibration error", f"{self.expected_calibration_error:.4f}"),
        ]
        names = [_shorten(name) for name in self.class_names]
        rows = list(zip(names, self.per_class, strict=True))
        rows += [("macro average", self.macro_avg), ("weighted average", self.weighted_avg)]
        scores = [("class", "precision", "recall", "F1", "support")] + [
            (name, *(f"{row[key]:.4f}" for key in SCORES), f"{row['support']:,}")
            for name, row in rows
        ]
        confused = [("most confused: true class", "taken for", "times")] + [
            (names[pair["true"]], names[pair["predicted"]], f"{pair['count']:,}")
            for pair in self.most_confused[: NUM_MOST_CONFUSED // 2]
        ]
        return [summary, scores, confused] if self.num_errors else [summary, scores]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same examples; the p-value is McNemar's, exact and two-sided."""

    num_examples: int
    accuracy_a: float
    accuracy_b: float
    only_a_correct: int
    only_b_correct: int
    p_value: float

    def report(self, name_a: str = "a", name_b: str = "b") -> str:
        """Returns the comparison as text for a terminal of 80 columns."""
        table = [
            ("model", "accuracy", "only this one is right"),
            (_shorten(name_a), f"{self.accuracy_a:.2%}", f"{self.only_a_correct:,}"),
            (_shorten(name_b), f"{self.accuracy_b:.2%}", f"{self.only_b_correct:,}"),
        ]
        p_value = "p < 0.0001" if self.p_value < 0.0001 else f"p = {self.p_value:.4f}"
        verdict = "is significant at the 5% level" if self.p_value < 0.05 else "may be chance"
        test = f"McNemar's exact test: {p_value}. The difference {verdict}."
        return f"Comparison on {self.num_examples:,} images\n\n{text_table(table)}\n\n{test}"


def evaluate_predictions(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    class_names: Iterable[str] | None = None,
    dataset: str = "",
    split: str = "test",
) -> Evaluation:
    """Scores a classifier's probabilities against the true labels.

    Args:
        labels: Integer array of shape `(n,)`, values in `[0, num_classes)`.
        probabilities: Float array of shape `(n, num_classes)`; rows sum to 1.
        class_names: A name for each class, or None for "0", "1", ...
        dataset: Name of the dataset in reports, such as "mnist".
        split: Name of the split in reports, such as "test".

    Returns:
        Accuracy with its 95% Wilson interval, negative log-likelihood in nats, Brier score in
        [0, 2], calibration error, the scores of each class and the confusion matrix.

    Raises:
        InputError: If the arrays don't match, or aren't labels and probabilities.

    Reference:
        Brier, 1950, "Verification of Forecasts Expressed in Terms of Probability", eq. 2.

    Example:
        >>> evaluation = evaluate_predictions([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        >>> evaluation.num_errors, evaluation.confusion_matrix.tolist()
        (1, [[1, 0], [1, 1]])
    """
    labels, probabilities = check_scores(labels, probabilities)
    names = check_class_names(class_names, num_classes=probabilities.shape[1])
    return score(labels, probabilities, names, dataset=dataset, split=split)


def score(
    labels: np.ndarray,
    probabilities: np.ndarray,
    names: tuple[str, ...],
    *,
    dataset: str,
    split: str,
) -> Evaluation:
    """Returns what `evaluate_predictions` returns, for arrays that were already checked."""
    from sklearn import metrics

    num_examples, num_classes = probabilities.shape
    predictions = probabilities.argmax(axis=1)
    classes = np.arange(num_classes)
    matrix = metrics.confusion_matrix(labels, predictions, labels=classes)
    correct = int(matrix.trace())
    report = metrics.classification_report(
        labels, predictions, labels=classes, output_dict=True, zero_division=0
    )
    likelihood = probabilities[np.arange(num_examples), labels]
    # A float32 softmax underflows to 0; without a floor one such example would give infinity.
    floored = np.clip(likelihood, np.finfo(np.float32).tiny, 1)
    squares = (probabilities**2).sum(axis=1) - likelihood**2 + (1 - likelihood) ** 2

    def scores(key: str) -> dict[str, Any]:
        row = report[key]
        values = [float(row[name]) for name in ("precision", "recall", "f1-score")]
        return dict(zip(SCORES, values, strict=True)) | {"support": int(row["support"])}

    return Evaluation(
        dataset=dataset,
        split=split,
        num_examples=num_examples,
        accuracy=correct / num_examples,
        accuracy_ci95=wilson_interval(correct, num_examples),
        error_rate=(num_examples - correct) / num_examples,
        num_errors=num_examples - correct,
        negative_log_likelihood=float(np.log(1 / floored).mean()),
        brier_score=float(squares.mean()),
        expected_calibration_error=calibration_error(labels, probabilities),
        per_class=[
            {"label": label, "name": name, **scores(str(label))} for label, name in enumerate(names)
        ],
        macro_avg=scores("macro avg"),
        weighted_avg=scores("weighted avg"),
        confusion_matrix=matrix,
        most_confused=most_confused(matrix),
        class_names=names,
        labels=labels,
        probabilities=probabilities,
    )


def compare(labels: ArrayLike, predictions_a: ArrayLike, predictions_b: ArrayLike) -> Comparison:
    """Tests whether two classifiers differ on the same examples.

    Args:
        labels: Integer array of shape `(n,)`.
        predictions_a: Classes of shape `(n,)`, or probabilities of shape `(n, num_classes)`.
        predictions_b: The other classifier's predictions, in either form.

    Returns:
        Both accuracies, the number of examples that only one of them got right, and McNemar's exact p-value.

    Raises:
        InputError: If the lengths differ or an array holds neither classes nor probabilities.

    Reference:
        McNemar, 1947, "Note on the Sampling Error of the Difference Between Correlated
        Proportions or Percentages".
    """
    from scipy.stats import binomtest

    labels = check_labels(labels)
    n = len(labels)
    if not n:
        raise invalid("labels", expected="at least one label", received="none")
    right_a = check_predictions(predictions_a, num_examples=n, name="predictions_a") == labels
    right_b = check_predictions(predictions_b, num_examples=n, name="predictions_b") == labels
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return Comparison(
        num_examples=n,
        accuracy_a=float(right_a.mean()),
        accuracy_b=float(right_b.mean()),
        only_a_correct=only_a,
        only_b_correct=only_b,
        p_value=float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0,
    )


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """Computes the 95% confidence interval of a proportion by Wilson's score method.

    Raises:
        InputError: If `total` is below 1 or `successes` is not in `[0, total]`.

    Reference:
        Wilson, 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    from scipy.stats import binomtest

    total = check_integer("total", total, minimum=1)
    if check_integer("successes", successes, minimum=0) > total:
        raise invalid("successes", expected=f"at most the total of {total}", received=successes)
    interval = binomtest(int(successes), total).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def most_confused(confusion_matrix: np.ndarray) -> list[dict[str, int]]:
    """Returns the most common errors in a confusion matrix (rows true, columns predicted), most frequent first."""
    errors = confusion_matrix - np.diag(np.diag(confusion_matrix))
    worst = np.argsort(-errors, axis=None, kind="stable")[:NUM_MOST_CONFUSED]
    pairs = [divmod(index, len(errors)) for index in worst.tolist()]
    return [
        {"true": true, "predicted": predicted, "count": int(errors[true, predicted])}
        for true, predicted in pairs
        if errors[true, predicted]
    ]


def describe_images(evaluation: Evaluation) -> str:
    """Returns what was evaluated, such as "360 test images of digits"; omits the name "arrays", which says nothing."""
    split, *views = evaluation.split.split(", ")
    images = _count(evaluation.num_examples, " ".join(filter(None, [split, "image"])))
    name = _shorten(evaluation.dataset)
    named = images if name in ("", "arrays") else f"{images} of {name}"
    return ", ".join([named, *views])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _shorten(name: str) -> str:
    """Returns a name on one line, short enough for a table of 80 columns."""
    name = " ".join(name.split())
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 3]}..."


def text_table(rows: Table) -> str:
    """Returns a table as text, with the first column aligned left and the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]))
    return "\n".join(lines)


def _markdown_table(rows: Table) -> str:
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([lines[0], "|---" + "|---:" * (len(rows[0]) - 1) + "|", *lines[1:]])
