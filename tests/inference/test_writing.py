"""The school of the writer: a prior over ways of writing, taken from the other pictures."""

import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras.inference.writing import SHARES, add_up, check_writing, hidden_model, weigh_ways
from mnist_keras.models.ways import DIGITS, HIDDEN_CLASSES


def ways(**probabilities):
    """Returns the hidden classes' probabilities of one picture; the rest of 1 is spread over all."""
    row = np.full(len(HIDDEN_CLASSES), (1 - sum(probabilities.values())) / len(HIDDEN_CLASSES))
    for name, probability in probabilities.items():
        row[HIDDEN_CLASSES.index(name.replace("_", " ").strip())] += probability
    return row


UNCLEAR = ways(_1_flagged=0.48, _7_plain=0.5)  # a 1 in Rome, a 7 in Boston
CROSSED, FLAGGED = ways(_7_crossed=0.97), ways(_1_flagged=0.97)
BARE, PLAIN = ways(_1_bare=0.97), ways(_7_plain=0.97)


def test_the_shares_of_a_digit_are_all_its_ways():
    for shares in SHARES.values():
        for digit in (1, 7, 9):
            named = {
                name for name, owner in zip(HIDDEN_CLASSES, DIGITS, strict=True) if owner == digit
            }
            own = {name: share for name, share in shares.items() if name in named}
            assert set(own) == named and sum(own.values()) == pytest.approx(1)


def test_ways_add_up_to_digits_and_no_digit_to_all():
    hidden = np.stack([UNCLEAR, ways(not_a_digit=1.0)])
    probabilities = add_up(hidden)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities[0, 7] == pytest.approx(0.5 + 0.02 / 16 * (3 + 0.1))
    np.testing.assert_allclose(probabilities[1], 0.1)


def test_a_given_school_decides_an_unclear_stroke():
    for school, digit in (("american", 7), ("european", 1)):
        probabilities, taken = weigh_ways(UNCLEAR[None], school)
        assert probabilities[0].argmax() == digit
        assert sorted(np.argsort(probabilities[0])[-2:]) == [1, 7], "the other answer stays second"
        assert (taken.school, taken.reason) == (school, "given")
        clear, _ = weigh_ways(np.stack([CROSSED, FLAGGED, BARE, PLAIN]), school)
        np.testing.assert_array_equal(clear.argmax(axis=1), [7, 1, 1, 7])


def test_auto_reads_a_single_picture_without_a_school():
    for picture in (UNCLEAR, CROSSED):
        probabilities, taken = weigh_ways(picture[None])
        np.testing.assert_allclose(probabilities, add_up(picture[None]), rtol=1e-6)
        assert taken.school == "neutral"
        assert taken.reason == "a single picture is read without a school"


def test_auto_takes_the_school_from_the_other_pictures():
    probabilities, taken = weigh_ways(np.stack([UNCLEAR, CROSSED, FLAGGED, FLAGGED]))
    assert probabilities[0].argmax() == 1
    assert (taken.school, taken.reason) == ("european", "flagged 1s: 2, crossed 7s: 1")
    assert 0.95 < taken.european < 1
    probabilities, taken = weigh_ways(np.stack([UNCLEAR, BARE, BARE, PLAIN]))
    assert probabilities[0].argmax() == 7
    assert (taken.school, taken.reason) == ("american", "bare 1s: 2, plain 7s: 1")


def test_other_digits_say_nothing_about_the_school():
    digits = np.stack([UNCLEAR, ways(_4=0.9), ways(_8=0.9)])
    probabilities, taken = weigh_ways(digits)
    np.testing.assert_allclose(probabilities, add_up(digits), atol=0.01)
    assert (taken.school, taken.reason) == (
        "neutral",
        "the pictures don't show the writer's school",
    )


def test_no_pictures():
    probabilities, taken = weigh_ways(np.zeros((0, 16)))
    assert probabilities.shape == (0, 10) and taken.school == "neutral"


def test_an_unknown_school_is_an_error_that_names_the_nearest():
    assert error_of(weigh_ways, UNCLEAR[None], "europe") == (
        "Unknown writing 'europe'. Did you mean 'european'? Expected one of: american, auto, european."
    )


def test_only_a_model_with_ways_of_writing_reads_by_a_school():
    plain = mk.create_model("cnn_accurate")
    assert hidden_model(plain) is None and check_writing("auto", None, plain.name) == "auto"
    assert error_of(check_writing, "european", None, "cnn_accurate") == (
        "'cnn_accurate' does not know ways of writing, so it can't use the school 'european'. "
        "Expected: the model 'cnn_real_world', or writing='auto'."
    )
    ways = hidden_model(mk.create_model("cnn_real_world"))
    assert ways.output_shape == (None, len(HIDDEN_CLASSES))
    assert check_writing("european", ways, "cnn_real_world") == "european"


def test_other_hidden_classes_are_no_ways_of_writing():
    options = {"stages": ((2,),), "input_shape": (8, 8, 1), "num_classes": 2}
    assert hidden_model(mk.build_deep_cnn(hidden_classes=(0, 1, 1), **options)) is None
