"""Label-preserving random transforms of images, pure functions of (images, seed, step).

An image's transform depends only on the seed, the global step and its row in the global batch, so that replicas with a
slice of the batch each make the same images as a single device with all of it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mnist_keras._validation import check_number, check_seed, invalid, unknown

MAX_ROTATION = 45.0  # degrees; a 6 that is turned further comes close to a 9
MAX_SHEAR = 45.0  # degrees
MAX_ZOOM = 0.5  # beyond this a digit becomes a dot or leaves the picture
ERASED_SIDE = (0.1, 0.35)  # of the picture's side; larger ones hide what tells digits apart
SEED_STREAM = 0xA06 << 32  # keeps these draws apart from others of the same seed and step
FLIP_STREAM = 0xF11 << 32  # keeps the draws of the flip apart from these


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random affine map, elastic distortion, flip and erasing; a strength of 0 leaves a transform out.

    The affine map and the elastic distortion are combined into one bilinear resampling, so that an image is blurred
    only once. Pixels from outside of the image are black.

    Args:
        rotation: Largest angle in degrees, to either side, at most 45.
        shift: Largest shift in pixels, along each axis.
        zoom: Largest change in size as a fraction: 0.1 draws a factor from [0.9, 1.1].
        shear: Largest slant in degrees, to either side, at most 45.
        elastic_alpha: Strength of the elastic distortion in pixels: the factor of a field of noise
            from [-1, 1] smoothed by a Gaussian.
        elastic_sigma: Standard deviation of that Gaussian in pixels.
        erasing: Probability that a rectangle is painted black.
        flip: Probability that an image is mirrored left to right: for clothes, never for digits or letters.

    Reference:
        Simard, Steinkraus and Platt, 2003, "Best Practices for Convolutional Neural Networks Applied
        to Visual Document Analysis", section 2 (elastic distortion; alpha 34 and sigma 4 for MNIST).
        Zhong et al., 2017, "Random Erasing Data Augmentation".
    """

    rotation: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    elastic_alpha: float = 0.0
    elastic_sigma: float = 4.0
    erasing: float = 0.0
    flip: float = 0.0

    def __post_init__(self):
        largest = {"rotation": MAX_ROTATION, "shear": MAX_SHEAR, "zoom": MAX_ZOOM}
        largest |= {"erasing": 1.0, "flip": 1.0}  # probabilities
        for name, value in dataclasses.asdict(self).items():
            maximum = largest.get(name, float("inf"))
            above = name == "elastic_sigma"  # a Gaussian of zero width has no density
            number = check_number(name, value, minimum=0, maximum=maximum, above=above)
            object.__setattr__(self, name, number)

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> "Augmentation":
        """Returns the augmentation that `to_dict` described; missing settings get their defaults."""
        names = [field.name for field in dataclasses.fields(cls)]
        for name in config:
            if name not in names:
                raise unknown("augmentation setting", name, names)
        return cls(**config)

    def to_dict(self) -> dict[str, float]:
        """Returns the settings as plain values for JSON."""
        return dataclasses.asdict(self)

    @property
    def is_identity(self) -> bool:
        """Whether images come back unchanged."""
        return not (self._resamples or self.erasing or self.flip)

    @property
    def _resamples(self) -> bool:
        return any((self.rotation, self.shift, self.zoom, self.shear, self.elastic_alpha))

    def __call__(
        self,
        images: tf.Tensor,
        *,
        seed: int,
        step: int | tf.Tensor,
        first_row: int | tf.Tensor = 0,
        batch_size: int | None = None,
    ) -> tf.Tensor:
        """Returns the images of one step, transformed.

        Args:
            images: `float32` tensor of shape `(b, height, width, 1)` with values in [0, 1].
            seed: The run's seed.
            step: The global step; every step has new transforms.
            first_row: Row of the global batch at which `images` begin.
            batch_size: Number of rows in the global batch; None if `images` is all of it.

        Returns:
            A tensor of the shape and type of `images`, values in [0, 1].
        """
        images = tf.convert_to_tensor(images)
        shape = images.shape
        if images.dtype != tf.float32 or shape.rank != 4 or shape[3] != 1:
            raise invalid(
                "images",
                expected="a float32 tensor of shape (b, height, width, 1)",
                received=f"shape={tuple(shape)}, dtype={images.dtype.name}",
            )
        end = shape[0] + first_row if shape[0] and isinstance(first_row, int) else 0
        if batch_size is not None and batch_size < end:
            raise invalid(
                "batch_size",
                expected=f"at least {end}, the row where these images end",
                received=batch_size,
            )
        seed = check_seed(seed)
        if self.is_identity:
            return images
        stream = tf.constant(seed ^ SEED_STREAM, tf.int64)
        step, first_row = tf.cast(step, tf.int64), tf.cast(first_row, tf.int32)
        output = _augment(self, images, stream, step, first_row, batch_size=batch_size)
        return tf.ensure_shape(output, shape)


AUGMENTATIONS = {
    "none": Augmentation(),
    "affine": Augmentation(rotation=10.0, shift=2.0, zoom=0.1),
    # With Simard's alpha of 34 on top of the affine map, some 9s and 5s are no longer legible.
    "elastic": Augmentation(rotation=10.0, shift=2.0, zoom=0.1, elastic_alpha=24.0),
}


def get_augmentation(config: str | Mapping[str, Any] | Augmentation | None) -> Augmentation:
    """Returns the augmentation of a name in `AUGMENTATIONS` or of its settings; None is "none".

    Raises:
        InputError: If the name, a setting or its value is unknown.
    """
    if config is None:
        return AUGMENTATIONS["none"]
    if isinstance(config, Augmentation):
        return config
    if isinstance(config, Mapping):
        return Augmentation.from_dict(config)
    if not isinstance(config, str):
        raise invalid(
            "augmentation",
            expected="a name, a dictionary of settings, an Augmentation or None",
            received=repr(config),
        )
    if config not in AUGMENTATIONS:
        raise unknown("augmentation", config, AUGMENTATIONS)
    return AUGMENTATIONS[config]


# XLA fuses the arithmetic around the four gathers: 690,000 images/s in affine maps against 145,000
# without it (batch 128, two cores); ImageProjectiveTransformV3, which cannot bend, has 285,000.
# XLA's generator draws other numbers than TensorFlow's kernel: compiled wherever it is called from,
# this gives the same pictures to a training loop with XLA and to one without.
@tf.function(jit_compile=True, autograph=False)
def _augment(
    augmentation: Augmentation,
    images: tf.Tensor,
    seed: tf.Tensor,
    step: tf.Tensor,
    first_row: tf.Tensor,
    *,
    batch_size: int | None,
) -> tf.Tensor:
    rows, (height, width) = tf.shape(images)[0], images.shape[1:3]

    def draw(shape: tuple[int, ...], stream: int, seed: tf.Tensor = seed) -> tf.Tensor:
        """Draws from [0, 1) for the global batch and returns the rows of this slice."""
        everything = tf.random.stateless_uniform(
            (rows if batch_size is None else batch_size, *shape),
            seed=tf.stack([seed, 2 * step + stream]),
            alg="philox",
        )
        return tf.slice(everything, [first_row] + [0] * len(shape), [rows, *shape])

    if augmentation.flip:
        chance = draw((1, 1, 1), 0, tf.bitwise.bitwise_xor(seed, FLIP_STREAM))
        images = tf.where(chance < augmentation.flip, images[:, :, ::-1], images)
    draws = tf.unstack(draw((10,), 0)[..., None, None], axis=1)
    if augmentation._resamples:
        x, y = _source_of_affine(
            augmentation, [2 * value - 1 for value in draws[:5]], height, width
        )
        if augmentation.elastic_alpha:
            noise = 2 * draw((2, height, width), 1) - 1
            shift = augmentation.elastic_alpha * _smooth(noise, augmentation.elastic_sigma)
            x, y = x + shift[:, 0], y + shift[:, 1]
        images = _sample(images, x, y)
    if augmentation.erasing:
        images = _erase(images, draws[5:], augmentation.erasing)
    return images


def _source_of_affine(
    augmentation: Augmentation, draws: list[tf.Tensor], height: int, width: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where each pixel comes from: x and y of shape `(b, height, width)`.

    The picture is zoomed, slanted and turned about its center, counter-clockwise as one sees it, and
    then shifted; each pixel looks back along that way.
    """
    radians = np.pi / 180
    angle = draws[0] * (augmentation.rotation * radians)
    slant = tf.tan(draws[1] * (augmentation.shear * radians))
    size = 1 + draws[2] * augmentation.zoom
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    x = tf.range(width, dtype=tf.float32) - center_x - draws[3] * augmentation.shift
    y = tf.range(height, dtype=tf.float32)[:, None] - center_y - draws[4] * augmentation.shift
    cosine, sine = tf.cos(angle), tf.sin(angle)
    x, y = cosine * x - sine * y, sine * x + cosine * y
    return (x + slant * y) / size + center_x, y / size + center_y


def _smooth(noise: tf.Tensor, sigma: float) -> tf.Tensor:
    """Convolves the last two axes with a Gaussian of unit sum, zero outside, as two products."""

    def kernel(size: int) -> np.ndarray:
        reach = np.ceil(4 * sigma)
        taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        distance = np.subtract.outer(np.arange(size), np.arange(size))
        return (np.exp(-0.5 * (distance / sigma) ** 2) / taps.sum()).astype(np.float32)

    height, width = noise.shape[-2:]
    return tf.einsum("ij,bcjk,kl->bcil", kernel(height), noise, kernel(width))


def _sample(images: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Reads images at fractional positions, bilinearly; beyond the border they are 0."""
    rows, (height, width) = tf.shape(images)[0], images.shape[1:3]
    # A border of zeros stands for everything outside: one pixel before, two after, so that the
    # right and lower neighbors of the farthest position exist as well.
    x = tf.clip_by_value(x, -1.0, float(width))
    y = tf.clip_by_value(y, -1.0, float(height))
    left, top = tf.floor(x), tf.floor(y)
    right_part, lower_part = x - left, y - top
    padded = tf.pad(images[..., 0], [[0, 0], [1, 2], [1, 2]])
    row_length, image_length = width + 3, (width + 3) * (height + 3)
    corner = tf.cast((top + 1) * row_length + left + 1, tf.int32)
    corner += (tf.range(rows) * image_length)[:, None, None]
    pixels = tf.reshape(padded, [-1])

    def between(offset: int) -> tf.Tensor:
        near = tf.gather(pixels, corner + offset)
        return near + right_part * (tf.gather(pixels, corner + offset + 1) - near)

    upper, lower = between(0), between(row_length)
    return tf.clip_by_value(upper + lower_part * (lower - upper), 0.0, 1.0)[..., None]


def _erase(images: tf.Tensor, draws: list[tf.Tensor], probability: float) -> tf.Tensor:
    """Paints a rectangle black in each image with the given probability."""
    height, width = images.shape[1:3]
    chance, high, wide, top, left = draws
    smallest, largest = ERASED_SIDE

    def inside(size: int, extent: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
        length = tf.round(size * (smallest + (largest - smallest) * extent))
        start = tf.floor(position * (size - length + 1))
        pixels = tf.range(size, dtype=tf.float32)
        return (pixels >= start) & (pixels < start + length)

    rectangle = inside(width, wide, left) & tf.linalg.matrix_transpose(inside(height, high, top))
    return tf.where(((chance < probability) & rectangle)[..., None], 0.0, images)
