"""What of a day's photos a request takes, and that one which makes nothing takes none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
from matting_api.middleware.rate_limit import Allowance, Bill

from tests.unit.api.conftest import Serve, error
from tests.unit.api.test_contract import ACCOUNT, BLACK
from tests.unit.api.test_jobs import send
from tests.unit.api.test_removebg import PATH, post


def left(api: httpx.Client) -> int:
    return int(api.get(ACCOUNT).json()["data"]["attributes"]["credits"]["total"])


def test_a_job_takes_as_many_as_it_has_photos(serve: Serve, disc: bytes) -> None:
    api = serve(quota=5)
    three = {f"{number}.png": disc for number in range(3)}
    assert send(api, three).status_code == 202 and left(api) == 2
    refused = send(api, three)
    assert (refused.status_code, error(refused)["code"]) == (402, "insufficient_credits")
    assert "the 2 that are left of 5 a day" in error(refused)["detail"] and left(api) == 2
    sent = {"files": {"archive": ("a.zip", b"PK no zip")}}
    assert api.post("/v1/jobs", **sent).status_code == 400 and left(api) == 2
    assert send(api, {"a.png": disc, "b.png": disc}).status_code == 202 and left(api) == 0
    assert post(api, disc).status_code == 402


def test_the_same_job_again_takes_nothing(serve: Serve, disc: bytes) -> None:
    api = serve(quota=5)
    again = {"Idempotency-Key": "may"}
    for _ in range(2):
        order = api.post("/v1/jobs", json={"urls": ["https://example.com/a.jpg"] * 2}, headers=again)
        assert order.status_code == 400 and left(api) == 5  # this server fetches nothing
    api.headers.update(again)
    begun = [send(api, {"a.png": disc, "b.png": disc}) for _ in range(2)]
    assert {each.status_code for each in begun} == {202} and len({each.json()["id"] for each in begun}) == 1
    assert left(api) == 3


def test_the_same_job_twice_at_once_is_counted_once(serve: Serve, disc: bytes) -> None:
    """A sender that gave up waiting sends it again while the first upload is still on its way."""
    api = serve(quota=20)
    api.headers.update({"Idempotency-Key": "may"})
    photos = {f"{number}.png": disc for number in range(3)}
    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(lambda _: send(api, photos), range(4)))
    assert {each.status_code for each in begun} == {202} and len({each.json()["id"] for each in begun}) == 1
    assert left(api) == 17


def test_what_makes_nothing_takes_nothing(serve: Serve, disc: bytes) -> None:
    api = serve(quota=2, max_upload_mb=1)
    for answer, status in (
        (post(api, BLACK), 400),
        (post(api, disc, scale="5%"), 400),
        (api.post(f"{PATH}/", files={"image_file": disc}), 307),
        (api.post("/v1/nothing", content=disc), 404),
        (api.post(PATH, content=b"text", headers={"Content-Type": "text/plain"}), 415),
        (api.post("/v1/cutout", content=bytes(3 * 2**20)), 413),
    ):
        assert (answer.status_code, left(api)) == (status, 2), answer.text
    assert post(api, disc).status_code == 200 and left(api) == 1


def test_an_allowance_takes_back() -> None:
    now = [0.0]
    allowance = Allowance(5, 60, lambda: now[0])
    assert allowance.take("a", 4).remaining == 1
    bill = Bill(allowance, "a")
    bill.take(1)
    refused = allowance.take("a", 2)
    assert (refused.allowed, refused.remaining) == (False, 0)
    allowance.give_back("a", 3, 0)
    assert allowance.left("a") == 3
    now[0] = 60.0
    assert allowance.take("a", 2).remaining == 3
    bill.take(3)
    bill.give_back()  # of which the last minute took one
    assert allowance.left("a") == 3
