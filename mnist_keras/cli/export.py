"""`mnist-keras export`: a trained model as a file for another runtime."""

import argparse

from mnist_keras.cli.terminal import quiet_startup, typed_path

FORMATS = (  # as in inference/export, which is slow to import
    *("saved_model", "litert", "litert_float16", "litert_int8", "onnx", "onnx_int8"),
    *("c", "c_int8", "web", "hub"),
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the options of `export` other than the model and the data."""
    described = f"one of {', '.join(FORMATS)}"
    command.add_argument("--format", required=True, metavar="FORMAT", help=described)
    described = "file to write, or directory for saved_model and hub; must not exist"
    command.add_argument("--out", required=True, type=typed_path, metavar="PATH", help=described)


def run(args: argparse.Namespace) -> None:
    """Writes the file and prints how it compares with Keras."""
    from mnist_keras.data.datasets import load_data
    from mnist_keras.inference.export import check_export, export_model
    from mnist_keras.models.loading import find_model, load_model
    from mnist_keras.models.pretrained import DATASETS
    from mnist_keras.training.run_directory import RunDirectory

    check_export(args.out, args.format)
    find_model(args.model)
    trained = RunDirectory(args.model)
    name = args.data or (trained.read_data_name() if trained.has_run else "auto")
    data = load_data(name, data_dir=args.data_dir)
    with quiet_startup():
        dataset = data.name if data.name in DATASETS else "mnist"
        model = load_model(args.model, dataset=dataset)
        export = export_model(model, args.out, format=args.format, data=data)
    print(export.report())
