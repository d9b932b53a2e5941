//go:build tools

// Package tools pins the NATS server that src/notification/providers/nats.ts is tested against.
package tools

import _ "github.com/nats-io/nats-server/v2"
