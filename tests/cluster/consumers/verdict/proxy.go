package main

import (
	"fmt"
	"net/url"

	"golang.org/x/net/http/httpproxy"
)

// A proxyQuestion is whether an https URL is reached without the proxy that is set.
type proxyQuestion struct {
	NoProxy string `json:"noProxy"`
	// Host is host:port, an IPv6 address in brackets.
	Host string `json:"host"`
}

type proxyAnswer struct {
	Direct bool `json:"direct"`
}

func (asked *proxyQuestion) answer() (*proxyAnswer, error) {
	config := httpproxy.Config{HTTPSProxy: "http://proxy.test:3128", NoProxy: asked.NoProxy}
	proxy, err := config.ProxyFunc()(&url.URL{Scheme: "https", Host: asked.Host})
	if err != nil {
		return nil, fmt.Errorf("cannot ask for the proxy of %s: %w", asked.Host, err)
	}
	return &proxyAnswer{Direct: proxy == nil}, nil
}
