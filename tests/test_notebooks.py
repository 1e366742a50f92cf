"""Notebooks run from top to bottom on a night as a run leaves it, show what they promise, and are committed without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.demo_night import NOT_AUDIO

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


def executed(path: Path) -> list[nbformat.NotebookNode]:
    """The outputs of a notebook, run in its own folder as a person would."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.fixture(autouse=True)
def _kernel(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("IPYTHONDIR", "/nonexistent")  # nobody's own start-up files


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_and_shows_the_night(path: Path, demo_tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUTING_NIGHTS", str(demo_tables))
    outputs = executed(path)
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"], "a warning that nobody explains"
    shown = "\n".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs)
    assert "7 rows" in shown and NOT_AUDIO in shown and "not_audio" in shown
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_without_a_night_says_what_to_do(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUTING_NIGHTS", str(tmp_path))
    with pytest.raises(CellExecutionError, match="run `make demo`"):
        executed(path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_short_and_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code), "clear all outputs before you commit"
    assert len(notebook.cells) <= 20 and sum(cell.source.count("\n") + 1 for cell in code) <= 120
    assert any(cell.cell_type == "markdown" for cell in notebook.cells)
