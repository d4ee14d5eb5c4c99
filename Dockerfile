# The application alone; docker-compose.yml has what it works with.
FROM python:3.11.14-slim-bookworm

WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
COPY . ./

# Compiled kernels are kept beside the code, and the program may write nothing but that and /data.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/kernels \
    FAIRREEL_DATA_FOLDER=/data FAIRREEL_REGISTRY_FOLDER=/data/registry FAIRREEL_OUTPUTS_FOLDER=/data/outputs
RUN useradd --system --uid 10001 --home-dir /data fairreel \
    && mkdir -p /data /kernels && chown fairreel /data /kernels
USER fairreel
RUN python -c "import application"

VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=5s --timeout=5s --start-period=180s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5000/ready', timeout=3)"]
ENTRYPOINT ["python", "-m", "fairreel"]
CMD ["run"]
