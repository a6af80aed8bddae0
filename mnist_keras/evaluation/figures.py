"""The size, colors and fonts of all plots, and the figures that they are drawn on; no plot needs a display.

Color-blind readers can tell the colors apart, and no information is in the colors alone.
"""

import re
from io import BytesIO, StringIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

BLUE, VERMILION = "#0072B2", "#D55E00"  # Okabe and Ito, 2008, "Color Universal Design"
COLORS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
WIDTH, DPI = 8.0, 100  # inches, dots per inch: 800 pixels wide, as a README shows it
MIN_FONT, MAX_FONT = 5.5, 10.0  # points; smaller text is not legible at 100 dots per inch
_PAGE_COLORS = {
    "#000000": "currentColor",
    "#4c4c4c": "currentColor",  # matplotlib's "0.3"
    BLUE.lower(): "var(--blue)",
    VERMILION.lower(): "var(--vermilion)",
}
MAX_NAME = 18  # characters of a class name that are shown


def new_axes(ax: Axes | None, *, height: float, width: float = WIDTH) -> Axes:
    """Returns `ax`, or the axes of a new figure of `width` and `height` inches."""
    if ax is not None:
        return ax
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)  # inches to the edge
    figure = _Figure(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)  # measures text and writes PNG without pyplot's global state
    ax = figure.add_subplot(axes_class=_Axes)
    figure.draw_without_rendering()  # lays the axes out, so that its size is known
    return ax


class _Figure(Figure):
    """A figure that a notebook shows; IPython alone displays only pyplot's figures."""

    def _repr_png_(self) -> bytes:
        self.savefig(png := BytesIO(), format="png")
        return png.getvalue()


class _Axes(Axes):
    """Axes that a notebook shows as their figure, so that a plot at the end of a cell is displayed."""

    def _repr_png_(self) -> bytes:
        return self.figure._repr_png_()  # type: ignore[union-attr]


def as_svg(ax: Axes) -> str:
    """Returns a plot as an `<svg>` element in the font and the colors of the page that it is put into.

    Black becomes the page's `currentColor`, and the two colors of lines its `--blue` and `--vermilion`, so that a page
    can be light or dark. The same plot gives the same text.
    """
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mnist_keras"}):
        ax.figure.savefig(  # type: ignore[union-attr]  # of a new figure, never of a part of one
            text := StringIO(), format="svg", transparent=True, metadata={"Date": None}
        )
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r' id="[a-zA-Z.]+_\d+"', "", svg)  # the groups' names, which repeat in each chart
    svg = re.sub(r"font: (?:(bold) )?([\d.]+px) [^;\"]*", r"font: \1 \2 system-ui, sans-serif", svg)
    for color, of_page in _PAGE_COLORS.items():
        svg = svg.replace(color, of_page)
    return svg


def shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
