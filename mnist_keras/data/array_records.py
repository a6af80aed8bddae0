"""Opens ArrayRecord files that TensorFlow Datasets has prepared, for data larger than memory."""

import os
from pathlib import Path

from mnist_keras._files import check_path
from mnist_keras._validation import InputError, MissingExtraError, unknown
from mnist_keras.data import downloads
from mnist_keras.data.catalog import DATASETS
from mnist_keras.data.records import Records


def open_records(
    name_or_path: str | os.PathLike[str],
    *,
    split: str = "train",
    data_dir: str | os.PathLike[str] | None = None,
) -> Records:
    """Opens a dataset of any size that TensorFlow Datasets has prepared as ArrayRecord files.

    Nothing is downloaded. `tensorflow_datasets.builder(NAME, data_dir=DIR, file_format="array_record")
    .download_and_prepare()` prepares a published dataset; `tensorflow_datasets.dataset_builders.store_as_tfds_dataset`
    writes your own. Records are in the order of the files, which differs from the order in `load_data`. EMNIST's images
    are returned upright, and its letters with labels from 0. Write files of about 60,000 images each, with
    `download_config=tensorflow_datasets.download.DownloadConfig(num_shards=...)`: array_record copies the index of a
    file whenever it reads from it, so large files cost memory and time.

    Args:
        name_or_path: Name of the dataset, or the directory that holds its dataset_info.json.
        split: Name of the split, or a part of one, such as "train[:90%]".
        data_dir: Directory in which a named dataset was prepared; if None, the directory of TensorFlow Datasets.

    Returns:
        The records of the split.

    Raises:
        InputError: If there is no such dataset or split, it is in another format, or it has no labeled gray images.
        MissingExtraError: If array_record is not installed.

    Example:
        train_records = open_records("mnist", data_dir="array_records")
        test_records = open_records("mnist", split="test", data_dir="array_records")
        run = train("mlp_128", (train_records, test_records))
    """
    check_path("name_or_path", name_or_path, expected="the name of a dataset or a path")
    if data_dir is not None:
        check_path("data_dir", data_dir, expected="a directory")
    name = str(name_or_path)
    place = downloads.expand_home(name)
    # Not `place.is_dir()`, which raises if a parent directory is not readable.
    if data_dir is not None or name in DATASETS or not os.path.isdir(place):  # noqa: PTH112
        place = downloads.expand_home(data_dir or downloads.tfds_cache()) / name
    source, class_names, full_name = _open_prepared(name, place, split)
    known = DATASETS.get(full_name)
    if known is None:
        return Records(source, class_names=class_names, name=name)
    return Records(
        source,
        class_names=known.class_names,
        name=name,
        transposed=known.transposed,
        first_label=known.first_label,
    )


def _how_to_prepare(name: str) -> str:
    name = name if name in DATASETS else "NAME"
    return (
        f'Prepare it in a directory of its own: tensorflow_datasets.builder("{name}", data_dir=DIR, '
        'file_format="array_record").download_and_prepare(), and open it with data_dir=DIR.'
    )


def _prepared(name: str, place: Path) -> Path:
    """Returns the directory of the one version in a set's directory, which may be that itself."""
    infos = [place / "dataset_info.json", *sorted(place.glob("*/dataset_info.json"))]
    directories = [path.parent for path in infos if path.is_file()]
    if not directories:
        text = f"There is no dataset prepared by TensorFlow Datasets in {place}."
        raise InputError(f"{text} {_how_to_prepare(name)}")
    if len(directories) > 1:
        versions = ", ".join(path.name for path in directories)
        raise InputError(f"{place} holds the versions {versions}. Pass the path of one of them.")
    return directories[0]


def _open_prepared(name: str, place: Path, split: str):
    """Returns the source, the names of its classes if it has them, and the set's name with its configuration."""
    directory = place
    try:
        directory = _prepared(name, place)
        info = (builder := downloads.open_tfds(directory)).info
        if (base := str(split).partition("[")[0]) not in info.splits:
            raise unknown("split", base, info.splits)
        if not {"image", "label"} <= set(info.features):
            raise InputError(
                f"{directory} holds records with {', '.join(sorted(info.features))}. Expected image and label."
            )
        names = getattr(info.features["label"], "names", None)
        return builder.as_data_source(split), names, info.full_name.rpartition("/")[0]
    except InputError:
        raise
    except NotImplementedError as error:
        raise InputError(
            f"{directory} holds {info.file_format.value} files, which have no random access. "
            f"{_how_to_prepare(name)}"
        ) from error
    except ImportError as error:  # TFDS requires array_record only on Linux
        raise MissingExtraError(
            f"ArrayRecord files are read with array_record, which cannot be imported ({error}). "
            "Install it with: pip install array_record"
        ) from error
    except Exception as error:  # TFDS and the file system raise a dozen types
        raise InputError(f"{directory}, split {split!r}, cannot be read ({error}).") from error
