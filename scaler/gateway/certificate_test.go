package gateway_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
)

// issue writes a certificate of 127.0.0.1 and its key, and returns it.
func issue(t *testing.T, certFile, keyFile, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// overTLS is a client that trusts one certificate.
func overTLS(t *testing.T, trusted *x509.Certificate, change func(*tls.Config, *http.Protocols)) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: trusted.Subject.CommonName}
	config.RootCAs.AddCert(trusted)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	if change != nil {
		change(config, protocols)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, Protocols: protocols}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// Over TLS come HTTP/2, HTTP/1.1 and WebSockets; nothing older than TLS 1.2 does.
// Instances are told.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	trusted := issue(t, cert, key, "one.example.com")
	_, url := fronting(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/socket" {
			if conn, err := websocket.Accept(w, r, nil); err == nil {
				_ = conn.Close(websocket.StatusNormalClosure, "bye")
			}
			return
		}
		w.Header().Set("X-Seen", r.Header.Get("X-Forwarded-Proto"))
	}, func(c *gateway.Config) { c.TLSCert, c.TLSKey = cert, key })
	url = strings.Replace(url, "http:", "https:", 1)
	fetched := func(client *http.Client) (proto string, err error) {
		response, err := client.Get(url + "/")
		if err != nil {
			return "", err
		}
		response.Body.Close()
		if got := response.Header.Get("X-Seen"); got != "https" {
			t.Errorf("the instance was told %q, want https", got)
		}
		return response.Proto, nil
	}
	if got, err := fetched(overTLS(t, trusted, nil)); err != nil || got != "HTTP/2.0" {
		t.Errorf("got %s (%v), want HTTP/2", got, err)
	}
	only1 := overTLS(t, trusted, func(_ *tls.Config, p *http.Protocols) { p.SetHTTP2(false) })
	if got, err := fetched(only1); err != nil || got != "HTTP/1.1" {
		t.Errorf("got %s (%v), want HTTP/1.1", got, err)
	}
	if _, err := fetched(overTLS(t, trusted, func(c *tls.Config, _ *http.Protocols) {
		c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	})); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	conn, _, err := websocket.Dial(t.Context(), url+"/socket", &websocket.DialOptions{HTTPClient: only1})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the WebSocket ended with %v", err)
	}
}

// A renewed certificate is used for the next connection, and one that is broken
// or half written is not.
func TestCertificateReloads(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	issue(t, cert, key, "one")
	var now atomic.Int64
	var mu sync.Mutex
	var log bytes.Buffer
	g := serve(t, func(c *gateway.Config) {
		c.TLSCert, c.TLSKey = cert, key
		c.Now = func() time.Time { return time.Unix(now.Load(), 0) }
		c.Log = slog.New(slog.NewTextHandler(locked{&mu, &log}, nil))
	})
	want := func(what, name string) {
		t.Helper()
		unverified := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the test looks at the certificate itself
		conn, err := tls.Dial("tcp", g.Address(), unverified)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer func() { _ = conn.Close() }()
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != name {
			t.Errorf("%s: got the certificate %s, want %s", what, got, name)
		}
	}
	want("at first", "one")
	issue(t, cert, key, "two")
	want("before the files are looked at again", "one")
	now.Add(1)
	want("after the files have changed", "two")

	issue(t, cert, filepath.Join(dir, "elsewhere.pem"), "three")
	for range 3 {
		now.Add(1)
		want("with another's key", "two")
	}
	mu.Lock()
	if got := strings.Count(log.String(), "level=ERROR"); got != 1 {
		t.Errorf("%d errors are in the log, want one:\n%s", got, &log)
	}
	mu.Unlock()
	if err := os.Rename(filepath.Join(dir, "elsewhere.pem"), key); err != nil {
		t.Fatal(err)
	}
	now.Add(1)
	want("when the key has come too", "three")
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	now.Add(1)
	want("without a file", "three")
}

// A gateway that cannot prove itself does not start.
func TestNewRefusesBadCertificates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cert.pem")
	write(t, file, "nonsense")
	for _, config := range []gateway.Config{{TLSCert: file, TLSKey: file}, {TLSCert: file}, {TLSKey: file}} {
		config.Nomad = newFakeNomad()
		if _, err := gateway.New(config); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("got %v, want an error about %s", err, file)
		}
	}
}
