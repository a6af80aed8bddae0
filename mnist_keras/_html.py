"""Tables in HTML, for notebooks and for the page of a run."""

import html
from collections.abc import Container, Sequence


def escape(text: object) -> str:
    """Returns text escaped for HTML, even inside quotes."""
    return html.escape(str(text))


def table(
    rows: Sequence[Sequence[str]],
    *,
    head: Sequence[str] = (),
    numbers: Container[int] = (),
    kind: str = "",
) -> str:
    """Returns a table.

    Args:
        rows: Cells that are HTML already, see `escape`.
        head: The names of the columns; empty if each row begins with a name.
        numbers: The columns that are aligned to the right.
        kind: Its CSS class.
    """

    def line(cells: Sequence[str], *, heads: Container[int]) -> str:
        inner = []
        for column, cell in enumerate(cells):
            tag = "th" if column in heads else "td"
            side = "right" if column in numbers else "left"
            inner.append(f'<{tag} style="text-align:{side}">{cell}</{tag}>')
        return f"<tr>{''.join(inner)}</tr>"

    lines = [line(row, heads=() if head else {0}) for row in rows]
    if head:
        lines.insert(0, f"<thead>{line(head, heads=range(len(head)))}</thead>")
    opening = f'<table class="{kind}">' if kind else "<table>"
    return "\n".join([opening, *lines, "</table>"])
