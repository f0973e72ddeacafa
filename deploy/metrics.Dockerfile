# metrics: folds trades into volume, fees, positions and PnL.
# docker build -f deploy/metrics.Dockerfile .   (at the repository's root)
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake g++ make pkg-config zlib1g-dev libssl-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=chaintape-metrics,target=/src/target \
    cargo build --release --locked -p metrics --bin metrics && cp target/release/metrics /usr/local/bin/metrics

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates zlib1g libssl3 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home chaintape
WORKDIR /etc/chaintape
COPY --from=build /usr/local/bin/metrics /usr/local/bin/metrics
COPY env env
USER 10001
ENV HEALTH_ADDR=0.0.0.0:9101
EXPOSE 9101
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["metrics", "health"]
ENTRYPOINT ["metrics"]
CMD ["run"]
