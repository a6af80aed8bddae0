"""The benchmark of exports: every runtime answers, and a format replaces its own rows alone."""

import pandas as pd
import pytest

import mnist_keras as mk

ONE_OF_EACH = ("saved_model", "litert", "onnx", "c", "web", "hub")  # a format of each runtime


@pytest.fixture(scope="module")
def exports(benchmark):
    return benchmark("exports")


def test_every_format_has_a_runtime(exports):
    assert {exports.EXPORT_FORMATS[name].module for name in ONE_OF_EACH} == set(exports.RUNTIMES)


@pytest.mark.parametrize(
    "formats", [("litert", "c"), pytest.param(ONE_OF_EACH, marks=pytest.mark.full)]
)
def test_every_runtime_is_measured(exports, monkeypatch, tmp_path, formats):
    digits = mk.load_data("digits")
    monkeypatch.setattr(exports, "load_published", lambda *_: digits)
    monkeypatch.setattr(exports, "PATIENCE", 0.0)
    for chosen in (formats, ["c"]):
        command = ["exports.py", "--data-dir", "x", "--out", str(tmp_path), "--models", "mlp_128"]
        monkeypatch.setattr("sys.argv", [*command, "--formats", *chosen])
        exports.main()
    rows = exports.read_rows(tmp_path / "exports.csv").set_index("format")
    assert rows.index.tolist() == list(formats)
    assert set(rows["accuracy_images"]) == {str(len(digits.test_images))}
    assert len(set(rows["accuracy"])) == 1  # all of them are in float32
    assert (rows["one_image_ms"].astype(float) > 0).all()
    assert rows["flash_bytes"].ne("").tolist() == [name == "c" for name in formats]
    assert (tmp_path / "exports.png").stat().st_size > 10_000


def test_the_file_holds_what_is_exported_today(exports):
    rows = exports.read_rows(exports.RESULTS / "exports.csv")
    assert set(rows["model"]) <= set(exports.list_weights())
    assert set(rows["format"]) == set(exports.EXPORT_FORMATS)


def test_times_of_a_busy_machine_are_left_out(exports):
    rows = pd.DataFrame({"load": ["0.2", "1.4", "1.6", "", "0.9", "1.6"]})
    rows["machine"] = [f"cpu x; cores {count}; python 3" for count in (2, 2, 2, 2, 1, 4)]
    rows = rows.assign(one_image_ms=list("123456"), images_per_second=list("234567"))
    quiet = exports.without_busy_times(rows)
    assert quiet["one_image_ms"].tolist() == ["1", "2", "", "", "", "6"]
    assert quiet["images_per_second"].tolist() == ["2", "3", "", "", "", "7"]


def test_a_table_of_times_has_a_row_for_each_model_in_the_order_of_the_file(exports, tmp_path):
    rows = pd.DataFrame({"model": ["z", "z", "a"], "format": ["c", "web", "c"]})
    rows = rows.assign(one_image_ms=["1", "2", "3"], images_per_second="")
    rows["load"] = ["0.1", "1.5", "0.1"]
    rows.assign(machine="cores 2; x").to_csv(tmp_path / "exports.csv", index=False)
    table = exports.times(tmp_path, "one_image_ms")
    assert table["model"].tolist() == ["z", "a"] and table["c"].tolist() == [1, 3]
    assert table["web"].isna().all()


def test_what_is_to_fit_into_a_microcontroller_does(exports):
    rows = exports.read_rows(exports.RESULTS / "exports.csv").set_index(["model", "format"])
    assert int(rows.loc[("cnn_tiny", "litert_int8"), "bytes"]) < 20_000
    assert int(rows.loc[("cnn_tiny", "c_int8"), "flash_bytes"]) < 16_000
