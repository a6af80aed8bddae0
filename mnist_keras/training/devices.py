"""Devices: the distribution strategy, the precision policy, and what XLA compiles."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import contextlib
import functools
import os
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
GROWTH_VARIABLE = "TF_FORCE_GPU_ALLOW_GROWTH"  # TensorFlow's switch, see `let_memory_grow`
GPU_PRECISIONS = (  # by the least compute capability that has tensor cores for them; NVIDIA
    ((8, 0), "mixed_bfloat16"),  # Ampere and later
    ((7, 0), "mixed_float16"),  # Volta and Turing
)


def get_strategy(name: str = "auto") -> tf.distribute.Strategy:
    """Returns a distribution strategy; build and compile the model in its scope.

    Args:
        name: "none" for one device; "mirrored" for a replica on each GPU, or on each logical CPU if there is no GPU;
            "multi_worker" for the workers that `TF_CONFIG` or SLURM names, each with its GPUs, or for a single process
            if there are none; "auto" for "multi_worker" if `TF_CONFIG` names several workers, else "mirrored" with more
            than one GPU, else "none". Set up several workers before TensorFlow does anything else.

    Raises:
        InputError: If the name is unknown, `TF_CONFIG` is damaged, or a worker does not answer.

    Example:
        >>> with get_strategy().scope():
        ...     model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten()])
    """
    check_choice("strategy", name, STRATEGIES)
    let_memory_grow()
    if name in {"auto", "multi_worker"}:
        cluster = find_cluster(slurm=name == "multi_worker")
        if cluster is not None:
            return _multi_worker(cluster)
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name != "none" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return _mirrored(tuple(device.name for device in devices))
    return tf.distribute.get_strategy()


def let_memory_grow() -> None:
    """Lets TensorFlow take a GPU's memory as it needs it, so that other processes can use the GPU too.

    It leaves what the program has set: the environment variable, logical devices, or a GPU in use.
    """
    if GROWTH_VARIABLE in os.environ:
        return
    for gpu in tf.config.get_visible_devices("GPU"):
        with contextlib.suppress(RuntimeError, ValueError):  # it is in use, or has logical devices
            tf.config.experimental.set_memory_growth(gpu, True)


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
            "The model was built outside the strategy. Build it within `with strategy.scope():`, or pass its "
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
        num_accelerators={"GPU": len(tf.config.get_visible_devices("GPU"))},
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
        InputError: If the replicas do not divide the batch size, naming the nearest sizes that they do divide; or if
            the optimizer does not support several replicas.
    """
    config = optimizer["config"] if isinstance(optimizer, Mapping) else {}
    # Keras 3.15 raises in the first step.
    if num_replicas > 1 and config.get("gradient_accumulation_steps"):
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

    On GPUs, "auto" is what all visible ones have tensor cores for: "mixed_bfloat16" from compute capability 8.0,
    "mixed_float16" from 7.0. On a CPU with bfloat16 instructions it is "mixed_bfloat16" for models with convolutions
    or 50,000 weights, which two cores train up to 2.2 times faster (benchmarks/results/choices.csv). Else it is
    "float32".

    Reference:
        Micikevicius et al., 2018, "Mixed Precision Training" (float16, with a scaled loss).
    """
    if precision != "auto":
        return precision
    details = [
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.get_visible_devices("GPU")
    ]
    if details:
        weakest = min(detail.get("compute_capability", (0, 0)) for detail in details)
        return next((name for least, name in GPU_PRECISIONS if weakest >= least), "float32")
    return "mixed_bfloat16" if wide and cpu_class() in BFLOAT16_CLASSES else "float32"


def choose_jit(
    jit: bool | str, model: keras.Model, *, num_replicas: int, augmented: bool = False
) -> bool:
    """Returns whether XLA compiles the training loop of a model.

    On a GPU, "auto" is what Keras itself decides: one device compiles, unless a layer has operations that XLA lacks. On
    a CPU it compiles wide float32 dense models without dropout or augmentation. Measured on two cores: the loop of
    784-1024-128-10 runs 1.1 times faster, but a model with dropout runs 9 times slower (XLA draws random numbers slowly
    on CPU), and convolutions run faster in oneDNN. A narrow model does not gain: an epoch of 784-128-10 is a quarter
    shorter, but the compiler takes 110 MB and as much time as a whole training saves.

    Raises:
        InputError: If XLA is requested for several replicas: it cannot use variables of two devices.
    """
    if jit is True and num_replicas > 1:
        raise invalid("jit", expected=f"False or 'auto' with {num_replicas} replicas", received=jit)
    if jit != "auto":
        return bool(jit)
    unstable = isinstance(model.optimizer, keras.optimizers.Adafactor)  # NaN under XLA (Keras 3.15)
    if num_replicas > 1 or unstable:
        return False
    if tf.config.list_logical_devices("GPU"):
        return bool(model.jit_compile)
    layers = list(flatten_layers(model))
    convolutional = any("Conv" in type(layer).__name__ for layer in layers)
    draws = any(v.path.endswith("seed_generator_state") for v in model.variables)
    float32 = all(layer.compute_dtype == "float32" for layer in layers)
    return (
        float32
        and model.count_params() >= MIN_JIT_PARAMETERS
        and not (convolutional or draws or augmented)
    )


@contextlib.contextmanager
def synchronized_batch_norm(model: keras.Model, strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Makes training steps that are traced inside normalize over the images of all replicas, as one device does.

    Otherwise, each replica would normalize its own few images, and a recipe would mean something else on more devices.
    Afterwards, the layers are unchanged. Layers with `renorm`, which Keras does not synchronize, are skipped.
    """
    layers = [
        layer
        for layer in dict.fromkeys(flatten_layers(model))
        if isinstance(layer, keras.layers.BatchNormalization)
        and not (layer.synchronized or getattr(layer, "renorm", False))
        and strategy.num_replicas_in_sync > 1
    ]
    for layer in layers:
        layer.synchronized = True
    try:
        yield
    finally:
        for layer in layers:
            layer.synchronized = False


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
    """Makes `precision` Keras's policy for layers that are built inside."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def describe_devices() -> list[dict[str, Any]]:
    """Returns each logical device that TensorFlow sees: `name`, `type`, and for a GPU its `model`."""
    let_memory_grow()
    names = [  # in the order of the logical devices; one GPU can be split into several
        tf.config.experimental.get_device_details(gpu).get("device_name")
        for gpu in tf.config.get_visible_devices("GPU")
        for _ in tf.config.get_logical_device_configuration(gpu) or [None]
    ]
    gpus = iter(names)
    return [
        {
            "name": device.name.removeprefix("/device:"),
            "type": device.device_type,
            "model": next(gpus, None) if device.device_type == "GPU" else None,
        }
        for device in tf.config.list_logical_devices()
        if device.device_type in {"CPU", "GPU", "TPU"}
    ]
