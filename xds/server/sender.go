package server

// sendSafely hands responses to the transport, which may block while the client does not read.
func sendSafely(to transport, responses []*response) (err error) {
	defer recovered(&err)
	for _, r := range responses {
		if err := to.send(r); err != nil {
			return err
		}
	}
	return nil
}
