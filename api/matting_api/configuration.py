"""From the arguments of `matting ui` and the files that they name to settings."""

from __future__ import annotations

import argparse
import os

from matting_api.jobs.buckets import read_grants
from matting_api.jobs.webhooks import load_secret
from matting_api.middleware.hosts import read_hosts, read_origins
from matting_api.middleware.logins import load_logins
from matting_api.middleware.proxies import read_networks
from matting_api.middleware.rate_limit import load_keys, read_keys
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
    keys_file = values.pop("keys_file")
    values["keys"] = load_keys(keys_file) if keys_file else frozenset()
    if listed := os.environ.get("MATTING_API_KEYS", ""):
        values["keys"] |= read_keys(listed, "$MATTING_API_KEYS")
    secret_file = values.pop("webhook_secret_file")
    values["webhook_secret"] = load_secret(secret_file) if secret_file else b""
    logins_file = values.pop("logins_file")
    values["logins"] = load_logins(logins_file) if logins_file else {}
    return Settings(**values)
