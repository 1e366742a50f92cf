"""Imports point one way, models stay free of the world, and reading and reviewing never load torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Who may be imported by whom, beyond one's own kind. A package stands for all modules in it; the longest name that fits counts.
MAY: dict[str, tuple[str, ...]] = {
    "models.errors": (),
    "models.records": (),
    "models.mandarin": (),
    "models.hearing": ("models.records", "models.errors", "models.mandarin"),
    "models.reading": ("models.records", "models.errors", "models.mandarin"),
    "flows.review": ("flows", "models.records", "models.errors", "models.reading"),
    "flows": ("models",),
}
REACHES_REVIEW = ("flows.cli", "flows.commands", "flows.purge")  # commands, and only when called: purging removes the page's files too
# Order within flows: a file of a later line may import from its own and earlier lines only.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("quiet", "schemas", "figures", "settings", "peaks", "disk"),
    ("intake", "rows", "corrections", "lock", "download"),
    ("journal", "call", "worker"),
    ("cases", "store", "plan", "transcripts"),
    ("night",),
    ("rerun", "texts", "webhook", "progress", "evaluate", "purge", "rules_cli", "doctor", "health"),
    ("nightly",),
    ("deploy", "commands"),
    ("cli", "demo"),
)
WORLD = ("prefect", "pyarrow", "fastapi", "flows", "httpx", "requests", "urllib.request", "http.client", "fsspec", "duckdb", "sqlalchemy", "typer", "rich")
TEXT_ONLY = ("jieba", "pypinyin")  # models/mandarin.py alone


def modules(package: str) -> dict[str, Path]:
    """Dotted name → file, for every module under models/ or flows/."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


ALL = modules("models") | modules("flows")


def imports(path: Path, only_at_top: bool = False) -> Iterator[tuple[int, str]]:
    """(line, module) of every import in a file, typing-only ones left out; also those inside functions unless `only_at_top`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        inner
        for node in ast.walk(tree)
        if (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)) or (only_at_top and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((node.lineno, name if name in ALL else node.module) for name in whole)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def kind(name: str) -> str:
    return max((k for k in MAY if within(name, k)), key=len, default="")


def test_the_walk_sees_what_it_should() -> None:
    """A control: the checks below would pass on an empty list."""
    assert len(ALL) > 30
    assert ("models.records" in [m for _, m in imports(ALL["flows.call"])]) and ("pyarrow.parquet" in [m for _, m in imports(ALL["flows.store"])])
    assert "models.reading.rules" not in [m for _, m in imports(ALL["flows.night"], only_at_top=True)]
    assert "models.reading.rules" in [m for _, m in imports(ALL["flows.night"])]


@pytest.mark.parametrize("name", sorted(ALL))
def test_imports_point_one_way(name: str) -> None:
    mine = kind(name)
    for line, module in imports(ALL[name]):
        if within(module, "models") or within(module, "flows"):
            theirs = kind(module)
            allowed = not mine or theirs == mine or any(within(module, a) for a in MAY[mine])
            allowed |= theirs == "flows.review" and name in REACHES_REVIEW
            assert allowed, f"{ALL[name]}:{line}: {name} must not import {module}"


def layer(name: str) -> int | None:
    part = name.removeprefix("flows.").partition(".")[0]
    return next((n for n, names in enumerate(LAYERS) if part in names), None)


def test_every_file_of_flows_has_a_layer() -> None:
    unplaced = [n for n in ALL if within(n, "flows") and n != "flows" and not within(n, "flows.review") and layer(n) is None]
    assert unplaced == []


@pytest.mark.parametrize("name", sorted(n for n in ALL if layer(n) is not None and within(n, "flows")))
def test_files_of_flows_import_downwards(name: str) -> None:
    """Only what is imported at the top counts: a command imports what it calls when it is called."""
    for line, module in imports(ALL[name], only_at_top=True):
        mine, theirs = layer(name), layer(module) if within(module, "flows") else None
        assert theirs is None or mine is None or theirs <= mine, f"{ALL[name]}:{line}: {name} must not import {module}"
        assert not within(module, "flows.review") or within(name, "flows.review"), f"{ALL[name]}:{line}: {name} must not import {module}"


@pytest.mark.parametrize("name", sorted(n for n in ALL if within(n, "models")))
def test_models_know_nothing_of_the_world(name: str) -> None:
    for line, module in imports(ALL[name]):
        assert not any(within(module, w) for w in WORLD), f"{ALL[name]}:{line}: {name} must not import {module}"
        assert name == "models.mandarin" or not any(within(module, t) for t in TEXT_ONLY), f"{ALL[name]}:{line}: only models.mandarin imports {module}"


@pytest.mark.parametrize("package", ["models.reading", "flows.review"])
def test_reading_and_reviewing_bring_no_torch(package: str) -> None:
    """Every module of the package is imported in a fresh process; none may bring torch."""
    names = [n for n in ALL if within(n, package) and ".migrations" not in n]
    program = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\nprint('torch' in sys.modules, {package!r} in sys.modules)"
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert asked.returncode == 0, asked.stderr[-2000:]
    assert asked.stdout.split() == ["False", "True"]
