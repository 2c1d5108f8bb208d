"""Each part of Gradio's insides that the page touches is there, and it is touched in one place."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gradio as gr
import gradio.mcp
import gradio_client.client
import httpx
import pytest
from fastapi import FastAPI
from gradio import processing_utils, queueing, route_utils, routes
from matting_client import Limits
from matting_ui import gradio_patches
from matting_ui.app import Door, mount_page
from matting_ui.context import Host, Studio
from matting_ui.early import EarlyHead
from matting_ui.editor import Editor
from matting_ui.site import Site
from matting_ui.store import Store
from matting_ui.visitors import Visitors
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

URL = "http://127.0.0.1:7860"
UI = Path(gradio_patches.__file__).parent


@pytest.fixture(scope="module")
def page() -> Any:
    async def make() -> Any:  # within a loop, or Gradio would leave one of its own behind
        with gr.Blocks(analytics_enabled=False) as made:
            gr.Button().click(lambda: None)
        made.queue()
        made.app = routes.App()
        return made

    return asyncio.run(make())


def test_the_page_has_what_is_replaced(page: Any) -> None:
    queue = page._queue
    assert inspect.iscoroutinefunction(page.process_api) and inspect.iscoroutinefunction(queue.push)
    given = list(inspect.signature(page.process_api).parameters)
    assert given[:5] == ["block_fn", "inputs", "state", "request", "iterator"] and "event_data" in given
    assert list(inspect.signature(queue.push).parameters) == ["body", "request", "username"]
    assert queue.get_events() is None and queue.event_queue_per_concurrency_id == {}
    assert page.has_launched is False and queue.process_time_per_fn == {}
    assert (queue.sleep_when_free, queue.progress_update_sleep_when_free) == (0.001, 0.01)
    assert "has_launched" in inspect.getsource(processing_utils._check_allowed)
    assert "get_blocks().process_api(" in inspect.getsource(route_utils.call_process_api)


def test_the_queue_is_looked_at_fifty_times_a_second(page: Any, tmp_path: Path) -> None:
    """A thousand times, as Gradio does it, is a twelfth of a core, for as long as the server runs."""
    gradio_patches.FairQueue(page, Visitors(tmp_path))
    looks = 0

    async def look() -> None:
        nonlocal looks
        sleep = asyncio.sleep

        async def counted(seconds: float) -> None:
            nonlocal looks
            looks += asyncio.current_task() is running  # threads of pages before this one may sleep, too
            await sleep(seconds)

        running = asyncio.create_task(page._queue.start_processing())
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(asyncio, "sleep", counted)
            await sleep(0.5)
            running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(look())
    assert 1 <= looks <= 26


def test_only_events_of_components_name_any() -> None:
    async def make() -> Any:
        with gr.Blocks(analytics_enabled=False) as made:
            gr.Button().click(lambda: None).then(lambda: None).success(lambda: None)
        gradio_patches.drop_empty_targets(made)
        return made.get_config_file()["dependencies"]

    first, *others = asyncio.run(make())
    assert len(first["targets"]) == 1 and [each["targets"] for each in others] == [[], []]
    assert [each["trigger_after"] for each in others] == [0, 1]


def test_lines_and_calls_say_what_turns_need() -> None:
    line = queueing.EventQueue("a", 2)
    assert (line.queue, line.concurrency_limit, line.current_concurrency) == ([], 2, 0)
    assert "request" in inspect.signature(queueing.Event.__init__).parameters
    assert vars(queueing.ProcessTime()) == {"process_time": 0, "count": 0, "avg_time": 0}


def test_uploads_are_received_as_gradio_does() -> None:
    given = list(inspect.signature(route_utils.upload_fn).parameters)
    assert given == ["request", "upload_dir", "max_file_size", "upload_id", "force_move", "upload_progress"]
    statuses = routes.file_upload_statuses
    statuses.set_done("over")
    statuses._signals["never sent"].clear()
    for _ in range(2):
        gradio_patches.forget_progress()
    assert statuses._statuses == {} and statuses._signals == {}
    assert issubclass(route_utils.MultiPartException, Exception)


def test_names_of_logins_tools_and_folders(page: Any) -> None:
    app = page.app
    assert app.auth is None and app.tokens == {} and app.cookie_id
    assert "access-token-unsecure-" in inspect.getsource(routes) and "mcp_server_obj" in inspect.getsource(routes)
    assert routes.DEFAULT_TEMP_DIR and gradio.mcp.DEFAULT_TEMP_DIR
    source = inspect.getsource(gradio.mcp)
    assert "self.tool_to_endpoint" in source and "self._local_url" in source
    assert "self.get_input_schema(" in source and "self.convert_strings_to_filedata(" in source
    assert "self._file_data_tool_description" in source and "self.mcp_server.request_context" in source
    assert "self.manager = manager" in source and "await self.asgi_app(" in inspect.getsource(
        StreamableHTTPSessionManager
    )
    assert "self._get_or_create_client" in source and "self._prepare_tool_call_args(" in source
    assert "self.process_input_files(" in inspect.getsource(gradio_client.client.Endpoint)
    assert "return [result]" in inspect.getsource(gradio.mcp.GradioMCPServer._execute_tool_without_progress)
    assert gr.EventData(None, {"a": 1})._data == {"a": 1}


def mounted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The page alone: nothing is cut out."""
    monkeypatch.setenv(gradio_patches.FOLDER_VARIABLE, str(folder))

    def unused(*_: object) -> Any:
        raise AssertionError("nothing is cut out here")

    host = Host(
        cut=unused,
        convert=unused,
        keep_output=unused,
        status=unused,
        model="matting_512",
        workers=1,
        limits=Limits(),
        clip_bytes=2**20,
    )
    return mount_page(FastAPI(), host, folder, lambda: None, Door(url=URL))


def test_the_page_is_made_before_the_first_visitor_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
    keep = EarlyHead._keep

    def note(early: EarlyHead, address: tuple[Any, ...], page: Any) -> None:
        keep(early, address, page)
        made.put_nowait(address)

    async def run() -> httpx.Response:
        site = mounted(tmp_path, monkeypatch)
        begin = [fn.concurrency_limit for fn in site._page.fns.values() if fn.name in ("add", "come_back")]
        assert begin == [1, 1]  # two at once would each begin a batch
        wishes: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        wishes.put_nowait({"type": "lifespan.startup"})

        async def told(message: Any) -> None:
            assert message["type"] in ("lifespan.startup.complete", "lifespan.shutdown.complete"), message

        life = asyncio.create_task(site({"type": "lifespan", "asgi": {"version": "3.0"}}, wishes.get, told))
        await asyncio.wait_for(made.get(), 60)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url=URL) as visitor:
            found = await visitor.get("/")
        wishes.put_nowait({"type": "lifespan.shutdown"})
        await life
        return found

    monkeypatch.setattr(EarlyHead, "_keep", note)
    assert "unet-matting" in asyncio.run(run()).text
    assert made.empty()


@pytest.mark.parametrize("kind", [Store, Studio, Editor, Visitors])
def test_opening_the_page_copies_nothing_that_is_kept(
    kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradio copies its configuration for everyone who opens the page, with all that a value of it leads to."""
    copied: list[object] = []

    def copy_it(self: object, _: dict[int, Any]) -> object:
        copied.append(self)
        return self

    monkeypatch.setattr(kind, "__deepcopy__", copy_it, raising=False)

    async def opened() -> httpx.Response:
        transport = httpx.ASGITransport(mounted(tmp_path, monkeypatch))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as visitor:
            return await visitor.get("/")

    assert "unet-matting" in asyncio.run(opened()).raise_for_status().text
    assert copied == []


@pytest.mark.parametrize("file", sorted(UI.rglob("*.py")), ids=lambda path: path.name)
def test_nothing_else_touches_them(file: Path) -> None:
    if file.name in ("gradio_patches.py", "gradio_tools.py"):
        return
    text = file.read_text(encoding="utf-8")
    assert re.findall(r"(?<!self)(?<!cls)\._(?!_)\w+", text) == []
    assert re.findall(r"^(?:from|import) gradio\.\w+.*", text, re.MULTILINE) == []


def test_neither_stubs_nor_plots_hold_anybody_up() -> None:
    """Stubs, for editors, are half of the import; where matplotlib is installed, the first call waits for it."""
    script = """
import sys
stubs = []
sys.addaudithook(lambda event, given: stubs.append(given) if event == "open" and ".pyi" in str(given[0]) else None)
import matting_ui.gradio_import
import gradio, inspect
assert not stubs, stubs
assert inspect.getfile(gradio.Textbox)

from gradio import route_utils
from matting_ui import gradio_patches
assert "with utils.MatplotlibBackendMananger()" in inspect.getsource(route_utils.call_process_api)
gradio_patches.import_no_plots()
with route_utils.utils.MatplotlibBackendMananger():
    assert "matplotlib" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
