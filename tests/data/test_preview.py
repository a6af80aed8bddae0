"""What a summary finds: made so that it is known."""

import json

import numpy as np
import pytest
from data_files import write_npz

from mnist_keras.data.datasets import load_data
from mnist_keras.data.image_data import as_image_data, from_arrays

RNG = np.random.default_rng(0)
IMAGES = np.zeros((30, 28, 28), np.uint8)
IMAGES[:, 6:22, 6:22] = RNG.integers(0, 256, (30, 16, 16))
LABELS = np.arange(30) % 3


def summary_of(train=IMAGES, labels=LABELS, test=IMAGES[:0], test_labels=LABELS[:0], **options):
    data = from_arrays(
        train, labels, test, test_labels, name="made", source="memory", may_be_empty=True, **options
    )
    return data.summary()


def test_counts_sizes_and_ranges():
    summary = summary_of()
    train = summary.splits["train"]
    assert set(summary.splits) == {"train"}
    assert (train.images, train.counts) == (30, (10, 10, 10))
    assert (train.height, train.width) == (28, 28)
    assert (train.minimum, train.maximum) == (0, IMAGES.max())
    assert train.mean == pytest.approx(IMAGES.mean())
    assert train.empty == train.repeated == train.contradicted == ()
    assert not train.looks_inverted
    assert summary.headline == summary.report().splitlines()[0]
    assert summary.headline == (
        "made: 30 training and 0 test images of 28x28 pixels, 3 classes, from memory"
    )


def test_empty_repeated_and_contradicted_images():
    images, labels = IMAGES.copy(), LABELS.copy()
    images[5], images[6] = 0, 200
    images[20], images[23] = images[2], images[4]
    train = summary_of(images, labels).splits["train"]
    assert train.empty == (5, 6)
    assert train.repeated == (20, 23)
    assert train.contradicted == (23,), "2 and 20 have one label, 4 and 23 have two"
    report = summary_of(images, labels).report()
    assert "training: 2 empty: rows 5, 6" in report
    assert "training: 1 equal to an earlier image with another label: rows 23" in report


def test_images_in_both_training_and_test():
    test = np.zeros((4, 28, 28), np.uint8)
    test[:, 6:22, 6:22] = RNG.integers(0, 256, (4, 16, 16))
    test[1] = IMAGES[7]
    test[3] = IMAGES[9]
    test[3, 10, 10] ^= 31  # nearly
    summary = summary_of(test=test, test_labels=LABELS[:4])
    assert summary.shared == ((1, 7),)
    assert summary.nearly_shared == ((3, 9),)
    assert summary.report().endswith(
        "in both training and test: 1 image; test row (training row): 1 (7)\n"
        "nearly the same in training and test: 1 image; test row (training row): 3 (9)"
    )
    assert json.loads(json.dumps(summary.to_dict()))["shared"] == [[1, 7]]


def test_near_images_are_never_farther_apart_than_promised():
    images = np.clip(IMAGES[:1] + RNG.normal(0, 25, (40, 28, 28)), 0, 255).astype(np.uint8)
    images[:, :6] = images[:, :, :6] = images[:, 22:] = images[:, :, 22:] = 0
    summary = summary_of(images, np.zeros(40, int), IMAGES, LABELS)
    found = dict(summary.nearly_shared)
    shares = np.abs(images.astype(float) - IMAGES[0]).sum(axis=(1, 2)) / IMAGES[0].sum()
    assert set(found) <= {0}
    assert (0 in found) <= (shares.min() <= 0.1)


@pytest.mark.parametrize("images", [255 - IMAGES, np.float32(1 - IMAGES / 255)])
def test_polarity(images):
    summary = summary_of(images)
    assert summary.splits["train"].looks_inverted
    assert "dark ink on a light background: looks inverted; pass 255 - images" in summary.report()


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_flat_images_have_no_polarity(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    assert not summary_of(noise).splits["train"].looks_inverted
    assert (
        not summary_of(np.full((3, 28, 28), 255, np.uint8), [0, 1, 2])
        .splits["train"]
        .looks_inverted
    )


@pytest.mark.parametrize(
    ("labels", "test_labels", "text"),
    [
        (
            LABELS + 1,
            [],
            "No image has the label 0, so a model for these labels has 4 classes, 1 of them without",
        ),
        (
            np.array([0, 2, 5])[LABELS],
            [],
            "No image has the label 1, 3, 4, so a model for these labels has 6 classes, 3 of them without examples. "
            "np.unique(labels, return_inverse=True)[1] closes the gap.",
        ),
        (LABELS, [3], "Test images have the class 3, but no training image does."),
        (
            np.where(np.arange(30) == 4, 3, LABELS),
            [],
            "There is only one training image of the class 3.",
        ),
        (
            np.zeros(30, int),
            [],
            "All training images are of the class 0: there is nothing to learn.",
        ),
    ],
)
def test_notices(labels, test_labels, text):
    summary = summary_of(
        labels=labels, test=IMAGES[: len(test_labels)], test_labels=np.array(test_labels, int)
    )
    assert [text] == [notice[: len(text)] for notice in summary.notices]
    assert summary.report().splitlines()[-1].startswith(text)


def test_the_expression_of_the_notice_closes_the_gap():
    labels = np.array([100, 101, 102])[LABELS]
    closed = eval("np.unique(labels, return_inverse=True)[1]", {"np": np, "labels": labels})
    assert as_image_data((IMAGES, closed)).summary().notices == ()


def test_unlabeled_images_validation_and_what_was_read(tmp_path):
    arrays = {
        "train_images": IMAGES,
        "train_labels": LABELS.astype(np.uint8),
        "test_images": IMAGES[:4],
    }
    write_npz(tmp_path / "a.npz", arrays | {"test_labels": LABELS[:4].astype(np.uint8)})
    (tmp_path / "notes.txt").write_text("none")
    report = load_data(tmp_path).summary().report()
    assert (
        "read: a.npz[x_train], a.npz[y_train], a.npz[x_test], a.npz[y_test]\nskipped: notes.txt"
        in report
    )
    data = from_arrays(
        *(IMAGES, LABELS, IMAGES[:4], None),
        validation_images=IMAGES[:3],
        validation_labels=LABELS[:3],
        name="made",
        source="memory",
    )
    assert "30 training, 3 validation and 4 test images" in data.headline
    assert data.summary().splits["test"].counts is None
    assert "test: 4 images (without labels)" in data.summary().report()


def test_mnist_and_fashion_mnist(data_dir):
    found = {}
    for name in ("mnist", "fashion_mnist"):
        summary = load_data(name, data_dir=data_dir).summary()
        found[name] = len(summary.shared), len(summary.nearly_shared)
        assert not any(split.repeated or split.empty for split in summary.splits.values())
        assert summary.notices == ()
    assert found == {"mnist": (0, 5), "fashion_mnist": (0, 367)}, "as docs/data_formats.md says"
