"""One MCAP file out of several that declare the same topics, each appended as soon as it is there.

    joined = JoinedMcap(Path("joined.mcap"))
    with closing(joined):
        joined.begin()
        joined.add(Path("000000.mcap"))   # copied in a thread of its own
        joined.add(Path("000001.mcap"))
        joined.finish()                   # without this, nothing is left
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from avtar_ros.replay.mcap_file import McapFile


class JoinedMcap:
    """The chunks of the files added, and an index over all of them; attachments and metadata are left out."""

    def __init__(self, path: Path) -> None:
        """The file will be at `path`, whose folder must exist."""
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._copies: list[Future[None]] = []

    def begin(self) -> None:
        """Begin the file; raises OSError."""
        self._file = self._partial.open("wb")
        self._mcap = McapFile(self._file)
        self._worker = ThreadPoolExecutor(1, "join")

    def add(self, path: Path) -> None:
        """Have a file's chunks appended, in the order of these calls."""
        self._copies.append(self._worker.submit(self._mcap.copy_chunks, path))

    def finish(self) -> None:
        """Complete the file, which then takes its name; raises OSError, also where appending has failed."""
        for copy in self._copies:
            copy.result()
        self._mcap.complete()
        self._file.close()
        self._partial.replace(self._path)

    def close(self) -> None:
        """Let go of the file, which is removed where it is not finished."""
        self._worker.shutdown(cancel_futures=True)
        self._file.close()
        self._partial.unlink(missing_ok=True)
