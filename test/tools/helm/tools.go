//go:build tools

// Package tools pins the helm command, the oracle of src/lib/chart and src/lib/gotemplate.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
