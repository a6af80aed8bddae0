"""`train` and `demo`: train a registered model and evaluate it on the test images."""

import argparse
import contextlib
import shlex
import sys
from typing import Any

from mnist_keras._cpu import choose_onednn
from mnist_keras.cli.terminal import PROGRAM, command_line, quiet_startup, typed_path

DEMO_MODEL = "mlp_128_64_dropout"
NEXT_MODEL = "cnn_fast"  # also trains in seconds
KEPT = 2  # states; as in training/saving/checkpoints
STRATEGIES = ("auto", "none", "mirrored", "multi_worker")  # as in training/devices, slow to import
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")  # as in models/recipes


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the options of `train` other than the data."""
    option = command.add_argument
    option("model", metavar="MODEL", help=f"a name that `{PROGRAM} models` lists")
    option("--recipe", metavar="NAME|FILE", help="a recipe's name, or a JSON file of its fields")
    option(
        "--run-dir", type=typed_path, metavar="DIR", help="default: runs/MODEL-N, the next free N"
    )
    option("--epochs", type=int, metavar="N", help="default: the recipe's")
    option("--batch-size", type=int, metavar="N", help="of all replicas; default: the recipe's")
    option("--learning-rate", type=float, metavar="F", help="default: the recipe's")
    described = "scale the recipe's learning rate in proportion to --batch-size"
    option("--scale-learning-rate", action="store_true", help=described)
    option("--seed", type=int, default=0, metavar="N", help="default: 0")
    described = (
        f"{', '.join(STRATEGIES)}; default: auto, which uses all GPUs or TF_CONFIG's workers"
    )
    option("--strategy", choices=STRATEGIES, default="auto", metavar="NAME", help=described)
    described = f"{', '.join(PRECISIONS)}; default: the recipe's"
    option("--precision", choices=PRECISIONS, metavar="NAME", help=described)
    described = "also save the state every N steps; default: only after each epoch"
    option("--checkpoint-steps", type=int, metavar="N", help=described)
    option("--checkpoint-seconds", type=float, metavar="T", help="also save it every T seconds")
    described = "keep the newest K states; default: 2"
    option("--keep-checkpoints", type=int, default=KEPT, metavar="K", help=described)
    again = command.add_mutually_exclusive_group()
    described = "continue the run, or start it; with more --epochs, extend a finished one"
    again.add_argument("--resume", action="store_true", help=described)
    again.add_argument("--overwrite", action="store_true", help="replace the run")
    option("--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> None:
    """Trains, and prints the accuracy and where the files are."""
    from mnist_keras._validation import InputError, check_seed
    from mnist_keras.data.datasets import load_data
    from mnist_keras.training.run_directory import RunDirectory, claim_run_directory

    recipe = _recipe(args)
    check_seed(args.seed)
    is_chief = _is_chief(args)
    if args.run_dir is None and (args.resume or args.overwrite):
        raise InputError("--resume and --overwrite need --run-dir, to say which run.")
    if args.run_dir is not None and is_chief:
        RunDirectory(args.run_dir).check(resume=args.resume, overwrite=args.overwrite)
    data = load_data(args.data, data_dir=args.data_dir)
    if is_chief and not args.quiet:
        print(data.headline, flush=True)
    with contextlib.ExitStack() as stack:
        if args.run_dir is None:
            args.run_dir = stack.enter_context(claim_run_directory(args.model))
        try:
            trained = _call_train(
                args.model,
                data,
                recipe=recipe,
                strategy=args.strategy,
                precision=args.precision,
                seed=args.seed,
                run_dir=args.run_dir,
                resume=args.resume,
                overwrite=args.overwrite,
                checkpoint_steps=args.checkpoint_steps,
                checkpoint_seconds=args.checkpoint_seconds,
                keep_checkpoints=args.keep_checkpoints,
                verbose=0 if args.quiet else "auto",
            )
        except (KeyboardInterrupt, SystemExit):
            if advice := how_to_go_on(args):
                print(f"\nThe state is saved. {advice}", file=sys.stderr)
            raise
    if is_chief and not args.quiet:
        low, high = trained.evaluation.accuracy_ci95
        score = f"{trained.evaluation.accuracy:.2%} (95% interval {low:.2%} to {high:.2%})"
        count = trained.evaluation.num_examples
        print(f"Accuracy on {count:,} test images of {data.name}: {score}")
        report = args.run_dir / "report.html"
        print(f"Scores, model and plots are in {args.run_dir}; open {report}")
        where = ("--data-dir", args.data_dir) if args.data_dir else ()
        command = command_line("evaluate", args.run_dir, *where, "--robustness")
        print(f"Next, score shifted, rotated and corrupted test images: {command}")


def demo(args: argparse.Namespace) -> None:
    """Trains a model with the data at hand, evaluates it and classifies some images."""
    from mnist_keras.data.datasets import load_data
    from mnist_keras.evaluation.sketch import sketch
    from mnist_keras.training.run_directory import RunDirectory, claim_run_directory

    data = load_data("auto")
    print(f"Training {DEMO_MODEL} on {len(data.train_images):,} images of {data.name}", flush=True)
    with claim_run_directory(DEMO_MODEL) as run_dir:
        evaluation = _call_train(DEMO_MODEL, data, run_dir=run_dir).evaluation
    answers = (evaluation.labels, evaluation.predictions, evaluation.class_names)
    print(f"\n{evaluation.report()}\n\n{sketch(data.test_images, *answers)}\n\nPictures:")
    for path in sorted(RunDirectory(run_dir).plots.iterdir()):
        print(f"  {path}")
    print(f"\nScores, model and pictures on one page: {RunDirectory(run_dir).report}")
    print(f"Next, a more accurate model: {command_line('train', NEXT_MODEL)}")


def how_to_go_on(args: argparse.Namespace) -> str:
    """Returns how to resume the run that failed or was interrupted; empty if none was started."""
    from mnist_keras.training.run_directory import RunDirectory

    run_dir = getattr(args, "run_dir", None)
    if run_dir is None or not RunDirectory(run_dir).has_run:
        return ""
    return f"To continue, repeat the command with --run-dir {shlex.quote(str(run_dir))} --resume"


def _is_chief(args: argparse.Namespace) -> bool:
    """Returns whether this process is the only one, or the chief of several workers, which need one directory."""
    from mnist_keras._validation import InputError
    from mnist_keras.training.workers.cluster import find_cluster

    if args.strategy not in {"auto", "multi_worker"}:
        return True
    cluster = find_cluster(slurm=args.strategy == "multi_worker")
    if cluster is not None and args.run_dir is None:
        raise InputError("Several workers need --run-dir, the same for all of them.")
    return cluster is None or cluster.index == 0


def _call_train(model: str, data: Any, **options: Any) -> Any:
    from mnist_keras.models.registry import get_model_spec

    choose_onednn(convolutional=get_model_spec(model).convolutional)
    with quiet_startup():
        from mnist_keras.training.train import train
    return train(model, data, command=[PROGRAM, *sys.argv[1:]], **options)


def _recipe(args: argparse.Namespace) -> Any:
    """Returns the model's recipe, or the one that was asked for, with the single changes."""
    from mnist_keras.models.recipes import change_recipe, load_recipe
    from mnist_keras.models.registry import get_trainable_spec

    recipe = get_trainable_spec(args.model).recipe
    if args.recipe is not None:
        recipe = load_recipe(args.recipe)
    names = ("epochs", "batch_size", "learning_rate", "scale_learning_rate")
    return change_recipe(recipe, **{name: getattr(args, name) for name in names})
