"""The app in a real browser: a digit is drawn and read, photos and garbage are taken, nothing comes from elsewhere."""

import shutil

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from mnist_keras.data.augmentation.strokes import WAYS, draw_ink

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.slow
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
SEVEN = [(0.3, 0.25), (0.7, 0.25), (0.55, 0.5), (0.45, 0.8)]  # of the sheet's width and height
ONE = [(0.5, 0.2), (0.5, 0.8)]


@pytest.fixture(scope="module")
def windows():
    """A browser that keeps the page's files, so that the next window opens at once."""
    with sync_playwright() as playwright:
        camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *camera]
        )
        yield browser.new_context(viewport={"width": 1280, "height": 900})
        browser.close()


@pytest.fixture
def page(windows, url):
    """The app in a window of its own, which fails on an error of the page and on a request to elsewhere."""
    page = windows.new_page()
    page.set_default_timeout(15_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: line.type == "error" and problems.append(line.text))
    page.on(
        "request",
        lambda request: is_foreign(request.url, url) and problems.append(request.url),
    )
    page.goto(url)
    page.wait_for_selector("#digit-sheet canvas")
    yield page
    page.close()
    assert not problems


def is_foreign(address, url):
    return not address.startswith((url, "data:", "blob:"))


def draw(page, points, *, sheet="#digit-sheet", size=(1, 1), shift=(0, 0)):
    """Draws a stroke through points, given in parts of the sheet."""
    box = page.locator(f"{sheet} canvas").bounding_box()
    places = [
        (
            box["x"] + box["width"] * (shift[0] + size[0] * x),
            box["y"] + box["height"] * (shift[1] + size[1] * y),
        )
        for x, y in points
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def drawn_digit(digit, *, margin=60):
    """Returns a photo of a digit: dark ink on gray paper."""
    way = next(way for way in WAYS if way.digit == digit)
    ink = np.pad(draw_ink(way, np.random.default_rng(digit)), margin)
    return Image.fromarray(220 - (ink * 0.7).astype(np.uint8))


def answer(page):
    return page.locator("#digit-answer .digit")


@needs_chromium
def test_a_digit_is_read_while_it_is_drawn(page):
    expect(answer(page)).to_have_text("?")
    box = page.locator("#digit-sheet canvas").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"], steps=10)
    expect(answer(page)).to_have_text("1")  # the pen is still down
    page.mouse.up()
    expect(page.locator("#digit-answer .top span").first).to_have_text("1")


@needs_chromium
def test_the_answer_shows_probabilities_what_the_model_saw_and_where_it_looked(page):
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")
    expect(page.locator("#digit-answer .says")).to_contain_text("% sure")
    assert page.locator("#digit-answer .bars li").count() == 10
    for name in ("What the model saw", "Where it looked"):
        size = page.get_by_alt_text(name).evaluate(
            "image => [image.naturalWidth, image.naturalHeight]"
        )
        assert size == [28, 28]
    assert (
        page.get_by_alt_text("What the model saw").evaluate(
            "image => getComputedStyle(image).imageRendering"
        )
        == "pixelated"
    )


@needs_chromium
def test_clear_empties_the_sheet_and_the_answer(page):
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")
    page.get_by_role("button", name="Clear").first.click()
    expect(answer(page)).to_have_text("?")
    expect(page.get_by_text("Draw a digit here")).to_be_visible()
    draw(page, ONE)  # nothing of the 7 is left
    expect(answer(page)).to_have_text("1")


@needs_chromium
def test_a_photo_is_read_and_the_next_stroke_begins_anew(page, tmp_path):
    drawn_digit(3).save(photo := tmp_path / "photo.jpg")
    page.set_input_files("#digit-sheet input", photo)
    expect(answer(page)).to_have_text("3")
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")


@needs_chromium
def test_a_large_photo_is_made_smaller_before_it_is_sent(page, tmp_path):
    drawn_digit(8).resize((3000, 3000)).save(photo := tmp_path / "photo.png")
    with page.expect_request(
        lambda request: request.method == "POST" and "name" in (request.post_data or "")
    ) as sent:
        page.set_input_files("#digit-sheet input", photo)
    assert "data:image/jpeg" in sent.value.post_data
    expect(answer(page)).to_have_text("8")


@needs_chromium
def test_what_is_no_picture_is_a_sentence(page, tmp_path):
    (garbage := tmp_path / "garbage.png").write_text("hello")
    page.set_input_files("#digit-sheet input", garbage)
    alert = page.locator("#digit-answer [role=alert]")
    expect(alert).to_contain_text("garbage.png is not a readable picture. Expected one of BMP,")
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")


@needs_chromium
def test_the_camera_takes_a_photo(page):
    page.get_by_role("button", name="Camera").first.click()
    page.get_by_role("button", name="Take the photo").click()
    expect(page.get_by_alt_text("What the model saw")).to_be_visible()
    expect(page.locator("#digit-sheet video")).to_be_hidden()


@needs_chromium
def test_another_model_and_another_school(page):
    draw(page, SEVEN)
    expect(page.get_by_label("european")).to_be_visible()
    page.get_by_label("european").check()
    expect(answer(page)).to_have_text("7")
    page.get_by_label("Model").click()
    page.get_by_role("option", name="softmax_regression").click()
    expect(page.get_by_label("european")).to_be_hidden()  # this model knows no schools
    expect(page.locator("#digit-answer .says")).to_contain_text("% sure")


@needs_chromium
def test_a_number_is_read_in_the_other_tab(page, tmp_path):
    page.get_by_role("tab", name="A number").click()
    number = page.locator("#number-answer .number")
    for place, stroke in enumerate((ONE, SEVEN, ONE)):
        draw(page, stroke, sheet="#number-sheet", size=(0.2, 0.8), shift=(0.1 + 0.25 * place, 0.1))
    expect(number).to_have_text("171")
    assert page.locator("#number-answer .cells img").count() == 3
    (garbage := tmp_path / "garbage.png").write_text("hello")
    page.set_input_files("#number-sheet input", garbage)
    expect(page.locator("#number-answer [role=alert]")).to_contain_text("garbage.png is not")
    page.get_by_role("button", name="Clear").last.click()
    expect(page.locator("#number-answer .digit")).to_have_text("?")


@needs_chromium
def test_a_phones_width_is_enough(page):
    page.set_viewport_size({"width": 390, "height": 844})
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = answer(page).bounding_box()
    assert box["y"] + box["height"] < 844  # the answer is seen without scrolling
    for button in page.locator("#digit-sheet button").all():
        assert button.bounding_box()["height"] >= 44  # what a finger hits
