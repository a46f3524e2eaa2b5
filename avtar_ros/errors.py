"""What can go wrong by a user's doing, on the robot side."""


class AvtarError(Exception):
    """A fault the user can mend; the message says what is wrong, where, and what to do."""


class ImageError(AvtarError):
    """An image message that cannot be made sense of."""
