package selection

// exact selects the only instance and returns an error if there are several.
type exact struct{}

func (exact) Select(from *Set, _ string) *Instance { return from.First() }

func (exact) check(ready []*Instance) error {
	if len(ready) == 1 {
		return nil
	}
	err := &SeveralError{IDs: make([]string, len(ready))}
	for i, instance := range ready {
		err.IDs[i] = instance.ID
	}
	return err
}
