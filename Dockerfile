# Futing in one image: `docker run … futing run /recordings --out /data/nights`, or `… deploy …`, or `… review …`.
# CUDA comes with the torch wheels: the host needs NVIDIA's driver and container toolkit (`--gpus all`), the image nothing more.
# Weights are not in the image: `futing weights fetch` fills the volume /weights once.

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY models models
COPY flows flows
COPY configs configs
COPY tests/data/demo tests/data/demo
RUN python -m venv /opt/futing \
 && /opt/futing/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="Futing" \
      org.opencontainers.image.description="Listens to every customer-service call overnight" \
      org.opencontainers.image.licenses="MIT"
# A fixed uid, so that the owner of a mounted folder can be set to it: chown 10001 /srv/futing
RUN groupadd --gid 10001 futing \
 && useradd --uid 10001 --gid futing --home-dir /data --no-create-home --shell /usr/sbin/nologin futing \
 && install -d -o futing -g futing /data /weights /recordings
COPY --from=build /opt/futing /opt/futing
ENV PATH=/opt/futing/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FUTING_CACHE=/weights \
    PREFECT_HOME=/data/.prefect \
    DO_NOT_TRACK=1 \
    PYANNOTE_METRICS_ENABLED=0 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false
VOLUME ["/weights", "/data"]
WORKDIR /data
USER 10001:10001
# Healthy: a night is under way, or the last one ended less than 26 hours ago, or none was due yet. A missed night shows.
HEALTHCHECK --interval=5m --timeout=30s --start-period=1m --retries=2 CMD ["python", "-m", "flows.health", "/data/nights", "26"]
ENTRYPOINT ["futing"]
CMD ["--help"]
