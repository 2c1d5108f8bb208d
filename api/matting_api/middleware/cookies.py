"""Cookies that other websites' requests do not bring along, and that do not cross a network unencrypted."""

from __future__ import annotations

import re

_SAME_SITE = re.compile(r";\s*samesite=(lax|strict)", re.IGNORECASE)
_ANY_SITE = re.compile(r";\s*samesite=[^;]*", re.IGNORECASE)
_SECURE = re.compile(r";\s*secure\s*(;|$)", re.IGNORECASE)


def guarded_cookie(name: bytes, value: bytes, *, is_https: bool) -> tuple[bytes, bytes]:
    """A header, in which a cookie is kept from requests that other websites send; Gradio would let them have it.

    Parameters
    ----------
    is_https : the caller came by https, and is to send the cookie by nothing else.
    """
    if name.lower() != b"set-cookie":
        return name, value
    cookie = value.decode("latin-1")
    if not _SAME_SITE.search(cookie):
        cookie = f"{_ANY_SITE.sub('', cookie)}; SameSite=Lax"
    if is_https and not _SECURE.search(cookie):
        cookie += "; Secure"
    return name, cookie.encode("latin-1")
