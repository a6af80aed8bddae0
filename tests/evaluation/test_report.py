import html.parser
import re

import numpy as np
import pytest

from mnist_keras.data.splits import ArraySplit
from mnist_keras.evaluation.metrics import evaluate_predictions
from mnist_keras.evaluation.report import CELL_IMAGES, MAX_CELLS, render_report, write_report
from mnist_keras.evaluation.thumbnails import LONGER_SIDE, Thumbnails

HOSTILE = '<script>alert("x")</script>&'
VOID = {"meta", "img", "br", "link"}


class Page(html.parser.HTMLParser):
    """Reads a page, and fails where an element is not closed in its place."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def case(num_classes=10, *, num_examples=400, size=28, names=None, signal=2.5):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, num_examples)
    logits = rng.normal(size=(num_examples, num_classes))
    logits[np.arange(num_examples), labels] += signal
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    images = rng.integers(0, 256, (num_examples, size, size), dtype=np.uint8)
    names = names or tuple(map(str, range(num_classes)))
    evaluation = evaluate_predictions(labels, probabilities, class_names=names, dataset="noise")
    return evaluation, ArraySplit(images, labels, tuple(names), "noise")


def test_the_page_shows_the_evaluation_and_how_it_was_made():
    evaluation, examples = case()
    page = render_report(
        evaluation,
        examples,
        history={"epoch": [1.0, 2.0], "loss": [0.5, 0.25], "accuracy": [0.8, 0.9]},
        config={
            "model": {"name": "mlp_128"},
            "recipe": {"optimizer": "adam", "augmentation": {"shift": 1.5}, "ema_momentum": None},
            "data": {"name": "noise", "sha256": {"test_images": "0fa7"}},
            "versions": {"keras": "3.15"},
            "seed": 7,
            "command": ["mnist-keras", "train", "mlp_128", "--data", "my data"],
        },
        metrics={"train_accuracy": 0.75, "train_seconds": 12.34},
    )
    low, high = evaluation.accuracy_ci95
    for text in (
        "<h1>mlp_128 on 400 test images of noise</h1>",
        f'<p class="headline">{evaluation.accuracy:.2%}</p>',
        f"95% interval {low:.2%} to {high:.2%}: {evaluation.num_errors} errors in 400 images",
        "accuracy on the training images 75.00%, trained in 12.3 s",
        "mnist-keras train mlp_128 --data &#x27;my data&#x27;",
        '>augmentation shift</th><td style="text-align:left"><code>1.5</code>',
        '>seed</th><td style="text-align:left"><code>7</code>',
        "<code>0fa7</code>",
        "expected calibration error",
    ):
        assert text in page
    assert "ema" not in page
    assert len(Page(page).all("svg")) == 3  # loss, accuracy, reliability


def test_each_cell_with_errors_opens_its_images():
    evaluation, examples = case()
    page = Page(render_report(evaluation, examples))
    targets = [button["popovertarget"] for button in page.all("button")]
    assert targets == sorted(targets)
    opened = {x["id"] for x in page.all("div") if "popover" in x}
    assert set(targets) == opened
    errors = evaluation.confusion_matrix - np.diag(np.diag(evaluation.confusion_matrix))
    assert len(opened) == min(np.count_nonzero(errors), MAX_CELLS)
    worst = evaluation.most_confused[0]
    text = f"<h3>{worst['true']} taken for {worst['predicted']}: {worst['count']} images</h3>"
    assert text in render_report(evaluation, examples)


def test_nothing_comes_from_elsewhere():
    page = render_report(*case())
    assert "<script" not in page
    assert "@import" not in page
    for _, attributes in Page(page).elements:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,"))
    assert not re.findall(r"url\((?!#)", page)
    assert not re.findall(r"https?://(?!www\.w3\.org/)", page)  # names of SVG's vocabularies


def test_what_comes_from_users_is_escaped():
    evaluation, examples = case(2, names=(HOSTILE, "$title ${x}"))
    config = {
        "model": {"name": HOSTILE},
        "recipe": {HOSTILE: {HOSTILE: HOSTILE}},
        "command": [HOSTILE],
        "data": {"name": HOSTILE},
    }
    page = render_report(evaluation, examples, config=config)
    assert "<script" not in page
    assert "$title ${x}" in page
    Page(page)


@pytest.mark.parametrize("num_classes", [2, 47, 400])
def test_the_size_is_bounded(num_classes):
    evaluation, examples = case(num_classes, num_examples=2500, size=80, signal=1.0)
    page = render_report(evaluation, examples)
    Page(page)
    assert len(page) < 2e6  # of noise, which no compression helps, in images that are reduced
    assert page.count("<img") <= MAX_CELLS * CELL_IMAGES + 24 + 10 * CELL_IMAGES + 1
    assert ("true \\ predicted" in page) == (num_classes < 100)  # a table, or else a picture


def test_only_the_images_on_the_page_are_read():
    evaluation, examples = case(3, num_examples=5000)

    class Counted(ArraySplit):
        rows = 0

        def read(self, rows):
            self.rows += len(rows)
            return super().read(rows)

    counted = Counted(examples.images, examples.labels, examples.class_names)
    render_report(evaluation, counted)
    assert 24 <= counted.rows <= 24 + 6 * CELL_IMAGES


def test_a_page_without_errors_or_curves():
    evaluation = evaluate_predictions([0, 1], np.eye(2))
    examples = ArraySplit(np.zeros((2, 8, 8), np.uint8), None, ("0", "1"))
    page = render_report(evaluation, examples, history={"loss": [0.5], "accuracy": [0.8]})
    assert page == render_report(evaluation, examples)
    assert "No errors." in page
    assert "<h2>Training</h2>" not in page
    assert "<h1>Evaluation on 2 test images</h1>" in page
    Page(page)


def test_a_configuration_of_another_kind_is_shown_as_it_is():
    page = render_report(*case(2), config={"model": "x", "recipe": [1, "a"], "seed": None})
    assert "<h1>Evaluation on 400 test images of noise</h1>" in page
    assert "<code>[1, &quot;a&quot;]</code>" in page
    Page(page)


def test_images_of_any_kind_are_small_png_files():
    evaluation, _ = case(2, num_examples=4)
    for images in (np.full((4, 200, 100), 0.5, np.float32), np.zeros((4, 1, 3), np.uint8)):
        split = ArraySplit(images, evaluation.labels, ("0", "1"))
        tags = Page(Thumbnails(evaluation, split, [3]).images([3])).all("img")
        assert [tag["src"][:22] for tag in tags] == ["data:image/png;base64,"]
        assert len(tags[0]["src"]) < 400
    assert LONGER_SIDE < 100


def test_the_same_evaluation_gives_the_same_page(tmp_path):
    evaluation, examples = case()
    for name in ("a", "b"):
        write_report(tmp_path / name / "report.html", evaluation, examples)
    first, second = (tmp_path / name / "report.html" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_name_that_utf_8_lacks_is_replaced(tmp_path):
    evaluation, examples = case(2, names=("\udcff", "b"))
    write_report(tmp_path / "report.html", evaluation, examples)
    assert "? taken for b" in (tmp_path / "report.html").read_text(encoding="utf-8")
