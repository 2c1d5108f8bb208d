"""All that touches Gradio's insides: whatever a new version of it may move is here, and one test names each part.

`pyproject.toml` holds Gradio to the version that this was written for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# Gradio reads these when it is imported or when components are made; it would report usage to its makers otherwise.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import gradio as gr
from fastapi import FastAPI, HTTPException
from gradio import route_utils, routes
from gradio.route_utils import MultiPartException
from matting_client import InputError
from starlette.requests import HTTPConnection, Request
from starlette.routing import Mount

from matting_ui.context import shown
from matting_ui.visitors import Visitors


def check_files(page: gr.Blocks, visitors: Visitors) -> None:
    """Let the page's calls name files of their own visitor only.

    Every call passes here, of the page, a program or a tool: Gradio itself checks paths of pages that it has launched,
    not of those that are mounted.
    """
    process = page.process_api

    async def checked(
        block_fn: Any,
        inputs: list[Any],
        state: Any = None,
        request: Any = None,
        iterator: Any = None,
        event_data: gr.EventData | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        if iterator is None:  # a call that goes on was checked when it began
            try:
                visitor = visitors.name(sender(request))
                visitors.check(visitor, [inputs, event_data._data if event_data else None])
            except InputError as error:
                raise shown(error, request) from None
        answer: dict[str, Any] = await process(
            block_fn, inputs, state, request, iterator, event_data=event_data, **more
        )
        return answer

    page.process_api = checked


def sender(request: Any) -> HTTPConnection:
    """The request of the server that Gradio's stands for."""
    inner = getattr(request, "request", None)
    found = inner if isinstance(inner, HTTPConnection) else request
    if not isinstance(found, HTTPConnection):
        raise InputError("photo: got a call from nobody, expected a request")
    return found


def act_as_launched(page: gr.Blocks, parent: FastAPI) -> None:
    """Set what Gradio sets on pages that it has launched itself: its own check of paths, and the app that serves it."""
    page.has_launched = True
    page.app = next(route.app for route in parent.routes if isinstance(route, Mount))


async def receive_files(request: Request, folder: Path, max_bytes: int, upload_id: str | None) -> list[str]:
    """Write a form's files below a folder, as Gradio does, with the progress that the page shows; returns their paths.

    Raises
    ------
    UploadError
        The form is none, or a file is larger than `max_bytes`.
    """
    try:
        paths, moved, _ = await route_utils.upload_fn(
            request,
            str(folder),
            max_bytes,
            upload_id,
            upload_progress=routes.file_upload_statuses if upload_id else None,
        )
    except MultiPartException as error:
        raise UploadError(413 if "maximum allowed size" in error.message else 400, error.message) from None
    except (HTTPException, TypeError) as error:
        raise UploadError(400, str(getattr(error, "detail", "got no file in the field files"))) from None
    finally:
        if upload_id:
            routes.file_upload_statuses.set_done(upload_id)
    if moved:
        raise OSError(f"{folder}: got files that could not be renamed")
    return [str(path) for path in paths]


class UploadError(Exception):
    """An upload that cannot be taken, with the status to answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def is_logged_in(page: gr.Blocks, request: HTTPConnection) -> bool:
    """Whether the page is open to whoever sent a request."""
    app = page.app
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return app.auth is None or any(app.tokens.get(request.cookies.get(name)) is not None for name in names)
