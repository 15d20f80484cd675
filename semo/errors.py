"""Errors whose message is meant for the user: one sentence saying what, where and what to do."""


class MediaError(ValueError):
    """A video, sound or picture cannot be read or written."""


class WriteError(MediaError):
    """The file system refused a write (full disk, no permission): going on with other files will not help."""


class DatasetError(ValueError):
    """A data set or network is not as its entry in the configuration says."""
