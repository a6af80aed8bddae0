"""Sets scikit-learn's classifiers beside the nets: accuracy, time to fit, time to predict.

    python benchmarks/baselines.py --data-dir DIR           # some ten minutes on two cores; results/baselines.csv
    python benchmarks/baselines.py --data-dir DIR --quick   # a thousand images of each; runs/baselines

All get the same 60,000 images as pixels in [0, 1] and predict the 10,000 test images at once. Settings are those of
scikit-learn but for the ones below, which are customary for MNIST; nothing was tuned. Seconds are wall time, once, of
the fit or of the whole training by the net's recipe, and of one prediction of all test images.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import machine
from accuracy import load_published
from command import run_command
from tabular import RESULTS, ROOT, write_rows

QUICK_IMAGES = 1000
NETS = ("mlp_128", "cnn_fast", "lenet5")
SEED = 0


def make_baselines() -> dict[str, tuple[str, object]]:
    """Returns name, settings and classifier of each baseline."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    return {
        "k-nearest neighbours": ("k = 3", KNeighborsClassifier(3, n_jobs=-1)),
        "logistic regression": ("200 iterations", LogisticRegression(max_iter=200)),
        "support vector machine": ("RBF kernel, C = 10", SVC(C=10)),
        "random forest": (
            "300 trees",
            RandomForestClassifier(300, n_jobs=-1, random_state=SEED),
        ),
        "gradient boosting": (
            "histograms, 100 iterations",
            HistGradientBoostingClassifier(early_stopping=False, random_state=SEED),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="directory with MNIST's files")
    parser.add_argument("--quick", action="store_true", help="with few images: a smoke test")
    parser.add_argument("--out", type=Path, help="directory of the results")
    args = parser.parse_args()
    out = args.out or (ROOT / "runs" / "baselines" if args.quick else RESULTS)
    out.mkdir(parents=True, exist_ok=True)

    from speed import first_images

    from mnist_keras import load_data

    if args.quick:
        data = first_images(load_data("mnist", data_dir=args.data_dir), QUICK_IMAGES)
    else:
        data = load_published("mnist", args.data_dir)
        machine.wait_for_quiet()
    rows = [run_baseline(name, *found, data) for name, found in make_baselines().items()]
    rows += [run_net(name, data) for name in NETS]
    write_rows(out / "baselines.csv", rows, columns=rows[0])


def run_baseline(name: str, settings: str, classifier, data) -> dict[str, str]:
    """Fits and scores a classifier of scikit-learn."""
    images, test_images = (
        x.reshape(len(x), -1).astype("float32") / 255 for x in (data.train_images, data.test_images)
    )
    _, fit_seconds = timed(lambda: classifier.fit(images, data.train_labels))
    predictions, seconds = timed(lambda: classifier.predict(test_images))
    return make_row(name, settings, (predictions == data.test_labels).mean(), fit_seconds, seconds)


def run_net(name: str, data) -> dict[str, str]:
    """Trains and scores a registered net by its recipe."""
    from mnist_keras import get_model_spec, predict_probabilities, train

    run = train(name, data, seed=SEED, verbose=0)
    probabilities, seconds = timed(lambda: predict_probabilities(run.model, data.test_images))
    accuracy = (probabilities.argmax(axis=1) == data.test_labels).mean()
    settings = get_model_spec(name).description
    return make_row(name, settings, accuracy, run.metrics["train_seconds"], seconds)


def timed(function: Callable):
    """Returns what a function returns and the seconds that it took."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def make_row(name, settings, accuracy, fit_seconds, predict_seconds) -> dict[str, str]:
    row = {
        "classifier": name,
        "settings": settings,
        "test_accuracy": f"{accuracy:.4f}",
        "fit_seconds": f"{fit_seconds:.2f}",
        "predict_seconds": f"{predict_seconds:.3f}",
        "machine": machine.summary(),
    }
    print(", ".join([name, *list(row.values())[2:5]]), flush=True)
    return row


if __name__ == "__main__":
    run_command(main)
