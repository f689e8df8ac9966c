"""Every exception this package raises on purpose.

The text of each is one line: what was expected, what came, what to do. The command line prints it and
exits with code 2; nothing else in the package prints errors.
"""


class UnrolledError(Exception):
    """The root of all errors raised on purpose; catch it to catch them all."""


class EquationError(UnrolledError, ValueError):
    """Equations that cannot be read or do not fit together; names the file, line and column."""


class ShapeError(UnrolledError, ValueError):
    """A tensor, state or size that does not fit the layer it was given to."""


class SettingError(UnrolledError, ValueError):
    """An option, name or argument outside what is allowed."""


class DataError(UnrolledError, ValueError):
    """Data that cannot be used as it is; names the file, and the line where there is one."""


class FolderError(UnrolledError):
    """A run or model folder that is missing, incomplete, too new, or cannot be written."""


class EngineError(UnrolledError, RuntimeError):
    """An engine was named that cannot run this cell, device or dtype; says why."""


class MissingExtra(UnrolledError, ImportError):
    """An optional package is not installed; the text holds the pip line that installs it."""
