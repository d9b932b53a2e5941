//go:build tools

// Package tools pins the helm command of the major version before: releases must be readable and writable by it too.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
