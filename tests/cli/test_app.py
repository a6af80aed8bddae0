"""`mnist-keras app`: it opens, says where, and ends quietly."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from mnist_keras.cli import app
from mnist_keras.cli.main import main
from mnist_keras.inference.app import server


@pytest.mark.slow
def test_it_answers_until_ctrl_c_and_ends_quietly():
    command = [sys.executable, "-m", "mnist_keras", "app", "--port", "0"]
    command += ["--model", "softmax_regression"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, env=os.environ | {"GRADIO_SHARE": "True"}) as process:
        said = process.stdout.readline()
        url = re.fullmatch(
            r"Open (http://127\.0\.0\.1:\d+) in a browser. Ctrl-C ends the app.\n", said
        )
        assert url, said + process.communicate()[1]
        with urllib.request.urlopen(url[1]) as answer:
            assert b'"softmax_regression"' in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("\n", "")
        assert process.returncode == 0


def test_the_command_has_the_same_defaults_as_the_server():
    assert (app.HOST, app.PORT) == (server.HOST, server.PORT)


def test_bad_input_is_status_2_before_anything_heavy(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["app", "--port", str(port)]) == 2
    assert f"mnist-keras app: Port {port} is in use" in capsys.readouterr().err
    assert main(["app", "--model", "cnn_fats"]) == 2
    assert "cnn_fats" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_who_may_use_it_is_said(host, monkeypatch, capsys):
    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.setattr("threading.Event.wait", interrupt)
    monkeypatch.setattr(server, "serve_app", lambda model, **options: open_app(**options))
    assert main(["app", "--host", host, "--port", "7863"]) == 0
    said = capsys.readouterr().out
    assert ("Anyone on your network" in said) == (host == "0.0.0.0")


class open_app:  # noqa: N801  (stands for a function)
    def __init__(self, *, host, port):
        self.url = f"http://{host}:{port}"

    def __enter__(self):
        return self.url

    def __exit__(self, *error):
        return None
