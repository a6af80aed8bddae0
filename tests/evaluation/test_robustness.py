import json

import keras
import numpy as np
import pytest
from errors import error_of

from mnist_keras import build_mlp, evaluate_robustness, plot_robustness
from mnist_keras.data.augmentation.corruptions import CORRUPTIONS
from mnist_keras.data.splits import ArraySplit
from mnist_keras.evaluation.robustness import ATTACKS, NUM_IMAGES, Robustness


def brightness_model(weight):
    """A model of 6x6 images that says 1 where their mean is above one half."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    kernel = np.zeros((36, 2), np.float32)
    kernel[:, 1] = weight / 36
    model.layers[-1].set_weights([kernel, np.array([weight / 2, 0], np.float32)])
    return model


def flat_images(*means):
    return np.stack([np.full((6, 6), mean, np.float32) for mean in means])


@pytest.fixture(scope="module")
def result():
    """Of images that are 0.03, 0.08, 0.15 and 0.25 from the border between the classes, and of a wrong one."""
    images = flat_images(0.47, 0.58, 0.35, 0.75, 0.1)
    return evaluate_robustness(brightness_model(60.0), images, [0, 1, 0, 1, 1])


def test_attacks_move_just_the_images_within_their_reach(result):
    assert result.accuracies("none") == {"": 0.8}
    expected = dict(zip(ATTACKS, (0.8, 0.6, 0.4, 0.2, 0.0), strict=True))
    assert result.accuracies("fgsm") == pytest.approx(expected)  # exact for a linear model
    assert result.accuracies("pgd") == pytest.approx(expected)


def test_attacks_see_through_a_saturated_softmax():
    model, images = brightness_model(2000.0), flat_images(0.52, 0.48)
    assert model(images[..., None]).numpy().max() == 1.0
    result = evaluate_robustness(model, images, [1, 0])
    assert result.accuracies("pgd")[0.05] == 0.0


def test_every_change_has_its_rows(result):
    changes = [row["change"] for row in result.rows]
    assert changes == ["none"] + 5 * ["fgsm"] + 5 * ["pgd"] + 4 * ["shift"] + 4 * [
        "rotation"
    ] + 15 * ["mnist_c"]
    assert list(result.accuracies("mnist_c")) == list(CORRUPTIONS)
    assert json.loads(json.dumps(result.to_dict()))["num_images"] == 5


def test_shifts_by_hand():
    # A white half in the middle of black: shifted out of the image by 4 pixels, too little light is left.
    images = np.zeros((1, 6, 6), np.float32)
    images[0, :, 1:5] = 1
    result = evaluate_robustness(brightness_model(60.0), images, [1])
    assert result.accuracies("shift") == {1: 1.0, 2: 0.0, 3: 0.0, 4: 0.0}  # to each of four sides


def test_a_large_split_is_thinned_evenly():
    class Counted(ArraySplit):
        def read(self, rows):
            self.rows = np.asarray(rows)
            return super().read(rows)

    labels = np.arange(3000) % 2
    split = Counted(flat_images(*labels.astype(float)), labels, ("dark", "light"), "flat")
    result = evaluate_robustness(brightness_model(60.0), split)
    assert (result.num_images, result.dataset) == (NUM_IMAGES, "flat")
    assert (split.rows[0], split.rows[-1], len(set(split.rows))) == (0, 2999, NUM_IMAGES)


def test_it_repeats_with_a_seed():
    keras.utils.set_random_seed(0)
    model = build_mlp((8,), input_shape=(10, 10, 1))
    images = np.random.default_rng(0).integers(0, 256, (30, 10, 10), dtype=np.uint8)
    labels = np.arange(30) % 10
    first, second = (evaluate_robustness(model, images, labels, seed=5) for _ in range(2))
    assert first.rows == second.rows


def test_the_report_says_how_sure_it_is(result):
    text = result.report()
    assert text.startswith("Robustness on 5 images\n\nchange ")
    assert "FGSM, largest change of a pixel           0.02     80.0%" in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.endswith("The 95% interval of an accuracy is at most 32.6 points to either side.")
    assert repr(result) == "Robustness(5 images, accuracy 80.0% unchanged, 0.0% under fgsm at 0.3)"


def test_the_plot_has_three_panels_of_lines_and_one_of_corruptions(result):
    ax = plot_robustness({"one": result, "another": result})
    attacks, shifts, rotations, corruptions = ax.child_axes
    assert attacks.lines[0].get_xydata().tolist() == [
        [0, 0.8],
        *map(list, result.accuracies("fgsm").items()),
    ]
    assert [len(panel.lines) for panel in ax.child_axes] == [2 * 2 + 2, 2, 2, 2]
    assert [x.get_text() for x in corruptions.get_yticklabels()][:2] == [
        "shot noise",
        "impulse noise",
    ]
    assert [x.get_text() for x in corruptions.get_legend().get_texts()] == ["one", "another"]
    assert plot_robustness(result).child_axes[3].get_legend() is None
    assert len(rotations.lines[0].get_xdata()) == len(shifts.lines[0].get_xdata()) == 5


def test_bad_input_has_a_clear_error(result):
    model = brightness_model(1.0)
    for call, text in {
        lambda: plot_robustness({}): "Expected the results of 1 to 7 models. Received: 0.",
        lambda: evaluate_robustness(
            model, np.zeros((1, 8, 8)), [0]
        ): "model's input shape (6, 6, 1)",
        lambda: evaluate_robustness(model, flat_images(0.1), [0, 1]): "Expected 1 labels",
        lambda: evaluate_robustness(model, flat_images(0.1), [2]): "in [0, 1]",
        lambda: evaluate_robustness(model, flat_images(0.1), [0], seed=-1): "Invalid `seed`.",
    }.items():
        assert text in error_of(call)
    assert isinstance(result, Robustness)
