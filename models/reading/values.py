"""Plain values of a YAML file, in; the same values checked, out, and for each that is wrong a problem with line and mend.

The base of the reading of rule files. The surprising choice: a wrong value never raises; it is noted, a harmless one stands in, and reading goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from models.reading.rulefile import Document, Problem, Where
from models.records import ROLES


class Values:
    """Reads values of one document at a time; problems are appended to the list it is given."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self._document: Document = Document("", None, {})

    def _bad(self, where: Where, what: str, mend: str) -> None:
        self.problems.append(Problem(self._document.file, self._document.line(where), what, mend))

    def _known(self, at: Where, value: Mapping[str, Any], keys: Sequence[str], name: str) -> None:
        for key in value:
            if key not in keys:
                near = _closest(key, keys)
                self._bad((*at, key), f"unknown key '{key}' in {name}", f"did you mean '{near}'?" if near else f"known: {', '.join(keys)}")

    def _mapping(self, at: Where, value: Any, keys: Sequence[str]) -> bool:
        if not isinstance(value, dict):
            self._bad(at, f"`{at[-1]}` is a mapping", f"with {', '.join(keys)}")
            return False
        self._known(at, value, keys, f"`{at[-1]}`")
        return True

    def _strings(self, at: Where, value: Any) -> list[str]:
        if value is None:
            return []
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return [str(value)]
        if isinstance(value, list) and all(isinstance(v, str | int | float) and not isinstance(v, bool) for v in value):
            return [str(v) for v in value]
        self._bad(at, f"`{at[-1]}` is a string or a list of strings", "put words such as yes, no, on in quotes")
        return []

    def _flag(self, at: Where, value: Any) -> bool:
        if not isinstance(value, bool):
            self._bad(at, f"`{at[-1]}` is true or false", "write one of them")
            return False
        return value

    def _number(self, at: Where, value: Any, low: float, high: float, whole: bool = False) -> float | None:
        good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high and (not whole or float(value).is_integer())
        if not good:
            self._bad(at, f"`{at[-1]}` is {value!r}", f"write a {'whole ' if whole else ''}number from {low:g} to {high:g}")
            return None
        return value

    def _bounds(self, at: Where, value: Mapping[str, Any]) -> tuple[float | None, float | None]:
        low, high = (None if k not in value else self._number((*at, k), value[k], -1e9, 1e9) for k in ("at_least", "at_most"))
        if low is not None and high is not None and low > high:
            self._bad(at, f"never met: at least {low:g} and at most {high:g}", "turn them round")
        return low, high

    def _one_of(self, at: Where, value: Any, known: Sequence[str], name: str) -> Any:
        if value not in known:
            self._bad(at, f"{name} '{value}' is unknown", f"one of {', '.join(known)}")
            return known[0]
        return value

    def _roles(self, at: Where, value: Any) -> frozenset[str]:
        out: set[str] = set()
        for role in self._strings(at, value):
            if role == "any":
                out |= set(ROLES)
            elif role == "company":
                out |= {"agent", "supervisor"}
            else:
                out.add(self._one_of(at, role, ROLES, "role"))
        return frozenset(out)


def _closest(key: str, keys: Sequence[str]) -> str | None:
    found = get_close_matches(key, keys, 1, 0.7)
    return found[0] if found else None
