package inference

import "crypto/tls"

// checkPair reads a certificate and its key once, so that what is wrong with
// them is said when the gateway is opened and not with the first request.
func checkPair(certificate, key string) error {
	_, err := tls.LoadX509KeyPair(certificate, key)
	return err
}
