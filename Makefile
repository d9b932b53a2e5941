# Needs Node 20 or later and npm; npm brings Node 24, which the scripts run with, and everything else but the Kubernetes programs
# of the tests and the demo (see test/tools/tools.ts).
#
#   make demo                 a cluster, a Git repository and Sluice between them, until Ctrl-C
#   make demo ARGS=--once     the same story, then the end: exit code 0 if every step held
#   make test                 every test; ARGS=test/kube runs a part
#   make bench ARGS='--apps 50'
#   make bench-kustomize      builds against the real kustomize's time
#   make fuzz-kustomize ARGS='--minutes 30'   random builds against the real kustomize; failures become fixtures
#   make bench-helm           renderings against the real helm's time
#   make fuzz-helm ARGS='--minutes 30'   random charts against the real helm; failures become fixtures
#   make image IMAGE=registry.example/sluice:v1   the image, with docker, podman or buildah; prints size and start time
#   make manifests IMAGE=…    each installation of deploy/ as one file, in dist/manifests
#   make e2e                  Sluice as a pod on a real node, see e2e/README.md; ARGS=--smoke runs the short form

ARGS ?=

.PHONY: demo test lint typecheck generate bench bench-kustomize fuzz-kustomize bench-helm fuzz-helm build image manifests e2e

demo test lint typecheck generate bench bench-kustomize fuzz-kustomize bench-helm fuzz-helm build image manifests e2e: node_modules/.package-lock.json
	npm run --silent $@ -- $(ARGS)

node_modules/.package-lock.json: package-lock.json
	npm ci --no-audit --no-fund
	@touch $@
