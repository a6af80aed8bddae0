"""What a training returns and what it leaves in its directory."""

import csv
import dataclasses
import json

import keras
import pytest
from small_runs import assert_same_bits, dense_net, small_data

import mnist_keras as mk
from mnist_keras.data.image_data import from_arrays
from mnist_keras.training.train import train


def test_run_directory_explains_the_run(digits, tmp_path):
    run = train(
        "mlp_128",
        small_data(digits),
        recipe=mk.Recipe(epochs=2, schedule="cosine"),
        run_dir=tmp_path / "run",
        command=["mnist-keras", "train", "mlp_128"],
        verbose=0,
    )
    config = json.loads((run.run_dir / "config.json").read_text())
    assert config["model"]["name"] == "mlp_128"
    assert config["recipe"] == mk.Recipe(epochs=2, schedule="cosine").to_dict()
    assert config["command"] == ["mnist-keras", "train", "mlp_128"]
    assert config["versions"]["keras"] == keras.__version__
    assert config["jit"] is False and config["precision"] == "float32"
    assert set(config["data"]["sha256"]) >= {"train_images", "test_labels"}
    with (run.run_dir / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["learning_rate"]) == pytest.approx(0, abs=1e-9)
    metrics = json.loads((run.run_dir / "metrics.json").read_text())
    assert metrics["accuracy"] == run.evaluation.accuracy
    assert metrics["train_accuracy"] > 0.5 and metrics["train_seconds"] > 0
    assert {path.name for path in (run.run_dir / "plots").iterdir()} >= {
        "confusion_matrix.png",
        "history.png",
    }
    assert_same_bits(mk.load_model(run.run_dir), run.model)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_learns_and_is_saved_in_float32(digits, tmp_path, no_pictures, precision):
    data = from_arrays(
        *(digits.train_images[:256], digits.train_labels[:256]),
        *(digits.test_images[:64], digits.test_labels[:64]),
        digits.class_names,
        name="digits",
        source="memory",
    )
    run = train(
        "mlp_128",
        data,
        recipe=mk.Recipe(epochs=4, batch_size=32),
        precision=precision,
        run_dir=tmp_path / "run",
        verbose=0,
    )
    assert run.metrics["accuracy"] > 0.7
    assert run.model.output.dtype == "float32"
    saved = keras.models.load_model(tmp_path / "run" / "model.keras")
    assert {layer.compute_dtype for layer in saved.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_a_run_is_a_line_at_a_prompt_and_a_table_in_a_notebook(digits, tmp_path, no_pictures):
    data, model = small_data(digits), dense_net()
    run = train(model, data, epochs=1, verbose=0, run_dir=tmp_path / "run")
    line = repr(run)
    assert line.startswith(f"TrainingRun({model.name}: epochs 1, seconds ")
    assert f"accuracy on digits test {run.evaluation.accuracy:.2%} (95% interval " in line
    assert line.endswith(f", run_dir {tmp_path / 'run'})")
    assert len(line) < 200 + len(str(tmp_path))
    assert f">{run.evaluation.accuracy:.2%} (95%" in run._repr_html_()
    assert "run_dir" not in repr(dataclasses.replace(run, run_dir=None))
