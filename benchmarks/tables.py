"""Makes the tables of docs/accuracy.md, and README's table of the nets, from the files of results.

python benchmarks/tables.py
"""

import json
from pathlib import Path

from accuracy import ENTRIES, make_table
from report import README, RESULTS, ROOT, read_rows, with_block

PAGE = ROOT / "docs" / "accuracy.md"
GOALS = (  # net, recipe, goal, aim beyond the goal
    ("cnn_accurate", "cnn_accurate", 0.9970, 0.9975),
    ("cnn_accurate_ensemble", "cnn_accurate", 0.9978, 0.9982),
    ("cnn_tiny", "cnn_tiny", 0.9940, None),
    ("mlp_deep", "mlp_deep_elastic", 0.9930, 0.9950),
)
Rows = list[dict[str, str]]


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_tables(page, RESULTS), encoding="utf-8")
    README.write_text(with_accuracy(README.read_text(encoding="utf-8"), RESULTS), "utf-8")


def with_accuracy(readme: str, results: Path) -> str:
    """Returns the README with the table of the nets made anew."""
    return with_block(readme, "accuracy.csv", make_table(read_rows(results / "accuracy.csv")))


def with_tables(page: str, results: Path) -> str:
    """Returns the page with every table between its markers made anew."""
    for name, (source, make) in TABLES.items():
        page = with_block(page, name, make(read_rows(results / source)))
    return page


def seeds_table(rows: Rows) -> str:
    """Returns what each seed reached, from accuracy.csv."""
    lines = [
        "| net | data | recipe | errors of each seed | mean accuracy, % |",
        "|---|---|---|--:|--:|",
    ]
    for entry in ENTRIES:
        own = [row for row in rows if entry.key.items() <= row.items()]
        if own:
            mean = sum(float(row["accuracy"]) for row in own) / len(own)
            errors = ", ".join(row["errors"] for row in own)
            lines.append(
                f"| `{entry.net}` | {entry.data} | `{entry.recipe_name}` | {errors} | {100 * mean:.3f} |"
            )
    return "\n".join(lines)


def goals_table(rows: Rows) -> str:
    """Returns what was to be reached, and whether the means in accuracy.csv do."""
    lines = ["| net | recipe | goal, % | aim, % | mean, % | reached |", "|---|---|--:|--:|--:|---|"]
    for net, recipe, goal, aim in GOALS:
        own = [float(x["accuracy"]) for x in rows if (x["net"], x["recipe"]) == (net, recipe)]
        mean = sum(own) / len(own)
        reached = [
            "yes" if round(mean, 6) >= target else "**MISSED**" for target in (goal, aim) if target
        ]
        shown = f"{100 * aim:.2f}" if aim else ""
        verdict = ", the aim ".join(["the goal " + reached[0], *reached[1:]])
        lines.append(
            f"| `{net}` | `{recipe}` | {100 * goal:.2f} | {shown} | {100 * mean:.3f} | {verdict} |"
        )
    return "\n".join(lines)


def packaged_table(rows: Rows) -> str:
    """Returns what packaged.py measured: accuracy, the comparison with lenet5, views."""
    head = (
        "| net | recipe | data | accuracy, % | 95 % interval | errors in images 0 to 4999, 5000 to 9999 "
        "| right where `lenet5` is wrong, and the reverse | McNemar's p | with shifted views, % |"
    )
    lines = [head, "|---|---|---|--:|--:|--:|--:|--:|--:|"]
    for row in rows:
        compared = ", ".join(filter(None, [row["only_this_right"], row["only_lenet5_right"]]))
        interval = f"{percent(row['ci95_low'])} to {percent(row['ci95_high'])}"
        lines.append(
            f"| `{row['net']}` | `{row['recipe']}` | {row['data']} | {percent(row['accuracy'])} | {interval} "
            f"| {row['errors_in_first_half']}, {row['errors_in_second_half']} "
            f"| {compared} | {row['mcnemar_p_value']} | {percent(row['accuracy_of_views'])} |"
        )
    return "\n".join(lines)


def calibration_table(rows: Rows) -> str:
    """Returns what packaged.py measured of the probabilities, as they are and at the temperature."""
    head = (
        "| net | recipe | data | negative log-likelihood | Brier score | calibration error | temperature "
        "| the three at the temperature |"
    )
    lines = [head, "|---|---|---|--:|--:|--:|--:|--:|"]
    names = ("negative_log_likelihood", "brier_score", "expected_calibration_error")
    for row in rows:
        plain = " | ".join(f"{float(row[name]):.4f}" for name in names)
        scaled = [row[f"{name}_at_temperature"] for name in names]
        cooled = ", ".join(f"{float(value):.4f}" for value in scaled if value)
        lines.append(
            f"| `{row['net']}` | `{row['recipe']}` | {row['data']} | {plain} | {row['temperature']} | {cooled} |"
        )
    return "\n".join(lines)


def trials_table(rows: Rows) -> str:
    """Returns the trials, in the order in which they were run."""
    head = (
        "| net | data | recipe | precision | parameters | errors of 10,000 held out | negative log-likelihood "
        "| at its temperature | seconds (cores) |"
    )
    lines = [head, "|---|---|---|---|--:|--:|--:|--:|--:|"]
    for row in rows:
        net = ", ".join([f"`{row['net']}`", *describe(json.loads(row["arguments"]))])
        recipe = ", ".join(describe(json.loads(row["recipe"])))
        lines.append(
            f"| {net} | {row['data']} | {recipe} | {row['precision']} | {int(row['parameters']):,} "
            f"| {row['held_out_errors']} | {row['negative_log_likelihood']} "
            f"| {row['likelihood_at_temperature']} | {row['seconds']} ({row['cores']}) |"
        )
    return "\n".join(lines)


def describe(settings: dict) -> list[str]:
    """Returns settings in words; those of an augmentation in brackets."""
    return [
        f"{key} ({', '.join(describe(value))})"
        if isinstance(value, dict)
        else f"{key} {json.dumps(value)}".replace('"', "")
        for key, value in settings.items()
    ]


def percent(share: str) -> str:
    return f"{100 * float(share):.2f}"


TABLES = {  # markers' name -> file of results, and what makes the table of its rows
    "goals": ("accuracy.csv", goals_table),
    "seeds": ("accuracy.csv", seeds_table),
    "packaged": ("packaged.csv", packaged_table),
    "calibration": ("packaged.csv", calibration_table),
    "trials": ("trials.csv", trials_table),
}


if __name__ == "__main__":
    main()
