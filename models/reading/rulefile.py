"""A YAML file, in; its values with the line of every key, out — so that each refusal can say where.

The surprising choice: the file is composed to nodes and converted here, because plain YAML loading forgets lines and lets a key stand twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

Where = tuple[str | int, ...]  # keys and list indices from the top of the file


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong in a rule or lexicon file, where (1-based line), and how to mend it."""

    file: str
    line: int
    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" + (f" — {self.mend}" if self.mend else "")


@dataclass(frozen=True, slots=True)
class Document:
    """One file's values and the lines they stand in."""

    file: str
    value: object = field(repr=False)
    lines: dict[Where, int] = field(repr=False)

    def line(self, where: Where) -> int:
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path, name: str, problems: list[Problem]) -> Document | None:
    """Read one file; what is wrong is appended to `problems`. None where nothing can be used."""
    try:
        source = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(Problem(name, 1, f"not UTF-8 (byte {error.start})", "save the file as UTF-8"))
        return None
    lines: dict[Where, int] = {(): 1}
    loader = _Loader(source)
    try:
        node = loader.get_single_node()
        value = None if node is None else _value(loader, node, (), name, lines, problems, 0)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problems.append(
            Problem(name, mark.line + 1 if mark else 1, f"not YAML: {getattr(error, 'problem', None) or error}", "check quotes, colons and indentation")
        )
        return None
    except (ValueError, RecursionError, OverflowError) as error:
        problems.append(Problem(name, 1, f"a value that cannot be read: {error}", "put it in quotes"))
        return None
    finally:
        loader.dispose()
    return Document(name, value, lines)


def _value(loader: object, node: yaml.Node, where: Where, name: str, lines: dict[Where, int], problems: list[Problem], depth: int) -> object:
    lines.setdefault(where, node.start_mark.line + 1)
    if depth > 40:
        raise ValueError("nested more than 40 deep")
    if isinstance(node, yaml.MappingNode):
        out: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                problems.append(Problem(name, key_node.start_mark.line + 1, "a key that is a list or mapping", "keys are plain words"))
                continue
            at = (*where, key)
            if key in out:
                problems.append(Problem(name, key_node.start_mark.line + 1, f"'{key}' stands twice", "keep one of the two"))
            lines[at] = key_node.start_mark.line + 1
            out[key] = _value(loader, value_node, at, name, lines, problems, depth + 1)
        return out
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*where, i), name, lines, problems, depth + 1) for i, item in enumerate(node.value)]
    return loader.construct_object(node)  # type: ignore[attr-defined]
