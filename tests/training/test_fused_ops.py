"""Fused kernels: the results of Keras's own, whatever the settings, and Keras's own objects after it."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import mnist_keras as mk
from mnist_keras.training import fused_ops
from mnist_keras.training.devices import precision_policy
from mnist_keras.training.fused_ops import fused_adam, fused_batch_norm

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


def two_replicas():
    # Reduced on one device: collectives of another number of replicas may live in this process.
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


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


@pytest.fixture
def renamed(monkeypatch, request):
    """A Keras in which one of the attributes that the fused kernels use has another name."""
    there = lambda thing, name: name != request.param and hasattr(thing, name)  # noqa: E731
    monkeypatch.setattr(fused_ops, "hasattr", there, raising=False)


@pytest.mark.parametrize("renamed", fused_ops.ADAM_INTERNALS, indirect=True)
def test_without_an_internal_of_adam_keras_updates(renamed):
    ours, operations = updated(OPTIMIZERS["plain"](), fused=True)
    theirs, _ = updated(OPTIMIZERS["plain"](), fused=False)
    assert "ResourceApplyAdam" not in operations
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, their)


@pytest.mark.parametrize("renamed", fused_ops.NORM_INTERNALS, indirect=True)
def test_without_an_internal_of_batch_normalization_keras_normalizes(renamed):
    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.BatchNormalization()])
    with fused_batch_norm(model):
        assert "call" not in vars(model.layers[0])


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
    optimizer.build(variables())
    before = optimizer.get_config()
    with pytest.raises(RuntimeError), fused_adam(optimizer):
        assert "update_step" in vars(optimizer)
        raise RuntimeError
    assert "update_step" not in vars(optimizer)
    assert optimizer.get_config() == before


def test_replicas_are_updated_alike():
    strategy = two_replicas()
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


# Batch normalization.


def normalized(arguments, *, policy="float32", shape=(6, 6, 3), training=True, jit=False):
    """Returns, by the fused kernel and by Keras, outputs, gradients and weights after two steps, and the operations."""
    rng = np.random.default_rng(2)
    images = tf.constant(3 * rng.normal(size=(16, *shape)).astype("float32") + 1)
    factors = tf.constant(rng.normal(size=(16, *shape)).astype("float32"))
    results = []
    for fused in (True, False):
        with precision_policy(policy):
            layer = keras.layers.BatchNormalization(**arguments)
            model = keras.Sequential([keras.Input(shape), layer])
        for weight in layer.trainable_weights:
            weight.assign(np.linspace(0.5, 2, weight.shape[0]))

        @tf.function(jit_compile=jit)
        def step(model=model, images=images):
            with tf.GradientTape() as tape:
                tape.watch(images)
                outputs = model(images, training=training)
                loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * factors)
            return outputs, *tape.gradient(loss, [images, *model.trainable_weights])

        with fused_batch_norm(model) if fused else contextlib.nullcontext():
            values = [*step(), *step()]
            operations = _operations(step.get_concrete_function().graph.as_graph_def())
        assert "call" not in vars(layer)
        arrays = [np.array(tf.cast(x, tf.float32)) for x in (*values, *layer.weights)]
        results.append((arrays, "FusedBatchNormV3" in operations))
    return results


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize(
    ("arguments", "channels"), [({}, 3), ({"momentum": 0.9, "epsilon": 0.1, "axis": 3}, 16)]
)
def test_images_are_normalized_as_by_keras(arguments, channels, policy, jit):
    shape = 6, 6, channels
    (ours, fused), (theirs, plain) = normalized(arguments, shape=shape, policy=policy, jit=jit)
    assert (fused, plain) == (True, False)
    tolerance = 1e-5 if policy == "float32" else 2e-2  # two steps of bfloat16, at values up to 4
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("arguments", "shape", "training"),
    [
        ({}, (6, 6, 3), False),
        ({"trainable": False}, (6, 6, 3), True),
        ({"axis": 1}, (6, 6, 3), True),
        ({"scale": False}, (6, 6, 3), True),
        ({"center": False}, (6, 6, 3), True),
        ({"renorm": True}, (6, 6, 3), True),
        ({"synchronized": True}, (6, 6, 3), True),
        ({"dtype": "float64"}, (6, 6, 3), True),
        ({"dtype": "bfloat16"}, (6, 6, 3), True),
        ({}, (5,), True),
    ],
)
def test_other_batch_norms_are_left_as_they_are(arguments, shape, training):
    (ours, fused), (theirs, _) = normalized(arguments, shape=shape, training=training)
    assert not fused
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, their)


def test_training_normalizes_by_the_fused_kernel(monkeypatch):
    called = []
    kernel = tf.raw_ops.FusedBatchNormV3
    monkeypatch.setattr(
        tf.raw_ops, "FusedBatchNormV3", lambda **kw: (called.append(kw["x"].dtype), kernel(**kw))[1]
    )
    data = mk.load_data("digits")
    images, labels = data.train_images[:64], data.train_labels[:64]
    recipe = mk.Recipe(batch_size=32, epochs=1, precision="mixed_bfloat16")
    mk.train("cnn_tiny", ((images, labels), (images, labels)), recipe=recipe, verbose=0)
    slow, fast = tf.float32, tf.bfloat16  # with 8, 8, 16, 16 and 20 channels; each is traced once
    assert called == [slow, slow, fast, fast, slow]


def test_a_subclass_and_a_layer_with_a_call_of_its_own_are_left_as_they_are():
    class Doubled(keras.layers.BatchNormalization):
        def call(self, inputs, training=None, mask=None):
            return 2 * super().call(inputs, training=training, mask=mask)

    plain = keras.layers.BatchNormalization()
    plain.call = lambda inputs, training=None, mask=None: 3 * inputs
    model = keras.Sequential([keras.Input((6, 6, 3)), Doubled(name="doubled"), plain])
    own = plain.call
    with fused_batch_norm(model):
        assert "call" not in vars(model.get_layer("doubled"))
        assert plain.call is own
    assert plain.call is own


def test_a_layer_is_its_old_self_after_an_error():
    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.BatchNormalization()])
    with pytest.raises(RuntimeError), fused_batch_norm(model):
        assert "call" in vars(model.layers[0])
        raise RuntimeError
    assert "call" not in vars(model.layers[0])


def test_layers_of_a_nested_model_are_fused_once():
    inner = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.BatchNormalization()])
    outer = keras.Sequential([keras.Input((6, 6, 3)), inner])
    with fused_batch_norm(outer):
        call = inner.layers[0].call
        with fused_batch_norm(outer):  # a training within a callback of a training
            assert inner.layers[0].call is call
        assert inner.layers[0].call is call
    assert "call" not in vars(inner.layers[0])


def test_replicas_normalize_alike():
    strategy = two_replicas()
    images = tf.constant(np.random.default_rng(3).normal(size=(8, 6, 6, 3)).astype("float32"))

    def build():
        return keras.Sequential([keras.Input((6, 6, 3)), keras.layers.BatchNormalization()])

    with strategy.scope():
        model = build()

    @tf.function
    def step(x):
        return model(x, training=True)

    with fused_batch_norm(model):
        outputs = strategy.run(step, args=(images,))
    alone = build()
    expected = alone(images, training=True)
    for output in strategy.experimental_local_results(outputs):
        np.testing.assert_allclose(output, expected, atol=1e-5)
    for ours, theirs in zip(model.weights, alone.weights, strict=True):
        np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=1e-6)
