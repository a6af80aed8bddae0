"""Documented MNIST networks for Keras: trained fast, evaluated honestly, ready to embed.

Names are imported on first use (PEP 562), so `import mnist_keras` costs nothing and does not load TensorFlow.
"""

import importlib

__version__ = "0.1.0"

_MODULES = {  # public name -> the module that owns it
    "Evaluation": "evaluation",
    "ImageData": "datasets",
    "ModelSpec": "registry",
    "Recipe": "recipes",
    "Records": "records",
    "TrainingRun": "training",
    "apply_temperature": "calibration",
    "build_cnn": "models",
    "build_deep_cnn": "models",
    "build_ensemble": "ensemble",
    "build_fast_cnn": "models",
    "build_lenet5": "models",
    "build_mlp": "models",
    "build_softmax_regression": "models",
    "compare": "evaluation",
    "create_model": "loading",
    "evaluate": "prediction",
    "evaluate_predictions": "evaluation",
    "fit_temperature": "calibration",
    "get_model_spec": "registry",
    "get_strategy": "distribution",
    "list_models": "registry",
    "load_data": "datasets",
    "load_model": "loading",
    "make_dataset": "pipeline",
    "open_records": "records",
    "plot_confusion_matrix": "plotting",
    "plot_errors": "plotting",
    "plot_history": "plotting",
    "plot_predictions": "plotting",
    "plot_reliability": "plotting",
    "predict_probabilities": "prediction",
    "train": "training",
}

__all__ = sorted(_MODULES)  # noqa: PLE0605  (the table is the one place that lists them)


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
