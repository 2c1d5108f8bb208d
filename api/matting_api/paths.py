"""Every path of the API."""

ACCOUNT = "/v1.0/account"
IMPROVE = "/v1.0/improve"
REMOVEBG = "/v1.0/removebg"
CUTOUT = "/v1/cutout"
ALPHA = "/v1/alpha"
IDPHOTO = "/v1/idphoto"
SCENE = "/v1/scene"
PHOTOS = (REMOVEBG, CUTOUT, ALPHA, IDPHOTO, SCENE)
VIDEO = "/v1/video"
JOBS = "/v1/jobs"
STATE = LIVE, READY, HEALTH, METRICS = "/livez", "/readyz", "/v2/health", "/metrics"
PROBES = (LIVE, READY, HEALTH)  # what balancers ask for
OPENAPI = "/openapi.json"
DOCS = "/docs"
ALL = (*PHOTOS, VIDEO, JOBS, ACCOUNT, IMPROVE, *STATE, OPENAPI, DOCS)
BACKGROUND = VIDEO, JOBS  # each has a path below it for every job
PUBLIC = (*PHOTOS, *BACKGROUND, ACCOUNT, IMPROVE, *PROBES, OPENAPI)  # what `--origins` opens to websites
