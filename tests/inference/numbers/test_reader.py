"""`read_number`: rows of digits in pictures, whose answers are known."""

import numpy as np
import pytest
from drawn_numbers import HEIGHT, on_paper, write
from errors import error_of
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import ExifTags, Image
from scipy import ndimage

import mnist_keras as mk


@pytest.fixture(scope="module")
def classifier():
    return mk.DigitClassifier.from_pretrained()


@pytest.mark.parametrize("text", ["7", "42", "3805", "0123456789", "-27", "3.14", "1,50", "-0.6"])
def test_a_row_is_read(classifier, text):
    (line,) = mk.read_number(on_paper(write(text)[0]), classifier=classifier)
    assert line.text == text
    assert [str(digit.label) for digit in line.digits] == [x for x in text if x.isdigit()]
    assert 0.1 < line.confidence <= min(digit.confidence for digit in line.digits)


def test_boxes_are_in_pixels_of_the_source(classifier, tmp_path):
    ink, boxes = write("528")
    for factor in (1, 8):
        picture = Image.fromarray(on_paper(ink))
        picture = picture.resize([factor * side for side in picture.size])
        picture.save(path := tmp_path / f"{factor}.png")
        (line,) = mk.read_number(path, classifier=classifier)
        assert line.text == "528"
        assert np.allclose(np.array(line.boxes) / factor, boxes, atol=3)
        assert line.digits[1].source == f"{path}, line 1, digit 2"
        assert line.digits[1].image.shape == (28, 28)


def trimmed(ink):
    rows, columns = (np.flatnonzero((ink > 60).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@pytest.mark.parametrize("text", ["0", "2", "63", "28"])
@pytest.mark.parametrize("factor", [1, 0.5])
def test_a_tight_crop_has_all_its_digits(classifier, text, factor):
    picture = Image.fromarray(on_paper(trimmed(write(text)[0])))
    picture = picture.resize([round(factor * side) for side in picture.size])
    assert [line.text for line in mk.read_number(picture, classifier=classifier)] == [text]


def test_boxes_end_at_the_edges_of_the_picture(classifier, tmp_path):
    turned = np.clip(ndimage.rotate(trimmed(write("630064")[0]), 11, order=1), 0, 255)
    for factor in (1, 7):  # the larger one is reduced as it is loaded
        picture = Image.fromarray(on_paper(trimmed(turned.astype(np.uint8))))
        picture = picture.resize([factor * side - factor // 2 for side in picture.size])
        picture.save(path := tmp_path / f"{factor}.jpg")
        (line,) = mk.read_number(path, classifier=classifier)
        assert line.text == "630064"
        left, top, wide, high = np.transpose(line.boxes)
        assert min(left.min(), top.min()) == 0
        assert (left + wide).max() == picture.width and (top + high).max() <= picture.height
        assert min(wide.min(), high.min()) > 0


def test_boxes_are_in_the_upright_picture(classifier, tmp_path):
    ink, boxes = write("528")
    picture = Image.fromarray(on_paper(ink))
    picture = picture.resize([8 * side for side in picture.size])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # taken with the camera turned
    picture.rotate(90, expand=True).save(path := tmp_path / "turned.jpg", exif=exif)
    (line,) = mk.read_number(path, classifier=classifier)
    assert line.text == "528"
    assert np.allclose(np.array(line.boxes) / 8, boxes, atol=3)


def test_digits_that_touch(classifier):
    ink, _ = write("4536", gap=-4)
    assert ndimage.label(ink > 80)[1] < 4
    (line,) = mk.read_number(on_paper(ink), classifier=classifier)
    assert line.text == "4536"


def test_rows_come_from_top_to_bottom_and_from_left_to_right(classifier):
    first, second, third = (write(text)[0] for text in ("123", "45", "6789"))
    page = np.zeros((360, 900), np.uint8)
    page[:180, : first.shape[1]] = first
    page[:180, 900 - second.shape[1] :] = second
    page[180:, : third.shape[1]] = third
    for turned in (page, np.clip(ndimage.rotate(page, 2, order=1, reshape=False), 0, 255)):
        lines = mk.read_number(on_paper(turned), classifier=classifier)
        assert [line.text for line in lines] == ["123", "45", "6789"]


def test_chalk_a_shadow_and_ruled_paper(classifier):
    ink, _ = write("2058")
    assert [x.text for x in mk.read_number(ink // 2 + 40, classifier=classifier)] == ["2058"]
    shadow = on_paper(ink) * np.linspace(1, 0.4, ink.shape[1])[None]
    assert [x.text for x in mk.read_number(shadow.astype(np.uint8), classifier=classifier)] == [
        "2058"
    ]
    ruled = on_paper(ink)
    ruled[20::70] = np.minimum(ruled[20::70], 150)
    assert [x.text for x in mk.read_number(ruled, classifier=classifier)] == ["2058"]


def test_a_broken_stroke_is_joined(classifier):
    ink, boxes = write("57")
    ink[HEIGHT + 9 : HEIGHT + 12, : boxes[0][0] + boxes[0][2]] = 0
    (line,) = mk.read_number(on_paper(ink), classifier=classifier)
    assert line.text == "57"


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_holds_no_number(classifier, level):
    assert mk.read_number(np.full((90, 300), level, np.uint8), classifier=classifier) == []


@pytest.mark.parametrize("shape", [(240, 320), (320, 240)])
def test_the_dark_corners_of_a_blank_photo_are_not_numbers(classifier, shape):
    y, x = (np.linspace(-0.5, 0.5, side) for side in shape)
    light = 235 - 240 * (x[None] ** 2 + y[:, None] ** 2)
    noise = np.random.default_rng(0).normal(0, 2, shape)
    photo = np.clip(light + noise, 0, 255).astype(np.uint8)
    assert mk.read_number(photo, classifier=classifier) == []


def test_a_picture_of_noise_or_of_one_bar_is_answered(classifier):
    noise = np.random.default_rng(0).integers(0, 256, (400, 600), np.uint8)
    text = error_of(mk.read_number, noise, classifier=classifier)
    assert "rows of marks. Expected at most 100: cut out the part with the numbers." in text
    for picture in (
        noise[:60, :90],
        np.eye(200, dtype=np.uint8) * 255,
        np.tri(300, dtype=np.uint8) * 200,
    ):
        assert isinstance(mk.read_number(picture, classifier=classifier), list)


def test_a_picture_of_28x28_and_one_of_one_pixel(classifier):
    image = mk.to_mnist_image(on_paper(write("8")[0]))
    assert [line.text for line in mk.read_number(image, classifier=classifier)] == ["8"]
    assert mk.read_number(np.zeros((1, 1), np.uint8), classifier=classifier) == []
    assert mk.read_number(np.zeros((1, 3000), np.uint8), classifier=classifier) == []


def test_the_school_is_that_of_the_page(classifier):
    lines = mk.read_number(on_paper(write("1717")[0]), classifier=classifier, writing="american")
    assert len(lines) == 1
    assert "Did you mean 'european'?" in error_of(mk.read_number, noise_of(), writing="europan")


def noise_of():
    return np.zeros((28, 28), np.uint8)


def test_another_classifier():
    lines = mk.read_number(on_paper(write("35")[0]), classifier="cnn_fast")
    assert [line.text for line in lines] == ["35"]


def test_bad_input_is_a_sentence(classifier, tmp_path):
    (path := tmp_path / "text.png").write_text("hello")
    assert "is not a readable picture" in error_of(mk.read_number, path, classifier=classifier)
    assert "Invalid `source`" in error_of(mk.read_number, 5, classifier=classifier)
    text = error_of(mk.read_number, noise_of(), classifier=5)
    assert text.startswith("Invalid `classifier`. Expected a DigitClassifier, a registered name")
    fashion = mk.DigitClassifier(
        mk.build_softmax_regression(), class_names=[f"class {i}" for i in range(10)]
    )
    assert "takes a classifier of ten digits" in error_of(
        mk.read_number, noise_of(), classifier=fashion
    )


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 200)),
    seed=st.integers(0, 2**32 - 1),
    blur=st.floats(0, 6),
    share=st.floats(0, 1),
)
def test_whatever_is_drawn_has_an_answer(classifier, shape, seed, blur, share):
    rng = np.random.default_rng(seed)
    picture = np.where(rng.uniform(size=shape) < share, 255.0, 0.0)
    picture = ndimage.gaussian_filter(picture, blur).astype(np.uint8)
    for line in mk.read_number(picture, classifier=classifier):
        assert (
            len(line.digits) == len(line.boxes) == sum(x.isdigit() or x == "?" for x in line.text)
        )
        assert 0 <= line.confidence <= 1


@pytest.mark.parametrize("fall", [-14, 13])
def test_a_steep_row_is_leveled(classifier, fall):
    ink, boxes = write("40728")
    turned = np.clip(ndimage.rotate(ink, -fall, order=1), 0, 255)
    (line,) = mk.read_number(on_paper(turned), classifier=classifier)
    assert line.text == "40728"
    angle, height = np.deg2rad(fall), np.array(ink.shape) / 2
    for (left, top, wide, high), box in zip(boxes, line.boxes, strict=True):
        x, y = left + wide / 2 - height[1], top + high / 2 - height[0]
        x, y = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
        middle = x + turned.shape[1] / 2, y + turned.shape[0] / 2
        assert np.hypot(box[0] + box[2] / 2 - middle[0], box[1] + box[3] / 2 - middle[1]) < 6


@pytest.mark.parametrize("text", ["1724", "3805"])
def test_a_clear_number_has_a_high_confidence(classifier, text):
    ink = ndimage.grey_dilation(write(text)[0], 5)  # a thick pen
    (line,) = mk.read_number(on_paper(ink), classifier=classifier)
    assert line.text == text
    assert line.confidence > 0.8
