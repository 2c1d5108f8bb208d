"""Imports Gradio in half the time, where this is imported before Gradio is.

At every import Gradio writes a stub for editors beside each of its components, which takes 3 of its 6 s; and one beside
each of ours. It leaves out what lies in no file.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def components_in_no_file() -> Iterator[None]:
    """Let no stub be written for the components that are defined within."""
    find_file = inspect.getfile

    def find(found: Any) -> str:
        if isinstance(found, type) and found.__module__.startswith(("gradio.", "matting_ui.")):
            raise OSError
        return find_file(found)

    setattr(inspect, "getfile", find)  # noqa: B010 - mypy knows the function as it was
    try:
        yield
    finally:
        setattr(inspect, "getfile", find_file)  # noqa: B010


with components_in_no_file():
    import gradio  # noqa: F401
