"""What can go wrong by a user's doing."""

from typing import ClassVar


class AvtarError(Exception):
    """A fault the user can mend; the message says what is wrong, where, and what to do.

    Every package has its own below this one, so that one `except` at the edge of a program serves for all.
    """

    exit_code: ClassVar[int] = 1
    """What a command ends with that fails by it."""


class ImageError(AvtarError):
    """An image message that cannot be made sense of."""
