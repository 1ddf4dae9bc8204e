package merge

// Records counts what is kept.
func (m *Merge) Records() int {
	return len(m.services) + len(m.workloads) + len(m.rules) + len(m.named) + len(m.wanted) + len(m.homes) + len(m.guests) +
		len(m.ledger.found) + len(m.ledger.told)
}
