"""Every word of the page, in English and Chinese."""

from __future__ import annotations

from matting_client import InputError, MattingError, ServerBusy, ServerUnavailable

EN: dict[str, str] = {
    "title": "Cut the subject out",
    "subtitle": "Hair-fine transparent cutouts of people and products, made on this machine.",
    "photo": "Photo",
    "preset": "What is it for?",
    "preset_info": "Good settings for a purpose; change them as you like.",
    "none": "Free",
    "options": "Fine tuning",
    "background": "Background",
    "transparent": "Transparent",
    "white": "White",
    "blue": "Blue",
    "red": "Red",
    "custom": "Own colour",
    "colour": "Colour",
    "format": "File format",
    "threshold": "Remove faint remains",
    "threshold_info": "Alpha below this becomes transparent (0-50)",
    "erode": "Pull the edge in",
    "erode_info": "Pixels at a 1024 px long side (0-5)",
    "feather": "Soften the edge",
    "result": "Result",
    "alpha": "Alpha",
    "download": "Download",
    "preparing": "Preparing the file …",
    "waiting": "Drop a photo, paste one, or click to choose a file.",
    "privacy": "Your photos stay on this machine and are deleted after an hour.",
    "failed": "That did not work",
    "expired": "This photo was put away after a while; choose it again.",
    "status": "{width} × {height} px · {model} · {milliseconds} ms",
    "step_infer": "model {milliseconds} ms",
    "jpeg_white": "JPEG cannot be transparent: white background",
}
ZH: dict[str, str] = {
    "title": "智能抠图",
    "subtitle": "人像与商品，发丝级透明抠图，全部在本机完成。",
    "photo": "照片",
    "preset": "用途",
    "preset_info": "按用途选择合适的参数，之后仍可自由调整。",
    "none": "自定义",
    "options": "细节调整",
    "background": "背景",
    "transparent": "透明",
    "white": "白色",
    "blue": "蓝色",
    "red": "红色",
    "custom": "自选颜色",
    "colour": "颜色",
    "format": "文件格式",
    "threshold": "去除淡影",
    "threshold_info": "低于此值的透明度归零（0-50）",
    "erode": "边缘内收",
    "erode_info": "以长边 1024 像素计（0-5）",
    "feather": "边缘羽化",
    "result": "结果",
    "alpha": "透明度",
    "download": "下载",
    "preparing": "正在生成文件…",
    "waiting": "拖入照片、粘贴，或点击选择文件。",
    "privacy": "照片只保存在本机，一小时后自动删除。",
    "failed": "处理失败",
    "expired": "照片已过期清除，请重新选择。",
    "status": "{width} × {height} 像素 · {model} · {milliseconds} 毫秒",
    "step_infer": "模型 {milliseconds} 毫秒",
    "jpeg_white": "JPEG 不支持透明，已用白色背景",
}
# What the client's errors are about; its own line follows.
_FAILURES = (
    (InputError, "这张图片无法使用。"),
    (ServerBusy, "服务器繁忙，请稍后再试。"),
    (ServerUnavailable, "模型暂时没有响应，请稍后再试。"),
)
_UNREACHABLE = "The model does not answer now; try again in a moment."


def language(accept: str) -> str:
    """Language code, zh or en, from an Accept-Language header, whose first entry is the browser's own language."""
    return "zh" if accept.strip().lower().startswith("zh") else "en"


def texts(code: str) -> dict[str, str]:
    """The words in a language."""
    return ZH if code == "zh" else EN


def failure(error: MattingError, code: str) -> str:
    """What a visitor is told of an error; addresses of servers stay inside."""
    detail = _UNREACHABLE if isinstance(error, ServerUnavailable) else str(error)
    if code != "zh":
        return detail
    meaning = next((text for kind, text in _FAILURES if isinstance(error, kind)), "")
    return meaning if isinstance(error, ServerUnavailable) else f"{meaning}{detail}"
