"""Documented MNIST networks for Keras: trained fast, evaluated honestly, ready to embed.

Names are imported on first use (PEP 562), so `import mnist_keras` costs nothing and does not load TensorFlow.
"""

import importlib

__version__ = "0.1.0"

_MODULES = {  # public name -> the module that owns it
    "Evaluation": "evaluation.metrics",
    "ImageData": "data.datasets",
    "ModelSpec": "models.registry",
    "Recipe": "models.recipes",
    "Records": "data.records",
    "TrainingRun": "training.train",
    "apply_temperature": "evaluation.calibration",
    "build_cnn": "models.builders",
    "build_deep_cnn": "models.builders",
    "build_ensemble": "models.ensemble",
    "build_fast_cnn": "models.builders",
    "build_lenet5": "models.builders",
    "build_mlp": "models.builders",
    "build_softmax_regression": "models.builders",
    "compare": "evaluation.metrics",
    "create_model": "models.loading",
    "evaluate": "evaluation.evaluate",
    "evaluate_predictions": "evaluation.metrics",
    "export_model": "inference.export",
    "fit_temperature": "evaluation.calibration",
    "get_model_spec": "models.registry",
    "get_strategy": "training.devices",
    "list_models": "models.registry",
    "load_data": "data.datasets",
    "load_model": "models.loading",
    "make_dataset": "data.pipeline",
    "open_records": "data.array_records",
    "plot_confusion_matrix": "evaluation.plotting",
    "plot_errors": "evaluation.plotting",
    "plot_history": "evaluation.plotting",
    "plot_predictions": "evaluation.plotting",
    "plot_reliability": "evaluation.plotting",
    "predict_probabilities": "inference.prediction",
    "train": "training.train",
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
