"""The result of a training: the model, its scores and its files."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import dataclasses
from pathlib import Path
from typing import Any

import keras

from mnist_keras._html import escape, table
from mnist_keras.data.image_data import ImageData
from mnist_keras.evaluation.evaluate import evaluate_test, measure_accuracy
from mnist_keras.evaluation.metrics import Evaluation
from mnist_keras.evaluation.plotting import save_plots
from mnist_keras.evaluation.report import write_report
from mnist_keras.models.loading import load_model
from mnist_keras.training.run_directory import RunDirectory
from mnist_keras.training.saving.state import Progress
from mnist_keras.training.workers.exchange import Workers


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingRun:
    """The result of a training run.

    Attributes:
        model: The trained model; compiled, unless the run was finished before and only loaded.
        history: Values of each epoch: epoch, loss, accuracy, val_loss and val_accuracy with validation data,
            learning_rate at its end, seconds since training started.
        metrics: The content of metrics.json.
        evaluation: The evaluation on the test images.
        run_dir: The run directory, or None.
    """

    model: keras.Model
    history: dict[str, list[float]]
    metrics: dict[str, Any]
    evaluation: Evaluation
    run_dir: Path | None

    def __repr__(self) -> str:
        facts = [f"{name} {fact}" for name, fact in self._facts().items() if name != "model"]
        return f"TrainingRun({self.model.name}: {', '.join(facts)})"

    def _repr_html_(self) -> str:
        return table([(name, escape(fact)) for name, fact in self._facts().items()])

    def _facts(self) -> dict[str, str]:
        evaluation = self.evaluation
        low, high = evaluation.accuracy_ci95
        subject = " ".join(filter(None, [evaluation.dataset, evaluation.split]))
        facts = {
            "model": self.model.name,
            "epochs": str(len(self.history.get("epoch", ()))),
            "seconds": f"{self.metrics['train_seconds']:,.1f}",
            f"accuracy on {subject}": f"{evaluation.accuracy:.2%} (95% interval {low:.2%} to {high:.2%})",
        }
        return facts if self.run_dir is None else facts | {"run_dir": str(self.run_dir)}


def finish(
    model: keras.Model,
    data: ImageData,
    progress: Progress,
    directory: RunDirectory | None,
    workers: Workers,
) -> TrainingRun:
    """Scores a trained model, each worker its share of the images; the chief writes the run directory."""
    evaluation = evaluate_test(model, data, share=workers)
    metrics = {
        **evaluation.to_dict(),
        "train_accuracy": measure_accuracy(model, data.train, share=workers),
        "train_seconds": round(progress.seconds, 3),
    }
    if directory is not None and workers.is_chief:
        directory.write_history(progress.history)
        directory.save_model(model)
        save_plots(
            directory.plots, history=progress.history, examples=data.test, evaluation=evaluation
        )
        write_report(
            directory.report,
            evaluation,
            data.test,
            history=progress.history,
            config=directory.read_config(),
            metrics=metrics,
        )
        directory.write_metrics(metrics)
    workers.wait()  # every worker that returns finds the files
    return TrainingRun(
        model, progress.history, metrics, evaluation, directory.path if directory else None
    )


def load_finished(
    model: keras.Model, data: ImageData, directory: RunDirectory, workers: Workers
) -> TrainingRun:
    """Returns a run that was finished before; workers other than the chief get its weights in `model`."""
    if workers.is_chief:
        model = load_model(directory.path)
    if workers.count > 1:
        names = map(str, range(len(model.weights)))
        own = dict(zip(names, model.get_weights(), strict=True))
        weights = workers.arrays_from_chief(own if workers.is_chief else None)
        model.set_weights(list(weights.values()))
    return TrainingRun(
        model,
        workers.from_chief(directory.read_history),
        workers.from_chief(directory.read_metrics),
        evaluate_test(model, data, share=workers),
        directory.path,
    )
