"""Starts small training runs in their own processes, and kills, cuts off or damages them.

Processes are forked from one that has imported TensorFlow and computed nothing, so they start quickly.
"""

import contextlib
import ctypes
import json
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

PATIENCE = 300  # seconds for a process of a small run, on a busy machine too
RECIPE = {  # a run of 44 steps, with all that draws random numbers
    "batch_size": 64,
    "epochs": 2,
    "schedule": "cosine",
    "ema_momentum": 0.9,
    "augmentation": {"rotation": 10.0},
}
MODEL, DATA = "mlp_128_64_dropout", "digits"

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["faults", "mnist_keras.training.train"])


def start(run_dir: Path, **options) -> multiprocessing.process.BaseProcess:
    """Starts or resumes the run in its own process."""
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    process = CONTEXT.Process(target=_train, args=(run_dir, options), daemon=True)
    process.start()
    return process


def end(process: multiprocessing.process.BaseProcess) -> int:
    """Waits for a process and returns its exit status, which is negative after a signal."""
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"A run did not end within {PATIENCE} s.")
    return process.exitcode


def send(process: multiprocessing.process.BaseProcess, number: int) -> None:
    """Sends a process a signal, unless it has ended."""
    if process.exitcode is None:
        os.kill(process.pid, number)


def free_bytes(path: Path) -> int:
    """Returns the free space of a file system."""
    facts = os.statvfs(path)
    return facts.f_bavail * facts.f_frsize


def _train(run_dir: Path, options: dict) -> None:
    """Trains, and saves the weights and scores of each worker next to the run directory."""
    said = run_dir.with_name(f"{run_dir.name}.log").open("a", buffering=1)
    sys.stdout = sys.stderr = said
    # Under nohup the signal would be ignored, which runs respect.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    options = {"checkpoint_steps": 1, "resume": True, "verbose": 0, **options}
    if tf_config := options.pop("tf_config", None):
        os.environ["TF_CONFIG"] = json.dumps(tf_config)
    index = tf_config["task"]["index"] if tf_config else 0
    limit = options.pop("file_bytes", None)
    if network := options.pop("network", None):
        _enter(network)
    from mnist_keras import Recipe
    from mnist_keras._validation import InputError
    from mnist_keras.training import outcome
    from mnist_keras.training.train import train

    # Seconds of drawing in each of a hundred processes, for a page that nobody reads.
    outcome.save_plots = outcome.write_report = lambda *args, **kwargs: None
    if limit:  # a file cannot grow beyond: what a full disk or a quota does
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    recipe = Recipe(**{**RECIPE, **options.pop("recipe", {})})
    try:
        model = options.pop("model", MODEL)
        model = model() if callable(model) else model
        data = options.pop("data", DATA)
        data = data() if callable(data) else data
        run = train(model, data, recipe=recipe, run_dir=run_dir, **options)
    except (InputError, OSError) as error:
        print(f"{index}: {type(error).__name__}: {error}")
        raise SystemExit(2 if isinstance(error, InputError) else 1) from None
    weights = {f"weight/{i}": weight for i, weight in enumerate(run.model.get_weights())}
    scores = {"accuracy": run.metrics["accuracy"], "losses": run.history["loss"]}
    np.savez(result_path(run_dir, index), **weights, **scores)


def result_path(run_dir: Path, index: int = 0) -> Path:
    """Returns the file of a worker's weights and scores."""
    return run_dir.with_name(f"{run_dir.name}-{index}.npz")


def start_workers(run_dir: Path, count: int, *, addresses=None, **options) -> list:
    """Starts the run in several processes that train together; an option that is a list has a value for each."""
    return [
        start(
            run_dir,
            tf_config=config,
            **{name: x[index] if isinstance(x, list) else x for name, x in options.items()},
        )
        for index, config in enumerate(workers(count, addresses))
    ]


def said(run_dir: Path) -> str:
    """Returns what the processes of a run printed."""
    path = run_dir.with_name(f"{run_dir.name}.log")
    return path.read_text("utf-8") if path.exists() else ""


def checkpoints(run_dir: Path) -> list[Path]:
    """Returns the JSON files of the saved states, the newest last."""
    return sorted((run_dir / "checkpoint").glob("state-*.json"))


def bits(run_dir: Path) -> dict[str, bytes]:
    """Returns the last state of a finished run: weights, optimizer and averages, to the bit."""
    with np.load(checkpoints(run_dir)[-1].with_suffix(".npz")) as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files}


def wait_for_start(run_dir: Path, process) -> None:
    """Waits until a process has locked the run directory, or has ended."""
    while not (run_dir / ".lock").exists() and process.exitcode is None:
        time.sleep(0.002)


def wait_for_checkpoint(run_dir: Path, process, *, count: int = 1) -> None:
    """Waits until a running process has written `count` states."""
    deadline = time.monotonic() + PATIENCE
    while len(checkpoints(run_dir)) < count:
        if process.exitcode is not None or time.monotonic() > deadline:
            raise TimeoutError(f"No checkpoint was written. The run said: {said(run_dir)}")
        time.sleep(0.005)


def kill(run_dir: Path, rng: np.random.Generator, *, seconds: float, **options) -> bool:
    """Starts the run and kills it at a random moment of its training; returns whether it was still running."""
    process = start(run_dir, **options)
    wait_for_start(run_dir, process)
    time.sleep(rng.uniform(0, seconds))
    process.kill()
    return end(process) == -signal.SIGKILL


def is_torn(run_dir: Path) -> bool:
    """Returns whether a killed process left an unfinished file."""
    return any(run_dir.rglob(".writing-*")) or any(
        not path.with_suffix(".json").exists() for path in run_dir.rglob("state-*.npz")
    )


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@contextlib.contextmanager
def small_disk(path: Path, megabytes: float) -> Iterator[None]:
    """Mounts a file system of a few megabytes.

    Raises:
        PermissionError: If the machine does not allow it.
    """
    path.mkdir(parents=True, exist_ok=True)
    size = f"size={int(megabytes * 1e6)}"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise PermissionError("This machine mounts no file systems for this user.")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


NETWORKS = ("mnist-keras-0", "mnist-keras-1")  # namespaces, each with one end of a cable
CABLE_ADDRESSES = ["10.77.0.1:2222", "10.77.0.2:2222"]


@contextlib.contextmanager
def two_networks() -> Iterator[Callable[[str], None]]:
    """Makes two network namespaces joined by a cable; yields a function that sets the cable "up" or "down".

    Raises:
        PermissionError: If the machine does not allow it.
    """

    def ip(*arguments: str) -> None:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise PermissionError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")

    def cable(state: str) -> None:
        ip("-n", NETWORKS[0], "link", "set", "cable0", state)

    try:
        for name in NETWORKS:
            ip("netns", "add", name)
        ends = ("cable0", "netns", NETWORKS[0], "type", "veth", "peer", "name", "cable1")
        ip("link", "add", *ends, "netns", NETWORKS[1])
        for index, (name, address) in enumerate(zip(NETWORKS, CABLE_ADDRESSES, strict=True)):
            host = address.partition(":")[0]
            ip("-n", name, "addr", "add", f"{host}/24", "dev", f"cable{index}")
            for device in ("lo", f"cable{index}"):
                ip("-n", name, "link", "set", device, "up")
        yield cable
    finally:
        for name in NETWORKS:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _enter(network: str) -> None:
    """Moves this process, which still has a single thread, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/var/run/netns/{network}").open("rb") as file:
        if libc.setns(file.fileno(), 0x40000000):  # CLONE_NEWNET
            raise OSError(ctypes.get_errno(), "setns")


def free_addresses(count: int) -> list[str]:
    """Returns free addresses on this machine."""
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def workers(count: int, addresses: list[str] | None = None) -> list[dict]:
    """Returns the content of TF_CONFIG for each of several processes, on this machine or at given addresses."""
    addresses = addresses or free_addresses(count)
    return [
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        for index in range(count)
    ]
