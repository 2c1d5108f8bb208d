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
COPY training/matting_training/__init__.py /opt/tool/matting_training/
COPY training/matting_training/data/__init__.py training/matting_training/data/pairs.py /opt/tool/matting_training/data/
COPY export/matting_export/__init__.py export/matting_export/__main__.py export/matting_export/main.py export/matting_export/metadata.py export/matting_export/tensorrt.py export/matting_export/tolerances.py /opt/tool/matting_export/

FROM ${TRITON_IMAGE}
COPY --from=tool /opt/tool /opt/tool
ENV PYTHONPATH=/opt/tool \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
ENTRYPOINT ["python3", "-m", "matting_export", "tensorrt"]
CMD ["--repository", "/models"]
