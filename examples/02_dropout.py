# %% [markdown]
"""
# Read precision, recall and F1 of each digit

Trains `mlp_128_64_dropout` (784 - 128 ReLU - 64 ReLU - softmax 10, dropout 0.2, Adam, batches of 64) on MNIST and
reports its scores for each digit. The overall accuracy does not show which digits a model confuses.

Reaches 97.91% test accuracy and 99.26% training accuracy, where the source of the model claims 97.85% and 98.03%.
Takes about 10 seconds on two CPU cores.
"""

# %%
import os
from pathlib import Path

from mnist_keras import get_model_spec, load_data, plot_history, train

# Settings, to change here or in the environment.
DATA = os.environ.get("EXAMPLE_DATA", "auto")  # MNIST if it is found, else small digits
EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", "10"))
OUT = Path(os.environ.get("EXAMPLE_OUT", "runs/mlp_128_64_dropout"))

# %%
data = load_data(DATA)
spec = get_model_spec("mlp_128_64_dropout")
recipe = spec.recipe.replace(epochs=EPOCHS)
run = train(spec.name, data, recipe=recipe, run_dir=OUT, overwrite=True)

# %% [markdown]
# For the digit 7, precision is the share of true 7s among the images that the model calls 7. Recall is the share of
# the 7s that the model finds. F1 is the harmonic mean of the two, and support is the number of images.

# %%
(OUT / "report.md").write_text(run.evaluation.to_markdown(), encoding="utf-8")
print(run.evaluation.report())

# %%
hardest = min(run.evaluation.per_class, key=lambda scores: scores["f1"])
print(f"hardest digit: {data.class_names[hardest['label']]}, F1 {hardest['f1']:.4f}")

# %% [markdown]
# During training, dropout switches off a fifth of the units. The trained model uses all of them, so its accuracy is
# higher than in the last epoch.

# %%
print(f"accuracy in the last epoch {run.history['accuracy'][-1]:.2%}")
print(f"of the trained model on the training images {run.metrics['train_accuracy']:.2%}")
print(f"and on the test images {run.evaluation.accuracy:.2%}")

# %%
plot_history(run.history).figure
