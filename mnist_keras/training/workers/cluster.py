"""The workers' addresses, from `TF_CONFIG` or SLURM's variables; nothing of TensorFlow is started here."""

import contextlib
import dataclasses
import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from mnist_keras._validation import InputError

JOBS = ("chief", "worker")  # those that train; the chief, if there is one, is the first worker
START_SECONDS = 300  # of waiting for other workers: machines of a cluster start minutes apart
PAUSE_SECONDS = 0.2  # between two checks of the others
ANSWER_SECONDS = 3  # far longer than a connection within a cluster takes
SLURM_PORT = 8888  # of a machine's first worker; TensorFlow's SlurmClusterResolver has the same
EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a training run.

    Attributes:
        chief: Addresses `host:port` of the workers of the kind "chief", one or none.
        worker: Addresses of the workers of the kind "worker".
        task: Kind and number of this process.
    """

    chief: tuple[str, ...]
    worker: tuple[str, ...]
    task: tuple[str, int]

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of them, the chief's first."""
        return self.chief + self.worker

    @property
    def index(self) -> int:
        """The place of this process in `addresses`."""
        job, number = self.task
        return number + (len(self.chief) if job == "worker" else 0)


def find_cluster(environ: Mapping[str, str] = os.environ, *, slurm: bool = False) -> Cluster | None:
    """Returns the workers that `TF_CONFIG` names, or else SLURM if `slurm`; None for a single process.

    Raises:
        InputError: If `TF_CONFIG` or SLURM's variables are not what TensorFlow expects.
    """
    if text := environ.get("TF_CONFIG"):
        return _read_tf_config(text)
    return _ask_slurm(environ) if slurm and "SLURM_PROCID" in environ else None


def _read_tf_config(text: str) -> Cluster | None:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _bad_config(f"is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise _bad_config(f"is a {type(config).__name__}")
    cluster, task = config.get("cluster", {}), config.get("task", {})
    if not isinstance(cluster, dict):
        raise _bad_config(f"has the cluster {cluster!r}")
    jobs = {job: _read_addresses(job, cluster.get(job) or []) for job in JOBS}
    addresses = [address for them in jobs.values() for address in them]
    if len(addresses) < 2:
        return None
    if twice := sorted({address for address in addresses if addresses.count(address) > 1}):
        raise InputError(f"TF_CONFIG has the address {twice[0]!r} twice. Give each worker its own.")
    if not isinstance(task, dict):
        raise _bad_config(f"has the task {task!r}")
    job, number = task.get("type"), task.get("index")
    if isinstance(number, str) and number.isdecimal():  # TensorFlow takes it too
        number = int(number)
    names = ", ".join(f"{name} {i}" for name, them in jobs.items() for i in range(len(them)))
    if job not in jobs or type(number) is not int or not 0 <= number < len(jobs[job]):
        shown = "no task" if job is None and number is None else f"the task {job} {number}"
        raise InputError(f"TF_CONFIG has {shown}. Expected a task from its cluster: {names}.")
    return Cluster(**jobs, task=(job, number))


def _read_addresses(job: str, addresses: Any) -> tuple[str, ...]:
    if not isinstance(addresses, list):
        raise _bad_config(f"has {addresses!r} as its {job}s")
    for address in addresses:
        host, _, port = str(address).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise InputError(
                f"TF_CONFIG has the address {address!r}. Expected HOST:PORT, for example 10.0.0.1:2222."
            )
    return tuple(addresses)


def _bad_config(what: str) -> InputError:
    return InputError(f"TF_CONFIG {what}. Expected for example {EXAMPLE}. Unset it or repair it.")


def _ask_slurm(environ: Mapping[str, str]) -> Cluster | None:
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=SLURM_PORT,
            gpus_per_node=10**6,  # TensorFlow 2.21 fails with 0; SLURM itself shows a task its GPUs
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        addresses = tuple(resolver.cluster_spec().as_dict()["worker"])
        number = int(environ["SLURM_PROCID"])
        # TensorFlow sorts the hosts by name, SLURM by number: node10 comes after node9 there.
        with contextlib.suppress(KeyError, ValueError):
            port = SLURM_PORT + int(environ["SLURM_LOCALID"])
            number = addresses.index(f"{environ['SLURMD_NODENAME']}:{port}")
    except (RuntimeError, ValueError, LookupError) as error:
        raise InputError(
            f"SLURM's variables do not name the workers: {error}. Start the command with srun, or set TF_CONFIG."
        ) from error
    return Cluster((), addresses, ("worker", number)) if len(addresses) > 1 else None


def await_workers(cluster: Cluster, *, seconds: float | None = None) -> None:
    """Waits until all workers have called this, by listening on the ports that TensorFlow will use.

    Raises:
        InputError: If this worker's port is taken; if others do not answer in time, naming their addresses; or if one
            was told of another number of workers.
    """
    own = cluster.addresses[cluster.index]
    limit = START_SECONDS if seconds is None else seconds
    try:
        listener = socket.create_server(("", int(own.rpartition(":")[2])), backlog=128)
    except OSError as error:
        raise InputError(
            f"This worker cannot listen on its address {own}: {os.strerror(error.errno or 0)}. Choose another port in "
            "TF_CONFIG."
        ) from error
    count = len(cluster.addresses)
    others = {index for index in range(count) if index != cluster.index}
    told, heard = set[int](), set[int]()
    deadline = time.monotonic() + limit
    with listener:
        listener.settimeout(PAUSE_SECONDS)
        while (told & heard) != others and time.monotonic() < deadline:
            told |= {i for i in others - told if _tell(cluster, i)}
            for index, its_count in _hear(listener):
                if its_count != count:
                    if index in others:
                        _tell(cluster, index)  # so that it reports the mismatch too
                    raise InputError(
                        f"Worker {index} was configured with {its_count} workers, but this one (worker "
                        f"{cluster.index}) with {count}. Give all of them the same cluster in TF_CONFIG."
                    )
                heard |= {index} & others
    if missing := sorted(others - (told & heard)):
        names = " and ".join(cluster.addresses[index] for index in missing)
        raise InputError(
            f"No answer from {names} within {limit:g} seconds. Start all {count} workers that TF_CONFIG names, and let "
            "their ports through the firewall."
        )


def _tell(cluster: Cluster, index: int) -> bool:
    """Sends a worker the number of this one and the number of all workers; returns whether it is listening."""
    host, _, port = cluster.addresses[index].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS) as connection:
            connection.sendall(b"%d %d\n" % (cluster.index, len(cluster.addresses)))
    except OSError:
        return False
    return True


def _hear(listener: socket.socket) -> set[tuple[int, int]]:
    """Returns the workers that have contacted this one, each with the number of workers that it expects."""
    heard = set()
    with contextlib.suppress(TimeoutError):  # no further connections
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError, ValueError):  # a stranger on this port
                connection.settimeout(ANSWER_SECONDS)
                index, count = map(int, connection.makefile().readline(20).split())
                heard.add((index, count))
    return heard
