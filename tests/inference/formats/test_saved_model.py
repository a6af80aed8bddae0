"""A SavedModel takes bytes and floats, and needs neither Keras nor this package."""

import subprocess
import sys

from exported import export_to


def test_a_saved_model_takes_bytes_and_floats_and_does_not_need_this_package(tmp_path, model):
    path = export_to(tmp_path, "saved_model", model, data="digits").path
    code = f"""
import sys, numpy as np, tensorflow as tf
loaded = tf.saved_model.load({str(path)!r})
pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
answers = [
    loaded.signatures["serving_default"](tf.constant(pixels, tf.float32)),
    loaded.signatures["uint8"](tf.constant(pixels)),
    loaded.predict(tf.constant(pixels)),
    loaded.predict(tf.constant(pixels, tf.float32)),
]
assert all(np.array_equal(a["probabilities"], answers[0]["probabilities"]) for a in answers)
assert np.array_equal(answers[0]["labels"], answers[0]["probabilities"].numpy().argmax(axis=1))
assert open(loaded.class_names.asset_path.numpy()).read().split() == list("0123456789")
print("mnist_keras" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
