"""Cookies that other websites' requests do not bring along."""

from __future__ import annotations

import re

_SAME_SITE = re.compile(r";\s*samesite=(lax|strict)", re.IGNORECASE)
_ANY_SITE = re.compile(r";\s*samesite=[^;]*", re.IGNORECASE)


def with_same_site(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header, in which a cookie is kept from requests that other websites send; Gradio would let them have it."""
    cookie = value.decode("latin-1")
    if name.lower() != b"set-cookie" or _SAME_SITE.search(cookie):
        return name, value
    return name, f"{_ANY_SITE.sub('', cookie)}; SameSite=Lax".encode("latin-1")
