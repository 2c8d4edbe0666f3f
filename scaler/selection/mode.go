package selection

// Mode selects one of several instances.
type Mode interface {
	// Select returns an instance of the set, which is not empty. Only
	// [scaler.SelectHash] uses the key.
	Select(from *Set, key string) *Instance
}

// Source is the source of randomness of the modes, such as a *rand.Rand of
// math/rand/v2.
type Source interface {
	// IntN returns a number from 0 to n-1.
	IntN(n int) int
}
