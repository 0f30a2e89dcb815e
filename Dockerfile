# One image; the role is the command: `serve`, `work`, `migrate`, … It holds no Postgres, no lab and no pip.
#
# Pin the base by digest for a release. A tag moves, and no registry answers where this file was written, so the digest is
# handed in:
#   docker buildx imagetools inspect python:3.11-slim-bookworm --format '{{.Manifest.Digest}}'
#   docker build --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:<that digest> -t eucora .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1
WORKDIR /src
# Two environments: one that builds the wheel and stays behind, and one without pip that goes into the image.
RUN python -m venv /tools && python -m venv --without-pip /opt/eucora
COPY requirements/image.txt requirements/build.txt requirements/
# The dependencies before the code: a change of ours reuses this layer.
RUN /tools/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt \
 && /tools/bin/pip --python /opt/eucora/bin/python install --require-hashes --only-binary :all: -r requirements/image.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /tools/bin/pip --python /opt/eucora/bin/python install --no-deps --no-index /wheels/*.whl \
 && /opt/eucora/bin/python -m compileall -q /opt/eucora/lib
# Where an installed EUCORA looks for them: <environment>/share/eucora/migrations.
COPY migrations /opt/eucora/share/eucora/migrations
# The mount point of the artifact store; a new volume takes over this owner and mode. Installers are unpacked and packed
# beside it and not in /tmp, which a read-only container keeps small and in memory.
RUN install -d -o 10001 -g 10001 -m 0700 /data /data/tmp

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="eucora" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is installed at run time. (A base without a shell would be smaller still: python:3.11-slim is what was tried.)
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel
COPY --from=build /opt/eucora /opt/eucora
COPY --from=build --chown=10001:10001 /data /var/lib/eucora
ENV PATH=/opt/eucora/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    EUCORA_HOST=0.0.0.0 \
    EUCORA_PORT=8080 \
    EUCORA_DATA_DIR=/var/lib/eucora \
    TMPDIR=/var/lib/eucora/tmp
# A number, so that Kubernetes' runAsNonRoot can check it. Nothing of ours in the image belongs to it but the data folder.
USER 10001:10001
WORKDIR /var/lib/eucora
EXPOSE 8080
# For `serve`; a role without HTTP replaces it (compose.yaml does).
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"EUCORA_PORT\"]}/livez', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["eucora"]
CMD ["serve"]
