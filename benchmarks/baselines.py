"""Compares scikit-learn's classifiers with the models: accuracy, time to train, time to predict.

    python benchmarks/baselines.py --data-dir DIR           # ten minutes on two cores; results/baselines.csv
    python benchmarks/baselines.py --data-dir DIR --quick   # a smoke test; runs/baselines

Settings are scikit-learn's defaults but for the ones below, which are customary for MNIST; nothing was tuned. Seconds
are wall time, measured once.
"""

import machine
from command import load_to_time, make_parser, results_directory, run_command
from tabular import write_rows
from turns import seconds_of

MODELS = ("mlp_128", "cnn_fast", "lenet5")
SEED = 0


def main() -> None:
    args = make_parser(__doc__, quick=True).parse_args()
    path = results_directory(args, "baselines") / "baselines.csv"
    data = load_to_time(args)
    write_rows(path, [*classifier_rows(data), *(model_row(name, data) for name in MODELS)])


def classifier_rows(data):
    """Fits and scores scikit-learn's classifiers; yields their rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    forest = RandomForestClassifier(300, n_jobs=-1, random_state=SEED)
    boosting = HistGradientBoostingClassifier(early_stopping=False, random_state=SEED)
    images, test_images = (
        split.images.reshape(len(split), -1).astype("float32") / 255
        for split in (data.train, data.test)
    )
    for name, settings, classifier in (
        ("k-nearest neighbors", "k = 3", KNeighborsClassifier(3, n_jobs=-1)),
        ("logistic regression", "200 iterations", LogisticRegression(max_iter=200)),
        ("support vector machine", "RBF kernel, C = 10", SVC(C=10)),
        ("random forest", "300 trees", forest),
        ("gradient boosting", "histograms, 100 iterations", boosting),
    ):
        seconds = seconds_of(lambda x=classifier: x.fit(images, data.train.labels))
        yield make_row(name, settings, seconds, lambda x=classifier: x.predict(test_images), data)


def model_row(name: str, data) -> dict[str, str]:
    """Trains and scores a registered model by its recipe."""
    from mnist_keras import get_model_spec, predict_probabilities, train

    run = train(name, data, seed=SEED, verbose=0)

    def predict():
        return predict_probabilities(run.model, data.test.images).argmax(axis=1)

    settings = get_model_spec(name).description
    return make_row(name, settings, run.metrics["train_seconds"], predict, data)


def make_row(name, settings, fit_seconds, predict, data) -> dict[str, str]:
    predictions = []
    seconds = seconds_of(lambda: predictions.append(predict()))
    accuracy = (predictions[0] == data.test.labels).mean()
    print(f"{name}: {accuracy:.2%} in {fit_seconds:.2f} s", flush=True)
    return {
        "classifier": name,
        "settings": settings,
        "test_accuracy": f"{accuracy:.4f}",
        "fit_seconds": f"{fit_seconds:.2f}",
        "predict_seconds": f"{seconds:.3f}",
        "machine": machine.summary(),
    }


if __name__ == "__main__":
    run_command(main)
