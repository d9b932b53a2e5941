package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

// table holds the fields of every struct that a native kind consists of. A type is written as "s" (string), "b" (bool), "i" (integer),
// "f" (float), "y" (bytes), "x" (anything), "q" (quantity), "o" (integer or string), "t" (time), "d" (duration), the index of a struct,
// or one of these after "*" (pointer), "[" (list) or "{" (map of strings). Before a field's type, "?" stands for omitempty.
type table struct {
	Kinds map[string]int      `json:"kinds"`
	Types []map[string]string `json:"types"`
	index map[reflect.Type]int
}

// No API server since 1.33 serves these.
var gone = map[string]bool{
	"extensions/v1beta1": true, "apps/v1beta1": true, "apps/v1beta2": true, "batch/v1beta1": true, "policy/v1beta1": true,
	"autoscaling/v2beta1": true, "autoscaling/v2beta2": true, "discovery.k8s.io/v1beta1": true, "events.k8s.io/v1beta1": true,
	"rbac.authorization.k8s.io/v1alpha1": true, "rbac.authorization.k8s.io/v1beta1": true, "scheduling.k8s.io/v1beta1": true,
	"flowcontrol.apiserver.k8s.io/v1beta1": true, "flowcontrol.apiserver.k8s.io/v1beta2": true,
	"flowcontrol.apiserver.k8s.io/v1beta3": true, "coordination.k8s.io/v1beta1": true, "node.k8s.io/v1alpha1": true,
	"node.k8s.io/v1beta1": true, "certificates.k8s.io/v1alpha1": true, "storage.k8s.io/v1alpha1": true,
}

var opaque = map[string]string{
	"resource.Quantity": "q", "intstr.IntOrString": "o", "v1.Time": "t", "v1.MicroTime": "t", "v1.Duration": "d",
	"runtime.RawExtension": "x", "v1.FieldsV1": "x",
}

func printTypes() error {
	t := table{Kinds: map[string]int{}, index: map[reflect.Type]int{}}
	all := scheme.Scheme.AllKnownTypes()
	names := map[string]reflect.Type{}
	for gvk, goType := range all {
		_, hasMeta := reflect.New(goType).Interface().(metav1.Object)
		// What is only asked and never stored has no list.
		_, isStored := all[gvk.GroupVersion().WithKind(gvk.Kind+"List")]
		if hasMeta && isStored && !gone[gvk.GroupVersion().String()] {
			names[gvk.GroupVersion().String()+"/"+gvk.Kind] = goType
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	for _, name := range sorted {
		if name == "rbac.authorization.k8s.io/v1/Role" || name == "rbac.authorization.k8s.io/v1/ClusterRole" {
			continue // left as they are
		}
		at, err := t.structure(names[name])
		if err != nil {
			return err
		}
		t.Kinds[name] = at
	}
	return json.NewEncoder(os.Stdout).Encode(t)
}

func (t *table) structure(s reflect.Type) (int, error) {
	if at, known := t.index[s]; known {
		return at, nil
	}
	at := len(t.Types)
	t.index[s] = at
	t.Types = append(t.Types, nil)
	fields, err := t.fields(s)
	t.Types[at] = fields
	return at, err
}

func (t *table) fields(s reflect.Type) (map[string]string, error) {
	fields := map[string]string{}
	for i := 0; i < s.NumField(); i++ {
		field := s.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if name == "" && (field.Anonymous || strings.Contains(options, "inline")) {
			inlined, err := t.fields(field.Type)
			if err != nil {
				return nil, err
			}
			maps.Copy(fields, inlined)
			continue
		}
		if name == "" {
			return nil, fmt.Errorf("%s.%s has no name", s, field.Name)
		}
		text, err := t.text(field.Type)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", s, field.Name, err)
		}
		isOmitted := strings.Contains(options, "omitempty")
		if strings.Contains(options, "omitzero") {
			if text != "t" {
				return nil, fmt.Errorf("%s.%s: omitzero of another type than a time", s, field.Name)
			}
			isOmitted = true
		} else if text == "t" {
			isOmitted = false
		}
		if isOmitted {
			text = "?" + text
		}
		fields[name] = text
	}
	return fields, nil
}

func (t *table) text(f reflect.Type) (string, error) {
	if known, ok := opaque[f.String()]; ok {
		return known, nil
	}
	if f.Kind() != reflect.Pointer && reflect.PointerTo(f).Implements(marshaler) {
		return "", fmt.Errorf("%s has a form of its own", f)
	}
	switch f.Kind() {
	case reflect.String:
		return "s", nil
	case reflect.Bool:
		return "b", nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "i", nil
	case reflect.Float32, reflect.Float64:
		return "f", nil
	case reflect.Struct:
		at, err := t.structure(f)
		return fmt.Sprint(at), err
	case reflect.Slice:
		if f.Elem().Kind() == reflect.Uint8 {
			return "y", nil
		}
	case reflect.Map, reflect.Pointer:
	default:
		return "", fmt.Errorf("%s is of no known sort", f)
	}
	inner, err := t.text(f.Elem())
	return map[reflect.Kind]string{reflect.Slice: "[", reflect.Map: "{", reflect.Pointer: "*"}[f.Kind()] + inner, err
}

var marshaler = reflect.TypeOf((*json.Marshaler)(nil)).Elem()
