"""scikit-learn's `MLPClassifier`."""

from sklearn.neural_network import MLPClassifier
from turns import Contestant


def make(data) -> Contestant:
    """784-128-10 with Adam 1e-3, the default; `partial_fit` is one shuffled pass."""
    images, labels = as_rows(data.train.images), data.train.labels
    model = MLPClassifier((128,), batch_size=128, random_state=0)
    return Contestant(
        lambda: model.partial_fit(images, labels, classes=range(data.num_classes)),
        lambda tested: model.predict(as_rows(tested)),
    )


def as_rows(images):
    return images.reshape(len(images), -1).astype("float32") / 255


CONTESTANTS = {"epoch_mlp_128": {"scikit_learn": make}}
