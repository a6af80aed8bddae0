# %% [markdown]
"""
# Train two replicas with MirroredStrategy, on any laptop

Trains `mlp_128` on MNIST twice: on one device, and on two replicas that each take half of every batch and average
their gradients.

Both see the same images in every batch, so at first they differ only by rounding. Once rounding turns on a ReLU for one
image in only one of the two runs, they drift apart: expect similar accuracy, but not equal weights. Without GPUs, two
logical CPU devices take their place. This shows how distributed training works; it is not faster.

Reaches 96.79% test accuracy on one device and 96.78% on two replicas. Takes about 10 seconds on two CPU cores.
"""

# %%
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from mnist_keras import get_model_spec, get_strategy, load_data, plot_history, train

# Settings, to change here or in the environment.
DATA = os.environ.get("EXAMPLE_DATA", "auto")  # MNIST if it is found, else small digits
EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", "3"))
OUT = Path(os.environ.get("EXAMPLE_OUT", "runs/two_replicas"))

# %% [markdown]
# Set up the devices before TensorFlow first uses them. With GPUs, there is nothing to set up: each GPU becomes a
# replica.

# %%
tf.get_logger().setLevel("WARNING")  # in a notebook it reports each reduction
if not tf.config.list_physical_devices("GPU"):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
print(get_strategy("mirrored").num_replicas_in_sync, "replicas")

# %% [markdown]
# The batch size counts the images of all replicas together, so it does not change.

# %%
data = load_data(DATA)
recipe = get_model_spec("mlp_128").recipe.replace(epochs=EPOCHS)
runs = {
    strategy: train(
        "mlp_128", data, recipe=recipe, strategy=strategy, run_dir=OUT / strategy, overwrite=True
    )
    for strategy in ("none", "mirrored")
}

# %%
for strategy, run in runs.items():
    print(f"{strategy}: test accuracy {run.evaluation.accuracy:.2%}")
one, two = (run.evaluation.probabilities for run in runs.values())
print(f"largest difference of a probability: {np.abs(one - two).max():.1e}")

# %% [markdown]
# The learning curve of the two replicas.

# %%
plot_history(runs["mirrored"].history).figure
