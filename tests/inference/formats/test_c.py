"""The C file: clean under both compilers and the sanitizers, small, and equal to Keras and to LiteRT's int8."""

import functools
import re
import shutil
import subprocess

import keras
import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras.inference.export import EXPORT_FORMATS, export_model
from mnist_keras.inference.formats import c, litert
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
