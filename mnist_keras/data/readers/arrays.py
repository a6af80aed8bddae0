"""Reads arrays that NumPy and MATLAB wrote: NPZ, NPY and MAT files."""

import math
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from mnist_keras._files import content_errors
from mnist_keras._validation import InputError, check_images
from mnist_keras.data.readers.files import (
    DEFLATE_RATIO,
    Place,
    RawData,
    assemble,
    check_memory,
    is_regular,
    wrong_length,
)
from mnist_keras.data.readers.names import (
    KNOWN_NAMES,
    choose_set,
    group_files,
    kind_of,
    prefix_of,
    split_of,
)

_EXPECTED = f"Expected arrays whose names say what they contain: {KNOWN_NAMES}."
_UNNAMED = "arr_0"  # NumPy's key for an array that was saved without a name


def read_npz(path: Path) -> RawData:
    """Reads one NPZ file whose keys say what its arrays are: `x_train`, `train_labels`, `data` and so on."""
    with content_errors(path, "NPZ file", _EXPECTED), zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        keys = _roles(path, members)
        for key in keys.values():
            with archive.open(members[key]) as stream:
                _check_npy(stream, path, key, members[key])
        with np.load(path, allow_pickle=False) as file:
            arrays = {
                role: _as_images(file[key], f"{path.name}[{key}]", role)
                for role, key in keys.items()
            }
    used = [f"{path.name}[{key}]" for key in keys.values()]
    unused = [f"{path.name}[{key}]" for key in sorted(set(members) - set(keys.values()))]
    return assemble(Place(path), arrays, files=used, left_out=unused)


def read_npz_place(place: Place) -> RawData:
    """Reads one NPZ file with all arrays, or several of one array each, whose names say what they are."""
    files = place.files(".npz")
    unnamed = [path for path in files if _npz_keys(path) == [_UNNAMED]]
    if unnamed:
        return _read_set(place, ".npz", unnamed)
    if len(files) > 1:
        names = ", ".join(place.relative(path) for path in files)
        raise InputError(
            f"{place.path} holds {len(files)} NPZ files: {names}. Expected only one; pass its path."
        )
    raw = read_npz(files[0])
    return raw._replace(left_out=(*raw.left_out, *place.others(files)))


def read_npy_place(place: Place) -> RawData:
    """Reads NPY files of one array each, whose names say what they are: `x_train.npy`, `y_train.npy` and so on."""
    return _read_set(place, ".npy", place.files(".npy"))


def _read_set(place: Place, suffix: str, files: list[Path]) -> RawData:
    if place.path.is_file():
        directory = place.path.parent
        beside = (path for path in directory.iterdir() if path.name.lower().endswith(suffix))
        files = sorted(path for path in beside if is_regular(path))
        sets = group_files(Place(directory), files, lambda path: kind_of(path.stem))
        sets = {name: found for name, found in sets.items() if place.path in found.values()}
    else:
        sets = group_files(place, files, lambda path: kind_of(path.stem))
    if not sets:
        names = ", ".join(place.relative(path) for path in files)
        raise InputError(
            f"{place.path} has {suffix[1:].upper()} files whose names do not say what they contain: {names}. "
            f"Known: {KNOWN_NAMES}."
        )
    found = sets[
        choose_set(place.path, sets, place.relative(min(next(iter(sets.values())).values())))
    ]
    arrays = {role: _as_images(_read_npy(path), path.name, role) for role, path in found.items()}
    used = [path.name for path in found.values()]
    return assemble(place, arrays, files=used, left_out=place.others(found.values()))


def _read_npy(path: Path) -> np.ndarray:
    if path.suffix.lower() == ".npz":
        with content_errors(path, "NPZ file", _EXPECTED), zipfile.ZipFile(path) as archive:
            info = archive.getinfo(f"{_UNNAMED}.npy")
            with archive.open(info) as stream:
                _check_npy(stream, path, _UNNAMED, info)
            with np.load(path, allow_pickle=False) as file:
                return file[_UNNAMED]
    with content_errors(path, "NPY file", _EXPECTED):
        with path.open("rb") as stream:
            _check_npy(stream, path, path.stem, None)
        return np.load(path, allow_pickle=False)


def _npz_keys(path: Path) -> list[str]:
    with content_errors(path, "NPZ file", _EXPECTED), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _roles(path: Path, keys: Iterable[str]) -> dict[str, str]:
    """Returns which key is which array: "train_images" -> "x_train" and so on."""
    roles: dict[str, str] = {}
    for key in keys:
        if not (kind := kind_of(key)) or prefix_of(key):
            continue
        split = split_of(key) or "train"
        role = f"{split}_{kind}"
        if role in roles:
            raise InputError(
                f"{path} has two arrays that could be the {kind} of the {split} split: {roles[role]} and "
                f"{key}. Expected one."
            )
        roles[role] = key
    needed = {"train_images", "train_labels"} if "train_labels" in roles or not roles else set()
    needed |= {role.replace("labels", "images") for role in roles}
    if missing := sorted(needed - set(roles)):
        raise InputError(
            f"{path} lacks {' and '.join(missing)}. Expected keys that say what the arrays contain: {KNOWN_NAMES}. "
            f"Received: {', '.join(sorted(keys)) or 'nothing'}."
        )
    return roles


def _as_images(array: np.ndarray, name: str, role: str) -> np.ndarray:
    return check_images(array, name=name) if role.endswith("images") else array


def _check_npy(stream: IO[bytes], path: Path, key: str, info: zipfile.ZipInfo | None) -> None:
    """Refuses pickles, and arrays that their bytes cannot fill, before NumPy allocates them."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    header_size = stream.tell()
    if dtype.hasobject:
        raise InputError(
            f"{path} holds pickled objects in {key}, which can run code and are never loaded. "
            "Expected arrays of uint8 images and of integer labels."
        )
    size = math.prod(shape) * dtype.itemsize
    if info is None:
        file_size = capacity = os.fstat(stream.fileno()).st_size
    else:
        stored = info.compress_type == zipfile.ZIP_STORED
        file_size = info.file_size
        capacity = info.compress_size * (1 if stored else DEFLATE_RATIO)
    if size != file_size - header_size or file_size > capacity:
        received = min(file_size - header_size, capacity)
        raise wrong_length(path, key, size, f"{received:,}")
    check_memory(path, size)


def read_mat_place(place: Place) -> RawData:
    """Reads a MATLAB file: EMNIST's, or one with arrays whose names say what they are.

    MATLAB holds images column by column; EMNIST's are delivered upright, their labels as its mapping names them.
    """
    import scipy.io

    files = place.files(".mat")
    if len(files) > 1:
        names = ", ".join(place.relative(path) for path in files)
        raise InputError(
            f"{place.path} holds {len(files)} MAT files: {names}. Expected only one; pass its path."
        )
    [path] = files
    with content_errors(path, "MAT file", _EXPECTED):
        try:
            variables_found = scipy.io.whosmat(path)
        except NotImplementedError as error:
            raise InputError(
                f"{path} is a MATLAB file of version 7.3, which is not read. Save it in MATLAB with "
                "save(file, '-v7')."
            ) from error
        size = sum(math.prod(shape) for _, shape, _ in variables_found)
        if size > path.stat().st_size * DEFLATE_RATIO:
            raise wrong_length(path, "arrays", size, f"{path.stat().st_size:,}")
        check_memory(path, max(size, path.stat().st_size))
        content = scipy.io.loadmat(path)
        characters: tuple[str, ...] | None = None
        if "dataset" in content:
            arrays, characters = _emnist(content.pop("dataset"))
            used = [f"{path.name}[dataset]"]
        else:
            variables = {key: content[key] for key in content if not key.startswith("__")}
            roles = _roles(path, variables)
            arrays = {
                role: _as_images(*_upright(variables, key, path), role)
                for role, key in roles.items()
            }
            used = [f"{path.name}[{key}]" for key in roles.values()]
    return assemble(
        place, arrays, files=used, left_out=place.others([path]), class_names=characters
    )


def _upright(variables: dict[str, np.ndarray], key: str, path: Path) -> tuple[np.ndarray, str]:
    """Returns a MATLAB array with the images along its first axis; MATLAB often has them along the last."""
    array = variables[key]
    if array.ndim == 2 and 1 in array.shape:
        array = array.ravel()
    lengths = {max(x.shape) for x in variables.values() if x.ndim == 2 and 1 in x.shape}
    if array.ndim > 1 and array.shape[-1] in lengths and array.shape[0] not in lengths:
        array = np.moveaxis(array, -1, 0)
    return array, f"{path.name}[{key}]"


def _emnist(dataset: np.ndarray) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Returns EMNIST's arrays, upright and counted from 0, and the characters of its mapping."""
    content = dataset[0, 0]
    mapping = content["mapping"].astype(np.int64)  # rows of a label and the codes of its characters
    arrays: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        part = content[split][0, 0]
        flat = part["images"]
        side = math.isqrt(flat.shape[1])
        # Of one memory with `flat`, which MATLAB writes column by column: the pixels of an image, and the images too.
        arrays[f"{split}_images"] = flat.T.reshape(side, side, len(flat)).transpose(2, 1, 0)
        places = np.full(int(mapping[:, 0].max()) + 1, -1)
        places[mapping[:, 0]] = np.arange(len(mapping))
        arrays[f"{split}_labels"] = places[part["labels"].ravel().astype(np.int64)]
    return arrays, tuple(chr(row[-1]).lower() if len(row) > 2 else chr(row[1]) for row in mapping)
