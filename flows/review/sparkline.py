"""The small heat curve of a queue row: (s, heat) points and moments in, a piece of SVG out. Numbers and known names only, never a caller's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from flows.review import language


def sparkline(curve: Sequence[tuple[float, float]], marks: Iterable[Mapping[str, Any]], duration_s: float | None, width: int = 168, height: int = 30) -> Markup:
    """The small heat curve of a queue row: an SVG with the customer's heat as an area and the asserted moments as marks."""
    end = max([duration_s or 0.0, 1.0, *(p[0] for p in curve)])

    def x(s: float) -> float:
        return round(2 + (width - 4) * min(1.0, max(0.0, s / end)), 1)

    def y(h: float) -> float:
        return round(height - 6 - (height - 9) * min(1.0, max(0.0, h)), 1)

    parts = [f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-hidden="true" focusable="false">']
    parts.append(f'<line class="spark-base" x1="2" x2="{width - 2}" y1="{height - 6}" y2="{height - 6}"/>')
    points = [(x(s), y(h)) for s, h in curve]
    if points:
        line = " ".join(f"{a},{b}" for a, b in points)
        parts.append(f'<polygon class="spark-fill" points="{points[0][0]},{height - 6} {line} {points[-1][0]},{height - 6}"/>')
        parts.append(f'<polyline class="spark-line" points="{line}"/>')
    for m in marks:
        if m["s"] is not None and m["score"] >= 0.5 and m["kind"] in language.KINDS:
            parts.append(f'<rect class="spark-mark k-{m["kind"]}" x="{x(m["s"]) - 1}" y="{height - 5}" width="2.4" height="5" rx="1"/>')
    return Markup("".join(parts) + "</svg>")  # numbers and known kinds only
