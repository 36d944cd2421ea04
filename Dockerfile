# Two stages: the first has pip and a package index at hand, the last only what runs. Every RUN is a script that .ci/run
# runs too. Build: docker build --tag ballast .

# By name, so that it builds anywhere. To be sure of the same bytes, give it with its digest: docs/operations.md, "Install".
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build

WORKDIR /opt/ballast
COPY requirements requirements
COPY scripts scripts
RUN scripts/setup/venv.sh run
COPY app app
COPY soak soak
COPY static static
RUN scripts/image/install.sh


FROM ${BASE}

WORKDIR /opt/ballast
COPY scripts scripts
RUN scripts/image/system.sh --slim \
    && install --directory --owner=10001 --group=10001 /data
COPY --from=build /opt/ballast /opt/ballast

# glibc reads its settings as a process starts. An address that other machines reach needs BALLAST_SERVER__API_KEYS.
ENV PATH=/opt/ballast/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    HOME=/tmp \
    BALLAST_SERVER__HOST=0.0.0.0 \
    BALLAST_SERVER__PORT=8000 \
    BALLAST_MODELS__DIR=/opt/ballast/models \
    BALLAST_STORAGE__ROOT=/data

# By number: no user of this name is needed, and orchestrators can see that it is not root.
USER 10001:10001
VOLUME ["/data", "/tmp"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/opt/ballast/.venv/bin/python", "-I", "-S", "/opt/ballast/scripts/image/healthcheck.py"]
ENTRYPOINT ["ballast"]
CMD ["serve"]
