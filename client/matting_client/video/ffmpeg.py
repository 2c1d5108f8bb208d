"""FFmpeg, by way of PyAV, which is installed with the extra `video`."""

from __future__ import annotations

from typing import Any

from matting_client.errors import OptionError


def import_av() -> Any:
    """PyAV.

    Raises
    ------
    OptionError
        It is not installed.
    """
    try:
        import av
    except ImportError:
        raise OptionError("", problem="video needs PyAV", remedy="pip install 'matting-client[video]'") from None
    return av


def failures() -> tuple[type[Exception], ...]:
    """What reading and writing clips may raise; not all errors of FFmpeg are an OSError or a ValueError.

    Raises
    ------
    OptionError
        As of `import_av`.
    """
    return (import_av().error.FFmpegError, OSError, ValueError)


def reason_of(error: Exception) -> str:
    """What FFmpeg or the system says, in few words."""
    return getattr(error, "strerror", None) or str(error)
