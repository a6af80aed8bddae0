"""Compares scikit-learn's classifiers with three registered models: accuracy, time to train, time to predict.

    python benchmarks/baselines.py --data-dir DIR           # ten minutes on two cores; results/baselines.csv
    python benchmarks/baselines.py --data-dir DIR --quick   # a smoke test; runs/baselines

Settings are scikit-learn's defaults except for those below, which are common for MNIST. Nothing was tuned. Seconds are
wall time, measured once.
"""

import time
from functools import partial

import machine
import pandas as pd
from command import Parser, load_to_time, run_command, write_rows
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from turns import Trainer, seconds_of

MODELS = ("mlp_128", "cnn_fast", "lenet5")
COLUMNS = ["classifier", "settings", "test_accuracy", "fit_seconds", "predict_seconds"]
SEED = 0
FOREST = RandomForestClassifier(300, n_jobs=-1, random_state=SEED)
BOOSTING = HistGradientBoostingClassifier(early_stopping=False, random_state=SEED)
CLASSIFIERS = (
    ("k-nearest neighbors", "k = 3", KNeighborsClassifier(3, n_jobs=-1)),
    ("logistic regression", "200 iterations", LogisticRegression(max_iter=200)),
    ("support vector machine", "RBF kernel, C = 10", SVC(C=10)),
    ("random forest", "300 trees", FOREST),
    ("gradient boosting", "histograms, 100 iterations", BOOSTING),
)


def main() -> None:
    args = Parser(__doc__, quick=True).parse_args()
    data, rows = load_to_time(args), []
    for name, settings, fit_seconds, predict in train_each(data):
        start = time.perf_counter()
        accuracy = (predict() == data.test.labels).mean()
        rows.append((name, settings, accuracy, fit_seconds, time.perf_counter() - start))
        print(f"{name}: {accuracy:.2%} in {fit_seconds:.2f} s", flush=True)
    table = pd.DataFrame(rows, columns=COLUMNS).round(4)
    write_rows(args.out / "baselines.csv", table.assign(machine=machine.summary()))


def train_each(data):
    """Trains all classifiers; yields name, settings, seconds, and what predicts the labels of the test images."""
    from mnist_keras import get_model_spec, predict_probabilities, train

    images, tests = as_rows(data.train.images), as_rows(data.test.images)
    for name, settings, classifier in CLASSIFIERS:
        seconds = seconds_of(partial(classifier.fit, images, data.train.labels))
        yield name, settings, seconds, partial(classifier.predict, tests)
    for name in MODELS:  # by their recipes
        run, settings = train(name, data, seed=SEED, verbose=0), get_model_spec(name).description
        predict = partial(predict_probabilities, run.model, data.test.images)
        yield name, settings, run.metrics["train_seconds"], lambda p=predict: p().argmax(axis=1)


def as_rows(images):
    return images.reshape(len(images), -1).astype("float32") / 255


def make(data, model: str) -> Trainer:
    """`MLPClassifier` as 784-128-10 with Adam 1e-3, the default; `partial_fit` is one shuffled pass."""
    made = MLPClassifier((128,), batch_size=128, random_state=SEED)
    images, labels = as_rows(data.train.images), data.train.labels
    epoch = partial(made.partial_fit, images, labels, classes=range(data.num_classes))
    return Trainer(epoch, lambda tested: made.predict(as_rows(tested)))


if __name__ == "__main__":
    run_command(main)
