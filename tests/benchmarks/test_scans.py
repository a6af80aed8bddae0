"""Scans of writers in folders: which are read together, and that the command runs."""

import csv

import numpy as np
import pytest
from digit_pictures import draw_large
from errors import error_of
from PIL import Image


def write_scans(folder, digits=range(10), writers=("0001_CH", "0002_US")):
    for writer in writers:
        for digit in digits:
            path = folder / writer / str(digit) / "a.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(255 - draw_large(digit)).save(path)
    return folder


def test_a_page_holds_at_most_twenty_pictures_of_one_writer(benchmark, tmp_path):
    for writer, count in (("a", 45), ("b", 3)):
        (folder := tmp_path / writer / "7").mkdir(parents=True)
        for number in range(count):
            (folder / f"{number}.png").touch()
    (tmp_path / "b" / "notes").mkdir()
    (tmp_path / "b" / "notes" / "7.png").touch()
    scans = benchmark("scans")
    pages = scans.find_pages(tmp_path)
    assert [len(page) for page in pages] == [20, 20, 5, 3]
    assert [{path.parent.parent.name for path in page} for page in pages] == [{"a"}] * 3 + [{"b"}]
    assert pages[0] != sorted(pages[0])
    assert scans.find_pages(tmp_path) == pages
    assert [len(page) for page in scans.find_pages(tmp_path, "b*")] == [3]


def test_a_folder_without_writers_is_an_error(benchmark, tmp_path):
    find_pages = benchmark("scans").find_pages
    assert error_of(find_pages, tmp_path, "*_CH*") == (
        f"{tmp_path} holds no pictures of writers named *_CH*. Expected files such as {tmp_path}/writer/7/1.png."
    )


@pytest.mark.slow
def test_the_command_writes_a_row_for_each_reading_and_digit(benchmark, monkeypatch, tmp_path):
    scans, folder = benchmark("scans"), write_scans(tmp_path / "scans")
    out = tmp_path / "out"
    monkeypatch.setattr(
        "sys.argv", ["scans.py", str(folder), "--writers", "*_CH", "--out", str(out)]
    )
    scans.main()
    with (out / "scans.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by_reading = {row["reading"]: row for row in rows if row["true"] == "all"}
    assert len(rows) == 11 * len(by_reading) == 66
    assert {row["images"] for row in by_reading.values()} == {"10"}
    assert float(by_reading["DigitClassifier"]["accuracy"]) >= 0.9
    swapped = [row["true"] for row in rows if row["read_as_7_or_1"]]
    assert np.unique(swapped).tolist() == ["1", "7"]
