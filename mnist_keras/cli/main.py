"""The command `mnist-keras`: one subcommand, one library call.

Nothing heavy is imported at the top: `--help` must answer at once, and what can be checked without
TensorFlow is checked before the seconds that its import takes.
"""

import argparse
import errno
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from mnist_keras.cli import data as data_command, evaluate, export, models, predict
from mnist_keras.cli.terminal import PROGRAM, prepare_streams, quiet_startup

DEMO_MODEL = "mlp_128_64_dropout"
STRATEGIES = ("auto", "none", "mirrored")  # distribution's; to ask it takes seconds
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")  # those of recipes
EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line, without the usage above it."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand.

    Args:
        argv: The arguments without the program's name, or None for the process's own.

    Returns:
        The exit status: 0; 2 for bad input; 1 for a run that failed; 130 after Ctrl-C.

    Raises:
        SystemExit: From argparse for `--help` and for arguments that it refuses, and with status 143
            after a training run that was told to terminate has saved its state.
    """
    prepare_streams()
    args = _parser().parse_args(argv)
    from mnist_keras._validation import InputError, MissingExtraError

    try:
        args.run(args)
        sys.stdout.flush()  # a closed pipe shows here, not at the interpreter's exit
    except (InputError, MissingExtraError) as error:
        right = isinstance(error, InputError) and not error.fault_of_input
        return _fail(args, error, EXIT_FAILED if right else EXIT_BAD_INPUT)
    except BrokenPipeError:  # the reader, `head` say, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        space = "Free some space. " if error.errno == errno.ENOSPC else ""
        return _fail(args, f"{error}. {space}{_how_to_go_on(args)}".strip(), EXIT_FAILED)
    except FloatingPointError as error:
        return _fail(args, error, EXIT_FAILED)
    except KeyboardInterrupt:
        return _fail(args, "interrupted", EXIT_INTERRUPTED)
    return 0


def _fail(args: argparse.Namespace, reason: object, status: int) -> int:
    one_line = " ".join(str(reason).splitlines())  # Keras has errors of several
    print(f"{PROGRAM} {args.command}: {one_line}", file=sys.stderr)
    return status


def _how_to_go_on(args: argparse.Namespace) -> str:
    """Returns how to resume the run that failed or was interrupted; nothing if none was begun."""
    from mnist_keras.training.run_directory import RunDirectory

    run_dir = getattr(args, "run_dir", None)
    if run_dir is None or not RunDirectory(run_dir).has_run:
        return ""
    return f"To go on, repeat the command with --run-dir {shlex.quote(str(run_dir))} --resume"


def _parser() -> argparse.ArgumentParser:
    from mnist_keras import __version__

    parser = _Parser(
        prog=PROGRAM, description="Documented MNIST networks: train, evaluate, compare."
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, run: Any, summary: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        command.set_defaults(run=run)
        return command

    models.add_arguments(add("models", models.run, "List the documented models."))

    add("demo", _demo, f"Train, evaluate and plot {DEMO_MODEL} with the data at hand.")

    command = add("train", _train, "Train a documented net and evaluate it on the test images.")
    option = command.add_argument
    option("model", metavar="MODEL", help=f"a name that `{PROGRAM} models` lists")
    _add_data(command, "auto")
    option("--recipe", metavar="NAME|FILE", help="a recipe's name, or a JSON file of its fields")
    option("--run-dir", type=Path, metavar="DIR", help="default: runs/MODEL-N, the next free N")
    option("--epochs", type=int, metavar="N", help="default: the recipe's")
    option("--batch-size", type=int, metavar="N", help="of all replicas; default: the recipe's")
    option("--learning-rate", type=float, metavar="F", help="default: the recipe's")
    option("--seed", type=int, default=0, metavar="N", help="default: 0")
    described = f"{', '.join(STRATEGIES)}; default: auto, which takes all GPUs"
    option("--strategy", choices=STRATEGIES, default="auto", metavar="NAME", help=described)
    described = f"{', '.join(PRECISIONS)}; default: the recipe's"
    option("--precision", choices=PRECISIONS, metavar="NAME", help=described)
    again = command.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with the run, or start it")
    again.add_argument("--overwrite", action="store_true", help="replace the run")
    option("--quiet", action="store_true", help="print errors only")

    command = add("evaluate", evaluate.run, "Score a trained net on the test images.")
    _add_model(command, "model")
    _add_data(command)
    evaluate.add_arguments(command)

    command = add(
        "compare", evaluate.compare, "Tell whether one trained net is better than another."
    )
    _add_model(command, "model_a")
    _add_model(command, "model_b")
    _add_data(command)

    command = add(
        "data", data_command.run, "Tell what is found in a dataset, and draw examples of it."
    )
    data_command.add_arguments(command)

    predict.add_arguments(add("predict", predict.run, "Read the digits in pictures."))

    command = add("export", export.run, "Write a trained net as a file for another runtime.")
    _add_model(command, "model")
    export.add_arguments(command)
    _add_data(command)

    add("doctor", _doctor, "Tell what this machine offers: versions, CPU, GPUs, data.")
    return parser


def _add_model(command: argparse.ArgumentParser, dest: str) -> None:
    described = "a run directory, a .keras file, or a net that has packaged weights"
    command.add_argument(dest, metavar="RUN_OR_MODEL", help=described)


def _add_data(command: argparse.ArgumentParser, default: str | None = None) -> None:
    shown = default or "what the run was trained on, else auto"
    described = f"a dataset's name, auto, or the path of your own; default: {shown}"
    command.add_argument("--data", default=default, metavar="NAME|PATH", help=described)
    command.add_argument("--data-dir", metavar="DIR", help="where the files of a known set are")


def _demo(args: argparse.Namespace) -> None:
    from mnist_keras.data.datasets import load_data
    from mnist_keras.evaluation.sketch import sketch
    from mnist_keras.training.run_directory import RunDirectory, next_run_directory

    data = load_data("auto")
    print(f"Training {DEMO_MODEL} on {len(data.train_images):,} images of {data.name}", flush=True)
    run_dir = next_run_directory(DEMO_MODEL)
    evaluation = _call_train(DEMO_MODEL, data, run_dir=run_dir).evaluation
    answers = (evaluation.labels, evaluation.predictions, evaluation.class_names)
    print(f"\n{evaluation.report()}\n\n{sketch(data.test_images, *answers)}\n\nPictures:")
    for path in sorted(RunDirectory(run_dir).plots.iterdir()):
        print(f"  {path}")


def _train(args: argparse.Namespace) -> None:
    from mnist_keras._validation import InputError, check_seed
    from mnist_keras.data.datasets import load_data
    from mnist_keras.training.run_directory import RunDirectory, next_run_directory

    recipe = _recipe(args)
    check_seed(args.seed)
    if args.run_dir is None and (args.resume or args.overwrite):
        raise InputError("--resume and --overwrite need --run-dir, which says which run.")
    run_dir = args.run_dir = args.run_dir or next_run_directory(args.model)
    RunDirectory(run_dir).check(resume=args.resume, overwrite=args.overwrite)
    data = load_data(args.data, data_dir=args.data_dir)
    if not args.quiet:
        print(data.headline, flush=True)
    try:
        run = _call_train(
            args.model,
            data,
            recipe=recipe,
            strategy=args.strategy,
            precision=args.precision,
            seed=args.seed,
            run_dir=run_dir,
            resume=args.resume,
            overwrite=args.overwrite,
            verbose=0 if args.quiet else "auto",
        )
    except (KeyboardInterrupt, SystemExit):
        if advice := _how_to_go_on(args):
            print(f"\nThe state is saved. {advice}", file=sys.stderr)
        raise
    if not args.quiet:
        low, high = run.evaluation.accuracy_ci95
        score = f"{run.evaluation.accuracy:.2%} (95% interval {low:.2%} to {high:.2%})"
        print(f"Accuracy on {run.evaluation.num_examples:,} test images of {data.name}: {score}")
        print(f"Scores, model and plots are in {run_dir}; open {run_dir / 'report.html'}")


def _call_train(model: str, data: Any, **options: Any) -> Any:
    with quiet_startup():
        from mnist_keras.training.train import train
    return train(model, data, command=[PROGRAM, *sys.argv[1:]], **options)


def _recipe(args: argparse.Namespace) -> Any:
    """Returns the net's recipe, or the one that was asked for, with the single changes."""
    from mnist_keras.models.recipes import load_recipe
    from mnist_keras.models.registry import get_trainable_spec

    recipe = get_trainable_spec(args.model).recipe
    if args.recipe is not None:
        recipe = load_recipe(args.recipe)
    changes = ("epochs", "batch_size", "learning_rate")
    return recipe.replace(
        **{name: getattr(args, name) for name in changes if getattr(args, name) is not None}
    )


def _doctor(args: argparse.Namespace) -> None:
    from mnist_keras.cli import doctor

    with quiet_startup():
        facts = doctor.examine()
    print(doctor.render(facts))
