"""Photos for schemathesis, which would otherwise send random bytes for every file."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import schemathesis
from hypothesis import strategies as st
from schemathesis.generation.jsonschema import strategy
from schemathesis.specs.openapi.negative import _strip_binary

from tests.unit.api.conftest import encode

_GREY = np.tile(np.arange(0, 240, 8, dtype=np.uint8)[:, None, None], (1, 40, 3))
PHOTOS = [
    encode(_GREY),
    encode(_GREY, "JPEG"),
    encode(_GREY[:1, :1]),
    encode(np.full((60, 20, 3), 255, np.uint8), "WEBP"),
]
BROKEN = [PHOTOS[0][:200], PHOTOS[1][:-300], b"GIF89a", b"", b"text"]
schemathesis.openapi.format("binary", st.sampled_from(PHOTOS) | st.sampled_from(BROKEN) | st.binary(max_size=200))
schemathesis.openapi.format("byte", st.sampled_from([base64.b64encode(each).decode() for each in (*PHOTOS, *BROKEN)]))


def _accepts_files(schema: Any) -> Callable[[Any], bool]:
    check = _validator(schema)
    return lambda value: check(_strip_binary(value))


# Version 4.32.5 ends with "Unsupported type: 'Binary'" where it validates its own wrapper of files against a schema
# that it has broken; elsewhere it takes the wrapper off first, as here.
_validator = strategy._validator
strategy._validator = _accepts_files
