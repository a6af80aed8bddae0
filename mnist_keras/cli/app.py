"""`mnist-keras app`: draw a digit in the browser and see what a model reads."""

import argparse
import contextlib
import threading

from mnist_keras.cli.terminal import quiet_startup

HOST, PORT = "127.0.0.1", 7860  # as in inference/app/server, which is slow to import


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    option = command.add_argument
    described = "a run directory, a .keras file or a model; default: cnn_real_world"
    option("--model", metavar="RUN_OR_MODEL", help=described)
    described = "the address to listen on; 0.0.0.0 opens it to your whole network; default: this computer only"
    option("--host", default=HOST, metavar="ADDRESS", help=described)
    option("--port", type=int, default=PORT, metavar="N", help=f"default: {PORT}; 0 for a free one")


def run(args: argparse.Namespace) -> None:
    """Serves the app until Ctrl-C."""
    from mnist_keras.models.loading import find_model

    if args.model is not None:
        find_model(args.model)
    with contextlib.ExitStack() as stack:
        with quiet_startup():
            from mnist_keras.inference.app.server import serve_app

            url = stack.enter_context(serve_app(args.model, host=args.host, port=args.port))
        if args.host in ("0.0.0.0", "::"):
            print("Anyone on your network can use the app at this computer's address.")
        print(f"Open {url} in a browser. Ctrl-C ends the app.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        print()  # after the terminal's ^C
