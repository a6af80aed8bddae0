"""The size, colors and fonts of all plots, and the figures they are drawn on; no plot needs a display.

Color-blind readers can tell the colors apart, and no color carries a meaning that the text lacks.
"""

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

BLUE, VERMILION = "#0072B2", "#D55E00"  # Okabe and Ito, 2008, "Color Universal Design"
WIDTH, DPI = 8.0, 100  # inches, dots an inch: 800 pixels wide, what a README shows
MIN_FONT, MAX_FONT = 5.5, 10.0  # points; smaller is not legible at 100 dots an inch
MAX_NAME = 18  # characters of a class name that are shown


def new_axes(ax: Axes | None, *, height: float) -> Axes:
    """Returns `ax`, or the axes of a new figure of standard width and `height` inches."""
    if ax is not None:
        return ax
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)  # inches to the edge
    figure = _Figure(figsize=(WIDTH, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)  # measures text and writes PNG without pyplot's global state
    ax = figure.add_subplot()
    figure.draw_without_rendering()  # lays the axes out, so that its size can be asked
    return ax


class _Figure(Figure):
    """A figure that a notebook shows; IPython by itself knows only those of pyplot."""

    def _repr_png_(self) -> bytes:
        self.savefig(png := BytesIO(), format="png")
        return png.getvalue()


def shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
