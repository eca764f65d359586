//go:build !wasip1

package host

// Host is what a mock provides. The functions are those of the package, with the same rules.
type Host interface {
	ContentLen() uint32
	ContentRead(offset uint32, buf []byte) uint32
	ContentWrite(content []byte)
	MetaGet(key string, buf []byte) int32
	MetaGetJSON(key string, buf []byte) int32
	MetaSet(key, value string)
	MetaSetJSON(key, json string)
	MetaDelete(key string) int32
	MetaKeys(buf []byte) int32
	ErrorGet(buf []byte) int32
	ErrorClear()
	Emit()
	Filter()
	Fail(reason string)
	Next() int32
	BatchIndex() int32
	BatchLen() int32
	ConfigGet(key string, buf []byte) int32
	Log(level uint32, text string)
	CounterAdd(name string, delta int64)
}

// Guest is what a guest exports.
type Guest struct {
	Process func()
	Init    func() int32
	Close   func()
}

// Exports is the guest that is part of this program, or nil.
var Exports *Guest

// Current is the host that the guest is called by, or nil.
var Current Host

func current() Host {
	if Current == nil {
		panic("wappa: there is no host here; in a test, the guest is called through package wappatest")
	}
	return Current
}

func ContentLen() uint32                           { return current().ContentLen() }
func ContentRead(offset uint32, buf []byte) uint32 { return current().ContentRead(offset, buf) }
func ContentWrite(content []byte)                  { current().ContentWrite(content) }
func MetaGet(key string, buf []byte) int32         { return current().MetaGet(key, buf) }
func MetaGetJSON(key string, buf []byte) int32     { return current().MetaGetJSON(key, buf) }
func MetaSet(key, value string)                    { current().MetaSet(key, value) }
func MetaSetJSON(key, json string)                 { current().MetaSetJSON(key, json) }
func MetaDelete(key string) int32                  { return current().MetaDelete(key) }
func MetaKeys(buf []byte) int32                    { return current().MetaKeys(buf) }
func ErrorGet(buf []byte) int32                    { return current().ErrorGet(buf) }
func ErrorClear()                                  { current().ErrorClear() }
func Emit()                                        { current().Emit() }
func Filter()                                      { current().Filter() }
func Fail(reason string)                           { current().Fail(reason) }
func Next() int32                                  { return current().Next() }
func BatchIndex() int32                            { return current().BatchIndex() }
func BatchLen() int32                              { return current().BatchLen() }
func ConfigGet(key string, buf []byte) int32       { return current().ConfigGet(key, buf) }
func Log(level uint32, text string)                { current().Log(level, text) }
func CounterAdd(name string, delta int64)          { current().CounterAdd(name, delta) }
