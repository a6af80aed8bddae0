"""The goals of speed: what was set, what came out."""

import dataclasses
import math
from collections.abc import Callable

EPOCHS = {  # task -> what is trained
    "epoch_mlp_128": "`mlp_128`, batch 128",
    "epoch_mlp_1024_128": "`mlp_1024_128`, batch 128",
    "epoch_cnn_2conv": "`cnn_2conv`, batch 64",
}
AUGMENTED = "lenet5"  # the registered net whose recipe augments
SHARE = "pipeline_share_"
MAX_SHARE = 0.05  # of a step, spent waiting for batches
TOLERANCE = 1.05  # of times that are the same: what repeats differ by
ACCURACY_TOLERANCE = 0.002  # of one training: three deviations of `mlp_1024_128` over seeds
GROWTH_LIMIT = 1.10  # times what it is at the first size
GROWTH = {  # data and metric in growth.csv -> what is measured
    ("memory", "microseconds_per_image"): "time per image, data in memory",
    ("records", "microseconds_per_image"): "time per image, data in files",
    ("records", "peak_megabytes"): "peak of resident memory, data in files",
}


class Measured:
    """The values of speed.csv; what was not measured is NaN."""

    def __init__(self, rows: list[dict[str, str]]):
        self._rows = {(row["task"], row["contestant"], row["metric"]): row for row in rows}
        self.tasks = list(dict.fromkeys(row["task"] for row in rows))

    def text(self, *key: str, column: str = "median") -> str:
        return self._rows.get(key, {}).get(column, "")

    def __call__(self, *key: str) -> float:
        return float(self.text(*key) or "nan")

    def metrics(self, task: str, contestant: str) -> list[str]:
        return [key[2] for key in self._rows if key[:2] == (task, contestant)]


@dataclasses.dataclass(frozen=True)
class Goal:
    """One row of the table.

    Attributes:
        what: What is measured.
        value: What came out.
        limit: At most this, or at least, if `above`.
        text: Writes value and limit.
        above: Whether more is better.
        applies: Whether the goal was set for this machine.
        holds: Whether what else the goal asks for is there.
    """

    what: str
    value: float
    limit: float
    text: Callable[[float], str]
    above: bool = False
    applies: bool = True
    holds: bool = True

    @property
    def reached(self) -> bool:
        far_enough = self.value >= self.limit if self.above else self.value <= self.limit
        return far_enough and self.holds

    def row(self) -> str:
        goal = f"{'at least' if self.above else 'at most'} {self.text(self.limit)}"
        if math.isnan(self.value):
            return f"| {self.what} | {goal} | not measured | |"
        verdict = "yes" if self.reached else "**MISSED**" if self.applies else "not set: no AMX"
        return f"| {self.what} | {goal} | {self.text(self.value)} | {verdict} |"


def all_goals(
    measured: Measured, choices: list[dict[str, str]], growth: list[dict[str, str]]
) -> list[Goal]:
    """Returns the goals of training, loop, choices, pipeline, prediction and growth, in this order."""
    return [
        *_training_goals(measured),
        *_loop_goals(measured),
        *_choice_goals(choices),
        *_pipeline_goals(measured),
        *_prediction_goals(measured),
        *_growth_goals(growth),
    ]


def _training_goals(measured):
    task = "to_99_percent"
    seconds = measured(task, "ours", "seconds")
    times = measured(task, "pytorch_example", "times_slower_than_ours")
    accuracy = Goal(
        "`cnn_fast`: mean test accuracy",
        measured(task, "ours", "test_accuracy_mean"),
        0.99,
        lambda x: percent(x, 2),
        above=True,
    )
    return [
        accuracy,
        *(
            Goal(
                f"times faster than PyTorch's example to 99%{aim}",
                times,
                limit,
                _short,
                above=True,
                holds=accuracy.reached and math.isfinite(times),
            )
            for limit, aim in ((60, ""), (100, ", the aim beyond the goal"))
        ),
        Goal(
            "seconds of `cnn_fast` (two cores with AMX)",
            seconds,
            4,
            _short,
            applies=_has_amx(measured),
            holds=accuracy.reached,
        ),
    ]


def _loop_goals(measured):
    def ratio(task, ours, peer):
        return measured(task, ours, "epoch_seconds") / measured(task, peer, "epoch_seconds")

    dense, wide, convolutional = EPOCHS
    amx = _has_amx(measured)
    share = measured(wide, "ours", "share_of_float32_product")
    gain = ratio(wide, "ours", "ours_bfloat16")
    both = "ours", "ours_bfloat16"
    accuracies = [measured(wide, who, "test_accuracy") for who in both]
    epochs = [measured(wide, who, "epochs_trained") for who in both]
    return [
        Goal("epoch of `mlp_128`, of `fit`'s", ratio(dense, "ours", "fit"), 0.45, _short),
        *(
            Goal(f"epoch of `mlp_128`, of PyTorch's{how}", ratio(dense, "ours", peer), 0.6, _short)
            for peer, how in {
                "pytorch_resident": " with resident data",
                "pytorch_resident_fused": " with resident data and fused optimizer",
            }.items()
        ),
        Goal("`mlp_1024_128`: share of the matrix product's rate", share, 0.7, percent, True),
        Goal("`mlp_1024_128`: times faster in bfloat16 (AMX)", gain, 2, _short, True, amx),
        Goal(
            "`mlp_1024_128`: accuracy lost by bfloat16",
            round(accuracies[0] - accuracies[1], 4),
            ACCURACY_TOLERANCE,
            points,
            holds=epochs[0] == epochs[1],
        ),
        *(
            Goal(
                f"epoch of `cnn_2conv`{how}, of PyTorch's with `DataLoader`",
                ratio(convolutional, who, "pytorch_dataloader"),
                0.25,
                _short,
            )
            for who, how in {"ours": "", "ours_bfloat16": " in bfloat16"}.items()
        ),
    ]


def _choice_goals(choices):
    goals = []
    for who, column, what in (
        ("auto", "ratio_to_best", 'precision="auto" and jit="auto"'),
        ("recipe", "ratio_to_best_of_precision", "the recipe's precision and jit"),
    ):
        ratios = {
            row["net"]: float(row[column]) for row in choices if who in row["chosen_by"].split()
        }
        net = max(ratios, key=lambda name: ratios[name], default="")
        worst = f"; worst net `{net}`" if net else ""
        text = f"training time with {what}, of the fastest choice's{worst}"
        goals.append(Goal(text, ratios.get(net, math.nan), TOLERANCE, "{:.3f}".format))
    return goals


def _pipeline_goals(measured):
    nets = [task.removeprefix(SHARE) for task in measured.tasks if task.startswith(SHARE)]
    nets = [net for net in nets if not net.startswith(AUGMENTED)]
    shares = {net: measured(SHARE + net, "ours", "share_of_step") for net in nets}
    net = max(shares, key=lambda name: shares[name])
    within = sum(share <= MAX_SHARE for share in shares.values())
    count = "{:,.0f}".format
    return [
        Goal(
            "share of a step spent waiting for batches, nets without augmentation; "
            f"{within} of {len(shares)} within it; worst `{net}`",
            shares[net],
            MAX_SHARE,
            lambda x: percent(x, 1),
        ),
        *(
            Goal(
                f"{what} images a second at batch 128",
                measured(f"pipeline_{name}", "ours", "images_per_second"),
                limit,
                count,
                True,
            )
            for name, what, limit in (("plain", "plain", 750_000), ("affine", "affine", 200_000))
        ),
    ]


def _prediction_goals(measured):
    goals = []
    for task in measured.tasks:
        net = f"`{task.removeprefix('predict_one_').removeprefix('predict_all_')}`"
        if task.startswith("predict_one_"):
            text = f"{net}: ms for one image (`Model.predict`: {measured(task, 'model_predict', 'ms'):.0f})"
            goals.append(Goal(text, measured(task, "ours", "ms"), 1, _short))
            for metric in measured.metrics(task, "ours"):
                if metric.startswith("growth_mb"):
                    calls = int(metric.split("_")[3])
                    text = f"{net}: MB of memory gained in {calls:,} calls"
                    goals.append(Goal(text, measured(task, "ours", metric), 1, "{:.1f}".format))
        if task.startswith("predict_all_"):
            share = measured(task, "ours", "share_of_compiled")
            text = f"{net}: rate for 10,000 images, of the raw compiled function's"
            goals.append(Goal(text, share, 0.8, percent, True))
    return goals


def _growth_goals(growth):
    goals = []
    for (data, metric), what in GROWTH.items():
        rows = [row for row in growth if (row["data"], row["metric"]) == (data, metric)]
        ratios = [float(row["ratio_to_first"]) for row in rows]
        counts = [f"{int(row['images']):,}" for row in rows]
        sizes = f", {counts[0]} to {counts[-1]} images" if counts else ""
        text = f"{what}{sizes}: worst, of the first's"
        goals.append(Goal(text, max(ratios, default=math.nan), GROWTH_LIMIT, "{:.3f}".format))
    return goals


def _has_amx(measured):
    return "amx_bf16" in measured.text("machine", "", "instructions").split()


def _short(value: float) -> str:
    return f"{value:.3g}"


def points(share: float) -> str:
    return f"{100 * share:.2f} points"


def percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}%"
