"""The REST API, compatible with remove.bg's, and the process that serves it together with the web page."""
