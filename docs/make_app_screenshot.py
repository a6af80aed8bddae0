"""Takes the picture of the app in the README: docs/_static/app.png.

    python docs/make_app_screenshot.py    # needs Chromium at /usr/bin/chromium

It starts the app, draws a 7 with the mouse, waits for the answer, and takes a screenshot of the page.
"""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from mnist_keras.inference.app.server import serve_app

PICTURE = Path(__file__).parent / "_static" / "app.png"
WINDOW = {"width": 1000, "height": 845}  # pixels
STROKE = [  # a 7 by hand, in parts of the sheet
    *((0.27, 0.27), (0.40, 0.25), (0.55, 0.245), (0.70, 0.235), (0.72, 0.25), (0.66, 0.36)),
    *((0.59, 0.47), (0.52, 0.60), (0.47, 0.72), (0.44, 0.82)),
]


def main() -> None:
    with serve_app(port=0) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=WINDOW)
        page.goto(url)
        box = page.wait_for_selector("#digit-sheet canvas").bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in STROKE]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places:
            page.mouse.move(*place, steps=4)
        page.mouse.up()
        page.wait_for_selector("#digit-answer .digit:not(.none)")
        page.wait_for_timeout(500)  # the last of the answers while drawing
        page.screenshot(path=PICTURE)
        browser.close()
    print(PICTURE)


if __name__ == "__main__":
    main()
