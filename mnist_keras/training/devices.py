"""Devices: the distribution strategy, the precision policy, and what XLA compiles."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from mnist_keras._cpu import BFLOAT16_CLASSES, cpu_class
from mnist_keras._validation import InputError, check_choice, invalid
from mnist_keras.models.inspection import flatten_layers
from mnist_keras.training.workers.cluster import JOBS, Cluster, await_workers, find_cluster

STRATEGIES = ("auto", "none", "mirrored", "multi_worker")
MIN_JIT_PARAMETERS = 500_000  # between 784-128-10, see `choose_jit`, and 784-1024-128-10


def get_strategy(name: str = "auto") -> tf.distribute.Strategy:
    """Returns a distribution strategy; build and compile the model in its scope.

    Args:
        name: "none" for one device; "mirrored" for a replica on each GPU, or on each logical CPU where there is no
            GPU; "multi_worker" for the workers that `TF_CONFIG` or SLURM names, each with its GPUs, or a process
            alone without them; "auto" for "multi_worker" where `TF_CONFIG` names several workers, else "mirrored" with
            more than one GPU, else "none". Ask for several workers before TensorFlow does anything else.

    Raises:
        InputError: If the name is another, `TF_CONFIG` is damaged, or a worker does not answer.

    Example:
        >>> with get_strategy().scope():
        ...     model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten()])
    """
    check_choice("strategy", name, STRATEGIES)
    if name in {"auto", "multi_worker"}:
        cluster = find_cluster(slurm=name == "multi_worker")
        if cluster is not None:
            return _multi_worker(cluster)
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name != "none" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return _mirrored(tuple(device.name for device in devices))
    return tf.distribute.get_strategy()


def choose_strategy(
    strategy: str | tf.distribute.Strategy, model: str | keras.Model
) -> tf.distribute.Strategy:
    """Returns the strategy that trains a model: for "auto" the one in whose scope a given model was built.

    Raises:
        InputError: If the name is unknown, or the model was not built in that strategy's scope.
    """
    if not isinstance(model, keras.Model):
        return strategy if isinstance(strategy, tf.distribute.Strategy) else get_strategy(strategy)
    if strategy == "auto":
        return model.distribute_strategy
    if model.distribute_strategy is not choose_strategy(strategy, model.name):
        raise InputError(
            "The model was built outside of the strategy. Build it within `with strategy.scope():`, or pass its "
            "registered name."
        )
    return model.distribute_strategy


@functools.cache  # the collectives of a process's second MirroredStrategy collide with the first one's
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    # TensorFlow's collectives on CPU refuse groups of two sizes in one process; one device can add the gradients up.
    on_cpu = all("CPU" in device for device in devices)
    reduce = tf.distribute.ReductionToOneDevice() if on_cpu else None
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=reduce)


@functools.cache  # a process has one cluster
def _multi_worker(cluster: Cluster) -> tf.distribute.Strategy:
    await_workers(cluster)
    job, number = cluster.task
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(
            {name: list(them) for name in JOBS if (them := getattr(cluster, name))}
        ),
        task_type=job,
        task_id=number,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise InputError(
            "Several workers must be set up before TensorFlow does anything else. Call get_strategy('multi_worker') or "
            "train first in the program."
        ) from error


def check_replicas(batch_size: int, num_replicas: int, optimizer: Any = "") -> None:
    """Checks that the replicas divide the global batch, and that the recipe's optimizer works over several.

    Raises:
        InputError: If they don't, naming the nearest sizes that they divide; or if it doesn't.
    """
    config = optimizer["config"] if isinstance(optimizer, Mapping) else {}
    if num_replicas > 1 and config.get(
        "gradient_accumulation_steps"
    ):  # Keras 3.15 raises in the first step
        raise invalid(
            "optimizer",
            expected=f"one without gradient_accumulation_steps over {num_replicas} replicas",
            received=repr(dict(optimizer)),
            hint="Take a larger batch_size.",
        )
    if batch_size % num_replicas:
        below = batch_size - batch_size % num_replicas
        nearest = [size for size in (below, below + num_replicas) if size]
        raise invalid(
            "batch_size",
            expected=f"a multiple of the {num_replicas} replicas; it counts the images of all replicas together",
            received=batch_size,
            hint=f"Use {' or '.join(map(str, nearest))}.",
        )


def choose_precision(precision: str, *, wide: bool) -> str:
    """Returns the Keras policy that a recipe's precision means for a model on this machine.

    "auto" is "mixed_bfloat16" where every GPU computes in bfloat16 (compute capability 8.0 and later), and on a CPU
    with bfloat16 instructions for models with convolutions or 50,000 weights, which two cores train up to 1.6 times
    faster (benchmarks/results/choices.csv); else "float32".
    """
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        fast = all(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details)
    else:
        fast = wide and cpu_class() in BFLOAT16_CLASSES
    return "mixed_bfloat16" if fast else "float32"


def choose_jit(
    jit: bool | str, model: keras.Model, *, num_replicas: int, augmented: bool = False
) -> bool:
    """Returns whether XLA compiles the training loop of a model.

    "auto" compiles wide float32 dense models without dropout or augmentation on one CPU. Measured on two cores: the
    loop of 784-1024-128-10 runs 1.1 times faster, but a model with dropout runs 6 times slower (XLA draws random
    numbers slowly on CPU), and convolutions run faster in oneDNN. A narrow model does not gain: an epoch of 784-128-10
    is a quarter shorter, but the compiler takes 110 MB and as much time as a whole training saves.

    Raises:
        InputError: If several replicas are to be compiled: XLA takes no variables of two devices.
    """
    if jit is True and num_replicas > 1:
        raise invalid("jit", expected=f"False or 'auto' with {num_replicas} replicas", received=jit)
    if jit != "auto":
        return bool(jit)
    layers = list(flatten_layers(model))
    convolutional = any("Conv" in type(layer).__name__ for layer in layers)
    draws = any(v.path.endswith("seed_generator_state") for v in model.variables)
    float32 = all(layer.compute_dtype == "float32" for layer in layers)
    on_cpu = not tf.config.list_logical_devices("GPU")
    unstable = isinstance(model.optimizer, keras.optimizers.Adafactor)  # NaN under XLA (Keras 3.15)
    return (
        on_cpu
        and num_replicas == 1
        and float32
        and model.count_params() >= MIN_JIT_PARAMETERS
        and not (convolutional or draws or augmented or unstable)
    )


def copy_to_replicas(strategy: tf.distribute.Strategy, *tensors: tf.Tensor) -> tuple:
    """Returns the tensors with a copy on each replica's device, if there are several."""
    if strategy.num_replicas_in_sync == 1:
        return tensors

    devices = strategy.extended.worker_devices

    def copy(tensor, context):
        with tf.device(devices[context.replica_id_in_sync_group % len(devices)]):
            return tf.identity(tensor)

    distribute = strategy.experimental_distribute_values_from_function
    return tuple(distribute(functools.partial(copy, tensor)) for tensor in tensors)


@contextlib.contextmanager
def precision_policy(precision: str) -> Iterator[None]:
    """Makes `precision` Keras's policy for the layers that are built inside."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def describe_devices() -> list[dict[str, Any]]:
    """Returns each logical device that TensorFlow sees: `name`, `type`, and for a GPU its `model`."""
    details = {
        gpu.name.removeprefix("/physical_device:"): tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.list_physical_devices("GPU")
    }
    return [
        {
            "name": device.name.removeprefix("/device:"),
            "type": device.device_type,
            "model": details.get(device.name.removeprefix("/device:"), {}).get("device_name"),
        }
        for device in tf.config.list_logical_devices()
        if device.device_type in {"CPU", "GPU", "TPU"}
    ]
