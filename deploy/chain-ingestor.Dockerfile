# The chain-ingestor with the plugins of this repository; it listens nowhere.
# docker build -f deploy/chain-ingestor.Dockerfile .   (at the repository's root)
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake g++ make pkg-config zlib1g-dev libssl-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=chaintape-chain-ingestor,target=/src/target \
    cargo build --release --locked -p chain-ingestor --bin chain-ingestor && cp target/release/chain-ingestor /usr/local/bin/chain-ingestor \
    && cargo xtask plugins && mkdir -p /plugins && cp target/plugins/*.wasm /plugins/

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates zlib1g libssl3 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home chaintape
WORKDIR /etc/chaintape
COPY --from=build /usr/local/bin/chain-ingestor /usr/local/bin/chain-ingestor
COPY --from=build /plugins plugins
COPY env env
USER 10001
ENV PLUGINS_DIR=/etc/chaintape/plugins
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["chain-ingestor", "health"]
ENTRYPOINT ["chain-ingestor"]
CMD ["run"]
