package results

import "strings"

// ProviderLabel is the provider as it stands in an arm's name (VARIANT.PROVIDER.bBATCH.tTHREADS.LOAD): with a mark of its options where
// arms of one run differ in them, so that labels made of it tell all arms apart. A name of another form gives the provider as it is.
func ProviderLabel(arm, variant, provider string) string {
	rest, ok := strings.CutPrefix(arm, variant+".")
	label, _, more := strings.Cut(rest, ".b")
	if !ok || !more || label == "" {
		return provider
	}
	return label
}
