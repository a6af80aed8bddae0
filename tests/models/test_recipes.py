"""Recipes: every field is checked, JSON holds them, Keras objects come of them."""

import copy
import dataclasses
import json
import math
import pickle

import keras
import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.models.recipes import (
    OPTIMIZERS,
    PRECISIONS,
    RECIPES,
    SCHEDULES,
    Recipe,
    change_recipe,
    get_recipe,
)
from mnist_keras.training.compile import START_DIVISOR, compile_model

FULL = Recipe(
    optimizer={"class_name": "SGD", "config": {"momentum": 0.9}},
    learning_rate=0.1 + 0.2,
    schedule="one_cycle",
    batch_size=64,
    epochs=3,
    weight_decay=1e-4,
    label_smoothing=0.1,
    augmentation={"rotation": 10.0},
    ema_momentum=0.99,
    precision="mixed_bfloat16",
    jit=False,
    validation_size=5000,
)


def test_defaults_are_documented_training():
    recipe = Recipe()
    assert (recipe.optimizer, recipe.learning_rate) == ("adam", 1e-3)
    assert (recipe.batch_size, recipe.epochs) == (128, 10)


@pytest.mark.parametrize("recipe", [Recipe(), FULL, *RECIPES.values()])
def test_json_gives_an_equal_recipe_back(tmp_path, recipe):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe.to_dict()), encoding="utf-8")
    assert Recipe.from_dict(json.loads(path.read_text(encoding="utf-8"))) == recipe


def test_fields_left_out_have_their_defaults():
    assert Recipe.from_dict({"epochs": 3}) == Recipe(epochs=3)
    assert Recipe.from_dict({}) == Recipe()


def test_numpy_numbers_become_plain_ones():
    recipe = Recipe(
        learning_rate=np.float32(0.5), batch_size=np.int64(64), ema_momentum=np.float32(0.5)
    )
    assert recipe == Recipe(learning_rate=0.5, batch_size=64, ema_momentum=0.5)
    assert json.loads(json.dumps(recipe.to_dict()))["batch_size"] == 64


def test_replace_changes_some_fields_of_a_copy():
    assert FULL.replace(epochs=1) == dataclasses.replace(FULL, epochs=1)
    assert FULL.epochs == 3
    with pytest.raises(InputError, match="Invalid `epochs`"):
        FULL.replace(epochs=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        FULL.epochs = 1


def test_the_learning_rate_follows_the_batch_size():
    recipe = Recipe(batch_size=128, learning_rate=0.1, epochs=3)
    for batch_size, rate in ((512, 0.4), (32, 0.025), (128, 0.1)):
        scaled = change_recipe(recipe, batch_size=batch_size, epochs=2, scale_learning_rate=True)
        assert scaled == Recipe(batch_size=batch_size, learning_rate=rate, epochs=2)
    assert change_recipe(recipe, batch_size=512) == recipe.replace(batch_size=512)
    assert error_of(recipe.for_batch_size, 0) == f"Invalid `batch_size`. {INTEGER.format(1, 0)}"
    for changes in ({}, {"batch_size": 256, "learning_rate": 0.1}):
        text = error_of(change_recipe, recipe, scale_learning_rate=True, **changes)
        assert text.startswith("Scaling the learning rate needs a batch_size, and no learning_rate")


INTEGER = "Expected an integer of at least {}. Received: {}."
BAD = {
    "optimizer name": (
        {"optimizer": "adan"},
        "Unknown optimizer 'adan'. Did you mean 'adam'? "
        f"Expected one of: {', '.join(sorted(OPTIMIZERS))}.",
    ),
    "optimizer type": (
        {"optimizer": 5},
        "Invalid `optimizer`. Expected a name, or a dictionary as `keras.optimizers.serialize` "
        "returns it. Received: 5.",
    ),
    "optimizer without config": (
        {"optimizer": {"class_name": "SGD"}},
        "Invalid `optimizer`. Expected a name, or a dictionary as `keras.optimizers.serialize` "
        "returns it. Received: {'class_name': 'SGD'}.",
    ),
    "optimizer's config": (
        {"optimizer": {"class_name": "SGD", "config": []}},
        "Invalid `optimizer`. Expected a name, or a dictionary as `keras.optimizers.serialize` "
        "returns it. Received: {'class_name': 'SGD', 'config': []}.",
    ),
    "learning rate": (
        {"learning_rate": 0},
        "Invalid `learning_rate`. Expected a number above 0. Received: 0.",
    ),
    "learning rate nan": (
        {"learning_rate": math.nan},
        "Invalid `learning_rate`. Expected a number above 0. Received: nan.",
    ),
    "learning rate text": (
        {"learning_rate": "1e-3"},
        "Invalid `learning_rate`. Expected a number above 0. Received: '1e-3'.",
    ),
    "schedule": (
        {"schedule": "linear"},
        f"Invalid `schedule`. Expected one of: {', '.join(SCHEDULES)}. Received: 'linear'.",
    ),
    "batch size": ({"batch_size": 0}, "Invalid `batch_size`. " + INTEGER.format(1, 0)),
    "batch size fraction": ({"batch_size": 1.5}, "Invalid `batch_size`. " + INTEGER.format(1, 1.5)),
    "batch size bool": ({"batch_size": True}, "Invalid `batch_size`. " + INTEGER.format(1, True)),
    "epochs": ({"epochs": -1}, "Invalid `epochs`. " + INTEGER.format(1, -1)),
    "epochs none": ({"epochs": 0}, "Invalid `epochs`. " + INTEGER.format(1, 0)),
    "weight decay": (
        {"weight_decay": -1e-4},
        "Invalid `weight_decay`. Expected a number of at least 0. Received: -0.0001.",
    ),
    "label smoothing": (
        {"label_smoothing": 1},
        "Invalid `label_smoothing`. Expected a number of at least 0 and at most 0.999. Received: 1.",
    ),
    "augmentation": (
        {"augmentation": 3},
        "Invalid `augmentation`. Expected a name, a dictionary or None. Received: 3.",
    ),
    "ema momentum": (
        {"ema_momentum": 1.0},
        "Invalid `ema_momentum`. Expected a number above 0 and at most 0.999999. Received: 1.0.",
    ),
    "precision": (
        {"precision": "float8"},
        f"Invalid `precision`. Expected one of: {', '.join(PRECISIONS)}. Received: 'float8'.",
    ),
    "jit": ({"jit": "yes"}, "Invalid `jit`. Expected True, False or 'auto'. Received: 'yes'."),
    "validation size": (
        {"validation_size": -1},
        "Invalid `validation_size`. " + INTEGER.format(0, -1),
    ),
    "unknown field": (
        {"learning_rat": 1e-3},
        "Unknown recipe field 'learning_rat'. Did you mean 'learning_rate'? Expected one of: "
        "augmentation, batch_size, ema_momentum, epochs, jit, label_smoothing, learning_rate, "
        "optimizer, precision, schedule, validation_size, weight_decay.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_field_has_a_clear_error(case):
    fields, text = BAD[case]
    with pytest.raises(InputError) as caught:
        Recipe.from_dict(fields)
    assert str(caught.value) == text


def test_every_field_has_a_bad_case():
    tried = {name for fields, _ in BAD.values() for name in fields}
    assert tried >= {field.name for field in dataclasses.fields(Recipe)}


def test_a_recipe_that_is_not_a_dictionary_is_refused():
    with pytest.raises(InputError) as caught:
        Recipe.from_dict(["epochs"])
    assert str(caught.value) == (
        "Invalid `recipe`. Expected a dictionary of fields. Received: ['epochs']."
    )


def test_get_recipe():
    assert get_recipe("mlp_128") == Recipe()
    with pytest.raises(InputError, match=r"Unknown recipe 'mlp128'. Did you mean 'mlp_128'\?"):
        get_recipe("mlp128")


def test_the_recipe_for_clothes_differs_in_its_augmentation_alone():
    digits, clothes = get_recipe("cnn_accurate"), get_recipe("cnn_accurate_fashion")
    assert clothes != digits
    assert clothes.replace(augmentation=digits.augmentation) == digits


def test_documented_recipes_are_those_of_their_sources():
    for name in ("mlp_128", "mlp_128_64_dropout"):
        assert (RECIPES[name].optimizer, RECIPES[name].learning_rate) == ("adam", 1e-3)
    assert RECIPES["cnn_2conv"].optimizer == "sgd"
    dropout = RECIPES["mlp_128_64_dropout"]
    assert (dropout.epochs, dropout.batch_size, dropout.augmentation) == (10, 64, None)


@pytest.fixture(scope="module")
def net():
    return mk.build_softmax_regression(input_shape=(2, 2, 1), num_classes=3)


def compiled(net, num_steps=100, **fields):
    compile_model(net, Recipe(**fields), num_steps)
    return net


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_name_is_one_of_keras(net, name):
    optimizer = compiled(net, optimizer=name, learning_rate=0.25).optimizer
    assert type(optimizer).__name__.lower() == name
    assert float(optimizer.learning_rate) == 0.25


def test_the_optimizer_gets_what_the_recipe_says(net):
    optimizer = compiled(net, optimizer="adamw", weight_decay=0.125, ema_momentum=0.5).optimizer
    assert optimizer.weight_decay == 0.125
    assert optimizer.use_ema and optimizer.ema_momentum == 0.5
    assert not compiled(net).optimizer.use_ema


def test_a_serialized_optimizer_keeps_its_own_settings(net):
    given = keras.optimizers.serialize(keras.optimizers.SGD(0.5, momentum=0.75, nesterov=True))
    optimizer = compiled(net, optimizer=given, learning_rate=0.25).optimizer
    assert (optimizer.momentum, optimizer.nesterov) == (0.75, True)
    assert float(optimizer.learning_rate) == 0.25


@pytest.mark.parametrize(
    "optimizer",
    [
        {"class_name": "Adan", "config": {}},
        {"class_name": "SGD", "config": {"momentun": 0.9}},
        {"class_name": "SGD", "config": {"momentum": 9}},
    ],
)
def test_an_optimizer_that_keras_does_not_make_is_an_error(net, optimizer):
    with pytest.raises(InputError, match="Keras cannot create the recipe's optimizer: "):
        compiled(net, optimizer=optimizer)


def test_an_optimizers_setting_that_is_no_number_is_an_error(net):
    with pytest.raises(InputError) as caught:
        compiled(net, optimizer={"class_name": "Adam", "config": {"beta_1": "x"}})
    assert str(caught.value) == "Invalid `optimizer`. Expected a number for beta_1. Received: 'x'."


def rates(net, schedule, steps, num_steps=100):
    optimizer = compiled(net, num_steps, schedule=schedule, learning_rate=0.5).optimizer
    found = []
    for step in steps:
        optimizer.iterations.assign(step)
        found.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
    return found


def test_schedules(net):
    assert rates(net, "constant", [0, 50, 100]) == [0.5] * 3
    assert rates(net, "cosine", [0, 50, 100]) == pytest.approx([0.5, 0.25, 0], abs=1e-7)
    one_cycle = rates(net, "one_cycle", [0, 25, 100])
    assert one_cycle == pytest.approx([0.5 / START_DIVISOR, 0.5, 0], abs=1e-7)
    rising, falling = rates(net, "one_cycle", range(26)), rates(net, "one_cycle", range(25, 101))
    assert rising == sorted(rising) and falling == sorted(falling, reverse=True)


def test_a_schedule_of_one_step(net):
    assert all(
        np.isfinite(rates(net, schedule, [0, 1], num_steps=1)).all() for schedule in SCHEDULES
    )


def test_the_loss_takes_what_the_net_returns():
    labels = np.array([2])
    for activation in ("softmax", None):
        model = mk.build_softmax_regression(
            input_shape=(2, 2, 1), num_classes=3, classifier_activation=activation
        )
        outputs = np.array([[0.2, 0.3, 0.5]], np.float32)
        outputs = outputs if activation else np.log(outputs)
        assert float(compiled(model).loss(labels, outputs)) == pytest.approx(-math.log(0.5))
        smooth = compiled(model, label_smoothing=0.3).loss(keras.ops.one_hot(labels, 3), outputs)
        expected = -(0.1 * math.log(0.2) + 0.1 * math.log(0.3) + 0.8 * math.log(0.5))
        assert float(smooth) == pytest.approx(expected, rel=1e-5)


def test_a_recipe_prints_what_it_changes():
    assert repr(Recipe()) == (
        "Recipe(optimizer='adam', learning_rate=0.001, batch_size=128, epochs=10)"
    )
    recipe = Recipe(schedule="cosine", augmentation={"shift": 1.0}, epochs=3)
    assert repr(recipe) == (
        "Recipe(optimizer='adam', learning_rate=0.001, schedule='cosine', batch_size=128, epochs=3, "
        "augmentation={'shift': 1.0})"
    )
    assert eval(repr(recipe)) == recipe
    assert recipe._repr_html_().count("<tr>") == len(dataclasses.fields(Recipe))
    assert "{&#x27;shift&#x27;: 1.0}" in recipe._repr_html_()


@pytest.mark.parametrize("key", ["clipnorm", "global_clipnorm", "clipvalue", "weight_decay"])
def test_an_argument_of_the_optimizer_that_is_no_number(key):
    recipe = Recipe(optimizer={"class_name": "Adam", "config": {key: "/etc/passwd"}})
    with pytest.raises(
        InputError, match=rf"Expected a number for {key}\. Received: '/etc/passwd'\."
    ):
        compile_model(mk.build_mlp((2,)), recipe, 10)


def test_the_tables_cannot_be_changed():
    spec = mk.get_model_spec("cnn_fast")
    for change in (
        lambda: spec.recipe.optimizer["config"].update(beta_1=0.5),
        lambda: spec.recipe.optimizer.__setitem__("class_name", "SGD"),
        lambda: mk.get_model_spec("cnn_2conv").arguments.pop("filters"),
        mk.get_model_spec("cnn_accurate").recipe.augmentation.clear,
    ):
        with pytest.raises(TypeError, match=r"cannot be changed\. Use recipe\.replace"):
            change()
    assert copy.deepcopy(spec.recipe) == pickle.loads(pickle.dumps(spec.recipe)) == spec.recipe
