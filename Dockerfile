# docker build -t freshet . && docker run -p 7570:7570 -p 7571:7571 -v "$PWD/config/quickstart:/project:ro" freshet
FROM debian:bookworm-slim AS build
WORKDIR /source
# Before the sources, which change more often: RocksDB takes minutes (Debian's is built with assertions). It installs [build] too.
COPY run packages.txt ./
COPY cmake/build_rocksdb.sh cmake/
RUN ./run rocksdb && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release && ninja -C build/release freshet && strip build/release/server/freshet

FROM debian:bookworm-slim
COPY packages.txt /tmp/
RUN apt-get update \
    && awk '/^\[/ { on = $1 == "[runtime]"; next } on && /^[a-z]/ { print $1 }' /tmp/packages.txt \
       | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /tmp/packages.txt \
    && useradd --system --uid 10001 --user-group --home-dir /data --create-home --shell /usr/sbin/nologin freshet
COPY --from=build /source/build/release/server/freshet /usr/local/bin/freshet

USER freshet
VOLUME /data
# Inside a container the addresses are the container's own; what reaches them is decided outside.
ENV FRESHET_SERVER__GRPC=0.0.0.0:7570 FRESHET_SERVER__ADMIN=0.0.0.0:7571 FRESHET_STORAGE__PATH=/data
EXPOSE 7570 7571
# Alive, not ready: a server that catches up must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:7571/livez"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["freshet"]
CMD ["serve", "/project"]
