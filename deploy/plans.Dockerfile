# Builds the TensorRT plans and publishes those that pass: the image that serves them, with `matting export` for it.
# Build from the root of the repository: docker build -f deploy/plans.Dockerfile -t unet-matting-plans .
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:26.07-py3
# The version of the serving image's own Python, which runs what is installed here.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS tool
WORKDIR /src
COPY constraints.txt ./
COPY client client
RUN pip install --no-cache-dir -c constraints.txt --target /opt/tool './client[local]' scikit-image
# The part of the export that needs neither torch nor onnx.
COPY training/__init__.py training/pairs.py /opt/tool/training/
COPY export/__init__.py export/__main__.py export/contract.py export/gates.py export/main.py export/tensorrt.py /opt/tool/export/

FROM ${TRITON_IMAGE}
COPY --from=tool /opt/tool /opt/tool
ENV PYTHONPATH=/opt/tool \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
ENTRYPOINT ["python3", "-m", "export", "tensorrt"]
CMD ["--repository", "/models"]
