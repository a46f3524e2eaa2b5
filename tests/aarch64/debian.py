"""Packages of Debian, unpacked into a folder: what they need comes along, nothing is installed."""

from __future__ import annotations

import hashlib
import lzma
import re
import subprocess
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path

MIRROR = "http://deb.debian.org/debian/"
RELEASE = "trixie"


def unpack(folder: Path, architecture: str, packages: Sequence[str]) -> None:
    """Unpack `packages` of an architecture and all that they depend on; once, as a marked folder is whole."""
    mark = folder / ".whole"
    if mark.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    index = _index(architecture)
    wanted, seen = list(packages), set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen or name not in index:  # seen, or a virtual package
            continue
        seen.add(name)
        _unpack(folder, index[name])
        wanted += re.findall(r"(?:^|, )([a-z0-9][a-z0-9.+-]*)", index[name].get("Depends", ""))
    mark.touch()


def _index(architecture: str) -> dict[str, dict[str, str]]:
    """The fields of each package, by its name."""
    raw = _fetched(f"dists/{RELEASE}/main/binary-{architecture}/Packages.xz")
    texts = lzma.decompress(raw).decode().split("\n\n")
    entries = (dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", text, re.M)) for text in texts)
    return {entry["Package"]: entry for entry in entries if entry}


def _unpack(folder: Path, package: dict[str, str]) -> None:
    raw = _fetched(package["Filename"])
    if hashlib.sha256(raw).hexdigest() != package["SHA256"]:
        raise SystemExit(f"{package['Filename']} is not what Debian's index says. Run it again.")
    with tempfile.NamedTemporaryFile(suffix=".deb") as file:
        file.write(raw)
        file.flush()
        subprocess.run(["dpkg-deb", "-x", file.name, str(folder)], check=True)


def _fetched(path: str) -> bytes:
    with urllib.request.urlopen(MIRROR + path, timeout=60) as answer:
        raw: bytes = answer.read()
    return raw
