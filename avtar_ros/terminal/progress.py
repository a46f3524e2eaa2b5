"""Progress of long work, for people at a terminal; silent where there is none, or where the user wants it quiet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any, ClassVar

from tqdm import tqdm

from avtar_ros.terminal.names import printable, printable_lines

if TYPE_CHECKING:
    Bar = tqdm[Any]
else:
    Bar = tqdm


class Progress(Bar):
    """tqdm's progress bar, which shows on terminals alone, and never after `be_quiet`."""

    quiet: ClassVar[bool] = False

    def __init__(self, iterable: Iterable[Any] | None = None, desc: str | None = None, **settings: Any) -> None:
        settings["disable"] = True if self.quiet else settings.get("disable")  # None: where there is no terminal
        super().__init__(iterable, desc and printable(desc), **settings)

    @classmethod
    def remark(cls, text: str, file: IO[str] | None = None) -> None:
        """A line beside the bars, to standard output where no other file is given; none where it is to be quiet."""
        if not cls.quiet:
            cls.write(printable_lines(text), file)


def be_quiet() -> None:
    """No more bars and remarks in this process."""
    Progress.quiet = True
