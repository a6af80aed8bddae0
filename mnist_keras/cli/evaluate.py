"""`mnist-keras evaluate` and `compare`: score trained models on test images."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from mnist_keras.cli.terminal import PROGRAM, command_line, quiet_startup, typed_path

if TYPE_CHECKING:
    from mnist_keras.data.image_data import ImageData
    from mnist_keras.evaluation.metrics import Evaluation
    from mnist_keras.evaluation.robustness import Robustness
    from mnist_keras.training.run_directory import RunDirectory


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the options of `evaluate` other than the model and the data."""
    option = command.add_argument
    option(
        "--shift", type=int, default=0, metavar="N", help="average over views shifted by N pixels"
    )
    option(
        "--robustness",
        action="store_true",
        help="also score attacked, shifted, rotated and corrupted images",
    )
    option("--out", type=typed_path, metavar="DIR", help="directory for a report, scores and plots")
    option("--json", action="store_true", help="print the scores as JSON")


def run(args: argparse.Namespace) -> None:
    """Prints a model's scores and, with `--out`, writes a report."""
    from mnist_keras._validation import check_integer
    from mnist_keras.training.run_directory import RunDirectory

    check_integer("shift", args.shift, minimum=0)
    if out := args.out and RunDirectory(args.out):
        out.check_empty()
    data, models = _load(args, args.model)
    from mnist_keras.evaluation.evaluate import evaluate_test
    from mnist_keras.evaluation.robustness import evaluate_robustness

    evaluation = evaluate_test(models[0], data, shift=args.shift)
    robustness = evaluate_robustness(models[0], data.test) if args.robustness else None
    scores = evaluation.to_dict()
    if robustness:
        scores["robustness"] = robustness.to_dict()
    if out:
        with out.filling():
            _write(out, args.model, data, evaluation, robustness)
            out.write_metrics(scores)
    reports = [x.report() for x in (evaluation, robustness) if x]
    print(json.dumps(scores, indent=2) if args.json else "\n\n".join(reports))
    if out and not args.json:
        print(f"\nScores and plots are in {out.path}; open {out.report}")
        given = {"--data": args.data, "--data-dir": args.data_dir}
        data_options = [x for option in given.items() if option[1] for x in option]
        form = ("--format", "saved_model", "--out", out.path / "exported")
        command = command_line("export", args.model, *data_options, *form)
        print(f"Next, export the model: {command}")


def _write(
    out: "RunDirectory",
    model: str,
    data: "ImageData",
    evaluation: "Evaluation",
    robustness: "Robustness | None",
) -> None:
    from mnist_keras.evaluation.plotting import save_plots
    from mnist_keras.evaluation.report import write_report

    save_plots(out.plots, history=None, examples=data.test, evaluation=evaluation)
    text = evaluation.to_markdown()
    (out.path / "report.md").write_text(text, encoding="utf-8", errors="replace")
    if robustness:
        from mnist_keras.evaluation.model_plots import plot_robustness

        plot_robustness(robustness).figure.canvas.print_figure(out.plots / "robustness.png")
    origin = _origin(model, data)
    write_report(out.report, evaluation, data.test, **origin, robustness=robustness)


def _origin(model: str, data: "ImageData") -> dict[str, Any]:
    """Returns what the report of an evaluation says about the model: everything about its run, if it is one."""
    from mnist_keras.training.run_directory import RunDirectory, versions

    config: dict[str, Any] = {"model": {"name": model}}
    history, trained = None, RunDirectory(model)
    if trained.has_run:
        config, history = trained.read_config(), trained.read_history()
    here = {
        "data": {"name": data.name, "source": data.source, "sha256": dict(data.sha256)},
        "versions": versions(),
        "command": [PROGRAM, *sys.argv[1:]],
    }
    return {"config": config | here, "history": history}


def compare(args: argparse.Namespace) -> None:
    """Prints whether one of two models is better."""
    from mnist_keras.evaluation.metrics import compare

    names = (args.model_a, args.model_b)
    data, models = _load(args, *names)
    from mnist_keras.evaluation.evaluate import evaluate_test

    evaluations = [evaluate_test(model, data) for model in models]
    predictions = [evaluation.predictions for evaluation in evaluations]
    print(compare(evaluations[0].labels, *predictions).report(*names))


def _load(args: argparse.Namespace, *names: str) -> tuple[Any, list[Any]]:
    """Returns the test data and the models.

    A registered model gets its packaged weights for this data, or else its weights for MNIST; a notice says which.
    """
    from mnist_keras.models.loading import find_model, load_model
    from mnist_keras.models.pretrained import DATASETS

    registered = [name for name in names if find_model(name) is None]
    data = _test_data(args, *names)
    dataset = data.name
    if dataset not in DATASETS:
        dataset = "mnist"
        for name in registered:
            print(f"{name}: using the packaged weights trained on {dataset}", file=sys.stderr)
    with quiet_startup():
        models = [load_model(name, dataset=dataset) for name in names]
    if not getattr(args, "json", False):
        print(data.headline)
    return data, models


def _test_data(args: argparse.Namespace, *models: str) -> "ImageData":
    """Returns the data that was asked for, or that the runs among `models` were trained on."""
    from mnist_keras._validation import InputError, say
    from mnist_keras.data.datasets import load_data
    from mnist_keras.training.run_directory import RunDirectory

    name = args.data
    runs = [run for run in map(RunDirectory, models) if run.has_run]
    if name is None:
        trained_on = sorted({run.read_data_name() for run in runs}) or ["auto"]
        if len(trained_on) > 1:
            both = " and ".join(trained_on)
            raise InputError(
                f"The runs were trained on different datasets, {both}. Choose one with --data."
            )
        name = trained_on[0]
    data = load_data(name, data_dir=args.data_dir)
    data = _held_out(data, runs) or data.to_evaluate_on()
    for run in runs:  # its model numbers the classes that it was trained on
        names = run.read_config().get("class_names", data.class_names)
        if foreign := [name for name in data.class_names if name not in names]:
            say(
                f"The run {run.path} has no class {', '.join(foreign[:5])}, only {', '.join(names[:5])}: "
                "the first class of the data is scored as the first class of the run, and so on."
            )
        data = data.with_class_names(names)
    return data


def _held_out(data: "ImageData", runs: "list[RunDirectory]") -> "ImageData | None":
    """Returns the 20% that were held out when a run was trained on this data; None if none was."""
    from mnist_keras._validation import InputError

    if not runs or (len(data.test) and data.test.is_labeled):
        return None
    try:
        split = data.with_test_split()
    except InputError:  # too few images: nothing was trained on them
        return None
    hashes = [run.read_config()["data"]["sha256"] for run in runs]
    return split if dict(split.sha256) in hashes else None
