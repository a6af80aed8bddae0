"""Measures how quickly the app opens and answers, in a real browser.

    python benchmarks/app.py    # a minute; results/app.csv

Opening time runs from starting `mnist-keras app` in a fresh process until its page can be drawn on, in Debian's
Chromium. Answer time runs from the end of a stroke until the answer is on the page. Reading is the part of it that the
preparation, the model and the map of where it looked take.
"""

import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
from command import Parser, run_command, write_rows
from machine import summary

OPENINGS, ANSWERS = 3, 60
STROKES = {  # in parts of the sheet
    "1": [(0.5, 0.2), (0.5, 0.8)],
    "7": [(0.3, 0.25), (0.7, 0.25), (0.55, 0.5), (0.45, 0.8)],
}


def main() -> None:
    args = Parser(__doc__, data=False, quick=True).parse_args()
    openings, answers = (1, 3) if args.quick else (OPENINGS, ANSWERS)
    opened, spent, answered = measure_in_browser(openings, answers)
    measured = {  # seconds, and the goal
        "from the command to a page to draw on": (opened, "under 10 s"),
        "processor time of the command until then": (spent, ""),
        "from the end of a stroke to the answer": (answered, "under 100 ms"),
        "the reading alone": (measure_reading(answers), ""),
    }
    rows = [
        {
            "what": what,
            "n": len(values),
            "median_milliseconds": f"{1000 * statistics.median(values):.0f}",
            "worst_milliseconds": f"{1000 * max(values):.0f}",
            "goal": goal,
            "load": f"{os.getloadavg()[0]:.0f}",
            "machine": summary(),
        }
        for what, (values, goal) in measured.items()
    ]
    write_rows(args.out / "app.csv", rows)
    for row in rows:
        print(*(str(value) for name, value in row.items() if name != "machine"))


def measure_in_browser(openings: int, answers: int) -> tuple[list[float], ...]:
    """Returns the seconds until the page can be drawn on, the command's processor seconds, and those of each answer."""
    from playwright.sync_api import sync_playwright

    opened, spent, answered = [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for _ in range(openings):
            start = time.perf_counter()
            with serving() as (url, process), browser.new_context() as context:
                page = context.new_page()
                page.goto(url)
                page.wait_for_selector("#digit-sheet canvas")
                opened.append(time.perf_counter() - start)
                spent.append(sum(process.cpu_times()[:2]))  # of the user and of the system
                answered += [time_answer(page, "17"[i % 2]) for i in range(answers // openings)]
        browser.close()
    return opened, spent, answered


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, psutil.Process]]:
    """Runs the command until the context ends; gives its address and its process."""
    command = [sys.executable, "-m", "mnist_keras", "app", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = re.findall(r"http://\S+", process.stdout.readline())[0]
            yield url, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGINT)


def time_answer(page, digit: str) -> float:
    """Returns the seconds from the end of a digit's last stroke to its answer."""
    page.get_by_role("button", name="Clear").first.click()
    page.wait_for_selector("#digit-answer .digit.none")
    box = page.locator("#digit-sheet canvas").bounding_box()
    points = [
        (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in STROKES[digit]
    ]
    page.mouse.move(*points[0])
    # The clock is the page's own: from the event that ends the stroke to the change of the answer it causes.
    page.evaluate(CLOCK)
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point)
    page.mouse.up()
    page.wait_for_function("window.answered !== null")
    if digit not in page.inner_text("#digit-answer .digit"):
        raise OSError(f"The {digit} was not read")
    return page.evaluate("window.answered") / 1000


CLOCK = """() => {
  window.answered = null;
  const canvas = document.querySelector("#digit-sheet canvas");
  const answer = document.querySelector("#digit-answer");
  canvas.addEventListener("pointerup", () => {
    const start = performance.now();
    const watch = new MutationObserver(() => {
      if (!answer.querySelector(".digit:not(.none)")) return;
      window.answered = performance.now() - start;
      watch.disconnect();
    });
    watch.observe(answer, { subtree: true, childList: true, characterData: true, attributes: true });
  }, { once: true });
}"""


def measure_reading(answers: int) -> list[float]:
    """Returns the seconds that each reading of a drawing takes, without browser and server."""
    import base64
    import io

    from PIL import Image, ImageDraw

    from mnist_keras.inference.app.reader import Reader

    image = Image.new("RGB", (440, 440), "white")
    points = [(440 * x, 440 * y) for x, y in STROKES["7"]]
    ImageDraw.Draw(image).line(points, "black", 27, joint="curve")
    image.save(file := io.BytesIO(), "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    reader, seconds = Reader(), []
    for _ in range(answers):
        start = time.perf_counter()
        answer = reader.read_digit({"name": "7", "picture": uri}, reader.model, "auto")
        seconds.append(time.perf_counter() - start)
        assert ">7</div>" in answer
    return seconds


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    run_command(main)
