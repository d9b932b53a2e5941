// Command openapi prints, as JSON, the OpenAPI definitions that kustomize carries and the scope of every kind in them.
// src/lib/kustomize/tables/generate.ts makes the tables of src/lib/kustomize from it.
package main

import (
	"encoding/json"
	"os"

	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

type kind struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespaced bool   `json:"namespaced"`
}

func main() {
	definitions := openapi.Schema().Definitions
	var kinds []kind
	for _, definition := range definitions {
		list, _ := definition.Extensions["x-kubernetes-group-version-kind"].([]interface{})
		for _, entry := range list {
			m := entry.(map[string]interface{})
			apiVersion := m["version"].(string)
			if group := m["group"].(string); group != "" {
				apiVersion = group + "/" + apiVersion
			}
			t := yaml.TypeMeta{APIVersion: apiVersion, Kind: m["kind"].(string)}
			if namespaced, found := openapi.IsNamespaceScoped(t); found {
				kinds = append(kinds, kind{t.APIVersion, t.Kind, namespaced})
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"definitions": definitions, "kinds": kinds}); err != nil {
		panic(err)
	}
}
