package bento

// GetMsgAsBytes returns the content of the message. The slice is valid until the exported function returns.
func GetMsgAsBytes() ([]byte, error) { return take(msgAsBytes(), "the content") }

// SetMsgBytes replaces the content of the message by a copy of these bytes, which may be none.
func SetMsgBytes(b []byte) error {
	msgSetBytes(b)
	return nil
}

// GetMeta returns a metadata value as text; a key that is not there gives the empty string.
func GetMeta(key string) (string, error) {
	b, err := take(msgGetMeta(key), "the metadata key "+key)
	return string(b), err
}

// SetMeta sets a metadata key to text.
func SetMeta(key, value string) error {
	msgSetMeta(key, value)
	return nil
}
