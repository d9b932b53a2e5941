// Renders charts with Helm's own packages, many in one process: what `helm template` prints and fails with, without its start.
// One JSON request a line on standard input, one answer a line on standard output: the protocol of
// test/conformance/helm-engine.ts, which answers the same requests with src/lib/chart.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/cli/values"
	"helm.sh/helm/v4/pkg/getter"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/repo/v1"
)

type request struct {
	ID        json.RawMessage   `json:"id,omitempty"`
	Op        string            `json:"op"`
	Template  string            `json:"template"`
	Files     map[string]string `json:"files"`
	Templates map[string]string `json:"templates"`
	// An inline chart or a package (render), a name (index).
	Chart json.RawMessage `json:"chart"`
	// The text of values.yaml (template) or the texts of the -f files (render).
	Values  json.RawMessage `json:"values"`
	Release struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		IsUpgrade bool   `json:"isUpgrade"`
	} `json:"release"`
	Options options `json:"options"`

	Constraint string   `json:"constraint"`
	Versions   []string `json:"versions"`
	Index      string   `json:"index"`
	Version    string   `json:"version"`
}

type options struct {
	KubeVersion          string   `json:"kubeVersion"`
	APIVersions          []string `json:"apiVersions"`
	IncludeCRDs          bool     `json:"includeCRDs"`
	NoHooks              bool     `json:"noHooks"`
	SkipTests            bool     `json:"skipTests"`
	SkipSchemaValidation bool     `json:"skipSchemaValidation"`
	Set                  []string `json:"set"`
	SetString            []string `json:"setString"`
	SetJSON              []string `json:"setJson"`
	SetLiteral           []string `json:"setLiteral"`
}

type answer map[string]any

// The chart around the template of a `template` request.
const confChart = `apiVersion: v2
name: conf
description: Conformance chart
type: application
version: 1.2.3
appVersion: "4.5.6"
keywords: [one, two]
home: https://conf.example/
annotations:
  conf.example/a: "b"
maintainers:
- name: Pat
  email: pat@conf.example
`

func main() {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	work, err := os.MkdirTemp(memoryFolder(), "helm-oracle-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(work)
	os.Setenv("HELM_CACHE_HOME", work)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		out.Write(encode(respond(line, work)))
		out.WriteByte('\n')
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
}

// memoryFolder is where files cost no disk, if the system has such a place.
func memoryFolder() string {
	if _, err := os.Stat("/dev/shm"); err == nil {
		return "/dev/shm"
	}
	return ""
}

func respond(line []byte, work string) answer {
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		panic(err)
	}
	folder, err := os.MkdirTemp(work, "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	result, err := perform(r, folder)
	if err != nil {
		// As in a terminal: relative to the chart, without the line break at the end of some messages.
		message := strings.ReplaceAll(err.Error(), folder+"/", "")
		result = answer{"ok": false, "error": strings.TrimRight(message, "\n")}
	} else {
		result["ok"] = true
	}
	if r.ID != nil {
		result["id"] = r.ID
	}
	return result
}

func perform(r request, folder string) (result answer, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			result, err = nil, fmt.Errorf("PANIC %v", thrown)
		}
	}()
	switch r.Op {
	case "template":
		return template(r, folder)
	case "render":
		return render(r, folder)
	case "version":
		return version(r)
	case "index":
		var name string
		if err := json.Unmarshal(r.Chart, &name); err != nil {
			return nil, err
		}
		return index(r.Index, name, r.Version)
	}
	return nil, fmt.Errorf("unknown op %q", r.Op)
}

func template(r request, folder string) (answer, error) {
	var text string
	if err := json.Unmarshal(r.Values, &text); err != nil {
		return nil, err
	}
	files := map[string]string{"Chart.yaml": confChart, "values.yaml": text, "templates/NOTES.txt": r.Template}
	for _, more := range []map[string]string{r.Files, r.Templates} {
		for name, content := range more {
			files[name] = content
		}
	}
	path := filepath.Join(folder, "conf")
	write(path, files)
	rel, _, err := install(r, path, &values.Options{})
	if err != nil {
		return nil, err
	}
	return answer{"output": rel.Info.Notes}, nil
}

func render(r request, folder string) (answer, error) {
	var source struct {
		Path  string            `json:"path"`
		Files map[string]string `json:"files"`
	}
	if err := json.Unmarshal(r.Chart, &source); err != nil {
		return nil, err
	}
	path := source.Path
	if path == "" {
		path = filepath.Join(folder, "chart")
		write(path, source.Files)
	}
	var texts []string
	if r.Values != nil {
		if err := json.Unmarshal(r.Values, &texts); err != nil {
			return nil, err
		}
	}
	o := r.Options
	given := &values.Options{JSONValues: o.SetJSON, Values: o.Set, StringValues: o.SetString, LiteralValues: o.SetLiteral}
	for i, text := range texts {
		name := fmt.Sprintf("values-%d.yaml", i)
		write(folder, map[string]string{name: text})
		given.ValueFiles = append(given.ValueFiles, filepath.Join(folder, name))
	}
	rel, client, err := install(r, path, given)
	if err != nil {
		return nil, err
	}
	return answer{"manifests": printed(rel, client, r.Options), "notes": rel.Info.Notes, "hooks": hooks(rel)}, nil
}

// install is what the commands template and install do before they print. Source: pkg/cmd/template.go, pkg/cmd/install.go.
func install(r request, path string, given *values.Options) (*release.Release, *action.Install, error) {
	client := action.NewInstall(action.NewConfiguration())
	client.DryRunStrategy = action.DryRunClient
	client.ReleaseName, client.Namespace = r.Release.Name, r.Release.Namespace
	client.Replace = true
	client.IsUpgrade = r.Release.IsUpgrade
	client.IncludeCRDs, client.DisableHooks = r.Options.IncludeCRDs, r.Options.NoHooks
	client.SkipSchemaValidation = r.Options.SkipSchemaValidation
	client.APIVersions = common.VersionSet(r.Options.APIVersions)
	if v := r.Options.KubeVersion; v != "" {
		parsed, err := common.ParseKubeVersion(v)
		if err != nil {
			return nil, nil, fmt.Errorf("invalid kube version '%s': %w", v, err)
		}
		client.KubeVersion = parsed
	}
	vals, err := given.MergeValues(getter.All(cli.New()))
	if err != nil {
		return nil, nil, err
	}
	loaded, err := load(path)
	if err != nil {
		return nil, nil, err
	}
	rel, err := client.Run(loaded, vals)
	if err != nil {
		return nil, nil, err
	}
	v1, ok := rel.(*release.Release)
	if !ok {
		return nil, nil, errors.New("not a release of version 1")
	}
	return v1, client, nil
}

func load(path string) (chart.Charter, error) {
	loaded, err := loader.Load(path)
	if err != nil {
		return nil, err
	}
	known, err := chart.NewAccessor(loaded)
	if err != nil {
		return nil, err
	}
	if kind := known.MetadataAsMap()["Type"]; kind != "" && kind != "application" {
		return nil, fmt.Errorf("%s charts are not installable", kind)
	}
	if wanted := known.MetaDependencies(); len(wanted) > 0 {
		if err := action.CheckDependencies(loaded, wanted); err != nil {
			return nil, fmt.Errorf("an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies: %w", err)
		}
	}
	return loaded, nil
}

// printed is the standard output of the template command.
func printed(rel *release.Release, client *action.Install, o options) string {
	var text strings.Builder
	fmt.Fprintln(&text, strings.TrimSpace(rel.Manifest))
	if client.DisableHooks {
		return text.String()
	}
	for _, hook := range rel.Hooks {
		if o.SkipTests && isTest(hook) {
			continue
		}
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return text.String()
}

func isTest(hook *release.Hook) bool {
	for _, event := range hook.Events {
		if event == release.HookTest {
			return true
		}
	}
	return false
}

// hooks are those of `helm install -o json`, without their runs.
func hooks(rel *release.Release) []any {
	list := []any{}
	for _, hook := range rel.Hooks {
		var fields map[string]any
		if err := json.Unmarshal(encode(hook), &fields); err != nil {
			panic(err)
		}
		delete(fields, "last_run")
		list = append(list, fields)
	}
	return list
}

// version asks an index that lists the versions in their order.
func version(r request) (answer, error) {
	var entries []any
	for i, each := range r.Versions {
		entries = append(entries, map[string]any{"name": "app", "version": each, "urls": []string{fmt.Sprintf("%d.tgz", i)}})
	}
	text := encode(map[string]any{"apiVersion": "v1", "entries": map[string]any{"app": entries}})
	found, err := index(string(text), "app", r.Constraint)
	if err != nil {
		return nil, err
	}
	var chosen int
	if _, err := fmt.Sscanf(found["url"].(string), "%d.tgz", &chosen); err != nil {
		return nil, err
	}
	return answer{"chosen": r.Versions[chosen]}, nil
}

const repository = "http://charts.test/repo"

// served is the repository: every address gives the index.
type served []byte

func (s served) Get(string, ...getter.Option) (*bytes.Buffer, error) {
	return bytes.NewBuffer(s), nil
}

func index(text, name, version string) (answer, error) {
	providers := getter.Providers{{
		Schemes: []string{"http"},
		New:     func(...getter.Option) (getter.Getter, error) { return served(text), nil },
	}}
	found, err := repo.FindChartInRepoURL(repository, name, providers, repo.WithChartVersion(strings.TrimSpace(version)))
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), repository, "REPO"))
	}
	return answer{"url": strings.TrimPrefix(found, repository+"/")}, nil
}

func write(folder string, files map[string]string) {
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			panic(err)
		}
	}
}

func encode(value any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}
