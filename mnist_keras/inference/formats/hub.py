"""A folder for the Hugging Face Hub: the model in Keras's files, and a card with the metadata that the Hub reads."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from mnist_keras import __version__
from mnist_keras._validation import InputError
from mnist_keras.data.image_data import ImageData
from mnist_keras.inference.prediction import predict_probabilities
from mnist_keras.models.adapting import on_tensor
from mnist_keras.models.inspection import flatten_layers, input_scale, returns_logits

MODEL = "model.keras"
BATCH_SIZE = 500  # images


def write(
    model: keras.Model,
    path: Path,
    *,
    image_shape: tuple[int, int],
    class_names: Sequence[str],
    data: ImageData,
    **_,  # precision and images, which this format does not need
) -> None:
    """Writes a model as a folder for `huggingface_hub.upload_folder`.

    The folder has the `.keras` file, and its unpacked content, which Keras loads from `hf://USER/REPOSITORY`.
    """
    for layer in flatten_layers(model):
        if not type(layer).__module__.startswith("keras."):
            raise InputError(
                f"The layer {layer.name!r} ({type(layer).__name__}) is a class of your own, which Keras cannot load "
                "where your code is not. Build the model from Keras's layers, or export to 'saved_model'."
            )
        activation = getattr(layer, "activation", None)
        if isinstance(layer, keras.layers.Lambda) or not _is_of_keras(activation):
            raise InputError(
                f"The layer {layer.name!r} ({type(layer).__name__}) has a function of your own, which Keras does not "
                "load in safe mode. Use Keras's layers and activations, or export to 'saved_model'."
            )
    path.mkdir()
    served = _on_pixels(model, image_shape)
    served.save(path / MODEL)
    with zipfile.ZipFile(path / MODEL) as archive:
        archive.extractall(path)
    names = json.dumps({"class_names": [str(name) for name in class_names]}, indent=2)
    (path / "labels.json").write_text(f"{names}\n", encoding="utf-8")
    card = _card(model, image_shape, class_names, data)
    (path / "README.md").write_text(card, encoding="utf-8")


def _is_of_keras(activation) -> bool:
    """Returns whether an activation is none, Keras's function, or Keras's layer."""
    place = activation if hasattr(activation, "__name__") else type(activation)
    return activation is None or place.__module__.startswith("keras.")


def _on_pixels(model, image_shape) -> keras.Model:
    """Returns the model on pixels from 0 to 255, with probabilities as its output."""
    pixels = keras.Input((*image_shape, 1), name="pixels")
    x = pixels
    if input_scale(model) == 1:
        x = keras.layers.Rescaling(1 / 255, name="pixels_to_1")(x)
    if tuple(model.input_shape[1:]) != (*image_shape, 1):
        x = keras.layers.Reshape(model.input_shape[1:], name="to_input")(x)
    placed = on_tensor(model, x)
    if not returns_logits(model):
        return placed
    probabilities = keras.layers.Softmax(name="probabilities")(placed.output)
    return keras.Model(placed.input, probabilities, name=model.name)


def _card(model, image_shape, class_names, data: ImageData) -> str:
    probabilities = predict_probabilities(model, data.test_images)
    accuracy = float(np.mean(probabilities.argmax(axis=1) == data.test_labels))
    height, width = image_shape
    dataset = {"name": data.name, "type": data.name, "split": "test"}
    metric = {"type": "accuracy", "name": "accuracy", "value": round(accuracy, 4)}
    task = {"type": "image-classification", "name": "Image classification"}
    result = {"task": task, "dataset": dataset, "metrics": [metric]}
    metadata = {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["keras", "mnist-keras", data.name],
        "metrics": ["accuracy"],
        "model-index": [{"name": model.name, "results": [result]}],
    }
    # Each value is JSON, which is valid YAML.
    front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in metadata.items())
    return f"""---
{front}
---
# {model.name}

A Keras model of {model.count_params():,} parameters that tells {len(class_names)} classes of {height}x{width} gray
images apart: {", ".join(map(str, class_names))}.

It takes pixels from 0 to 255 of shape `(n, {height}, {width}, 1)`, light ink on a dark background, and returns the
probability of each class. {data.name}: {accuracy:.2%} of {len(probabilities):,} test images are right.

```python
import keras

model = keras.saving.load_model("hf://USER/REPOSITORY")
probabilities = model.predict(images)
```

`{MODEL}` is the same model in one file. Written by mnist_keras {__version__}.
"""


def run(path: Path, images: np.ndarray) -> np.ndarray:
    """Returns the probabilities for uint8 images; the file and the unpacked folder give the same ones."""
    pixels = images[..., None].astype(np.float32)
    answers = []
    for place in (path / MODEL, path):
        model = keras.saving.load_model(place)
        answers.append(model.predict(pixels, batch_size=BATCH_SIZE, verbose=0))
    assert np.array_equal(*answers), "the file and the unpacked folder hold the same"
    return answers[0]
