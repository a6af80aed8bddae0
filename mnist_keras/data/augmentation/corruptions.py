"""The fifteen corruptions of MNIST-C, for testing models; training on them would defeat their purpose.

Each is reimplemented with the published parameters, at the severity of the published test set. They are repeatable with
a seed, but use other random numbers than the published files, so accuracies agree only on average.

Reference:
    Mu and Gilmer, 2019, "MNIST-C: A Robustness Benchmark for Computer Vision".
"""

import itertools
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from mnist_keras._validation import check_choice, check_images, check_seed

# Float64 in [0, 1]; of shape (n, height, width), or (height, width) for one image.
Pixels = np.ndarray
FADE = 2.3  # pixels from the middle of a drawn line to where it ends
MAP_SIDE = 256  # pixels of the map that fog is cut from
# Thresholds of scikit-image, which the published set was made with.
CANNY_LOW, CANNY_HIGH = (0.1, 0.2)


def corrupt(images, name: str, *, seed: int = 0) -> np.ndarray:
    """Corrupts images as in MNIST-C.

    Args:
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1].
        name: One of `CORRUPTIONS`.
        seed: Seed of the random numbers.

    Returns:
        A uint8 array of shape `(n, height, width)`.

    Raises:
        InputError: If the images or the name are invalid.

    Example:
        >>> from mnist_keras import load_data
        >>> corrupt(load_data("digits").test_images, "fog").shape
        (360, 28, 28)
    """
    check_choice("name", name, CORRUPTIONS)
    images, seed = check_images(images), check_seed(seed)
    pixels = images.astype(np.float64) / (255 if images.dtype == np.uint8 else 1)
    return corrupt_pixels(pixels, name, seed)


def corrupt_pixels(pixels: Pixels, name: str, seed: int) -> np.ndarray:
    """Returns what `corrupt` does, for float64 pixels in [0, 1]."""
    rng = np.random.default_rng([seed, list(CORRUPTIONS).index(name)])
    corrupted = CORRUPTIONS[name](pixels, rng)
    return np.rint(255 * np.clip(corrupted, 0, 1)).astype(np.uint8)


def _one_by_one(corruption: Callable) -> Callable:
    def corrupt_all(images: Pixels, rng: np.random.Generator) -> Pixels:
        return np.stack([corruption(image, rng) for image in images])

    return corrupt_all


def _shot_noise(images, rng):
    photons = 3  # at a white pixel
    return rng.poisson(images * photons) / photons


def _impulse_noise(images, rng):
    share = 0.17  # of the pixels, half of them white and half black
    drawn = rng.random(images.shape)
    return np.where(drawn < share / 2, 0.0, np.where(drawn < share, 1.0, images))


def _glass_blur(images, rng):
    """Blurs, twice swaps each pixel with a neighbor above or to the left with a chance of one half, blurs again."""
    blurred = _blur(images, 0.7)
    height, width = images.shape[1:]
    n = np.arange(len(images))
    for _ in range(2):
        for y in range(height - 1, 1, -1):
            for x in range(width - 1, 1, -1):
                dy, dx = rng.integers(-1, 1, (2, len(images))) * rng.integers(0, 2, len(images))
                swapped = blurred[n, y + dy, x + dx]
                blurred[n, y + dy, x + dx] = blurred[n, y, x]
                blurred[n, y, x] = swapped
    return _blur(blurred, 0.7)


def _blur(images, sigma):
    return ndimage.gaussian_filter(images, (0, sigma, sigma), mode="nearest")


def _motion_blur(image, rng):
    """Blurs by half a Gaussian of 3 pixels along a direction of at most 45 degrees, as ImageMagick does."""
    angle = np.deg2rad(rng.uniform(-45, 45))
    steps = np.arange(21)  # 2 * radius + 1
    weights = np.exp(-(steps**2) / (2 * 3**2))
    total = np.zeros_like(image)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        offset = np.rint([step * np.sin(angle), step * np.cos(angle)])
        total += weight * ndimage.shift(image, offset, order=0, mode="nearest")
    return total


def _shear(image, rng):
    angle = 0.4 * rng.choice([-1, 1])
    return _warp(image, [[np.cos(angle), 0], [-np.sin(angle), 1]])


def _rotate(image, rng):
    angle = 0.4 * rng.choice([-1, 1])  # 23 degrees
    return rotate(image, np.rad2deg(angle))


def rotate(image: Pixels, degrees: float) -> Pixels:
    """Rotates one image about its middle, counterclockwise; black comes in from outside."""
    angle = np.deg2rad(degrees)
    return _warp(image, [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _scale(image, rng):
    return _warp(image, np.eye(2) / 0.7)


def _warp(image, matrix):
    """Samples an image at the places, rows first, to which a matrix moves the pixels around its middle."""
    middle = (np.array(image.shape) - 1) / 2
    return ndimage.affine_transform(
        image, matrix, middle - np.asarray(matrix) @ middle, order=1, mode="constant"
    )


def _translate(image, rng):
    return ndimage.shift(image, 3 * rng.choice([-1, 1], 2), order=0)


def _brightness(images, rng):
    return images + 0.5


def _stripe(images, rng):
    striped, quarter = images.copy(), images.shape[2] // 4
    for side in (slice(quarter), slice(3 * quarter, None)):
        striped[:, :, side] = 1 - striped[:, :, side]
    return striped


def _fog(image, rng):
    thickness = 3.0
    brightest = image.max()
    side = max(MAP_SIDE, 1 << (max(image.shape) - 1).bit_length())
    fog = _plasma(side, rng, decay=1.4)[: image.shape[0], : image.shape[1]]
    return (image + thickness * fog) * brightest / (brightest + thickness)


def _plasma(side, rng, *, decay):
    """Returns a field in [0, 1] by the diamond-square algorithm on a torus."""
    field = np.zeros((side, side))
    step, height = side, 100.0

    def rough(total):
        return total / 4 + height * rng.uniform(-height, height, total.shape)

    while step >= 2:
        half = step // 2
        corners = field[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        field[half::step, half::step] = rough(pairs + np.roll(pairs, -1, axis=1))
        middles = field[half::step, half::step]
        for axis, place in ((0, np.s_[::step, half::step]), (1, np.s_[half::step, ::step])):
            across = middles + np.roll(middles, 1, axis=axis)
            field[place] = rough(across + corners + np.roll(corners, -1, axis=1 - axis))
        step, height = half, height / decay
    field -= field.min()
    return field / field.max()


def _spatter(images, rng):
    mud = 63 / 255  # its gray
    liquid = _blur(rng.normal(0.65, 0.3, images.shape), 1.0)
    cover = _blur((liquid > 0.65).astype(np.float64), 1.5)
    cover[cover < 0.8] = 0
    return images * (1 - cover) + mud * cover


def _dotted_line(image, rng):
    height, width = image.shape
    start, end = rng.integers(0, max(height - 1, 1), 2)
    line = _draw_line(image.shape, (0, start), (width - 1, end))
    line[:, np.arange(width) % 4 < 2] = 0
    return image + line


def _zigzag(image, rng):
    """Draws a zigzag of 2 pixels up and down along a slightly slanted line from edge to edge."""
    height, width = image.shape
    left, right, reach = 2, width - 3, 2.0
    start = rng.integers(0, max(height - 1, 1))
    end = start + rng.integers(-5, 5)
    angle = np.arctan2(end - start, right - left)
    length = (right - left) / np.cos(angle)
    count = int((length - reach) // (2 * reach)) + 1
    peaks = [((2 * i + 1) * reach, (-1) ** i * reach) for i in range(count)]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.array([(0.0, 0.0), *peaks, (length, 0.0)]) @ turn.T + (left, start)
    for first, second in itertools.pairwise(points):
        image = np.clip(image + _draw_line(image.shape, first, second), 0, 1)
    return image


def _draw_line(shape, first, second):
    """Returns a line between two points (x, y) that fades out logarithmically above and below."""
    (x0, y0), (x1, y1) = first, second
    if x0 == x1:
        return np.zeros(shape)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    distance = np.abs(rows - (y0 + (y1 - y0) / (x1 - x0) * (columns - x0)))
    line = np.clip(np.log(1 - np.minimum(distance, FADE - 1e-10) / FADE) + 1, 0, 1)
    line[:, : max(int(np.floor(x0)), 0)] = 0
    line[:, max(int(np.ceil(x1)), 0) :] = 0
    return line


def _canny_edges(image, rng):
    """Finds edges: Canny, 1986, "A Computational Approach to Edge Detection", with a Gaussian of one pixel."""
    smooth = ndimage.gaussian_filter(image, 1, mode="constant")
    slope_y, slope_x = (ndimage.sobel(smooth, axis=axis) for axis in (0, 1))
    strength = np.hypot(slope_y, slope_x)
    rows, columns = np.indices(image.shape, dtype=np.float64)
    length = np.maximum(strength, 1e-12)
    highest = strength >= CANNY_LOW
    for side in (-1, 1):  # an edge is a ridge of the strength, across the edge
        place = [rows + side * slope_y / length, columns + side * slope_x / length]
        highest &= strength >= ndimage.map_coordinates(strength, place, order=1)
    highest[[0, -1]] = highest[:, [0, -1]] = False
    groups, _ = ndimage.label(highest, np.ones((3, 3)))
    strong = np.unique(groups[highest & (strength >= CANNY_HIGH)])
    return np.isin(groups, strong[strong > 0]).astype(np.float64)


CORRUPTIONS: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "glass_blur": _glass_blur,
    "motion_blur": _one_by_one(_motion_blur),
    "shear": _one_by_one(_shear),
    "scale": _one_by_one(_scale),
    "rotate": _one_by_one(_rotate),
    "brightness": _brightness,
    "translate": _one_by_one(_translate),
    "stripe": _stripe,
    "fog": _one_by_one(_fog),
    "spatter": _spatter,
    "dotted_line": _one_by_one(_dotted_line),
    "zigzag": _one_by_one(_zigzag),
    "canny_edges": _one_by_one(_canny_edges),
}
