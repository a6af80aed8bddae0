"""Plots of saliency, of embeddings and of robustness. The first two run a model, which needs TensorFlow."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

from collections.abc import Iterable, Mapping

import keras
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from mnist_keras._validation import (
    check_choice,
    check_class_names,
    check_images,
    check_labels,
    check_polarity,
    check_seed,
    invalid,
)
from mnist_keras.data.augmentation.corruptions import CORRUPTIONS
from mnist_keras.evaluation.figures import COLORS, MAX_FONT, MIN_FONT, WIDTH, new_axes, shorten
from mnist_keras.evaluation.robustness import Robustness
from mnist_keras.inference.prediction import BATCH_SIZE, predict_checked
from mnist_keras.inference.saliency import as_floats, map_saliency
from mnist_keras.models.inspection import check_input_shape, feature_model, input_scale

SALIENCY_IMAGES = 8
BLUR = 1.0  # pixels, the deviation of a Gaussian; in a gradient map the sign changes from pixel to pixel
PITCH = 1.06  # from one image to the next, in image widths
EMBEDDINGS = ("tsne", "pca")
MIN_EMBEDDED = 10  # images; fewer have no neighborhoods
PCA_FEATURES = 50  # before t-SNE; van der Maaten and Hinton, 2008, use 30, scikit-learn advises 50
PERPLEXITY = 30  # van der Maaten and Hinton, 2008: between 5 and 50
NEIGHBORS = 10  # whose classes decide what is an outlier
OUTLIERS = 12  # thumbnails, half of them on each side
MARKERS = "os^Dv*P"  # one for each model, beside its color
ROBUSTNESS_LINES = {  # change -> panel's place, title and line
    "fgsm": ((0, 0.68, 0.28, 0.27), "attack: largest change of a pixel", "--"),
    "pgd": ((0, 0.68, 0.28, 0.27), "attack: largest change of a pixel", "-"),
    "shift": ((0.36, 0.68, 0.28, 0.27), "shift in pixels", "-"),
    "rotation": ((0.72, 0.68, 0.28, 0.27), "rotation in degrees", "-"),
}
NAMED_CLASSES = 30  # the names of more would cover the points


def plot_saliency(
    model: keras.Model,
    images: ArrayLike,
    *,
    class_names: Iterable[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws saliency maps of the first 8 images: gradient times input, and occlusion.

    Red pixels support the predicted class, and blue ones oppose it. Each map has its own scale. Maps of the gradient
    are blurred by a pixel. The contour around the ink is at half the value of the image's brightest pixel.

    Args:
        model: A classifier of gray images.
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1].
        class_names: A name for each class, or None for "0", "1", ...
        ax: Axes to draw into; if None, a new figure, `ax.figure`.

    Raises:
        InputError: If the images are invalid, or not of the size that the model takes.

    Reference:
        See `mnist_keras.inference.saliency.compute_saliency` for both methods.

    Example:
        plot_saliency(create_model("lenet5", weights="mnist"), data.test_images)
    """
    images = check_images(images)[:SALIENCY_IMAGES]
    check_input_shape(model, images.shape[1:])
    names = check_class_names(class_names, num_classes=model.output_shape[-1])
    check_polarity(images)
    probabilities = predict_checked(model, images)
    asked = model, as_floats(images), probabilities.argmax(axis=1)
    rows = {
        "image": images,
        "gradient\nx input": gaussian_filter(map_saliency(*asked, "gradient"), (0, BLUR, BLUR)),
        "occlusion": map_saliency(*asked, "occlusion"),
    }
    height, width = np.array(images.shape[1:]) / max(images.shape[1:])
    tall = height * PITCH
    ax = new_axes(ax, height=WIDTH / (SALIENCY_IMAGES + 1) * (3 * tall + 0.36) + 0.2)
    cell = ax.bbox.width / (SALIENCY_IMAGES * PITCH + 0.6)  # pixels
    font = float(np.clip(72 * cell / ax.figure.dpi / 7, MIN_FONT, MAX_FONT))
    for row, (title, pictures) in enumerate(rows.items()):
        ax.text(-0.1, row * tall + height / 2, title, fontsize=font, ha="right", va="center")
        for column, picture in enumerate(pictures):
            left, top = column * PITCH, row * tall
            extent = (left, left + width, top + height, top)
            if row == 0:
                ax.imshow(picture, extent=extent, cmap="gray", vmin=0)
                continue
            high = float(np.abs(picture).max()) or 1.0
            ax.imshow(picture, extent=extent, cmap="RdBu_r", vmin=-high, vmax=high)
            _outline(ax, images[column], extent)
    for column, row_of in enumerate(probabilities):
        caption = f"{shorten(names[row_of.argmax()])}\n{row_of.max():.0%}"
        x = column * PITCH + width / 2
        text = ax.text(x, 3 * tall + 0.02, caption, fontsize=font, ha="center", va="top")
        text.set_fontsize(font * min(1, cell / text.get_window_extent().width))
    left = (len(images) - SALIENCY_IMAGES) / 2 * PITCH  # fewer images stay in the middle
    ax.set(xlim=(min(left, 0) - 0.6, left + SALIENCY_IMAGES * PITCH), ylim=(3 * tall + 0.36, 0))
    ax.set_axis_off()
    ax.set_title("Where the model looked: red supports the predicted class, blue opposes it")
    return ax


def plot_embedding(
    model: keras.Model,
    images: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    method: str = "tsne",
    class_names: Iterable[str] | None = None,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draws images as points, close together if they look alike to the model, with thumbnails of the outliers.

    The points are the features of the last hidden layer, reduced to two dimensions. Outliers are the images with the
    fewest images of their own class among their 10 nearest neighbors in feature space. They are often mistakes of the
    model or wrong labels.

    Args:
        model: A classifier of gray images.
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1]; at least
            10. t-SNE takes seconds for 500 images and up to a minute for 2,000; PCA is fast.
        labels: Integer array of shape `(n,)`; None for the classes that the model predicts.
        method: "tsne" or "pca".
        class_names: A name for each class, or None for "0", "1", ...
        seed: Seed of t-SNE.
        ax: Axes to draw into; if None, a new figure, `ax.figure`.

    Raises:
        InputError: If the images or labels are invalid, or the model has no single last hidden layer.

    Reference:
        van der Maaten and Hinton, 2008, "Visualizing Data using t-SNE".

    Example:
        plot_embedding(model, data.test_images[:1000], data.test_labels[:1000])
    """
    images, seed = check_images(images), check_seed(seed)
    check_choice("method", method, EMBEDDINGS)
    check_input_shape(model, images.shape[1:])
    if len(images) < MIN_EMBEDDED:
        raise invalid("images", expected=f"at least {MIN_EMBEDDED} images", received=len(images))
    num_classes = model.output_shape[-1]
    names = check_class_names(class_names, num_classes=num_classes)
    kind = "true" if labels is not None else "predicted"
    if labels is None:
        check_polarity(images)
        classes = predict_checked(model, images).argmax(axis=1)
    else:
        classes = check_labels(labels, num_examples=len(images), num_classes=num_classes)
    features = _features(model, images)
    points = _reduce(features, method, seed)
    outliers = _outliers(features, classes)

    ax = new_axes(ax, height=0.8 * WIDTH)
    many = num_classes > 10
    colors = colormaps["hsv" if many else "tab10"](classes / num_classes if many else classes)
    x, y = points.T
    ax.scatter(x, y, c=colors, s=9, alpha=0.6, linewidths=0)
    if num_classes <= NAMED_CLASSES:
        for label in np.unique(classes):
            x, y = np.median(points[classes == label], axis=0)
            box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "0.6", "alpha": 0.85}
            text = shorten(names[label])
            ax.text(x, y, text, fontsize=MAX_FONT, ha="center", va="center", bbox=box)
    _draw_outliers(ax, points, outliers, images, [shorten(names[label]) for label in classes])
    ax.set_axis_off()
    drawn = {"tsne": "t-SNE", "pca": "PCA"}[method]
    ax.set_title(
        f"{len(images):,} images, {drawn} of {features.shape[1]:,} features; {kind} classes, outliers at the sides"
    )
    return ax


def plot_robustness(
    robustness: Robustness | Mapping[str, Robustness], *, ax: Axes | None = None
) -> Axes:
    """Draws the accuracy of one or several models under attacks, shifts, rotations and corruptions.

    Args:
        robustness: The result of `evaluate_robustness`; or, for at most 7 models, a dictionary of results by name.
        ax: Axes to draw into; if None, a new figure, `ax.figure`.

    Returns:
        The frame of the plot; the panels are its `child_axes`.

    Raises:
        InputError: If there is no result, or there are more than 7.

    Example:
        plot_robustness({name: evaluate_robustness(load_model(name), data.test) for name in ("lenet5", "mlp_128")})
    """
    results = robustness if isinstance(robustness, Mapping) else {"": robustness}
    if not 1 <= len(results) <= len(COLORS):
        expected = f"the results of 1 to {len(COLORS)} models"
        raise invalid("robustness", expected=expected, received=len(results))
    ax = new_axes(ax, height=7.4)
    ax.set_axis_off()
    ax.set_title(f"Accuracy on {max(x.num_images for x in results.values()):,} changed images")
    panels: dict[tuple, Axes] = {}
    for change, (place, title, line) in ROBUSTNESS_LINES.items():
        if place not in panels:
            panels[place] = _panel(ax, place, title)
            panels[place].yaxis.set_major_formatter(PercentFormatter(1.0))
            panels[place].set_ylim(-0.03, 1.03)
        for result, color, marker in zip(results.values(), COLORS, MARKERS, strict=False):
            accuracies = {0: result.accuracies("none")[""], **result.accuracies(change)}
            x, y = list(accuracies), list(accuracies.values())
            panels[place].plot(x, y, marker + line, color=color, ms=4)
    attacks = next(iter(panels.values()))
    for line, name in (("--", "FGSM"), ("-", "PGD")):
        attacks.plot([], [], line, color="0.3", label=name)
    attacks.legend(frameon=False, fontsize=8)
    panel = _panel(ax, (0.13, 0.0, 0.87, 0.57), "corruptions of MNIST-C")
    panel.xaxis.set_major_formatter(PercentFormatter(1.0))
    rows = range(len(CORRUPTIONS))
    for (name, result), color, marker in zip(results.items(), COLORS, MARKERS, strict=False):
        corrupted = list(result.accuracies("mnist_c").values())
        panel.plot(corrupted, rows, marker, color=color, ms=5, alpha=0.8, label=name)
    panel.set(xlim=(-0.03, 1.03), ylim=(len(rows) - 0.5, -0.5))
    panel.set_yticks(rows, [name.replace("_", " ") for name in CORRUPTIONS])
    if any(results):
        legend = panel.legend(loc="upper center", ncols=3, frameon=False, fontsize=9)
        legend.set_bbox_to_anchor((0.43, -0.07), transform=panel.transAxes)
    return ax


def _panel(ax: Axes, place: tuple[float, float, float, float], title: str) -> Axes:
    panel = ax.inset_axes(place)
    panel.set_title(title, fontsize=MAX_FONT)
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    return panel


def _outline(ax: Axes, image: np.ndarray, extent: tuple[float, float, float, float]) -> None:
    """Draws a line around the ink, if there is any and the image has at least two pixels each way."""
    if min(image.shape) < 2 or image.min() == image.max():
        return
    left, right, bottom, top = extent
    pixel = (right - left) / image.shape[1]
    x = np.linspace(left + pixel / 2, right - pixel / 2, image.shape[1])
    y = np.linspace(top + pixel / 2, bottom - pixel / 2, image.shape[0])
    ax.contour(x, y, image, levels=[image.max() / 2], colors="0.25", linewidths=0.6)


def _features(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns the features of the last hidden layer, of shape `(n, num_features)`."""
    body, scale = feature_model(model), input_scale(model)
    shape = check_input_shape(model, images.shape[1:])
    pixels = (as_floats(images) * scale).reshape(-1, *shape)
    parts = [
        keras.ops.convert_to_numpy(body(pixels[start : start + BATCH_SIZE], training=False))
        for start in range(0, len(pixels), BATCH_SIZE)
    ]
    return np.concatenate(parts).reshape(len(images), -1).astype(np.float32)


def _reduce(features: np.ndarray, method: str, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    dimensions = 2 if method == "pca" else PCA_FEATURES
    reduced = PCA(min(dimensions, *features.shape), random_state=seed).fit_transform(features)
    if method == "pca":
        return np.pad(reduced, [(0, 0), (0, 2 - reduced.shape[1])])  # of a single feature
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    return TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(reduced)


def _outliers(features: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Returns the images with the fewest neighbors of their own class; ties are broken by distance, farthest first."""
    from sklearn.neighbors import NearestNeighbors

    count = min(NEIGHBORS, len(features) - 1)
    nearest = NearestNeighbors(n_neighbors=count).fit(features)
    distances, rows = nearest.kneighbors()  # an image is not its own neighbor
    alike = (classes[rows] == classes[:, None]).mean(axis=1)
    order = np.lexsort((-distances.mean(axis=1), alike))
    return order[:OUTLIERS][alike[order[:OUTLIERS]] < 0.5]


def _draw_outliers(ax, points, outliers, images, names) -> None:
    """Draws thumbnails at the sides, each with a line to its point, sorted so that few lines cross."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.maximum(high - low, 1e-9)
    ax.set(xlim=(low[0] - 0.3 * span[0], high[0] + 0.3 * span[0]))
    ax.set(ylim=(low[1] - 0.05 * span[1], high[1] + 0.05 * span[1]))
    by_side = outliers[np.argsort(points[outliers, 0], kind="stable")]
    half = -(-len(by_side) // 2)
    high_pixel = 255 if images.dtype == np.uint8 else 1
    for side, rows in ((-1, by_side[:half]), (1, by_side[half:])):
        rows = rows[np.argsort(-points[rows, 1], kind="stable")]  # noqa: PLW2901
        for place, row in enumerate(rows):
            y = 1 - (place + 0.5) / (OUTLIERS / 2)  # shares of the axes
            x = 0.0 if side < 0 else 0.9
            inset = ax.inset_axes((x, y - 0.055, 0.1, 0.11))
            inset.imshow(images[row], cmap="gray", vmin=0, vmax=high_pixel)
            inset.set(xticks=[], yticks=[])
            inset.set_xlabel(names[row], fontsize=7, labelpad=1)
            ax.annotate(
                "",
                points[row],
                (x + (0.1 if side < 0 else 0), y),
                textcoords="axes fraction",
                arrowprops={"arrowstyle": "-", "color": "0.4", "linewidth": 0.6},
            )
