"""The command `mnist-keras`: one subcommand, one library call.

Nothing heavy is imported at the top: `--help` must answer at once, and what can be checked without
TensorFlow is checked before the seconds that its import takes.
"""

import argparse
import difflib
import errno
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from mnist_keras.cli import (
    app,
    data as data_command,
    evaluate,
    export,
    launch,
    models,
    predict,
    train,
)
from mnist_keras.cli.terminal import PROGRAM, prepare_streams, quiet_startup

# The options that set arguments of other names.
OPTIONS = {"path": "--out", "name": "--data", "source": "--model"}
EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line, without the usage above it."""

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        """Refuses unknown options here: argparse's own error would not name the command."""
        known, unknown = super().parse_known_args(*args, **kwargs)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        text = f"{self.prog}: error: {message}{self._suggestion(message)} (see {self.prog} --help)"
        self.exit(EXIT_BAD_INPUT, f"{text}\n")

    def _suggestion(self, message: str) -> str:
        """Returns the choice or the option that was probably meant."""
        if found := re.search(r"invalid choice: '(.+)' \(choose from (.+)\)", message):
            word, choices = found[1], re.findall(r"\w+", found[2])
        elif found := re.search("unrecognized arguments: (--[^ =]+)", message):
            word, choices = found[1], re.findall(r"--[\w-]+", self.format_usage())
        else:
            return ""
        close = difflib.get_close_matches(word, choices, n=1)
        return f"; did you mean {close[0]!r}?" if close else ""


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
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    from mnist_keras._validation import InputError, MissingExtraError

    try:
        args.run(args)
        sys.stdout.flush()  # a closed pipe shows here, not at the interpreter's exit
    except (InputError, MissingExtraError) as error:
        right = isinstance(error, InputError) and not error.fault_of_input
        reason = _with_options(str(error), argv)
        return _fail(args, reason, EXIT_FAILED if right else EXIT_BAD_INPUT)
    except BrokenPipeError:  # the reader, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        space = "Free some space. " if error.errno == errno.ENOSPC else ""
        return _fail(args, f"{error}. {space}{train.how_to_go_on(args)}".strip(), EXIT_FAILED)
    except FloatingPointError as error:
        return _fail(args, error, EXIT_FAILED)
    except KeyboardInterrupt:
        return _fail(args, "interrupted", EXIT_INTERRUPTED)
    return 0


def _with_options(text: str, argv: Sequence[str]) -> str:
    """Returns an error with the option that was typed where it names the argument that the option sets.

    Nobody types None: where an argument must be None, the option must be left out.
    """
    typed = {word.partition("=")[0] for word in argv}

    def rename(found: re.Match[str]) -> str:
        option = OPTIONS.get(found[1], f"--{found[1].replace('_', '-')}")
        if option not in typed:
            return found[0]
        return f"Invalid `{option}`." + (f" Expected no {option}" if found[2] else "")

    return re.sub(r"Invalid `(\w+)`\.( Expected None\b(?!,))?", rename, text)


def _fail(args: argparse.Namespace, reason: object, status: int) -> int:
    one_line = " ".join(str(reason).splitlines())  # some of Keras's errors have several lines
    print(f"{PROGRAM} {args.command}: {one_line}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    from mnist_keras import __version__

    parser = _Parser(prog=PROGRAM, description="MNIST models for Keras: train, evaluate, compare.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, run: Any, summary: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        command.set_defaults(run=run)
        return command

    models.add_arguments(add("models", models.run, "List the registered models."))

    add(
        "demo", train.demo, f"Train, evaluate and plot {train.DEMO_MODEL} on MNIST or small digits."
    )

    command = add("train", train.run, "Train a model and evaluate it on the test images.")
    train.add_arguments(command)
    _add_data(command, "auto")

    command = add("evaluate", evaluate.run, "Score a trained model on the test images.")
    _add_model(command, "model")
    _add_data(command)
    evaluate.add_arguments(command)

    command = add(
        "compare", evaluate.compare, "Test whether one trained model is better than another."
    )
    _add_model(command, "model_a")
    _add_model(command, "model_b")
    _add_data(command)

    command = add("data", data_command.run, "Show what a dataset contains, and draw examples.")
    data_command.add_arguments(command)

    predict.add_arguments(add("predict", predict.run, "Read the digits in pictures."))

    command = add("export", export.run, "Export a trained model as a file for another runtime.")
    _add_model(command, "model")
    export.add_arguments(command)
    _add_data(command)

    command = add("launch", launch.run, "Train with several processes on this machine.")
    launch.add_arguments(command)
    command.set_defaults(parse=lambda arguments: _parser().parse_args(arguments))

    app.add_arguments(add("app", app.run, "Draw a digit in the browser, and see it read."))

    add("doctor", _doctor, "Show versions, CPU, GPUs, data and extras.")
    return parser


def _add_model(command: argparse.ArgumentParser, dest: str) -> None:
    described = "a run directory, a .keras file, or a model with packaged weights"
    command.add_argument(dest, metavar="RUN_OR_MODEL", help=described)


def _add_data(command: argparse.ArgumentParser, default: str | None = None) -> None:
    shown = default or "the data of the run, else auto"
    described = f"a dataset's name, auto, or the path of your own data; default: {shown}"
    command.add_argument("--data", default=default, metavar="NAME|PATH", help=described)
    command.add_argument("--data-dir", metavar="DIR", help="directory of a known dataset's files")


def _doctor(args: argparse.Namespace) -> None:
    from mnist_keras.cli import doctor

    with quiet_startup():
        facts = doctor.examine()
    print(doctor.render(facts))
