# leadlink in a small image. Build: docker build -t leadlink .
# Run:  docker run -p 8080:8080 -v leadlink:/data --env-file secrets.env leadlink

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
# The caches outlive the build, so that only what changed is built anew; hence the copy at the end.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin leadlink \
    && cp target/release/leadlink /usr/local/bin/leadlink

FROM debian:bookworm-slim
# The roots of TLS are the system's: without them no far side could be reached.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --home-dir /data leadlink \
    && install -d -o leadlink -g leadlink /data
COPY --from=build /usr/local/bin/leadlink /usr/local/bin/leadlink
WORKDIR /leadlink
COPY config config
COPY mappings mappings

# Inside a container loopback is reached by nobody, so all addresses; the data outlives the image.
# A folder mounted on /data must belong to uid 10001; a named volume does by itself.
ENV LEADLINK_SERVER__LISTEN=0.0.0.0:8080 \
    LEADLINK_STORE__URL=sqlite:/data/leadlink.db
EXPOSE 8080
VOLUME /data
USER leadlink

# bash speaks TCP by itself: no curl, with all that it brings, for one line of HTTP. /healthz answers
# before any far side is asked, so a CRM that is down does not restart us.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/${LEADLINK_SERVER__LISTEN##*:} && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ code _ <&3 && [ \"$code\" = 200 ]"]

# SIGTERM stops gracefully: what is under way is finished or handed back.
STOPSIGNAL SIGTERM
ENTRYPOINT ["leadlink"]
CMD ["run"]
