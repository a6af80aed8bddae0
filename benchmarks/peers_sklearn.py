"""scikit-learn's `MLPClassifier`."""

import numpy as np
from sklearn.neural_network import MLPClassifier
from stopwatch import Timed


class ScikitLearn(Timed):
    """`MLPClassifier` with Adam 1e-3, its default; `partial_fit` is one shuffled pass."""

    def __init__(self, data, *, hidden_units, batch_size):
        self.images, self.labels = _as_rows(data.train_images), data.train_labels
        self.classes = np.arange(data.num_classes)
        self.net = MLPClassifier(hidden_units, batch_size=batch_size, random_state=0)

    def epoch(self) -> None:
        self.net.partial_fit(self.images, self.labels, classes=self.classes)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return self.net.predict(_as_rows(images))


def _as_rows(images):
    return images.reshape(len(images), -1).astype("float32") / 255


CONTESTANTS = {
    "epoch_mlp_128": {
        "scikit_learn": lambda data: ScikitLearn(data, hidden_units=(128,), batch_size=128)
    }
}
