"""The page's functions as tools of the Model Context Protocol: what of Gradio's server for them is changed.

As it is, it asks for web addresses, which the page refuses, takes no lists of files, and tells several results as one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
import matting_client

FILE_ADDRESS = "A file as a data: address, such as data:image/jpeg;base64,/9j/4AAQ..."
_DATA = re.compile(r"data:[^,]{0,200};base64,")


def limit_tools(page: gr.Blocks, tools: Mapping[str, str], url: str) -> None:
    """Offer some of a page's functions as tools, which take files as data: addresses, and call them at an address.

    Parameters
    ----------
    page : mounted with `mcp_server=True`.
    tools : their names, and those of the functions.
    url : of this server; Gradio would call the one that the headers of the first request name.

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
    schema_of, convert = server.get_input_schema, server.convert_strings_to_filedata

    def input_schema(name: str, parameters: dict[str, str] | None = None) -> tuple[dict[str, Any], list[Any]]:
        schema, places = schema_of(name, parameters)
        for place in places:
            if "$defs" not in place:
                _ask_for_data(schema["properties"], place)
        return schema, places

    def converted(values: dict[str, Any], places: list[list[Any]]) -> dict[str, Any]:
        files = {place[0] for place in places}
        return {name: _file_of(name, value, convert) if name in files else value for name, value in values.items()}

    waited = server._execute_tool_without_progress

    async def outputs(job: Any) -> list[Any]:  # Gradio takes several for one
        (result,) = await waited(job)
        return list(result) if isinstance(result, list | tuple) else [result]

    server.get_input_schema, server.convert_strings_to_filedata = input_schema, converted
    server._execute_tool_without_progress = outputs
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


def _file_of(name: str, value: Any, convert: Callable[[Any, list[list[Any]]], Any]) -> Any:
    """A tool's argument with files for data: addresses; Gradio takes none that stand in a list.

    Raises
    ------
    ValueError
        It is another address, or none.
    """
    if isinstance(value, list):
        return [_file_of(name, each, convert) for each in value]
    if not isinstance(value, str):
        return value
    if not _DATA.match(value):
        raise ValueError(f"{name}: got {value[:60]!r}, expected {FILE_ADDRESS[0].lower()}{FILE_ADDRESS[1:]}")
    return convert(value, [[]])
