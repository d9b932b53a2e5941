//go:build tools

// Package tools pins Prometheus and promtool: what scrapes the tests' Sluice, and what checks the rules in deploy/monitoring.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
