# The service in a container: docker build -t polyscene .
# All that it needs is installed here, the encoder included; it runs without a network.
FROM python:3.11-slim-bookworm AS build
# Extras, such as "[otel,postgres]"; those with a model are large.
ARG EXTRAS=""
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/polyscene \
 && /opt/polyscene/bin/pip install --no-cache-dir -c constraints.txt ".${EXTRAS}"

FROM python:3.11-slim-bookworm
# libgomp1 is what the factor models are linked with.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home polyscene \
 && install -d -o polyscene -g polyscene /workspace
COPY --from=build /opt/polyscene /opt/polyscene
ENV PATH=/opt/polyscene/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    POLYSCENE_WORKSPACE=/workspace
USER polyscene
WORKDIR /workspace
VOLUME /workspace
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["polyscene"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
