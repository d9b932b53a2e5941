//go:build tools

// Package tools pins the OCI registry that src/lib/oci and the sources that pull from registries are tested against.
package tools

import _ "github.com/distribution/distribution/v3/cmd/registry"
