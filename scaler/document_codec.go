package scaler

import (
	"errors"
	"maps"
	"slices"
)

// Parse reads a document and fills in defaults. Its error joins a [*ValueError]
// for every unknown key, every value out of range and every contradiction.
func Parse(doc Document) (Policy, error) {
	p := Policy{Enabled: true}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		if _, ok := keyByName[name]; !ok {
			errs = append(errs, invalid(name, doc[name], "removed: there is no such key"))
		}
	}
	for _, k := range keys {
		value, given := doc[k.Name]
		switch {
		case !given:
			k.setDefault(&p)
		case !k.decode(&p, value):
			errs = append(errs, k.invalid(value))
		}
	}
	for _, name := range []string{"namespace", "job", "group"} {
		if _, given := doc[name]; !given {
			errs = append(errs, keyByName[name].invalid(""))
		}
	}
	errs = append(errs, checkTargets(doc, p.Metric)...)
	if err := errors.Join(errs...); err != nil {
		return Policy{}, err
	}
	if err := p.contradictions(); err != nil {
		return Policy{}, err
	}
	return p, nil
}

// checkTargets reports a target that belongs to another metric than the policy's,
// and a missing one that has no default.
func checkTargets(doc Document, of Metric) (errs []error) {
	if of.TargetKey() == "" {
		return nil // the metric is invalid
	}
	for _, metric := range slices.Sorted(maps.Keys(targetKeys)) {
		name := metric.TargetKey()
		if value, given := doc[name]; given && metric != of {
			errs = append(errs, invalid(name, value, "unset unless metric is %s", metric))
		}
	}
	if _, given := doc[Custom.TargetKey()]; of == Custom && !given {
		errs = append(errs, invalid(Custom.TargetKey(), "", "set when metric is custom"))
	}
	return errs
}

// Document writes the policy with every value explicit, so that the policy does not
// depend on the defaults of the version that reads it.
func (p Policy) Document() Document {
	doc := make(Document, len(keys))
	for _, k := range keys {
		if value := k.encode(p); value != "" {
			doc[k.Name] = value
		}
	}
	return doc
}
