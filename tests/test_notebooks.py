"""Notebooks run from top to bottom on a night as a run leaves it, show what they promise, and are committed without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.demo_night import NOT_AUDIO

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
FIRST = next(path for path in NOTEBOOKS if path.name.startswith("01-"))


def executed(path: Path) -> list[nbformat.NotebookNode]:
    """The outputs of a notebook, run in its own folder as a person would."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.fixture(autouse=True)
def _kernel(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("IPYTHONDIR", "/nonexistent")  # nobody's own start-up files


def shown(outputs: list[nbformat.NotebookNode]) -> str:
    return "\n".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_on_a_night_and_draws_it(path: Path, demo_tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUTING_OUT", str(demo_tables))
    outputs = executed(path)
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"], "a warning that nobody explains"
    assert any("image/png" in o.get("data", {}) for o in outputs)


def test_a_night_in_parquet_shows_every_call_and_what_was_not_heard(demo_tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUTING_OUT", str(demo_tables))
    outputs = executed(FIRST)
    said = shown(outputs)
    assert "calls    7 rows" in said and "not heard" in said
    assert NOT_AUDIO in said and "not_audio" in said
    assert "abuse/threat" in said, "moments of the worst call"
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 2


def test_without_a_night_the_first_notebook_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUTING_OUT", str(tmp_path))
    with pytest.raises(CellExecutionError, match="run `make demo`"):
        executed(FIRST)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_short_and_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code), "clear all outputs before you commit"
    assert len(notebook.cells) <= 20 and sum(cell.source.count("\n") + 1 for cell in code) <= 120
    assert any(cell.cell_type == "markdown" for cell in notebook.cells)
