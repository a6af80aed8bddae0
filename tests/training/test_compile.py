"""Training compiles and computes what Keras's own `compile` and `fit` do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_runs import dense_net, distance, small_data

import mnist_keras as mk
from mnist_keras.data.pipeline import make_dataset
from mnist_keras.training.train import train

L2 = keras.regularizers.L2(1e-3)


PARITY = {
    "adam": ({}, {}, lambda: keras.optimizers.Adam(1e-3)),
    "l2": ({"regularizer": L2}, {}, lambda: keras.optimizers.Adam(1e-3)),
    "batch_norm": ({"batch_norm": True}, {}, lambda: keras.optimizers.SGD(0.05, momentum=0.9)),
    "clipping": ({}, {}, lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.5)),
    "averaging": ({}, {}, lambda: keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.9)),
    "weight_decay": ({}, {}, lambda: keras.optimizers.AdamW(1e-3, weight_decay=0.01)),
    "class_weight": ({}, {3: 4.0, 5: 0.25}, lambda: keras.optimizers.Adam(1e-3)),
}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("case", PARITY)
def test_same_weights_as_fit(digits, case, jit):
    arguments, class_weight, make_optimizer = PARITY[case]
    optimizer = make_optimizer()
    data = small_data(digits)
    recipe = mk.Recipe(
        optimizer=keras.optimizers.serialize(optimizer),
        learning_rate=float(optimizer.learning_rate),
        batch_size=32,
        epochs=2,
        jit=jit,
    )
    run = train(
        dense_net(**arguments), data, recipe=recipe, seed=3, class_weight=class_weight, verbose=0
    )

    model = dense_net(**arguments)
    model.compile(
        optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=jit
    )
    batches = make_dataset(
        data.train_images, data.train_labels, batch_size=32, training=True, seed=3
    )
    if class_weight:  # fit takes no class weights with some labels left out
        weights = tf.constant([class_weight.get(label, 1.0) for label in range(10)])
        batches = batches.map(lambda x, y: (x, y, tf.gather(weights, y)))
    history = model.fit(batches, steps_per_epoch=8, epochs=2, shuffle=False, verbose=0).history

    assert distance(run.model, model) < 1e-6
    np.testing.assert_allclose(run.history["loss"], history["loss"], rtol=1e-5)
    np.testing.assert_allclose(run.history["accuracy"], history["accuracy"], rtol=1e-5)


def test_a_net_with_batch_norm_gets_the_weights_of_fit(digits):
    # Few small steps, and weights with which no maximum of a pool lies within rounding of another: where one flips,
    # two trainings part.
    data = small_data(digits)
    keras.utils.set_random_seed(0)
    recipe = mk.Recipe(optimizer="sgd", learning_rate=0.01, batch_size=64, epochs=1)
    run, model = (mk.build_deep_cnn(((4,), (6,)), batch_norm=True, dropout=0) for _ in range(2))
    model.set_weights(run.get_weights())
    run = train(run, data, recipe=recipe, verbose=0).model
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    batches = make_dataset(data.train_images, data.train_labels, batch_size=64, training=True)
    model.fit(batches, steps_per_epoch=4, epochs=1, shuffle=False, verbose=0)
    assert distance(run, model) < 1e-5


def test_validation_logs_are_those_of_fit(digits):
    data = small_data(digits)
    held_out = (data.test_images, data.test_labels)
    recipe = mk.Recipe(batch_size=64, epochs=2)
    run = train(dense_net(regularizer=L2), data, recipe=recipe, validation_data=held_out, verbose=0)
    model = dense_net(regularizer=L2)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        make_dataset(data.train_images, data.train_labels, batch_size=64, training=True),
        validation_data=make_dataset(*held_out, batch_size=100),
        steps_per_epoch=4,
        epochs=2,
        shuffle=False,
        verbose=0,
    ).history
    np.testing.assert_allclose(run.history["val_loss"], history["val_loss"], rtol=1e-4)
    np.testing.assert_allclose(run.history["val_accuracy"], history["val_accuracy"], rtol=1e-5)


def test_label_smoothing_and_logits_learn(digits):
    model = mk.build_mlp((32,), classifier_activation=None)
    run = train(model, digits, recipe=mk.Recipe(epochs=5, label_smoothing=0.1), verbose=0)
    assert run.metrics["accuracy"] > 0.85
