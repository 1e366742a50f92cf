"""The image and the build: linted, nothing copied that is not there, nobody root, and one way for people and machines to test."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest


def instructions(root: Path) -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, continuation lines joined, comments gone."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", (root / "Dockerfile").read_text("utf-8"), flags=re.M))
    return [(line.split(None, 1)[0].upper(), line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def test_the_dockerfile_is_clean(root: Path) -> None:
    done = subprocess.run([Path(sys.executable).parent / "hadolint", root / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_linter_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN cd /x && apt-get install foo\n", encoding="utf-8")
    done = subprocess.run([Path(sys.executable).parent / "hadolint", tmp_path / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode != 0 and "DL3007" in done.stdout


def test_the_image_runs_as_nobody_with_volumes_and_a_health_check(root: Path) -> None:
    said = instructions(root)
    last_stage = said[max(k for k, (name, _) in enumerate(said) if name == "FROM") :]
    users = [rest for name, rest in last_stage if name == "USER"]
    assert users and users[-1].split(":")[0] not in {"root", "0"}
    assert "/weights" in dict(last_stage)["VOLUME"] and "/data" in dict(last_stage)["VOLUME"]
    assert "flows.health" in dict(last_stage)["HEALTHCHECK"] and dict(last_stage)["ENTRYPOINT"] == '["futing"]'
    assert all(re.search(r":\d+\.\d+\.\d+", rest) for name, rest in said if name == "FROM"), "base images are pinned"


def test_what_the_image_copies_is_there_and_not_ignored(root: Path) -> None:
    ignore = [line for line in (root / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")]
    copied = [source for name, rest in instructions(root) if name == "COPY" and "--from" not in rest for source in shlex.split(rest)[:-1]]
    assert {"models", "flows", "configs"} <= set(copied)
    for source in copied:
        assert (root / source).exists(), source
        verdict = [not p.startswith("!") for p in ignore if fnmatch(source, p.lstrip("!"))]
        assert verdict and verdict[-1] is False, f"{source} is left out by .dockerignore"


def test_the_wheel_needs_nothing_that_the_image_lacks(root: Path) -> None:
    import tomllib

    built = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = " ".join(rest for name, rest in instructions(root) if name == "COPY" and "--from" not in rest)
    for folder in [*built["packages"], *built["force-include"]]:
        assert folder in copied.split(), f"{folder} goes into the wheel, and the Dockerfile does not copy it"


def test_constraints_pin_every_version_and_no_address(root: Path) -> None:
    lines = [line for line in (root / "constraints.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert len(lines) > 100
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line), line
    assert not any(line.lower().startswith("futing") for line in lines)


def test_what_is_installed_here_is_what_the_constraints_say(root: Path) -> None:
    from importlib.metadata import PackageNotFoundError, version

    pins = dict(line.split("==") for line in (root / "constraints.txt").read_text("utf-8").splitlines() if "==" in line and not line.startswith("#"))
    other = []
    for name, pinned in pins.items():
        try:
            if version(name) != pinned:
                other.append(f"{name} {version(name)} here, {pinned} in constraints.txt")
        except PackageNotFoundError:
            continue  # another platform's package
    assert other == []


def test_every_dependency_is_pinned(root: Path) -> None:
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    pins = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in (root / "constraints.txt").read_text("utf-8").splitlines() if "==" in line}
    wanted = [re.match(r"[A-Za-z0-9._-]+", d)[0] for d in [*project["dependencies"], *project["optional-dependencies"]["dev"]]]  # type: ignore[index]
    assert [w for w in wanted if re.sub(r"[-_.]+", "-", w).lower() not in pins] == []


def test_ci_runs_what_people_run(root: Path) -> None:
    script = root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    commands = [line for line in script.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert commands[-1] == "exec make test" and "export CI=true" in commands


@pytest.mark.parametrize("goal", ["demo", "test", "lint", "weights"])
def test_make_knows_its_goals(root: Path, goal: str) -> None:
    done = subprocess.run(["make", "--dry-run", goal], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if goal == "demo":
        assert re.search(r"futing weights fetch\n(.*\n)*.*futing demo", done.stdout)
