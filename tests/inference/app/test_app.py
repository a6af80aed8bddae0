"""The app in a real browser: a digit is drawn and read, photos and garbage are taken, nothing comes from elsewhere."""

import contextlib
import http.client
import re
import shutil
import socket
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest
from errors import error_of
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from mnist_keras._html import escape
from mnist_keras._validation import MissingExtraError
from mnist_keras.data.augmentation.strokes import WAYS, draw_ink
from mnist_keras.inference.app.answers import (
    BLUE,
    ORANGE,
    answer_html,
    bars_html,
    color_saliency,
    percent,
    sureness,
)
from mnist_keras.inference.app.reader import MAX_BYTES, Reader
from mnist_keras.inference.app.server import MAX_REQUEST, serve_app
from mnist_keras.inference.classifier import Prediction

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.slow
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
SEVEN = [(0.3, 0.25), (0.7, 0.25), (0.55, 0.5), (0.45, 0.8)]  # of the sheet's width and height
ONE = [(0.5, 0.2), (0.5, 0.8)]


@pytest.fixture(scope="module")
def url():
    with serve_app(port=0) as url:
        yield url


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


def request(url, method, path, **headers):
    with contextlib.closing(
        http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    ) as connection:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


def test_the_page_may_load_nothing_from_elsewhere(url):
    status, content, headers = request(url, "GET", "/")
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    loaded = re.findall(rb"<(?:script|link)[^>]+(?:src|href)=\"([^\"]+)\"", content)
    assert loaded and not [address for address in loaded if b"//" in address]
    assert b'analytics_enabled":false' in content.replace(b" ", b"")


def test_requests_are_limited(url):
    assert MAX_REQUEST > MAX_BYTES * 4 / 3
    for headers in ({"Content_Length": str(MAX_REQUEST + 1)}, {"Transfer_Encoding": "chunked"}):
        status, content, _ = request(url, "POST", "/gradio_api/upload", **headers)
        assert (status, content) == (413, b"The request is too large, or of unknown length.")
    status, _, _ = request(url, "GET", "/", Host="elsewhere.example")
    assert status == 400  # a name that leads here from elsewhere


def test_a_picture_that_is_too_large_is_a_sentence():
    sheet = {"name": "large.tif", "picture": "", "size": MAX_BYTES + 1}
    html = Reader("softmax_regression").read_digit(sheet, "softmax_regression", "auto")
    assert "large.tif has 20,000,001 bytes. Expected a picture of at most 20,000,000." in html


def test_names_are_shown_as_they_are():
    assert "&lt;b&gt;" in answer_html("!", "<b>.png is not a readable picture")
    assert "&lt;b&gt;" in bars_html(["<b>", "shoe"])


@pytest.mark.parametrize(
    ("score", "shown", "says", "short"),
    [
        (1.0, ">99.9%", "over 99.9% sure", ">99%"),
        (0.9996, ">99.9%", "over 99.9% sure", ">99%"),
        (0.9994, "99.9%", "99.9% sure", ">99%"),
        (0.994, "99.4%", "99.4% sure", "99%"),
        (0.0, "0.0%", "0.0% sure", "0%"),
    ],
)
def test_the_bar_and_the_words_agree(score, shown, says, short):
    prediction = Prediction(0, "0", score, np.array([score, 1 - score]), None, "picture 0")
    assert f"<span>{escape(shown)}</span>" in bars_html("01", prediction)
    assert sureness(score) == says
    assert percent(score, decimals=0) == short


def test_where_it_looked_is_in_two_colors():
    image, saliency = np.ones((2, 2), np.float32), np.array([[2.0, -2.0], [0.0, 0.0]])
    colors = color_saliency(image, saliency)
    assert tuple(colors[0, 0]) == ORANGE and tuple(colors[0, 1]) == BLUE
    assert (colors[1] == colors[1, 0, 0]).all()  # gray
    assert not color_saliency(image * 0, saliency * 0).any()


def test_a_port_in_use_and_an_address_of_nobody():
    def serve(**options):
        with serve_app("softmax_regression", **options):
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert error_of(serve, port=port) == (
            f"Port {port} is in use, perhaps by another app. Choose another one, such as {port + 1}."
        )
    assert error_of(serve, host="no.such.host.invalid").startswith(
        "Cannot listen on no.such.host.invalid, port 7860: "
    )
    assert error_of(serve, host="") == (
        "Invalid `host`. Expected an address: 127.0.0.1 for only this computer, 0.0.0.0 for its whole network. "
        "Received: ''."
    )
    assert error_of(serve, port=70_000).startswith(
        "Invalid `port`. Expected an integer of at least 0 and at most 65535"
    )


def test_without_gradio_the_command_that_brings_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "mnist_keras.inference.app.page", raising=False)
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtraError) as caught, serve_app(port=0):
        pass
    assert str(caught.value) == (
        "The app needs the extra 'app'. Install it with: pip install \"mnist-keras[app]\""
    )
