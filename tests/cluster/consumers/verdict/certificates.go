package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

// A certificateQuestion is for a server with a certificate of this kind, and for what Go's own client makes of it.
type certificateQuestion struct {
	// Trust is how the certificate is related to what the client trusts.
	Trust string `json:"trust"`
	// Validity is valid, expired or early.
	Validity string `json:"validity"`
	// Name is which names the certificate has: right, wildcard, other, common, address and more.
	Name string `json:"name"`
	// Key is the type of every key.
	Key string `json:"key"`
	// Version is the highest version of TLS that the server speaks, as crypto/tls numbers it; 0 for the newest.
	Version uint16 `json:"version"`
}

type certificateAnswer struct {
	// Address is where the server listens until the next question.
	Address string `json:"address"`
	// Host is the name to verify.
	Host string `json:"host"`
	// Roots is what the client trusts, PEM.
	Roots string `json:"roots"`
	// Verdict is ok, expired, name, unknown, usage, unhandled or invalid.
	Verdict string `json:"verdict"`
}

// certificates makes keys once, and has one server at a time.
type certificates struct {
	keys   map[string]crypto.Signer
	serial int64
	server *http.Server
}

func (c *certificates) answer(asked *certificateQuestion) (*certificateAnswer, error) {
	host := "registry.test"
	switch asked.Name {
	case "address":
		host = "127.0.0.1"
	case "address-6", "address-6-other":
		host = "::1"
	case "wildcard-deep", "wildcard-usual":
		host = "a.registry.test"
	}
	chain, trusted, err := c.chain(asked)
	if err != nil {
		return nil, fmt.Errorf("cannot make a certificate for %+v: %w", *asked, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{*chain}, MaxVersion: asked.Version}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	c.close()
	c.server = &http.Server{
		Handler:  http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func(server *http.Server) { _ = server.Serve(listener) }(c.server)

	roots := x509.NewCertPool()
	var bundle []byte
	for _, root := range trusted {
		roots.AddCert(root)
		bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})...)
	}
	address := listener.Addr().String()
	dialer := net.Dialer{Timeout: 30 * time.Second}
	connection, err := tls.DialWithDialer(&dialer, "tcp", address, &tls.Config{RootCAs: roots, ServerName: host})
	if err == nil {
		_ = connection.Close()
	}
	verdict, err := verdictOf(err)
	if err != nil {
		return nil, err
	}
	return &certificateAnswer{
		Address: address,
		Host:    host,
		Roots:   string(bundle),
		Verdict: verdict,
	}, nil
}

func (c *certificates) close() {
	if c.server != nil {
		_ = c.server.Close()
	}
}

func verdictOf(err error) (string, error) {
	var invalid x509.CertificateInvalidError
	var unhandled x509.UnhandledCriticalExtension
	var hostname x509.HostnameError
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		return "ok", nil
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "expired", nil
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "usage", nil
	case errors.As(err, &invalid):
		return "invalid", nil
	case errors.As(err, &unhandled):
		return "unhandled", nil
	case errors.As(err, &hostname):
		return "name", nil
	case errors.As(err, &unknown):
		return "unknown", nil
	default:
		return "", fmt.Errorf("Go's client failed otherwise: %w", err)
	}
}

// chain is what the server presents, and the certificates that its client trusts.
func (c *certificates) chain(asked *certificateQuestion) (*tls.Certificate, []*x509.Certificate, error) {
	leaf := c.leaf(asked)
	isSelfSigned := false
	switch asked.Trust {
	case "self-signed-ca", "unknown-self-signed":
		isSelfSigned, leaf.IsCA = true, true
	case "self-signed":
		isSelfSigned = true
	case "chain-to-ca-leaf":
		leaf.IsCA = true
	case "client-only", "client-only-pinned":
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case "any-usage":
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	case "critical-unknown":
		leaf.ExtraExtensions = []pkix.Extension{unknownExtension}
	}

	// root signs intermediate signs the leaf, unless a case says otherwise.
	root, intermediate := c.authority("root"), c.authority("intermediate")
	switch asked.Trust {
	case "expired-root":
		root.NotAfter = time.Now().Add(-time.Hour)
	case "expired-intermediate":
		intermediate.NotAfter = time.Now().Add(-time.Hour)
	case "short-path":
		root.MaxPathLen, root.MaxPathLenZero = 0, true
	case "root-may-not-sign":
		root.KeyUsage = x509.KeyUsageDigitalSignature
	case "intermediate-is-no-ca":
		intermediate.IsCA, intermediate.KeyUsage = false, x509.KeyUsageDigitalSignature
	case "client-only-root":
		root.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case "constrained":
		root.PermittedDNSDomains = []string{"elsewhere.test"}
	case "permitted":
		root.PermittedDNSDomains, root.PermittedDNSDomainsCritical = []string{"test"}, true
	case "excluded":
		root.ExcludedDNSDomains = []string{"registry.test"}
	case "permitted-addresses":
		_, network, _ := net.ParseCIDR("127.0.0.0/8")
		root.PermittedIPRanges = []*net.IPNet{network}
	case "excluded-addresses":
		_, network, _ := net.ParseCIDR("::/0")
		root.ExcludedIPRanges = []*net.IPNet{network}
	case "critical-unknown-intermediate":
		intermediate.ExtraExtensions = []pkix.Extension{unknownExtension}
	}

	keys := make(map[string]crypto.Signer)
	for _, role := range []string{"root", "intermediate", "leaf"} {
		key, err := c.key(asked.Key, role)
		if err != nil {
			return nil, nil, err
		}
		keys[role] = key
	}
	rootMade, err := sign(root, root, keys["root"], keys["root"])
	if err != nil {
		return nil, nil, err
	}
	signer, signerMade, signerKey := intermediate, (*x509.Certificate)(nil), keys["intermediate"]
	direct := asked.Trust == "ca" || asked.Trust == "chain-to-ca-leaf" || asked.Trust == "root-may-not-sign"
	if direct {
		signer, signerMade, signerKey = root, rootMade, keys["root"]
	} else if signerMade, err = sign(intermediate, root, keys["intermediate"], keys["root"]); err != nil {
		return nil, nil, err
	}
	if isSelfSigned {
		signer, signerKey = leaf, keys["leaf"]
	}
	made, err := sign(leaf, signer, keys["leaf"], signerKey)
	if err != nil {
		return nil, nil, err
	}

	presented := [][]byte{made.Raw, signerMade.Raw}
	trusted := []*x509.Certificate{rootMade}
	switch asked.Trust {
	case "self-signed-ca", "self-signed":
		presented, trusted = presented[:1], []*x509.Certificate{made}
	case "unknown-self-signed":
		presented = presented[:1]
	case "pinned", "client-only-pinned":
		presented, trusted = presented[:1], []*x509.Certificate{made}
	case "missing-intermediate", "ca":
		presented = presented[:1]
	case "intermediate-trusted":
		presented, trusted = presented[:1], []*x509.Certificate{signerMade}
	case "same-subject", "same-subject-first", "expired-beside-valid":
		// A CA with the same name: another key, or the same key and an expired certificate.
		other, key := c.authority("root"), keys["root"]
		if asked.Trust == "expired-beside-valid" {
			other.NotAfter = time.Now().Add(-time.Hour)
		} else {
			key = keys["intermediate"]
		}
		otherMade, err := sign(other, other, key, key)
		if err != nil {
			return nil, nil, err
		}
		if trusted = append(trusted, otherMade); asked.Trust != "same-subject" {
			trusted = []*x509.Certificate{otherMade, rootMade}
		}
	}
	return &tls.Certificate{Certificate: presented, PrivateKey: keys["leaf"]}, trusted, nil
}

// unknownExtension is one that no client knows and that each must heed.
var unknownExtension = pkix.Extension{
	Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: true, Value: []byte{5, 0},
}

func (c *certificates) leaf(asked *certificateQuestion) *x509.Certificate {
	leaf := c.template("registry.test")
	leaf.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign
	leaf.BasicConstraintsValid = true
	switch asked.Name {
	case "right":
		leaf.DNSNames = []string{"registry.test"}
	case "wildcard":
		leaf.DNSNames = []string{"*.test"}
	case "wildcard-deep":
		leaf.DNSNames = []string{"*.test"}
	case "wildcard-usual":
		leaf.DNSNames = []string{"*.registry.test"}
	case "wildcard-inside":
		leaf.DNSNames = []string{"reg*.test", "*egistry.test", "registry.*"}
	case "upper":
		leaf.DNSNames = []string{"REGISTRY.Test"}
	case "address-6":
		leaf.IPAddresses = []net.IP{net.IPv6loopback}
	case "address-6-other":
		leaf.IPAddresses = []net.IP{net.ParseIP("::2"), net.IPv4(127, 0, 0, 1)}
	case "other":
		leaf.DNSNames = []string{"other.test"}
	case "address":
		leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	switch asked.Validity {
	case "expired":
		leaf.NotBefore, leaf.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)
	case "early":
		leaf.NotBefore = time.Now().Add(time.Hour)
	}
	return leaf
}

func (c *certificates) authority(name string) *x509.Certificate {
	authority := c.template(name)
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign
	return authority
}

func (c *certificates) template(name string) *x509.Certificate {
	c.serial++
	return &x509.Certificate{
		SerialNumber: big.NewInt(c.serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-72 * time.Hour),
		NotAfter:     time.Now().Add(72 * time.Hour),
	}
}

func sign(template, parent *x509.Certificate, key, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (c *certificates) key(kind, role string) (crypto.Signer, error) {
	name := kind + " " + role
	if key, ok := c.keys[name]; ok {
		return key, nil
	}
	key, err := newKey(kind)
	if err == nil {
		c.keys[name] = key
	}
	return key, err
}

func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "P-256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "P-521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "RSA 2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "RSA 4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	case "Ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	default:
		return nil, fmt.Errorf("no kind of key: %s", kind)
	}
}
