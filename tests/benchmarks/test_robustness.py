"""The benchmark of robustness: its file, and that a model replaces its own rows alone."""

import numpy as np
import pytest

import mnist_keras as mk


@pytest.fixture(scope="module")
def robustness(benchmark):
    return benchmark("robustness")


def test_all_models_were_measured_on_the_same_images(robustness):
    rows = robustness.read_rows(robustness.RESULTS / "robustness.csv")
    assert set(rows["model"]) == set(robustness.MODELS)
    assert set(rows["num_images"]) == {"1000"}
    assert len(rows) == 34 * len(robustness.MODELS)


@pytest.mark.slow
def test_a_model_alone_replaces_its_rows(robustness, monkeypatch, tmp_path):
    split = mk.load_data("digits").test.take(range(12))

    class Data:
        test = split

    monkeypatch.setattr(robustness, "load_published", lambda *_: Data)
    for models in (["mlp_128", "softmax_regression"], ["mlp_128"]):
        command = ["robustness.py", "--data-dir", "x", "--out", str(tmp_path), "--models", *models]
        monkeypatch.setattr("sys.argv", command)
        robustness.main()
    rows = robustness.read_rows(tmp_path / "robustness.csv")
    assert rows["model"].tolist() == np.repeat(["softmax_regression", "mlp_128"], 34).tolist()
    assert (tmp_path / "robustness.png").stat().st_size > 10_000
