"""The server: which requests it refuses, what the page may load, and on which port it listens."""

import contextlib
import http.client
import re
import socket
import sys
from urllib.parse import urlsplit

import pytest
from errors import error_of

from mnist_keras._validation import MissingExtraError
from mnist_keras.inference.app.reader import MAX_BYTES
from mnist_keras.inference.app.server import MAX_REQUEST, serve_app

pytestmark = pytest.mark.slow


def request(url, method, path, **headers):
    with contextlib.closing(
        http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    ) as connection:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


def test_the_page_may_load_nothing_from_elsewhere(url):
    status, content, headers = request(url, "GET", "/")
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    loaded = re.findall(rb"<(?:script|link)[^>]+(?:src|href)=\"([^\"]+)\"", content)
    assert loaded and not [address for address in loaded if b"//" in address]
    assert b'analytics_enabled":false' in content.replace(b" ", b"")


def test_requests_are_limited(url):
    assert MAX_REQUEST > MAX_BYTES * 4 / 3
    for headers in ({"Content_Length": str(MAX_REQUEST + 1)}, {"Transfer_Encoding": "chunked"}):
        status, content, _ = request(url, "POST", "/gradio_api/upload", **headers)
        assert (status, content) == (413, b"The request is too large, or of unknown length.")
    status, _, _ = request(url, "GET", "/", Host="elsewhere.example")
    assert status == 400  # a name that leads here from elsewhere


def test_a_port_in_use_and_an_address_of_nobody():
    def serve(**options):
        with serve_app("softmax_regression", **options):
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert error_of(serve, port=port) == (
            f"Port {port} is in use, perhaps by another app. Choose another one, such as {port + 1}."
        )
    assert error_of(serve, host="no.such.host.invalid").startswith(
        "Cannot listen on no.such.host.invalid, port 7860: "
    )
    assert error_of(serve, host="") == (
        "Invalid `host`. Expected an address: 127.0.0.1 for only this computer, 0.0.0.0 for its whole network. "
        "Received: ''."
    )
    assert error_of(serve, port=70_000).startswith(
        "Invalid `port`. Expected an integer of at least 0 and at most 65535"
    )


def test_without_gradio_the_command_that_brings_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "mnist_keras.inference.app.page", raising=False)
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtraError) as caught, serve_app(port=0):
        pass
    assert str(caught.value) == (
        "The app needs the extra 'app'. Install it with: pip install \"mnist-keras[app]\""
    )
