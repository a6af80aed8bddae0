"""Batches are pure functions of (seed, step, row); what `make_dataset` yields is what `get_batch` returns."""

import itertools

import keras
import numpy as np
import pytest

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.data.augmentation.transforms import AUGMENTATIONS
from mnist_keras.data.batches import get_batch, make_batch_source
from mnist_keras.data.pipeline import MEAN, STANDARD_DEVIATION, make_dataset
from mnist_keras.data.splits import as_split

N, BATCH = 50, 8  # six whole batches in an epoch, two images left over
EVERYTHING = {"rotation": 10, "shift": 2, "zoom": 0.1, "elastic_alpha": 24, "erasing": 0.5}


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N, 9, 7), np.uint8), np.arange(N) % 10


def take(dataset, count):
    return [tuple(tensor.numpy() for tensor in batch) for batch in itertools.islice(dataset, count)]


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize("augmentation", [None, EVERYTHING])
def test_training_batches_are_those_of_get_batch(arrays, augmentation):
    dataset = make_dataset(
        *arrays, batch_size=BATCH, training=True, seed=5, augmentation=augmentation
    )
    source = make_batch_source(as_split(*arrays), batch_size=BATCH, augmentation=augmentation)
    expected = [get_batch(source, 5, step) for step in range(14)]
    assert_same(take(dataset, 14), [(x.numpy(), y.numpy()) for x, y in expected])


@pytest.mark.parametrize(
    ("start", "augmentation"), [(1, None), (5, None), (6, None), (7, None), (13, EVERYTHING)]
)
def test_start_step_goes_on_exactly(arrays, start, augmentation):
    options = {"batch_size": BATCH, "training": True, "seed": 1, "augmentation": augmentation}
    whole = take(make_dataset(*arrays, **options), start + 8)
    rest = take(make_dataset(*arrays, start_step=start, **options), 8)
    assert_same(whole[start:], rest)


def test_a_far_start_step_costs_nothing(arrays):
    dataset = make_dataset(*arrays, batch_size=BATCH, training=True, start_step=10**12)
    assert len(take(dataset, 2)) == 2


def test_each_epoch_has_another_order_and_every_image_at_most_once(arrays):
    images, _ = arrays
    batches = make_dataset(images, np.arange(N), batch_size=BATCH, training=True)
    labels = [y for _, y in take(batches, 18)]
    epochs = [np.concatenate(labels[i : i + 6]) for i in (0, 6, 12)]
    for epoch in epochs:
        assert len(set(epoch)) == 48
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[1], epochs[2])
    assert set(np.concatenate(epochs)) == set(range(N)), "what one epoch leaves over, others see"


def test_another_seed_has_another_order(arrays):
    first, second = (
        take(make_dataset(*arrays, batch_size=48, training=True, seed=seed), 1)[0]
        for seed in (0, 1)
    )
    assert not np.array_equal(first[0], second[0])


def test_images_keep_their_labels(arrays):
    images, _ = arrays
    for x, y in take(make_dataset(images, np.arange(N), batch_size=BATCH, training=True), 7):
        np.testing.assert_allclose(x[..., 0], images[y] / 255, rtol=1e-6)


def test_augmentation_none_is_no_augmentation(arrays):
    for nothing in (None, "none", {}):
        assert (
            make_batch_source(as_split(*arrays), batch_size=8, augmentation=nothing).augmentation
            is None
        )
    augmentation = make_batch_source(
        as_split(*arrays), batch_size=8, augmentation="affine"
    ).augmentation
    assert augmentation == AUGMENTATIONS["affine"]


def test_fit_twice_with_one_seed_gives_the_same_bits(arrays):
    def weights(seed):
        keras.utils.set_random_seed(0)
        model = mk.build_mlp((16,), input_shape=(9, 7, 1))
        model.compile("adam", "sparse_categorical_crossentropy")
        batches = make_dataset(*arrays, batch_size=BATCH, training=True, seed=seed)
        model.fit(batches, steps_per_epoch=6, epochs=2, shuffle=False, verbose=0)
        return np.concatenate([array.ravel() for array in model.get_weights()])

    first = weights(seed=0)
    np.testing.assert_array_equal(first, weights(seed=0))
    assert not np.array_equal(first, weights(seed=1))


def test_batches_for_evaluation_are_in_order_and_the_last_is_smaller(arrays):
    images, labels = arrays
    batches = take(make_dataset(images, labels, batch_size=20), 9)
    assert [len(x) for x, _ in batches] == [20, 20, 10]
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert x.dtype == np.float32 and y.dtype == np.int64
    assert x.shape == (N, 9, 7, 1)
    assert x.min() == 0 and x.max() == 1
    np.testing.assert_allclose(x[..., 0], images / 255, rtol=1e-6)
    np.testing.assert_array_equal(y, labels)


def test_fewer_images_than_a_batch_are_one_batch(arrays):
    images, labels = arrays
    assert [len(x) for x, _ in take(make_dataset(images[:5], labels[:5]), 9)] == [5]


def test_the_element_spec_and_the_cardinality_are_known(arrays):
    finite = make_dataset(*arrays, batch_size=20)
    assert finite.cardinality() == 3
    assert [tuple(x.shape) for x in finite.element_spec] == [(None, 9, 7, 1), (None,)]
    endless = make_dataset(*arrays, batch_size=20, training=True)
    assert [tuple(x.shape) for x in endless.element_spec] == [(20, 9, 7, 1), (20,)]


@pytest.mark.parametrize("training", [False, True])
def test_float_and_uint8_images_agree(arrays, training):
    images, labels = arrays
    variants = [
        images,
        images[..., None],
        images / 255,
        (images / 255).astype(np.float32)[..., None],
    ]
    options = {"batch_size": BATCH, "training": training}
    expected, *others = (take(make_dataset(x, labels, **options), 9) for x in variants)
    for batches in others:
        for (a, y), (b, z) in zip(expected, batches, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
            np.testing.assert_array_equal(y, z)


@pytest.mark.parametrize("training", [False, True])
def test_without_labels_there_are_images_alone(arrays, training):
    images, labels = arrays
    options = {"batch_size": BATCH, "training": training, "seed": 2}
    alone = list(itertools.islice(make_dataset(images, **options), 3))
    for batch, (x, _) in zip(alone, take(make_dataset(images, labels, **options), 3), strict=True):
        np.testing.assert_array_equal(batch, x)


def test_standardize_takes_off_mean_and_deviation(arrays):
    plain, standard = (
        take(make_dataset(*arrays, batch_size=20, standardize=standardize), 9)
        for standardize in (False, True)
    )
    for (x, y), (z, labels) in zip(plain, standard, strict=True):
        np.testing.assert_allclose(z, (x - 0.1307) / 0.3081, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(y, labels)


def test_the_constants_are_those_of_mnist(data_dir):
    pixels = mk.load_data("mnist", data_dir=data_dir).train_images / np.float32(255)
    assert round(float(pixels.mean()), 4) == MEAN
    assert round(float(pixels.std()), 4) == STANDARD_DEVIATION


BAD = {
    "one image": (
        lambda x, y: make_dataset(x[0], y[:1]),
        "Invalid `images`. Expected shape (n, height, width) or (n, height, width, 1). "
        "Received: shape=(9, 7), dtype=uint8. Add an axis to a single image, "
        "images[None].",
    ),
    "no array": (
        lambda x, y: make_dataset(5),
        "Invalid `images`. Expected shape (n, height, width) or (n, height, width, 1). "
        "Received: shape=(), dtype=int64.",
    ),
    "no image": (
        lambda x, y: make_dataset(x[:0], y[:0]),
        "Invalid `images`. Expected at least one image of at least one pixel. "
        "Received: shape=(0, 9, 7), dtype=uint8.",
    ),
    "float range": (
        lambda x, y: make_dataset(x.astype(np.float32) / 127.5 - 1, y),
        "Map them from [-1, 1] to [0, 1]: (images + 1) / 2.",
    ),
    "labels": (
        lambda x, y: make_dataset(x, y[1:]),
        "Invalid `labels`. Expected 50 labels, one for each image. Received: 49.",
    ),
    "one-hot": (
        lambda x, y: make_dataset(x, np.eye(10)[y] / 2),
        "For the class with the highest score, pass labels.argmax(axis=-1).",
    ),
    "batch size": (
        lambda x, y: make_dataset(x, y, batch_size=0),
        "Invalid `batch_size`. Expected an integer of at least 1. Received: 0.",
    ),
    "large batch": (
        lambda x, y: make_dataset(x, y, batch_size=51, training=True),
        "Invalid `batch_size`. Expected at most the 50 training images. Received: 51.",
    ),
    "seed": (
        lambda x, y: make_dataset(x, y, batch_size=8, training=True, seed=-1),
        "Invalid `seed`. Expected an integer of at least 0 and at most 4294967295. Received: -1.",
    ),
    "start step": (
        lambda x, y: make_dataset(x, y, batch_size=8, training=True, start_step=-1),
        "Invalid `start_step`. Expected an integer of at least 0. Received: -1.",
    ),
    "augmented evaluation": (
        lambda x, y: make_dataset(x, y, augmentation="affine"),
        "Invalid `training`. Expected True where augmentation or start_step is given. "
        "Received: training=False, augmentation='affine', start_step=0.",
    ),
    "augmentation": (
        lambda x, y: make_dataset(x, y, batch_size=8, training=True, augmentation="flip"),
        "Unknown augmentation 'flip'. Expected one of: affine, elastic, none.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_has_a_clear_error(arrays, case):
    call, text = BAD[case]
    with pytest.raises(InputError) as caught:
        call(*arrays)
    assert text in str(caught.value)
