// The flux command, which users keep when they change to Sluice. It is built in a copy of its module, by the go.mod and go.sum that
// the module brings: what stands here only says which module that is, and what its content must be.
module sluice/tools/flux

go 1.26.0

require github.com/fluxcd/flux2/v2 v2.9.5
