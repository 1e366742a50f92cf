"""configs/futing.yaml → one typed, frozen object, made once at the edge.

In: a folder of configuration, looked for in --config, then FUTING_CONFIG, then ./configs, then the copy that the wheel carries.
Out: `Settings`; every section is a frozen dataclass and a step is given only the values it uses. A key that is not known, or
a value of the wrong kind, is refused with its file, its line and the mend. The surprising choice: `config_hash` covers only
what can change a row (sections marked as operation — how a night is run, not what it finds — are left out), so that moving
the working hours of a job does not make last night look as if it had been heard differently.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from models.errors import ConfigError
from models.hearing.settings import HearingSettings

T = typing.TypeVar("T")
FILE = "futing.yaml"
_IN_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
OPERATION = {"operation": True}  # field metadata: how the night is run, without effect on what stands in a row


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """What counts as a recording. settle_s: a file younger than this is watched that long before it is trusted to be whole."""

    extensions: tuple[str, ...] = (".wav", ".mp3", ".m4a", ".aac", ".mp4", ".amr", ".opus", ".ogg", ".flac", ".gsm", ".wma", ".webm", ".3gp")
    settle_s: float = 5.0


@dataclass(frozen=True, slots=True)
class NightSettings:
    """How a night is cut up, guarded and published. Seconds, MiB, counts."""

    shard_calls: int = 16
    shard_mib: int = 64
    publish_every_s: float = 300.0
    limit_base_s: float = 60.0
    limit_per_audio_s: float = 1.0
    load_limit_s: float = 900.0
    free_space_mib: int = 1024
    webhook: str | None = None
    retry_delays_s: tuple[float, ...] = (30.0, 300.0)


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """What of a caller's own numbers and names is stored, and for how long. retention_days 0: until purged by hand."""

    mask: bool = True
    keep_original: bool = False
    retention_days: int = field(default=0, metadata=OPERATION)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that configs/futing.yaml says, and the folder it was said in."""

    time_zone: str = "Asia/Shanghai"
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    hearing: HearingSettings = field(default_factory=HearingSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    night: NightSettings = field(default_factory=NightSettings, metadata=OPERATION)
    folder: Path = field(default=Path("configs"), metadata=OPERATION)

    def __post_init__(self) -> None:
        self.zone  # noqa: B018 - refuse an unknown zone here, not at three in the morning
        for name in ("shard_calls", "shard_mib", "limit_base_s", "limit_per_audio_s", "load_limit_s"):
            if getattr(self.night, name) <= 0:
                raise ConfigError(f"{self.folder / FILE}: night.{name} must be more than 0")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that decides which date a call belongs to."""
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigError(f"{self.folder / FILE}: time_zone {self.time_zone!r} is no IANA time zone; write for example Asia/Shanghai") from error

    def path(self, *parts: str) -> Path:
        """A file or folder of the configuration; one that the configured folder lacks comes from the shipped copy."""
        here = self.folder.joinpath(*parts)
        return here if here.exists() else shipped_folder().joinpath(*parts)

    @property
    def config_hash(self) -> str:
        """12 hex digits over everything that can change a row."""
        text = json.dumps(_effective(self), sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_settings(config: Path | str | None = None) -> Settings:
    """Read the settings from the first place that has them; raises ConfigError with file, line and mend."""
    folder = find_folder(config)
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); save it as UTF-8 text") from error
    return parse_settings(text, path)


def parse_settings(text: str, path: Path) -> Settings:
    """Settings from YAML text; `path` is where errors say it stands."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    if node is None:
        return Settings(folder=path.parent)
    settings = _build(Settings, node, path, "")
    return dataclasses.replace(settings, folder=path.parent, hearing=dataclasses.replace(settings.hearing, folder=path.parent))


def find_folder(config: Path | str | None = None) -> Path:
    """--config, FUTING_CONFIG, ./configs, the wheel's copy; the first two may name the folder or futing.yaml in it."""
    for origin, value in (("--config", config), ("FUTING_CONFIG", os.environ.get("FUTING_CONFIG"))):
        if value:
            path = Path(value).expanduser()
            folder = path.parent if path.is_file() else path
            if not (folder / FILE).is_file() or (path.is_file() and path.name != FILE):
                raise ConfigError(f"{origin} {path}: no {FILE} there; name the folder that holds it (a copy to start from: {shipped_folder()})")
            return folder.resolve()
    here = Path("configs")
    return here.resolve() if (here / FILE).is_file() else shipped_folder()


def shipped_folder() -> Path:
    """The configuration that came with the installation; an editable install has it in the repository."""
    inside = Path(__file__).resolve().parent
    for folder in (inside / "_configs", inside.parent / "configs"):
        if (folder / FILE).is_file():
            return folder
    raise ConfigError(f"this installation lacks its configuration ({inside / '_configs'}); install futing again or give --config")


def _effective(value: object) -> object:
    """Nested dicts of the fields that can change a row."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _effective(getattr(value, f.name)) for f in dataclasses.fields(value) if not f.metadata.get("operation")}
    return value


def _build(cls: type[T], node: yaml.Node, path: Path, where: str) -> T:
    """A frozen dataclass from a YAML mapping; `where` is its dotted place in the file."""
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}:{node.start_mark.line + 1}: {where or 'the file'} must be a list of `key: value` lines")
    hints = typing.get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls) if f.name != "folder"]  # type: ignore[arg-type]
    values: dict[str, object] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        place = f"{where}.{key}" if where else key
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            mend = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
            raise ConfigError(f"{path}:{line}: unknown key `{place}`; {mend}")
        if key in values:
            raise ConfigError(f"{path}:{line}: `{place}` is given twice; keep one")
        values[key] = _value(hints[key], value_node, path, place)
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}:{node.start_mark.line + 1}: {where or 'the file'}: {error}") from error


def _value(kind: typing.Any, node: yaml.Node, path: Path, place: str) -> object:
    """The node as the kind that the dataclass declares: a section, a tuple, a choice or a plain value."""
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _build(typing.cast("type[typing.Any]", kind), node, path, place)
    if origin in (typing.Union, types.UnionType):
        if _plain(node) is None and type(None) in options:
            return None
        return _value(next(o for o in options if o is not type(None)), node, path, place)
    bad = f"{path}:{node.start_mark.line + 1}: `{place}`"
    if origin is tuple:
        if not isinstance(node, yaml.SequenceNode):
            raise ConfigError(f"{bad} must be a list; write it as [a, b]")
        return tuple(_value(options[0], item, path, place) for item in node.value)
    value = _plain(node)
    if origin is typing.Literal:
        if value not in options:
            raise ConfigError(f"{bad} is {value!r}; choose one of {', '.join(map(str, options))}")
        return value
    if kind is float and type(value) is int:
        return float(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if type(value) is not kind:
        raise ConfigError(f"{bad} is {value!r}; it must be {_IN_WORDS.get(kind, kind.__name__)}")
    return value


def _plain(node: yaml.Node) -> object:
    """A scalar as YAML's safe types; None for anything nested."""
    if not isinstance(node, yaml.ScalarNode):
        return object()
    return yaml.SafeLoader("").construct_object(node)
