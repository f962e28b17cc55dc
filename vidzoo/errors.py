"""The errors that vidzoo raises on bad input; standard library only.

A message names the file, what was found, what was expected and what to do. The
command line turns a `UsageError` into exit code 2 and every other one into 1.
"""


class VidzooError(Exception):
    """Base of every error that bad input, rather than a defect, causes."""


class UsageError(VidzooError):
    """A flag, or a name the user chose, is not one that vidzoo knows."""


class WeightsError(VidzooError):
    """A weights file is damaged, or belongs to another network or variant."""


class VideoError(VidzooError):
    """A video cannot be opened, is cut short, or holds no frame."""


class PictureError(VidzooError):
    """A picture cannot be opened, is damaged, or is no picture."""


class RecordError(VidzooError):
    """A records folder is missing, incomplete, altered, or made otherwise."""


class SourceError(VidzooError):
    """A data set on disk is not laid out as its source expects."""


class FlowError(VidzooError):
    """Optical flow is missing or cannot be read or computed."""


class CheckpointError(VidzooError):
    """A run folder or checkpoint is missing, damaged, or of another model."""


class IndexFileError(VidzooError):
    """A retrieval index is damaged or was made by another network."""
