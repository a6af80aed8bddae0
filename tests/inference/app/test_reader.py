"""What the reader of a sheet refuses."""

from mnist_keras.inference.app.reader import MAX_BYTES, Reader


def test_a_picture_that_is_too_large_is_a_sentence():
    sheet = {"name": "large.tif", "picture": "", "size": MAX_BYTES + 1}
    html = Reader("softmax_regression").read_digit(sheet, "softmax_regression", "auto")
    assert "large.tif has 20,000,001 bytes. Expected a picture of at most 20,000,000." in html
