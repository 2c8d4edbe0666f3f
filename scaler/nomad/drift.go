package nomad

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
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

// Flatten lists what a job says as paths, written the way a job specification
// nests: group.web.task.app.config.image. Named blocks have a path of their own
// with an empty value; values that are zero have none, because Nomad fills in
// what is missing. Left out is what no specification says (versions, indexes,
// times, status) and the counts, which belong to the autoscaler and to people.
func Flatten(job *api.Job) map[string]string {
	flat := make(flattened)
	flat.add("", reflect.ValueOf(job))
	for _, group := range job.TaskGroups {
		delete(flat, join("group", *group.Name)+".count")
	}
	return flat
}

type flattened map[string]string

// longest is how much of a value is kept. A baseline of jobs with long templates
// stays small, and so do the plans that quote it.
const longest = 160

func (f flattened) set(path, value string) {
	if len(value) > longest {
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

// specName is what a specification calls a field of Nomad's API, or "" when it
// cannot say it. The fields that carry no name for HCL are filled in by the
// servers; only blocks among them can come from a specification.
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

// addBlocks adds blocks under their labels, or by number where labels do not
// tell them apart.
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

// labelledBlocks tells blocks, which HCL reads as a list of maps with one label
// each, from a list of maps.
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

// join extends a path; a name with other than word characters in it is quoted.
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

// Drift tells what of a job is not as it was declared: "now (declared before)" by
// path. It leaves out what the policy of the group says, which [ReadSettings]
// reads. Of a block that has come or gone only its own path is told.
func Drift(declared map[string]string, job *api.Job, group string) map[string]string {
	drift := drifted(declared, Flatten(job), job, group)
	if stopped(job) {
		drift["stop"] = "true (declared false)"
	}
	return drift
}

// FlattenBlock is [Flatten] of the scaling block of a job's group alone.
func FlattenBlock(job *api.Job, group string) map[string]string {
	flat, scaling := Flatten(job), scalingPath(group)+"."
	maps.DeleteFunc(flat, func(path, _ string) bool { return !strings.HasPrefix(path, scaling) })
	return flat
}

// BlockDrift is [Drift] of the scaling block of a job's group alone, declared as
// [FlattenBlock] lists it.
func BlockDrift(declared map[string]string, job *api.Job, group string) map[string]string {
	return drifted(declared, FlattenBlock(job, group), job, group)
}

func scalingPath(group string) string { return join("group", group) + ".scaling" }

func drifted(declared, live map[string]string, job *api.Job, group string) map[string]string {
	declared, scaling := maps.Clone(declared), scalingPath(group)
	for _, path := range coveredPaths(job, group) {
		delete(declared, scaling+"."+path)
		delete(live, scaling+"."+path)
	}
	if scalingBlock(job, group) == nil {
		maps.DeleteFunc(declared, func(path, _ string) bool { return strings.HasPrefix(path, scaling+".") })
	}
	return differences(declared, live)
}

func differences(declared, live map[string]string) map[string]string {
	drift := make(map[string]string)
	var whole []string
	for _, path := range slices.Sorted(maps.Keys(union(declared, live))) {
		before, was := declared[path]
		now, is := live[path]
		inside := slices.ContainsFunc(whole, func(block string) bool { return strings.HasPrefix(path, block) })
		if inside || (was && is && before == now) {
			continue
		}
		block := before == "" && now == ""
		if block {
			whole = append(whole, path+".")
		}
		switch {
		case block && is:
			drift[path] = "added (not declared)"
		case block:
			drift[path] = "removed (declared)"
		case !is:
			drift[path] = fmt.Sprintf("unset (declared %s)", before)
		case !was:
			drift[path] = fmt.Sprintf("%s (not declared)", now)
		default:
			drift[path] = fmt.Sprintf("%s (declared %s)", now, before)
		}
	}
	return drift
}

func union(a, b map[string]string) map[string]string {
	all := make(map[string]string, len(a))
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}
