"""How well scans of real handwriting are read: a folder for each writer, in it a folder for each digit with pictures.

    python benchmarks/scans.py FOLDER [--writers "*_CH*"]    # results/scans.csv

The pictures of a writer are shuffled, and read twenty at a time: by `cnn_accurate` resized and inverted, by it and by
`cnn_real_world` after the preparation, the latter without a school, with the school inferred from the twenty, and with
the European school given. "DigitClassifier" is what a user gets: the inferred school, and an error for each digit that
is rejected as none. No model was trained or tuned on such scans.

results/scans.csv is of twenty Swiss writers: https://github.com/kensanata/numbers, which is in the public domain (CC0
1.0), as copied into the folder `numbers` of https://github.com/BSI-Business-Systems-Integration-AG/anagnostes.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from command import Parser, run_command, write_rows

from mnist_keras._validation import InputError
from mnist_keras.cli.terminal import typed_path

PAGE = 20  # pictures of one writer that are read together
SEED = 0  # of their order


def main() -> None:
    parser = Parser(__doc__, data=False)
    parser.add_argument("folder", type=typed_path, help="writer/digit/picture")
    parser.add_argument("--writers", default="*", metavar="PATTERN", help="of their folders' names")
    args = parser.parse_args()
    pages = find_pages(args.folder, args.writers)
    true = np.array([int(path.parent.name) for page in pages for path in page])
    rows = []
    for reading, answers in read(pages).items():
        for digit in ("all", *range(10)):
            chosen = np.ones(len(true), bool) if digit == "all" else true == digit
            if not chosen.any():
                continue
            right = answers[chosen] == true[chosen]
            swapped = answers[chosen] + true[chosen] == 8
            row = {"reading": reading, "true": digit, "images": int(chosen.sum())}
            row |= {"accuracy": round(right.mean(), 4)}
            if digit in (1, 7):
                row |= {"read_as_7_or_1": round(swapped.mean(), 4)}
            rows.append(row)
    table = pd.DataFrame(rows)
    write_rows(args.out / "scans.csv", table)
    print(table.pivot_table("accuracy", "true", "reading", sort=False).to_string())


def find_pages(folder: Path, writers: str = "*") -> list[list[Path]]:
    """Returns the pictures of each writer in random order, in lists of `PAGE` and less."""
    from mnist_keras.inference.classifier import list_pictures

    random, pages = np.random.default_rng(SEED), []
    for writer in sorted(path for path in folder.glob(writers) if path.is_dir()):
        paths = [path for path in list_pictures(writer) if path.parent.name in set("0123456789")]
        paths = [paths[i] for i in random.permutation(len(paths))]
        pages += [paths[first : first + PAGE] for first in range(0, len(paths), PAGE)]
    if not pages:
        raise InputError(
            f"{folder} holds no pictures of writers named {writers}. Expected files such as "
            f"{folder / 'writer' / '7' / '1.png'}."
        )
    return pages


def read(pages: list[list[Path]]) -> dict[str, np.ndarray]:
    """Returns the digits that are read, page after page, by the name of the reading; -1 for none."""
    from real_pictures import inverted

    from mnist_keras import DigitClassifier, load_model, predict_probabilities

    classifier, accurate = DigitClassifier.from_pretrained(), load_model("cnn_accurate")
    found = [prediction for page in pages for prediction in classifier.predict(page)]
    if unreadable := [x.reason for x in found if x.image is None]:
        raise InputError(unreadable[0])
    images = np.stack([x.image for x in found])
    raw = np.stack([inverted(path.read_bytes()) for page in pages for path in page])
    ways = classifier.scorer.score(images)[1]
    ends = np.cumsum([len(page) for page in pages])[:-1]
    by_page = [classifier.scorer.weigh(part, "auto")[0] for part in np.split(ways, ends)]
    probabilities = {
        "resized and inverted": predict_probabilities(accurate, raw),
        "cnn_accurate": predict_probabilities(accurate, images),
        "no school": classifier.scorer.add_up(ways),
        "auto": np.concatenate(by_page),
        "european": classifier.scorer.weigh(ways, "european")[0],
    }
    answers = {reading: x.argmax(axis=1) for reading, x in probabilities.items()}
    answers["DigitClassifier"] = np.array([-1 if x.label is None else x.label for x in found])
    return answers


if __name__ == "__main__":
    run_command(main)
