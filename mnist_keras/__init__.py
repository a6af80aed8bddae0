"""MNIST models for Keras: fast to train, carefully evaluated, easy to embed.

data        from a source of labeled images to training batches
models      how the models are built, and their weights
inference   from a trained model or a picture to answers; exports
evaluation  how good a model is, in numbers and in plots
training    from a model, data and a recipe to a trained model
cli         the command `mnist-keras`

The docstring of each package says what its modules are for. Names are imported on first use (PEP 562), so
`import mnist_keras` costs nothing and does not load TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mnist_keras._cpu import choose_onednn

if TYPE_CHECKING:  # editors and type checkers read these; at run time `__getattr__` imports
    from mnist_keras.data.array_records import open_records as open_records
    from mnist_keras.data.datasets import load_data as load_data
    from mnist_keras.data.image_data import ImageData as ImageData
    from mnist_keras.data.pipeline import make_dataset as make_dataset
    from mnist_keras.data.records import Records as Records
    from mnist_keras.evaluation.calibration import (
        apply_temperature as apply_temperature,
        fit_temperature as fit_temperature,
    )
    from mnist_keras.evaluation.evaluate import evaluate as evaluate
    from mnist_keras.evaluation.image_plots import (
        plot_errors as plot_errors,
        plot_predictions as plot_predictions,
    )
    from mnist_keras.evaluation.metrics import (
        Evaluation as Evaluation,
        compare as compare,
        evaluate_predictions as evaluate_predictions,
    )
    from mnist_keras.evaluation.model_plots import (
        plot_embedding as plot_embedding,
        plot_robustness as plot_robustness,
        plot_saliency as plot_saliency,
    )
    from mnist_keras.evaluation.plotting import (
        plot_confusion_matrix as plot_confusion_matrix,
        plot_history as plot_history,
        plot_reliability as plot_reliability,
    )
    from mnist_keras.evaluation.robustness import (
        Robustness as Robustness,
        evaluate_robustness as evaluate_robustness,
    )
    from mnist_keras.inference.classifier import (
        DigitClassifier as DigitClassifier,
        Prediction as Prediction,
        decode_predictions as decode_predictions,
        preprocess_input as preprocess_input,
    )
    from mnist_keras.inference.numbers.reader import (
        NumberLine as NumberLine,
        read_number as read_number,
    )
    from mnist_keras.inference.prediction import predict_probabilities as predict_probabilities
    from mnist_keras.inference.preprocessing import to_mnist_image as to_mnist_image
    from mnist_keras.models.builders import (
        build_cnn as build_cnn,
        build_deep_cnn as build_deep_cnn,
        build_fast_cnn as build_fast_cnn,
        build_lenet5 as build_lenet5,
        build_mlp as build_mlp,
        build_softmax_regression as build_softmax_regression,
    )
    from mnist_keras.models.ensemble import build_ensemble as build_ensemble
    from mnist_keras.models.loading import (
        create_model as create_model,
        load_model as load_model,
    )
    from mnist_keras.models.recipes import Recipe as Recipe
    from mnist_keras.models.registry import (
        ModelSpec as ModelSpec,
        get_model_spec as get_model_spec,
        list_models as list_models,
    )
    from mnist_keras.training.devices import get_strategy as get_strategy
    from mnist_keras.training.estimator import KerasImageClassifier as KerasImageClassifier
    from mnist_keras.training.train import (
        TrainingRun as TrainingRun,
        train as train,
    )

__version__ = "0.1.0"

_MODULES = {  # public name -> the module that owns it
    "DigitClassifier": "inference.classifier",
    "Evaluation": "evaluation.metrics",
    "ImageData": "data.image_data",
    "KerasImageClassifier": "training.estimator",
    "ModelSpec": "models.registry",
    "NumberLine": "inference.numbers.reader",
    "Prediction": "inference.classifier",
    "Recipe": "models.recipes",
    "Records": "data.records",
    "Robustness": "evaluation.robustness",
    "TrainingRun": "training.outcome",
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
    "decode_predictions": "inference.classifier",
    "evaluate": "evaluation.evaluate",
    "evaluate_predictions": "evaluation.metrics",
    "evaluate_robustness": "evaluation.robustness",
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
    "plot_embedding": "evaluation.model_plots",
    "plot_errors": "evaluation.image_plots",
    "plot_history": "evaluation.plotting",
    "plot_predictions": "evaluation.image_plots",
    "plot_reliability": "evaluation.plotting",
    "plot_robustness": "evaluation.model_plots",
    "plot_saliency": "evaluation.model_plots",
    "predict_probabilities": "inference.prediction",
    "preprocess_input": "inference.classifier",
    "read_number": "inference.numbers.reader",
    "to_mnist_image": "inference.preprocessing",
    "train": "training.train",
}

choose_onednn()  # before anything here loads TensorFlow, which reads it once

__all__ = sorted(_MODULES)  # noqa: PLE0605  (the table is the one place that lists them)


if not TYPE_CHECKING:  # a type checker would take any name for a public one

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
