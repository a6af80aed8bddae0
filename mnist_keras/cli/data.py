"""`mnist-keras data`: shows what a dataset contains."""

import argparse
import json

from mnist_keras.cli.terminal import typed_path


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    described = "a dataset's name, auto, or the path of your own data"
    command.add_argument("data", metavar="NAME|PATH", help=described)
    command.add_argument("--data-dir", metavar="DIR", help="directory of a known dataset's files")
    described = "draw ten examples of each class into a PNG file"
    command.add_argument("--out", type=typed_path, metavar="PNG", help=described)
    command.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> None:
    """Prints a summary of the dataset and, with `--out`, draws examples."""
    from mnist_keras._validation import invalid
    from mnist_keras.data.datasets import load_data

    if args.out is not None and args.out.suffix.lower() != ".png":
        raise invalid("--out", expected="a file name that ends in .png", received=str(args.out))
    data = load_data(args.data, data_dir=args.data_dir)
    summary = data.summary()
    print(json.dumps(summary.to_dict(), indent=2) if args.json else summary.report())
    if args.out is not None:
        from mnist_keras._files import input_errors
        from mnist_keras.evaluation.image_plots import save_contact_sheet

        with input_errors(args.out, "written", "Choose another path."):
            save_contact_sheet(args.out, data.train if len(data.train) else data.test)
        if not args.json:
            print(f"examples: {args.out}")
