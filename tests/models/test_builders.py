"""The builders: any input shape, stock layers, float32 out, and errors that name the argument."""

import keras
import numpy as np
import pytest

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.models.inspection import input_scale, returns_logits

BUILDERS = {
    "softmax_regression": (mk.build_softmax_regression, 7_850, 784),
    "mlp": (mk.build_mlp, 101_770, 128),
    "cnn": (mk.build_cnn, 55_658, 12 * 12 * 32),
    "lenet5": (mk.build_lenet5, 61_706, 84),
    "fast_cnn": (mk.build_fast_cnn, 138_954, 256),
    "deep_cnn": (mk.build_deep_cnn, 584_682, 256),
}


@pytest.fixture(params=BUILDERS)
def builder(request):
    return BUILDERS[request.param][0]


@pytest.mark.parametrize("name", BUILDERS)
def test_parameters_are_those_that_the_docstring_gives(name):
    build, num_parameters, _ = BUILDERS[name]
    model = build()
    assert model.name == name
    assert model.count_params() == num_parameters
    assert f"{num_parameters:,} parameters" in build.__doc__


def test_dense_layers_have_the_widths_that_were_asked_for():
    model = mk.build_mlp((7, 5), dropout=0.3, activation="tanh")
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [7, 5, 10]
    assert [layer.activation.__name__ for layer in dense] == ["tanh", "tanh", "softmax"]
    drops = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert drops == [0.3, 0.3]
    assert mk.build_mlp(()).count_params() == mk.build_softmax_regression().count_params()


def test_convolutions_have_the_filters_that_were_asked_for():
    model = mk.build_cnn((3, 4, 5), kernel_size=5, dropout=0.1, activation="elu")
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [3, 4, 5]
    assert {layer.kernel_size for layer in convolutions} == {(5, 5)}
    assert any(isinstance(layer, keras.layers.Dropout) for layer in model.layers)


def test_stages_have_the_convolutions_that_were_asked_for():
    model = mk.build_deep_cnn(((4, 8), (6,)), hidden_units=0, batch_norm=True)
    layers = [layer for layer in model.layers if layer.get_weights()]
    shapes = [layer.get_weights()[0].shape for layer in layers]
    convolutions = [shape for shape in shapes if len(shape) == 4]
    assert convolutions == [(5, 5, 1, 4), (3, 3, 4, 8), (3, 3, 8, 6)]
    assert shapes[-1] == (7 * 7 * 6, 10)
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == 3
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.index("MaxPooling2D") < kinds.index("ReLU", kinds.index("MaxPooling2D"))


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), [17, 40, 1], (16, 16, 2)])
def test_any_input_shape_and_number_of_classes(builder, shape):
    model = builder(input_shape=shape, num_classes=3)
    images = np.random.default_rng(0).random((2, *shape), np.float32)
    outputs = np.asarray(model(images))
    assert outputs.shape == (2, 3) and outputs.dtype == np.float32
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("build", "smallest"),
    [
        (mk.build_mlp, 1),
        (mk.build_cnn, 6),
        (lambda **options: mk.build_cnn((2, 2, 2), kernel_size=5, **options), 14),
        (mk.build_lenet5, 12),
        (mk.build_deep_cnn, 8),
    ],
)
def test_the_smallest_image_works_and_a_smaller_one_is_an_error(build, smallest):
    assert build(input_shape=(smallest, smallest, 1)).output_shape == (None, 10)
    shape = (smallest - 1, 50, 1)
    with pytest.raises(InputError) as caught:
        build(input_shape=shape)
    assert str(caught.value) == (
        "Invalid `input_shape`. Expected (height, width, channels), height and width of at least "
        f"{smallest}. Received: {shape}."
    )


@pytest.mark.parametrize("name", BUILDERS)
def test_without_top_there_are_features(name):
    build, _, num_features = BUILDERS[name]
    assert build(include_top=False).output_shape == (None, num_features)


def test_without_activation_there_are_logits(builder):
    keras.utils.set_random_seed(0)
    logits = builder(classifier_activation=None)
    keras.utils.set_random_seed(0)
    probabilities = builder()
    images = np.random.default_rng(0).random((4, 28, 28, 1), np.float32)
    expected = keras.ops.softmax(logits(images))
    np.testing.assert_allclose(probabilities(images), expected, atol=1e-6)
    assert returns_logits(logits) and not returns_logits(probabilities)


def test_rescaling_takes_pixels_to_255(builder):
    keras.utils.set_random_seed(0)
    rescaling = builder(include_rescaling=True)
    keras.utils.set_random_seed(0)
    plain = builder()
    assert rescaling.count_params() == plain.count_params()
    images = np.random.default_rng(0).random((4, 28, 28, 1), np.float32)
    np.testing.assert_allclose(rescaling(images * 255), plain(images), atol=1e-6)
    assert (input_scale(rescaling), input_scale(plain)) == (255.0, 1.0)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_output_is_float32_under_any_policy(builder, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = builder()
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.layers[-1].compute_dtype == "float32"
    assert np.asarray(model(np.zeros((1, 28, 28, 1), np.float32))).dtype == np.float32


def test_layers_are_stock_ones_that_load_anywhere(builder):
    model = builder(include_rescaling=True)
    for layer in model.layers:
        assert type(layer).__module__.startswith("keras.")
        assert not type(layer).__name__.startswith(("Lambda", "Random"))
    assert model.input.name == "image"
    assert builder(name="mine").name == "mine"


ANY = "Invalid `input_shape`. Expected (height, width, channels), height and width of at least "
BAD = {
    "rank": (lambda: mk.build_mlp(input_shape=(28, 28)), ANY + "1. Received: (28, 28)."),
    "negative": (lambda: mk.build_mlp(input_shape=(28, -1, 1)), ANY + "1. Received: (28, -1, 1)."),
    "unknown": (lambda: mk.build_mlp(input_shape=(None, None, 1)), "Received: (None, None, 1)."),
    "number": (lambda: mk.build_mlp(input_shape=784), ANY + "1. Received: 784."),
    "one class": (
        lambda: mk.build_lenet5(num_classes=1),
        "Invalid `num_classes`. Expected an integer of at least 2. Received: 1.",
    ),
    "activation": (
        lambda: mk.build_mlp(classifier_activation="sigmoid"),
        "Invalid `classifier_activation`. Expected 'softmax' or None. Received: 'sigmoid'.",
    ),
    "widths": (
        lambda: mk.build_mlp(128),
        "Invalid `hidden_units`. Expected a sequence of integers. Received: 128.",
    ),
    "width": (
        lambda: mk.build_mlp((128, 0)),
        "Invalid `hidden_units`. Expected an integer of at least 1. Received: 0.",
    ),
    "dropout": (
        lambda: mk.build_mlp(dropout=1),
        "Invalid `dropout`. Expected a number of at least 0 and at most 0.999. Received: 1.",
    ),
    "filters": (
        lambda: mk.build_cnn(()),
        "Invalid `filters`. Expected at least one convolution. Received: ().",
    ),
    "text": (
        lambda: mk.build_cnn("32"),
        "Invalid `filters`. Expected a sequence of integers. Received: '32'.",
    ),
    "stages": (
        lambda: mk.build_deep_cnn(((32, 32), ())),
        "Invalid `stages`. Expected a sequence of stages, each with the filters of at least one convolution. "
        "Received: ((32, 32), ()).",
    ),
    "stage": (
        lambda: mk.build_deep_cnn((32, 64)),
        "Received: (32, 64). One convolution a stage: ((32,), (64,)).",
    ),
    "kernel": (
        lambda: mk.build_cnn(kernel_size=0),
        "Invalid `kernel_size`. Expected an integer of at least 1. Received: 0.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_argument_has_a_clear_error(case):
    call, text = BAD[case]
    with pytest.raises(InputError) as caught:
        call()
    assert text in str(caught.value)
