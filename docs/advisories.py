"""Known advisories of what is installed: by what pip-audit was told, or, without a network, by a copy of OSV's.

    make audit                              # which runs pip-audit, and this on what it writes
    curl -O https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip     # wherever there is a network
    make audit ADVISORIES=all.zip

Exit code 1 where something installed has one, 2 where nothing could be asked. How old a copy is, is said.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from avtar_ros.terminal.command_line import show


def main(path: Path) -> int:
    """Print what is known of the packages of this Python, or what a report of pip-audit (.json) says of those it is of;
    returns the exit code."""
    return _of_report(path) if path.suffix == ".json" else _of_copy(path)


def _of_report(path: Path) -> int:
    """What the service does not know passes pip-audit: here it is named, and where it knows nothing that is a fault."""
    try:
        packages = json.loads(path.read_text())["dependencies"]
    except (OSError, ValueError, KeyError) as error:
        show(f"{path}: the service could not be asked ({error}). Without a network, see docs/security.md.", sys.stderr)
        return 2
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    told = [
        f"{package['name']} {package['version']}: {each['id']}: {each['description'].partition(chr(10))[0]}"
        for package in packages
        for each in package.get("vulns", [])
    ]
    for line in sorted(told):
        show(line)
    if unknown:
        show(f"not known to the service: {', '.join(sorted(unknown))}")
    show(f"{len(packages) - len(unknown)} of {len(packages)} packages: {len(told)} advisories apply")
    return 1 if told else 2 if len(unknown) == len(packages) else 0


def _of_copy(path: Path) -> int:
    installed = {str(canonicalize_name(found.name)): found.version for found in distributions()}
    newest, count, told = "", 0, []
    try:
        for advisory in read_advisories(path):
            newest, count = max(newest, str(advisory.get("modified", ""))), count + 1
            told += describe(advisory, installed)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        show(f"{path}: no copy of OSV's advisories ({error}). See docs/security.md for how to get one.", sys.stderr)
        return 2
    if not count:
        show(f"{path}: has no advisory of a Python package. See docs/security.md for how to get a copy.", sys.stderr)
        return 2
    for line in sorted(told):
        show(line)
    show(f"{len(installed)} packages against {count} advisories, the newest of {newest[:10]}: {len(told)} apply")
    return 1 if told else 0


def read_advisories(path: Path) -> Iterator[dict[str, Any]]:
    """Those that a zip file holds, each in a JSON file of its own (https://ossf.github.io/osv-schema)."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                advisory = json.loads(archive.read(name))
                if not advisory.get("withdrawn"):
                    yield advisory


def describe(advisory: Mapping[str, Any], installed: Mapping[str, str]) -> list[str]:
    """A line for each installed package, by its canonical name with its version, that an advisory is about."""
    lines = []
    for affected in advisory.get("affected", []):
        package = affected.get("package", {})
        name = str(canonicalize_name(package.get("name", "")))
        if package.get("ecosystem") == "PyPI" and name in installed and is_affected(affected, installed[name]):
            lines.append(f"{name} {installed[name]}: {advisory['id']}: {advisory.get('summary', 'no summary')}")
    return lines


def is_affected(affected: Mapping[str, Any], version: str) -> bool:
    """Whether a version is listed, or lies in a range. One that cannot be compared counts as affected."""
    if version in affected.get("versions", []):
        return True
    try:
        return any(
            _in_range(each["events"], Version(version))
            for each in affected.get("ranges", [])
            if each.get("type") == "ECOSYSTEM"
        )
    except InvalidVersion:
        return True


def _in_range(events: list[dict[str, str]], version: Version) -> bool:
    """Whether a version comes after one that introduces it, and before one that fixes it."""

    def place(event: dict[str, str]) -> Version:
        return Version(next(text for text in event.values()) if event != {"introduced": "0"} else "0.dev0")

    inside = False
    for event in sorted(events, key=place):
        if "introduced" in event and version >= place(event):
            inside = True
        elif ("fixed" in event and version >= place(event)) or ("last_affected" in event and version > place(event)):
            inside = False
    return inside


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
