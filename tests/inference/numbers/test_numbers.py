"""`read_number`: rows of digits in pictures, whose answers are known."""

import numpy as np
import pytest
from errors import error_of
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import ExifTags, Image
from scipy import ndimage

import mnist_keras as mk
from mnist_keras.data.augmentation.strokes import WAYS, draw_ink
from mnist_keras.inference.numbers import segments
from mnist_keras.inference.numbers.cuts import find_cuts
from mnist_keras.inference.numbers.pieces import cut_pieces, find_own, image_of, make_candidates
from mnist_keras.inference.numbers.rows import (
    DIGIT_HEIGHT,
    Blot,
    find_angle,
    find_rows,
    group,
    turn,
)

HEIGHT = 60  # pixels of a drawn digit


@pytest.fixture(scope="module")
def classifier():
    return mk.DigitClassifier.from_pretrained()


def draw_digit(digit, seed=0):
    """Returns a digit's ink, 60 pixels high, without a border."""
    way = next(way for way in WAYS if way.digit == digit)
    ink = draw_ink(way, np.random.default_rng((digit, seed)))
    rows, columns = (np.flatnonzero((ink > 60).any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = max(8, round(ink.shape[1] * HEIGHT / ink.shape[0]))
    return np.asarray(Image.fromarray(ink).resize((width, HEIGHT)))


def write(text, gap=18, seed=0):
    """Returns a row of ink with a border: digits, points, commas and minus signs; and the digits' boxes."""
    sheet = np.zeros((3 * HEIGHT, 80 * len(text) + 80), np.uint8)
    left, boxes = 40, []
    for place, character in enumerate(text):
        top = HEIGHT
        if character.isdigit():
            ink = draw_digit(int(character), seed + place)
            boxes.append((left, HEIGHT, ink.shape[1], HEIGHT))
        elif character == "-":
            ink, top = np.full((7, 30), 255, np.uint8), HEIGHT + 27
        else:
            ink, top = np.full((9 if character == "." else 24, 9), 255, np.uint8), 2 * HEIGHT - 9
        part = sheet[top : top + ink.shape[0], left : left + ink.shape[1]]
        np.maximum(part, ink, out=part)
        left += ink.shape[1] + gap
    return sheet[:, : left + 40], boxes


def on_paper(ink):
    smooth = ndimage.gaussian_filter(ink.astype(np.float32), 0.7)
    return (230 - 180 / 255 * smooth).astype(np.uint8)


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


def pieces_of(ink):
    (row,) = find_rows(np.repeat(on_paper(ink)[..., None], 3, axis=2))[0]
    return row, cut_pieces(row.ink)


def units_of(pieces):
    """Returns the borders between which each unit lies."""
    begins = [place for place, border in enumerate(pieces.borders) if border.columns is None]
    return list(zip(begins, [*begins[1:], len(pieces.borders)], strict=True))


def test_units_make_up_all_ink():
    row, pieces = pieces_of(write("36", gap=-4)[0])
    assert np.count_nonzero((row.ink > 0.3) & (pieces.labels == 0)) < 20
    candidates = make_candidates(pieces)
    assert set(units_of(pieces)) <= {(c.start, c.stop) for c in candidates}


def test_two_halves_of_a_cut_unit_have_its_ink():
    _, pieces = pieces_of(write("36", gap=-4)[0])
    ends = {(c.start, c.stop) for c in make_candidates(pieces)}
    assert len(pieces.boxes) == 1
    end = len(pieces.borders)
    halves = [cut for cut in range(1, end) if {(0, cut), (cut, end)} <= ends]
    assert halves
    for cut in halves:
        sizes = [find_own(pieces, *ends)[0].sum() for ends in ((0, cut), (cut, end), (0, end))]
        assert sizes[0] + sizes[1] == sizes[2] == np.count_nonzero(pieces.labels)


def test_a_window_shows_a_digit_as_high_as_mnists_and_its_neighbors():
    _, pieces = pieces_of(write("808")[0])
    units = units_of(pieces)
    first, middle, last = (c for c in make_candidates(pieces) if (c.start, c.stop) in units)
    for candidate in (first, middle, last):
        own = candidate.window[..., 0]
        rows, columns = (
            np.flatnonzero((own > 60).any(axis=1)),
            np.flatnonzero((own > 60).any(axis=0)),
        )
        assert 18 <= np.ptp(rows) + 1 <= 22
        assert abs(rows.mean() - 13.5) <= 1.5
        assert abs(columns.mean() - 13.5) <= 1.5
        shown = candidate.window.sum(axis=2)
        assert shown.max() <= 255
        assert np.abs(image_of(candidate, pieces).astype(int) - own).mean() < 40
    others = [candidate.window[..., 1].any(axis=0) for candidate in (first, middle, last)]
    assert not others[0][:12].any()
    assert others[0][-2:].any()
    assert others[1][:2].any()
    assert others[1][-2:].any()
    assert not others[2][-12:].any()


def test_the_model_of_candidates_tells_a_digit_from_a_half_and_from_two():
    _, pieces = pieces_of(write("36", gap=-4)[0])
    candidates = make_candidates(pieces)
    answers = segments.read_segments(np.stack([c.window for c in candidates]))
    assert answers.shape == (len(candidates), 11)
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    whole = {
        (c.start, c.stop): answer[:10].sum() for c, answer in zip(candidates, answers, strict=True)
    }
    end = len(pieces.borders)
    assert whole[0, end] < 0.5
    assert max(min(whole.get((0, k), 0), whole.get((k, end), 0)) for k in range(1, end)) > 0.5


def test_weights_that_are_damaged_are_named(monkeypatch, tmp_path):
    (path := tmp_path / "segments.weights.h5").write_bytes(b"no weights")
    monkeypatch.setattr(segments, "WEIGHTS", path)
    text = error_of(segments._predictor.__wrapped__)
    assert text.startswith(f"The packaged weights {path} are damaged. Expected SHA-256 ")


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


def test_a_row_that_is_level_is_not_turned():
    for text in ("8", "41", "1709", "2222222"):
        row, _ = pieces_of(write(text)[0])
        assert row.angle == 0
    row, _ = pieces_of(write("1709")[0])
    assert np.isclose(find_angle(turn(row, 0.2).ink), -0.2, atol=0.06)


@pytest.mark.parametrize("text", ["1724", "3805"])
def test_a_clear_number_has_a_high_confidence(classifier, text):
    ink = ndimage.grey_dilation(write(text)[0], 5)  # a thick pen
    (line,) = mk.read_number(on_paper(ink), classifier=classifier)
    assert line.text == text
    assert line.confidence > 0.8


def test_a_thin_stroke_is_not_cut():
    ink = np.zeros((DIGIT_HEIGHT, 12), np.float32)
    ink[:, 4:8] = 1
    assert find_cuts(ink, 4.0) == []


def test_halves_of_a_broken_digit_are_in_one_row():
    boxes = [(73, 100, 40, 82), (48, 72, 49, 84), (51, 97, 103, 136), (47, 99, 144, 183)]
    blots = [Blot(label, *box, 200.0) for label, box in enumerate(boxes, start=1)]
    (row,) = group(blots, 35.0)
    assert sorted(blot.label for blot in row) == [1, 2, 3, 4]
    below = blots[0]._replace(top=110, bottom=140)  # a digit on the next line
    assert sorted(len(row) for row in group([below, *blots[1:]], 35.0)) == [1, 3]
