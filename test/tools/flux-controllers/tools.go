//go:build tools

// Package tools pins the controllers of Flux that Sluice takes the place of: tests hand a cluster over from them and back, and the
// benchmark runs them beside Sluice. One module for both, so that what they share is compiled once; of Flux's own modules, client-go,
// controller-runtime and kustomize it selects the versions that each of them requires by itself.
package tools

import (
	_ "github.com/fluxcd/kustomize-controller"
	_ "github.com/fluxcd/source-controller"
)
