"""What a visitor is told when others are before them."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.texts import language, texts


def place(page: gr.Blocks, queue: str) -> int:
    """How many photos wait for a worker in a queue of the page; 0 when a new one is worked on at once."""
    found = page._queue.event_queue_per_concurrency_id.get(queue)
    if found is None or found.concurrency_limit is None or found.current_concurrency < found.concurrency_limit:
        return 0
    return len(found.queue) + 1


def refuse_kindly(page: gr.Blocks) -> None:
    """Tell whoever finds the queue full so in their language, with the place they would have."""
    push = page._queue.push

    async def pushed(body: Any, request: Any, username: str | None) -> Any:
        accepted, answer, kind = await push(body, request, username)
        if kind == "queue_full":
            words = texts(language(request.headers.get("accept-language", "")))
            answer = words["busy_full"].format(place=len(page._queue) + 1, most=page._queue.max_size)
        return accepted, answer, kind

    page._queue.push = pushed
