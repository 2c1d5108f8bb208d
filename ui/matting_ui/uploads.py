"""Takes uploads in: into the folder of the visitor who sent them, each under a name nobody can guess."""

from __future__ import annotations

import secrets
import shutil

import gradio as gr
from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from matting_ui.gradio_patches import UploadError, is_logged_in, receive_files
from matting_ui.visitors import Visitors

PATH = "/gradio_api/upload"


def take_uploads(app: FastAPI, page: gr.Blocks, visitors: Visitors, max_bytes: int) -> None:
    """Answer uploads, in the place of Gradio's own route, which puts everybody's into one folder.

    Parameters
    ----------
    app : what the page will be mounted on.
    page : knows who has logged in.
    visitors : where each one's files go.
    max_bytes : of one file.
    """

    @app.post(PATH)
    async def upload(request: Request, upload_id: str | None = None) -> JSONResponse:
        if not is_logged_in(page, request):
            return refusal(401, "auth_failed", "Not logged in", "log in on the page first")
        folder = visitors.folder(visitors.name(request)) / secrets.token_hex(16)
        try:
            folder.mkdir(parents=True)
            return JSONResponse(await receive_files(request, folder, max_bytes, upload_id))
        except UploadError as error:
            await to_thread.run_sync(shutil.rmtree, folder, True)
            code = "file_too_large" if error.status == 413 else "invalid_request"
            return refusal(error.status, code, "Upload cannot be taken", str(error))
        except BaseException:
            await to_thread.run_sync(shutil.rmtree, folder, True)
            raise


def refusal(status: int, code: str, title: str, detail: str) -> JSONResponse:
    """An error in the form that the API has."""
    return JSONResponse({"errors": [{"title": title, "code": code, "detail": detail}]}, status)
