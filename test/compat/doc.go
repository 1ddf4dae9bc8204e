// Command compat runs every test that a real Envoy takes part in with each of the Envoys of .ci/envoy-versions, and
// says in a table how they fared. It builds each package's tests once, and hands the Envoy on in OUTRIGGER_ENVOY.
//
// It imports the standard library and test/envoy, whose differences between releases it knows for the page that its
// test keeps: docs/compatibility.md. It runs from the top of the repository, and never decides that a test may fail.
package main
