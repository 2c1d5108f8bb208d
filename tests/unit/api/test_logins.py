"""A page that asks for a name and a password."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from matting_api.middleware import guesses
from matting_api.middleware.logins import Logins, load_logins
from matting_client import OptionError
from PIL import Image

from tests.unit.api.test_main import START_SECONDS, process

PASSWORD = "correct horse: battery"


@pytest.fixture
def logins_file(tmp_path: Path) -> Path:
    file = tmp_path / "logins"
    file.write_text(f"# who may\n\nann:{PASSWORD}\n李:another long one\n", encoding="utf-8-sig")  # as Windows saves it
    return file


def test_only_who_is_named_uses_the_page(
    tmp_path: Path, repository: Path, logins_file: Path, portrait: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(portrait)
    monkeypatch.setenv("MATTING_API_LOGINS_FILE", str(logins_file))
    with (
        process(tmp_path, repository, "--engine", "local") as (_, url),
        httpx.Client(base_url=url, timeout=START_SECONDS) as visitor,
    ):
        assert '"auth_required":true' in visitor.get("/").text.replace(" ", "")
        for path in ("config", "gradio_api/info", "gradio_api/queue/data?session_hash=a", "gradio_api/heartbeat/a"):
            assert visitor.get(f"/{path}").status_code == 401, path
        for path in ("cancel", "reset", "call/cut_out"):
            assert visitor.post(f"/gradio_api/{path}", json={}).status_code == 401, path
        refused = visitor.post("/gradio_api/upload", files={"files": ("a.png", portrait)})
        assert refused.status_code == 401
        assert visitor.post("/gradio_api/queue/join", json={"data": [], "fn_index": 0}).status_code == 401
        for name, password in (("ann", "wrong"), ("李", PASSWORD), ("", "")):
            assert visitor.post("/login", data={"username": name, "password": password}).status_code in (400, 422)
        assert visitor.get("/config").status_code == 401
        foreign = {"Origin": "https://evil.example"}
        right = {"username": "ann", "password": PASSWORD}
        assert visitor.post("/login", data=right, headers=foreign).status_code == 403
        cookies = visitor.post("/login", data=right).headers.get_list("set-cookie")
        assert len(cookies) >= 2
        assert all(each.lower().count("samesite=") == 1 and "samesite=none" not in each.lower() for each in cookies)
        _guess_passwords(url)
        client = Client(url, auth=("ann", PASSWORD), verbose=False, download_files=str(tmp_path / "results"))
        with Image.open(client.predict(photo=handle_file(str(photo)), api_name="/cut_out")) as cutout:
            assert (cutout.mode, cutout.size) == ("RGBA", (512, 400))
        client.close()
        assert visitor.post("/v1/alpha", content=portrait).status_code == 200  # the API has its keys


def _guess_passwords(url: str) -> None:
    """Twenty guesses at once are not twenty answers, and who has logged in before is not locked out."""
    with httpx.Client(base_url=url, timeout=START_SECONDS) as guesser, ThreadPoolExecutor(20) as pool:
        wrong = {"username": "ann", "password": "wrong"}
        found = list(pool.map(lambda _: guesser.post("/login", data=wrong).status_code, range(20)))
        assert set(found) == {400, 429} and found.count(400) <= guesses.ADDRESS_FAILURES
        refused = guesser.post("/login", data={"username": "李", "password": "another long one"})
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        metrics = guesser.get("/metrics").text
        assert 'matting_refused_attempts_total{kind="password",outcome="locked"}' in metrics


def test_names_and_passwords(logins_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "DELAY_SECONDS", 0.0)
    logins = Logins(load_logins(logins_file), guesses.Guesses("password", lambda *_: None))

    def may(name: str, password: str) -> bool:
        return asyncio.run(logins.check(name, password))

    assert may("ann", PASSWORD) and may("李", "another long one") and may(" ann ", PASSWORD)
    assert not any(may(*each) for each in (("ann", ""), ("ann", "another long one"), ("ANN", PASSWORD), ("", "")))


@pytest.mark.parametrize(
    ("text", "named"),
    [("ann:short\n", "line 1"), ("\nann\n", "line 2"), (":" + PASSWORD, "line 1"), ("# none\n", "no login")],
)
def test_a_file_that_cannot_be(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "logins"
    file.write_text(text)
    with pytest.raises(OptionError, match=named) as caught:
        load_logins(file)
    assert PASSWORD not in str(caught.value) and "short" not in str(caught.value).replace("too short", "")
    with pytest.raises(OptionError, match="check the path"):
        load_logins(tmp_path / "missing")
