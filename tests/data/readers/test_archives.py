"""Archives: what leaves them, fills the disk or is damaged is refused, and nothing stays in the temporary folder."""

import gzip
import io
import random
import tarfile
import tempfile
import zipfile

import numpy as np
import pytest
from data_files import small_arrays, write_npz
from data_formats import ARRAYS, FORMS, png
from errors import error_of

from mnist_keras.data.readers import archives, read_path


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory, monkeypatch):
    """A temporary folder of the test's own, which is empty at its end."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def zip_of(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tar_of(path, *infos):
    with tarfile.open(path, "w:gz") as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    return path


def member(name, **attributes):
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


PICTURES = {f"{label}/a.png": png(ARRAYS["train_images"][label]) for label in range(3)}


@pytest.mark.parametrize(
    "name", ["../x.png", "0/../../x.png", "/etc/x.png", "..\\x.png", "C:\\x.png", "\\x.png"]
)
def test_a_member_that_leaves_the_archive(tmp_path, temporary, name):
    zip_path = zip_of(tmp_path / "a.zip", PICTURES | {name: b""})
    assert "a.zip has a member " in (text := error_of(read_path, zip_path))
    assert "with a path outside the archive. Nothing was read from it." in text
    tar_path = tar_of(tmp_path / "a.tar.gz", member(name, size=3))
    assert "with a path outside the archive" in error_of(read_path, tar_path)
    assert not (temporary / "x.png").exists()


def test_links_and_devices_are_not_unpacked(tmp_path):
    infos = [
        member("0/a.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("0/b.png", type=tarfile.LNKTYPE, linkname="0/a.png"),
        member("0/c.png", type=tarfile.FIFOTYPE),
        member("0/d.png", type=tarfile.CHRTYPE),
    ]
    assert "holds no data" in error_of(read_path, tar_of(tmp_path / "a.tgz", *infos))


@pytest.mark.parametrize("declared", [True, False])
def test_a_bomb_is_stopped(tmp_path, monkeypatch, declared):
    monkeypatch.setattr(archives, "SMALL", 100_000)
    path = tmp_path / "train.csv.gz"
    if declared:
        path = zip_of(tmp_path / "a.zip", {"train.csv": bytes(10_000_000)})
    else:
        path.write_bytes(gzip.compress(bytes(10_000_000)))
    assert "is larger than 0.0 GiB when unpacked, or has more than" in error_of(read_path, path)


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_ENTRIES", 2)
    assert "or has more than 2 files" in error_of(read_path, zip_of(tmp_path / "a.zip", PICTURES))


def test_a_password(tmp_path):
    path = zip_of(tmp_path / "a.zip", PICTURES, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag of encryption
        place = content.find(signature)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(signature, place + 1)
    path.write_bytes(content)
    assert error_of(read_path, path) == (
        f"{path} is protected by a password. Unpack it yourself and pass the directory."
    )


@pytest.mark.parametrize(
    "form", ["zip of pictures", "tar", "tar.gz", "tar.xz", "csv, gz", "csv, xz", "csv, bz2"]
)
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_archive(tmp_path, form, keep):
    path = FORMS[form].write(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    text = error_of(read_path, path)
    assert str(path) in text
    assert "is truncated" in text or "holds no" in text


def test_errors_name_the_archive_not_the_temporary_folder(tmp_path):
    path = zip_of(tmp_path / "a.zip", PICTURES | {"1/b.png": b"none"})
    assert error_of(read_path, path).startswith(f"{path}/1/b.png is not a readable picture")


def test_an_archive_in_an_archive_and_one_that_never_ends(tmp_path):
    inner = gzip.compress(zip_of(tmp_path / "a.zip", PICTURES).read_bytes())
    (tmp_path / "b.zip.gz").write_bytes(inner)
    assert len(read_path(tmp_path / "b.zip.gz")[1].train_images) == 3
    content = b"x"
    for _ in range(6):
        content = gzip.compress(content)
    (tmp_path / "c.gz.gz.gz.gz.gz.gz").write_bytes(content)
    assert "holds no data" in error_of(read_path, tmp_path / "c.gz.gz.gz.gz.gz.gz")


def test_a_directory_of_archives(tmp_path):
    arrays = small_arrays()
    for split in ("train", "test"):
        rows = np.column_stack(
            [arrays[f"{split}_labels"], arrays[f"{split}_images"].reshape(-1, 25)]
        )
        text = "\n".join(",".join(map(str, row)) for row in rows)
        zip_of(tmp_path / f"{split}.csv.zip", {f"{split}.csv": text})
    reader, raw = read_path(tmp_path)
    assert reader == "csv"
    np.testing.assert_array_equal(raw.test_images, arrays["test_images"])


def test_a_file_beside_an_archive_is_read_first(tmp_path):
    zip_of(tmp_path / "a.zip", PICTURES)
    write_npz(tmp_path / "a.npz", ARRAYS)
    reader, raw = read_path(tmp_path)
    assert reader == "npz"
    assert raw.left_out == ("a.zip",)


def test_random_bytes(tmp_path):
    rng = random.Random(0)
    for suffix in archives.SUFFIXES:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(rng.randbytes(1000))
        assert str(path) in error_of(read_path, path)
