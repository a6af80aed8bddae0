import itertools

import keras
import numpy as np
import pytest
from errors import error_of

from mnist_keras import build_ensemble, build_mlp, plot_embedding, plot_saliency

CLASS_NAMES = [f"a long name of class {label}" for label in range(10)]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_mlp((8,), input_shape=(12, 12, 1))


def make_images(n=40, seed=0, shape=(12, 12)):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def test_saliency_shows_image_gradient_and_occlusion_of_the_first_eight(model):
    images = make_images()
    ax = plot_saliency(model, images, class_names=CLASS_NAMES)
    assert len(ax.images) == 3 * 8
    np.testing.assert_array_equal(ax.images[7].get_array(), images[7])
    shown = [text.get_text() for text in ax.texts]
    assert shown[:3] == ["image", "gradient\nx input", "occlusion"]
    assert len(shown) == 3 + 8
    assert all(text.startswith("a long name of cl…\n") for text in shown[3:])
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts[3:]]
    assert all(a.x1 <= b.x0 + 1 for a, b in itertools.pairwise(boxes))


def test_saliency_of_blank_and_of_flat_images(model):
    blank = np.zeros((2, 12, 12), np.float32)
    assert len(plot_saliency(model, blank).images) == 6
    line = build_mlp((4,), input_shape=(1, 5, 1))
    assert len(plot_saliency(line, make_images(1, shape=(1, 5))).images) == 3


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_embedding_has_a_point_for_each_image_and_names_the_classes(model, method):
    labels = np.arange(40) % 3
    ax = plot_embedding(model, make_images(), labels, method=method, class_names=CLASS_NAMES)
    points = ax.collections[0].get_offsets()
    assert points.shape == (40, 2)
    assert np.isfinite(points).all()
    assert len({tuple(color) for color in ax.collections[0].get_facecolors()}) == 3
    names = [text.get_text() for text in ax.texts if text.get_text()]
    assert names == ["a long name of cl…"] * 3
    assert "true classes" in ax.get_title()


def test_embedding_repeats_with_a_seed(model):
    draws = [plot_embedding(model, make_images(), seed=3) for _ in range(2)]
    np.testing.assert_array_equal(*(ax.collections[0].get_offsets() for ax in draws))
    assert "predicted classes" in draws[0].get_title()


def test_outliers_are_the_images_among_those_of_another_class():
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2, name="top")]
    )
    images = np.zeros((60, 4, 4), np.uint8)
    images[30:] = 255  # two heaps
    images[:, 0, 0] = np.arange(60)  # a little apart
    labels = np.repeat([0, 1], 30)
    labels[7] = 1  # a wrong label
    ax = plot_embedding(model, images, labels, method="pca")
    shown = [inset.images[0].get_array() for inset in ax.child_axes]
    assert len(shown) == 1
    np.testing.assert_array_equal(shown[0], images[7])
    assert [inset.get_xlabel() for inset in ax.child_axes] == ["1"]


def test_many_classes_are_colors_without_names():
    model = build_mlp((8,), input_shape=(12, 12, 1), num_classes=47)
    ax = plot_embedding(model, make_images(94), np.arange(94) % 47, method="pca")
    assert not [text for text in ax.texts if text.get_text()]
    assert len({tuple(color) for color in ax.collections[0].get_facecolors()}) > 40


def test_a_model_within_a_model_has_features():
    inner = build_mlp((8,), input_shape=(12, 12, 1))
    inputs = keras.Input((12, 12, 1))
    outer = keras.Model(inputs, inner(keras.layers.Rescaling(1 / 255)(inputs)))
    for model in (outer, keras.Sequential([keras.Input((12, 12, 1)), inner])):
        ax = plot_embedding(model, make_images(), method="pca")
        assert "PCA of 8 features" in ax.get_title()


def test_bad_input_has_a_clear_error(model):
    images = make_images()
    for call, text in {
        lambda: plot_embedding(model, images[:5]): "Expected at least 10 images. Received: 5.",
        lambda: plot_embedding(model, images, method="umap"): "Expected one of: tsne, pca.",
        lambda: plot_embedding(model, images, [0]): "Expected 40 labels, one for each image.",
        lambda: plot_embedding(build_ensemble([model, model]), images): (
            "Expected a model with one last hidden layer. Received: 'ensemble', which has several or none. "
            "Take one member of an ensemble."
        ),
        lambda: plot_saliency(model, make_images(shape=(8, 8))): "model's input shape (12, 12, 1)",
        lambda: plot_saliency(model, images, class_names=["a"]): "Expected 10 names",
    }.items():
        assert text in error_of(call)
