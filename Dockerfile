# Targets: worker (the engine), operator. Both take their binary from the stage `build`, which a named build context
# may replace: it then holds out/sluice and out/sluice-operator, and nothing is compiled.
ARG BASE_IMAGE=debian:bookworm-slim

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends clang cmake g++ libclang-dev make mold pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Shown by --version; there is no git here.
ARG SLUICE_COMMIT=
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin sluice --bin sluice-operator \
    && mkdir /out && cp target/release/sluice target/release/sluice-operator /out/ \
    && strip /out/*

FROM ${BASE_IMAGE} AS worker
COPY --from=build /out/sluice /usr/local/bin/sluice
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/sluice"]

FROM ${BASE_IMAGE} AS operator
COPY --from=build /out/sluice-operator /usr/local/bin/sluice-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/sluice-operator"]
