"""Documentation that cannot drift: commands, options, files, links, settings and columns named in it exist; nothing names a machine.

In: README.md, README.zh-CN.md, docs/, bench/README.md, the comments of configs/ and the notebooks, as git tracks them. Out: nothing. The surprising choice:
what a doc shows is asked of the program itself (its Typer app), never of a list kept for the test.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from flows.cli import app
from flows.schemas import TABLES
from flows.settings import Settings, parse_settings

ROOT = Path(__file__).resolve().parent.parent
READMES = ("README.md", "README.zh-CN.md")


@cache
def tracked() -> tuple[str, ...]:
    """Every file of the repository, by git where there is one, else by a walk."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return tuple(sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()))
    walked = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return tuple(sorted(str(path) for path in walked if not {".git", ".venv", "__pycache__"} & set(path.parts)))


def docs() -> list[str]:
    return [name for name in tracked() if name.endswith(".md") and not name.startswith("tests/") and "/vendor/" not in name]


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def program() -> dict[tuple[str, ...], Any]:
    """Every command and group by the words that call it; () is `futing` itself."""
    found: dict[tuple[str, ...], Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        found[words] = command
        if isinstance(command, TyperGroup):
            context = typer.Context(command)  # type: ignore[arg-type]
            for name in command.list_commands(context):
                walk(command.get_command(context, name), (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def options_of(command: Any) -> set[str]:
    return {"--help"} | {option for p in command.params for option in (*p.opts, *p.secondary_opts) if option.startswith("-")}


def shown(text: str) -> Iterator[str]:
    """Everything after `futing ` that a text shows as a command: in inline code, or at the start of a line of a code block or shell comment."""
    for match in re.finditer(r"`futing ([^`\n]+)`", text):
        yield match[1]
    text = re.sub(r"\\\n\s*", " ", text)
    for match in re.finditer(r"(?m)^(?:[#$\s]|[\w/:.*= ]*/bin/|[A-Z_]+=\S+ |(?:[\d*]+ ){5} *)*futing ([a-z][^\n]*)$", text):
        yield match[1]


def wrong(said: str) -> str | None:
    """What is wrong with a command as a text shows it, or None."""
    said = re.split(r"\s#|\s>>|\s\||；|\s→|\s{4,}", said)[0]
    try:
        words = shlex.split(said.replace("…", ""))
    except ValueError as error:
        return str(error)
    path: tuple[str, ...] = ()
    while words and (*path, words[0].rstrip(",.;:")) in program():
        path = (*path, words.pop(0).rstrip(",.;:"))
    if not path:
        return None if words and words[0].startswith("-") and words[0].partition("=")[0] in options_of(program()[()]) else "no such command"
    command = program()[path]
    if isinstance(command, TyperGroup) and words and not words[0].startswith("-") and "|" not in words[0]:
        return f"`futing {' '.join(path)}` has no command {words[0]!r}"
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0].strip("[]") not in options_of(command)]
    return f"no option {' '.join(unknown)}" if unknown else None


def test_the_check_of_commands_can_fail() -> None:
    assert wrong("run /recordings --out nights --manifest calls.csv") is None
    assert wrong("rules check") is None and wrong("--help") is None
    assert wrong("walk /recordings") == "no such command"
    assert wrong("run /recordings --loud") == "no option --loud"
    assert "has no command" in (wrong("rules sing") or "")
    assert list(shown("text `futing run X` and\n    futing show Y --out Z\n    0 22 * * *   futing run /r --out O\n")) == [
        "run X", "show Y --out Z", "run /r --out O",
    ]  # fmt: skip


def places() -> list[str]:
    """Files that show commands to people."""
    return [
        *docs(),
        *(n for n in tracked() if (n.startswith("configs/") and not n.endswith(".npz")) or n.endswith(".ipynb") or n in ("Dockerfile", "Makefile")),
    ]


@pytest.mark.parametrize("name", places())
def test_every_command_shown_exists_with_its_options(name: str) -> None:
    complaints = [f"futing {said}: {why}" for said in shown(text_of(name)) if (why := wrong(said))]
    assert complaints == []


def test_the_docs_show_the_commands() -> None:
    """A control, and a demand: each command is shown by some doc."""
    called = {tuple(said.split())[:2] for name in docs() for said in shown(text_of(name))}
    for path, command in program().items():
        if path and not isinstance(command, TyperGroup):
            assert any(call[: len(path)] == path for call in called), f"no doc shows `futing {' '.join(path)}`"


@pytest.mark.parametrize("path", sorted(p for p in program() if p and not isinstance(program()[p], TyperGroup)), ids=" ".join)
def test_a_commands_own_example_works(path: tuple[str, ...]) -> None:
    """Help shows an example; what it shows must be callable."""
    _, found, example = " ".join((program()[path].help or "").split()).partition("Example: ")
    example = example.partition("futing ")[2]  # behind the environment that it may need
    assert found, f"futing {' '.join(path)} --help shows no example"
    assert example.startswith(" ".join(path)) and wrong(example) is None, wrong(example)


# ── files and links ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def tree_of(name: str) -> list[str]:
    """Paths that the file tree of a README names: two spaces deeper is one folder deeper."""
    block = next(b for b in re.findall(r"```text\n(.*?)```", text_of(name), flags=re.S) if b.startswith("models/"))
    found, folders = [], []
    for line in block.splitlines():
        entry = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        folders = folders[:depth]
        found.append("".join(folders) + entry)
        if entry.endswith("/"):
            folders.append(entry)
    return found


@pytest.mark.parametrize("name", READMES)
def test_the_file_tree_names_only_what_exists(name: str) -> None:
    tree = tree_of(name)
    assert len(tree) > 40
    assert [entry for entry in tree if not ((ROOT / entry).is_dir() if entry.endswith("/") else (ROOT / entry).is_file())] == []
    assert all(len(line.split()) > 1 for line in re.findall(r"```text\nmodels/.*?```", text_of(name), flags=re.S)[0].splitlines()[1:-1]), "each with a purpose"


@pytest.mark.parametrize("name", READMES)
def test_the_file_tree_leaves_out_no_folder_at_the_top(name: str) -> None:
    top = {path.partition("/")[0] + ("/" if "/" in path else "") for path in tracked()}
    missing = {t for t in top if not t.startswith(".") and not t.startswith("README")} - set(tree_of(name))
    assert missing == set()


def test_both_readmes_draw_the_same_tree_and_point_at_the_same_pages() -> None:
    assert tree_of(READMES[0]) == tree_of(READMES[1])
    links = [set(re.findall(r"\]\(([^)]+)\)", text_of(name))) - set(READMES) for name in READMES]
    assert links[0] == links[1]


@pytest.mark.parametrize("name", [*docs(), *(n for n in tracked() if n.endswith(".ipynb"))])
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(name)):
        if "://" not in target and not target.startswith("#"):
            assert ((ROOT / name).parent / target.partition("#")[0]).exists(), f"{name} links to {target}, which is not there"


@pytest.mark.parametrize("name", docs())
def test_files_named_in_code_exist(name: str) -> None:
    """`models/…`, `flows/…`, `configs/…`, `tests/…`, `bench/…`, `docs/…` in inline code are paths of this repository."""
    named = re.findall(r"`(?:python )?((?:models|flows|configs|tests|bench|docs|notebooks)/[\w./-]*[\w/])(?=[`\s])", text_of(name))
    made = ("bench/out",)  # written by a command, never tracked
    assert [path for path in named if not (ROOT / path).exists() and not path.startswith(made)] == []


# ── settings and columns ────────────────────────────────────────────────────────────────────────────────────────────────────


def sections() -> dict[str, set[str]]:
    settings = Settings()
    return {
        f.name: {g.name for g in fields(getattr(settings, f.name)) if g.name != "folder"} for f in fields(settings) if is_dataclass(getattr(settings, f.name))
    }


@pytest.mark.parametrize("name", docs())
def test_settings_named_in_docs_exist(name: str) -> None:
    known = sections()
    pattern = r"`(" + "|".join(known) + r")\.([a-z_]+)`"
    assert [f"{section}.{key}" for section, key in re.findall(pattern, text_of(name)) if key not in known[section]] == []


def test_futing_yaml_holds_every_setting_with_its_default_and_a_comment() -> None:
    text = text_of("configs/futing.yaml")
    given = yaml.safe_load(text)
    for section, keys in sections().items():
        assert set(given[section]) == keys, f"configs/futing.yaml, {section}"
    assert parse_settings(text, ROOT / "configs" / "futing.yaml") == Settings(folder=ROOT / "configs")
    lines = text.splitlines()
    for number, line in enumerate(lines):
        assert not re.match(r" +\w+:", line) or lines[number - 1].lstrip().startswith("#"), f"configs/futing.yaml:{number + 1}: no comment above {line.strip()}"


def test_every_table_and_column_is_explained() -> None:
    said = text_of("docs/tables.md")
    parts = re.split(r"(?m)^## ", said)
    for table, schema in TABLES.items():
        part = next((p for p in parts if p.startswith(f"{table}\n")), "")
        explained = {name for row in re.findall(r"(?m)^\| (`[^|]+) \|", part) for name in re.findall(r"`(\w+)`", row)}
        assert set(schema.names) - explained == set(), f"docs/tables.md does not explain these columns of {table}"
        assert explained - set(schema.names) == set(), f"docs/tables.md explains columns that {table} does not have"


# ── nothing of a machine ────────────────────────────────────────────────────────────────────────────────────────────────────

FOREIGN = {
    "a home folder": r"(?<![\w.])/(?:home|Users|root)/\w",
    "a Windows home": r"[A-Z]:\\\\?Users\\",
    "a folder of one machine": r"(?<![\w.~-])/(?:work|mnt|media)/\w",
    "a package registry": r"https?://[^\s)\"']*(?:pypi|pythonhosted|artifactory|nexus|devpi|/simple\b)|(?:--|PIP_|UV_)(?:extra-)?index[-_]url",
    "a key": r"(?:ghp|hf|sk)_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----",
}


@pytest.mark.parametrize("what", sorted(FOREIGN))
def test_the_check_of_foreign_places_can_fail(what: str) -> None:
    example = {
        "a home folder": "see /home/" + "zhang/calls",
        "a Windows home": "C:" + "\\Users\\zhang",
        "a folder of one machine": "in /mnt/" + "disk1",
        "a package registry": "https://mirror.example/pypi" + "/simple",
        "a key": "hf_" + "a" * 24,
    }[what]
    assert re.search(FOREIGN[what], example)


def test_no_file_names_a_machine_a_registry_or_a_key() -> None:
    found = []
    for name in tracked():
        path = ROOT / name
        if "/vendor/" in name or path.stat().st_size > 2_000_000 or path.resolve() == Path(__file__).resolve():
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # sound and pictures
        found += [f"{name}:{text[: m.start()].count(chr(10)) + 1}: {what}: {m[0]}" for what, pattern in FOREIGN.items() for m in re.finditer(pattern, text)]
    assert found == []
