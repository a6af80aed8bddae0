"""The page: small, it prepares pictures as Python does, and in Chromium it answers as Keras does, without a network."""

import base64
import io
import json
import re

import keras
import numpy as np
import pytest
from digit_pictures import KINDS, draw_large
from errors import error_of
from PIL import Image
from scipy import ndimage

import mnist_keras as mk
from mnist_keras.inference.export import export_model
from mnist_keras.inference.formats import web
from mnist_keras.inference.pictures import load_picture
from mnist_keras.inference.prediction import predict_probabilities
from mnist_keras.inference.preprocessing import prepare

WIDTHS = [1280, 390]  # pixels, of a laptop and of a phone


@pytest.fixture(scope="module")
def digits():
    data = mk.load_data("digits")
    return data.train_images, data.train_labels


@pytest.fixture(scope="module")
def page_path(tmp_path_factory, digits):
    """The page of `cnn_tiny`."""
    path = tmp_path_factory.mktemp("pages") / "page.html"
    return export_model(mk.load_model("cnn_tiny"), path, format="web", data=digits).path


@pytest.fixture
def open_page(browser, page_path):
    """Opens a page from the disk; what goes wrong in it fails the test."""
    pages, trouble = [], []

    def open(width=1280, **options):
        page = browser.new_page(viewport={"width": width, "height": 800}, **options)
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(page_path.as_uri())
        pages.append(page)
        return page

    requests = []
    yield open
    for page in pages:
        page.close()
    assert trouble == []
    assert [url for url in requests if not url.startswith(("file:", "blob:", "data:"))] == []


def draw(page, points):
    """Moves the mouse with its button down through points given as shares of the drawing's sides."""
    box = page.locator("#drawing").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def shows(page, place, text):
    """Waits until the page shows a text in that place."""
    from playwright.sync_api import expect

    expect(page.locator(place)).to_have_text(text, timeout=30_000)  # milliseconds


def as_text(images):
    return base64.b64encode(np.ascontiguousarray(images).tobytes()).decode()


def as_png(picture):
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file := io.BytesIO(), "PNG")
    return file.getvalue()


def seen_by(page):
    """Returns the 28x28 pixels that the page shows."""
    url = page.evaluate("document.getElementById('seen').toDataURL()")
    content = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("L")).astype(int)


SEVEN = [(0.3, 0.2), (0.7, 0.2), (0.62, 0.4), (0.5, 0.6), (0.42, 0.82)]
ONE = [(0.5, 0.15), (0.5, 0.85)]
FILES = {  # as a browser opens them; a PNG holds no CMYK and no channels first
    kind: change for kind, change in KINDS.items() if kind not in ("CMYK", "channels first")
}


@pytest.mark.parametrize(("name", "most"), [("cnn_tiny", 120_000), ("cnn_accurate", 2_500_000)])
def test_a_page_is_small(tmp_path, name, most):
    path = tmp_path / "page.html"
    model = mk.load_model(name)
    web.write(model, path, image_shape=(28, 28), class_names=list("0123456789"))
    assert path.stat().st_size < most


def test_a_page_holds_all_that_it_needs(page_path):
    text = page_path.read_text()
    assert "default-src 'none'" in text  # the browser itself refuses to fetch anything
    assert not re.search(r"(src|href)=|@import|https?://", text)
    assert "{{" not in text


# Preparation, in V8


@pytest.fixture(scope="module")
def engine(page_path):
    from py_mini_racer import MiniRacer

    with MiniRacer() as engine:
        engine.eval(web.script_of(page_path, "library"))
        yield engine


def check_prepared(engine, picture):
    """Holds the page's 28x28 pixels within two levels of Python's."""
    height, width = picture.shape[:2]
    rgba = np.dstack([picture, np.full((height, width), 255, np.uint8)])
    call = f"prepare(decodeBase64({json.dumps(as_text(rgba))}), {height}, {width})"
    received = json.loads(engine.eval(f"JSON.stringify({call}.map((x) => Array.from(x)))"))
    expected = prepare(picture)
    assert len(received) == len(expected)
    for image, right in zip(received, expected, strict=True):
        np.testing.assert_allclose(np.array(image).reshape(28, 28), right, atol=2)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_each_kind_are_prepared_as_in_python(engine, kind):
    check_prepared(engine, load_picture(KINDS[kind](draw_large(5))))


@pytest.mark.parametrize("digit", range(10))
def test_each_digit_is_prepared_as_in_python(engine, digit):
    check_prepared(engine, load_picture(255 - draw_large(digit, seed=digit)))


def squares(ink):
    return np.where((np.indices(ink.shape) % 41 < 2).any(axis=0), 150, 255).astype(np.uint8)


def barred(ink):
    rows, columns = np.indices(ink.shape)
    return np.where((rows // 8 == 10) & (columns > ink.shape[1] // 2), 0, 255 - ink)


def slope(ink):
    rows, columns = np.indices(ink.shape)
    return rows - columns / 2 - 80


def bar(ink):
    return 1 - 0.3 * ndimage.gaussian_filter((np.abs(slope(ink)) < 30).astype(float), 9)


PAPERS = {
    "blank": lambda ink: ink * 0 + 200,
    "as in MNIST": lambda ink: prepare(load_picture(ink))[0],
    "small": lambda ink: np.asarray(Image.fromarray(255 - ink).resize((20, 24))),
    "hairlines": lambda ink: 255 - ndimage.grey_erosion(ink, 11),
    "ruled": lambda ink: np.where(np.arange(len(ink))[:, None] % 40 < 2, 150, 255 - ink),
    "squared, turned": lambda ink: np.minimum(
        255 - ink, np.asarray(Image.fromarray(squares(ink)).rotate(1, fillcolor=255))
    ),
    "a page on a table": lambda ink: np.pad(255 - ink, 120, constant_values=40),
    "a stroke to the border": barred,
    "two digits": lambda ink: np.hstack([255 - ink, np.full_like(ink, 255), 255 - ink]),
    "under a shadow": lambda ink: bar(ink) * (255 - ink),
    "shadows on both sides": lambda ink: bar(ink) * bar(ink)[:, ::-1] * (255 - ink),
    "a shadow and noise": lambda ink: bar(ink) * np.random.default_rng(0).normal(215, 9, ink.shape),
    "a shadow alone": lambda ink: 225 - 70 / (1 + np.exp(-slope(ink) / 8)),
    "specks": lambda ink: np.where(
        np.random.default_rng(0).random(ink.shape) > 0.999, 0, 255 - ink
    ),
}


@pytest.mark.parametrize("paper", PAPERS)
def test_each_step_of_the_preparation_is_pythons(engine, paper):
    check_prepared(engine, load_picture(PAPERS[paper](draw_large(3)).astype(np.uint8)))


# In Chromium


@pytest.mark.slow
def test_chromium_answers_as_keras_does(open_page, digits):
    page, images = open_page(), digits[0][:1000]
    answers = page.evaluate(
        "(text) => { const images = decodeBase64(text); return Array.from({length: images.length / 784}, (_, i) =>"
        "Array.from(predict(model, weights, images.subarray(784 * i, 784 * (i + 1))))); }",
        as_text(images),
    )
    expected = predict_probabilities(mk.load_model("cnn_tiny"), images)
    np.testing.assert_allclose(answers, expected, atol=1e-4)
    assert (np.argmax(answers, axis=1) == expected.argmax(axis=1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("stroke", "digit"), [(SEVEN, "7"), (ONE, "1")])
def test_a_digit_that_is_drawn_with_the_mouse_is_read(open_page, width, stroke, digit):
    page = open_page(width=width)
    draw(page, stroke)
    shows(page, "#label", digit)
    assert re.fullmatch(r">?\d+\.\d% sure", page.inner_text("#note"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#clear")
    assert page.inner_text("#label") == "" and not seen_by(page).any()


@pytest.mark.slow
def test_a_finger_draws(open_page):
    page = open_page(width=390, has_touch=True, is_mobile=True)
    box = page.locator("#drawing").bounding_box()
    client = page.context.new_cdp_session(page)
    for share in (0.15, 0.4, 0.6, 0.85):
        kind = "touchStart" if share == 0.15 else "touchMove"
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + share * box["height"]}
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    shows(page, "#label", "1")


@pytest.mark.slow
def test_pictures_that_are_opened_are_prepared_as_in_python(open_page):
    page = open_page()
    for kind, change in FILES.items():
        picture = change(draw_large(5))
        content = as_png(picture)
        page.click("#clear")
        file = {"name": "five.png", "mimeType": "image/png", "buffer": content}
        page.set_input_files("#file", file)
        shows(page, "#note", re.compile("sure$"))
        choices = [
            abs(seen_by(page) - image.astype(int)).max() for image in prepare(load_picture(content))
        ]
        assert min(choices) <= 2, kind


@pytest.mark.slow
def test_a_picture_that_is_dropped_is_read_and_a_text_is_not(open_page):
    page = open_page()
    drop = """([text, type]) => {
      const files = new DataTransfer();
      files.items.add(new File([decodeBase64(text)], 'a.file', {type}));
      document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: files, bubbles: true}));
    }"""
    content = as_png(255 - draw_large(5))
    page.evaluate(drop, [base64.b64encode(content).decode(), "image/png"])
    shows(page, "#label", "5")
    page.evaluate(drop, [base64.b64encode(b"hello").decode(), "text/plain"])
    shows(page, "#note", "a.file is not a picture that this browser can read.")
    assert page.inner_text("#label") == ""


# Bad input


def test_images_of_another_size_are_refused(tmp_path):
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    data = (np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2)
    text = error_of(export_model, model, tmp_path / "x.html", format="web", data=data)
    assert (
        text.startswith("The page prepares pictures as 28x28 pixels, and ")
        and "takes 8x8. " in text
    )
    assert text.endswith(
        "Export it to 'onnx', which runs in a browser too: see examples/13_in_a_browser.py."
    )


def test_names_of_classes_cannot_break_out_of_the_page(tmp_path):
    names = ["</script><b>", *"123456789"]
    model = mk.build_mlp((4,))
    path = export_model(
        model, tmp_path / "x.html", format="web", data="digits", class_names=names
    ).path
    assert json.loads(web.script_of(path, "model"))["classNames"] == names
