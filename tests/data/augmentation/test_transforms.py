import dataclasses
import json
import re

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from mnist_keras._validation import InputError
from mnist_keras.data.augmentation import transforms
from mnist_keras.data.augmentation.transforms import AUGMENTATIONS, Augmentation, get_augmentation
from mnist_keras.models.recipes import RECIPES

EVERYTHING = Augmentation(
    rotation=10,
    shift=2,
    zoom=0.1,
    shear=10,
    elastic_alpha=24,
    elastic_sigma=4,
    erasing=0.5,
    flip=0.5,
)
SINGLE = {
    "rotation": Augmentation(rotation=20),
    "shift": Augmentation(shift=3),
    "zoom": Augmentation(zoom=0.3),
    "shear": Augmentation(shear=20),
    "elastic": Augmentation(elastic_alpha=34),
    "erasing": Augmentation(erasing=1),
}


@pytest.fixture(scope="module")
def images():
    """Blurred blobs: smooth, so that resampling errors stay small, and all different."""
    noise = np.random.default_rng(0).random((12, 28, 28), dtype=np.float32)
    blobs = scipy.ndimage.gaussian_filter(noise, (0, 2, 2))
    blobs -= blobs.min()
    return tf.constant((blobs / blobs.max())[..., None])


def transformed(image, *, rotation=0.0, shear=0.0, zoom=0.0, shift_x=0.0, shift_y=0.0):
    """Maps one image of shape `(height, width)` with exactly the given parameters."""
    strengths = Augmentation(rotation=45, shear=45, zoom=0.5, shift=1)
    draws = [rotation / 45, shear / 45, zoom / 0.5, shift_x, shift_y]
    draws = [tf.reshape(tf.constant(draw, tf.float32), (1, 1, 1)) for draw in draws]
    x, y = transforms._source_of_affine(strengths, draws, *image.shape)
    x, y = (tf.broadcast_to(position, (1, *image.shape)) for position in (x, y))
    return transforms._sample(tf.constant(image)[None, ..., None], x, y)[0, ..., 0].numpy()


def test_parameters_of_nothing_return_the_image_to_the_bit(images):
    image = images[0, ..., 0].numpy()
    np.testing.assert_array_equal(transformed(image), image)
    odd = image[:27, :21]  # other sizes have their center on a pixel or beside it
    np.testing.assert_array_equal(transformed(odd), odd)


def test_a_quarter_turn_is_counter_clockwise(images):
    image = images[0, ..., 0].numpy()
    np.testing.assert_allclose(transformed(image, rotation=90), np.rot90(image), atol=1e-4)


@pytest.mark.parametrize("angle", [10, -25])
def test_rotation_agrees_with_scipy(images, angle):
    image = images[0, ..., 0].numpy()
    expected = scipy.ndimage.rotate(image, angle, reshape=False, order=1, mode="grid-constant")
    np.testing.assert_allclose(transformed(image, rotation=angle), expected, atol=1e-4)


def test_whole_and_half_pixel_shifts(images):
    image = images[0, ..., 0].numpy()
    right_and_down = transformed(image, shift_x=3, shift_y=2)
    np.testing.assert_array_equal(right_and_down[2:, 3:], image[:-2, :-3])
    assert not right_and_down[:2].any()
    assert not right_and_down[:, :3].any()
    half = transformed(image, shift_x=-0.5)
    np.testing.assert_allclose(half[:, :-1], (image[:, 1:] + image[:, :-1]) / 2, atol=1e-6)
    np.testing.assert_allclose(half[:, -1], image[:, -1] / 2, atol=1e-6)


def test_zoom_enlarges_about_the_center():
    image = np.zeros((28, 28), np.float32)
    image[9:19, 9:19] = 1  # 10 pixels wide
    larger = transformed(image, zoom=0.5)
    assert larger.sum() == pytest.approx(15**2, rel=0.01)
    np.testing.assert_allclose(larger, larger[::-1, ::-1], atol=1e-5)


def test_shear_slants_like_italics():
    image = np.zeros((28, 28), np.float32)
    image[:, 13:15] = 1
    slanted = transformed(image, shear=20)
    rows = np.arange(28) - 13.5
    columns = (slanted * (np.arange(28) - 13.5)).sum(axis=1) / slanted.sum(axis=1)
    np.testing.assert_allclose(columns, -rows * np.tan(np.radians(20)), atol=0.05)


def test_elastic_field_is_noise_smoothed_by_a_gaussian():
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 2, 28, 20)).astype(np.float32)
    for sigma in (1.0, 4.0, 4.3):
        expected = scipy.ndimage.gaussian_filter(
            noise, (0, 0, sigma, sigma), mode="constant", truncate=20
        )
        smooth = transforms._smooth(tf.constant(noise), sigma)
        np.testing.assert_allclose(smooth, expected, atol=1e-4)


def test_erasing_paints_one_rectangle_black():
    white = tf.ones((64, 28, 28, 1))
    erased = Augmentation(erasing=1)(white, seed=0, step=0).numpy()[..., 0] == 0
    for mask in erased:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert mask[np.ix_(rows, columns)].all()
        for side in (rows, columns):
            assert 3 <= len(side) <= 10
            assert np.ptp(side) == len(side) - 1
    share = (Augmentation(erasing=0.25)(white, seed=0, step=0).numpy() == 0).any(axis=(1, 2, 3))
    assert 0.1 < share.mean() < 0.4


def test_a_flip_mirrors_the_columns_of_its_share_of_the_images():
    images = np.random.default_rng(0).random((400, 28, 28, 1), np.float32)
    flipped = Augmentation(flip=0.25)(images, seed=0, step=0).numpy()
    mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (flipped == images).all(axis=(1, 2, 3))).all()
    assert 0.15 < mirrored.mean() < 0.35
    np.testing.assert_array_equal(Augmentation(flip=1)(images, seed=0, step=0), images[:, :, ::-1])
    part = Augmentation(flip=0.25)(images[9:50], seed=0, step=0, first_row=9, batch_size=400)
    np.testing.assert_array_equal(part, flipped[9:50])


def test_a_flip_leaves_the_other_draws_as_they_are(images):
    turned = Augmentation(rotation=20)(images[:, :, ::-1], seed=0, step=0)
    np.testing.assert_array_equal(Augmentation(rotation=20, flip=1)(images, seed=0, step=0), turned)


def test_digits_are_never_mirrored():
    assert not any(preset.flip for preset in AUGMENTATIONS.values())
    flips = {name: get_augmentation(recipe.augmentation).flip for name, recipe in RECIPES.items()}
    assert [name for name, flip in flips.items() if flip] == ["cnn_accurate_fashion"], "clothes"


@pytest.mark.parametrize("name", SINGLE)
def test_each_transform_does_something_different_in_every_row_and_step(images, name):
    same = tf.repeat(images[:1], 8, axis=0)
    first = SINGLE[name](same, seed=0, step=0).numpy()
    assert np.abs(first - same.numpy()).max() > 0.05
    rows = {row.tobytes() for row in first}
    assert len(rows) == 8
    for other in (
        SINGLE[name](same, seed=0, step=1),
        SINGLE[name](same, seed=1, step=0),
        SINGLE[name](same, seed=0, step=2**31),
    ):
        assert not rows & {row.tobytes() for row in other.numpy()}


def test_same_seed_and_step_give_the_same_pictures(images):
    first = EVERYTHING(images, seed=3, step=5)
    np.testing.assert_array_equal(EVERYTHING(images, seed=3, step=5), first)
    np.testing.assert_array_equal(EVERYTHING(images, seed=3, step=tf.constant(5)), first)


@pytest.mark.parametrize("replicas", [2, 3, 4])
def test_slices_make_the_same_pictures_as_the_whole(images, replicas):
    whole = EVERYTHING(images, seed=3, step=5)
    rows = len(images) // replicas
    slices = [
        EVERYTHING(images[i : i + rows], seed=3, step=5, first_row=i, batch_size=len(images))
        for i in range(0, len(images), rows)
    ]
    np.testing.assert_array_equal(tf.concat(slices, axis=0), whole)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_functions_make_the_same_pictures(images, jit_compile):
    @tf.function(jit_compile=jit_compile)
    def augment(batch, step):
        output = EVERYTHING(batch, seed=3, step=step)
        assert output.shape == batch.shape
        return output

    np.testing.assert_allclose(
        augment(images, tf.constant(5, tf.int64)), EVERYTHING(images, seed=3, step=5), atol=1e-6
    )


def test_datasets_make_the_same_pictures(images):
    steps = tf.data.Dataset.range(4)
    dataset = steps.map(lambda step: EVERYTHING(images, seed=3, step=step), num_parallel_calls=2)
    for step, batch in enumerate(dataset):
        np.testing.assert_array_equal(batch, EVERYTHING(images, seed=3, step=step))


def test_a_batch_of_unknown_size(images):
    @tf.function(input_signature=[tf.TensorSpec((None, 28, 28, 1))])
    def augment(batch):
        return EVERYTHING(batch, seed=3, step=5)

    whole = EVERYTHING(images, seed=3, step=5)
    np.testing.assert_array_equal(augment(images), whole)
    np.testing.assert_array_equal(augment(images[:5]).shape, (5, 28, 28, 1))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_pictures_keep_shape_type_and_range(name):
    rng = np.random.default_rng(0)
    batch = tf.constant((rng.random((32, 20, 24, 1)) > 0.5).astype(np.float32))
    output = AUGMENTATIONS[name](batch, seed=0, step=0)
    assert (output.shape, output.dtype) == (batch.shape, batch.dtype)
    assert 0.0 <= float(tf.reduce_min(output)) <= float(tf.reduce_max(output)) <= 1.0


def test_no_augmentation_returns_the_images(images):
    assert AUGMENTATIONS["none"].is_identity
    np.testing.assert_array_equal(AUGMENTATIONS["none"](images, seed=0, step=0), images)


def test_presets_keep_digits_what_they_are():
    """A model that learned from untouched digits still reads nearly all the augmented ones."""
    from sklearn.datasets import load_digits
    from sklearn.neighbors import KNeighborsClassifier

    digits = load_digits()
    large = scipy.ndimage.zoom(digits.images / 16, (1, 3, 3), order=1)
    batch = tf.constant(np.pad(large, ((0, 0), (2, 2), (2, 2))).astype(np.float32)[..., None])
    reader = KNeighborsClassifier(3).fit(np.reshape(batch, (len(batch), -1)), digits.target)
    for name, least in (("affine", 0.8), ("elastic", 0.75)):
        pictures = AUGMENTATIONS[name](batch, seed=0, step=0)
        assert reader.score(np.reshape(pictures, (len(batch), -1)), digits.target) > least


def test_settings_survive_json():
    for one in (*AUGMENTATIONS.values(), EVERYTHING):
        assert get_augmentation(json.loads(json.dumps(one.to_dict()))) == one
    assert get_augmentation({"rotation": 5}) == Augmentation(rotation=5.0)
    assert get_augmentation("affine") is AUGMENTATIONS["affine"]
    assert get_augmentation(None).is_identity
    assert get_augmentation(EVERYTHING) is EVERYTHING


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            "elastc",
            "Unknown augmentation 'elastc'. Did you mean 'elastic'? Expected one of: affine",
        ),
        ({"rotaton": 3}, "Unknown augmentation setting 'rotaton'. Did you mean 'rotation'?"),
        ({"shift": -1}, "Invalid `shift`. Expected a number of at least 0. Received: -1."),
        ({"rotation": 180}, "Invalid `rotation`. Expected a number of at least 0 and at most 45."),
        ({"erasing": 1.5}, "Invalid `erasing`. Expected a number of at least 0 and at most 1."),
        ({"flip": -0.5}, "Invalid `flip`. Expected a number of at least 0 and at most 1."),
        (
            {"zoom": float("nan")},
            "Invalid `zoom`. Expected a number of at least 0 and at most 0.5.",
        ),
        ({"elastic_sigma": 0}, "Invalid `elastic_sigma`. Expected a number above 0."),
        ({"shear": "10"}, "Invalid `shear`. Expected a number of at least 0 and at most 45."),
        (7, "Invalid `augmentation`. Expected a name, a dictionary of settings"),
    ],
)
def test_bad_settings_are_named(config, text):
    with pytest.raises(InputError, match=re.escape(text)):
        get_augmentation(config)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"images": tf.zeros((2, 28, 28))}, "Expected a float32 tensor of shape (b, height, width"),
        ({"images": tf.zeros((2, 28, 28, 3))}, "Received: shape=(2, 28, 28, 3), dtype=float32."),
        ({"images": tf.zeros((2, 28, 28, 1), tf.uint8)}, "dtype=uint8"),
        ({"batch_size": 5, "first_row": 4}, "Invalid `batch_size`. Expected at least 6, the row"),
        (
            {"seed": 0.5},
            "Invalid `seed`. Expected an integer of at least 0 and at most 4294967295. Received: 0.5.",
        ),
    ],
)
def test_bad_batches_are_named(change, text):
    case = {"images": tf.zeros((2, 28, 28, 1)), "seed": 0, "step": 0}
    with pytest.raises(InputError, match=re.escape(text)):
        EVERYTHING(**(case | change))


def test_augmentations_are_values():
    assert dataclasses.replace(EVERYTHING, erasing=0) != EVERYTHING
    assert len({EVERYTHING, EVERYTHING, dataclasses.replace(EVERYTHING)}) == 1
