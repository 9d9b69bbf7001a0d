# The environment of Darkroom, to run in a clone that is mounted at /work:
#   docker build -t darkroom .
#   docker run --rm -it -u "$(id -u):$(id -g)" -v "$PWD:/work" -v /path/to/pictures:/path/to/pictures:ro darkroom dvc repro

FROM python:3.12.8-slim-bookworm AS tools
# What `make` and a person need: pdqhash is compiled, DVC asks Git.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 darkroom
USER darkroom
WORKDIR /work

FROM tools AS build
USER root
RUN python -m venv /opt/darkroom && /opt/darkroom/bin/pip install --no-cache-dir uv==0.13.9
ENV PATH=/opt/darkroom/bin:$PATH VIRTUAL_ENV=/opt/darkroom UV_NO_CACHE=1
COPY requirements.lock .
RUN uv pip install --compile-bytecode --require-hashes -r requirements.lock
# Editable: the code that runs is that of the mounted clone, in every stage.
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
RUN uv pip install --no-deps --editable .

FROM python:3.12.8-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 darkroom \
    && git config --system --add safe.directory /work
COPY --from=build /opt/darkroom /opt/darkroom
# HOME: whatever user runs it can write there, as the stages of MLflow and Keras want to.
ENV PATH=/opt/darkroom/bin:$PATH HOME=/tmp
USER darkroom
WORKDIR /work
CMD ["darkroom", "--help"]
