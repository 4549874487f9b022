"""How every picture looks: one figure, one sentence as its title, ink that follows the page's colour.

Pictures are drawn without a display. As text they are SVG whose black is `currentColor` and whose words stay
words, so that a page shows them in light and dark and a reader can search them.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from serving.errors import ServingError

INK, MUTED = "#010203", "#7f8a94"
BLUE, ORANGE, GREEN, YELLOW, RED = "#3d8fd1", "#d55e00", "#2f9e6f", "#d9a514", "#d1495b"
"""Told apart by eyes of every kind, and visible on white as on black (after Okabe & Ito 2008)."""

TIER_COLOURS = {"green": GREEN, "yellow": YELLOW, "red": RED}

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "keepwell",
    "text.parse_math": False,
    "savefig.dpi": 150,
}


@contextmanager
def canvas(width: float = 7.2, height: float = 3.8) -> Iterator[tuple[Figure, Axes]]:
    """A figure in inches with one pair of axes; closed at the end, whatever happens in between."""
    with mpl.rc_context(STYLE), headless():
        drawn, axes = plt.subplots(figsize=(width, height), layout="constrained")
        try:
            yield drawn, axes
        finally:
            plt.close(drawn)


@contextmanager
def headless() -> Iterator[None]:
    """Draw without a display, and hand back the caller's backend."""
    before = mpl.get_backend()
    plt.switch_backend("Agg")
    try:
        yield
    finally:
        plt.switch_backend(before)


def svg(drawn: Figure) -> str:
    """A figure as one inline `<svg>` element: no address in it, no id that another picture also has."""
    text = StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    drawn.savefig(text, format="svg", metadata=nothing, transparent=True, bbox_inches="tight")
    found = text.getvalue()
    found = found[found.index("<svg") :]
    found = re.sub(r' xmlns(:\w+)?="[^"]*"', "", found)
    found = re.sub(r' id="[A-Za-z.]+_\d+"', "", found)
    own = sha256(found.encode()).hexdigest()[:6]
    found = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{own}-", found)
    return found.replace(INK, "currentColor").strip()


def save(drawn: Figure, path: Path) -> None:
    """Write a figure as .svg or .png on white.

    Raises:
        ServingError: the path ends in neither, or cannot be written.
    """
    if path.suffix.lower() not in (".svg", ".png"):
        raise ServingError(f"{path}: a picture's name ends in .svg or .png")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn.savefig(path, facecolor="white", bbox_inches="tight", metadata={"Date": None} if _is_svg(path) else None)
    except OSError as error:
        raise ServingError(f"{path} cannot be written ({error.strerror}); choose another --out") from error


def _is_svg(path: Path) -> bool:
    return path.suffix.lower() == ".svg"


def in_ink(drawn: Figure) -> None:
    """All words of a picture that somebody else drew, in the page's ink."""
    for text in drawn.findobj(Text):
        if isinstance(text, Text):
            text.set_color(INK)


def legend_below(axes: Axes) -> None:
    """The legend at the lower right, beside the axis' name, where it hides nothing."""
    axes.figure.legend(loc="outside lower right", ncols=2, fontsize=9.5)


def percent_axis(axis: Any) -> None:
    """Shares of one, written as percentages."""
    axis.set_major_formatter(lambda share, _: f"{round(100 * share, 6):g} %")
