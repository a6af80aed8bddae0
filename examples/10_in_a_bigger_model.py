# %% [markdown]
"""
# A registered model inside a bigger one, with your own `fit` on several devices

Do two images show the same digit? Both go through one `lenet5` without its top, and a small head compares the features.
The bigger model is trained by Keras's own `fit` under `MirroredStrategy`, in mixed precision, with Keras's callbacks.
Without GPUs, two logical CPU devices take their place.

Reaches 93.15% test accuracy on pairs of images. Takes about 20 seconds on two CPU cores.
"""

# %%
import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mnist_keras import create_model, get_strategy, load_data, plot_history

# Settings, to change here or in the environment.
DATA = os.environ.get("EXAMPLE_DATA", "auto")  # MNIST if it is found, else small digits
EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", "4"))
OUT = Path(os.environ.get("EXAMPLE_OUT", "runs/bigger_model"))
BATCH_SIZE = 128  # pairs, of all devices together

# %% [markdown]
# Set up the devices before TensorFlow first uses them. With GPUs there is nothing to do.

# %%
tf.get_logger().setLevel("ERROR")  # in a notebook it reports each reduction
if not tf.config.list_physical_devices("GPU"):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = get_strategy("mirrored")
print(strategy.num_replicas_in_sync, "replicas")

# %% [markdown]
# Half of the pairs show the same digit.

# %%
data = load_data(DATA)


def make_pairs(images, labels, count, seed):
    generator = np.random.default_rng(seed)
    rows = [np.flatnonzero(labels == digit) for digit in range(10)]
    first = generator.integers(0, len(labels), count)
    is_same = np.arange(count) % 2
    shift = generator.integers(1, 10, count) * (1 - is_same)
    digits = (labels[first] + shift) % 10
    second = np.array([generator.choice(rows[digit]) for digit in digits])
    pixels = [images[x][..., None].astype("float32") / 255 for x in (first, second)]
    return tuple(pixels), is_same.astype("float32")


num_pairs = min(16_384, len(data.train_images) // BATCH_SIZE * BATCH_SIZE)
pairs, same = make_pairs(data.train_images, data.train_labels, num_pairs, seed=0)
test_pairs, test_same = make_pairs(data.test_images, data.test_labels, 2_000, seed=1)

# %% [markdown]
# The model without its top is called twice, so both images share its weights. The last layer computes in float32, as
# outputs should in mixed precision.

# %%
keras.utils.set_random_seed(0)
keras.config.set_dtype_policy("mixed_bfloat16")  # "mixed_float16" on GPUs before Ampere
with strategy.scope():
    left, right = keras.Input((28, 28, 1), name="left"), keras.Input((28, 28, 1), name="right")
    body = create_model("lenet5", include_top=False, name="body")
    difference = keras.ops.abs(body(left) - body(right))
    x = keras.layers.Dense(64, activation="relu", name="compare")(difference)
    answer = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name="is_same")(x)
    model = keras.Model([left, right], answer, name="same_digit")
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
keras.config.set_dtype_policy("float32")
print(f"{body.name}: {body.output_shape[1]} features, computed in {body.layers[-1].compute_dtype}")

# %%
OUT.mkdir(parents=True, exist_ok=True)
callbacks = [keras.callbacks.CSVLogger(str(OUT / "history.csv"))]
history = model.fit(
    *(pairs, same),
    batch_size=BATCH_SIZE,  # the pairs are whole batches: replicas must share each evenly
    epochs=EPOCHS,
    validation_data=(test_pairs, test_same),
    callbacks=callbacks,
    verbose=2,
)
model.save(OUT / "model.keras")

# %%
loss, accuracy = model.evaluate(test_pairs, test_same, batch_size=200, verbose=0)
print(f"test accuracy {accuracy:.2%} of {len(test_same):,} pairs")

# %% [markdown]
# The learning curve. You can pass Keras's other callbacks in the same way, as well as those of experiment trackers.

# %%
plot_history(history.history).figure
