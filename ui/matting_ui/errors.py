"""What goes wrong on the page beside the client's own errors: a result or an upload that cannot be kept, or is gone."""

from __future__ import annotations

from matting_client import InputError, MattingError, TooLarge


class NoRoom(MattingError):
    """A result cannot be kept, for the disk is full or the private folder is gone; the log says which."""

    code = "insufficient_storage"


class UploadGone(InputError):
    """An upload is not here: it was removed after its hour, or never came."""

    code = "upload_gone"


class UploadError(Exception):
    """An upload that cannot be taken: its form is none. Class attributes say what is answered."""

    status = 400
    code = "invalid_request"


class UploadTooLarge(UploadError):
    """A file has more bytes than are accepted."""

    status = 413
    code = TooLarge.code


class TooManyUploads(UploadError):
    """A visitor, or an address, has put down as much as one may."""

    status = 429
    code = "too_many_uploads"


class UploadsUnavailable(UploadError):
    """The folder of uploads cannot be used."""

    status = 503
    code = "storage_unavailable"


class NoRoomForUploads(UploadError):
    """The disk is full, or the part of it that uploads may have."""

    status = 507
    code = NoRoom.code
