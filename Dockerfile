# Two bundled files on a plain Node image: docker build -t sluice:v0.1.0 .
ARG BASE=node:24-bookworm-slim
ARG RUNTIME_BASE=${BASE}

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.types.json build.ts ./
COPY src ./src
RUN npm run build

FROM ${RUNTIME_BASE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/dist ./dist
# Not root, and by number: Kubernetes can then tell (runAsNonRoot).
USER 65532:65532
EXPOSE 8080 9090 9440
# A young generation of 8 MiB halves makes the process some 40 MiB smaller at no measurable cost.
ENTRYPOINT ["node", "--max-semi-space-size=8", "--enable-source-maps", "/app/dist/sluice.mjs"]
CMD ["controller"]
