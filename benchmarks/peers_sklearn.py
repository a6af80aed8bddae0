"""scikit-learn's `MLPClassifier`."""

import numpy as np
from sklearn.neural_network import MLPClassifier


class ScikitLearn:
    """784-128-10 with Adam 1e-3, the default; `partial_fit` is one shuffled pass."""

    def __init__(self, data):
        self.images, self.labels = _as_rows(data.train.images), data.train.labels
        self.classes = np.arange(data.num_classes)
        self.model = MLPClassifier((128,), batch_size=128, random_state=0)

    def epoch(self) -> None:
        self.model.partial_fit(self.images, self.labels, classes=self.classes)

    def predict(self, images):
        return self.model.predict(_as_rows(images))


def _as_rows(images):
    return images.reshape(len(images), -1).astype("float32") / 255


CONTESTANTS = {"epoch_mlp_128": {"scikit_learn": ScikitLearn}}
