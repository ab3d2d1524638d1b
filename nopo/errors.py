"""What can go wrong, as types: each message is one sentence that says what to do."""

from pathlib import Path


class NopoError(Exception):
    """Base of every error that nopo raises on purpose; the CLI prints it in one line, the page shows it."""


class PhotoError(NopoError):
    """A photo cannot be read or used."""


class MatteError(NopoError):
    """The person could not be told from the background."""


class WeightsError(NopoError):
    """A file of weights is missing, or is not the file it should be."""


class CheckpointError(WeightsError):
    """A checkpoint was found but does not fit the network."""


class AvatarError(NopoError):
    """An avatar file cannot be read."""


class MotionError(NopoError):
    """A motion cannot be read, or does not drive the skeleton."""


class BodyError(NopoError):
    """A body model is missing or malformed."""


class RenderError(NopoError):
    """Gaussians or cameras cannot be rendered."""


class ExportError(NopoError):
    """A result could not be written."""


class DependencyError(NopoError):
    """An optional package is needed for what was asked."""


class TrainingError(NopoError):
    """Training cannot start or go on."""


class Cancelled(NopoError):  # noqa: N818 (a wish of the user, not a fault)
    """The user stopped the work."""


NO_MEMORY = "There was not enough memory; give fewer or smaller pictures."


def no_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of the machine or of a GPU."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in said or "can't allocate memory" in said


def refused(error: OSError) -> str:
    """What the operating system refused, in one sentence with the file's name and not its whole path."""
    name = Path(error.filename).name if isinstance(error.filename, str) else "A file"
    return f"{name} could not be read or written: {error.strerror or type(error).__name__}."
