module wappa.dev/guest

go 1.24
