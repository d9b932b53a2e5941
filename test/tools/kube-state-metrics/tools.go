//go:build tools

// Package tools pins kube-state-metrics, which the configuration in deploy/monitoring is tested with.
package tools

import _ "k8s.io/kube-state-metrics/v2"
