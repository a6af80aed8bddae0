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
START_SECONDS = 300  # that workers wait for each other: machines of a cluster start minutes apart
PAUSE_SECONDS = 0.2  # between two looks at the others
ANSWER_SECONDS = 3  # for a connection within a cluster, by far
SLURM_PORT = 8888  # of a machine's first worker; TensorFlow's SlurmClusterResolver has the same
EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a training.

    Attributes:
        chief: Addresses `host:port` of the workers of the kind "chief", one or none.
        worker: Addresses of those of the kind "worker".
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
    """Returns the workers that `TF_CONFIG` names, or else SLURM if `slurm`; None for a process alone.

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
    if sum(map(len, jobs.values())) < 2:
        return None
    if not isinstance(task, dict):
        raise _bad_config(f"has the task {task!r}")
    job, number = task.get("type"), task.get("index")
    names = ", ".join(f"{name} {i}" for name, them in jobs.items() for i in range(len(them)))
    if job not in jobs or type(number) is not int or not 0 <= number < len(jobs[job]):
        shown = "no task" if job is None and number is None else f"the task {job} {number}"
        raise InputError(f"TF_CONFIG has {shown}. Expected one of its cluster: {names}.")
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
    """Waits until each of the other workers has called this too, by listening where TensorFlow will.

    Raises:
        InputError: If this worker's port is taken, or others do not answer in time; names their addresses.
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
    others = {index for index in range(len(cluster.addresses)) if index != cluster.index}
    told, heard = set[int](), set[int]()
    deadline = time.monotonic() + limit
    with listener:
        listener.settimeout(PAUSE_SECONDS)
        while (told & heard) != others and time.monotonic() < deadline:
            told |= {i for i in others - told if _tell(cluster.addresses[i], cluster.index)}
            heard |= _hear(listener) & others
    if missing := sorted(others - (told & heard)):
        names = " and ".join(cluster.addresses[index] for index in missing)
        raise InputError(
            f"No answer from {names} within {limit:g} seconds. Start all {len(cluster.addresses)} workers that "
            "TF_CONFIG names, and let their ports through the firewall."
        )


def _tell(address: str, index: int) -> bool:
    """Tells the worker at an address which one this is; returns whether it listens."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS) as connection:
            connection.sendall(b"%d\n" % index)
    except OSError:
        return False
    return True


def _hear(listener: socket.socket) -> set[int]:
    """Returns which workers have told this one that they are there."""
    heard = set()
    with contextlib.suppress(TimeoutError):  # nobody calls any more
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError, ValueError):  # a stranger on this port
                connection.settimeout(ANSWER_SECONDS)
                heard.add(int(connection.makefile().readline(20)))
    return heard
