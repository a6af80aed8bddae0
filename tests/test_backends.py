"""Models, weights and batches work on another Keras backend; what needs TensorFlow says so in one line."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import keras
import numpy as np
import mnist_keras as mk

data = mk.load_data("digits")
model = mk.create_model("lenet5", weights="mnist")
images, labels = next(iter(mk.make_dataset(data.train, batch_size=8)))
print(tuple(model(images.numpy()).shape), labels.shape)
small = mk.create_model("softmax_regression")
small.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
batches = mk.make_dataset(data.train, batch_size=100)
print(small.fit(batches, epochs=5, shuffle=False, verbose=0).history["accuracy"][-1] > 0.5)
for call in (
    lambda: mk.train("mlp_128", data),
    lambda: mk.evaluate(model, data.test),
    lambda: mk.predict_probabilities(model, data.test_images),
):
    try:
        call()
    except mk._validation.InputError as error:
        print(str(error).partition(" Unset")[0])
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", pytest.param("torch", marks=pytest.mark.full)])
def test_on_another_backend(backend):
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=False
    )
    needs = f"needs Keras's TensorFlow backend. Received: KERAS_BACKEND={backend}."
    assert done.stdout.splitlines() == [
        "(8, 10) (8,)",
        "True",
        *(f"{name} {needs}" for name in ("train", "evaluate", "predict_probabilities")),
    ], done.stderr
