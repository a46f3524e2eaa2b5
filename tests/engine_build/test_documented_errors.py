"""The table of errors in docs/jetson.md holds every message that the code can raise, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = ("engine_build/**/*.py", "avtar_ros/engines/*.py", "avtar_ros/model_card.py", "avtar_ros/json_records.py")
BLANK = "…"


def template(node: ast.expr) -> str:
    """A string as the source has it, with blanks for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(template, node.values))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else BLANK


def trees(repository: Path) -> Iterator[tuple[str, ast.Module]]:
    for pattern in SOURCES:
        for path in sorted(repository.glob(pattern)):
            yield path.name, ast.parse(path.read_text(encoding="utf-8"))


def raised(repository: Path) -> dict[str, str]:
    """Where each message is raised; a message that is handed on from elsewhere has no words of its own."""
    found = {}
    for name, tree in trees(repository):
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                message = template(node.exc.args[0])
                if re.search("[a-z]", message):
                    found[f"{name}:{node.lineno}"] = message
    return found


def written(repository: Path) -> list[str]:
    """Every string of the sources."""
    nodes = (node for _, tree in trees(repository) for node in ast.walk(tree))
    return [template(node) for node in nodes if isinstance(node, ast.JoinedStr | ast.Constant)]


@pytest.fixture(scope="module")
def documented(repository: Path) -> dict[str, re.Pattern[str]]:
    """What the first column of the tables says, as patterns."""
    text = (repository / "docs" / "jetson.md").read_text(encoding="utf-8")
    section = text.partition("## What can go wrong")[2]
    cells = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
    excerpts = [excerpt for cell in cells for excerpt in re.findall(r"`([^`]+)`", cell)]
    assert len(excerpts) == len(set(excerpts)) > 40
    return {each: re.compile(".*".join(map(re.escape, each.split(BLANK))), re.DOTALL) for each in excerpts}


def test_every_error_is_in_the_table(repository: Path, documented: dict[str, re.Pattern[str]]) -> None:
    messages = raised(repository)
    assert len(messages) > 60
    missing = {
        where: message
        for where, message in messages.items()
        if not any(pattern.search(message) for pattern in documented.values())
    }
    assert missing == {}


def test_the_table_has_no_error_that_the_code_has_not(
    repository: Path, documented: dict[str, re.Pattern[str]]
) -> None:
    strings = written(repository)
    assert [excerpt for excerpt, pattern in documented.items() if not any(map(pattern.search, strings))] == []
