"""Names that come from outside, such as a recording's topics: as names of files, and as text on a terminal."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

LONGEST_FILE_NAME = 120
"""Characters; file systems take 255 bytes, and programs add endings."""
LONGEST_PRINTED = 300
_UNSAFE = re.compile(r"[^\w.+=@-]+", re.ASCII)


def file_name(text: str) -> str:
    """One name of a file or folder for `text`, whatever that is: never a path, hidden, empty or too long.

    Different texts get different names: what had to be changed gets a digest of the text.
    """
    safe = _UNSAFE.sub("_", text)[:LONGEST_FILE_NAME].lstrip(".")
    if safe == text and safe:
        return safe
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe or 'x'}-{digest}"


def kept_name(text: str) -> str:
    """What a file elsewhere is called, as the name of one of ours: as it is, in any script, or else by `file_name`."""
    whole = Path(text).name == text and text not in ("", "..") and text.isprintable()
    return text if whole and len(text.encode()) <= LONGEST_FILE_NAME else file_name(text)


def file_path(text: str) -> Path:
    """Folders and a file in them for the parts of `text` between slashes, each by `file_name`."""
    return Path(*(file_name(part) for part in text.split("/") if part))


def printable(text: str) -> str:
    """`text` in one line without anything that a terminal obeys, shortened where it is very long."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return shown if len(shown) <= LONGEST_PRINTED else f"{shown[:LONGEST_PRINTED]}…"


def printable_lines(text: str) -> str:
    """The same for a text of several lines, none shortened."""
    return "\n".join(
        "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape", "surrogatepass").decode() for c in x)
        for x in text.split("\n")
    )
