# %% [markdown]
"""
# Use the features of the last hidden layer, with few labels

`lenet5` was trained on MNIST. Without its last layer, it turns an image into 84 numbers, which are similar for images
of the same digit. That helps with digits from another source, here scikit-learn's: a logistic regression learns them
from few labels, and a search finds similar images. Both are compared with the same on pixels. The features only help
with images like those that the model was trained on. For Fashion-MNIST, pixels are better.

Reaches 98.56% test accuracy on scikit-learn's digits with five labels of each, and 88.39% on pixels.
Takes about 15 seconds on two CPU cores.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from mnist_keras import create_model, evaluate, load_data

# Settings, to change here or in the environment.
DATA = os.environ.get("EXAMPLE_DATA", "auto")  # "digits" leaves out Fashion-MNIST
OUT = Path(os.environ.get("EXAMPLE_OUT", "runs/features"))
NUM_DRAWS = 5  # of the labeled images; the accuracy is the mean

# %%
body = create_model("lenet5", weights="mnist", include_top=False, include_rescaling=True)
CONVERT = {
    "features": lambda images: body.predict(images[..., None], batch_size=500, verbose=0),
    "pixels": lambda images: images.reshape(len(images), -1) / np.float32(255),
}
print(f"{body.output_shape[1]} features of each image")

# %% [markdown]
# Few labels, drawn at random, the same number of each class.


# %%
@threadpool_limits.wrap(limits=1)  # more threads only wait for each other in problems this small
def compare_with_pixels(data):
    for kind, convert in CONVERT.items():
        train, test = convert(data.train_images), convert(data.test_images)
        for count in (1, 5, 20):
            size = count * data.num_classes
            draws = StratifiedShuffleSplit(NUM_DRAWS, train_size=size, random_state=0)
            scores = []
            for rows, _ in draws.split(train, data.train_labels):
                clf = LogisticRegression(max_iter=1_000).fit(train[rows], data.train_labels[rows])
                scores.append(clf.score(test, data.test_labels))
            print(f"{kind}, labels of each class: {count}, test accuracy {np.mean(scores):.2%}")


digits = load_data("digits")
compare_with_pixels(digits)

# %% [markdown]
# `lenet5` with its own last layer, which knows MNIST's digits only:

# %%
lenet5 = create_model("lenet5", weights="mnist")
print(f"test accuracy {evaluate(lenet5, digits.test_images, digits.test_labels).accuracy:.2%}")

# %% [markdown]
# The five training images that are most similar to each test image, by the angle between features or pixels.

# %%
neighbors, num_same = {}, {}
for kind, convert in CONVERT.items():
    search = NearestNeighbors(n_neighbors=5, metric="cosine").fit(convert(digits.train_images))
    neighbors[kind] = search.kneighbors(convert(digits.test_images), return_distance=False)
    is_same = digits.train_labels[neighbors[kind]] == digits.test_labels[:, None]
    num_same[kind] = is_same.sum(axis=1)
    print(f"{kind}: {is_same.mean():.2%} of the similar images show the same digit")

# %% [markdown]
# The test images for which pixels do worst. A red number is another digit.

# %%
queries = np.argsort(num_same["pixels"], kind="stable")[:5]
figure, axes = plt.subplots(len(queries), 13, figsize=(9, 4.5), layout="constrained")
figure.suptitle("Test image, five similar by features, five similar by pixels")
for ax in axes.flat:
    ax.set_axis_off()
for row, query in zip(axes, queries, strict=True):
    row[0].imshow(digits.test_images[query], cmap="gray_r")
    row[0].set_title(digits.test_labels[query])
    for start, kind in ((2, "features"), (8, "pixels")):
        for ax, other in zip(row[start:], neighbors[kind][query], strict=False):
            ax.imshow(digits.train_images[other], cmap="gray_r")
            label = digits.train_labels[other]
            ax.set_title(label, color="black" if label == digits.test_labels[query] else "red")
OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "similar.png")
plt.close(figure)  # or a notebook shows it twice
ax.figure

# %% [markdown]
# Clothes have little in common with digits, and the features have lost what tells clothes apart.

# %%
if DATA != "digits":
    compare_with_pixels(load_data("fashion_mnist"))
