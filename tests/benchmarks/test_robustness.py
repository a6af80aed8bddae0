"""The page of robustness shows what its file holds."""

import numpy as np
import pytest

import mnist_keras as mk


@pytest.fixture(scope="module")
def robustness(benchmark):
    return benchmark("robustness")


def test_the_page_has_the_table_of_the_file(robustness):
    rows = robustness.read_rows(robustness.RESULTS / "robustness.csv")
    page = robustness.PAGE.read_text(encoding="utf-8")
    assert robustness.remake(page, rows) == page
    assert set(rows["model"]) == set(robustness.MODELS)
    assert set(rows["num_images"]) == {1000}
    assert len(rows) == 34 * len(robustness.MODELS)


def test_a_model_alone_replaces_its_rows(robustness, monkeypatch, tmp_path):
    split = mk.load_data("digits").test.take(range(12))

    class Data:
        test = split

    monkeypatch.setattr(mk, "load_data", lambda *_, **__: Data)
    for models in (["mlp_128", "softmax_regression"], ["mlp_128"]):
        command = ["robustness.py", "--data-dir", "x", "--out", str(tmp_path), "--models", *models]
        monkeypatch.setattr("sys.argv", command)
        robustness.main()
    rows = robustness.read_rows(tmp_path / "robustness.csv")
    assert rows["model"].tolist() == np.repeat(["softmax_regression", "mlp_128"], 34).tolist()
    robustness.draw(rows, tmp_path / "robustness.png")
    assert (tmp_path / "robustness.png").stat().st_size > 10_000
