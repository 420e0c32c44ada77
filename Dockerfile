# One image for every part of swipewatch; the command chooses the part.
FROM python:3.11-slim-bookworm AS build
WORKDIR /opt/swipewatch
COPY requirements.lock requirements-faces.lock requirements-dev.in ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements.lock \
    && .venv/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements-faces.lock
COPY . .
# The lock file also pins the tools of tests and checks; the image does without them.
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && grep -v '^#' requirements-dev.in | xargs .venv/bin/pip uninstall --yes

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --home-dir /data swipewatch \
    && install --directory --mode 0700 --owner swipewatch --group swipewatch /data
COPY --from=build /opt/swipewatch/.venv /opt/swipewatch/.venv
COPY --chmod=0755 deploy/entrypoint.sh /usr/local/bin/swipewatch-entrypoint
ENV PATH=/opt/swipewatch/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1
USER swipewatch
WORKDIR /data
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["swipewatch-entrypoint"]
CMD ["serve", "--data", "/data", "--host", "0.0.0.0", "--port", "8000"]
