# %% [markdown]
"""
# Log a run to TensorBoard, MLflow and Weights & Biases

Experiment trackers come with a Keras callback, which you pass to `train(..., callbacks=[...])`. Here all three run
without a server or an account: TensorBoard and MLflow write files, and W&B works offline. The values that a tracker has
logged are read back and compared with the history of the run. Needs the extra `trackers`:
`pip install "mnist-keras[trackers]"`. A tracker that is not installed is left out.

Reaches 91.60% test accuracy with each of them. Takes about 40 seconds on two CPU cores.
"""

# %%
import importlib.util
import logging
import os
from pathlib import Path

import keras
import numpy as np

from mnist_keras import load_data, plot_history, train

# Settings, to change here or in the environment.
DATA = os.environ.get("EXAMPLE_DATA", "auto")  # MNIST if it is found, else small digits
EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", "3"))
OUT = Path(os.environ.get("EXAMPLE_OUT", "runs/trackers")).absolute()
TRACKERS = os.environ.get("EXAMPLE_TRACKERS", "tensorboard mlflow wandb").split()

# %%
data = load_data(DATA)


def train_with(callback):
    """Trains the same model each time; 10% of the training images are for validation."""
    return train(
        "softmax_regression",
        data,
        epochs=EPOCHS,
        validation_size=len(data.train_images) // 10,
        callbacks=[callback],
        verbose=0,
    )


# %% [markdown]
# TensorBoard: Keras's own callback. `tensorboard --logdir runs/trackers/tensorboard` shows what it has written.


# %%
def with_tensorboard():
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    run = train_with(keras.callbacks.TensorBoard(OUT / "tensorboard", write_graph=False))
    events = EventAccumulator(str(OUT / "tensorboard" / "validation")).Reload()
    logged = [make_ndarray(x.tensor_proto).item() for x in events.Tensors("epoch_accuracy")]
    return run, logged[-EPOCHS:]


# %% [markdown]
# MLflow: a database in a file. `mlflow ui --backend-store-uri sqlite:///runs/trackers/mlflow.db` shows it.


# %%
def with_mlflow():
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it reports each table of its database
    mlflow.set_tracking_uri(f"sqlite:///{OUT}/mlflow.db")
    if mlflow.get_experiment_by_name("digits") is None:
        mlflow.create_experiment("digits", artifact_location=(OUT / "mlflow").as_uri())
    with mlflow.start_run(
        experiment_id=mlflow.get_experiment_by_name("digits").experiment_id
    ) as it:
        run = train_with(mlflow.keras.MlflowCallback())
    mlflow.flush_async_logging()
    logged = mlflow.MlflowClient().get_metric_history(it.info.run_id, "val_accuracy")
    return run, [x.value for x in sorted(logged, key=lambda x: x.step)]


# %% [markdown]
# Weights & Biases, offline. `wandb sync runs/trackers/wandb/offline-run-*` uploads it later.


# %%
def with_wandb():
    import wandb
    from wandb.integration.keras import WandbMetricsLogger

    settings = wandb.Settings(mode="offline", console="off", silent=True)
    with wandb.init(project="digits", dir=OUT, settings=settings) as it:
        run = train_with(WandbMetricsLogger())
        return run, [it.summary["epoch/val_accuracy"]]  # offline, only the last value can be read


# %%
OUT.mkdir(parents=True, exist_ok=True)
for tracker in TRACKERS:
    if importlib.util.find_spec(tracker) is None:
        print(f'{tracker} is not installed: pip install "mnist-keras[trackers]"')
        continue
    run, logged = globals()[f"with_{tracker}"]()
    np.testing.assert_allclose(logged, run.history["val_accuracy"][-len(logged) :], rtol=1e-6)
    accuracy = run.metrics["accuracy"]
    print(f"{tracker}: {len(logged)} values as in the history; test accuracy {accuracy:.2%}")

# %%
plot_history(run).figure
