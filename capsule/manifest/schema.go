package manifest

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// schemaURL is what the schema calls itself.
const schemaURL = "urn:phios:capsule-manifest:1"

//go:embed schema.json
var schemaTable []byte

// Schema returns the JSON Schema (2020-12) of manifests, for editors. The
// caller owns the bytes.
func Schema() []byte { return bytes.Clone(schemaTable) }

// form is the schema, ready for use, and its own text as values: the errors
// quote its descriptions, so that an editor and phi say the same.
type form struct {
	schema *jsonschema.Schema
	source any
}

// formTable is made once: compiling takes longer than reading a manifest.
var formTable = sync.OnceValues(func() (form, error) {
	source, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaTable))
	if err != nil {
		return form{}, fmt.Errorf("read the schema of manifests: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaURL, source); err != nil {
		return form{}, fmt.Errorf("add the schema of manifests: %w", err)
	}
	schema, err := c.Compile(schemaURL)
	if err != nil {
		return form{}, fmt.Errorf("compile the schema of manifests: %w", err)
	}
	return form{schema, source}, nil
})

// checkForm holds a manifest's values against the schema.
func (r *reader) checkForm(value any) {
	f, err := formTable()
	if err != nil {
		r.problem("", "%v: this binary is broken, build it again", err)
		return
	}
	err = f.schema.Validate(value)
	if wrong, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		r.explain(f, wrong)
	} else if err != nil {
		r.problem("", "%v: see docs/capsules.md", err)
	}
}

// explain notes what the schema finds wrong, from the innermost out: the
// levels above only say that something below is wrong.
func (r *reader) explain(f form, e *jsonschema.ValidationError) {
	path := pathOf(e.InstanceLocation)
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			r.explain(f, cause)
		}
		return
	}
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			r.problem(path+"/"+name, "there is no such field: %s", f.fields(e))
		}
	case *kind.Required:
		for _, name := range k.Missing {
			r.problem(path, "the field %q is missing: give it, %s", name, f.says(e, "properties", name))
		}
	case *kind.Type:
		r.problem(path, "it is %s: %s", article(k.Got), f.says(e))
	case *kind.Enum, *kind.Const, *kind.Pattern:
		r.problem(path, "%q will not do: %s", clip(r.nodes[path].Value), f.says(e))
	case *kind.MaxLength, *kind.MaxItems, *kind.MaxProperties:
		r.problem(path, "there is too much of it: %s", f.says(e))
	case *kind.MinLength, *kind.MinItems:
		r.problem(path, "there is too little of it: %s", f.says(e))
	case *kind.UniqueItems:
		r.problem(path, "the same is there twice: keep one")
	case *kind.Minimum, *kind.Maximum:
		r.problem(path, "%s is out of range: %s", clip(r.nodes[path].Value), f.says(e))
	default:
		r.problem(path, "it is not in order: %s", f.says(e))
	}
}

// article names a JSON type.
func article(name string) string {
	switch name {
	case "object":
		return "a mapping"
	case "array":
		return "a list"
	case "string":
		return "a text"
	case "null":
		return "empty"
	case "boolean":
		return "true or false"
	default:
		return "a number"
	}
}

// says returns the description of the schema that e is about, or of one below.
func (f form) says(e *jsonschema.ValidationError, below ...string) string {
	at := f.at(e, below...)
	if text, ok := at["description"].(string); ok {
		return text
	}
	return "see docs/capsules.md"
}

// fields says which fields the schema that e is about has.
func (f form) fields(e *jsonschema.ValidationError) string {
	all, _ := f.at(e)["properties"].(map[string]any)
	if len(all) == 0 {
		return f.says(e)
	}
	return "known here are " + strings.Join(slices.Sorted(maps.Keys(all)), ", ")
}

// at returns the part of the schema that e is about, or one below it.
func (f form) at(e *jsonschema.ValidationError, below ...string) map[string]any {
	_, pointer, _ := strings.Cut(e.SchemaURL, "#")
	steps := slices.Concat(strings.Split(strings.Trim(pointer, "/"), "/"), below)
	at, _ := f.source.(map[string]any)
	for _, step := range steps {
		if step == "" {
			continue
		}
		at, _ = at[step].(map[string]any)
		if to, ok := at["$ref"].(string); ok {
			definitions, _ := f.source.(map[string]any)["$defs"].(map[string]any)
			at, _ = definitions[strings.TrimPrefix(to, "#/$defs/")].(map[string]any)
		}
	}
	return at
}
