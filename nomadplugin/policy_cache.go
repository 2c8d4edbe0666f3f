package nomadplugin

import (
	"maps"
	"sync"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// policyCache keeps the parsed policy of each app until its document changes. It
// is safe for concurrent use.
type policyCache struct {
	mutex sync.Mutex
	byApp map[scaler.AppID]cachedPolicy
}

type cachedPolicy struct {
	document scaler.Document
	policy   scaler.Policy
}

func (c *policyCache) parse(document scaler.Document) (scaler.Policy, error) {
	app := scaler.AppID{Namespace: document["namespace"], Job: document["job"], Group: document["group"]}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if cached, ok := c.byApp[app]; ok && maps.Equal(cached.document, document) {
		return cached.policy, nil
	}
	policy, err := scaler.Parse(document)
	if err != nil {
		return scaler.Policy{}, err
	}
	if c.byApp == nil {
		c.byApp = make(map[scaler.AppID]cachedPolicy)
	}
	c.byApp[app] = cachedPolicy{document: maps.Clone(document), policy: policy}
	return policy, nil
}
