# The service, as an ordinary user, with nothing to write but /tmp:
#
#     docker build --tag instseg .
#     docker run --read-only --tmpfs /tmp --publish 127.0.0.1:8000:8000 --env INSTSEG_API_KEY instseg
#
# PyTorch's default wheels hold CUDA and run on CPUs too; for GPUs add `--gpus all`. A smaller image
# for CPUs alone: --build-arg TORCH_INDEX=ADDRESS, the index of CPU wheels that PyTorch's site names.

FROM python:3.11-slim AS build
ARG TORCH_INDEX=""
WORKDIR /source
COPY constraints.txt ./
RUN python -m venv /opt/instseg \
    && if [ -n "$TORCH_INDEX" ]; then \
        /opt/instseg/bin/pip install --no-cache-dir --constraint constraints.txt \
            --index-url "$TORCH_INDEX" torch torchvision; \
    fi
COPY pyproject.toml README.md LICENSE ./
COPY weights weights
COPY instseg instseg
RUN /opt/instseg/bin/pip install --no-cache-dir --constraint constraints.txt ".[serve]"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin instseg
COPY --from=build /opt/instseg /opt/instseg
ENV PATH=/opt/instseg/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    INSTSEG_WEIGHTS=/weights \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /tmp
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["instseg", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["--weights", "photos"]
