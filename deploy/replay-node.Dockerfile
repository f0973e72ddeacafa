# The replay node: recorded Ethereum blocks over JSON-RPC, for a system without a real node.
# docker build -f deploy/replay-node.Dockerfile .   (at the repository's root)
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake g++ make zlib1g-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=chaintape-replay-node,target=/src/target \
    cargo build --release --locked -p nodes --bin replay-node && cp target/release/replay-node /usr/local/bin/replay-node

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates zlib1g && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home chaintape
WORKDIR /etc/chaintape
COPY --from=build /usr/local/bin/replay-node /usr/local/bin/replay-node
COPY deploy/lab/nodes/blocks blocks
USER 10001
EXPOSE 18546
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/18546 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200'"]
ENTRYPOINT ["replay-node"]
CMD ["--listen", "0.0.0.0:18546", "--blocks", "/etc/chaintape/blocks", "--pace", "12"]
