# %% [markdown]
"""
# Find wrong labels by confident learning

Some labels of every dataset are wrong. A model that was not trained on an image rarely believes a wrong label, so the
images whose label gets the least probability are worth a look. Cross-validation gives such probabilities for all
images: each fold is judged by a model that was trained on the others. Here it judges MNIST's 10,000 test images. People
have looked at them and found 15 wrong labels (Northcutt et al., 2021). Eight of these are among the 50 most suspicious
labels here.

Reaches 98.98% out-of-fold accuracy on MNIST's test images, trained on nothing else. Takes about 25 seconds on two CPU
cores.
"""

# %%
import os
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from mnist_keras import KerasImageClassifier, load_data, plot_predictions

# Settings, to change here or in the environment.
DATA = os.environ.get("EXAMPLE_DATA", "auto")  # MNIST if it is found, else small digits
EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", "6"))
OUT = Path(os.environ.get("EXAMPLE_OUT", "runs/wrong_labels"))

# %%
data = load_data(DATA)
images, labels = data.test_images, data.test_labels
probabilities = cross_val_predict(
    KerasImageClassifier("cnn_fast", epochs=EPOCHS),
    images,
    labels,
    cv=StratifiedKFold(5, shuffle=True, random_state=0),
    method="predict_proba",
)
print(f"out-of-fold accuracy {np.mean(probabilities.argmax(axis=1) == labels):.2%}")

# %% [markdown]
# A label is suspicious if another class is more probable. The margin between the label and the most probable other
# class puts the labels in order, the most suspicious first. cleanlab, the library of the paper's authors, calls these
# `predicted_neq_given` and `normalized_margin`.

# %%
rows = np.arange(len(labels))
others = probabilities.copy()
others[rows, labels] = 0
margin = probabilities[rows, labels] - others.max(axis=1)
ranked = np.argsort(margin)
print(f"{(margin < 0).sum()} labels are suspicious; the first ten: {ranked[:10].tolist()}")

# %% [markdown]
# For these 15 test images of MNIST, at most two of five people agreed with the label. They were asked about 100 images
# that confident learning had chosen, so an error that it cannot see is not in the list. Source:
# https://github.com/cleanlab/label-errors, `mturk/mnist_mturk.json`; shown on https://labelerrors.com.

# %%
CONFIRMED = "947 1621 1901 2130 2462 2597 2654 3520 3558 5937 6651 6783 8527 9679 9729"
CONFIRMED = [int(row) for row in CONFIRMED.split()]
if data.name == "mnist":
    rank_of = {row: rank for rank, row in enumerate(ranked.tolist(), start=1)}
    for count in (15, 50, 100):
        found = sum(rank_of[row] <= count for row in CONFIRMED)
        print(f"among the {count} most suspicious: {found} of the {len(CONFIRMED)} confirmed")
    print("their ranks:", sorted(rank_of[row] for row in CONFIRMED))

# %% [markdown]
# The 24 most suspicious images, with what the models say and what the dataset says.

# %%
shown = ranked[:24]
ax = plot_predictions(images[shown], probabilities[shown], labels=labels[shown])
OUT.mkdir(parents=True, exist_ok=True)
ax.figure.savefig(OUT / "suspicious.png")
ax.figure
