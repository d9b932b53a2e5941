//go:build tools

// Package tools pins the kustomize command, the oracle of src/lib/kustomize.
package tools

import _ "sigs.k8s.io/kustomize/kustomize/v5"
