# The operator alone: one static binary, no shell, no stripe-sandbox. Stripe's certificate
# authorities are compiled in, the cluster's come with the service account.
FROM rust:1.95-alpine AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --no-default-features --bin tenant-billing \
    && install -m 0755 target/release/tenant-billing /tenant-billing

FROM scratch
LABEL org.opencontainers.image.title="tenant-billing" \
      org.opencontainers.image.description="Kubernetes operator that makes Stripe match what tenants' manifests declare" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /tenant-billing /tenant-billing
# By number, so that Kubernetes can tell that it isn't root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/tenant-billing"]
CMD ["run"]
