"""`mnist-keras launch`: local processes that train one model together, restarted from the last checkpoint."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from mnist_keras._cpu import forget_choice
from mnist_keras.cli.terminal import PROGRAM

GRACE_SECONDS = 60  # for the others to end after one failed; TensorFlow checks every 30
KILL_SECONDS = 10  # between SIGTERM and SIGKILL
LOOK_SECONDS = 0.1  # between two looks at the workers
SIGNALS = [getattr(signal, x) for x in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, x)]
STOPPED = {128 + number for number in SIGNALS}  # the exit statuses of runs that a signal ended
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"  # the GPUs that a process sees, by number or UUID
GPU_QUERY = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
BAD_INPUT = 2  # the exit status for input that a restart would reject too


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the number of workers and what they do."""
    option = command.add_argument
    option("--workers", type=int, required=True, metavar="N", help="number of processes")
    described = "restart from the last checkpoint at most K times; default: 0"
    option("--restarts", type=int, default=0, metavar="K", help=described)
    described = "-- and a train command with its options"
    option("arguments", nargs=argparse.REMAINDER, metavar="-- train ...", help=described)


def run(args: argparse.Namespace) -> None:
    """Trains with several local processes.

    Raises:
        SystemExit: With the exit status of the last attempt, unless that is 0.
    """
    from mnist_keras._validation import check_integer

    check_integer("workers", args.workers, minimum=1)
    check_integer("restarts", args.restarts, minimum=0)
    command = args.arguments[args.arguments[:1] == ["--"] :]
    shares = _share_gpus(args.workers)
    with _run_directory(command, args.parse) as run_dir, _Forwarding() as forwarding:
        command = [*command, "--run-dir", str(run_dir)]  # possibly twice: the last one counts
        before, status = _stamp(run_dir), 0
        for restart in range(args.restarts + 1):
            status = _Attempt(command, shares, forwarding).run()
            if status in {0, BAD_INPUT, *STOPPED} or restart == args.restarts:
                break
            _say(f"attempt {restart + 2} of at most {args.restarts + 1}, from the last checkpoint")
            if _stamp(run_dir) != before:  # otherwise an old run must still be overwritten
                command = [x for x in command if x not in {"--overwrite", "--resume"}]
                command += ["--resume"]
    if status:
        raise SystemExit(status)


@contextlib.contextmanager
def _run_directory(
    command: list[str], parse: Callable[[Sequence[str]], argparse.Namespace]
) -> Iterator[Path]:
    """Yields the run directory for all workers, a new one if the command names none."""
    from mnist_keras._validation import InputError
    from mnist_keras.training.run_directory import RunDirectory, claim_run_directory

    if command[:1] != ["train"]:
        raise InputError(
            f"launch starts several processes of train. For example: {PROGRAM} launch --workers 2 -- train "
            "mlp_128 --data mnist"
        )
    train = parse(command)
    if train.run_dir is not None:  # checked here too: the others would wait for a chief that ends
        RunDirectory(train.run_dir).check(resume=train.resume, overwrite=train.overwrite)
        yield train.run_dir
        return
    if train.resume or train.overwrite:
        raise InputError("--resume and --overwrite need --run-dir, to say which run.")
    with claim_run_directory(train.model) as path:
        yield path


def _share_gpus(count: int) -> list[dict[str, str]]:
    """Returns the variable that gives each worker its own GPUs; empty if there are none to share.

    Raises:
        InputError: If there are GPUs, but fewer than workers: NCCL cannot use a GPU twice.
    """
    from mnist_keras._validation import InputError

    named = os.environ.get(VISIBLE_GPUS)
    listed = _list_gpus() if named is None else named.split(",")
    gpus = [gpu.strip() for gpu in listed if gpu.strip() not in {"", "-1"}]
    if count == 1 or not gpus:
        return [{}] * count
    if len(gpus) < count:
        raise InputError(
            f"Each of the {count} workers needs its own GPU, but there are only {len(gpus)}. Start fewer workers, or "
            f"set {VISIBLE_GPUS}=-1 to train on the CPU."
        )
    each = len(gpus) // count  # the same number for each worker
    return [{VISIBLE_GPUS: ",".join(gpus[i * each : (i + 1) * each])} for i in range(count)]


def _list_gpus() -> list[str]:
    """Returns the GPUs that NVIDIA's driver names; without TensorFlow, whose import takes seconds."""
    if shutil.which(GPU_QUERY[0]) is None:
        return []
    try:
        done = subprocess.run(GPU_QUERY, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):  # no driver, or no GPU
        return []
    return done.stdout.split()


def _stamp(run_dir: Path) -> tuple[int, int] | None:
    """Returns what distinguishes one run in a directory from the next."""
    try:
        found = (run_dir / "config.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _say(text: str) -> None:
    print(f"{PROGRAM} launch: {text}", file=sys.stderr, flush=True)


class _Forwarding:
    """Forwards signals to the workers, which have their own process groups, so that each gets a signal only once."""

    def __init__(self) -> None:
        self.received = 0
        self.processes: list[subprocess.Popen[str]] = []
        self._before: dict[int, object] = {}

    def __enter__(self) -> "_Forwarding":
        for number in SIGNALS:
            if signal.getsignal(number) not in (None, signal.SIG_IGN):
                self._before[number] = signal.signal(number, self._forward)
        return self

    def _forward(self, number: int, _frame: object) -> None:
        self.received = number
        for process in self.processes:
            process.send_signal(number)

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


class _Attempt:
    """One start of all workers."""

    def __init__(
        self, command: Sequence[str], shares: Sequence[dict[str, str]], forwarding: _Forwarding
    ):
        self._command, self._shares, self._forwarding = list(command), shares, forwarding
        self._count = len(shares)

    def run(self) -> int:
        """Returns the exit status of the worker that failed first; 0 if none did."""
        addresses = [f"127.0.0.1:{port}" for port in _free_ports(self._count)]
        processes = [self._start(addresses, index) for index in range(self._count)]
        self._forwarding.processes = processes
        readers = [
            threading.Thread(target=_prefix, args=(source, target, index), daemon=True)
            for index, process in enumerate(processes)
            for source, target in ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
        ]
        for reader in readers:
            reader.start()
        try:
            status = self._wait(processes)
        finally:
            _end(processes)
            for reader in readers:
                reader.join()
            self._forwarding.processes = []
        return 128 + self._forwarding.received if self._forwarding.received else status

    def _start(self, addresses: list[str], index: int) -> "subprocess.Popen[str]":
        # A lost worker is reported in one sentence; TensorFlow's own errors would fill a screen.
        forget_choice()  # each worker chooses for its model
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **self._shares[index]}
        if self._count > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        else:
            environment.pop("TF_CONFIG", None)
        return subprocess.Popen(
            [*_this_program(), *self._command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,
        )

    def _wait(self, processes: list["subprocess.Popen[str]"]) -> int:
        """Waits for all workers, but not long after one failed; returns the exit status of that one, or 0."""
        failed, since = 0, None
        while True:
            running = None in [process.poll() for process in processes]
            for index, process in enumerate(processes):
                if process.returncode and not failed:
                    failed, since = process.returncode, time.monotonic()
                    if not self._forwarding.received:
                        _say_failed(index, failed)
            if not running or (since is not None and time.monotonic() - since > GRACE_SECONDS):
                return failed if failed >= 0 else 128 - failed  # as shells count a signal
            time.sleep(LOOK_SECONDS)


def _this_program() -> list[str]:
    """Returns how this program was started, because the workers print commands to type."""
    called = Path(sys.argv[0])
    by_name = called.name == PROGRAM and called.is_file()
    return [sys.executable, *([str(called)] if by_name else ["-m", "mnist_keras"])]


def _say_failed(index: int, status: int) -> None:
    how = f"exit status {status}" if status > 0 else f"the signal {signal.Signals(-status).name}"
    _say(f"worker {index} ended with {how}; the others have {GRACE_SECONDS} s to end")


def _end(processes: list["subprocess.Popen[str]"]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + KILL_SECONDS
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        if process.poll() is None:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]


def _prefix(source: IO[str] | None, target: IO[str], index: int) -> None:
    assert source is not None
    with source:
        for line in source:
            target.write(f"[{index}] {line}")
            target.flush()
