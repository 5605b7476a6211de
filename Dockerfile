# One image for every service; docker-compose.yml says which of them a container runs.
#
# The tag moves with Node's security releases. To build upon the same bytes again and again, give the
# digest as well, which `docker buildx imagetools inspect node:24-bookworm-slim` tells:
#   docker build --build-arg BASE=node:24-bookworm-slim@sha256:... .
ARG BASE=node:24-bookworm-slim

# The manifests alone: dependencies are installed again only when these change.
FROM ${BASE} AS manifests
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY gen/package.json gen/
COPY runtime/package.json runtime/
COPY wallet-service/package.json wallet-service/
COPY history-service/package.json history-service/
COPY gateway/package.json gateway/
COPY local/package.json local/
COPY bench/package.json bench/
COPY e2e/package.json e2e/

# No dependency needs its install script for this: gen/ is committed, and the compiler has none.
FROM manifests AS build
RUN npm ci --ignore-scripts
COPY tsconfig.base.json tsconfig.build.json ./
COPY gen gen
COPY runtime runtime
COPY wallet-service wallet-service
COPY history-service history-service
COPY gateway gateway
RUN npm run build

FROM manifests AS dependencies
RUN npm ci --ignore-scripts --omit=dev -w gen -w runtime -w wallet-service -w history-service -w gateway
# What scanners read: the bill of materials, in the form of CycloneDX.
RUN npm run --silent sbom > sbom.cdx.json

FROM ${BASE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=dependencies /app/sbom.cdx.json ./
COPY package.json ./
COPY configuration configuration
COPY deploy/check-health.mjs deploy/
COPY gen gen
COPY --from=build /app/runtime/dist runtime/dist
COPY runtime/package.json runtime/
COPY --from=build /app/wallet-service/dist wallet-service/dist
COPY wallet-service/package.json wallet-service/
COPY wallet-service/migrations wallet-service/migrations
COPY --from=build /app/history-service/dist history-service/dist
COPY history-service/package.json history-service/
COPY history-service/migrations history-service/migrations
COPY --from=build /app/gateway/dist gateway/dist
COPY gateway/package.json gateway/
# The user that the base image brings; nothing in /app is his, so that nothing there can be changed.
USER node
