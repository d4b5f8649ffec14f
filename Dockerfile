# The service in a container: make image, or make image TARGET=cuda; docs/serving.md says how it is run.
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS source
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY framework framework
COPY plugins plugins
RUN python -m venv /opt/shortstack

FROM source AS build-cpu
RUN /opt/shortstack/bin/pip install --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu ".[serve]"

FROM source AS build-cuda
RUN /opt/shortstack/bin/pip install --constraint constraints.txt ".[serve]"

FROM python:${PYTHON} AS runtime
RUN useradd --uid 10001 --create-home shortstack
ENV PATH=/opt/shortstack/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
USER 10001
WORKDIR /home/shortstack
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["shortstack"]

FROM runtime AS cuda
COPY --from=build-cuda /opt/shortstack /opt/shortstack
CMD ["serve", "/model", "--no-teacher", "--host", "0.0.0.0", "--port", "8000", "--device", "cuda"]

# the last stage is the one that is built by default
FROM runtime AS cpu
COPY --from=build-cpu /opt/shortstack /opt/shortstack
CMD ["serve", "/model", "--no-teacher", "--host", "0.0.0.0", "--port", "8000"]
