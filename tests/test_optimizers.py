"""Adam in the fused kernel: Keras's update, whatever the optimizer's settings, and Keras's own optimizer after it."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from mnist_keras.optimizers import fused_adam

OPTIMIZERS = {
    "plain": lambda: keras.optimizers.Adam(1e-2),
    "betas": lambda: keras.optimizers.Adam(1e-2, beta_1=0.7, beta_2=0.9, epsilon=1e-3),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 10)),
    "decay": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1),
    "clipping": lambda: keras.optimizers.Adam(1e-2, global_clipnorm=0.5),
    "averaging": lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.9),
    "loss scaling": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2)),
}
OTHERS = {
    "sgd": lambda: keras.optimizers.SGD(1e-2),
    "amsgrad": lambda: keras.optimizers.Adam(1e-2, amsgrad=True),
    "nadam": lambda: keras.optimizers.Nadam(1e-2),
}


def variables():
    rng = np.random.default_rng(0)
    return [keras.Variable(rng.normal(size=shape).astype("float32")) for shape in ((5, 3), (3,))]


def updated(optimizer, *, fused, jit=False):
    """Returns the variables and the optimizer's after ten steps, and the operations of one."""
    weights = variables()
    optimizer.build(weights)
    rng = np.random.default_rng(1)
    gradients = [[rng.normal(size=w.shape).astype("float32") for w in weights] for _ in range(10)]
    with fused_adam(optimizer) if fused else contextlib.nullcontext():
        step = tf.function(lambda *g: optimizer.apply(g, weights), jit_compile=jit)
        for gradient in gradients:
            step(*map(tf.constant, gradient))
        graph = step.get_concrete_function(*map(tf.constant, gradients[0])).graph
    optimizer.finalize_variable_values(weights)
    arrays = [np.array(v) for v in (*weights, *optimizer.variables)]
    return arrays, _operations(graph.as_graph_def())


def _operations(graph):
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return {node.op for node in nodes}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_update_is_that_of_keras(name, jit):
    ours, operations = updated(OPTIMIZERS[name](), fused=True, jit=jit)
    theirs, plain = updated(OPTIMIZERS[name](), fused=False, jit=jit)
    assert "ResourceApplyAdam" in operations
    assert "ResourceApplyAdam" not in plain
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", OTHERS)
def test_other_optimizers_are_left_as_they_are(name):
    ours, operations = updated(OTHERS[name](), fused=True)
    theirs, _ = updated(OTHERS[name](), fused=False)
    assert "ResourceApplyAdam" not in operations
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, their)


def test_rows_of_an_embedding_are_updated_by_keras():
    results = []
    for fused in (True, False):
        table = keras.Variable(np.ones((4, 2), "float32"))
        optimizer = keras.optimizers.Adam(1e-2)
        optimizer.build([table])
        with fused_adam(optimizer) if fused else contextlib.nullcontext():
            optimizer.apply([tf.IndexedSlices(tf.ones((1, 2)), [2], (4, 2))], [table])
        results.append(np.array(table))
    np.testing.assert_array_equal(*results)


def test_nothing_is_left_behind():
    optimizer = OPTIMIZERS["plain"]()
    before = optimizer.get_config()
    with pytest.raises(RuntimeError), fused_adam(optimizer):
        assert "update_step" in vars(optimizer)
        raise RuntimeError
    assert "update_step" not in vars(optimizer)
    assert optimizer.get_config() == before


def test_replicas_are_updated_alike():
    # Reduced on one device: collectives of another number of replicas may live in this process.
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        weights, optimizer = variables(), OPTIMIZERS["plain"]()
        optimizer.build(weights)

    @tf.function
    def step(x):
        optimizer.apply([x / 2 * tf.ones(w.shape) for w in weights], weights)

    with fused_adam(optimizer):
        strategy.run(step, args=(tf.constant(1.0),))
    alone, single = variables(), OPTIMIZERS["plain"]()
    single.apply([tf.ones(w.shape) for w in alone], alone)
    for ours, theirs in zip(weights, alone, strict=True):
        for replica in strategy.experimental_local_results(ours.value):
            np.testing.assert_allclose(replica.numpy(), np.array(theirs), atol=1e-6)
