"""Sphinx's configuration. `make docs` builds the site into build/docs, with warnings as errors.

Two parts of the site are made here, so that they cannot fall behind: the API reference, from the public names of
`mnist_keras`, and the gallery, from the notebooks in examples/.
"""

import ast
import base64
import os
import re
import shutil
from itertools import groupby, takewhile
from pathlib import Path

import nbformat
from numpy.typing import ArrayLike

import mnist_keras

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow is imported for its docstrings

project = "mnist_keras"
author = "The mnist_keras maintainers"
project_copyright = author
release = mnist_keras.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_templates"]
templates_path = ["_templates"]

# Markdown and notebooks. The notebooks are committed with their outputs, so nothing runs here.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Docstrings: `name` in them is a link where the name is public, and code where it is not.
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Reference"]
default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autosummary_generate = True
python_maximum_signature_line_length = 88

html_theme = "pydata_sphinx_theme"
html_title = "mnist_keras"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "header_links_before_dropdown": 7,
}
html_sidebars = {"index": [], "results/*": []}  # the tables of results are wide

AREAS = {  # package -> its title in the API reference
    "data": "Data",
    "models": "Models",
    "training": "Training",
    "evaluation": "Evaluation",
    "inference": "Inference",
}


def api_page() -> str:
    """Returns the page of the API reference: a table of the public names for each package."""
    packages = {name: module.split(".")[0] for name, module in mnist_keras._MODULES.items()}
    order = list(AREAS)
    names = sorted(packages, key=lambda name: (order.index(packages[name]), name))
    parts = [
        "# API reference\n",
        "All public names are in `mnist_keras`. Each is loaded when you first use it.\n",
        "```python\nimport mnist_keras as mk\n\nprint(mk.list_models())\nhelp(mk.train)\n```\n",
        "```{eval-rst}\n.. currentmodule:: mnist_keras\n```\n",
    ]
    for package, group in groupby(names, packages.get):
        table = "\n".join(f"   {name}" for name in group)
        parts.append(f"## {AREAS[package]}\n")
        parts.append(
            f"```{{eval-rst}}\n.. autosummary::\n   :toctree: api\n   :nosignatures:\n\n{table}\n```\n"
        )
    return "\n".join(parts)


CARD = """
:::{{grid-item-card}} {title}
:link: examples/{name}
:link-type: doc
:img-top: examples/{name}.png
:img-alt: {title}
:class-img-top: preview

{text}
:::
"""
GALLERY = """# Examples

Each example is a notebook with its output on MNIST, and a script in `examples/` that does the same. If MNIST is not
available, the scripts use scikit-learn's small digits.

```console
$ python examples/01_mlp_128.py
```

::::{{grid}} 1 2 2 3
:gutter: 3
{cards}
::::

```{{toctree}}
:hidden:

{pages}
```
"""


def gallery_page(target: Path) -> str:
    """Returns the gallery, a card for each example, and copies notebooks and pictures to `target`."""
    cards, pages = "", []
    for script in sorted(EXAMPLES.glob("[0-9]*.py")):
        notebook = script.with_suffix(".ipynb")
        shutil.copy(notebook, target)
        (target / f"{script.stem}.png").write_bytes(_last_picture(notebook))
        top = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
        title, text, *_ = top.split("\n\n")
        cards += CARD.format(name=script.stem, title=title.removeprefix("# "), text=text)
        pages.append(f"examples/{script.stem}")
    return GALLERY.format(cards=cards, pages="\n".join(pages))


def _last_picture(notebook: Path) -> bytes:
    """Returns the last picture that a notebook shows, a PNG."""
    pictures = [
        output["data"]["image/png"]
        for cell in nbformat.read(notebook, as_version=4).cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", ())
    ]
    return base64.b64decode(pictures[-1])


def write_pages(app, config) -> None:
    """Writes the pages that are made here, before Sphinx looks for sources."""
    examples = DOCS / "examples"
    examples.mkdir(exist_ok=True)
    (DOCS / "api.md").write_text(api_page(), encoding="utf-8")
    (DOCS / "gallery.md").write_text(gallery_page(examples), encoding="utf-8")


def mark_code(app, what, name, obj, options, lines: list[str]) -> None:
    """Marks the code of an "Example:" section, which Google's style leaves bare, as a literal block."""
    starts = [row for row, line in enumerate(lines) if line == "Example:"]
    if starts and not lines[starts[0] + 1].lstrip().startswith(">>>"):
        first = starts[0] + 1
        code = takewhile(lambda line: not line or line.startswith(" "), lines[first:])
        block = [f"    {line}" if line else line for line in code]
        lines[first : first + len(block)] = ["    ::", "", *block]


def keep_dots(app, what, name, obj, options, lines: list[str]) -> None:
    """Marks `.keras` and other names of files as code: in a link to a name, the dot would mean "of any module"."""
    lines[:] = [re.sub(r"(?<!`)`(\.[^`]+)`(?!`)", r"``\1``", line) for line in lines]


def shorten_array_like(app, what, name, obj, options, signature, returns):
    """Writes `ArrayLike` in a signature by its name rather than as the long union that it stands for."""
    from sphinx.util.typing import stringify_annotation

    if not signature:
        return None
    return signature.replace(stringify_annotation(ArrayLike, "smart"), "ArrayLike"), returns


def setup(app) -> None:
    app.connect("config-inited", write_pages)
    app.connect("autodoc-process-signature", shorten_array_like)
    app.connect("autodoc-process-docstring", keep_dots)
    app.connect("autodoc-process-docstring", mark_code, priority=100)  # before napoleon
