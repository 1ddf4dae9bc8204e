// Package replicas tests several control planes of one mesh as users have them: real processes of the outrigger binary,
// from one folder or with copies of its keys, and unmodified Envoys that move between them. It holds no product code.
package replicas
