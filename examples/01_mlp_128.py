# %% [markdown]
"""
# Train the 128-unit model, save it and load it again

Trains `mlp_128` (784 - 128 ReLU - softmax 10, Adam) on MNIST, draws its predictions for the first test images and
loads the saved model with Keras alone. Other code can use the model without this library.

Reaches 97.77% test accuracy, where the source of the model claims about 97%. Takes about 10 seconds on two CPU
cores.
"""

# %%
import os
from pathlib import Path

import keras
import numpy as np

from mnist_keras import get_model_spec, load_data, plot_predictions, predict_probabilities, train

# Settings, to change here or in the environment.
DATA = os.environ.get("EXAMPLE_DATA", "auto")  # MNIST if it is found, else small digits
EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", "10"))
OUT = Path(os.environ.get("EXAMPLE_OUT", "runs/mlp_128"))

# %% [markdown]
# `train` takes the name of the model, prints a line for each epoch and evaluates on the test images at the end.

# %%
data = load_data(DATA)
recipe = get_model_spec("mlp_128").recipe.replace(epochs=EPOCHS)
run = train("mlp_128", data, recipe=recipe, run_dir=OUT, overwrite=True)
print(f"test accuracy {run.evaluation.accuracy:.2%}")

# %% [markdown]
# Each test image with the predicted digit, its probability and the true digit. Errors are orange.

# %%
probabilities = run.evaluation.probabilities
ax = plot_predictions(data.test_images, probabilities, labels=data.test_labels)
ax.figure.savefig(OUT / "grid.png")
ax.figure

# %% [markdown]
# The run directory holds the model as an ordinary Keras file. The loaded model returns the same probabilities.

# %%
reloaded = keras.models.load_model(OUT / "model.keras")
same = np.array_equal(predict_probabilities(reloaded, data.test_images), probabilities)
print(f"{OUT / 'model.keras'} predicts the same: {same}")

# %% [markdown]
# In plain Keras, the model takes pixels as floats in [0, 1], of shape `(n, 28, 28, 1)`.

# %%
pixels = data.test_images[:5, :, :, np.newaxis].astype("float32") / 255
print("predicted", reloaded.predict(pixels, verbose=0).argmax(axis=1))
print("true     ", data.test_labels[:5])
