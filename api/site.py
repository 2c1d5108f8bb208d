"""The API and the page together, behind one guard."""

from __future__ import annotations

from pathlib import Path

from api.app import create_api, guard
from api.guard import Guard
from api.logins import Logins
from api.service import Service
from api.settings import Settings
from ui.mount import mount_page


def create_site(settings: Settings, folder: Path) -> Guard:
    """Everything that answers on the port; uploads and results of the page lie in `folder`."""
    service = Service(settings)
    api = create_api(settings, service)
    site = mount_page(
        api,
        service.close,
        service.cutout,
        folder,
        settings.model,
        settings.workers,
        settings.limits,
        service.status,
        auth=Logins(settings.logins) if settings.logins else None,
        mcp_url=f"http://{settings.local_address}" if settings.mcp else None,
    )
    return guard(site, settings, service)
