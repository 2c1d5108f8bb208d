# The web page, the REST API and the embedded Triton in one image.
#
#   docker build -t unet-matting .
#   docker run -p 7860:7860 -v ./outputs:/app/outputs unet-matting     then http://localhost:7860
#   docker build --build-arg ENGINE=cuda -t unet-matting:cuda .         for an NVIDIA GPU; docker run --gpus all
#
# A newer base: docker buildx imagetools inspect python:3.11-slim-bookworm tells its digest.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d
# cpu, or cuda for ONNX Runtime's CUDA provider with the libraries that it needs
ARG ENGINE=cpu

FROM ${PYTHON_IMAGE} AS build
ARG ENGINE
WORKDIR /src
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY constraints.txt constraints-cuda.txt pyproject.toml README.md LICENSE THIRD_PARTY.md ./
COPY client client
COPY model_repository model_repository
COPY training training
COPY export export
COPY benchmarks benchmarks
COPY server server
COPY api api
COPY ui ui
RUN pip install --no-cache-dir -c constraints.txt ./client '.[serve,ui,trace,s3,container]'
# Both packages fill one folder: the CPU's has to go first.
RUN if [ "$ENGINE" = cuda ]; then \
        pip uninstall --yes onnxruntime \
        && pip install --no-cache-dir -c constraints.txt -c constraints-cuda.txt '.[gpu]'; \
    fi

FROM ${PYTHON_IMAGE} AS cpu
LABEL org.opencontainers.image.title="unet-matting" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin matting \
    && install --directory --owner=10001 --group=10001 /app /app/outputs
COPY --from=build /opt/venv /opt/venv
COPY --chmod=755 deploy/entrypoint.sh /usr/local/bin/entrypoint
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    HOME=/tmp
WORKDIR /app
EXPOSE 7860
# /readyz asks the model, too. $http_proxy is for other machines.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:7860/readyz', timeout=4)"]
ENTRYPOINT ["entrypoint"]
# Triton stays on loopback within the container.
CMD ["matting", "serve", "--page", "--page-host", "0.0.0.0"]

FROM cpu AS cuda
# Where the packages of NVIDIA put what ONNX Runtime loads.
ENV LD_LIBRARY_PATH=/opt/venv/lib/python3.11/site-packages/nvidia/cu13/lib:/opt/venv/lib/python3.11/site-packages/nvidia/cudnn/lib \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# hadolint ignore=DL3006
FROM ${ENGINE}
