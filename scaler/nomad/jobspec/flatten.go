package jobspec

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Flatten lists the values of a job by path. A path is written as a job
// specification nests: group.web.task.app.config.image. Named blocks have a path of
// their own with an empty value. Zero values have none, because Nomad fills in what
// is missing.
//
// Flatten leaves out what no specification contains: versions, indexes, times and
// status. It also leaves out the counts, which belong to the autoscaler and to people.
func Flatten(job *api.Job) map[string]string {
	flat := make(flattened)
	flat.add("", reflect.ValueOf(job))
	for _, group := range job.TaskGroups {
		delete(flat, join("group", *group.Name)+".count")
	}
	return flat
}

type flattened map[string]string

// maxValue is the length in bytes above which a value is replaced by its beginning
// and its hash. It keeps the baseline of a job with long templates small, and the
// plans that quote it.
const maxValue = 160

func (f flattened) set(path, value string) {
	if len(value) > maxValue {
		short := value[:64]
		for !utf8.ValidString(short) {
			short = short[:len(short)-1]
		}
		value = fmt.Sprintf("%s… (%d bytes, sha256 %.8x)", short, len(value), sha256.Sum256([]byte(value)))
	}
	f[path] = value
}

func (f flattened) add(path string, v reflect.Value) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || v.IsZero() {
		return
	}
	if d, ok := v.Interface().(time.Duration); ok {
		f.set(path, scaler.FormatDuration(d))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		f.addStruct(path, v)
	case reflect.Map:
		for _, key := range v.MapKeys() {
			f.add(join(path, key.String()), v.MapIndex(key))
		}
	case reflect.Slice:
		f.addSlice(path, v)
	default:
		f.set(path, text(v.Interface()))
	}
}

func (f flattened) addStruct(path string, v reflect.Value) {
	for i := range v.NumField() {
		if name := specName(v.Type().Field(i)); name != "" {
			f.add(join(path, name), v.Field(i))
		}
	}
}

// specName returns the name of a field of Nomad's API in a specification, or "" if
// a specification cannot contain it. The servers fill in the fields without a name
// for HCL; only blocks among them can come from a specification.
func specName(field reflect.StructField) string {
	tag, tagged := field.Tag.Lookup("hcl")
	name, kind, _ := strings.Cut(tag, ",")
	switch {
	case !field.IsExported() || kind == "label":
		return ""
	case tagged:
		return name
	case isBlock(field.Type):
		return strings.ToLower(field.Name)
	default:
		return ""
	}
}

func isBlock(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

func (f flattened) addSlice(path string, v reflect.Value) {
	element := v.Type().Elem()
	switch {
	case isBlock(element):
		f.addBlocks(path, v)
	case element.Kind() == reflect.Interface && labelledBlocks(v):
		for i := range v.Len() {
			f.add(path, v.Index(i))
		}
	case element.Kind() == reflect.Interface && v.Index(0).Elem().Kind() == reflect.Map:
		for i := range v.Len() {
			f.add(join(path, strconv.Itoa(i)), v.Index(i))
		}
	default:
		all, err := json.Marshal(v.Interface())
		if err != nil {
			all = []byte(text(v.Interface()))
		}
		f.set(path, string(all))
	}
}

// addBlocks adds blocks under their labels, or under their numbers where labels do
// not distinguish them.
func (f flattened) addBlocks(path string, v reflect.Value) {
	names := make([]string, v.Len())
	for i := range names {
		names[i] = label(v.Index(i))
	}
	for i, name := range names {
		if name == "" || slices.Contains(names[:i], name) {
			f.add(join(path, strconv.Itoa(i)), v.Index(i))
			continue
		}
		f[join(path, name)] = ""
		f.add(join(path, name), v.Index(i))
	}
}

func label(v reflect.Value) string {
	v = reflect.Indirect(v)
	if !v.IsValid() {
		return ""
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if _, kind, _ := strings.Cut(field.Tag.Get("hcl"), ","); kind != "label" && field.Name != "Name" {
			continue
		}
		if name := reflect.Indirect(v.Field(i)); name.IsValid() && name.Kind() == reflect.String {
			return name.String()
		}
	}
	return ""
}

// labelledBlocks reports whether a list of maps represents blocks, which HCL reads
// as maps with one label each. A plain list of maps repeats its keys.
func labelledBlocks(v reflect.Value) bool {
	seen := make(map[string]bool)
	for i := range v.Len() {
		m, ok := v.Index(i).Interface().(map[string]any)
		if !ok {
			return false
		}
		for key := range m {
			if seen[key] {
				return false
			}
			seen[key] = true
		}
	}
	return true
}

// join extends a path. It quotes a name that has other characters than those of words.
func join(path, name string) string {
	plain := func(r rune) bool { return r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
