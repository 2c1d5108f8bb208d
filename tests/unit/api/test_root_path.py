"""Below a proxy's path, what the server says of its own addresses has the path."""

from __future__ import annotations

import pytest

from tests.unit.api.conftest import Serve
from tests.unit.api.test_jobs import results, send, wait

ROOT = "/matting/api"


@pytest.mark.parametrize("prefix", ["", ROOT], ids=["taken away", "left"])
def test_a_jobs_addresses_have_the_path(serve: Serve, disc: bytes, prefix: str) -> None:
    api = serve(root_path=ROOT)
    begun = send(api, {"a.png": disc})
    assert begun.headers["location"] == f"{ROOT}/v1/jobs/{begun.json()['id']}"
    assert api.get(begun.headers["location"]).status_code == 200
    done = wait(api, begun.json(), "done", "failed")
    assert done["result"] == f"{begun.headers['location']}/result"
    assert results(api, done)[1][0]["found"]
    moved = api.get(f"{prefix}/livez/?a=b")
    assert (moved.status_code, moved.headers["location"]) == (307, f"{api.base_url}{ROOT}/livez?a=b")
    assert api.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": ROOT}]


def test_without_a_path_there_is_none(serve: Serve) -> None:
    api = serve()
    assert api.get("/livez/").headers["location"] == f"{api.base_url}/livez"
    assert "servers" not in api.get("/openapi.json").json()
