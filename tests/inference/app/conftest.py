"""The app, served."""

import pytest

from mnist_keras.inference.app.server import serve_app


@pytest.fixture(scope="module")
def url():
    with serve_app(port=0) as url:
        yield url
