"""Serves the app. It loads nothing from the internet, sends nothing there, and writes no picture to disk."""

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from mnist_keras._validation import InputError, check_integer, invalid, missing_extra
from mnist_keras.inference.app.reader import MAX_BYTES, Reader

HOST, PORT = "127.0.0.1", 7860  # gradio's own port
LOOPBACK = ["127.0.0.1", "localhost", "[::1]", "::1"]
OPENED_AS = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}  # in a browser on this computer
MAX_REQUEST = MAX_BYTES * 4 // 3 + 1_000_000  # bytes; a picture in base64, and the rest
# What the browser may load. The page needs inline scripts and styles; all else comes from this server.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob: mediastream:; worker-src 'self' blob:"
)


@contextlib.contextmanager
def serve_app(model: str | None = None, *, host: str = HOST, port: int = PORT) -> Iterator[str]:
    """Serves the app until the context ends.

    Args:
        model: A run directory, a `.keras` file or a registered name, which is the model at the start.
        host: The address to listen on: "127.0.0.1" for only this computer, "0.0.0.0" for its whole network.
        port: The port to listen on; 0 for one that is free.

    Yields:
        The address for the browser, once the app answers.

    Raises:
        InputError: If there is no such model, it takes other images, or the port is not free.
        MissingExtraError: If gradio is not installed.
    """
    with _listen(host, port) as listener:
        try:
            import uvicorn
            from fastapi import FastAPI
            from starlette.middleware import Middleware
            from starlette.middleware.trustedhost import TrustedHostMiddleware

            from mnist_keras.inference.app.page import build_page, mount_page
        except ImportError as error:
            if (error.name or "").startswith("mnist_keras"):
                raise
            raise missing_extra("The app", "app") from error
        guards = [Middleware(_Guard)]
        if host in LOOPBACK:  # another site's host name must not lead to this computer
            guards.append(Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK))
        page = build_page(Reader(model))
        app = mount_page(
            FastAPI(middleware=guards, docs_url=None, redoc_url=None, openapi_url=None), page
        )
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, ws="none")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise OSError("The server did not start")
            time.sleep(0.01)
        try:
            yield f"http://{OPENED_AS.get(host, host)}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=5)


def _listen(host: str, port: int) -> socket.socket:
    check_integer("port", port, minimum=0, maximum=65_535)
    if not host:
        raise invalid(
            "host",
            expected="an address: 127.0.0.1 for only this computer, 0.0.0.0 for its whole network",
            received=repr(host),
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        # Else a port stays closed for a minute; on Windows the option would take it from other programs.
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"Port {port} is in use, perhaps by another app. Choose another one, such as {port + 1}."
            ) from error
        raise InputError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from error
    return listener


class _Guard:
    """Limits what a request may contain, and what the page may load."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.responses import PlainTextResponse

        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        if scope["type"] == "http":
            headers = Headers(scope=scope)
            length = headers.get("content-length", "0")
            if "transfer-encoding" in headers or not length.isdigit() or int(length) > MAX_REQUEST:
                answer = PlainTextResponse("The request is too large, or of unknown length.", 413)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send_with_policy)
