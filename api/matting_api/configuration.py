"""From the arguments of `matting ui` and the files that they name to settings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from matting_client import OptionError
from matting_client.hosts import read_hosts

from matting_api.jobs.buckets import read_grants
from matting_api.jobs.webhooks import load_secret
from matting_api.middleware.hosts import read_origins
from matting_api.middleware.keys import all_keys
from matting_api.middleware.logins import load_logins
from matting_api.middleware.proxies import read_networks
from matting_api.settings import Settings, read_ports


def read_settings(given: argparse.Namespace) -> Settings:
    """Settings from the command line and the environment.

    Raises
    ------
    OptionError
    """
    values = vars(given)
    del values["log_format"]  # of the process, and set by now
    values["allowed_hosts"] = read_hosts(values["allowed_hosts"])
    values["trusted_proxies"] = read_networks(values["trusted_proxies"])
    values["origins"] = read_origins(values["origins"])
    values["url_ports"] = read_ports(values["url_ports"])
    values["jobs_buckets"] = read_grants(values["jobs_buckets"])
    values["keys"] = all_keys(values["keys_file"])
    secret_file = values.pop("webhook_secret_file")
    values["webhook_secret"] = load_secret(secret_file) if secret_file else b""
    logins_file = values.pop("logins_file")
    values["logins"] = load_logins(logins_file) if logins_file else {}
    return Settings(**values)


def as_given(error: OptionError, argv: Sequence[str]) -> OptionError:
    """The same error, about the environment's variable where that has brought the value, and not ``argv``."""
    if error.subject.startswith("--"):
        if any(each.partition("=")[0] == error.subject for each in argv):
            return error
        words = error.subject.lstrip("-").upper().replace("-", "_")
        for name in (f"MATTING_API_{words}", f"MATTING_{words}", f"MATTING_{words.removesuffix('_FOLDER')}"):
            if os.environ.get(name):
                return error.replace(subject=f"${name}")
    for name, value in os.environ.items():  # the name of a file
        if name.startswith("MATTING_") and value and (error.subject + ",").startswith(f"{value},"):
            return error if value in argv else error.about(f"${name}")
    return error
