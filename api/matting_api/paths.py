"""Every path of the API."""

ACCOUNT, IMPROVE = "/v1.0/account", "/v1.0/improve"
REMOVEBG, CUTOUT, ALPHA = "/v1.0/removebg", "/v1/cutout", "/v1/alpha"
IDPHOTO, SCENE = "/v1/idphoto", "/v1/scene"
PHOTOS = (REMOVEBG, CUTOUT, ALPHA, IDPHOTO, SCENE)
VIDEO, JOBS = "/v1/video", "/v1/jobs"
STATE = LIVE, READY, HEALTH, METRICS = "/livez", "/readyz", "/v2/health", "/metrics"
PROBES = (LIVE, READY, HEALTH)  # what balancers ask for
OPENAPI, DOCS = "/openapi.json", "/docs"
MCP = "/gradio_api/mcp"  # the page's, where it is offered
ALL = (*PHOTOS, VIDEO, JOBS, ACCOUNT, IMPROVE, *STATE, OPENAPI, DOCS)
BACKGROUND = VIDEO, JOBS  # each has a path below it for every job
PUBLIC = (*PHOTOS, *BACKGROUND, ACCOUNT, IMPROVE, *PROBES, OPENAPI)  # what `--origins` opens to websites
