"""The one exception type of the training package."""


class TrainingError(Exception):
    """Something the user can put right: the message names what is wrong, where, and what to do next."""
