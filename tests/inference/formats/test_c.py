"""The C file: clean under both compilers and the sanitizers, small, and equal to Keras and to LiteRT's int8."""

import functools
import re
import shutil
import subprocess

import keras
import numpy as np
import pytest
from errors import error_of
from scipy.special import softmax

import mnist_keras as mk
from mnist_keras.inference import export
from mnist_keras.inference.export import EXPORT_FORMATS, export_model
from mnist_keras.inference.formats import c, litert, plain
from mnist_keras.inference.prediction import predict_probabilities
from mnist_keras.models.inspection import find_hidden_layer

QUICK = ("cnn_tiny", "lenet5")
MODELS = [
    pytest.param(name, marks=[] if name in QUICK else pytest.mark.full) for name in mk.list_models()
]
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
READS_IMAGES = """
#include <stdint.h>
#include <stdio.h>
int mnist_predict(const uint8_t pixels[784], float probabilities[10]);
int main(void) {
  uint8_t pixels[784];
  float probabilities[10];
  while (fread(pixels, 1, 784, stdin) == 784) {
    mnist_predict(pixels, probabilities);
    fwrite(probabilities, sizeof(float), 10, stdout);
  }
  return 0;
}
"""


@pytest.fixture(scope="module")
def digits():
    """Scikit-learn's digits at 20x20 pixels in the middle of 28x28, as MNIST's are."""
    from PIL import Image

    data = mk.load_data("digits")
    small = [np.asarray(Image.fromarray(image).resize((20, 20))) for image in data.train_images]
    return np.pad(np.stack(small), [(0, 0), (4, 4), (4, 4)]), data.train_labels


@pytest.fixture(scope="module")
def exported(tmp_path_factory, digits):
    """Exports a packaged model once for all tests."""

    @functools.cache
    def export(name, precision="float32"):
        format = {"float32": "c", "int8": "c_int8"}.get(precision, precision)
        path = tmp_path_factory.mktemp("exported") / f"x{EXPORT_FORMATS[format].suffix}"
        return export_model(mk.load_model(name), path, format=format, data=digits).path

    return export


def compiler(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


def answers_of(path, images, command):
    main, program = path.with_name("main.c"), path.with_name("program")
    main.write_text(READS_IMAGES)
    subprocess.run([*command, *STRICT, "-o", program, path, main, "-lm"], check=True)
    done = subprocess.run([program], input=images.tobytes(), capture_output=True, check=True)
    assert done.stderr == b""
    return np.frombuffer(done.stdout, np.float32).reshape(len(images), 10)


@pytest.mark.parametrize("command", [("gcc", "-O2"), ("clang", "-Os")], ids=["gcc", "clang"])
@pytest.mark.parametrize("name", MODELS)
def test_float32_answers_as_keras_does(exported, digits, name, command):
    compiler(command[0])
    model, images = mk.load_model(name), digits[0][:1000]
    expected = predict_probabilities(model, images)
    received = answers_of(exported(name), images, command)
    assert (received.argmax(axis=1) == expected.argmax(axis=1)).all()
    np.testing.assert_allclose(received, expected, atol=1e-5)


@pytest.mark.parametrize("command", [("gcc", "-O2"), ("clang", "-Os")], ids=["gcc", "clang"])
@pytest.mark.parametrize("name", MODELS)
def test_int8_answers_as_litert_does(exported, digits, name, command):
    """The same integers; LiteRT rounds the probabilities to 1/256, those of hidden classes too, see the next test."""
    compiler(command[0])
    images = digits[0][:1000]
    expected = litert.run(exported(name, "litert_int8"), images)
    received = answers_of(exported(name, "int8"), images, command)
    assert (received.argmax(axis=1) == expected.argmax(axis=1)).all()
    model, rounded = mk.load_model(name), 0.0
    if find_hidden_layer(model):  # whose probabilities the last layer adds up
        rounded = float(model.layers[-1].kernel.numpy().sum(axis=0).max())
    atol = (1.01 + rounded / 2) / 256  # 255/256 is the highest
    np.testing.assert_allclose(received, expected, atol=atol)


@pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors:UserWarning")
def test_litert_rounds_hidden_classes_before_it_adds_them_up_and_c_does_not(
    tmp_path, digits, monkeypatch
):
    from ai_edge_litert.interpreter import Interpreter

    monkeypatch.setattr(export, "LEAST_ACCURACY", 0)  # nothing is trained here
    keras.utils.set_random_seed(0)
    owners = [*range(10), 1, 1, 7, 7, 9, -1]
    model = mk.build_deep_cnn([[2]], hidden_units=0, hidden_classes=owners)
    paths = [tmp_path / "x.c", tmp_path / "x.tflite"]
    for path, format in zip(paths, ("c_int8", "litert_int8"), strict=True):
        export_model(model, path, format=format, data=digits)
    images = digits[0][:100]

    reader = Interpreter(str(paths[1]), experimental_preserve_all_tensors=True)
    reader.allocate_tensors()
    (pixels,), (answer,) = reader.get_input_details(), reader.get_output_details()
    found = [x for x in reader.get_tensor_details() if x["shape"].tolist() == [1, len(owners)]]
    logits, hidden = sorted(found, key=lambda x: x["quantization"] == (1 / 256, -128))
    read = []
    for image in images:
        reader.set_tensor(pixels["index"], image.reshape(pixels["shape"]))
        reader.invoke()
        numbers = [reader.get_tensor(x["index"])[0].astype(float) for x in (logits, hidden)]
        scaled = [
            (number - x["quantization"][1]) * x["quantization"][0]
            for number, x in zip(numbers, (logits, hidden), strict=True)
        ]
        read.append([*scaled, reader.get_tensor(answer["index"])[0]])
    logits, rounded, answers = (np.stack(part) for part in zip(*read, strict=True))

    exact, shares = softmax(logits, axis=1), model.layers[-1].kernel.numpy()
    assert 0.4 < 256 * abs(rounded - exact).max() < 0.501
    np.testing.assert_allclose(answers, rounded @ shares, atol=1.01 / 256)
    np.testing.assert_allclose(c.run(paths[0], images), exact @ shares, atol=1e-5)


def test_layers_without_a_bias_go_into_int8(tmp_path, digits, monkeypatch):
    monkeypatch.setattr(export, "LEAST_ACCURACY", 0)  # nothing is trained here
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(2, 5, strides=3, use_bias=False),
            layers.Flatten(),
            layers.Dense(10, use_bias=False),
        ]
    )
    paths = [tmp_path / "x.c", tmp_path / "x.tflite"]
    for path, format in zip(paths, ("c_int8", "litert_int8"), strict=True):
        export_model(model, path, format=format, data=digits)
    images = digits[0][:100]
    expected = litert.run(paths[1], images)
    np.testing.assert_allclose(c.run(paths[0], images), expected, atol=1.01 / 256)


@pytest.mark.parametrize("compiler_name", ["gcc", "clang"])
@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", QUICK)
def test_sanitizers_find_nothing(exported, digits, name, precision, compiler_name):
    command = (
        compiler(compiler_name),
        "-g",
        "-O1",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover",
    )
    path = exported(name, precision)
    images = np.concatenate([digits[0][:1000], np.zeros((1, 28, 28), np.uint8)])
    images = np.concatenate([images, np.full((1, 28, 28), 255, np.uint8)])
    np.testing.assert_allclose(answers_of(path, images, command), c.run(path, images), atol=1e-6)


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_cnn_tiny_in_int8_fits_16_kb_of_flash(exported, tmp_path, name):
    path, program = exported("cnn_tiny", "int8"), tmp_path / "x.o"
    subprocess.run([compiler(name), *STRICT, "-Os", "-c", path, "-o", program], check=True)
    sizes = subprocess.run(["size", program], capture_output=True, text=True, check=True).stdout
    text, data, bss = map(int, sizes.splitlines()[1].split()[:3])
    assert text < 16_000 and (data, bss) == (0, 0)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_comment_says_what_flash_and_stack_it_takes(exported, precision):
    path = exported("cnn_tiny", precision)
    constants, buffers = (
        int(number.replace(",", ""))
        for number in re.search(
            r"Constants: ([\d,]+) bytes\. Stack: ([\d,]+)", path.read_text()
        ).groups()
    )
    command = [compiler("gcc"), *STRICT, "-Os", "-fstack-usage", "-c", path.name]
    subprocess.run(command, check=True, cwd=path.parent)
    text = subprocess.run(
        ["size", "-A", path.with_suffix(".o")], capture_output=True, text=True, check=True
    ).stdout
    read_only = sum(map(int, re.findall(r"^\.rodata\S* +(\d+)", text, re.MULTILINE)))
    assert constants <= read_only < constants + 300  # arrays are aligned
    usage = path.with_suffix(".su").read_text()
    stack = sum(int(line.split("\t")[1]) for line in usage.splitlines())  # of all functions
    assert buffers <= stack <= buffers + 600
    assert "malloc" not in path.read_text()


def test_the_function_is_declared_and_the_classes_named(exported):
    text = exported("cnn_tiny", "int8").read_text()
    assert "int mnist_predict(const uint8_t pixels[784], float probabilities[10]);" in text
    assert "Classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 */" in text


def test_batch_normalization_anywhere_strides_and_logits(tmp_path):
    """Where it can't be folded, it is a step of its own: first, after a ReLU, or negative before a max-pool."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.BatchNormalization(),
            layers.Conv2D(4, (3, 5), strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(5, 4, strides=(1, 2), padding="same"),
            layers.MaxPooling2D((2, 3), strides=(1, 2)),
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.set_weights([generator.normal(size=shape) for _ in range(3)] + [np.ones(shape)])
    kinds = [step.kind for step in plain.to_plain(model).branches[0]]
    assert kinds == [
        "affine",
        "conv",
        "affine",
        "conv",
        "max_pool",
        "affine",
        "average_pool",
        "dense",
    ]
    export_model(model, tmp_path / "x.c", format="c", data="digits")


def test_a_crop_is_part_of_the_convolution_after_it(tmp_path):
    layers = keras.layers
    crop = layers.Cropping2D(((1, 4), (3, 0)))
    convolution = layers.Conv2D(3, (3, 5), strides=(2, 1), activation="relu")
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), crop, convolution, layers.Flatten(), layers.Dense(10)]
    )
    step, *_ = plain.to_plain(model).branches[0]
    assert (step.kind, step.input_shape, step.padding) == ("conv", (28, 28, 1), (-1, -3))
    export_model(model, tmp_path / "x.c", format="c", data="digits")


@pytest.mark.slow
def test_a_crop_in_int8(tmp_path, digits):
    export_model(mk.load_model("cnn_fast"), tmp_path / "x.c", format="c_int8", data=digits)


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (
            keras.layers.Cropping2D(2, name="crop"),
            "'crop' (Cropping2D before a layer other than a Conv2D with padding='valid')",
        ),
        (keras.layers.GlobalAveragePooling2D(name="gap"), "'gap' (GlobalAveragePooling2D)"),
        (
            keras.layers.Conv2D(2, 3, activation="gelu", name="conv"),
            "'conv' (Conv2D, activation gelu)",
        ),
        (
            keras.layers.MaxPooling2D(2, padding="same", name="pool"),
            "(MaxPooling2D, padding 'same')",
        ),
        (keras.layers.ReLU(6, name="relu6"), "'relu6' (ReLU, activation ReLU(6, 0.0, 0.0))"),
    ],
)
def test_an_unknown_layer_is_named(tmp_path, layer, named):
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layer, keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    text = error_of(export_model, model, tmp_path / "x.c", format="c", data="digits")
    assert named in text and "cannot be exported to this format" in text


def test_a_branch_is_named(tmp_path):
    image = keras.Input((28, 28, 1))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.layers.Flatten()(keras.layers.Add(name="skip")([image, x]))
    model = keras.Model(image, keras.layers.Dense(10)(x))
    text = error_of(export_model, model, tmp_path / "x.c", format="c", data="digits")
    assert text.startswith("The layer 'skip' (Add) cannot be exported")


def test_without_a_compiler_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    text = error_of(export_model, mk.build_mlp((4,)), tmp_path / "x.c", format="c", data="digits")
    assert text.endswith("Install one, on Debian and Ubuntu: apt install gcc")
    assert not (tmp_path / "x.c").exists()


def test_a_compiler_that_fails_is_named_with_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "gcc -no-such-option" if shutil.which("gcc") else "no-such-compiler")
    text = error_of(export_model, mk.build_mlp((4,)), tmp_path / "x.c", format="c", data="digits")
    assert text.startswith("A C file is checked by compiling it, but '")
    assert "no-such-" in text and text.endswith("compiler in the environment variable CC.")
    assert not (tmp_path / "x.c").exists()


@pytest.mark.parametrize("format", ["c", "c_int8"])
def test_a_model_of_other_sizes_has_its_own_numbers_in_the_file(tmp_path, format):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.integers(0, 60, (60, 12, 9), np.uint8)
    images[np.arange(60), labels * 4] = 255  # a bright row says the class
    model = keras.Sequential(
        [keras.Input((12, 9, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )
    weights = np.zeros((12, 9, 3), np.float32)
    for label in range(3):
        weights[label * 4, :, label] = 1
    model.set_weights([weights.reshape(108, 3), np.zeros(3, np.float32)])
    path = tmp_path / "x.c"
    names = ["top", "middle", "low"]
    export_model(model, path, format=format, data=(images, labels), class_names=names)
    text = path.read_text()
    assert text.count("int mnist_predict(const uint8_t pixels[108], float probabilities[3])") == 3
    assert "Takes 12x9 gray pixels" in text and "Classes: top, middle, low" in text
    assert "784" not in text and "[10]" not in text
