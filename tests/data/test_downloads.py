"""Downloads against a local server that behaves in every way a server may."""

import hashlib
import http.server
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mnist_keras._validation import InputError
from mnist_keras.data import downloads
from mnist_keras.data.catalog import DATASETS
from mnist_keras.data.downloads import DownloadError, fetch, load_tfds, probe

CONTENT = bytes(range(256)) * 1000
SHA256, SIZE = hashlib.sha256(CONTENT).hexdigest(), len(CONTENT)
ERRORS = {"forbidden": 403, "missing": 404}
BODIES = {
    "good": CONTENT,
    "wrong": CONTENT[:-1] + b"x",
    "longer": CONTENT * 3,
    "login": b"<html>Please log in</html>",
}
DATA_DIR = os.environ.get("MNIST_KERAS_DATA_DIR")


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `CONTENT`, in the manner that the path names; through a proxy request, a file of `proxied`."""

    over = threading.Event()
    proxied: Path | None = None
    requests: list[str] = []  # noqa: RUF012

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.requests.append(f"{self.command} {self.path}")
        manner = self.path.strip("/")
        if self.path.startswith("http://"):
            self.answer((self.proxied / self.path.rsplit("/", 1)[1]).read_bytes())
        elif manner in ERRORS:
            self.send_error(ERRORS[manner])
        elif manner in BODIES:
            self.answer(BODIES[manner])
        elif manner != "mute":
            self.answer(CONTENT[: SIZE // 2], declared=SIZE)
        if manner in ("mute", "stalls"):
            self.over.wait(30)

    def answer(self, content, declared=None):
        self.send_response(200)
        self.send_header("Content-Length", str(declared or len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)
            self.wfile.flush()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # the client hung up, as it should


@pytest.fixture
def server(monkeypatch):
    Handler.over.clear()
    monkeypatch.setattr(Handler, "requests", [])
    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        Handler.over.set()
        running.shutdown()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(downloads, "PROBE_SECONDS", 0.5)


def test_fetch(server, tmp_path, capsys):
    target = tmp_path / "new" / "file.gz"
    fetch(f"{server}/good", target, sha256=SHA256, size=SIZE)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file.gz"]
    assert f"Downloading {server}/good (0.3 MB) to {target.parent}" in capsys.readouterr().err
    fetch(f"{server}/good", target, sha256=SHA256, size=SIZE)
    assert len(Handler.requests) == 1, "a complete file is not downloaded again"


def test_fetch_shows_progress_on_a_terminal(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch(f"{server}/good", tmp_path / "file.gz", sha256=SHA256, size=SIZE)
    shown = capsys.readouterr().err
    assert "\rfile.gz: 0.1 of 0.3 MB\r" in shown
    assert shown.endswith("\rfile.gz: 0.3 of 0.3 MB\n")


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        (
            "truncates",
            r"/truncates is not the published file: 128,000 bytes with SHA-256 \w+ came, expected 256,000",
        ),
        ("wrong", "/wrong is not the published file: 256,000 bytes with SHA-256"),
        ("longer", "/longer is not the published file"),
        ("login", "/login is not the published file: 26 bytes"),
        ("stalls", r"/stalls failed \(timed out\)"),
        ("mute", r"/mute failed \(timed out\)"),
        ("forbidden", r"/forbidden failed \(HTTP Error 403: Forbidden\)"),
        ("missing", r"/missing failed \(HTTP Error 404: Not Found\)"),
    ],
)
@pytest.mark.parametrize("before", [None, b"an older, damaged file"])
def test_fetch_fails_within_seconds_and_leaves_nothing(server, tmp_path, manner, message, before):
    target = tmp_path / "file.gz"
    if before:
        target.write_bytes(before)
    start = time.monotonic()
    with pytest.raises(DownloadError, match=message):
        fetch(f"{server}/{manner}", target, sha256=SHA256, size=SIZE)
    assert time.monotonic() - start < 5
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([before] if before else [])


def test_fetch_replaces_a_damaged_file(server, tmp_path):
    target = tmp_path / "file.gz"
    target.write_bytes(CONTENT[:1000])
    fetch(f"{server}/good", target, sha256=SHA256, size=SIZE)
    assert target.read_bytes() == CONTENT


def test_fetch_into_a_place_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"/good failed \(.*(File exists|Not a directory)"):
        fetch(f"{server}/good", tmp_path / "file" / "file.gz", sha256=SHA256, size=SIZE)


def test_a_killed_download_leaves_nothing_under_the_files_name(server, tmp_path):
    target = tmp_path / "file.gz"
    code = (
        "from pathlib import Path; from mnist_keras.data.downloads import fetch; "
        f"fetch('{server}/stalls', Path({str(target)!r}), sha256='{SHA256}', size={SIZE})"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*.part")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    assert not target.exists()
    fetch(f"{server}/good", target, sha256=SHA256, size=SIZE)
    assert target.read_bytes() == CONTENT


def test_an_untrusted_certificate_is_refused(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("needs the program openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Server(("127.0.0.1", 0), Handler) as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True).start()
        url = f"https://localhost:{running.server_port}/good"
        with pytest.raises(DownloadError, match=r"certificate verify failed"):
            fetch(url, tmp_path / "file.gz", sha256=SHA256, size=SIZE)
        running.shutdown()


@pytest.mark.parametrize("manner", ["good", "forbidden"])
def test_probe_takes_any_answer(server, manner):
    probe(f"{server}/{manner}")
    assert Handler.requests == [f"HEAD /{manner}"]


def test_probe_of_a_host_that_is_out_of_reach(server):
    start = time.monotonic()
    with pytest.raises(
        DownloadError, match=r"127.0.0.1 did not answer within 0.5 seconds|127.0.0.1 .timed out"
    ):
        probe(f"{server}/mute")
    with pytest.raises(DownloadError, match=r"no connection to 127.0.0.1 \(.*refused"):
        probe("http://127.0.0.1:9/file")
    with pytest.raises(DownloadError, match=r"mnist\.invalid"):
        probe("https://mnist.invalid/file")
    assert time.monotonic() - start < 5


def test_every_set_that_is_downloaded_is_one_of_tfds():
    for name, spec in DATASETS.items():
        assert len(spec.class_names) == len(set(spec.class_names)) >= 10
        assert bool(spec.url) == (name not in ("digits", "strokes"))
        assert not spec.transposed or spec.idx_prefix == name.replace("/", "-") + "-"


@pytest.mark.parametrize("error", [RuntimeError("odd"), OSError(28, "odd"), ValueError("odd")])
def test_whatever_tfds_raises_names_the_place(tmp_path, monkeypatch, error):
    def builder(name, data_dir):
        raise error

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", SimpleNamespace(builder=builder))
    with pytest.raises(InputError) as caught:
        load_tfds("kmnist", tmp_path)
    assert str(caught.value) == (
        f"TensorFlow Datasets cannot prepare or read kmnist in {tmp_path}/cache ({error}). "
        f"Remove {tmp_path}/cache/kmnist and try again; {tmp_path}/cache must be writable and have enough free space."
    )


# The real TFDS, offline


@pytest.fixture
def tfds(tmp_path, monkeypatch):
    """Returns TFDS with an empty cache."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "cache"))
    import tensorflow_datasets

    return tensorflow_datasets


def raw_sha256(array, rank):
    header = b"\0\0\x08" + bytes([rank]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return hashlib.sha256(header + array.astype(np.uint8).tobytes()).hexdigest()


def assert_published(name, arrays):
    published = DATASETS[name].sha256.values()
    assert [raw_sha256(x, x.ndim) for x in arrays] == list(published)


def real_files(name):
    if not DATA_DIR:
        pytest.skip(
            "needs the environment variable MNIST_KERAS_DATA_DIR: a directory with the real files"
        )
    return Path(DATA_DIR) / name


@pytest.mark.slow
def test_tfds_prepares_mnist_from_the_published_files_in_their_order(tfds, tmp_path):
    files = real_files("mnist")
    assert_published("mnist", load_tfds("mnist", files))
    assert downloads.in_tfds_cache("mnist")
    assert_published("mnist", load_tfds("mnist"))  # from its cache, no network
    damaged = next(downloads.tfds_cache().glob("mnist/*/mnist-train*"))
    damaged.write_bytes(damaged.read_bytes()[:100_000])
    with pytest.raises(
        InputError,
        match=rf"cannot prepare or read mnist in {tmp_path}/cache \(truncated record at .*\)\. Remove "
        rf"{tmp_path}/cache/mnist and try again;",
    ):
        load_tfds("mnist")


@pytest.mark.slow
def test_tfds_prepares_fashion_mnist_from_a_download(tfds, server, tmp_path, monkeypatch):
    builder = tfds.builder_cls("fashion_mnist")
    monkeypatch.setattr(Handler, "proxied", real_files("fashion_mnist"))
    infos = {}
    # The same files may be at hand with another compression.
    for url, info in builder.url_infos.items():
        path = Handler.proxied / info.filename
        checksum = downloads.file_sha256(path)
        infos[url] = type(info)(size=path.stat().st_size, checksum=checksum, filename=info.filename)
    monkeypatch.setattr(builder, "url_infos", infos)
    monkeypatch.setenv("http_proxy", server)
    monkeypatch.delenv("no_proxy", raising=False)
    assert_published("fashion_mnist", load_tfds("fashion_mnist"))
    assert [request for request in Handler.requests if request.startswith("GET")] == [
        f"GET {url}" for url in infos
    ]
