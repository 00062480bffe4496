# The base with its digest comes from the release script, `./run image`: a tag alone may change between two builds.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
# All extras; the servers that ./run embeds are not among them.
COPY requirements.txt requirements-mjml.txt requirements-otel.txt requirements-s3.txt requirements-sentry.txt \
     requirements-ses.txt ./
# The image's own pip installs: the environment has none.
RUN python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes \
    -r requirements.txt -r requirements-mjml.txt -r requirements-otel.txt -r requirements-s3.txt \
    -r requirements-sentry.txt -r requirements-ses.txt

FROM ${BASE}
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 DJANGO_SETTINGS_MODULE=emailsvc.settings
RUN useradd --system --uid 10001 --no-create-home emailsvc
# A named volume there belongs to the user, who writes the self-made certificate of run_submission.
RUN install --directory --owner emailsvc --mode 700 /certificates
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
# What .dockerignore leaves: the packages, manage.py, and the pages of docs/.
COPY . .
# Compile the modules now: the user below may not write here.
RUN python -m compileall -q .
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["gunicorn", "emailsvc.wsgi:application", "-c", "emailsvc/web/gunicorn_config.py", "--bind", "0.0.0.0:8000"]
