// The functions of the host (interface v1), and the memory that they share with it.
//
// A guest's objects are not in its linear memory: what goes to the host and comes from it is copied there, into one place
// that is used again and again.
@file:OptIn(
    kotlin.wasm.unsafe.UnsafeWasmMemoryApi::class,
    kotlin.wasm.ExperimentalWasmInterop::class,
)

package dev.wappa.guest

import kotlin.wasm.WasmImport
import kotlin.wasm.unsafe.MemoryAllocator
import kotlin.wasm.unsafe.Pointer
import kotlin.wasm.unsafe.withScopedMemoryAllocator

/** Marks a function that the host calls: `process`, and `wappa_init`. */
public typealias Export = kotlin.wasm.WasmExport

@WasmImport("wappa", "v1_content_len")
private external fun v1ContentLen(): Int

@WasmImport("wappa", "v1_content_read")
private external fun v1ContentRead(offset: Int, at: Int, room: Int): Int

@WasmImport("wappa", "v1_content_write")
private external fun v1ContentWrite(at: Int, length: Int)

@WasmImport("wappa", "v1_meta_get")
private external fun v1MetaGet(key: Int, keyLength: Int, at: Int, room: Int): Int

@WasmImport("wappa", "v1_meta_get_json")
private external fun v1MetaGetJson(key: Int, keyLength: Int, at: Int, room: Int): Int

@WasmImport("wappa", "v1_meta_set")
private external fun v1MetaSet(key: Int, keyLength: Int, at: Int, length: Int)

@WasmImport("wappa", "v1_meta_set_json")
private external fun v1MetaSetJson(key: Int, keyLength: Int, at: Int, length: Int)

@WasmImport("wappa", "v1_meta_delete")
private external fun v1MetaDelete(key: Int, keyLength: Int): Int

@WasmImport("wappa", "v1_meta_keys")
private external fun v1MetaKeys(at: Int, room: Int): Int

@WasmImport("wappa", "v1_error_get")
private external fun v1ErrorGet(at: Int, room: Int): Int

@WasmImport("wappa", "v1_error_clear")
private external fun v1ErrorClear()

@WasmImport("wappa", "v1_emit")
private external fun v1Emit()

@WasmImport("wappa", "v1_filter")
private external fun v1Filter()

@WasmImport("wappa", "v1_fail")
private external fun v1Fail(at: Int, length: Int)

@WasmImport("wappa", "v1_next")
private external fun v1Next(): Int

@WasmImport("wappa", "v1_batch_index")
private external fun v1BatchIndex(): Int

@WasmImport("wappa", "v1_batch_len")
private external fun v1BatchLen(): Int

@WasmImport("wappa", "v1_config_get")
private external fun v1ConfigGet(key: Int, keyLength: Int, at: Int, room: Int): Int

@WasmImport("wappa", "v1_log")
private external fun v1Log(level: Int, at: Int, length: Int)

@WasmImport("wappa", "v1_counter_add")
private external fun v1CounterAdd(name: Int, length: Int, delta: Long)

@WasmImport("wappa", "v1_now")
private external fun v1Now(): Long

@WasmImport("wappa", "v1_random")
private external fun v1Random(at: Int, length: Int)

/** There is no such thing. */
private const val ABSENT = -1

/** What most messages fit into; larger ones have a place of their own while they are copied. */
private const val SCRATCH_BYTES = 64 * 1024

/** Where the scratch is, while the host is in a call; before that nothing may be copied. */
private var scratch = ABSENT

internal object Host {
    /** Has the scratch while [body] runs. */
    fun enter(body: () -> Unit) {
        withScopedMemoryAllocator { allocator ->
            scratch = allocator.allocate(SCRATCH_BYTES).address.toInt()
            body()
            scratch = ABSENT
        }
    }

    fun contentLength(): Int = v1ContentLen()

    fun content(): ByteArray {
        val length = v1ContentLen()
        return withRoom(length) { at ->
            v1ContentRead(0, at, length)
            load(at, length)
        }
    }

    fun setContent(bytes: ByteArray, from: Int, to: Int) {
        withRoom(to - from) { at ->
            store(bytes, from, to, at)
            v1ContentWrite(at, to - from)
        }
    }

    fun metadata(key: ByteArray): ByteArray? = answer(key) { at, rest, room -> v1MetaGet(at, key.size, rest, room) }

    fun metadataJson(key: ByteArray): ByteArray? =
        answer(key) { at, rest, room -> v1MetaGetJson(at, key.size, rest, room) }

    fun hasMetadata(key: ByteArray): Boolean = with(key) { at -> v1MetaGet(at, key.size, 0, 0) != ABSENT }

    fun setMetadata(key: ByteArray, value: ByteArray) = withBoth(key, value) { at, rest ->
        v1MetaSet(at, key.size, rest, value.size)
    }

    fun setMetadataJson(key: ByteArray, json: ByteArray) = withBoth(key, json) { at, rest ->
        v1MetaSetJson(at, key.size, rest, json.size)
    }

    fun deleteMetadata(key: ByteArray): Boolean = with(key) { at -> v1MetaDelete(at, key.size) != 0 }

    fun keys(): ByteArray = answer(EMPTY) { _, rest, room -> v1MetaKeys(rest, room) } ?: EMPTY

    fun error(): ByteArray? = answer(EMPTY) { _, rest, room -> v1ErrorGet(rest, room) }

    fun clearError() = v1ErrorClear()

    fun emit() = v1Emit()

    fun filter() = v1Filter()

    fun fail(reason: ByteArray) = with(reason) { at -> v1Fail(at, reason.size) }

    fun next(): Boolean = v1Next() == 1

    fun batchIndex(): Int = v1BatchIndex()

    fun batchLength(): Int = v1BatchLen()

    fun config(key: ByteArray): ByteArray? = answer(key) { at, rest, room -> v1ConfigGet(at, key.size, rest, room) }

    fun log(level: Level, text: String) {
        val line = text.encodeToByteArray()
        with(line) { at -> v1Log(level.ordinal, at, line.size) }
    }

    fun count(name: ByteArray, delta: Long) = with(name) { at -> v1CounterAdd(at, name.size, delta) }

    fun now(): Long = v1Now()

    fun random(length: Int): ByteArray = withRoom(length) { at ->
        v1Random(at, length)
        load(at, length)
    }
}

private val EMPTY = ByteArray(0)

/** A place of this length: the scratch, or memory that is free again afterwards. */
private inline fun <T> withRoom(length: Int, body: (Int) -> T): T {
    if (scratch != ABSENT && length <= SCRATCH_BYTES) return body(scratch)
    return withScopedMemoryAllocator { allocator -> body(allocate(allocator, length)) }
}

private fun allocate(allocator: MemoryAllocator, length: Int): Int =
    allocator.allocate(if (length == 0) 1 else length).address.toInt()

private inline fun <T> with(bytes: ByteArray, body: (Int) -> T): T = withRoom(bytes.size) { at ->
    store(bytes, 0, bytes.size, at)
    body(at)
}

private inline fun withBoth(key: ByteArray, value: ByteArray, body: (Int, Int) -> Unit) {
    withRoom(key.size + value.size) { at ->
        store(key, 0, key.size, at)
        store(value, 0, value.size, at + key.size)
        body(at, at + key.size)
    }
}

/**
 * What the host answers to a key. `ask` gets the place of the key, and a place for the answer with the room there; where
 * the answer is longer nothing was written, and it is asked again.
 */
private inline fun answer(key: ByteArray, ask: (Int, Int, Int) -> Int): ByteArray? {
    var room = 1024
    while (true) {
        val length = withRoom(key.size + room) { at ->
            store(key, 0, key.size, at)
            val length = ask(at, at + key.size, room)
            if (length <= room) return if (length == ABSENT) null else load(at + key.size, length)
            length
        }
        room = length
    }
}

private fun load(at: Int, length: Int): ByteArray {
    val bytes = ByteArray(length)
    var i = 0
    while (i < length) {
        bytes[i] = Pointer((at + i).toUInt()).loadByte()
        i++
    }
    return bytes
}

private fun store(bytes: ByteArray, from: Int, to: Int, at: Int) {
    var i = from
    while (i < to) {
        Pointer((at + i - from).toUInt()).storeByte(bytes[i])
        i++
    }
}
