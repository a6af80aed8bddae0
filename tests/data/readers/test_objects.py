"""Objects of other libraries: each is read as the arrays that it holds, or refused with the way."""

import tracemalloc
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from data_formats import png
from errors import error_of
from PIL import Image
from sklearn.utils import Bunch

from mnist_keras.data.image_data import as_image_data
from mnist_keras.data.readers import objects
from mnist_keras.data.splits import as_split

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)
LABELS = np.arange(20) % 4
NAMES = np.array(["bag", "hat", "shoe", "tie"])[LABELS]
FRAME = pd.DataFrame(IMAGES.reshape(20, 784), columns=[f"pixel{i + 1}" for i in range(784)])


class Tensor:
    """What PyTorch's and JAX's tensors have in common."""

    dtype = "torch.uint8"

    def __init__(self, array, error=None):
        self.array, self.error = array, error

    def __array__(self, dtype=None, copy=None):
        if self.error:
            raise self.error
        return np.asarray(self.array, dtype)


class WithGradient(Tensor):
    """A tensor of PyTorch that becomes an array only without its gradient, and from the CPU."""

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.array)


class Rows:
    """A dataset of PyTorch: rows by number, a length, no end to an iteration."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        return self.rows[row % len(self.rows)]


class Hub(Rows):
    """A dataset of the Hugging Face Hub: rows of a picture and a number, whose names it knows."""

    features = {"label": namedtuple("ClassLabel", "names")(["bag", "hat", "shoe", "tie"])}  # noqa: RUF012


def tensors(images=IMAGES, labels=LABELS):
    return tf.data.Dataset.from_tensor_slices((images, labels))


WITH_LABELS = {
    "DataFrame with a column of labels": lambda: FRAME.assign(label=LABELS),
    "Bunch of a DataFrame": lambda: Bunch(
        data=FRAME, target=pd.Series(LABELS.astype(str), dtype="category")
    ),
    "Bunch of arrays": lambda: Bunch(
        data=IMAGES.reshape(20, 784).astype(float), target=LABELS, target_names=["class"]
    ),
    "dictionary": lambda: {"image": IMAGES, "label": LABELS},
    "tf.data of images": tensors,
    "tf.data of batches": lambda: tensors().batch(8),
    "tf.data of dictionaries": lambda: tf.data.Dataset.from_tensor_slices(
        {"image": IMAGES[..., None], "label": LABELS}
    ).batch(8),
    "tf.data of unknown length": lambda: tensors().batch(3).filter(lambda x, y: True),
    "tf.data in [0, 1]": lambda: tensors(np.float32(IMAGES / 255)).batch(8),
    "rows of the Hub": lambda: Hub(
        [
            {"image": Image.fromarray(x), "label": int(y)}
            for x, y in zip(IMAGES, LABELS, strict=True)
        ]
    ),
    "rows of torchvision": lambda: Rows(
        [(Image.fromarray(x), int(y)) for x, y in zip(IMAGES, LABELS, strict=True)]
    ),
    "rows of torchvision's tensors": lambda: Rows(
        [(Tensor(np.float32(x / 255)[None]), int(y)) for x, y in zip(IMAGES, LABELS, strict=True)]
    ),
    "encoded rows of the Hub": lambda: [
        {"image": {"bytes": png(x), "path": None}, "label": y}
        for x, y in zip(IMAGES, LABELS.tolist(), strict=True)
    ],
    "DataFrame of encoded pictures": lambda: pd.DataFrame(
        {"image": [{"bytes": png(x), "path": None} for x in IMAGES], "label": LABELS}
    ),
    "DataFrame of arrays": lambda: pd.DataFrame({"image": list(IMAGES), "label": LABELS}),
    "list of dictionaries": lambda: [
        {"image": x, "label": y} for x, y in zip(IMAGES, LABELS.tolist(), strict=True)
    ],
}


def assert_holds(split):
    scale = 1 if split.images.dtype == np.uint8 else 255
    np.testing.assert_allclose(split.images * scale, IMAGES, atol=1e-3)
    assert split.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("name", WITH_LABELS)
def test_an_object_of_images_and_labels(name):
    data = WITH_LABELS[name]()
    assert_holds(as_split(data))
    image_data = as_image_data({"train": data, "test": data})
    assert_holds(image_data.train)
    assert_holds(image_data.test)
    assert_holds(as_image_data((data, data)).test)
    assert len(as_image_data(data).test) == 4, "a fifth is held out"
    if name == "rows of the Hub":
        assert image_data.class_names == ("bag", "hat", "shoe", "tie")


@pytest.mark.parametrize(
    "images",
    [
        FRAME,
        FRAME.astype(np.int64),
        FRAME.astype(float),
        FRAME.astype("UInt8"),
        FRAME.astype("uint8[pyarrow]"),
        Tensor(IMAGES),
        WithGradient(IMAGES, TypeError("requires grad")),
        tf.constant(IMAGES),
        IMAGES.tolist(),
        list(IMAGES),
    ],
    ids=[
        *("DataFrame", "of int64", "of floats", "of UInt8", "of Arrow", "tensor", "with gradient"),
        *("tf.Tensor", "lists", "list of arrays"),
    ],
)
@pytest.mark.parametrize(
    "labels",
    [
        LABELS.tolist(),
        pd.Series(LABELS),
        pd.Series(LABELS.astype(str), dtype="category"),
        pd.DataFrame({"y": LABELS}),
        np.eye(4)[LABELS],
        Tensor(LABELS),
        WithGradient(LABELS, TypeError("requires grad")),
        LABELS.astype(str).astype(object),
        LABELS.astype(object),
    ],
    ids=[
        *("list", "Series", "category", "DataFrame", "one-hot", "tensor", "with gradient"),
        *("objects", "objects that are numbers"),
    ],
)
def test_images_and_labels(images, labels):
    assert_holds(as_split(images, labels))
    assert_holds(as_image_data(((images, labels), (images, labels))).test)
    assert len(as_image_data((images, labels)).test) == 4, "a fifth is held out"


@pytest.mark.parametrize("library", ["jax.numpy", "torch"])
def test_real_tensors(library):
    module = pytest.importorskip(library)
    make = module.tensor if library == "torch" else module.asarray
    assert_holds(as_split(make(IMAGES), make(LABELS)))
    small = make(np.float32(IMAGES / 255)[:, None])
    assert_holds(as_split(small, make(np.eye(4, dtype=np.float32)[LABELS])))
    half = small.bfloat16() if library == "torch" else small.astype(module.bfloat16)
    half = as_split(half, LABELS)
    np.testing.assert_allclose(half.images * 255, IMAGES, atol=0.6)
    if library == "torch":
        assert_holds(as_split(small.requires_grad_(), LABELS))
        rows = module.utils.data.TensorDataset(make(IMAGES)[:, None], make(LABELS))
        assert_holds(as_split(rows))
        loader = module.utils.data.DataLoader(rows, batch_size=4)
        assert error_of(as_image_data, loader).endswith("its dataset: loader.dataset.")


def test_a_frame_without_a_column_of_labels():
    assert error_of(as_image_data, FRAME).endswith(
        "Received: DataFrame. Name the column of the labels as one of: class, label, labels, target, y."
    )
    assert error_of(as_split, FRAME).endswith("Expected a label for each image. Received: None.")


def test_advice_for_frames_keeps_the_data():
    """Each expression is run on what it was given for."""
    names = {
        "images": FRAME.astype(float).where(FRAME.index.to_series() >= 3),
        "labels": pd.Series(LABELS),
    }
    text = error_of(as_split, names["images"], names["labels"])
    advice = text.partition("their labels: ")[2].removesuffix(".")
    split = as_split(*eval(advice, names))
    np.testing.assert_array_equal(split.images, IMAGES[3:])
    assert split.labels.tolist() == LABELS[3:].tolist()
    for images in (FRAME.astype(str), (FRAME / 255).astype(object), FRAME.astype(object)):
        advice = (
            error_of(as_split, images, LABELS).partition("to numbers with ")[2].removesuffix(".")
        )
        assert_holds(as_split(eval(advice, {"images": images, "pd": pd}), LABELS))


REFUSED = {
    "783 columns": (
        lambda: (FRAME.iloc[:, 1:], LABELS),
        "Expected a column for each pixel of a square image, 784 of 28x28. Received: 783 columns.",
    ),
    "NaN": (
        lambda: (FRAME.astype(float).where(FRAME.index.to_series() >= 3), LABELS),
        "Expected a number in every cell. Received: NaN in 3 of 20 rows. Drop these rows and their labels",
    ),
    "objects": (
        lambda: (FRAME.astype(str), LABELS),
        "Received: 784 columns with other types, the first 'pixel1'. Convert strings and objects to numbers with "
        "images.apply(pd.to_numeric).",
    ),
    "negative class": (
        lambda: (FRAME, LABELS - 1),
        "Expected values in [0, 65535]. Received: minimum=-1",
    ),
    "missing label": (
        lambda: (FRAME, pd.Series([None, *NAMES[1:]])),
        "Expected a label for every image. Received: none for 1 of 20.",
    ),
    "NaN as a label": (
        lambda: (FRAME, pd.Series([np.nan, *LABELS[1:]])),
        "Expected a label for every image. Received: NaN for 1 of 20.",
    ),
    "endless": (
        lambda: (tensors().repeat(), None),
        "Expected a finite tf.data.Dataset. Received: one that repeats forever. Take as many elements as "
        "you want: dataset.take(n).",
    ),
    "empty": (lambda: (tensors().take(0), None), "Received: an empty tf.data.Dataset"),
    "four parts": (
        lambda: (tf.data.Dataset.from_tensors((1, 2, 3, 4)), None),
        "Expected pairs of an image and a label. Received: 4 parts.",
    ),
    "tf.data and labels": (lambda: (IMAGES, tensors()), "Expected None with a tf.data.Dataset"),
    "rows of other keys": (
        lambda: ([{"text": "a", "label": 1}], None),
        "Expected rows with the keys image and label. Received: text, label.",
    ),
    "rows of two sizes": (
        lambda: ([{"image": IMAGES[0], "label": 1}, {"image": IMAGES[0, :9], "label": 1}], None),
        "Expected images of the same size and type as the first: (28, 28), uint8. Received: (9, 28), uint8 in row 1.",
    ),
    "mapping of other keys": (
        lambda: ({"text": "a"}, None),
        "Expected a mapping with the keys image and label, or data and target. Received: text.",
    ),
    "two columns of labels": (
        lambda: (FRAME.assign(label=LABELS, y=LABELS), None),
        "The columns label and y could both be the labels. Keep only one of them.",
    ),
    "numbers and strings": (
        lambda: (IMAGES, np.array([1, "a"] * 10, object)),
        "Expected integers or strings. Received: objects: int, str.",
    ),
    "name": (lambda: ("mnist", None), "Expected an array of images. Received: 'mnist'."),
    "tensor that has no array": (
        lambda: (
            Tensor(IMAGES, TypeError("can't convert cuda:0 device type tensor to numpy.")),
            LABELS,
        ),
        "Received: Tensor (can't convert cuda:0 device type tensor to numpy).",
    ),
    "two splits": (
        lambda: (as_image_data((IMAGES, LABELS)), None),
        "Expected images and labels, or one split. Received: ImageData. Pass a split of it, for example data.test.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    make, text = REFUSED[case]
    assert text in error_of(as_split, *make())


def test_a_sparse_matrix():
    import scipy.sparse

    text = error_of(as_split, scipy.sparse.csr_matrix(IMAGES.reshape(20, 784)), LABELS)
    assert text.endswith("Received: a sparse matrix. Convert it with images.toarray().")


def test_a_limit_bounds_a_dataset_of_unknown_length(monkeypatch):
    monkeypatch.setattr(objects, "MAX_IMAGES", 50)
    counter = tf.data.Dataset.counter().map(lambda i: (tf.zeros((28, 28), tf.uint8), i % 3))
    endless = counter.filter(lambda x, y: True).batch(8)
    assert (
        "Expected a tf.data.Dataset of at most 50 images. Received: more. Take as many elements"
        in error_of(as_split, endless)
    )


def test_a_frame_of_bytes_is_in_memory_once():
    frame = pd.DataFrame(np.zeros((4000, 784), np.uint8)).assign(label=np.arange(4000) % 4)
    as_split(frame[:4])  # what is imported and cached at first
    tracemalloc.start()
    split = as_split(frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.3 * split.images.nbytes, "beside the frame itself"
