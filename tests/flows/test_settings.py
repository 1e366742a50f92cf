"""futing.yaml is read whole, refused with file and line, and found in the four places in order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows.settings import FILE, Settings, find_folder, load_settings, parse_settings, shipped_folder
from models.errors import ConfigError

HERE = Path("somewhere/futing.yaml")


def test_the_shipped_file_states_exactly_the_defaults() -> None:
    settings = load_settings(shipped_folder())
    assert settings == Settings(folder=settings.folder)


def test_every_setting_stands_in_the_shipped_file_with_a_comment() -> None:
    text = (shipped_folder() / FILE).read_text(encoding="utf-8")
    given = yaml.safe_load(text)
    for section in ("intake", "privacy", "night"):
        known = set(type(getattr(Settings(), section)).__dataclass_fields__)
        assert set(given[section]) == known, section
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("  ") and not line.strip().startswith("#") and not line.startswith("    "):
            above = [above for above in lines[max(0, number - 4) : number] if above.strip().startswith("#")]
            assert above, f"line {number + 1} is not explained: {line}"


@pytest.mark.parametrize(
    ("text", "line", "mend"),
    [
        ("time_zone: Asia/Shanghai\nnigth: {}\n", 2, "did you mean `night`?"),
        ("night:\n  shard_cals: 3\n", 2, "did you mean `shard_calls`?"),
        ("intake:\n  settle_s: soon\n", 2, "must be a number"),
        ("intake:\n  extensions: .wav\n", 2, "must be a list"),
        ("night:\n  shard_calls: 3.5\n", 2, "must be a whole number"),
        ("hearing:\n  engine: wisper\n", 2, "choose one of"),
        ("privacy:\n  mask: 1\n", 2, "must be true or false"),
        ("night: 3\n", 1, "key: value"),
        ("night:\n  shard_calls: 1\n  shard_calls: 2\n", 3, "given twice"),
        ("a: [\n", 2, "not YAML"),
    ],
    ids=["section", "key", "number", "list", "whole", "choice", "truth", "mapping", "twice", "yaml"],
)
def test_a_bad_line_is_refused_with_file_line_and_mend(text: str, line: int, mend: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, HERE)
    assert str(caught.value).startswith(f"{HERE}:{line}: ")
    assert mend in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "night: {}\n"])
def test_what_is_left_out_has_its_default(text: str) -> None:
    assert parse_settings(text, HERE) == Settings(folder=HERE.parent)


def test_an_unknown_zone_and_a_shard_of_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="IANA"):
        parse_settings("time_zone: Beijing\n", HERE)
    with pytest.raises(ConfigError, match="shard_calls"):
        parse_settings("night: {shard_calls: 0}\n", HERE)


def test_the_hash_changes_with_what_is_found_and_not_with_how_the_night_is_run() -> None:
    plain = parse_settings("", HERE)
    assert parse_settings("night: {shard_calls: 3, webhook: 'http://127.0.0.1'}\n", Path("elsewhere/futing.yaml")).config_hash == plain.config_hash
    assert parse_settings("privacy: {retention_days: 30}\n", HERE).config_hash == plain.config_hash
    assert parse_settings("privacy: {mask: false}\n", HERE).config_hash != plain.config_hash
    assert parse_settings("hearing: {engine: scripted}\n", HERE).config_hash != plain.config_hash


def test_the_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, variable, here = (tmp_path / name for name in ("given", "variable", "work"))
    for folder in (given, variable, here / "configs"):
        folder.mkdir(parents=True)
        (folder / FILE).write_text("")
    monkeypatch.chdir(here)
    monkeypatch.setenv("FUTING_CONFIG", str(variable))
    assert find_folder(given) == given
    assert find_folder(given / FILE) == given
    assert find_folder() == variable
    monkeypatch.delenv("FUTING_CONFIG")
    assert find_folder() == here / "configs"
    (here / "configs" / FILE).unlink()
    assert find_folder() == shipped_folder()


def test_a_named_place_without_the_file_is_an_error_not_a_fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="--config"):
        find_folder(tmp_path)
    monkeypatch.setenv("FUTING_CONFIG", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match="FUTING_CONFIG"):
        find_folder()


def test_rules_missing_from_the_given_folder_come_from_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("")
    settings = load_settings(tmp_path)
    assert settings.path("rules") == shipped_folder() / "rules"
    (tmp_path / "rules").mkdir()
    assert load_settings(tmp_path).path("rules") == tmp_path / "rules"


def test_the_wheel_carries_its_configuration(root: Path, tmp_path: Path) -> None:
    """Built, unpacked and asked from an empty folder: no repository in sight."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(root)]
    built = subprocess.run(build, capture_output=True, text=True, cwd=tmp_path)
    assert built.returncode == 0, built.stderr[-2000:]
    import zipfile

    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    empty = tmp_path / "empty"
    empty.mkdir()
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "sys.path = [p for p in sys.path if p != ''] \n"
        "from flows.settings import load_settings, shipped_folder; import flows\n"
        "print(shipped_folder()); print(load_settings().path('rules'))"
    )
    asked = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, cwd=empty)
    assert asked.returncode == 0, asked.stderr[-2000:]
    folder, rules = asked.stdout.split()
    assert folder == str(tmp_path / "site" / "flows" / "_configs")
    assert rules == str(tmp_path / "site" / "flows" / "_configs" / "rules")
