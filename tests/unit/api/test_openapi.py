"""/openapi.json refuses nothing that the server takes, and tells of every answer that comes."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from matting_api.openapi_fields import OF_OURS, OF_REMOVEBG
from matting_api.paths import ACCOUNT, CUTOUT, IMPROVE, JOBS, SCENE, VIDEO
from matting_api.request.parameters import read_cutout, read_removebg

from tests.unit.api.conftest import Serve
from tests.unit.api.test_gate import KEY
from tests.unit.api.test_jobs import send, wait
from tests.unit.api.test_removebg import PATH

TAKEN = [
    ("roi", "0 0 1920 1080"),
    ("roi", "12.5% 0% 100% 99.75%"),
    ("crop_margin", "1.5px"),
    ("crop_margin", "10% 1.5px 0 500px"),
    ("scale", "55.5%"),
    ("position", "12.5% 50%"),
]
OURS = [("model", "matting_1024:2"), ("size", "0.25MP"), ("size", "1080"), ("canvas", "10000x500"), ("canvas", "20×20")]


@pytest.mark.parametrize(("name", "text"), [*TAKEN, *OURS])
def test_patterns_let_through_what_is_taken(name: str, text: str) -> None:
    read_cutout({name: text}, False)
    assert re.search(OF_OURS[name]["pattern"], text)
    if (name, text) in TAKEN:
        read_removebg({name: text}, False)
        assert re.search(OF_REMOVEBG[name]["pattern"], text)


@pytest.mark.parametrize(
    ("name", "text"),
    [("roi", "0 0 5"), ("crop_margin", "1 2 3"), ("scale", "80"), ("position", "5px"), ("size", "9GP")],
)
def test_patterns_say_something(name: str, text: str) -> None:
    assert not re.search(OF_OURS[name]["pattern"], text)


def described(api: httpx.Client) -> dict[str, Any]:
    paths: dict[str, Any] = api.get("/openapi.json").json()["paths"]
    return {f"{method} {path}": told for path, methods in paths.items() for method, told in methods.items()}


def test_answers_are_told_of(api: httpx.Client) -> None:
    told = described(api)
    assert {"400", "402", "403", "413", "415", "429", "507"} <= told[f"post {IMPROVE}"]["responses"].keys()
    assert {"403", "429"} <= told[f"get {ACCOUNT}"]["responses"].keys()
    assert len(told) >= 18
    for name, operation in told.items():
        assert "421" in operation["responses"] and "422" not in operation["responses"], name
        assert "security" not in operation
    for path in (JOBS, VIDEO):
        for name in (f"get {path}/{{job_id}}", f"get {path}/{{job_id}}/result", f"delete {path}/{{job_id}}"):
            (parameter,) = told[name]["parameters"]
            assert (parameter["name"], parameter["in"], parameter["required"]) == ("job_id", "path", True)
            assert "404" in told[name]["responses"]
    for path in (PATH, CUTOUT, SCENE, JOBS):
        call = told[f"post {path}"]
        assert call["parameters"][-1]["name"] == "X-Matting-Model"
        assert "Retry-After" in call["responses"]["503"]["headers"]
        form = call["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert path == JOBS or "bg_image_url" in form["properties"]
    misdirected = api.get("/livez", headers={"Host": "evil.example"})
    assert misdirected.status_code == 421


def test_keys_are_told_of_wherever_one_is_needed(serve: Serve) -> None:
    told = described(serve(keys=frozenset({KEY})))
    needed = {name for name, operation in told.items() if "security" in operation}
    assert needed == {name for name in told if re.search(r" /v1(\.0)?/", name)}
    assert {f"get {ACCOUNT}", f"post {IMPROVE}", f"post {CUTOUT}"} <= needed


def test_operations_have_names_to_call_them_by(api: httpx.Client) -> None:
    names = [operation["operationId"] for operation in described(api).values()]
    assert len(set(names)) == len(names) and {"removebg", "start_job", "job_state", "clip_result"} <= {*names}
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)?", name) for name in names)


def test_answers_in_json_are_as_they_are_told_of(serve: Serve, disc: bytes) -> None:
    """With every name that they have."""
    client = serve()
    told = described(client)
    components = client.get("/openapi.json").json()["components"]

    def check(operation: str, answer: httpx.Response) -> None:
        responses = told[operation]["responses"]
        schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": components}).validate(answer.json())
        named = components["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
        assert answer.json().keys() <= named["properties"].keys(), operation

    begun = send(client, {"a.png": disc, "b.png": b"x"})
    check(f"post {JOBS}", begun)
    assert told[f"post {JOBS}"]["responses"]["202"]["headers"].keys() == {"Location"}
    wait(client, begun.json(), "done")
    check(f"get {JOBS}/{{job_id}}", client.get(begun.headers["location"]))
    check(f"get {JOBS}/{{job_id}}", client.get(f"{JOBS}/none"))
    for path in (ACCOUNT, "/livez", "/readyz", "/v2/health"):
        check(f"get {path}", client.get(path))
    for path in (PATH, CUTOUT):
        answer = client.post(path, files={"image_file": disc}, headers={"Accept": "application/json"})
        check(f"post {path}", answer)
        headers = told[f"post {path}"]["responses"]["200"]["headers"]
        ours = {name for name in answer.headers if name.startswith("x-") and name != "x-content-type-options"}
        assert ours <= {name.lower() for name in headers}
        assert {"X-Warning", "X-Request-Id"} <= headers.keys() and "507" in told[f"post {path}"]["responses"]
