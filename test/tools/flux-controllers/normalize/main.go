// Command normalize prints what kustomize-controller makes of manifests before it applies them, one JSON object a line from standard
// input to standard output. With the argument "types" it prints the Go types that this goes by: the table of src/kube/native-types.ts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/ssa/normalize"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	run := normalizeLines
	if len(os.Args) > 1 && os.Args[1] == "types" {
		run = printTypes
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func normalizeLines() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(lines.Bytes()); err != nil {
			return err
		}
		if err := normalize.UnstructuredList([]*unstructured.Unstructured{object}); err != nil {
			return err
		}
		if err := out.Encode(object.Object); err != nil {
			return err
		}
	}
	return lines.Err()
}
