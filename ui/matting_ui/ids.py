"""Names that the page shares with its tests and with programs that call it: element ids and `api_name`s."""

from __future__ import annotations

# Element ids: of the tabs, and within each.
TAB_SINGLE, TAB_IDPHOTO, TAB_BATCH, TAB_SCENE, TAB_ABOUT = "single", "idphoto", "batch", "scene", "about"
TAB_VIDEO = "video"
PHOTO, PRESET = "photo", "preset"
BACKGROUND, COLOUR, PICTURE = "background", "colour", "picture"
THRESHOLD, ERODE, FEATHER = "alpha-threshold", "erode", "feather"
FORMAT, QUALITY, CROP, MARGIN, SIZE = "format", "quality", "crop", "margin", "size"
RESULT, ALPHA, STATUS = "result", "alpha", "status"
ID_PHOTO, ID_SIZE, ID_BACKGROUND, ID_COLOUR = "id-photo", "id-size", "id-background", "id-colour"
ID_ZOOM, ID_SHIFT, ID_PAPER, ID_FORMAT = "id-zoom", "id-shift", "id-paper", "id-format"
ID_RESULT, ID_SHEET, ID_STATUS = "id-result", "id-sheet", "id-status"
ID_DOWNLOAD, ID_DOWNLOAD_SHEET = "id-download", "id-download-sheet"
SCENE_PHOTO, SCENE_BACKGROUND, SCENE_RESULT = "scene-photo", "scene-background", "scene-result"
SCENE_X, SCENE_Y, SCENE_SCALE = "scene-x", "scene-y", "scene-scale"
SCENE_GROUND, SCENE_HANDS, SCENE_PLACE = "scene-ground", "scene-hands", "scene-place"
SCENE_BLUR, SCENE_LIGHT, SCENE_SHADOW = "scene-blur", "scene-light", "scene-shadow"
SCENE_FORMAT, SCENE_STATUS, SCENE_DOWNLOAD = "scene-format", "scene-status", "scene-download"
BATCH_DROP, BATCH_BOARD, BATCH_STATUS = "batch-drop", "batch-board", "batch-status"
BATCH_BACKGROUND, BATCH_COLOUR, BATCH_FORMAT = "batch-background", "batch-colour", "batch-format"
BATCH_ALPHA, BATCH_ADVANCED = "batch-save-alpha", "batch-advanced"
BATCH_START, BATCH_ZIP, BATCH_CLEAR = "batch-start", "batch-zip", "batch-clear"
VIDEO_CLIP, VIDEO_FORMAT, VIDEO_BACKGROUND = "video-clip", "video-format", "video-background"
VIDEO_COLOUR, VIDEO_SECOND, VIDEO_FRAME = "video-colour", "video-second", "video-frame"
VIDEO_START, VIDEO_CANCEL, VIDEO_STATUS, VIDEO_RESULT = "video-start", "video-cancel", "video-status", "video-result"
VIDEO_PROGRESS = "video-progress"
ABOUT_CARD, ABOUT_SERVER, ABOUT_REFRESH = "about-card", "about-server", "about-refresh"
SHOP, BATCH_SHOP = "shop", "batch-shop"
FINE, FINE_MODEL = "finest-hair", "matting_1024"
DOWNLOAD, DOWNLOAD_ALPHA, OUTPUT = "download", "download-alpha", "output"
ADVANCED, DETAILS = "advanced", "details"
NOTICE = "notice-{tab}"  # where a tab tells what went wrong
CORRECT, REPORT, DEVICE = "correct", "report", "device"

# Names of the functions, for gradio_client.
API_CUTOUT, API_RECOMPOSE, API_FILE, API_ALPHA, API_PRESET = "cutout", "recompose", "file", "alpha", "preset"

API_ID, API_ID_AGAIN, API_ID_FILE, API_ID_SHEET = "id_photo", "id_recompose", "id_file", "id_sheet"
API_SCENE, API_SCENE_AGAIN, API_SCENE_FILE = "scene", "scene_recompose", "scene_file"
API_VIDEO, API_VIDEO_FRAME = "video", "video_frame"
API_ONE, API_TOLD, API_BATCH, API_ABOUT = "cut_out", "cut_out_told", "batch", "about"

# Values of the background's choice; the colours are those that offices ask for.
TRANSPARENT, CUSTOM, FROM_PICTURE = "transparent", "custom", "picture"
BACKGROUNDS: dict[str, str | None] = {
    TRANSPARENT: None,
    "white": "#ffffff",
    "blue": "#438edb",
    "red": "#d9001b",
    CUSTOM: None,
    FROM_PICTURE: None,
}
FORMATS = ("png", "jpeg", "webp")
ORIGINAL, OFFICIAL = "original", "official"
CLIPS = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v")
SIZES = (ORIGINAL, "4096px", "2048px", "1080px", "512px")
