"""What can go wrong.

    MattingError
    ├── InputError          a photo cannot be used: not a picture, damaged, too large
    │   ├── TooLarge            more bytes or pixels than are accepted
    │   ├── NoFace              for an ID photo: nobody faces the camera
    │   └── SeveralFaces        for an ID photo: more than one person does
    ├── OptionError         an option has a value it cannot have
    ├── OutputError         a result cannot be written
    │   └── Unstorable          nor ever can: its format, its options or its name do not allow it
    └── EngineError         the model did not answer
        ├── ModelError          it refused the request: unknown model, wrong shape
        ├── ServerBusy          its queue is full; try again later
        └── ServerUnavailable   no server answers at the address

Every error has fields, and its text is one line of them: what came, what was expected and what to do. Its `code` is
what programs know it by; REST answers with it, so that codes stay as they are.
"""

from __future__ import annotations

from copy import copy
from typing import Self, overload


class MattingError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    subject : what the error is about, such as a file, an option or a server's address; "" where the rest says it.
    got, expected : what came, and what should have come instead.
    remedy : what to do.
    problem : what is wrong, in place of `got` and `expected`, where nothing came: "cannot be read (No such file)".

    Attributes
    ----------
    code : of the class, the same in the REST API and on the page.

    Examples
    --------
    >>> print(MattingError("a.txt", "no known picture format", "JPEG or PNG", "convert it first"))
    a.txt: got no known picture format, expected JPEG or PNG; convert it first
    >>> print(MattingError("a.png", problem="cannot be read (Permission denied)", remedy="check the path"))
    a.png: cannot be read (Permission denied); check the path
    """

    code = "internal_error"

    @overload
    def __init__(self, subject: object, got: object, expected: object = "", remedy: object = "") -> None: ...
    @overload
    def __init__(self, subject: object, *, problem: object, remedy: object = "") -> None: ...
    def __init__(
        self, subject: object, got: object = "", expected: object = "", remedy: object = "", problem: object = ""
    ) -> None:
        self.subject = str(subject)
        self.got = str(got)
        self.expected = str(expected)
        self.remedy = str(remedy)
        self.problem = str(problem)
        # Plain texts, in the order of the parameters: errors travel between processes.
        super().__init__(self.subject, self.got, self.expected, self.remedy, self.problem)

    def __str__(self) -> str:
        got = f"got {self.got}" if self.got else ""
        expected = f"expected {self.expected}" if self.expected else ""
        problem = self.problem or ", ".join(part for part in (got, expected) if part)
        text = ": ".join(part for part in (self.subject, problem) if part)
        return "; ".join(part for part in (text, self.remedy) if part)

    def replace(self, **fields: str) -> Self:
        """The same error with some of its fields replaced."""
        replaced = copy(self)
        vars(replaced).update(fields)
        return replaced

    def about(self, subject: str) -> Self:
        """The same error, its subject preceded by the photo it happened with: "photo.jpg: 127.0.0.1:8001"."""
        if subject == self.subject:
            return self
        return self.replace(subject=": ".join(part for part in (subject, self.subject) if part))


def shown(value: object) -> str:
    """The beginning of a value on one line, as errors show it."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than some thousand digits
        return "a number of thousands of digits"
    return " ".join(text.split())[:70]


class InputError(MattingError):
    """A photo cannot be used."""

    code = "invalid_image"


class TooLarge(InputError):
    """A photo has more bytes or pixels than are accepted."""

    code = "file_too_large"


class NoFace(InputError):
    """A photo for an ID photo shows no face."""

    code = "no_face"


class SeveralFaces(InputError):
    """A photo for an ID photo shows more than one face."""

    code = "several_faces"


class OptionError(MattingError, ValueError):
    """An option has a value it cannot have.

    Parameters
    ----------
    option : its name, "crop_margin"; by default the subject's first word without dashes: "--port 80" is about "port".
    """

    code = "invalid_parameter"

    @overload
    def __init__(
        self, subject: object, got: object, expected: object = "", remedy: object = "", *, option: str | None = None
    ) -> None: ...
    @overload
    def __init__(self, subject: object, *, problem: object, remedy: object = "", option: str | None = None) -> None: ...
    def __init__(
        self,
        subject: object,
        got: object = "",
        expected: object = "",
        remedy: object = "",
        problem: object = "",
        *,
        option: str | None = None,
    ) -> None:
        MattingError.__init__(self, subject, got, expected, remedy, problem)  # type: ignore[call-overload]
        first_word = self.subject.partition(" ")[0]
        self.option = first_word.lstrip("-").replace("-", "_") if option is None else option


class OutputError(MattingError):
    """A result cannot be written."""

    code = "invalid_parameter"


class Unstorable(OutputError):
    """A result cannot be stored however often it is tried: its format, its options or its name do not allow it."""


class EngineError(MattingError):
    """The model did not answer.

    Attributes
    ----------
    answered : whether the server has ended the request, so that it will not touch its shared memory any more.
    """

    answered = False


class ModelError(EngineError):
    """The request was refused and will be refused again."""

    code = "model_unavailable"
    answered = True


class ServerBusy(EngineError):
    """The server's queue is full."""

    code = "server_busy"
    answered = True


class ServerUnavailable(EngineError):
    """No server answers at the address, or the model's process has died."""

    code = "server_unavailable"
