"""What can go wrong when an engine is built, checked or measured."""


class BuildError(Exception):
    """Something the user can put right: the message names what is wrong, where, and what to do next."""


class VerificationError(BuildError):
    """An engine that runs, but gives other maps than its model: it must not be used."""
