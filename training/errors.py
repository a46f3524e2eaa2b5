"""The one exception type of the training package."""

from avtar_ros.errors import AvtarError


class TrainingError(AvtarError):
    """Something the user can put right: the message names what is wrong, where, and what to do next."""
