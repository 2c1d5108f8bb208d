"""The page's functions as tools of the Model Context Protocol: what of Gradio's server for them is changed.

As it is, it asks for web addresses, which the page refuses, takes no lists of files, tells several results as one,
takes photos of 3 MB at most, and keeps them beside the bounds of uploads.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import gradio as gr
import matting_client

from matting_ui.tool_files import FILE_ADDRESS, ToolFiles


def limit_tools(page: gr.Blocks, tools: Mapping[str, str], url: str, uploads: ToolFiles) -> None:
    """Offer some of a page's functions as tools, which take files as data: addresses, and call them at an address.

    Parameters
    ----------
    page : mounted with `mcp_server=True`.
    tools : their names, and those of the functions.
    url : of this server; Gradio would call the one that the headers of the first request name.
    uploads : takes the files.

    Raises
    ------
    RuntimeError
        Gradio could not make the server.
    """
    server: Any = page.mcp_server_obj
    if server is None:
        raise RuntimeError(f"MCP: {getattr(page, 'mcp_error', 'no server')}")
    server.tool_to_endpoint = {name: f"/{function}" for name, function in tools.items()}
    server._local_url = url
    server.mcp_server.version = matting_client.__version__  # the protocol's package would name its own
    server.manager.asgi_app.max_body_size = sys.maxsize  # whoever stands before it counts bodies
    schema_of = server.get_input_schema

    def input_schema(name: str, parameters: dict[str, str] | None = None) -> tuple[dict[str, Any], list[Any]]:
        schema, places = schema_of(name, parameters)
        for place in places:
            if "$defs" not in place:
                _ask_for_data(schema["properties"], place)
        return schema, places

    def converted(values: dict[str, Any], places: list[list[Any]]) -> dict[str, Any]:
        files = {place[0] for place in places}
        uploads.begin()
        return {name: uploads.taken(name, value) if name in files else value for name, value in values.items()}

    server.get_input_schema = input_schema
    server.convert_strings_to_filedata = converted
    _wait_for_jobs(server, uploads)
    _call_as_one_visitor(server, uploads)
    type(server)._file_data_tool_description = ""  # tells of a way to upload that there is not


def _ask_for_data(properties: dict[str, Any], place: list[Any]) -> None:
    """Correct a file in a tool's schema: Gradio asks for web addresses, and of lists refers to what it has removed."""
    properties[place[0]].pop("$defs", None)
    file = properties
    for step in place:
        file = file[step]
    for key in ("$ref", "format", "title"):
        file.pop(key, None)
    file.update(type="string", description=FILE_ADDRESS)


def _wait_for_jobs(server: Any, uploads: ToolFiles) -> None:
    """Let the files of a call go when it is over; of its outputs Gradio takes several for one."""
    waited = server._execute_tool_without_progress
    watched = server._execute_tool_with_progress

    async def outputs(job: Any) -> list[Any]:
        with uploads.gone_afterwards():
            (result,) = await waited(job)
        return list(result) if isinstance(result, list | tuple) else [result]

    async def outputs_told_of(job: Any, token: Any) -> Any:
        with uploads.gone_afterwards():
            return await watched(job, token)

    server._execute_tool_without_progress = outputs
    server._execute_tool_with_progress = outputs_told_of


def _call_as_one_visitor(server: Any, uploads: ToolFiles) -> None:
    """Let the client through which Gradio calls this server be the visitor whose the files are, whoever asks."""
    connected = server._get_or_create_client
    prepared = server._prepare_tool_call_args

    def client() -> Any:
        found = connected()
        found.cookies.update(uploads.cookies)
        for endpoint in found.endpoints.values():
            endpoint.process_input_files = lambda *data: data  # they are where it would upload them to
        return found

    def arguments(name: str, values: dict[str, Any]) -> tuple[Any, ...]:
        endpoint, processed, headers, function = prepared(name, values)
        return endpoint, processed, {key: value for key, value in headers.items() if key != "cookie"}, function

    server._get_or_create_client = client
    server._prepare_tool_call_args = arguments
