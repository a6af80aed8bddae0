"""Pictures from any source are read upright, in bounded memory; what is no picture is a sentence, and nothing hangs."""

import io
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from digit_pictures import distance
from errors import error_of
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from mnist_keras._validation import InputError
from mnist_keras.inference.pictures import FORMATS
from mnist_keras.inference.preprocessing import to_mnist_image, to_mnist_images


def png(image, **options):
    image.save(file := io.BytesIO(), "PNG", **options)
    return file.getvalue()


def test_each_way_to_hand_it_over_gives_the_same(ink, expected, tmp_path):
    image = Image.fromarray(ink)
    image.save(path := tmp_path / "five.png")
    with path.open("rb") as file:
        sources = [
            path,
            str(path),
            path.read_bytes(),
            image,
            ink[None],
            ink[..., None],
            ink / 255,
            file,
        ]
        for source in sources:
            np.testing.assert_array_equal(to_mnist_image(source), expected)


def test_a_photo_is_turned_upright(ink, expected):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    turned = Image.fromarray(255 - ink).rotate(90, expand=True)
    assert distance(to_mnist_image(png(turned, exif=exif)), expected) < 12


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_a_large_picture_is_made_smaller_before_it_takes_memory(ink, expected, mode):
    large = Image.fromarray(255 - ink).resize((3000, 3000 * len(ink) // ink.shape[1]))
    if mode == "RGBA":
        large.putalpha(Image.eval(large, lambda level: 255 - level))
    content = png(large.convert(mode))
    tracemalloc.start()
    image = to_mnist_image(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert distance(image, expected) < 12
    assert peak < 150e6  # bytes; a float32 copy of RGBA has more than that at 3000 x 3000


def test_the_pictures_of_the_caller_stay_as_they_are(ink):
    large = Image.fromarray(255 - ink).resize((3000, 3000)).convert("RGB")
    exif = large.getexif()
    exif[0x0112] = 6  # turned by a quarter
    large.save(file := io.BytesIO(), "JPEG", exif=exif)
    picture = Image.open(file)
    to_mnist_image(picture)
    assert picture.size == (3000, 3000) and picture.getexif()[0x0112] == 6


def test_floats_may_exceed_their_range_a_little(ink, expected):
    floats = ink / 255
    floats[0, 0], floats[-1, -1] = -0.004, 1.004  # as a cubic resize leaves them
    assert distance(to_mnist_image(floats), expected) < 1


def test_the_first_frame_of_an_animation_counts(ink, expected):
    frames = [Image.fromarray(255 - ink), Image.fromarray(ink * 0)]
    frames[0].save(file := io.BytesIO(), "GIF", save_all=True, append_images=frames[1:])
    assert distance(to_mnist_image(file.getvalue()), expected) < 12


BAD = {
    "nothing": (b"", "the byte string is not a readable picture"),
    "words": (b"hello", "is not a readable picture"),
    "truncated": (png(Image.new("L", (50, 50)))[:40], "is not a readable picture"),
    "not a number": (np.full((9, 9), np.nan), "Expected finite pixels of 0 and above"),
    "negative": (np.full((9, 9), -1), "Expected finite pixels of 0 and above"),
    "four dimensions": (np.zeros((2, 9, 9, 3)), "For several images, pass a list of them."),
    "five channels": (np.zeros((9, 9, 5)), "Expected one image of shape (height, width)"),
    "no pixel": (np.zeros((0, 9)), "Expected one image of shape (height, width)"),
    "strings": (np.array([["a"]]), "Expected numbers"),
    "a number": (
        5,
        "Expected a path, bytes, a file object, a PIL image or an array. Received: int",
    ),
    "a text file": (
        io.StringIO("x"),
        "Expected a file opened in binary mode. Received: a text file",
    ),
    "a large array": (
        np.broadcast_to(np.uint8(0), (10_000, 6000)),
        "the array has 6000 x 10000 pixels. Expected at most 50,000,000; make it smaller.",
    ),
    "too large": (
        png(Image.new("1", (10_000, 5001))),
        "the byte string has 10000 x 5001 pixels. Expected at most 50,000,000; make it smaller.",
    ),
    "of which Pillow warns": (
        png(Image.new("1", (10_000, 10_000))),
        "the byte string has 10000 x 10000 pixels. Expected at most 50,000,000; make it smaller.",
    ),
    "a bomb": (
        png(Image.new("1", (30_000, 30_000))),
        "the byte string has over 178,956,970 pixels. Expected at most 50,000,000; make it smaller.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_has_a_clear_error(case):
    source, text = BAD[case]
    assert text in error_of(to_mnist_image, source)


LARGEST = """
import io
from PIL import Image
from mnist_keras.inference.preprocessing import to_mnist_image

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) // 1024

Image.new("RGBA", (7000, 7000), "white").save(file := io.BytesIO(), "PNG", compress_level=1)
with open("/proc/self/clear_refs", "w") as clear:
    clear.write("5")  # the peak starts anew
before = peak()
assert not to_mnist_image(file.getvalue()).any()
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_the_largest_picture_takes_a_bounded_amount_of_memory():
    done = subprocess.run([sys.executable, "-c", LARGEST], capture_output=True, check=True)
    assert int(done.stdout) < 600  # megabytes; about 10 bytes a pixel


def test_open_pictures_that_cannot_be_read(tmp_path):
    noise = Image.effect_noise((200, 200), 50)
    truncated = Image.open(io.BytesIO(png(noise)[:20_000]))
    text = error_of(to_mnist_image, truncated)
    assert text.startswith("the picture is not a readable picture (")
    closed = io.BytesIO(png(noise))
    closed.close()
    text = error_of(to_mnist_image, closed)
    assert text.startswith("the file object is not a readable picture (I/O operation on closed")


def test_paths_that_are_no_pictures(tmp_path):
    assert "is a directory. Expected a picture file." in error_of(to_mnist_image, tmp_path)
    assert "cannot be read: No such file" in error_of(to_mnist_image, tmp_path / "none.png")
    (text := tmp_path / "text.png").write_text("hello")
    assert f"{text} is not a readable picture" in error_of(to_mnist_image, text)
    os.mkfifo(pipe := tmp_path / "pipe.png")
    assert "is a device or a pipe. Expected a picture file." in error_of(to_mnist_image, pipe)


@pytest.fixture(scope="module")
def files(ink):
    """The picture as a file of each format."""
    contents = {}
    for format in FORMATS:
        Image.fromarray(255 - ink).save(file := io.BytesIO(), format)
        contents[format] = file.getvalue()
    return contents


def mutated(content, places, fill, cut):
    """Returns a file with some bytes replaced, half of them in its head, and its end cut off."""
    content = bytearray(content)
    for number, place in enumerate(places):
        content[place % (len(content) if number % 2 else min(64, len(content)))] = fill
    return bytes(content[: len(content) - cut * len(content) // 100])


def prepared_or_refused(files, format, places, fill, cut):
    try:
        images = to_mnist_images(mutated(files[format], places, fill, cut))
    except InputError:
        return
    assert all((image.shape, image.dtype) == ((28, 28), np.uint8) for image in images)


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


MUTATIONS = {
    "format": st.sampled_from(FORMATS),
    "places": st.lists(st.integers(0, 1 << 20), min_size=1, max_size=6),
    "fill": st.integers(0, 255),
    "cut": st.sampled_from([0, 0, 0, 5, 50]),  # percent
}


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged metadata
@settings(max_examples=300, derandomize=True, **QUIET)
@given(**MUTATIONS)
def test_damaged_pictures_are_prepared_or_refused(files, format, places, fill, cut):
    prepared_or_refused(files, format, places, fill, cut)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=10_000, **QUIET)
@given(**MUTATIONS)
def test_many_damaged_pictures_are_prepared_or_refused(files, format, places, fill, cut):
    prepared_or_refused(files, format, places, fill, cut)
