"""Glyphs of freely licensed fonts as pictures of ink, half of the font packages held out.

    python tools/rendered_fonts.py            # writes benchmarks/results/fonts.csv: package, families, licenses, part

The fonts are Debian's; `apt-get install` the packages in the table. A package is held out as a whole, and so are fonts
of one design under several names.
"""

import csv
import functools
import hashlib
import re
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "fonts.csv"
SIZE = 64  # pixels that a glyph is high or wide
DIGITS = "0123456789"
# Letters that nobody takes for a digit; O, l, S, Z, b, g, q and their like are left out.
LETTERS = "ACEFHKMNPRUVWXYacdefhkmnprtuvwx"
CLONES = (  # designs that several packages hold, all for training
    *("urw-base35", "texgyre", "freefont", "liberation", "uralic", "linex", "johnsmith-induni"),
    *("dejavu", "yozvox", "lobster"),
)
LEFT_OUT = (
    re.compile(  # families whose digits are symbols, lie on their side, or stand in lines and boxes
        r"BRK|Symbol|D050000L|90|_p|_g|Abecedario|Nushu|Keyboard|Math|Binary|IPA|API|unifur|Dings",
        re.I,
    )
)


@functools.cache
def list_faces() -> list[tuple[str, str, str]]:
    """Returns (package, family, file) of all upright and italic faces that hold digits and letters, sorted."""
    wanted = " ".join(f"{ord(c):x}" for c in DIGITS + LETTERS)
    listing = subprocess.run(
        ["fc-list", f":charset={wanted}", "file", "family"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    faces = []
    for line in listing.splitlines():
        path, _, family = line.partition(": ")
        family = family.split(",")[0].replace("\\", "")
        if not LEFT_OUT.search(family) and path.startswith("/usr/share/fonts"):
            faces.append((family, path))
    packages = _packages([path for _, path in faces])
    found = {(packages[path], family, path) for family, path in faces if path in packages}
    return sorted(found)


def _packages(paths: list[str]) -> dict[str, str]:
    owners = {}
    for start in range(0, len(paths), 500):
        lines = subprocess.run(
            ["dpkg", "-S", *paths[start : start + 500]], capture_output=True, text=True, check=False
        ).stdout.splitlines()
        owners |= {line.split(": ", 1)[1]: line.split(":", 1)[0] for line in lines}
    return owners


def is_held_out(package: str) -> bool:
    """Tells whether a package's fonts are for testing only: half of them are, by the hash of the name."""
    if any(name in package for name in CLONES):
        return False
    return hashlib.sha256(package.encode()).digest()[0] % 2 == 1


@functools.cache
def render(path: str, character: str) -> np.ndarray | None:
    """Returns the ink of a glyph, uint8, its longer side `SIZE` pixels; None where there is none."""
    font = ImageFont.truetype(path, 80)
    box = font.getbbox(character)
    if box[2] - box[0] < 4 or box[3] - box[1] < 8:
        return None
    image = Image.new("L", (box[2] - box[0] + 2, box[3] - box[1] + 2))
    ImageDraw.Draw(image).text((1 - box[0], 1 - box[1]), character, fill=255, font=font)
    box = image.getbbox()
    if box is None:
        return None
    image = image.crop(box)
    scale = SIZE / max(image.size)
    size = [max(3, round(side * scale)) for side in image.size]
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def read_faces(held_out: bool) -> dict[str, list[str]]:
    """Returns the files of each family of one part."""
    families: dict[str, list[str]] = {}
    for package, family, path in list_faces():
        if is_held_out(package) == held_out:
            families.setdefault(family[:4] if family.startswith("YOz") else family, []).append(path)
    return families


def describe_licenses(package: str) -> str:
    """Returns the licenses that a package's copyright file names."""
    text = Path(f"/usr/share/doc/{package}/copyright").read_text(encoding="utf-8", errors="replace")
    names = sorted(set(re.findall(r"^License: *(\S.*)$", text, re.M)))
    return "; ".join(names) or "see the package's copyright file"


def main() -> None:
    rows: dict[str, set[str]] = {}
    for package, family, _ in list_faces():
        rows.setdefault(package, set()).add(family)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["package", "part", "families", "licenses"])
        for package, families in sorted(rows.items()):
            part = "held out" if is_held_out(package) else "training"
            writer.writerow(
                [package, part, "; ".join(sorted(families)), describe_licenses(package)]
            )
    print(f"{len(rows)} packages")


if __name__ == "__main__":
    main()
