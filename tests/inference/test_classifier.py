"""DigitClassifier: one picture, many, a folder; the school of the writer, and what is no digit."""

import numpy as np
import pytest
from errors import error_of
from PIL import Image

import mnist_keras as mk
from mnist_keras.data.augmentation.strokes import WAYS, draw_ink
from mnist_keras.inference.classifier import (
    NO_DIGIT,
    NO_INK,
    DigitClassifier,
    decode_predictions,
    preprocess_input,
)


@pytest.fixture(scope="module")
def classifier():
    return DigitClassifier.from_pretrained("cnn_real_world")


def picture(name, seed=0):
    way = next(way for way in WAYS if way.name == name)
    return 255 - np.pad(draw_ink(way, np.random.default_rng(seed)), 20)


def test_what_is_no_digit_has_no_label(classifier):
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    prediction = classifier.predict(noise)
    assert prediction.label is None and prediction.reason == NO_DIGIT
    np.testing.assert_allclose(prediction.probabilities.sum(), 1, atol=1e-5)


@pytest.mark.parametrize("gap", [0, 60, 200])  # pixels; the digits are about 40 high
def test_two_digits_have_no_label_however_far_apart(classifier, gap):
    first, second = picture("crossed"), picture("long flag", seed=1)
    height = max(len(first), len(second))
    fitted = [
        np.pad(x, [(0, height - len(x)), (0, 0)], constant_values=255) for x in (first, second)
    ]
    between = np.full((height, gap), 255, np.uint8)
    prediction = classifier.predict(np.hstack([fitted[0], between, fitted[1]]))
    assert prediction.label is None
    assert prediction.reason == NO_DIGIT


def test_auto_takes_the_school_from_the_pictures_of_the_call(classifier):
    predictions = classifier.predict(
        [picture("crossed", 1), picture("long flag", 1), picture("two rings")]
    )
    assert [prediction.label for prediction in predictions] == [7, 1, 8]
    assert classifier.writing_taken.school == "european"
    classifier.predict([b"no picture"])
    assert classifier.writing_taken is None


def test_a_school_needs_a_model_that_knows_ways_of_writing():
    assert "does not know ways of writing" in error_of(
        DigitClassifier.from_pretrained, "cnn_fast", writing="european"
    )
    assert error_of(DigitClassifier.from_pretrained, "cnn_fast", writing="europe").startswith(
        "Unknown writing 'europe'. Did you mean 'european'?"
    )


def test_what_is_no_digit_needs_a_model_that_knows_it():
    text = error_of(DigitClassifier, "cnn_fast", not_a_digit=0.1)
    assert text.startswith(
        "'cnn_fast' cannot recognize non-digits, so it does not support `not_a_d"
    )


def test_a_file_is_no_name(tmp_path):
    text = error_of(DigitClassifier.from_pretrained, str(tmp_path / "m.keras"))
    assert text.endswith("For a file or a run directory, call DigitClassifier(path).")
    assert error_of(DigitClassifier.from_pretrained, None).startswith("Unknown model None.")


def test_a_list_is_read_together_and_a_bad_file_is_reported_by_name(classifier, tmp_path):
    bad = tmp_path / "text.png"
    bad.write_text("no picture", encoding="utf-8")
    blank = np.zeros((30, 40), np.uint8)
    good, broken, empty = classifier.predict([picture("two rings"), bad, blank])
    assert (good.label, good.class_name, good.source) == (8, "8", "picture 0")
    assert 0.5 < good.confidence <= 1 and good.image.shape == (28, 28)
    assert broken.label is None and str(bad) in broken.reason and broken.image is None
    assert (empty.label, empty.reason) == (None, NO_INK)
    assert repr(good) == f"Prediction(picture 0: 8, confidence {good.confidence:.3f})"
    assert classifier.predict([]) == []


def test_a_folder_is_read_in_the_order_of_its_paths(classifier, tmp_path):
    for name, way in (("b.png", "two rings"), ("a.png", "crossed"), (".hidden.png", "crossed")):
        Image.fromarray(picture(way)).save(tmp_path / name)
    predictions = classifier.predict(tmp_path)
    assert [(x.source, x.label) for x in predictions] == [
        (str(tmp_path / "a.png"), 7),
        (str(tmp_path / "b.png"), 8),
    ]
    (tmp_path / "none").mkdir()
    assert "holds no pictures" in error_of(classifier.predict, tmp_path / "none")


def test_a_picture_that_can_not_be_loaded_is_an_error(classifier, tmp_path):
    assert "cannot be read" in error_of(classifier.predict, tmp_path / "nowhere.png")


def test_packaged_weights_are_read_at_their_temperature():
    assert DigitClassifier.from_pretrained("cnn_accurate").temperature == 0.57
    assert DigitClassifier("cnn_fast").temperature == 0.517
    assert DigitClassifier("cnn_fast", temperature=2).temperature == 2


def test_predict_proba_takes_images_in_three_shapes():
    model = DigitClassifier(mk.build_softmax_regression(), temperature=2.0)
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    expected = model.predict_proba(images)
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)
    for shape in ((3, 28, 28, 1), (3, 784)):
        np.testing.assert_array_equal(model.predict_proba(images.reshape(shape)), expected)
    plain = np.asarray(mk.predict_probabilities(model.model, images))
    softened = np.sqrt(plain) / np.sqrt(plain).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(expected, softened, rtol=1e-4)


def test_preparation_and_answers_as_keras_applications_have_them():
    batch = preprocess_input([picture("two rings"), picture("crossed")])
    assert batch.shape == (2, 28, 28, 1) and batch.dtype == np.float32
    assert batch.min() >= 0 and 0.5 < batch.max() <= 1
    assert decode_predictions([[0.1, 0.7, 0.2]], top=2) == [[(1, "1", 0.7), (2, "2", 0.2)]]
    assert "at least one picture" in error_of(preprocess_input, [])
    assert error_of(decode_predictions, [[0.5, 0.5]]).startswith("Invalid `top`.")


def test_what_is_no_model_is_an_error():
    assert error_of(DigitClassifier.from_pretrained, "cnn_real_wrld").startswith(
        "Unknown model 'cnn_real_wrld'. Did you mean 'cnn_real_world'? Expected one of: "
    )
    assert error_of(DigitClassifier, 7).startswith("Invalid `model`.")
    assert error_of(DigitClassifier, mk.build_softmax_regression(input_shape=(8, 8, 1))).startswith(
        "Invalid"
    )


def test_a_run_reads_with_the_names_of_its_data(tmp_path):
    model = mk.build_mlp((4,), num_classes=3)
    model.save(tmp_path / "model.keras")
    (tmp_path / "config.json").write_text('{"class_names": ["shoe", "bag", "coat"]}')
    assert mk.DigitClassifier(tmp_path).class_names == ("shoe", "bag", "coat")
    (tmp_path / "config.json").write_text("{}")
    assert mk.DigitClassifier(tmp_path).class_names == ("0", "1", "2")
