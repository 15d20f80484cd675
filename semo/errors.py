"""Errors whose message is meant for the user: one sentence saying what, where and what to do."""


class MediaError(ValueError):
    """A video, sound or picture cannot be read or written."""
