"""Makes the notebooks from the scripts beside it and runs them on MNIST: `make notebooks`.

Give names of scripts to make only their notebooks. The scripts are the source: what is changed in a notebook is lost.
"""

import os
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parent
METADATA = {  # the same on every machine, so that a notebook changes only where its script or its results do
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def make_notebook(script: Path, directory: str) -> Path:
    """Runs a script as a notebook, in a directory for its files, and writes that beside the script."""
    notebook = jupytext.read(script)
    for index, cell in enumerate(notebook.cells):
        cell.metadata.clear()
        cell.id = f"cell-{index}"
    notebook.metadata = nbformat.from_dict(METADATA)
    NotebookClient(
        notebook,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": directory}},
        # What TensorFlow writes to the file descriptors when it starts stays out of the outputs.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel adds its version
    path = script.with_suffix(".ipynb")
    nbformat.write(notebook, path)
    return path


if __name__ == "__main__":
    os.environ["EXAMPLE_DATA"] = "mnist"  # no small digits in place of it
    for script in map(Path, sys.argv[1:] or sorted(EXAMPLES.glob("[0-9]*.py"))):
        with tempfile.TemporaryDirectory() as directory:
            print(make_notebook(script, directory))
