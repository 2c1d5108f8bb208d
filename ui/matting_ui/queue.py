"""What a visitor is told when others are before them."""

from __future__ import annotations

from typing import Any

import gradio as gr
from fastapi import HTTPException
from starlette.status import HTTP_429_TOO_MANY_REQUESTS

from matting_ui.i18n import language, texts


def place(page: gr.Blocks, queue: str) -> int:
    """How many photos wait for a worker in a queue of the page; 0 when a new one is worked on at once."""
    found = page._queue.event_queue_per_concurrency_id.get(queue)
    if found is None or found.concurrency_limit is None or found.current_concurrency < found.concurrency_limit:
        return 0
    return len(found.queue) + 1


def refuse_kindly(page: gr.Blocks) -> None:
    """Tell visitors who find the queue full so in their language, with the place they would have.

    Gradio's own refusal, 503, has a fixed text, which is English; its Python client, which sends no language, knows it.
    """
    push = page._queue.push

    async def pushed(body: Any, request: Any, username: str | None) -> Any:
        answer = await push(body, request, username)
        spoken = request.headers.get("accept-language")
        if answer[2] == "queue_full" and spoken:
            text = texts(language(spoken))["busy_full"].format(place=len(page._queue) + 1, most=page._queue.max_size)
            raise HTTPException(HTTP_429_TOO_MANY_REQUESTS, text)
        return answer

    page._queue.push = pushed
