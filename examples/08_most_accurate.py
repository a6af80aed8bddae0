# %% [markdown]
"""
# Use the most accurate models without training

Loads the packaged `cnn_accurate` and an ensemble of five such models, and scores both on MNIST's test images. Tests
whether the ensemble is better than one model, and one model better than `lenet5`. Draws the most confident errors.

Reaches 99.75% test accuracy with the ensemble, and 99.75% with one model. Takes about 25 seconds on two CPU cores.
"""

# %%
import os
from pathlib import Path

from mnist_keras import compare, create_model, evaluate, load_data, plot_errors

# Settings, to change here or in the environment.
DATA = os.environ.get("EXAMPLE_DATA", "auto")  # MNIST if it is found, else small digits
OUT = Path(os.environ.get("EXAMPLE_OUT", "runs/most_accurate"))

# %%
data = load_data(DATA)
evaluations = {}
for name in ("lenet5", "cnn_accurate", "cnn_accurate_ensemble"):
    model = create_model(name, weights="mnist")
    evaluations[name] = evaluate(model, data.test_images, data.test_labels, dataset=data.name)
    low, high = evaluations[name].accuracy_ci95
    print(f"{name}: {evaluations[name].accuracy:.2%}, 95% interval {low:.2%} to {high:.2%}")

# %% [markdown]
# The intervals of two models can overlap even if one model is better. Both models saw the same images, so use McNemar's
# test, which counts the images that only one of them gets right.

# %%
for first, second in (("cnn_accurate", "lenet5"), ("cnn_accurate_ensemble", "cnn_accurate")):
    predictions = evaluations[first].predictions, evaluations[second].predictions
    print(compare(data.test_labels, *predictions).report(first, second), end="\n\n")

# %% [markdown]
# The ensemble is an ordinary `keras.Model`. Once saved, it can be loaded without this package.

# %%
OUT.mkdir(parents=True, exist_ok=True)
model.save(OUT / "ensemble.keras")

# %% [markdown]
# Some of these are mislabeled, and some are illegible.

# %%
ax = plot_errors(
    data.test_images, data.test_labels, evaluations["cnn_accurate_ensemble"].probabilities
)
ax.figure.savefig(OUT / "errors.png")
ax.figure
