"""The blocks of the pages: made from the result files alone, missed goals shown as missed."""

import json
import shutil

import pandas as pd
import pytest
from errors import error_of

from mnist_keras.models.recipes import RECIPES

GOALS = {  # file and rows -> bound, limit, aim: set before anything was measured
    ("accuracy.csv", "cnn_accurate/cnn_accurate/mnist"): ("at least", 0.9970, 0.9975),
    ("accuracy.csv", "cnn_accurate_ensemble/cnn_accurate/mnist"): ("at least", 0.9978, 0.9982),
    ("accuracy.csv", "cnn_tiny/cnn_tiny/mnist"): ("at least", 0.9940, None),
    ("accuracy.csv", "mlp_deep/mlp_deep_elastic/mnist"): ("at least", 0.9930, 0.9950),
    ("accuracy.csv", "cnn_accurate/cnn_accurate_fashion/fashion_mnist"): ("at least", 0.945, None),
    ("speed.csv", "to_99_percent/ours/test_accuracy_mean"): ("at least", 0.99, None),
    ("speed.csv", "to_99_percent/pytorch_example/times_slower_than_ours"): ("at least", 60, 100),
    ("speed.csv", "to_99_percent/ours/seconds"): ("at most", 4, None),
    ("speed.csv", "epoch_mlp_1024_128/ours/share_of_float32_product"): ("at least", 0.7, None),
    ("growth.csv", "records/peak_megabytes/(.*)"): ("at most", 1.1, None),
}
SPEED = """class,task,contestant,metric,median,ratio_to_ours,repeats
avx2,machine,,summary,A,,
avx2,epoch_mlp_128,ours,epoch_seconds,0.25,1.000,9
avx2,epoch_mlp_128,fit,epoch_seconds,1.0,4.000,9
avx2,epoch_mlp_128,pytorch_resident,epoch_seconds,0.3,1.200,9
avx2,epoch_mlp_1024_128,ours,epoch_seconds,1.0,1.000,9
avx2,epoch_mlp_1024_128,ours_bfloat16,epoch_seconds,0.6,0.600,9
avx2,to_99_percent,pytorch_example,times_slower_than_ours,80,,1
avx2,pipeline_share_mlp_128,ours,share_of_step,0.062,1.000,3
avx2,pipeline_share_cnn_2conv,ours,share_of_step,-0.01,1.000,3
avx2,pipeline_share_lenet5,ours,share_of_step,0.3,1.000,3
"""
PYTORCH = "training time of PyTorch's example to 99% relative to `cnn_fast`"


@pytest.fixture
def tables(benchmark):
    return benchmark("tables")


@pytest.fixture
def results(tables, tmp_path):
    """A copy of the result files, with a small speed.csv; a test writes its own ones."""
    shutil.copytree(tables.RESULTS, tmp_path / "results")
    (tmp_path / "results" / "speed.csv").write_text(SPEED)
    return tmp_path / "results"


def judged(tables, results, page="speed"):
    """Returns measured value and verdict of each goal by its text."""
    rows = tables.goals(results, page).to_dict("records")
    return {row["goal"]: (row["measured"], row["reached"]) for row in rows}


def test_every_block_of_the_pages_is_made_from_the_results(tables):
    pages = {page: page.read_text("utf-8") for page in tables.PAGES}
    assert all(tables.remake(text, tables.RESULTS) == text for text in pages.values())
    for name in tables.BLOCKS:
        assert any(f"<!-- {name}: begin -->" in text for text in pages.values()), name


def test_the_goals_are_those_that_were_set(tables):
    goals = pd.read_csv(tables.GOALS)
    for (file, rows), (bound, limit, aim) in GOALS.items():
        (goal,) = goals[(goals["file"] == file) & (goals["rows"] == rows)].to_dict("records")
        assert (goal["bound"], goal["limit"]) == (bound, limit)
        assert pd.isna(goal["aim"]) if aim is None else goal["aim"] == aim


def test_goals_are_reached_or_missed_by_the_worst_row(tables, results):
    found = judged(tables, results)
    assert found["`mlp_128` epoch time relative to `fit`"] == ("0.25x", "yes")
    peer = "`mlp_128` epoch time relative to PyTorch, data in memory"
    assert found[peer] == ("0.83x", "**MISSED**")
    assert found[f"{peer} and fused optimizer"] == ("not measured", "")
    assert found[PYTORCH] == ("80.0x", "goal yes, aim **MISSED**")
    waiting = "share of a step spent waiting for batches, without augmentation"
    assert found[waiting] == ("6.2% (`mlp_128` on `avx2`, the worst of 2)", "**MISSED**")


def test_a_goal_for_amx_is_judged_by_rows_of_that_class_alone(tables, results):
    goal = "`mlp_1024_128` epoch time in bfloat16 relative to float32, with AMX"
    assert judged(tables, results)[goal] == ("not measured", "")
    (results / "speed.csv").write_text(SPEED.replace("avx2", "amx"))
    assert judged(tables, results)[goal] == ("0.60x", "**MISSED**")


def test_a_goal_is_judged_by_the_worst_class(tables, results):
    other = (
        "amx,epoch_mlp_128,ours,epoch_seconds,0.2,,\namx,epoch_mlp_128,fit,epoch_seconds,0.3,,\n"
    )
    (results / "speed.csv").write_text(SPEED + other)
    found = judged(tables, results)["`mlp_128` epoch time relative to `fit`"]
    assert found == ("0.67x (`amx`, the worst of 2)", "**MISSED**")


def test_a_peer_that_never_reaches_the_accuracy_is_no_success(tables, results):
    (results / "speed.csv").write_text(SPEED.replace("ours,80,", "ours,inf,"))
    assert judged(tables, results)[PYTORCH][1] == "goal **MISSED**, aim **MISSED**"


def test_accuracies_count_as_the_mean_of_the_seeds_as_they_are_now(benchmark, tables, results):
    accuracy = benchmark("accuracy")
    keys = accuracy.entries().query("net == recipe").set_index("net", drop=False)[accuracy.KEY]
    rows = [("cnn_accurate", "0.9968"), ("cnn_accurate", "0.9972"), ("cnn_tiny", "0.9939")]
    rows = [{**keys.loc[model], "accuracy": accuracy} for model, accuracy in rows]
    rows.append({**rows[2], "digest": "another", "accuracy": "1.0"})
    pd.DataFrame(rows).to_csv(results / "accuracy.csv", index=False)
    found = judged(tables, results, "accuracy")
    assert found["`cnn_accurate`: test accuracy"] == ("99.700%", "goal yes, aim **MISSED**")
    assert found["`cnn_tiny`: test accuracy"] == ("99.390%", "**MISSED**")
    assert found["`cnn_accurate_ensemble`: test accuracy"] == ("not measured", "")


def test_results_of_two_machines_are_not_published_as_one_class(benchmark, results):
    (results / "speed.csv").write_text(SPEED.replace("avx2", "amx"))
    message = error_of(benchmark("speed").machines, results)
    assert message.startswith(
        "The results of the class amx are from different machines or versions. Run "
    )
    assert message.splitlines()[1] == "A"


def test_a_trial_says_what_it_changes(benchmark, results):
    recipe = RECIPES["cnn_accurate"].replace(epochs=10, augmentation=None).to_dict()
    row = {"net": "cnn_accurate", "data": "mnist", "seed": 1, "recipe": json.dumps(recipe)}
    row["arguments"] = '{"dropout": 0.1, "batch_norm": false}'
    pd.DataFrame([row, {**row, "net": "mlp_128"}]).to_csv(results / "trials.csv", index=False)
    changed = "batch_norm false, epochs 10, augmentation none, seed 1"
    trial = benchmark("trial")
    assert trial.changes(results)["changed"].tolist() == [changed]
    assert trial.describe({"augmentation": {"shift": 2}}) == "augmentation (shift 2)"


def test_a_cell_without_a_value_is_empty_in_any_format(tables):
    row = dict.fromkeys(("negative_log_likelihood", "brier_score"), 0.5)
    row["expected_calibration_error"] = 0.25
    row |= {f"{name}_at_temperature": None for name in row} | {"temperature": None}
    row |= {"net": "lenet5", "recipe": "r", "data": "mnist"}
    line = tables.fill("calibration", pd.DataFrame([row])).splitlines()[-1]
    assert line == "| `lenet5` | `r` | mnist | 0.5000 | 0.5000 | 0.2500 |  |  |  |  |"


def test_a_block_has_a_known_name_and_an_end(tables):
    message = error_of(tables.remake, "<!-- growth: begin -->", tables.RESULTS)
    markers = "<!-- growth: begin --> and <!-- growth: end -->"
    assert message == f"The page must have the markers {markers}, once each."
    message = error_of(tables.remake, "<!-- grown: begin -->", tables.RESULTS)
    assert message.startswith("Unknown block of a page 'grown'. Did you mean 'growth'?")
