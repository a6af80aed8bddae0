"""The public names, and what importing the package costs."""

import importlib.metadata
import inspect
import json
import subprocess
import sys

import pytest

import mnist_keras

PUBLIC = [
    "DigitClassifier",
    "Evaluation",
    "ImageData",
    "KerasImageClassifier",
    "ModelSpec",
    "NumberLine",
    "Prediction",
    "Recipe",
    "Records",
    "Robustness",
    "TrainingRun",
    "apply_temperature",
    "build_cnn",
    "build_deep_cnn",
    "build_ensemble",
    "build_fast_cnn",
    "build_lenet5",
    "build_mlp",
    "build_softmax_regression",
    "compare",
    "create_model",
    "decode_predictions",
    "evaluate",
    "evaluate_predictions",
    "evaluate_robustness",
    "export_model",
    "fit_temperature",
    "get_model_spec",
    "get_strategy",
    "list_models",
    "load_data",
    "load_model",
    "make_dataset",
    "open_records",
    "plot_confusion_matrix",
    "plot_embedding",
    "plot_errors",
    "plot_history",
    "plot_predictions",
    "plot_reliability",
    "plot_robustness",
    "plot_saliency",
    "predict_probabilities",
    "preprocess_input",
    "read_number",
    "to_mnist_image",
    "train",
]


def loaded_by(code: str) -> set[str]:
    """Returns the top-level modules that a fresh interpreter has loaded after running `code`."""
    report = "import json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_public_names_are_pinned():
    assert mnist_keras.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_is_defined_in_its_module_and_documented(name):
    value = getattr(mnist_keras, name)
    assert value.__module__ == f"mnist_keras.{mnist_keras._MODULES[name]}"
    assert value.__doc__


@pytest.mark.parametrize("name", [name for name in PUBLIC if name[0].islower()])
def test_a_signature_is_readable_in_help(name):
    signature = str(inspect.signature(getattr(mnist_keras, name)))
    assert len(signature) < 900
    assert "numpy._typing" not in signature
    assert "ArrayLike" in signature or name not in ("compare", "plot_errors")


def test_dir_lists_the_public_names_before_they_are_used():
    assert set(PUBLIC) <= set(dir(mnist_keras))


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'mnist_keras' has no attribute 'build_mpl'"):
        mnist_keras.build_mpl  # noqa: B018


def test_the_version_is_the_one_of_the_distribution():
    assert mnist_keras.__version__ == importlib.metadata.version("mnist-keras")


def test_importing_the_package_loads_neither_tensorflow_nor_numpy():
    loaded = loaded_by("import mnist_keras")
    assert loaded.isdisjoint({"tensorflow", "keras", "numpy", "matplotlib"})


def test_evaluation_datasets_and_plotting_do_not_need_tensorflow():
    code = "import mnist_keras as m; m.evaluate_predictions, m.load_data, m.plot_confusion_matrix"
    assert loaded_by(code).isdisjoint({"tensorflow", "keras", "tensorflow_datasets"})
