"""The input pipeline and predictions are rated."""

import pytest

from mnist_keras.data import batches


def test_the_loop_without_a_pipeline_gets_one_batch(benchmark, data):
    rates = benchmark("rates")
    ours = rates.Ours("mlp_128", data.train, batch_size=64)
    epoch = rates.fixed_epoch(ours)
    for _ in range(15):
        epoch()
    assert ours.loop.progress.history["accuracy"][-1] == 1.0
    answers = ours.predict(data.train.images)
    assert (answers == data.train.labels).mean() < 0.5, "it saw others too"
    assert rates.loop.get_batch is batches.get_batch


@pytest.fixture
def rates(benchmark, monkeypatch):
    """The module, for one small model and one transform, and few repeats."""
    rates = benchmark("rates")
    small = {"REPEATS": 1, "CALLS": 20, "SHARE_SECONDS": 0.0, "AUGMENTED": "mlp_128"}
    small |= {"TRANSFORMS": {"affine": "affine"}, "DOCUMENTED": [], "PREDICTED": ["mlp_128"]}
    for name, value in small.items():
        monkeypatch.setattr(rates, name, value)
    return rates


@pytest.mark.slow
def test_the_pipeline_and_predictions_are_rated(benchmark, rates, data):
    results = benchmark("command").Results()
    rates.measure_pipeline(results, data)
    rates.measure_prediction(results, data)
    assert results.median("pipeline_share_mlp_128_affine", "ours", "share_of_step") < 1
    for key in (
        ("pipeline_affine", "ours", "images_per_second"),
        ("pipeline_affine", "ours_make_dataset", "images_per_second"),
        ("predict_one_mlp_128", "ours", "ms"),
        ("predict_one_mlp_128", "model_predict", "ms"),
        ("predict_all_mlp_128", "ours", "share_of_compiled"),
    ):
        assert min(results[key]) > 0, key


@pytest.mark.full
def test_other_runtimes_are_rated(benchmark, rates, data):
    results = benchmark("command").Results()
    rates.measure_throughput(results, data, 1)
    for contestant in ("ours", "classifier_predict_proba", "model_predict", "onnx", "litert"):
        assert results.median("predict_60000_mlp_128", contestant, "images_per_second") > 0
