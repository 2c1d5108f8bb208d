"""What can go wrong.

    MattingError
    ├── InputError          a photo cannot be used: not a picture, damaged, too large
    ├── OptionError         an option has a value it cannot have
    ├── OutputError         a result cannot be written
    └── EngineError         the model did not answer
        ├── ModelError          it refused the request: unknown model, wrong shape
        ├── ServerBusy          its queue is full; try again later
        └── ServerUnavailable   no server answers at the address

Every message is one line that says what came, what was expected and what to do.
"""

from __future__ import annotations


class MattingError(Exception):
    """Base of all errors of this package."""


class InputError(MattingError):
    """A photo cannot be used."""


class OptionError(MattingError, ValueError):
    """An option has a value it cannot have."""


class OutputError(MattingError):
    """A result cannot be written."""


class EngineError(MattingError):
    """The model did not answer."""


class ModelError(EngineError):
    """The request was refused and will be refused again."""


class ServerBusy(EngineError):
    """The server's queue is full."""


class ServerUnavailable(EngineError):
    """No server answers at the address."""
