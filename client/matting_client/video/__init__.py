"""Video: frames in order, one alpha each, without flicker.

`stream` and `temporal` need nothing but the client; `reader` and `writer` need the extra `video` (PyAV).
"""
