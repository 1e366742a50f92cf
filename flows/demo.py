"""`futing demo`: six invented calls are heard with the embedded weights, and the worst is shown.

In: the demo night that the installation carries. Out: its tables in --out, the summary, the transcript of its worst call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.errors import FutingError


def demo_folder() -> Path:
    """Where the six calls lie: in the installed package, or in the repository that it was installed from."""
    here = Path(__file__).resolve().parent
    for folder in (here / "_demo", here.parent / "tests" / "data" / "demo"):
        if (folder / "manifest.csv").is_file():
            return folder
    raise FutingError(f"this installation lacks the demo night ({here / '_demo'}); install futing again")


def command(
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables; made if it is not there.")] = Path("demo-night"),
    engine: Annotated[str | None, typer.Option(help="auto, whisper, ctranslate or scripted.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="futing.yaml, or the folder that holds it.")] = None,
) -> None:
    """Hear the demo night, six invented calls, with the embedded weights, and show the worst of them.

    Example: futing demo --out demo-night
    """
    from flows.cli import Device, Engine, run, show
    from flows.store import dates, read_rows

    folder = demo_folder()
    chosen = (Engine(engine) if engine else None, Device(device) if device else None)
    try:
        run(str(folder), out=out, manifest=str(folder / "manifest.csv"), engine=chosen[0], device=chosen[1], config=config)
    except typer.Exit as ended:
        rows = [row for day in dates(out) for row in read_rows(out, "calls", day, columns=["call_id", "priority", "flag"]).to_pylist()]
        if heard := [row for row in rows if row["priority"] is not None]:
            typer.echo()
            show(max(heard, key=lambda row: row["priority"])["call_id"], out=out)
            typer.echo(f"\nThe night is in {out}; `futing review --out {out}` shows it in the browser.")
        raise ended from None
