"""The README's block on speed: from any results, missed goals shown as missed."""

import pytest

from mnist_keras._validation import InputError

MACHINE = {"cpu": "A CPU", "cores": "2", "instructions": "avx2 amx_bf16", "summary": "A"}
REACHED = {
    ("to_99_percent", "ours", "test_accuracy_mean"): 0.9921,
    ("to_99_percent", "ours", "test_accuracy_deviation"): 0.0007,
    ("to_99_percent", "ours", "test_accuracy"): 0.992,
    ("to_99_percent", "ours", "seconds"): 3.0,
    ("to_99_percent", "pytorch_example", "seconds"): 240.0,
    ("to_99_percent", "pytorch_example", "times_slower_than_ours"): 80.0,
    ("to_99_percent", "keras_example", "seconds"): 60.0,
    ("to_99_percent", "keras_example", "times_slower_than_ours"): 20.0,
    ("epoch_mlp_128", "ours", "epoch_seconds"): 0.25,
    ("epoch_mlp_128", "fit", "epoch_seconds"): 1.0,
    ("epoch_mlp_128", "pytorch_resident", "epoch_seconds"): 0.3,
    ("epoch_mlp_1024_128", "ours", "epoch_seconds"): 1.0,
    ("epoch_mlp_1024_128", "ours_bfloat16", "epoch_seconds"): 0.6,
    ("epoch_mlp_1024_128", "ours", "share_of_float32_product"): 0.7,
    ("pipeline_plain", "ours", "images_per_second"): 800_000.0,
    ("pipeline_affine", "ours", "images_per_second"): 150_000.0,
    ("pipeline_share_mlp_128", "ours", "share_of_step"): 0.062,
    ("pipeline_share_cnn_2conv", "ours", "share_of_step"): -0.01,
    ("pipeline_share_lenet5", "ours", "share_of_step"): 0.3,
    ("pipeline_share_lenet5_affine", "ours", "share_of_step"): 0.31,
    ("predict_one_mlp_128", "ours", "ms"): 0.4,
    ("predict_one_mlp_128", "model_predict", "ms"): 48.0,
    ("predict_one_mlp_128", "ours", "growth_mb_over_10000_calls"): 0.0,
    ("predict_all_mlp_128", "ours", "share_of_compiled"): 0.79,
}
CHOICES = [
    {
        "net": net,
        "chosen_by": by,
        "ratio_to_best": best,
        "ratio_to_best_of_precision": of_precision,
        "machine": "A",
    }
    for net, by, best, of_precision in (
        ("mlp_128", "auto recipe", "1.000", "1.000"),
        ("cnn_2conv", "recipe", "2.000", "1.000"),
        ("cnn_2conv", "auto", "1.100", "1.000"),
    )
]
GROWTH = [
    {
        "data": data,
        "images": images,
        "metric": metric,
        "median": f"{4 * float(ratio):g}",
        "ratio_to_first": ratio,
        "limit": limit,
        "machine": "A",
    }
    for data, images, metric, ratio, limit in (
        ("memory", "60000", "microseconds_per_image", "1.000", "1.10"),
        ("memory", "600000", "microseconds_per_image", "1.080", "1.10"),
        ("memory", "1200000", "microseconds_per_image", "1.070", "1.10"),
        ("memory", "1200000", "peak_megabytes", "3.000", ""),
        ("records", "60000", "peak_megabytes", "1.000", "1.10"),
        ("records", "600000", "peak_megabytes", "1.200", "1.10"),
    )
]


@pytest.fixture
def report(benchmark):
    return benchmark("report")


def make_rows(changes=(), machine=MACHINE):
    values = {("machine", "", name): fact for name, fact in machine.items()}
    values |= REACHED | dict(changes)
    return [
        {"task": key[0], "contestant": key[1], "metric": key[2], "median": str(x), "repeats": "10"}
        for key, x in values.items()
    ]


def verdicts(block):
    """Returns measured value and verdict of each goal by the start of its text."""
    lines = [line.strip("| ").split(" | ") for line in block.splitlines() if " at " in line]
    return {cells[0]: (cells[2], cells[3]) for cells in lines if len(cells) == 4}


def test_goals_are_reached_or_missed(report):
    found = verdicts(report.make_block(make_rows(), CHOICES, GROWTH))
    assert found["`cnn_fast`: mean test accuracy"] == ("99.21%", "yes")
    assert found["times faster than PyTorch's example to 99%"] == ("80", "yes")
    aim = "times faster than PyTorch's example to 99%, the aim beyond the goal"
    assert found[aim] == ("80", "**MISSED**")
    assert found["epoch of `mlp_128`, of `fit`'s"] == ("0.25", "yes")
    assert found["epoch of `mlp_128`, of PyTorch's with resident data"] == ("0.833", "**MISSED**")
    assert found["`mlp_1024_128`: share of the matrix product's rate"] == ("70%", "yes")
    assert found["`mlp_1024_128`: times faster in bfloat16 (AMX)"] == ("1.67", "**MISSED**")
    assert found["affine images a second at batch 128"] == ("150,000", "**MISSED**")
    assert found["`mlp_128`: MB of memory gained in 10,000 calls"] == ("0.0", "yes")
    assert found["`mlp_128`: ms for one image (`Model.predict`: 48)"] == ("0.4", "yes")
    waiting = (
        "share of a step spent waiting for batches, nets without augmentation; 1 of 2 within it; "
        "worst `mlp_128`"
    )
    assert found[waiting] == ("6.2%", "**MISSED**")
    choice = (
        'training time with precision="auto" and jit="auto", of the fastest choice\'s; worst net'
    )
    assert found[f"{choice} `cnn_2conv`"] == ("1.100", "**MISSED**")
    growth = "time per image, data in memory, 60,000 to 1,200,000 images: worst, of the first's"
    assert found[growth] == ("1.080", "yes")
    memory = (
        "peak of resident memory, data in files, 60,000 to 600,000 images: worst, of the first's"
    )
    assert found[memory] == ("1.200", "**MISSED**")


def test_growth_is_given_in_units(report):
    block = report.make_block(make_rows(), [], GROWTH)
    assert "data in memory: 4 µs with 60,000, 4.32 µs with 600,000, 4.28 µs with 1,200,000" in block
    assert "data in files: 4 MB with 60,000, 4.8 MB with 600,000." in block


def test_what_was_not_measured_is_said(report):
    block = report.make_block(make_rows(), [], [])
    line = (
        "| epoch of `mlp_128`, of PyTorch's with resident data and fused optimizer | at most 0.6 |"
    )
    assert f"{line} not measured | |" in block
    for line in (
        'training time with precision="auto" and jit="auto", of the fastest choice\'s | at most 1.050 |',
        "time per image, data in memory: worst, of the first's | at most 1.100 |",
        "peak of resident memory, data in files: worst, of the first's | at most 1.100 |",
    ):
        assert f"| {line} not measured | |" in block


def test_results_of_two_machines_are_not_published_as_one(report):
    others = [{**row, "machine": "B"} for row in GROWTH]
    with pytest.raises(InputError, match=r"of different machines or versions\.[^$]*\nA\nB"):
        report.make_block(make_rows(), CHOICES, others)


def test_the_headline_says_what_was_compared(report):
    headline = report.make_block(make_rows(), CHOICES, GROWTH).splitlines()[0]
    assert (
        "reaches 99.21% on MNIST's test images (mean of 10 seeds, deviation 0.07 points" in headline
    )
    assert "in 3.00 s from arrays" in headline
    assert (
        "PyTorch's official MNIST example takes 240 s (80.0 times as long; median of 10" in headline
    )


@pytest.mark.parametrize(
    ("change", "measured"),
    [
        ({("to_99_percent", "ours", "test_accuracy_mean"): 0.9899}, "80"),
        (
            {
                ("to_99_percent", "pytorch_example", "seconds"): "inf",
                ("to_99_percent", "pytorch_example", "times_slower_than_ours"): "inf",
            },
            "inf",
        ),
    ],
)
def test_a_time_to_an_accuracy_counts_only_with_that_accuracy(report, change, measured):
    block = report.make_block(make_rows(change), CHOICES, GROWTH)
    assert verdicts(block)["times faster than PyTorch's example to 99%"] == (
        measured,
        "**MISSED**",
    )


def test_a_goal_for_amx_is_none_without_it(report):
    block = report.make_block(make_rows(machine={**MACHINE, "instructions": "avx2"}), [], [])
    verdict = verdicts(block)["`mlp_1024_128`: times faster in bfloat16 (AMX)"]
    assert verdict == ("1.67", "not set: no AMX")


def test_the_block_stands_between_its_markers(report):
    readme = "a\n<!-- speed.csv: begin -->\nold\n<!-- speed.csv: end -->\nz\n"
    once = report.with_block(readme, "speed.csv", "new")
    assert once == "a\n<!-- speed.csv: begin -->\nnew\n<!-- speed.csv: end -->\nz\n"
    assert report.with_block(once, "speed.csv", "new") == once
