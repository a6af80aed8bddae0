"""Compares scores that separate digits from other images: letters, clothes, noise, fragments, pairs, scribbles.

    python benchmarks/not_a_digit.py --data-dir DIR            # results/not_a_digit.csv
    python benchmarks/not_a_digit.py --data-dir DIR --quick    # few images; runs/not_a_digit

For each model, score and kind, the file has the area under the curve against MNIST's test images; the share of test
images that is lost if 95% of the kind is caught; and the share of the kind caught by the threshold that loses
THRESHOLD_LOSS of MNIST's last 10,000 training images. `cnn_real_world` and `cnn_accurate` were trained on those, so the
file also has the share of test images that this threshold loses. Letters are from the
held-out fonts (results/fonts.csv), and clothes from Fashion-MNIST. No model was trained on either.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from command import ROOT, Parser, run_command, write_rows

sys.path.insert(0, str(ROOT / "tools"))

MODELS = ("cnn_accurate", "cnn_real_world")
KINDS = ("letter", "pair", "fragment", "scribble", "noise", "inverse")
COUNT, QUICK_COUNT = 2000, 50  # images of each kind
SEED = 20  # another than those of training
THRESHOLD_LOSS = 0.001  # of held-out digits; the goal is at most 0.002 of the test images
CAUGHT = 0.95  # share of a kind that is caught where false rejects are counted


def main() -> None:
    parser = Parser(__doc__, quick=True)
    parser.add_argument("--models", nargs="+", default=MODELS, help="names or paths")
    args = parser.parse_args()

    from mnist_keras import load_data, load_model

    count = QUICK_COUNT if args.quick else COUNT
    mnist, clothes = (
        load_data(name, data_dir=args.data_dir) for name in ("mnist", "fashion_mnist")
    )
    others = {**make_others(mnist, count), "clothes": clothes.test_images[:count]}
    rows = []
    for name in args.models:
        scorer = Scorer(load_model(name), mnist, 500 if args.quick else 10_000)
        rows += compare(Path(name).stem, scorer, mnist, others, 500 if args.quick else 10_000)
    table = pd.DataFrame(rows)
    write_rows(args.out / "not_a_digit.csv", table)
    print(table.pivot_table(index=["model", "score"], columns="kind", values="auc").to_string())
    print(table.groupby(["model", "score"])[["caught", "test_images_lost"]].mean().to_string())


def make_others(mnist, count: int) -> dict[str, np.ndarray]:
    """Returns images of each kind of non-digit, from held-out fonts and MNIST's test images.

    Fragments and scribbles that `cnn_accurate` reads with a probability of 0.85 are left out: they may be digits.
    """
    from real_world_data import RealWorldData

    from mnist_keras import load_model, predict_probabilities

    source = RealWorldData(SEED, (mnist.test_images, mnist.test_labels), held_out=True)
    others = {kind: source.make(kind, count)[0] for kind in KINDS}
    reader = load_model("cnn_accurate")
    for kind in ("fragment", "scribble"):
        unclear = predict_probabilities(reader, others[kind]).max(axis=1) < 0.85
        others[kind] = others[kind][unclear]
    return others


class Scorer:
    """Scores of a model; a higher one means more of a digit.

    max_softmax  the largest probability (Hendrycks and Gimpel, 2017), the baseline
    energy       log of the sum of the digits' exponentiated logits (Liu et al., 2020, eq. 4)
    distance     minus the Mahalanobis distance of the features to the nearest class (Lee et al., 2018, eq. 2)
    reject       log-odds against the hidden class "not a digit", where the model has one
    """

    def __init__(self, model, mnist, count: int):
        import keras

        from mnist_keras.models.inspection import find_hidden_layer

        hidden = find_hidden_layer(model)
        self.top = hidden or model.layers[-1]
        self.is_hidden = hidden is not None
        self.features = keras.Model(model.input, self.top.input)
        images, labels = mnist.train_images[:count], mnist.train_labels[:count]
        features = self._features(images)
        self.means = np.stack([features[labels == digit].mean(axis=0) for digit in range(10)])
        residuals = features - self.means[labels]
        covariance = np.cov(residuals, rowvar=False) + 1e-6 * np.eye(residuals.shape[1])
        self.precision = np.linalg.pinv(covariance)

    def _features(self, images) -> np.ndarray:
        from mnist_keras import make_dataset

        return self.features.predict(make_dataset(images, batch_size=500), verbose=0).astype(float)

    def __call__(self, images) -> dict[str, np.ndarray]:
        from scipy.special import logsumexp

        from mnist_keras.models.ways import DIGITS

        features = self._features(images)
        kernel, bias = self.top.get_weights()
        logits = features @ kernel + bias
        owners = np.array(DIGITS) if self.is_hidden else np.arange(10)
        digits = np.stack([logsumexp(logits[:, owners == d], axis=1) for d in range(10)], axis=1)
        none = logits[:, owners < 0]
        probabilities = np.exp(digits - logsumexp(logits, axis=1, keepdims=True))
        if self.is_hidden:  # the model shares the probability of no digit equally
            probabilities += (1 - probabilities.sum(axis=1, keepdims=True)) / 10
        offsets = features[:, None] - self.means
        distances = np.einsum("ncf,fg,ncg->nc", offsets, self.precision, offsets, optimize=True)
        scores = {
            "max_softmax": probabilities.max(axis=1),
            "energy": logsumexp(digits, axis=1),
            "distance": -distances.min(axis=1),
        }
        if self.is_hidden:
            scores["reject"] = logsumexp(digits, axis=1) - none[:, 0]
        return scores


def compare(name: str, scorer: Scorer, mnist, others, count: int) -> list[dict]:
    """Returns a row for each score and kind."""
    from sklearn.metrics import roc_auc_score

    from mnist_keras.models.pretrained import load_card

    held_out, test = scorer(mnist.train_images[-count:]), scorer(mnist.test_images[:count])
    rows = []
    for kind, images in others.items():
        for score, values in scorer(images).items():
            threshold = np.quantile(held_out[score], THRESHOLD_LOSS)
            if score == "reject" and name in MODELS:
                none = load_card(name)["not_a_digit"]["threshold"]
                threshold = np.log((1 - none) / none)
            truth = np.repeat([1, 0], [len(test[score]), len(values)])
            auc = roc_auc_score(truth, np.concatenate([test[score], values]))
            rows.append(
                {
                    "model": name,
                    "score": score,
                    "kind": kind,
                    "images": len(values),
                    "auc": round(auc, 4),
                    "false_rejects_at_95": round(
                        (test[score] <= np.quantile(values, CAUGHT)).mean(), 4
                    ),
                    "threshold": round(float(threshold), 4),
                    "caught": round((values < threshold).mean(), 4),
                    "test_images_lost": round((test[score] < threshold).mean(), 4),
                }
            )
    return rows


if __name__ == "__main__":
    run_command(main)
