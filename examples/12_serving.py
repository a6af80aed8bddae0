# %% [markdown]
"""
# Serve a SavedModel through TensorFlow Serving's REST API

Exports `cnn_tiny` as a SavedModel in the layout that TensorFlow Serving loads, writes a request for its REST API, and
answers it from the SavedModel's own signature, as the server does. The server itself is not needed here. If you have
one, send it the same request: `POST /v1/models/digits:predict`.

Reaches 99.60% test accuracy on the images that check the export. Takes about 15 seconds on two CPU cores.
"""

# %%
import json
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from mnist_keras import export_model, load_data, load_model, plot_predictions

# Settings, to change here or in the environment.
DATA = os.environ.get("EXAMPLE_DATA", "auto")  # MNIST if it is found, else small digits
OUT = Path(os.environ.get("EXAMPLE_OUT", "runs/serving"))
VERSION = OUT / "digits" / "1"  # TensorFlow Serving loads the highest number in a model's folder

# %%
tf.get_logger().setLevel("ERROR")  # in a notebook it names each file that is written
data = load_data(DATA)
if not VERSION.exists():
    print(export_model(load_model("cnn_tiny"), VERSION, data=data).report())

# %% [markdown]
# The signature says what a request must hold: the name, type and shape of the input.

# %%
serve = tf.saved_model.load(str(VERSION)).signatures["serving_default"]
(spec,) = serve.structured_input_signature[1].values()
print(f"takes {spec.name}: {spec.dtype.name} of shape {spec.shape}")
for name, output in sorted(serve.structured_outputs.items()):
    print(f"returns {name}: {output.dtype.name} of shape {output.shape}")

# %% [markdown]
# A request in row format: one instance for each image. With a single input, its name can be left out.

# %%
images = data.test_images[:24]
request = {"signature_name": "serving_default", "instances": images.tolist()}
(OUT / "request.json").write_text(json.dumps(request))
print(f"{len(request['instances'])} instances")


# %%
def respond(text):
    """Answers a request as TensorFlow Serving does: outputs by name, one prediction for each instance."""
    request = json.loads(text)
    pixels = tf.constant(request["instances"], spec.dtype)
    spec.shape.assert_is_compatible_with(pixels.shape)
    outputs = {name: values.numpy().tolist() for name, values in serve(pixels).items()}
    rows = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    return json.dumps({"predictions": rows})


response = json.loads(respond((OUT / "request.json").read_text()))
(OUT / "response.json").write_text(json.dumps(response, indent=2))
assert len(response["predictions"]) == len(images)
for prediction in response["predictions"][:3]:
    assert np.argmax(prediction["probabilities"]) == prediction["labels"]
    print(f"label {prediction['labels']}, probability {max(prediction['probabilities']):.3f}")

# %% [markdown]
# If you have Docker, start the server and send it the request, both from the files that were just written:
#
# ```console
# $ docker run -p 8501:8501 -v $PWD/runs/serving/digits:/models/digits -e MODEL_NAME=digits tensorflow/serving
# $ curl -d @runs/serving/request.json http://localhost:8501/v1/models/digits:predict
# ```

# %% [markdown]
# The images, with the answers from the response.

# %%
probabilities = [prediction["probabilities"] for prediction in response["predictions"]]
plot_predictions(images, probabilities, labels=data.test_labels[:24]).figure
