package wappa

// What the host calls. Both compilers export from any package that the program contains.

//go:wasmexport process
func exportProcess() { process() }

//go:wasmexport wappa_init
func exportInit() int32 { return initialize() }

//go:wasmexport wappa_close
func exportClose() { finish() }
