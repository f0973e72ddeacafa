# portfolio: keeps the balances of tracked wallets.
# docker build -f deploy/portfolio.Dockerfile .   (at the repository's root)
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake g++ make pkg-config zlib1g-dev libssl-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=chaintape-portfolio,target=/src/target \
    cargo build --release --locked -p portfolio --bin portfolio && cp target/release/portfolio /usr/local/bin/portfolio

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates zlib1g libssl3 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home chaintape
WORKDIR /etc/chaintape
COPY --from=build /usr/local/bin/portfolio /usr/local/bin/portfolio
COPY env env
USER 10001
ENV HEALTH_ADDR=0.0.0.0:9102
EXPOSE 9102
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["portfolio", "health"]
ENTRYPOINT ["portfolio"]
CMD ["run"]
