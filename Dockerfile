# Three stages: one installs the packages, one compiles the addon for libtorrent, the last bears what runs. Any
# builder will do: no BuildKit syntax.
#   docker build -t sluice:dev . && docker run -p 9000:9000 -v sluice:/data sluice:dev
# Runs as user 1000 and needs no capability; the root file system may be read-only (--read-only --tmpfs /tmp).
ARG NODE_IMAGE=node:26-bookworm-slim

FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY tools/node/package.json tools/node/
COPY tools/no-webrtc tools/no-webrtc
RUN npm ci --omit=dev --ignore-scripts

FROM packages AS libtorrent
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends g++ pkg-config libtorrent-rasterbar-dev
COPY src/torrent/libtorrent src/torrent/libtorrent
RUN node src/torrent/libtorrent/build.ts

FROM ${NODE_IMAGE}
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends libtorrent-rasterbar2.0 \
 && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/.compile-cache \
    SLUICE_HOST=0.0.0.0 \
    SLUICE_DATA=/data
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY --from=libtorrent /app/build ./build
COPY package.json LICENSE ./
COPY tools/no-webrtc tools/no-webrtc
COPY openapi/s3.openapi.json openapi/
COPY metadata ./metadata
COPY storage ./storage
COPY src ./src
RUN mkdir /data .compile-cache && chown 1000:1000 /data .compile-cache
USER 1000:1000
# Starts the gateway once, so that what Node.js compiles is in the image: each start takes half the time and less memory.
RUN node src/main.ts doctor --data /tmp/warm --port 0; rm -rf /tmp/warm
VOLUME /data
EXPOSE 9000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["node", "src/main.ts", "healthcheck"]
ENTRYPOINT ["node", "src/main.ts"]
CMD ["serve"]
