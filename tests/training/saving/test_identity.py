"""What makes two runs the same: what differs is named, more epochs extend a run, and the rest is refused."""

import pytest
from errors import error_of
from small_runs import CONFIG, changed

from mnist_keras.training.saving.checkpoints import Checkpoint


def test_the_same_run_may_be_resumed(run):
    run.check_same_run(CONFIG)
    run.check_same_run(changed(command=["python"], versions={"keras": "4"}))
    run.check_same_run(changed(model={"name": "another name", "architecture": "a1"}))
    run.check_same_run(changed(data={**CONFIG["data"], "name": "arrays", "source": "npz"}))
    run.start(changed(class_weight={"3": (1.0, 2.0)}))
    run.check_same_run(changed(class_weight={"3": (1.0, 2.0)}))  # JSON gives a list back


DIFFERENCES = {
    "model": (
        {"model": {"name": "cnn_2conv", "architecture": "a2"}},
        "model: 'mlp_128' there, 'cnn_2conv' with other layers here",
    ),
    "recipe": (
        {"recipe": {**CONFIG["recipe"], "batch_size": 64}},
        "recipe.batch_size: 128 there, 64 here",
    ),
    "augmentation": (
        {"recipe": {**CONFIG["recipe"], "augmentation": None}},
        "recipe.augmentation: {'rotation': 10.0} there, None here",
    ),
    "augmentation setting": (
        {"recipe": {**CONFIG["recipe"], "augmentation": {"rotation": 5.0}}},
        "recipe.augmentation.rotation: 10.0 there, 5.0 here",
    ),
    "data": (
        {"data": {**CONFIG["data"], "sha256": {"train_images": "c3"}}},
        "data.sha256.train_images: 'b2' there, 'c3' here",
    ),
    "validation data": (
        {"validation": {"images": "d4"}},
        "validation: None there, {'images': 'd4'} here",
    ),
    "precision": (
        {"precision": "mixed_bfloat16"},
        "precision: 'float32' there, 'mixed_bfloat16' here",
    ),
    "jit": ({"jit": False}, "jit: True there, False here"),
    "seed": ({"seed": 7}, "seed: 0 there, 7 here"),
    "class weight": ({"class_weight": {"3": 2.0}}, "class_weight.3: None there, 2.0 here"),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_another_run_is_not_resumed_and_the_difference_is_named(run, case):
    changes, difference = DIFFERENCES[case]
    assert error_of(run.check_same_run, changed(**changes)) == (
        f"The run in {run.path} is a different run and cannot be resumed: {difference}. "
        "Repeat its arguments, replace it (--overwrite, overwrite=True) or choose another directory."
    )


def test_versions_that_differ_are_named_where_data_of_one_name_differ(run):
    drawn = {"data": {**CONFIG["data"], "sha256": {"train_images": "c3"}}}
    newer = {"keras": "3.16.0", "numpy": "2.4.0", "pillow": "13.0.0", "scipy": "1.17.0"}
    text = error_of(run.check_same_run, changed(**drawn, versions=newer))
    assert (
        "data.sha256.train_images: 'b2' there, 'c3' here; versions.pillow: '12.3.0' there, '13.0.0' here, which may "
        "be why the data differ. Repeat its arguments"
    ) in text
    drawn["data"]["name"] = "fashion_mnist"
    assert "pillow" not in error_of(run.check_same_run, changed(**drawn, versions=newer))


def test_more_epochs_extend_a_run_whose_rate_is_constant(run):
    run.check_same_run(recipe(epochs=5))
    assert run.is_extended_by(recipe(epochs=5))
    assert not run.is_extended_by(CONFIG) and not run.is_extended_by(recipe(epochs=2))
    assert "recipe.epochs: 3 there, 2 here." in error_of(run.check_same_run, recipe(epochs=2))
    text = error_of(run.check_same_run, recipe(epochs=5, batch_size=64))
    assert "resumed: recipe.batch_size: 128 there, 64 here." in text
    run.write_metrics({"accuracy": 0.9})
    run.extend(recipe(epochs=5), Checkpoint(9, {}, {"stopped": False, "history": {}}))
    assert not run.is_finished and run.read_config()["recipe"]["epochs"] == 5


def test_more_epochs_under_another_schedule_are_refused_with_the_reason(run):
    run.start(recipe(schedule="cosine"))
    longer = recipe(schedule="cosine", epochs=5)
    assert not run.is_extended_by(longer)
    assert (
        "resumed: recipe.epochs: 3 there, 5 here; the schedule 'cosine' is laid out over all epochs, so a run with "
        "more epochs is a different run. Repeat"
    ) in error_of(run.check_same_run, longer)


def test_a_run_that_cannot_be_extended_stays_finished(run):
    run.write_metrics({"accuracy": 0.9})
    longer = recipe(epochs=5)
    assert error_of(run.extend, longer, None) == (
        f"The finished run in {run.path} has no checkpoint left to continue from. Train again in another directory."
    )
    stopped = Checkpoint(9, {}, {"stopped": True, "history": {"epoch": [1, 2]}})
    assert error_of(run.extend, longer, stopped) == (
        f"A callback ended the run in {run.path} after epoch 2, so more epochs change nothing. Train again in another "
        "directory, without the callback."
    )
    assert run.is_finished and run.read_config() == CONFIG


def test_another_number_of_replicas_may_decide_otherwise_about_xla(run):
    run.start(changed(num_replicas=1))
    run.check_same_run(changed(num_replicas=2, jit=False))


def test_every_difference_is_named(run):
    text = error_of(run.check_same_run, changed(seed=7, jit=False))
    assert "seed: 0 there, 7 here; jit: True there, False here." in text


def recipe(**changes):
    return changed(recipe={**CONFIG["recipe"], **changes})
