# %% [markdown]
"""
# Any model in a browser, with ONNX Runtime Web

`--format web` writes a page for models of plain layers. For any other model, write an ONNX file and let ONNX Runtime
Web run it. The model here has a residual connection, separable convolutions and the activation SiLU,
which the plain page does not know. Pictures and drawings are prepared by the same JavaScript as in that page.

Reaches 96.52% test accuracy after two epochs. Takes about 30 seconds on two CPU cores.
"""

# %%
import json
import os
import shutil
from importlib import resources
from pathlib import Path

import keras

from mnist_keras import (
    Recipe,
    export_model,
    load_data,
    plot_predictions,
    predict_probabilities,
    train,
)

# Settings, to change here or in the environment.
DATA = os.environ.get("EXAMPLE_DATA", "auto")  # MNIST if it is found, else small digits
EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", "2"))
OUT = Path(os.environ.get("EXAMPLE_OUT", "runs/browser"))
RUNTIME = Path(os.environ.get("EXAMPLE_ORT", "node_modules/onnxruntime-web/dist"))


# %%
def build_residual(filters=24):
    image = keras.Input((28, 28, 1))
    x = keras.layers.Conv2D(filters, 5, strides=2, padding="same", activation="silu")(image)
    for _ in range(2):
        y = keras.layers.SeparableConv2D(filters, 3, padding="same", activation="silu")(x)
        x = keras.layers.Add()([x, y])
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(2)(x))
    return keras.Model(image, keras.layers.Dense(10, activation="softmax")(x), name="residual")


keras.utils.set_random_seed(0)  # of the first weights
data = load_data(DATA)
run = train(build_residual(), data, recipe=Recipe(epochs=EPOCHS), verbose=0)
print(f"test accuracy {run.metrics['accuracy']:.2%}")

# %% [markdown]
# The plain page refuses this model and names the layer. ONNX takes it.

# %%
OUT.mkdir(parents=True, exist_ok=True)
try:
    export_model(run.model, OUT / "page.html", format="web", data=data)
except ValueError as error:
    print(error)
(OUT / "model.onnx").unlink(missing_ok=True)
print(export_model(run.model, OUT / "model.onnx", format="onnx", data=data).report())

# %% [markdown]
# The page. Its functions `prepare` and `prepareDrawing` turn a picture into the 28x28 pixels that the model expects.
# They come with the package.

# %%
PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'self'; img-src data: blob:;
  style-src 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'">
<title>Draw a digit</title>
<style>
:root { color-scheme: light dark; }
body { max-width: 20rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
#drawing { width: 100%; background: #fff; border: 1px solid #999; border-radius: .5rem; touch-action: none; }
#seen { width: 5.6rem; image-rendering: pixelated; vertical-align: middle; margin-right: 1rem; }
#label { font-size: 3rem; vertical-align: middle; }
</style>
<h1>Draw a digit</h1>
<canvas id="drawing" width="320" height="320"></canvas>
<p><button id="clear">Clear</button> <input id="file" type="file" accept="image/*"></p>
<p><canvas id="seen" width="28" height="28"></canvas><output id="label"></output></p>
<p id="note">Loading the model</p>
<script src="prepare.js"></script>
<script type="module">
import * as ort from "./ort.wasm.bundle.min.mjs";

const classNames = CLASS_NAMES;
const find = (id) => document.getElementById(id);
const drawing = find("drawing").getContext("2d", { willReadFrequently: true });
const seen = find("seen").getContext("2d");
ort.env.wasm.numThreads = 1; // more threads need headers that a plain file server does not send
const session = await ort.InferenceSession.create("model.onnx");

/** Returns the probabilities for an image of 784 pixels from 0 to 255, light ink on a dark ground. */
async function predict(image) {
  const pixels = new ort.Tensor("float32", Float32Array.from(image), [1, 28, 28]);
  return (await session.run({ pixels })).probabilities.data;
}

/** Shows the answer for the one of the prepared images of which the model is surest. */
async function answer(images) {
  let best = { share: -1 };
  for (const image of images) {
    const probabilities = await predict(image);
    const share = Math.max(...probabilities);
    if (share > best.share) best = { share, image, name: classNames[probabilities.indexOf(share)] };
  }
  const rgba = Uint8ClampedArray.from({ length: 4 * 784 }, (_, i) => (i % 4 === 3 ? 255 : best.image[i >> 2]));
  seen.putImageData(new ImageData(rgba, 28, 28), 0, 0);
  const isBlank = !best.image.some((pixel) => pixel > 0);
  find("label").textContent = isBlank ? "" : best.name;
  find("note").textContent = isBlank ? "There is no ink." : `${(100 * best.share).toFixed(1)}% sure`;
}

function clear() {
  drawing.fillStyle = "#fff";
  drawing.fillRect(0, 0, 320, 320);
  seen.clearRect(0, 0, 28, 28);
  find("label").textContent = "";
  find("note").textContent = "Draw with a finger or the mouse, or open a picture.";
}

let last = null;
function draw(event) {
  const box = drawing.canvas.getBoundingClientRect();
  const point = [event.clientX - box.left, event.clientY - box.top].map((x) => (320 * x) / box.width);
  Object.assign(drawing, { lineWidth: 22, lineCap: "round", strokeStyle: "#000" });
  drawing.beginPath();
  drawing.moveTo(...(last || point));
  drawing.lineTo(...point);
  drawing.stroke();
  last = point;
}
drawing.canvas.addEventListener("pointerdown", (event) => {
  drawing.canvas.setPointerCapture(event.pointerId);
  draw(event);
});
drawing.canvas.addEventListener("pointermove", (event) => { if (last) draw(event); });
drawing.canvas.addEventListener("pointerup", () => {
  last = null;
  answer([prepareDrawing(drawing.getImageData(0, 0, 320, 320).data, 320, 320)]);
});
find("clear").addEventListener("click", clear);
find("file").addEventListener("change", async (event) => {
  const bitmap = await createImageBitmap(event.target.files[0]);
  const picture = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  picture.drawImage(bitmap, 0, 0);
  const { data } = picture.getImageData(0, 0, bitmap.width, bitmap.height);
  clear();
  await answer(prepare(data, bitmap.height, bitmap.width));
  event.target.value = "";
});
globalThis.predict = predict; // to try it in the browser's console
clear();
</script>
"""
names = json.dumps([str(name) for name in data.class_names]).replace("<", "\\u003c")
(OUT / "index.html").write_text(PAGE.replace("CLASS_NAMES", names), encoding="utf-8")
scripts = resources.files("mnist_keras") / "inference" / "formats" / "templates"
files = ("images.js", "shadows.js", "prepare.js")
parts = [(scripts / name).read_text(encoding="utf-8") for name in files]
(OUT / "prepare.js").write_text("\n".join(parts), encoding="utf-8")
print(f"the page is {OUT / 'index.html'}")

# %% [markdown]
# ONNX Runtime Web consists of two files from the npm package `onnxruntime-web`: 73 kB of JavaScript, and 14 MB of
# WebAssembly (4 MB if a server compresses it). They are copied beside the page, so it needs no other server. This
# installs the package:
#
# ```console
# $ npm install onnxruntime-web
# ```

# %%
for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
    if (RUNTIME / name).exists():
        shutil.copy(RUNTIME / name, OUT)
    else:
        print(f"{RUNTIME / name} is missing: npm install onnxruntime-web")

# %% [markdown]
# A browser does not load modules and WebAssembly from the disk, so a server must send the files. Any server will do:
#
# ```console
# $ python -m http.server --directory runs/browser 8000
# ```
#
# Then open `http://localhost:8000`. These are the model's answers for the first test images:

# %%
images, labels = data.test_images[:24], data.test_labels[:24]
probabilities = predict_probabilities(run.model, images)
plot_predictions(images, probabilities, labels=labels).figure
