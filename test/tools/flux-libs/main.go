// Answers, with the Go libraries that Flux uses, which versions lie in a range and which files an ignore file keeps.
// One JSON request a line on standard input, one answer a line on standard output. make-goldens.ts is what calls it.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
)

type request struct {
	Constraint *string     `json:"constraint"`
	Versions   []string    `json:"versions"`
	Files      []string    `json:"files"`
	Ignore     [][2]string `json:"ignore"`
}

type answer struct {
	Error   string   `json:"error,omitempty"`
	Matches []string `json:"matches,omitempty"`
	Kept    []string `json:"kept,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			panic(err)
		}
		if r.Constraint != nil {
			out.Encode(check(*r.Constraint, r.Versions))
		} else {
			out.Encode(filter(r.Files, r.Ignore))
		}
	}
}

func check(constraint string, versions []string) answer {
	c, err := semver.NewConstraint(constraint)
	if err != nil {
		return answer{Error: err.Error()}
	}
	var a answer
	for _, text := range versions {
		if v, err := semver.NewVersion(text); err == nil && c.Check(v) {
			a.Matches = append(a.Matches, text)
		}
	}
	return a
}

func filter(files []string, ignore [][2]string) answer {
	var patterns []gitignore.Pattern
	for _, file := range ignore {
		var domain []string
		if file[0] != "" {
			domain = strings.Split(file[0], "/")
		}
		patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(file[1]), domain)...)
	}
	matcher := gitignore.NewMatcher(patterns)
	var a answer
	for _, file := range files {
		if !matcher.Match(strings.Split(file, "/"), false) {
			a.Kept = append(a.Kept, file)
		}
	}
	return a
}
