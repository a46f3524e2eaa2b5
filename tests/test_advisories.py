"""`make audit` without a network: advisories from a copy of OSV's, about what is installed."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def advisories() -> ModuleType:
    spec = importlib.util.spec_from_file_location("advisories", ROOT / "docs/advisories.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def advisory(package: str, *events: dict[str, str], **more: Any) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}]
    affected = [{"package": {"name": package, "ecosystem": "PyPI"}, "ranges": ranges}]
    return {"id": f"X-{package}", "modified": "2026-01-02T00:00:00Z", "summary": "bad", "affected": affected, **more}


def write(path: Path, *found: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, each in enumerate(found):
            archive.writestr(f"{number}.json", json.dumps(each))
    return path


@pytest.mark.parametrize(("events", "found", "affected"), [
    ([{"introduced": "0"}], "0.1.dev3", True),
    ([{"introduced": "0"}, {"fixed": "2.0"}], "1.9.9", True),
    ([{"introduced": "0"}, {"fixed": "2.0"}], "2.0", False),
    ([{"introduced": "0"}, {"fixed": "2.0"}], "2.0rc1", True),
    ([{"introduced": "1.5"}, {"last_affected": "1.7"}], "1.7", True),
    ([{"introduced": "1.5"}, {"last_affected": "1.7"}], "1.7.1", False),
    ([{"introduced": "3"}, {"fixed": "3.2"}, {"introduced": "0"}, {"fixed": "1.1"}], "3.1", True),
    ([{"introduced": "3"}, {"fixed": "3.2"}, {"introduced": "0"}, {"fixed": "1.1"}], "2.9", False),
    ([{"introduced": "1.10"}], "1.9", False),
    ([{"introduced": "0"}, {"fixed": "2.0"}], "no version", True),
])
def test_versions_are_compared_as_versions(
    advisories: ModuleType, events: list[dict[str, str]], found: str, affected: bool
) -> None:
    assert bool(advisories.describe(advisory("Some.Thing", *events), {"some-thing": found})) == affected


def test_what_is_installed_is_named_with_its_advisory(
    advisories: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = {"introduced": "0"}
    others = [advisory("nobody-has-this", whole), advisory("numpy", whole, withdrawn="x")]
    assert advisories.main(write(tmp_path / "all.zip", advisory("NumPy", whole), *others)) == 1
    line, total = capsys.readouterr().out.splitlines()
    assert line == f"numpy {version('numpy')}: X-NumPy: bad"
    assert total.endswith("against 2 advisories, the newest of 2026-01-02: 1 apply")
    assert advisories.main(write(tmp_path / "none.zip", others[0])) == 0


def test_what_is_no_copy_is_said_and_is_no_clean_bill(
    advisories: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "noise.zip").write_bytes(b"noise")
    for path in (tmp_path / "missing.zip", tmp_path / "noise.zip", write(tmp_path / "empty.zip")):
        assert advisories.main(path) == 2
        assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(("packages", "code", "said"), [
    ([("a", "1", []), ("b", "2", None)], 0, ["not known to the service: b", "1 of 2 packages: 0 advisories apply"]),
    ([("a", "1", [{"id": "X", "description": "bad\nlong"}])], 1,
     ["a 1: X: bad", "1 of 1 packages: 1 advisories apply"]),
    ([("a", "1", None), ("b", "2", None)], 2,
     ["not known to the service: a, b", "0 of 2 packages: 0 advisories apply"]),
])
def test_of_pip_audits_report_what_could_not_be_asked_is_no_clean_bill(
    advisories: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    packages: list[tuple[str, str, Any]], code: int, said: list[str],
) -> None:
    found = [
        {"name": name, "skip_reason": "not found"} if vulns is None
        else {"name": name, "version": version, "vulns": vulns}
        for name, version, vulns in packages
    ]
    report = tmp_path / "audit.json"
    report.write_text(json.dumps({"dependencies": found}))
    assert advisories.main(report) == code
    assert capsys.readouterr().out.splitlines() == said
    report.unlink()
    assert advisories.main(report) == 2
    assert "the service could not be asked" in capsys.readouterr().err
