# The server with its gateway: Node.js, Git, and nothing of what it is built with. See docs/install-kubernetes.md.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm pack --pack-destination /tmp && deploy/install-package /tmp/waybill-*.tgz package-lock.json /opt/waybill

FROM ${NODE_IMAGE}
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates git tini \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/waybill /opt/waybill
RUN ln -s /opt/waybill/dist/src/main.js /usr/local/bin/waybill \
  && mkdir /data && chown 10001:10001 /data
# A number, so that Kubernetes can see that it is not root. Only /data and /tmp are written to.
USER 10001:10001
ENV HOME=/tmp WAYBILL_HOST=0.0.0.0 NODE_ENV=production
VOLUME /data
EXPOSE 8080
# tini reaps what Git leaves behind, and passes SIGTERM on.
ENTRYPOINT ["tini", "--", "waybill"]
CMD ["serve", "--data", "/data", "--port", "8080", "--stop-workloads"]
