"""Trainings with images on disk have the batches and the weights of the same images in memory, to the bit."""

import itertools

import keras
import numpy as np
import pytest
from disk import Disk, net
from small_runs import assert_same_bits, mirrored

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.data.array_records import open_records
from mnist_keras.data.records import Records
from mnist_keras.training.train import train

EVERYTHING = {"rotation": 10, "shift": 2, "zoom": 0.1, "elastic_alpha": 24, "erasing": 0.5}


@pytest.fixture(scope="module")
def two_cpus():
    return mirrored(2)


def take(dataset, count):
    return [tuple(tensor.numpy() for tensor in batch) for batch in itertools.islice(dataset, count)]


def assert_same_batches(first, second):
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize("augmentation", [None, EVERYTHING])
@pytest.mark.parametrize("start_step", [0, 4, 13])
def test_training_batches_are_those_of_the_arrays(
    directory, arrays, small_windows, augmentation, start_step
):
    options = {"batch_size": 32, "training": True, "seed": 5, "augmentation": augmentation}
    records = open_records("digits", data_dir=directory)
    on_disk = mk.make_dataset(records, start_step=start_step, **options)
    memory = mk.make_dataset(*arrays[0], start_step=start_step, **options)
    assert on_disk.element_spec == memory.element_spec
    assert_same_batches(take(on_disk, 14), take(memory, 14))


def test_batches_in_order_are_those_of_the_arrays(directory, arrays):
    records = open_records("digits", split="test", data_dir=directory)
    for batch_size in (25, 100):
        on_disk = mk.make_dataset(records, batch_size=batch_size, standardize=True)
        memory = mk.make_dataset(*arrays[1], batch_size=batch_size, standardize=True)
        assert_same_batches(take(on_disk, 9), take(memory, 9))


def test_records_train_through_fit(directory, arrays):
    models = []
    for source in ((open_records("digits", data_dir=directory),), arrays[0]):
        models.append(model := net())
        model.compile("adam", "sparse_categorical_crossentropy")
        dataset = mk.make_dataset(*source, batch_size=32, training=True)
        model.fit(dataset, steps_per_epoch=6, epochs=2, shuffle=False, verbose=0)
    assert_same_bits(*models)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        ({"augmentation": "affine"}, {}),
        ({"label_smoothing": 0.1}, {"class_weight": {3: 2.0}}),
        ({"jit": True}, {}),
        ({"batch_size": 25, "validation_size": 25}, {}),
    ],
)
def test_the_weights_are_those_of_the_arrays_to_the_bit(
    directory, arrays, small_windows, fields, options
):
    recipe = mk.Recipe(**{"batch_size": 32, "epochs": 3, **fields})
    records = [
        open_records("digits", split=split, data_dir=directory) for split in ("train", "test")
    ]
    runs = [
        train(net(dropout=0.2), data, recipe=recipe, verbose=0, **options)
        for data in (arrays, records, (records[0], arrays[1]), (arrays[0], records[1]))
    ]
    for run in runs[1:]:
        assert_same_bits(runs[0].model, run.model)
        assert run.history["loss"] == runs[0].history["loss"]
        assert run.history.get("val_loss") == runs[0].history.get("val_loss")
        assert run.metrics["accuracy"] == runs[0].metrics["accuracy"]
        assert run.metrics["train_accuracy"] == runs[0].metrics["train_accuracy"]


def test_two_replicas_have_the_weights_that_they_have_from_memory(
    directory, arrays, small_windows, two_cpus
):
    records = open_records("digits", data_dir=directory)
    recipe, models = mk.Recipe(batch_size=32, epochs=2), []
    for data in (arrays, (records, arrays[1])):
        with two_cpus.scope():
            models.append(net())
        train(models[-1], data, recipe=recipe, verbose=0)
    assert_same_bits(*models)


class Interrupt(keras.callbacks.Callback):
    """Presses Ctrl-C in a step."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.step:
            import signal

            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("step", [1, 2, 4, 5])
def test_a_run_goes_on_within_an_epoch(directory, arrays, small_windows, tmp_path, step):
    data = open_records("digits", data_dir=directory), arrays[1]
    options = {"recipe": mk.Recipe(batch_size=32, epochs=2), "verbose": 0}
    whole = train(net(dropout=0.2), arrays, **options)
    with pytest.raises(KeyboardInterrupt):
        train(net(dropout=0.2), data, run_dir=tmp_path, callbacks=[Interrupt(step)], **options)
    resumed = train(net(dropout=0.2), data, run_dir=tmp_path, resume=True, **options)
    assert_same_bits(whole.model, resumed.model)
    assert (tmp_path / "plots" / "errors.png").is_file()


def test_a_run_does_not_go_on_with_other_records(arrays, tmp_path):
    options = {"recipe": mk.Recipe(batch_size=32, epochs=1), "verbose": 0, "run_dir": tmp_path}
    train(net(), (Records(Disk(64)), arrays[1]), **options)
    with pytest.raises(InputError, match=r"data\.sha256\.train_records"):
        train(net(), (Records(Disk(65)), arrays[1]), resume=True, **options)


@pytest.mark.slow
def test_the_plots_show_the_test_records(directory, arrays, tmp_path):
    records = open_records("digits", split="test", data_dir=directory)
    options = {"recipe": mk.Recipe(batch_size=32, epochs=1), "verbose": 0}
    train(net(), (arrays[0], records), run_dir=tmp_path / "disk", **options)
    train(net(), arrays, run_dir=tmp_path / "memory", **options)
    for plot in ("errors.png", "predictions.png"):
        images = [(tmp_path / place / "plots" / plot).read_bytes() for place in ("disk", "memory")]
        assert images[0] == images[1]


def test_an_evaluation_reads_batch_by_batch(directory, arrays):
    model, records = net(), open_records("digits", split="test", data_dir=directory)
    on_disk, memory = mk.evaluate(model, records), mk.evaluate(model, *arrays[1], dataset="digits")
    assert on_disk.to_dict() == memory.to_dict()
    source = Disk(1200)
    evaluation = mk.evaluate(model, Records(source, class_names="abcdefghij", name="letters"))
    assert (evaluation.class_names, evaluation.dataset) == (tuple("abcdefghij"), "letters")
    assert source.most == 500


def test_arguments_that_do_not_go_with_records(arrays):
    records, model = Records(Disk(64)), net()
    labels = np.zeros(64, int)
    with pytest.raises(
        InputError, match=r"Invalid `labels`\. Expected None with a split, which has"
    ):
        mk.make_dataset(records, labels)
    with pytest.raises(InputError, match=r"Invalid `labels`\. Expected None with a split"):
        mk.evaluate(model, records, labels)
    with pytest.raises(InputError, match=r"Expected at most the 64 training images\. Received: 65"):
        mk.make_dataset(records, batch_size=65, training=True)
    many = Records(Disk(64), class_names=map(str, range(11)))
    message = (
        r"Expected images of at most 10 classes, as the model has\. Received: 11 classes in records"
    )
    for data, text in [
        (records, r"\(train, test\), where each is .*Received: Records"),
        (
            (records,),
            r"\(train, test\), where each is .*Records.* Received: \(Records\)",
        ),
        ((records, arrays[1][0]), r"Received: \(Records, ndarray\)"),
        ((records, records, records), r"Received: \(Records, Records, Records\)"),
        ((many, arrays[1]), message),
        (
            (records, many),
            r"Expected training and test images of the same classes \(0, .* 9\)\. Received: 0, .* 10\.",
        ),
    ]:
        with pytest.raises(InputError, match=text):
            train(model, data, verbose=0)
    with pytest.raises(
        InputError, match=r"Expected fewer than the 64 training images. Received: 64"
    ):
        train(model, (records, arrays[1]), validation_size=64, verbose=0)
