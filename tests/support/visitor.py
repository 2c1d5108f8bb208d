"""A visitor of the page without a browser: with a cookie, a session, and an address of its own if need be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
from skimage import data

from tests.unit.api.conftest import encode

HANG_SECONDS = 30.0
META = {"_type": "gradio.FileData"}


def portrait() -> bytes:
    return encode(data.astronaut()[:128, 150:300])


@dataclass
class Visitor:
    """Somebody with a browser's cookie."""

    url: str
    session: str
    address: str = "127.0.0.1"  # of its own, within this machine
    photo: str = ""  # path of an upload of its own

    def __post_init__(self) -> None:
        transport = httpx.HTTPTransport(local_address=self.address)
        self.http = httpx.Client(base_url=self.url, timeout=HANG_SECONDS, transport=transport)
        self.config = self.http.get("/config").raise_for_status().json()

    def upload(self, name: str = "photo.png", photo: bytes | None = None) -> str:
        answer = self.http.post("/gradio_api/upload", files={"files": (name, photo or portrait())})
        return str(answer.raise_for_status().json()[0])

    def join(self, function: int, data: list[Any], event_data: Any = None) -> httpx.Response:
        """Send a call into the queue, as the page does."""
        body = {"fn_index": function, "data": data, "event_data": event_data, "session_hash": self.session}
        return self.http.post("/gradio_api/queue/join", json=body)

    def call(self, function: int, data: list[Any], event_data: Any = None) -> dict[str, Any]:
        """What a function answers through the queue."""
        joined = self.join(function, data, event_data)
        if joined.status_code != 200:
            return {"success": False, "output": {"error": joined.text}}
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("msg") in ("process_completed", "unexpected_error"):
                    return dict(message)
        raise AssertionError("got no answer")

    def functions(self) -> list[tuple[int, list[dict[str, Any]]]]:
        """Number and inputs of all functions, private ones too."""
        by_id = {each["id"]: each for each in self.config["components"]}
        return [
            (each["id"], [by_id[number] for number in each["inputs"]])
            for each in self.config["dependencies"]
            if each["backend_fn"]
        ]

    def named(self, name: str) -> tuple[int, list[dict[str, Any]]]:
        """Number and inputs of a public function."""
        by_name = {each["api_name"]: each["id"] for each in self.config["dependencies"]}
        return next(each for each in self.functions() if each[0] == by_name[name])


def values(inputs: list[dict[str, Any]], **own: Any) -> list[Any]:
    """Data of a call: the components' own values, and for those that take files what `own` says by type."""
    return [own.get(each["type"], each["props"].get("value")) for each in inputs]
